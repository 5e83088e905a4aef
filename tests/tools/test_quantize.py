import json
from pathlib import Path

import numpy as np
import pytest

from jitlite.schemas import read_model
from tests.tools.network import Files, fail, parsed, succeed


def test_int8(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out.tflite"
    found = parsed("quantize", files.float32, "-o", out, "--calibration", files.samples)
    assert found["scheme"] == "int8"
    assert found["size_bytes"] == out.stat().st_size < found["original_size_bytes"]
    assert found["quantized_operators"] == found["operators"] > 0
    assert found["float_operators"] == []
    (scores,) = found["outputs"]
    assert scores["sqnr_db"] > 20


def test_prints_sizes_and_errors(files: Files, tmp_path: Path) -> None:
    text = succeed("quantize", files.float32, "-o", tmp_path / "out.tflite", "--calibration", files.samples).stdout
    assert "x smaller than" in text
    assert "12 calibration samples" in text


@pytest.mark.parametrize("scheme", ["dynamic", "float16", "dynamic_wi8_afp32"])
def test_schemes_without_calibration(scheme: str, files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out.tflite"
    found = parsed("quantize", files.float32, "-o", out, "--scheme", scheme)
    assert found["size_bytes"] == out.stat().st_size < found["original_size_bytes"]
    assert found["outputs"] is None


@pytest.mark.parametrize(
    "arguments", [("--observer", "percentile", "--percentile", "99"), ("--observer", "moving_average"), ("--no-per-channel",)]
)
def test_options_of_the_recipe_change_the_model(arguments: tuple[str, ...], files: Files, tmp_path: Path) -> None:
    for name, more in (("plain", ()), ("other", arguments)):
        succeed("quantize", files.float32, "-o", tmp_path / name, "--calibration", files.samples, *more)
    assert (tmp_path / "plain").read_bytes() != (tmp_path / "other").read_bytes()


def test_nodes_can_stay_float(files: Files, tmp_path: Path) -> None:
    found = parsed("quantize", files.float32, "-o", tmp_path / "out", "--calibration", files.samples, "--float-node", "FULLY_CONNECTED")
    assert [op["name"] for op in found["float_operators"]] == ["FULLY_CONNECTED"]


def test_report_holds_plan_and_tensors(files: Files, tmp_path: Path) -> None:
    succeed("quantize", files.float32, "-o", tmp_path / "o.tflite", "--calibration", files.samples, "--report", tmp_path / "r.json")
    report = json.loads((tmp_path / "r.json").read_text())
    assert {op["name"] for op in report["plan"]["operators"]} >= {"CONV_2D", "FULLY_CONNECTED"}
    assert {"image", "scores"} <= {tensor["name"] for tensor in report["tensors"]}
    assert report["samples"] == 12


def test_int8_needs_calibration_data(files: Files, tmp_path: Path) -> None:
    assert "--calibration" in fail("quantize", files.float32, "-o", tmp_path / "out.tflite", code=2)


@pytest.mark.parametrize("arguments", [("--scheme", "int3"), ("--observer", "guess"), ("--io", "int4"), ("--percentile", "10")])
def test_unknown_choices_are_wrong_usage(arguments: tuple[str, ...], files: Files, tmp_path: Path) -> None:
    fail("quantize", files.float32, "-o", tmp_path / "out.tflite", "--calibration", files.samples, *arguments, code=2)
    assert list(tmp_path.iterdir()) == []


def test_malformed_node_pattern_is_wrong_usage(files: Files, tmp_path: Path) -> None:
    message = fail("quantize", files.float32, "-o", tmp_path / "o", "--calibration", files.samples, "--float-node", "(", code=2)
    assert "regular expression" in message


def test_data_that_do_not_fit_are_refused(files: Files, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", picture=np.zeros((1, 3, 8, 8), np.float32))
    assert "image" in fail("quantize", files.float32, "-o", tmp_path / "out.tflite", "--calibration", tmp_path / "x.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def test_a_quantized_model_is_refused(files: Files, tmp_path: Path) -> None:
    fail("quantize", files.int8, "-o", tmp_path / "out.tflite", "--scheme", "dynamic")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["o.tflite", "r.json"])
def test_existing_files_are_left_alone(name: str, files: Files, tmp_path: Path) -> None:
    (tmp_path / name).write_text("precious")
    arguments = ("-o", tmp_path / "o.tflite", "--scheme", "dynamic", "--report", tmp_path / "r.json")
    assert name in fail("quantize", files.float32, *arguments)
    assert (tmp_path / name).read_text() == "precious"
    assert len(list(tmp_path.iterdir())) == 1
    succeed("quantize", files.float32, *arguments, "--force")
    assert read_model(tmp_path / "o.tflite").subgraphs


def test_onnx_models_are_for_convert(files: Files, tmp_path: Path) -> None:
    assert "jitlite convert" in fail("quantize", files.onnx, "-o", tmp_path / "out.tflite", "--scheme", "dynamic")
