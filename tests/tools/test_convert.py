import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from jitlite.tools.runners import OnnxModel, TfliteModel
from tests.converter.agreement import node, onnx_model
from tests.tools.network import Files, fail, images, network, parsed, succeed, unsupported_network


def test_writes_a_model_that_agrees(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out.tflite"
    found = parsed("convert", files.onnx, "-o", out)
    assert found["size_bytes"] == out.stat().st_size
    assert found["check"]["data"] == "random"
    assert found["check"]["samples"] == 8
    assert found["check"]["outputs"]["scores"]["relative"] < 1e-5
    assert [path.name for path in tmp_path.iterdir()] == ["out.tflite"]
    feed = {"image": images(1)}
    np.testing.assert_allclose(TfliteModel(out).run(feed)["scores"], OnnxModel(files.onnx).run(feed)["scores"], rtol=1e-4, atol=1e-5)


def test_prints_what_was_found(files: Files, tmp_path: Path) -> None:
    text = succeed("convert", files.onnx, "-o", tmp_path / "out.tflite").stdout
    assert "1 CONV_2D" in text
    assert "8 random samples" in text


def test_checks_on_calibration_samples(files: Files, tmp_path: Path) -> None:
    found = parsed("convert", files.onnx, "-o", tmp_path / "out.tflite", "--calibration", files.samples)
    assert found["check"]["data"] == "calibration"


@pytest.mark.parametrize("scheme", ["int8", "dynamic", "float16", "static_wi8_ai8"])
def test_quantizes(scheme: str, files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out.tflite"
    found = parsed("convert", files.onnx, "-o", out, "--quantize", scheme, "--calibration", files.samples)
    assert 10 < found["check"]["outputs"]["scores"]["sqnr_db"] < 120
    assert out.exists()


@pytest.mark.parametrize(("arguments", "dtype"), [((), "float32"), (("--io", "float32"), "float32"), (("--io", "int8"), "int8")])
def test_edges_of_an_int8_model(arguments: tuple[str, ...], dtype: str, files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out.tflite"
    succeed("convert", files.onnx, "-o", out, "--quantize", "int8", "--calibration", files.samples, *arguments)
    assert [port.dtype for port in (*TfliteModel(out).inputs, *TfliteModel(out).outputs)] == [dtype, dtype]


def test_int8_needs_calibration_data(files: Files, tmp_path: Path) -> None:
    assert "--calibration" in fail("convert", files.onnx, "-o", tmp_path / "out.tflite", "--quantize", "int8", code=2)


def test_nhwc_inputs(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out.tflite"
    found = parsed("convert", files.onnx, "-o", out, "--nhwc-inputs")
    assert found["check"]["outputs"]["scores"]["relative"] < 1e-5
    assert TfliteModel(out).inputs[0].shape[1:] == (8, 8, 3)


def test_inputs_asked_to_be_channels_last(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out.tflite"
    found = parsed("convert", files.onnx, "-o", out, "--channels-last", "image")
    assert found["check"]["outputs"]["scores"]["relative"] < 1e-5
    assert TfliteModel(out).inputs[0].shape[1:] == (8, 8, 3)
    assert "'scores' must have three to five dimensions" in fail("convert", files.onnx, "-o", out, "--force", "--channels-last", "scores")


def test_an_output_asked_to_be_channels_last_is_compared_so(tmp_path: Path) -> None:
    x = np.zeros((1, 4, 4, 4), np.float32)
    source, out = tmp_path / "square.onnx", tmp_path / "out.tflite"
    onnx.save(onnx_model([node("Sigmoid", ["x"], ["y"])], {"x": x}, ["y"]), source)
    found = parsed("convert", source, "-o", out, "--channels-last", "y", "--channels-last", "x")
    assert found["operators"] == {"LOGISTIC": 1}
    assert found["check"]["outputs"]["y"]["relative"] < 1e-5
    found = parsed("convert", source, "-o", out, "--force", "--channels-last", "y")
    assert found["operators"]["TRANSPOSE"] == 1
    assert found["check"]["outputs"]["y"]["relative"] < 1e-5


def test_shape_fixes_a_dimension(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out.tflite"
    succeed("convert", files.onnx, "-o", out, "--shape", "image=2x3x8x8")
    assert TfliteModel(out).inputs[0].shape == (2, 3, 8, 8)


@pytest.mark.parametrize("shape", ["image", "image=", "image=ax3", "=1x2", "image=1x-3"])
def test_malformed_shape_is_wrong_usage(shape: str, files: Files, tmp_path: Path) -> None:
    assert "--shape" in fail("convert", files.onnx, "-o", tmp_path / "out.tflite", "--shape", shape, code=2)


def test_shape_of_an_unknown_input_fails(files: Files, tmp_path: Path) -> None:
    assert "picture" in fail("convert", files.onnx, "-o", tmp_path / "out.tflite", "--shape", "picture=1x3x8x8")


def test_lists_every_node_without_a_form(tmp_path: Path) -> None:
    onnx.save(unsupported_network(), tmp_path / "model.onnx")
    message = fail("convert", tmp_path / "model.onnx", "-o", tmp_path / "out.tflite")
    assert "first_culprit" in message
    assert "second_culprit" in message
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_beyond_the_limit_nothing_is_written(files: Files, tmp_path: Path) -> None:
    arguments = ("convert", files.onnx, "-o", tmp_path / "out.tflite", "--quantize", "dynamic", "--min-sqnr", "200")
    with pytest.raises(AssertionError) as result:
        succeed(*arguments)
    assert "an SQNR of at least 200 dB is required" in str(result.value)
    assert list(tmp_path.iterdir()) == []
    succeed(*arguments, "--no-check")
    assert (tmp_path / "out.tflite").exists()


def test_existing_output_is_left_alone(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out.tflite"
    out.write_text("precious")
    assert "--force" in fail("convert", files.onnx, "-o", out)
    assert out.read_text() == "precious"
    succeed("convert", files.onnx, "-o", out, "-f")
    assert out.read_bytes()[4:8] == b"TFL3"


def test_output_in_a_missing_folder_fails(files: Files, tmp_path: Path) -> None:
    assert "does not exist" in fail("convert", files.onnx, "-o", tmp_path / "no" / "out.tflite")


def test_a_model_that_is_not_onnx_is_refused(files: Files, tmp_path: Path) -> None:
    assert "ONNX" in fail("convert", files.float32, "-o", tmp_path / "out.tflite")
    assert list(tmp_path.iterdir()) == []


def test_checks_with_the_reference_evaluator_where_onnx_runtime_is_missing(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jitlite.tools.runners.find_spec", lambda name: None if name == "onnxruntime" else object())
    found = parsed("convert", files.onnx, "-o", tmp_path / "out.tflite")
    assert found["check"]["against"] == "onnx.reference"
    assert found["check"]["outputs"]["scores"]["relative"] < 1e-5


def test_without_onnx_the_message_says_what_to_install(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jitlite.tools.runners.find_spec", lambda name: None)
    assert "pip install 'jitlite[convert]'" in fail("convert", files.onnx, "-o", tmp_path / "out.tflite")


def test_a_wrong_result_is_found(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A converter that mixes up weights must not get past the check."""
    from jitlite.converter import convert_onnx

    monkeypatch.setattr("jitlite.converter.convert_onnx", lambda source, options, trace: convert_onnx(network(seed=8), options))
    with pytest.raises(AssertionError, match=r"a difference of at most 0\.001 of the output's scale is required"):
        succeed("convert", files.onnx, "-o", tmp_path / "out.tflite")
    assert list(tmp_path.iterdir()) == []


def test_says_how_to_give_a_shape(tmp_path: Path) -> None:
    """What the message advises works."""
    names = ["x", "shape", "size", "square", "scale", "y"]
    kinds: list[dict[str, Any]] = [{"op_type": "Shape", "start": 2, "end": 3}, {"op_type": "ReduceProd", "keepdims": 0}, {"op_type": "Mul"}]
    kinds += [{"op_type": "Cast", "to": onnx.TensorProto.FLOAT}, {"op_type": "Mul"}]
    operands = [["x"], ["shape"], ["size", "size"], ["square"], ["x", "scale"]]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(inputs=given, outputs=[made], **kind) for kind, given, made in zip(kinds, operands, names[1:], strict=True)],
        "g",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 3, "height", "width"])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", 3, "height", "width"])],
    )
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=10), tmp_path / "m.onnx")
    message = fail("convert", tmp_path / "m.onnx", "-o", tmp_path / "m.tflite")
    option, shape = re.search(r"(--shape) '(.*?)'", message).groups()
    assert shape == "x=?x3x<size>x<size>"
    succeed("convert", tmp_path / "m.onnx", "-o", tmp_path / "m.tflite", option, shape.replace("<size>", "4"))
    assert TfliteModel(tmp_path / "m.tflite").inputs[0].shape == (-1, 3, 4, 4)


def test_rounding_of_tiny_outputs_passes(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("convert", files.onnx, "-o", tmp_path / "out.tflite", "--tolerance", "0")
    monkeypatch.setattr("jitlite.tools.check.ROUNDING", 0.0)
    with pytest.raises(AssertionError, match="differs from the original"):
        succeed(*arguments)
    monkeypatch.setattr("jitlite.tools.check.ROUNDING", 1e-3)
    succeed(*arguments)


def test_says_what_could_not_be_kept(tmp_path: Path) -> None:
    nodes = [
        node("Shape", "x", "s", end=1),
        node("Squeeze", "s", "n"),
        node("Mul", "nn", "m"),
        node("Cast", "m", "f", to=onnx.TensorProto.FLOAT),
        node("Mul", "xf", "y"),
    ]
    onnx.save(onnx_model(nodes, {"x": (("n", 4), np.float32)}, ["y"]), tmp_path / "m.onnx")
    (note,) = parsed("convert", tmp_path / "m.onnx", "-o", tmp_path / "m.tflite")["notes"]
    assert note.startswith("the batch is fixed at 1, for it cannot stay dynamic")
