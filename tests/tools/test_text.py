"""Models that take and give text, in the commands."""

from pathlib import Path

import numpy as np
import pytest

import jitlite
from jitlite.schemas.ops.comparison import EQUAL
from jitlite.schemas.ops.conversion import CAST
from jitlite.schemas.ops.matmul import FULLY_CONNECTED
from jitlite.schemas.ops.reshape import RESHAPE
from jitlite.schemas.strings import as_strings, encode_strings
from jitlite.schemas.tables import Buffer, CastOptions, EqualOptions, FullyConnectedOptions, ReshapeOptions, TensorType
from jitlite.tools.difference import DifferenceMeter
from tests.interpreter.models import GraphBuilder, content, new_model
from tests.tools.network import fail, parsed, succeed


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Two rows of text: which are equal, and the first one with another shape."""
    made = new_model()
    g = GraphBuilder(made)
    x, y = g.input((1, 2), TensorType.STRING), g.input((1, 2), TensorType.STRING)
    equal = g.op(EQUAL, [x, y], [g.tensor((1, 2), TensorType.BOOL)], EqualOptions())
    g.finish(equal, g.op(RESHAPE, [x], [g.tensor((2,), TensorType.STRING)], ReshapeOptions(new_shape=[2])))
    path = tmp_path / "text.tflite"
    path.write_bytes(content(made))
    return path


@pytest.mark.parametrize("dtype", ["U5", "S5"])
def test_text_goes_through_files(dtype: str, model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", t0=np.array([["a", "word"]], dtype), t1=np.array([["b", "word"]], dtype))
    found = parsed("run", model, "--input", tmp_path / "x.npz", "-o", tmp_path / "y.npz")
    assert [item["dtype"] for item in found["outputs"]] == ["bool", "object"]
    with np.load(tmp_path / "y.npz") as data:
        assert data["t2"].tolist() == [[False, True]]
        assert data["t3"].tolist() == [b"a", b"word"]


def test_numbers_are_no_text(model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", t0=np.zeros((1, 2)), t1=np.zeros((1, 2)))
    assert "found dtype float64" in fail("run", model, "--input", tmp_path / "x.npz")


def test_random_text(model: Path) -> None:
    succeed("run", model, "--random")
    succeed("compare", model, model, "--random")


def test_text_differs_or_not() -> None:
    meter = DifferenceMeter()
    meter.update(np.array([b"a", b"b", b"c", b"d"], np.object_), np.array([b"a", b"x", b"c", b"d"], np.object_))
    assert (meter.result().max_abs, meter.result().agreement) == (1.0, 0.75)


def test_networks_that_read_text_are_quantized() -> None:
    """Which of 64 words the input is, then a dense layer."""
    made = new_model()
    g = GraphBuilder(made)
    words = as_strings(np.array([[f"w{i}" for i in range(64)]]))
    made.buffers.append(Buffer(data=encode_strings(words)))
    x = g.input((1, 1), TensorType.STRING)
    equal = g.op(EQUAL, [x, g.tensor((1, 64), TensorType.STRING, buffer=1)], [g.tensor((1, 64), TensorType.BOOL)], EqualOptions())
    options = CastOptions(in_data_type=TensorType.BOOL, out_data_type=TensorType.FLOAT32)
    hot = g.op(CAST, [equal], [g.tensor((1, 64))], options)
    weights = g.constant(np.random.default_rng(0).normal(size=(32, 64)))
    g.finish(g.op(FULLY_CONNECTED, [hot, weights, -1], [g.tensor((1, 32))], FullyConnectedOptions()))
    samples = [{"t0": np.array([[f"w{i}"]])} for i in range(0, 64, 5)]
    for scheme in ("int8", "dynamic", "float16"):
        small = jitlite.quantize(made, samples, scheme)
        (found,), (wanted,) = (results_of(content(model), samples[1]["t0"]) for model in (small, made))
        np.testing.assert_allclose(found, wanted, atol=0.1)


def results_of(model: bytes, value: np.ndarray) -> list[np.ndarray]:
    interpreter = jitlite.Interpreter(model_content=model)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], value)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]
