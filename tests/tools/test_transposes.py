"""Which transposes a model has, and where they stand."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from jitlite.converter import convert_onnx
from jitlite.tools.transposes import left_transposes, transposes_dict, transposes_text
from tests.converter.agreement import Array, floats, node, onnx_model
from tests.tools.network import parsed, succeed

WEIGHT: dict[str, Array] = {"w": floats(3, 3, 1, 1), "flat": np.array([1, -1], np.int64), "heads": np.array([1, 20, 3, 1], np.int64)}

CASES: dict[str, tuple[list[onnx.NodeProto], dict[str, int], str]] = {
    "none": ([node("Relu", ["x"], ["y"])], {"inputs": 0, "outputs": 0, "inside": 0}, "transposes: none"),
    "both edges": (
        [node("Conv", ["x", "w"], ["y"])],
        {"inputs": 1, "outputs": 1, "inside": 0},
        "transposes: 1 at inputs, 1 at outputs, 0 inside",
    ),
    "flattened at the end": (
        [node("Conv", ["x", "w"], ["a"]), node("Reshape", ["a", "flat"], ["y"])],
        {"inputs": 1, "outputs": 1, "inside": 0},
        "transposes: 1 at inputs, 1 at outputs, 0 inside",
    ),
    "inside": (
        [
            node("Conv", ["x", "w"], ["a"]),
            node("Reshape", ["a", "flat"], ["b"]),
            node("Softmax", ["b"], ["c"], axis=1),
            node("Relu", ["c"], ["y"]),
        ],
        {"inputs": 1, "outputs": 0, "inside": 1},
        "transposes: 1 at inputs, 0 at outputs, 1 inside (1 CONV_2D → RESHAPE)",
    ),
}


def source_of(name: str) -> onnx.ModelProto:
    nodes = CASES[name][0]
    used = {operand for each in nodes for operand in each.input}
    return onnx_model(nodes, {"x": floats(1, 3, 4, 5)}, ["y"], {key: data for key, data in WEIGHT.items() if key in used})


@pytest.mark.parametrize("name", CASES)
def test_places(name: str) -> None:
    found: dict[str, Any] = transposes_dict(left_transposes(convert_onnx(source_of(name))))
    assert {**found, "inside": len(found["inside"])} == CASES[name][1]
    assert transposes_text(found) == CASES[name][2]


def test_convert_and_inspect_tell(tmp_path: Path) -> None:
    source, out = tmp_path / "model.onnx", tmp_path / "model.tflite"
    onnx.save(source_of("inside"), source)
    assert "1 at inputs, 0 at outputs, 1 inside" in succeed("convert", source, "-o", out).stdout
    (inside,) = parsed("inspect", out)["transposes"]["inside"]
    assert (inside["before"], inside["behind"], inside["elements"]) == ("CONV_2D", ["RESHAPE"], 60)
    assert "1 CONV_2D → RESHAPE" in succeed("inspect", out).stdout
