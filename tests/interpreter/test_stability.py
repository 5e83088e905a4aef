"""Long lives: memory that does not grow, interpreters side by side, one file for several, what cannot travel to another process."""

import copy
import gc
import os
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest

from jitlite.interpreter import Interpreter
from jitlite.schemas.ops.activation import RELU
from jitlite.schemas.ops.elementwise import ADD
from jitlite.schemas.ops.matmul import FULLY_CONNECTED
from jitlite.schemas.ops.selection import WHERE
from jitlite.schemas.tables import AddOptions, FullyConnectedOptions, TensorType
from tests.interpreter.models import GraphBuilder, content, new_model

STATM = Path("/proc/self/statm")
PAGE = 4096
ALLOWED_PAGES = 500
"""2 MB: what the allocator and the test itself may move."""

needs_statm = pytest.mark.skipif(not STATM.exists(), reason="the system does not tell a process its own size")


def resident_pages() -> int:
    gc.collect()
    return int(STATM.read_text().split()[1])


def dense_model(units: int = 16) -> bytes:
    """y = RELU(x · W + 1), for any number of rows."""
    model = new_model()
    g = GraphBuilder(model)
    x, rows = g.input((1, units)), [-1, units]
    g.graph.tensors[x].shape_signature = rows
    weights = g.constant(np.random.default_rng(0).normal(size=(units, units)))
    product = g.op(FULLY_CONNECTED, [x, weights, -1], [g.tensor((1, units), shape_signature=rows)], FullyConnectedOptions())
    total = g.op(ADD, [product, g.constant(np.ones(units))], [g.tensor((1, units), shape_signature=rows)], AddOptions())
    g.finish(g.op(RELU, [total], [g.tensor((1, units), shape_signature=rows)]))
    return content(model)


def counting_model() -> bytes:
    """A total that a variable keeps between runs."""
    model = new_model()
    g = GraphBuilder(model)
    total = g.tensor((4,), is_variable=True)
    g.finish(g.op(ADD, [g.input((4,)), total], [g.tensor((4,))], AddOptions()))
    return content(model)


def places_model() -> bytes:
    """Where a tensor is true: a result whose size depends on the data."""
    model = new_model()
    g = GraphBuilder(model)
    g.finish(g.op(WHERE, [g.input((64,), TensorType.BOOL)], [g.tensor((1, 1), TensorType.INT64, shape_signature=[-1, 1])]))
    return content(model)


def opened(model: bytes) -> Interpreter:
    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    return interpreter


def invoke(interpreter: Interpreter, value: np.ndarray) -> np.ndarray:
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], value)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@needs_statm
def test_100_000_runs_keep_their_memory():
    interpreter = opened(dense_model())
    x = np.linspace(-1, 1, 16, dtype=np.float32)[None]
    expected, index = invoke(interpreter, x), interpreter.get_output_details()[0]["index"]
    before = resident_pages()
    for _ in range(100_000):
        interpreter.set_tensor(0, x)
        interpreter.invoke()
        interpreter.get_tensor(index)
    assert resident_pages() - before < ALLOWED_PAGES
    np.testing.assert_array_equal(interpreter.get_tensor(index), expected)


def resized(interpreter: Interpreter, turn: int) -> None:
    rows = 1 + turn % 7
    interpreter.resize_tensor_input(0, [rows, 16])
    interpreter.allocate_tensors()
    assert invoke(interpreter, np.ones((rows, 16), np.float32)).shape == (rows, 16)


def found_places(interpreter: Interpreter, turn: int) -> None:
    wanted = np.arange(64) % (turn % 9 + 1) == 0
    np.testing.assert_array_equal(invoke(interpreter, wanted), np.flatnonzero(wanted)[:, None])


def totalled(interpreter: Interpreter, turn: int) -> None:
    invoke(interpreter, np.ones(4, np.float32))
    interpreter.reset_all_variables()


def opened_again(interpreter: Interpreter, turn: int) -> None:
    invoke(opened(dense_model()), np.ones((1, 16), np.float32))


@needs_statm
@pytest.mark.parametrize(
    ("model", "turn_of", "turns"),
    [
        pytest.param(dense_model, resized, 300, id="resized"),
        pytest.param(places_model, found_places, 1000, id="shapes that depend on data"),
        pytest.param(counting_model, totalled, 3000, id="variables"),
        pytest.param(dense_model, opened_again, 300, id="opened and closed"),
    ],
)
def test_repeated_work_keeps_its_memory(model, turn_of, turns):
    interpreter = opened(model())
    for turn in range(turns // 3):
        turn_of(interpreter, turn)
    before = resident_pages()
    for turn in range(turns):
        turn_of(interpreter, turn)
    assert resident_pages() - before < ALLOWED_PAGES


def test_interpreters_in_several_threads_share_one_mapped_file(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(dense_model())
    inputs = np.random.default_rng(1).normal(size=(4, 1, 16)).astype(np.float32)
    expected = [invoke(opened(dense_model()), x) for x in inputs]
    failures: list[int] = []

    def work(number: int) -> None:
        interpreter = Interpreter(path)
        interpreter.allocate_tensors()
        if not all(np.array_equal(invoke(interpreter, inputs[number]), expected[number]) for _ in range(500)):
            failures.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_file_serves_two_interpreters_after_its_name_is_gone(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(dense_model())
    first, second = Interpreter(path), Interpreter(path)
    if os.name == "posix":
        path.unlink()
    x = np.full((1, 16), 0.5, np.float32)
    for interpreter in (first, second):
        interpreter.allocate_tensors()
    np.testing.assert_array_equal(invoke(first, x), invoke(second, x))


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_an_interpreter_says_that_it_cannot_be_copied(duplicate):
    with pytest.raises(TypeError, match="an Interpreter cannot be pickled or copied: make another one from the same file"):
        duplicate(opened(dense_model()))
