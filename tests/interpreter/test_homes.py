"""Tensors that live inside others: which copies are left out, and that results are what they were."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitlite.interpreter import CustomOperator, Interpreter
from jitlite.schemas.ops.activation import RELU
from jitlite.schemas.ops.concat import CONCATENATION, SPLIT
from jitlite.schemas.ops.elementwise import ADD, NEG
from jitlite.schemas.ops.reshape import EXPAND_DIMS, PACK, RESHAPE, SQUEEZE, UNPACK
from jitlite.schemas.ops.slice import SLICE
from jitlite.schemas.tables import (
    ActivationFunctionType,
    AddOptions,
    ConcatenationOptions,
    ExpandDimsOptions,
    NegOptions,
    PackOptions,
    ReshapeOptions,
    SliceOptions,
    SplitOptions,
    SqueezeOptions,
    UnpackOptions,
)
from tests.interpreter.models import GraphBuilder, content, new_model

NONE = ActivationFunctionType.NONE
TWICE = [CustomOperator("Twice", lambda x: 2 * x, lambda call: [call.input(0)])]


class Rows(GraphBuilder):
    """Operators on tensors of shape (rows, 3)."""

    def rows(self, index: int) -> int:
        return self.graph.tensors[index].shape[0]

    def table(self, rows: int) -> int:
        return self.tensor((rows, 3))

    def given(self, rows: int) -> int:
        return self.input((rows, 3))

    def made(self, rows: int) -> int:
        return self.relu(self.given(rows))

    def join(self, *parts: int) -> int:
        options = ConcatenationOptions(axis=0, fused_activation_function=NONE)
        return self.op(CONCATENATION, list(parts), [self.table(sum(self.rows(part) for part in parts))], options)

    def split(self, x: int, parts: int) -> list[int]:
        outputs = [self.table(self.rows(x) // parts) for _ in range(parts)]
        self.op(SPLIT, [self.constant(0, np.int32), x], outputs, SplitOptions(num_splits=parts))
        return outputs

    def cut(self, x: int, start: int, rows: int) -> int:
        ends = [self.constant([start, 0], np.int32), self.constant([rows, 3], np.int32)]
        return self.op(SLICE, [x, *ends], [self.table(rows)], SliceOptions())

    def there_and_back(self, x: int) -> int:
        rows = self.rows(x)
        flat = self.op(RESHAPE, [x], [self.tensor((3 * rows,))], ReshapeOptions(new_shape=[3 * rows]))
        deep = self.op(EXPAND_DIMS, [flat, self.constant(0, np.int32)], [self.tensor((1, 3 * rows))], ExpandDimsOptions())
        flat = self.op(SQUEEZE, [deep], [self.tensor((3 * rows,))], SqueezeOptions(squeeze_dims=[0]))
        return self.op(RESHAPE, [flat], [self.table(rows)], ReshapeOptions(new_shape=[rows, 3]))

    def unpack_and_pack(self, x: int) -> int:
        rows = self.rows(x)
        parts = [self.tensor((3,)) for _ in range(rows)]
        self.op(UNPACK, [x], parts, UnpackOptions(axis=0, num=rows))
        return self.op(PACK, parts[::-1], [self.table(rows)], PackOptions(axis=0, values_count=rows))

    def negate(self, x: int) -> int:
        return self.op(NEG, [x], [self.table(self.rows(x))], NegOptions())

    def relu(self, x: int) -> int:
        return self.op(RELU, [x], [self.table(self.rows(x))])

    def twice(self, x: int) -> int:
        return self.op("Twice", [x], [self.table(self.rows(x))])

    def add(self, a: int, b: int) -> int:
        return self.op(ADD, [a, b], [self.table(self.rows(a))], AddOptions())


def steps(interpreter: Interpreter) -> list[str]:
    interpreter.allocate_tensors()
    return [planned.label for planned in interpreter._main.program.steps]


def run(interpreter: Interpreter, seed: int) -> list[np.ndarray]:
    interpreter.allocate_tensors()
    rng = np.random.default_rng(seed)
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], rng.integers(-9, 9, detail["shape"]).astype(np.float32))
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def check(model: bytes) -> Interpreter:
    """The interpreter that shares memory, which gave the same results as one that does not."""
    sharing = Interpreter(model_content=model, custom_operators=TWICE)
    apart = Interpreter(model_content=model, custom_operators=TWICE, experimental_preserve_all_tensors=True)
    for seed in range(2):
        for found, expected in zip(run(sharing, seed), run(apart, seed), strict=True):
            np.testing.assert_array_equal(found, expected)
    return sharing


@st.composite
def graphs(draw) -> bytes:
    model = new_model()
    g = Rows(model)
    tables = [g.input((rows, 3)) for rows in draw(st.lists(st.integers(1, 4), min_size=1, max_size=2))]
    for _ in range(draw(st.integers(1, 12))):
        x = draw(st.sampled_from(tables))
        rows = g.rows(x)
        kind = draw(st.sampled_from(["join", "split", "cut", "there_and_back", "unpack_and_pack", "negate", "relu", "twice", "add"]))
        if kind == "join":
            parts = [x, *draw(st.lists(st.sampled_from(tables), min_size=0, max_size=3))]
            if sum(g.rows(part) for part in parts) <= 24:
                tables.append(g.join(*parts))
        elif kind == "split":
            tables += g.split(x, draw(st.sampled_from([n for n in range(1, rows + 1) if rows % n == 0])))
        elif kind == "cut":
            start = draw(st.integers(0, rows - 1))
            tables.append(g.cut(x, start, draw(st.integers(1, rows - start))))
        elif kind == "add":
            tables.append(g.add(x, draw(st.sampled_from([other for other in tables if g.rows(other) == rows]))))
        else:
            tables.append(getattr(g, kind)(x))
    g.finish(*draw(st.lists(st.sampled_from(tables), min_size=1, max_size=4, unique=True)))
    return content(model)


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_living_inside_others_changes_no_result(model):
    check(model)


def one_graph(build) -> bytes:
    model = new_model()
    g = Rows(model)
    g.finish(*np.atleast_1d(build(g)).tolist())
    return content(model)


@pytest.mark.parametrize(
    ("build", "kept"),
    [
        pytest.param(lambda g: g.negate(g.there_and_back(g.made(4))), ["RELU", "NEG"], id="reshapes"),
        pytest.param(lambda g: g.negate(g.there_and_back(g.given(4))), ["NEG"], id="reshapes of an input"),
        pytest.param(lambda g: g.there_and_back(g.made(4)), ["RELU"], id="reshapes to an output"),
        pytest.param(lambda g: g.there_and_back(g.given(4)), ["RESHAPE"], id="an output is never an input"),
        pytest.param(lambda g: g.negate(g.join(g.made(4), g.made(2))), ["RELU", "RELU", "NEG"], id="parts written in place"),
        pytest.param(lambda g: g.join(g.made(4), g.made(2)), ["RELU", "RELU"], id="parts of an output"),
        pytest.param(lambda g: [g.negate(part) for part in g.split(g.made(4), 2)], ["RELU", "NEG", "NEG"], id="parts read in place"),
        pytest.param(lambda g: g.negate(g.join(*[g.made(4)] * 2)), ["RELU", "CONCATENATION", "NEG"], id="the same part twice"),
        pytest.param(lambda g: g.negate(g.unpack_and_pack(g.made(2))), ["RELU", "PACK", "PACK", "NEG"], id="parts in another order"),
        pytest.param(lambda g: g.negate(g.join(g.given(4), g.made(2))), ["RELU", "CONCATENATION", "NEG"], id="an input is no part"),
    ],
)
def test_copies_that_are_left_out(build, kept):
    assert steps(check(one_graph(build))) == kept


def test_a_small_part_does_not_keep_a_large_tensor():
    def build(g):
        large = g.made(100_000)
        kept, first = g.cut(large, 0, 1), g.negate(large)
        second = g.negate(g.negate(first))
        return g.add(g.cut(second, 0, 1), kept)

    interpreter = check(one_graph(build))
    assert "SLICE" in steps(interpreter)
    assert interpreter.arena_bytes() < 3 * 100_000 * 12 + 1000


def test_every_tensor_has_memory_of_its_own_when_all_are_preserved():
    model = one_graph(lambda g: g.negate(g.there_and_back(g.relu(g.input((4, 3))))))
    interpreter = Interpreter(model_content=model, experimental_preserve_all_tensors=True)
    assert steps(interpreter) == ["RELU", "RESHAPE", "EXPAND_DIMS", "SQUEEZE", "RESHAPE", "NEG"]
    addresses = [interpreter.tensor(index)().ctypes.data for index in range(7) if index != 3]
    assert len(set(addresses)) == len(addresses)
