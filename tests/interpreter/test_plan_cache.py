"""Plans kept beside the kernels: who recalls them, what they share with files, and what makes them useless."""

import io
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jitlite.interpreter import Interpreter, plan_cache
from jitlite.interpreter.plan import Planner
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.ops.elementwise import ADD
from jitlite.schemas.ops.matmul import FULLY_CONNECTED
from jitlite.schemas.ops.reshape import RESHAPE
from jitlite.schemas.tables import AddOptions, FullyConnectedOptions, ReshapeOptions
from tests.interpreter.models import GraphBuilder, content, new_model
from tests.interpreter.test_control import branch, loop
from tests.interpreter.test_program import run_time_shape_model

X = np.linspace(-1, 1, 64, dtype=np.float32).reshape(1, 64)


def dense_model(scale: float = 1.0) -> bytes:
    """(x + c) through 48 units: the sum's operand stays in the model, the weights are packed."""
    model = new_model()
    g = GraphBuilder(model)
    x = g.input((1, 64))
    total = g.op(ADD, [x, g.constant(scale * X)], [g.tensor((1, 64))], AddOptions())
    weights = np.arange(48 * 64, dtype=np.float32).reshape(48, 64) / 1000
    g.finish(g.op(FULLY_CONNECTED, [total, g.constant(weights), -1], [g.tensor((1, 48))], FullyConnectedOptions()))
    return content(model)


@pytest.fixture
def folder(monkeypatch, tmp_path) -> Path:
    """The folder of kept plans, for a test of its own; files need no time to settle."""
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setattr(plan_cache, "library_folder", lambda: str(kept))
    monkeypatch.setattr(plan_cache, "SETTLED_NS", 0)
    monkeypatch.setattr(plan_cache, "_source_states", lambda: iter([("interpreter/plan.py", 1, 1)]))
    monkeypatch.delenv("JITLITE_PLAN_CACHE_BYTES")
    return kept


@pytest.fixture
def path(tmp_path) -> Path:
    file = tmp_path / "model.tflite"
    file.write_bytes(dense_model())
    return file


def run(source: Path | Interpreter, *feeds: np.ndarray) -> np.ndarray:
    interpreter = source if isinstance(source, Interpreter) else Interpreter(source)
    interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), feeds or (X,)):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.fixture
def plans(monkeypatch) -> list[int]:
    """The subgraphs that are planned from now on."""
    planned, first_stage = [], Planner.first_stage

    def noted(self, inputs):
        planned.append(self.subgraph)
        return first_stage(self, inputs)

    monkeypatch.setattr(Planner, "first_stage", noted)
    return planned


def test_tensors_of_a_recalled_plan_live_inside_others(folder, path, plans):
    model = new_model()
    g = GraphBuilder(model)
    total = g.op(ADD, [g.input((1, 64)), g.constant(X)], [g.tensor((1, 64))], AddOptions())
    g.finish(g.op(RESHAPE, [total], [g.tensor((8, 8))], ReshapeOptions(new_shape=[8, 8])))
    path.write_bytes(content(model))
    for _ in range(2):
        interpreter = Interpreter(path)
        np.testing.assert_array_equal(run(interpreter), (X + X).reshape(8, 8))
        assert [planned.label for planned in interpreter._main.program.steps] == ["ADD"]
    assert plans == [0]


def test_a_plan_is_made_once(folder, path, plans):
    first, second = Interpreter(path), Interpreter(path)
    expected = run(first)
    for other in (second, Interpreter(path)):
        np.testing.assert_array_equal(run(other), expected)
        assert [label for _, label, _ in other.profile()] == ["ADD", "FULLY_CONNECTED"]
        assert other.arena_bytes() == first.arena_bytes()
        np.testing.assert_array_equal(other.get_tensor(2), first.get_tensor(2))
    assert plans == [0]
    assert len(list(folder.iterdir())) == 1


