from pathlib import Path

import onnx
import pytest

from jitlite.schemas import format_model, read_model
from tests.tools.network import Files, fail, parsed, succeed, unsupported_network


def test_describes_a_float_model(files: Files) -> None:
    found = parsed("inspect", files.float32)
    assert found["format"] == "tflite"
    assert found["size_bytes"] == files.float32.stat().st_size
    assert [port["name"] for port in found["inputs"]] == ["image"]
    assert found["inputs"][0]["shape"] == [-1, 3, 8, 8]
    assert found["signatures"] == {"serving_default": {"inputs": {"image": "image"}, "outputs": {"scores": "scores"}}}
    assert {"op": "CONV_2D", "version": 1, "count": 1} in found["operators"]
    assert found["quantization"]["scheme"] == "float32"
    assert found["unsupported"] == []


def test_describes_an_int8_model(files: Files) -> None:
    found = parsed("inspect", files.int8)
    assert found["quantization"]["scheme"] == "int8"
    assert found["quantization"]["per_channel_constants"] >= 1
    assert found["inputs"][0]["dtype"] == "int8"
    assert found["inputs"][0]["quantization"]["zero_point"] == -128
    assert "scale 0.0039" in succeed("inspect", files.int8).stdout


@pytest.mark.parametrize(
    "arguments", [("--scheme", "dynamic"), ("--scheme", "float16"), ("--io", "float32"), ("--float-node", "FULLY_CONNECTED")]
)
def test_names_the_scheme(arguments: tuple[str, ...], files: Files, tmp_path: Path) -> None:
    expected = {"dynamic": "dynamic", "float16": "float16", "float32": "int8", "FULLY_CONNECTED": "mixed"}[arguments[1]]
    succeed("quantize", files.float32, "-o", tmp_path / "out.tflite", "--calibration", files.samples, *arguments)
    assert parsed("inspect", tmp_path / "out.tflite")["quantization"]["scheme"] == expected


def test_describes_an_onnx_model(files: Files) -> None:
    found = parsed("inspect", files.onnx)
    assert found["format"] == "onnx"
    assert found["opset"] == {"ai.onnx": 17}
    assert {"op": "Gemm", "count": 1} in found["operators"]
    assert found["unsupported"] == []
    assert "every node converts" in succeed("inspect", files.onnx).stdout


def test_says_what_stands_in_the_way_of_a_conversion(tmp_path: Path) -> None:
    onnx.save(unsupported_network(), tmp_path / "model.onnx")
    lines = "\n".join(parsed("inspect", tmp_path / "model.onnx")["unsupported"])
    assert "first_culprit" in lines
    assert "second_culprit" in lines
    assert "converting it fails" in succeed("inspect", tmp_path / "model.onnx").stdout


def test_text_is_the_whole_model(files: Files) -> None:
    assert succeed("inspect", files.float32, "--text").stdout == format_model(read_model(files.float32))
    fail("inspect", files.float32, "--text", "--json", code=2)
    fail("inspect", files.onnx, "--text")


def test_real_models(corpus: Path) -> None:
    for path in sorted((corpus / "models").glob("*.tflite")):
        found = parsed("inspect", path)
        assert found["operators"], path
        assert isinstance(found["unsupported"], list)


def test_malformed_models_fail_with_one_message(corpus: Path) -> None:
    for path in sorted((corpus / "malformed").glob("*.tflite")):
        if path.name.startswith("ok_"):
            continue
        from tests.tools.network import invoke

        result = invoke("inspect", path)
        assert result.exit_code in (0, 1), path
        assert "Traceback" not in result.stderr
