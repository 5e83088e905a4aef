"""The report on what every ONNX node became."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.converter.agreement import floats, onnx_model
from tests.converter.agreement import node as make
from tests.tools.network import Files, fail, succeed, unsupported_network

F32 = np.float32


def reported(*arguments: object, fails: bool = False, signature: str = "serving_default") -> dict[str, Any]:
    """The report of a conversion, its nodes by name."""
    path = Path(str(arguments[-1]))
    (fail if fails else succeed)("convert", *arguments[:-1], "-o", path.with_suffix(".tflite"), "--report", path)
    assert path.with_suffix(".tflite").exists() != fails
    found = json.loads(path.read_text())
    assert found["converted"] != fails
    assert (found["error"] is None) != fails
    return {**found, **found["signatures"][signature], "nodes": {node["name"]: node for node in found["signatures"][signature]["nodes"]}}


def statuses(found: dict[str, Any]) -> dict[str, str]:
    return {name: node["status"] for name, node in found["nodes"].items()}


def test_what_every_node_became(files: Files, tmp_path: Path) -> None:
    found = reported(files.onnx, tmp_path / "report.json")
    assert statuses(found) == {"conv": "merged", "relu": "converted", "flatten": "converted", "dense": "converted"}
    assert found["counts"] == {"converted": 3, "merged": 1}
    convolution = {"operator": "CONV_2D", "tensors": ["positive;nhwc"], "quantized": False, "reason": None}
    assert found["nodes"]["relu"]["operators"] == [convolution]
    assert [each["operator"] for each in found["nodes"]["conv"]["operators"]] == ["PAD", "CONV_2D"]
    assert found["nodes"]["dense"]["operators"][-1]["tensors"] == ["scores"]
    listed = {each["tensors"][0] for node in found["nodes"].values() for each in node["operators"]}
    assert len(listed) + len(found["others"]) == sum(found["operators"].values())
    assert [each["operator"] for each in found["others"]] == ["TRANSPOSE"]


def test_constants_and_what_nothing_needs(tmp_path: Path) -> None:
    nodes = [
        make("Shape", "x", "s"),
        make("Gather", ["s", "zero"], "d"),
        make("Relu", "x", "r"),
        make("Sin", "x", "u"),
        make("Reshape", ["r", "shape"], "q"),
        make("Identity", "q", "y"),
    ]
    path = tmp_path / "m.onnx"
    onnx.save(onnx_model(nodes, {"x": ([2, 6], F32)}, ["y", "d"], {"zero": np.array([0]), "shape": np.array([3, 4])}), path)
    found = statuses(reported(path, tmp_path / "report.json"))
    assert found == {
        "Shape_s": "constant",
        "Gather_d": "constant",
        "Relu_r": "converted",
        "Sin_u": "unused",
        "Reshape_q": "merged",
        "Identity_y": "converted",
    }


def test_nodes_without_a_form(tmp_path: Path) -> None:
    onnx.save(unsupported_network(), tmp_path / "m.onnx")
    found = reported(tmp_path / "m.onnx", tmp_path / "report.json", fails=True)
    assert statuses(found) == {"fine": "supported", "first_culprit": "unsupported", "second_culprit": "unsupported", "sum": "untried"}
    assert found["counts"] == {"unsupported": 2, "supported": 1, "untried": 1}
    assert found["nodes"]["first_culprit"]["reason"] in found["error"]
    assert found["nodes"]["sum"]["reason"] == "it depends on 'first_culprit' (Coins), which is unsupported"
    assert found["nodes"]["first_culprit"]["domain"] == "com.example"


def test_an_obstacle_that_is_no_node(tmp_path: Path) -> None:
    onnx.save(onnx_model([make("Relu", "x", "y")], {"x": ([2], F32)}, ["y"]), tmp_path / "m.onnx")
    found = reported(tmp_path / "m.onnx", "--shape", "x=3", tmp_path / "report.json", fails=True)
    assert statuses(found) == {"Relu_y": "untried"}
    assert "is declared (2), found (3)" in found["error"]


def test_a_file_that_cannot_be_read_has_no_nodes(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\x08no model")
    assert reported(tmp_path / "m.onnx", tmp_path / "report.json", fails=True)["nodes"] == {}


@pytest.mark.parametrize(("fails", "status"), [("convert_onnx", "untried"), ("OnnxModel", "converted")])
def test_what_goes_wrong_otherwise_is_told(fails: str, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jitlite.schemas import UnsupportedError

    def refuse(*arguments: object) -> None:
        raise UnsupportedError("no such luck")

    monkeypatch.setattr("jitlite.converter.convert_onnx" if fails == "convert_onnx" else "jitlite.tools.convert.OnnxModel", refuse)
    onnx.save(onnx_model([make("Relu", "x", "y")], {"x": ([2], F32)}, ["y"]), tmp_path / "m.onnx")
    fail("convert", tmp_path / "m.onnx", "-o", tmp_path / "m.tflite", "--report", tmp_path / "report.json")
    found = json.loads((tmp_path / "report.json").read_text())
    assert (found["converted"], found["error"]) == (status == "converted", "no such luck")
    assert [node["status"] for node in found["signatures"]["serving_default"]["nodes"]] == [status]


def test_operators_too_new_for_the_target(tmp_path: Path) -> None:
    nodes = [make("CumSum", ["x", "axis"], "a"), make("Relu", "a", "y")]
    onnx.save(onnx_model(nodes, {"x": ([2, 3], F32)}, ["y"], {"axis": np.array(1)}), tmp_path / "m.onnx")
    found = reported(tmp_path / "m.onnx", "--target-runtime", "2.3", tmp_path / "report.json", fails=True)
    assert found["nodes"]["CumSum_a"]["status"] == "unsupported"
    assert found["nodes"]["CumSum_a"]["reason"] == "CUMSUM version 1 needs runtime 2.4.0"


def test_why_operators_stay_float_when_quantizing(tmp_path: Path) -> None:
    nodes = [make("MatMul", ["x", "w"], "m"), make("Sin", "m", "s"), make("MatMul", ["s", "w"], "y")]
    onnx.save(onnx_model(nodes, {"x": ([2, 4], F32)}, ["y"], {"w": floats(4, 4)}), tmp_path / "m.onnx")
    np.savez(tmp_path / "data.npz", x=floats(5, 2, 4))
    found = reported(tmp_path / "m.onnx", "--quantize", "int8", "--calibration", tmp_path / "data.npz", tmp_path / "report.json")
    (product,), (sine,) = found["nodes"]["MatMul_m"]["operators"], found["nodes"]["Sin_s"]["operators"]
    assert (product["quantized"], product["reason"]) == (True, None)
    assert (sine["quantized"], sine["operator"]) == (False, "SIN")
    assert sine["reason"]


def test_why_operators_stay_float_in_a_model_that_is_quantized(tmp_path: Path) -> None:
    grid = ["scale", "zero"]
    nodes = [
        make("QuantizeLinear", ["x", *grid], "q"),
        make("DequantizeLinear", ["q", *grid], "d"),
        make("Einsum", ["d", "d"], "e", equation="ij,ij->ij"),
        make("Relu", "d", "r"),
        make("CumSum", ["r", "axis"], "c"),
        make("QuantizeLinear", ["c", *grid], "p"),
        make("DequantizeLinear", ["p", *grid], "o"),
        make("Add", "oe", "y"),
    ]
    constants = {"scale": np.array(0.02, F32), "zero": np.array(3, np.int8), "axis": np.array(1)}
    onnx.save(onnx_model(nodes, {"x": ([2, 3], F32)}, ["y"], constants), tmp_path / "m.onnx")
    found = reported(tmp_path / "m.onnx", tmp_path / "report.json")
    (operator,) = [each for each in found["nodes"]["CumSum_c"]["operators"] if each["operator"] == "CUMSUM"]
    assert not operator["quantized"]
    assert operator["reason"]


def test_nodes_inside_branches_belong_to_the_node_that_holds_them(tmp_path: Path) -> None:
    infos = [helper.make_tensor_value_info(name, 1, [2]) for name in ("a", "b")]
    branches = [helper.make_graph([make(kind, "x", info.name)], info.name, [], [info]) for kind, info in zip(("Exp", "Neg"), infos)]
    nodes = [helper.make_node("If", ["which"], ["y"], "choice", then_branch=branches[0], else_branch=branches[1])]
    onnx.save(onnx_model(nodes, {"x": ([2], F32), "which": ([], np.bool_)}, ["y"]), tmp_path / "m.onnx")
    found = reported(tmp_path / "m.onnx", tmp_path / "report.json")
    assert {"IF", "EXP", "NEG"} <= {each["operator"] for each in found["nodes"]["choice"]["operators"]}


def test_an_existing_report_is_left_alone(files: Files, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text("precious")
    assert "--force" in fail("convert", files.onnx, "-o", tmp_path / "out.tflite", "--report", report)
    assert report.read_text() == "precious"
    assert not (tmp_path / "out.tflite").exists()


def test_every_result_of_an_operator_counts(tmp_path: Path) -> None:
    nodes = [make("Split", "x", "ab", axis=1), make("Relu", "b", "r"), make("Relu", "a", "y")]
    onnx.save(onnx_model(nodes, {"x": ([2, 4], F32)}, ["r", "y"], opset=13), tmp_path / "m.onnx")
    found = reported(tmp_path / "m.onnx", tmp_path / "report.json")
    assert set(statuses(found).values()) == {"converted"}
    assert [each["tensors"] for each in found["nodes"]["Split_a"]["operators"]] == [["a", "b"]]


@pytest.mark.parametrize("suffix", ["", ";nhwc", ";add", ";add;perm021", "_2"])
def test_operators_belong_to_the_value_their_tensor_is_named_after(suffix: str) -> None:
    from jitlite.tools.coverage import owner
    from jitlite.tools.onnx_source import OnnxSource

    source = OnnxSource(onnx_model([make("Relu", "x", ["r;s"]), make("Relu", ["r;s"], "y")], {"x": ([2], F32)}, ["y"]))
    assert owner(source, f"r;s{suffix}") == (None if suffix == "_2" else 0)
    assert owner(source, "x;nhwc") is None