def test_constants_of_a_recalled_plan_are_views_of_files(folder, path):
    run(path)
    recalled = Interpreter(path)
    recalled.allocate_tensors()
    mapped = [np.frombuffer(data, np.uint8) for data in (recalled._plans.of(0)._model.data, recalled._plans.of(0)._file)]
    model, kept = mapped
    steps = recalled._main.required_program().steps
    arrays = [argument for planned in steps for argument in planned.step.arguments.values() if isinstance(argument, np.ndarray)]
    infos = [
        argument.value for planned in steps for argument in planned.step.arguments.values() if getattr(argument, "value", None) is not None
    ]
    assert len(infos) == 1
    assert np.shares_memory(infos[0], model)
    assert sum(array.nbytes for array in arrays) >= 48 * 64 * 4
    for array in arrays:
        assert np.shares_memory(array, kept)
        assert array.ctypes.data % 64 == 0
        assert not array.flags.writeable


def test_a_changed_model_is_planned_anew(folder, path, plans):
    first = run(path)
    path.write_bytes(dense_model(2.0))
    second = run(path)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(run(path), second)
    assert plans == [0, 0]


def test_a_changed_source_or_target_is_noticed(folder, path, plans, monkeypatch):
    run(path)
    monkeypatch.setattr(plan_cache, "_source_states", lambda: iter([("interpreter/plan.py", 1, 2)]))
    run(path)
    monkeypatch.setattr(plan_cache, "environment_key", lambda: "another machine")
    run(path)
    assert plans == [0, 0, 0]


def test_sources_are_those_that_plans_depend_on():
    names = {name for name, _, _ in plan_cache._source_states()}
    assert {"interpreter/plan.py", "interpreter/binding/conv.py", "interpreter/kernels/packing.py", "schemas/ops/conv.py"} <= names
    assert all((Path(plan_cache.PACKAGE) / name).is_file() for name in names)


def test_nothing_is_kept_while_files_may_change_unseen(folder, path, monkeypatch):
    monkeypatch.setattr(plan_cache, "SETTLED_NS", 3_600_000_000_000)
    run(path)
    assert list(folder.iterdir()) == []


def test_plans_for_other_uses_are_not_kept(folder, path):
    resized = Interpreter(path)
    resized.resize_tensor_input(0, (3, 64))
    run(resized, np.repeat(X, 3, 0))
    run(Interpreter(path, experimental_preserve_all_tensors=True))
    run(Interpreter(model_content=dense_model()))
    assert list(folder.iterdir()) == []


def test_a_plan_of_several_stages_is_not_kept(folder, tmp_path):
    path = tmp_path / "stages.tflite"
    path.write_bytes(run_time_shape_model())
    feeds = [np.ones((2, 6), np.float32), np.array([3, 4], np.int32)]
    np.testing.assert_array_equal(run(path, *feeds), run(path, *feeds))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("data", [branch(), loop()], ids=["IF", "WHILE"])
def test_nested_tables_are_kept(folder, tmp_path, plans, data):
    path = tmp_path / "nested.tflite"
    path.write_bytes(data)
    feeds = [np.ones(detail["shape"], detail["dtype"]) for detail in Interpreter(path).get_input_details()]
    expected = run(path, *feeds)
    made = len(plans)
    np.testing.assert_array_equal(run(path, *feeds), expected)
    assert len(plans) == made
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-64], lambda data: b"", lambda data: b"x" * len(data)], ids=["cut", "empty", "other"]
)
def test_a_damaged_file_is_replaced(folder, path, plans, damage):
    expected = run(path)
    (kept,) = folder.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    np.testing.assert_array_equal(run(path), expected)
    assert plans == [0, 0]
    assert kept.read_bytes() == whole


def test_the_oldest_plans_make_room(folder, tmp_path, monkeypatch, plans):
    paths = [tmp_path / f"{number}.tflite" for number in range(3)]
    for number, path in enumerate(paths):
        path.write_bytes(dense_model(number))
    run(paths[0])
    size = next(folder.iterdir()).stat().st_size
    monkeypatch.setenv("JITLITE_PLAN_CACHE_BYTES", str(2 * size + 1024))
    run(paths[1])
    for age, kept in enumerate(sorted(folder.iterdir(), key=lambda kept: kept.stat().st_mtime_ns, reverse=True)):
        os.utime(kept, (1e9 - age, 1e9 - age))
    run(paths[0])
    run(paths[2])
    assert len(list(folder.iterdir())) == 2
    plans.clear()
    run(paths[0])
    run(paths[2])
    assert plans == []
    run(paths[1])
    assert plans == [0]


@pytest.mark.parametrize("limit", ["0", "1000"])
def test_a_limit_too_small_keeps_nothing(folder, path, monkeypatch, limit):
    monkeypatch.setenv("JITLITE_PLAN_CACHE_BYTES", limit)
    run(path)
    assert list(folder.iterdir()) == []


def test_a_limit_that_is_no_number_is_an_error(folder, path, monkeypatch):
    monkeypatch.setenv("JITLITE_PLAN_CACHE_BYTES", "1 GB")
    with pytest.raises(ValueError, match="JITLITE_PLAN_CACHE_BYTES: a number of bytes"):
        Interpreter(path)


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(folder, path, monkeypatch):
    def refuse(*paths: str) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(plan_cache.os, "replace", refuse)
    np.testing.assert_array_equal(run(path), run(Interpreter(model_content=dense_model())))


def test_a_model_that_breaks_a_rule_is_refused_whatever_is_kept(folder, path):
    run(path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InvalidModelError):
        Interpreter(path)


def test_a_plan_holds_nothing_else():
    with pytest.raises(pickle.UnpicklingError, match="a part of a plan is required, found"):
        plan_cache._Unpickler(io.BytesIO(pickle.dumps(os.getcwd))).load()


WARM = """
import sys
import numpy as np
from jitlite.interpreter import Interpreter
interpreter = Interpreter(sys.argv[1])
interpreter.allocate_tensors()
interpreter.invoke()
unwanted = sys.argv[2].split()
folders = ("jitlite.interpreter.kernels", "jitlite.interpreter.binding.")
print(*sorted(name for name in sys.modules if name in unwanted or name.startswith(folders)))
"""


def test_a_process_with_all_it_needs_imports_little(path, monkeypatch, tmp_path):
    """Neither compilers nor what plans models, nor the modules of the standard library that take long to import."""
    unwanted = "numba llvmlite onnx flatbuffers hashlib json pathlib dataclasses rich click "
    unwanted += "jitlite.interpreter.codegen.cache jitlite.schemas.ops.matmul"
    monkeypatch.setattr(plan_cache, "SETTLED_NS", 0)
    monkeypatch.setenv("JITLITE_PLAN_CACHE_BYTES", str(plan_cache.DEFAULT_LIMIT_BYTES))
    run(path)
    done = subprocess.run([sys.executable, "-c", WARM, str(path), unwanted], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    light = ["jitlite.interpreter.binding.registry", "jitlite.interpreter.kernels", "jitlite.interpreter.kernels.cells"]
    light += ["jitlite.interpreter.kernels.team_blocks"]
    assert done.stdout.split() == light


@pytest.mark.parametrize("name", ["t0552_pretrainedresnet", "t0553_vww_96_int8", "t0437_okay_nabu"])
def test_a_recalled_plan_computes_the_same(folder, corpus, name, plans):
    model, rng = corpus / "models" / f"{name}.tflite", np.random.default_rng(7)
    feeds = [rng.uniform(-1, 1, detail["shape"]).astype(detail["dtype"]) for detail in Interpreter(model).get_input_details()]
    np.testing.assert_array_equal(run(model, *feeds), run(model, *feeds))
    assert plans == [0]
