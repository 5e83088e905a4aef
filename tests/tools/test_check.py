"""The check of a conversion: layer by layer, where an error starts, and what cannot be compared."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from jitlite.converter import ConvertOptions, convert_onnx
from jitlite.schemas import Model, write_model
from jitlite.tools.check import CheckData, CheckLimits, check_conversion
from jitlite.tools.comparison import pair_models
from jitlite.tools.errors import ToolError
from jitlite.tools.forms import align_layer, base_name, in_real_numbers
from jitlite.tools.onnx_source import OnnxSource
from jitlite.tools.ports import Port
from jitlite.tools.runners import OnnxModel, TfliteModel
from tests.converter.agreement import onnx_model
from tests.tools.network import Files, fail, invoke, network, parsed, succeed

F32 = np.dtype(np.float32)
LIMITS = CheckLimits(1e-3, 10.0, is_quantized=False)


def changed(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The model with another constant of that name."""
    for tensor in model.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1.5), name))
    return model


def saved(path: Path, nodes: list[onnx.NodeProto], inputs: dict[str, tuple[list[int], type]], output: str, **constants: np.ndarray) -> Path:
    onnx.save(onnx_model(nodes, inputs, [output], constants), path)
    return path


def test_says_how_many_layers_agree(files: Files, tmp_path: Path) -> None:
    text = succeed("convert", files.onnx, "-o", tmp_path / "out.tflite").stdout
    assert "2 of 4 layers compared on 2 samples, largest difference" in text
    assert "where the error starts" not in text


def test_json_carries_the_layers(files: Files, tmp_path: Path) -> None:
    found = parsed("convert", files.onnx, "-o", tmp_path / "out.tflite")["check"]
    assert (found["layers_compared"], found["layers_total"], found["layers_not_compared"]) == (2, 4, None)
    assert [(layer["name"], layer["operator"], layer["is_start"]) for layer in found["layers"]] == [
        ("positive", "Relu", False),
        ("scores", "Gemm", False),
    ]


@pytest.mark.parametrize(("constant", "starts"), [("filter", ["positive"]), ("offset", ["positive"]), ("weights", ["scores"])])
def test_finds_where_an_error_starts(
    constant: str, starts: list[str], files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "jitlite.converter.convert_onnx", lambda source, options, trace: convert_onnx(changed(network(), constant), options)
    )
    result = invoke("convert", files.onnx, "-o", tmp_path / "out.tflite")
    assert result.exit_code == 1
    assert list(tmp_path.iterdir()) == []
    operator = {"positive": "Relu", "scores": "Gemm"}[starts[0]]
    assert f"({operator}), tensor '{starts[0]}'" in result.stderr
    marked = [line.split()[1:3] for line in result.stdout.splitlines() if line.startswith(">")]
    assert marked == [[operator, starts[0]]]


def test_layers_of_a_quantized_model_are_held_to_a_ratio(files: Files, tmp_path: Path) -> None:
    arguments = ("--quantize", "int8", "--calibration", files.samples)
    found = parsed("convert", files.onnx, "-o", tmp_path / "out.tflite", *arguments)["check"]
    assert 20 < min(layer["sqnr_db"] for layer in found["layers"]) < 70
    result = invoke("convert", files.onnx, "-o", tmp_path / "other.tflite", *arguments, "--min-sqnr", "90")
    assert result.exit_code == 1
    assert "the error starts at node 'relu' (Relu), tensor 'positive'" in result.stderr
    assert "SQNR" in result.stdout


def test_models_that_are_quantized_themselves_are_held_to_a_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of the output's grid is more than the tolerance of float models."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node("Relu", ["d"], ["r"]),
        helper.make_node("QuantizeLinear", ["r", "scale", "zero"], ["s"]),
        helper.make_node("DequantizeLinear", ["s", "scale", "zero"], ["y"]),
    ]
    path = saved(tmp_path / "m.onnx", nodes, {"x": ([2, 30], F32)}, "y", scale=np.array(0.01, F32), zero=np.array(120, np.uint8))
    off = saved(tmp_path / "off.onnx", nodes, {"x": ([2, 30], F32)}, "y", scale=np.array(0.01004, F32), zero=np.array(120, np.uint8))
    monkeypatch.setattr("jitlite.converter.convert_onnx", lambda source, options, trace: convert_onnx(off, options))
    found = parsed("convert", path, "-o", tmp_path / "m.tflite")["check"]
    assert {layer["name"] for layer in found["layers"]} >= {"q", "y"}
    assert all(layer["is_real"] for layer in found["layers"])
    assert found["outputs"]["y"]["relative"] > LIMITS.tolerance
    result = invoke("convert", path, "-o", tmp_path / "n.tflite", "--min-sqnr", "90")
    assert (result.exit_code, "an SQNR of at least 90 dB" in result.stderr) == (1, True)


def test_random_numbers_are_not_compared(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("RandomUniformLike", ["x"], ["noise"], dtype=1, seed=1.0),
        helper.make_node("Relu", ["x"], ["positive"]),
        helper.make_node("Add", ["positive", "noise"], ["y"]),
    ]
    path = saved(tmp_path / "m.onnx", nodes, {"x": ([2, 3], F32)}, "y")
    found = parsed("convert", path, "-o", tmp_path / "m.tflite")["check"]
    assert (found["random_outputs"], found["failures"]) == (["y"], [])
    assert [layer["name"] for layer in found["layers"]] == ["positive"]
    assert "depend on random numbers: 'y'" in succeed("convert", path, "-o", tmp_path / "n.tflite").stdout


def test_a_value_fixes_an_input(tmp_path: Path) -> None:
    nodes = [helper.make_node("TopK", ["x", "k"], ["y", "places"])]
    path = saved(tmp_path / "m.onnx", nodes, {"x": ([2, 9], F32), "k": ([1], np.int64)}, "y")
    out = tmp_path / "m.tflite"
    assert "--value 'k=" in fail("convert", path, "-o", out)
    assert parsed("convert", path, "-o", out, "--value", "k=[3]")["check"]["failures"] == []
    assert [port.name for port in TfliteModel(out).inputs] == ["x"]
    np.save(tmp_path / "k.npy", np.array([4], np.int64))
    succeed("convert", path, "-o", out, "-f", "--value", f"k={tmp_path / 'k.npy'}")
    assert TfliteModel(out).outputs[0].shape == (2, 4)


@pytest.mark.parametrize("value", ["k", "k=", "=3", "k=three", "k=missing.npy", 'k="text"', "k={}"])
def test_malformed_value_is_wrong_usage(value: str, files: Files, tmp_path: Path) -> None:
    assert "--value" in fail("convert", files.onnx, "-o", tmp_path / "out.tflite", "--value", value, code=2)


def test_token_ids_reach_every_row_of_their_table(tmp_path: Path) -> None:
    nodes = [helper.make_node("Cast", ["ids"], ["cast"], to=7), helper.make_node("Gather", ["table", "cast"], ["y"])]
    path = saved(tmp_path / "m.onnx", nodes, {"ids": ([4, 50], np.int32)}, "y", table=np.eye(40, dtype=F32))
    reference = OnnxModel(path)
    assert reference.inputs[0].limit == 39
    converted = TfliteModel(write_model(convert_onnx(path)))
    ids = CheckData().samples(reference, converted, pair_models(reference, converted))[0]["ids"]
    assert (ids.min(), ids.max()) == (0, 39)


def test_dynamic_dimensions_are_checked_at_another_size(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])], {"x": (["n", 3, "width"], F32)}, "y")
    reference, converted = OnnxModel(path), TfliteModel(write_model(convert_onnx(path)))
    shapes = [feed["x"].shape for feed in CheckData().samples(reference, converted, pair_models(reference, converted))]
    width = converted.inputs[0].sizes[2]
    assert shapes == [(1, 3, width)] * 7 + [(2, 3, width + 32)]
    assert parsed("convert", path, "-o", tmp_path / "m.tflite")["check"]["samples"] == 8


def test_sizes_that_the_source_itself_does_not_run_with_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])], {"x": (["n", 3], F32)}, "y")
    run = OnnxModel.run_layers

    def run_one(self: OnnxModel, feed: dict[str, np.ndarray], names: tuple[str, ...]) -> dict[str, np.ndarray]:
        if feed["x"].shape[0] != 1:
            raise ToolError("a reshape to 3 elements")
        return run(self, feed, names)

    monkeypatch.setattr(OnnxModel, "run_layers", run_one)
    found = parsed("convert", path, "-o", tmp_path / "m.tflite")["check"]
    assert (found["samples"], "does not run with 'x' [2, 3]: a reshape" in found["note"]) == (7, True)


def test_what_cannot_keep_its_tensors_is_compared_by_its_outputs(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers that cannot be compared are said so, they do not pass for compared."""
    from jitlite.schemas import UnsupportedError

    def refuse(self: TfliteModel) -> dict[str, int]:
        raise UnsupportedError("no memory for all tensors")

    monkeypatch.setattr(TfliteModel, "layer_bytes", refuse)
    found = check_conversion(OnnxModel(files.onnx), files.float32.read_bytes(), CheckData(), LIMITS)
    assert (found.layers.layers, found.layers.reason) == ((), "no memory for all tensors")
    assert found.failures() == []


def test_groups_of_layers_give_the_same(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    content, whole = files.float32.read_bytes(), None
    for size in (1 << 30, 1):
        monkeypatch.setattr("jitlite.tools.check.GROUP_BYTES", size)
        found = check_conversion(OnnxModel(files.onnx), content, CheckData(), LIMITS).layers
        whole = whole or found
        assert found == whole


def test_loops_are_not_compared(tmp_path: Path) -> None:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("state", "next")]
    flag = [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("go", "on")]
    turn = helper.make_tensor_value_info("turn", TensorProto.INT64, [])
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Add", ["state", "outer"], ["next"])],
        "body",
        [turn, flag[0], value[0]],
        [flag[1], value[1]],
    )
    nodes = [helper.make_node("Relu", ["x"], ["outer"]), helper.make_node("Loop", ["count", "", "x"], ["y"], body=body)]
    path = saved(tmp_path / "m.onnx", nodes, {"x": ([2], F32)}, "y", count=np.array(3))
    assert "2 nodes in branches and loops are not compared" in succeed("convert", path, "-o", tmp_path / "m.tflite").stdout
    source = OnnxSource(onnx.load(path))
    assert source.users["outer"] == [source.graph.node[1]]
    assert source.nearest("y", {"x", "outer"}) == ["count", "x", "outer"][1:]


@pytest.mark.parametrize(
    ("suffix", "turn"),
    [("", None), (";nhwc", (0, 2, 3, 1)), (";perm2013", (2, 0, 1, 3)), (";nhwc_int8", (0, 2, 3, 1)), (";perm3210_float32", (3, 2, 1, 0))],
)
def test_names_tell_the_order_of_axes(suffix: str, turn: tuple[int, ...] | None) -> None:
    """Also where all axes have one size, so that only the name tells."""
    reference = np.arange(81, dtype=np.float32).reshape(3, 3, 3, 3)
    other = reference if turn is None else reference.transpose(turn)
    assert base_name(f"x{suffix}") == "x"
    np.testing.assert_array_equal(align_layer("x", reference, f"x{suffix}", other), reference)


def test_reshaped_and_misfit_tensors() -> None:
    reference = np.arange(24, dtype=np.float32).reshape(2, 3, 4, 1)
    np.testing.assert_array_equal(align_layer("x", reference, "x;reshaped", reference.reshape(6, 4)), reference)
    np.testing.assert_array_equal(align_layer("x", reference, "x;nhwc;reshaped", reference.transpose(0, 2, 3, 1).reshape(8, 3)), reference)
    assert align_layer("x", reference, "x", reference.reshape(6, 4)) is None
    assert align_layer("x", reference, "x;nhwc", np.zeros((2, 3, 4, 1), F32)) is None
    assert base_name("x;flat") == "x;flat"


def test_whole_numbers_stand_for_what_the_other_model_says() -> None:
    """Unsigned numbers are kept in the signed type of their size, less the middle of their range."""
    plain = Port("q", ("q",), (), (), F32)
    signed = Port("q", ("q",), (), (), np.dtype(np.int8), (0.5, -8))
    ours, theirs = np.array([0, 120, 255], np.uint8), np.array([-128, -8, 127], np.int8)
    for found in (in_real_numbers(ours, plain, theirs, signed), in_real_numbers(theirs, signed, ours, plain)):
        np.testing.assert_array_equal(found, [[-60, 0, 67.5]] * 2)


def test_a_root_divided_by_keeps_no_name_of_another_value() -> None:
    """1 / sqrt is another value than sqrt."""
    nodes = [helper.make_node("Sqrt", ["x"], ["root"]), helper.make_node("Div", ["z", "root"], ["y"])]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xzy"]
    model = helper.make_model(
        helper.make_graph(nodes, "g", infos[:2], infos[2:]), opset_imports=[helper.make_opsetid("", 17)], ir_version=10
    )
    made: Model = convert_onnx(model, ConvertOptions())
    assert "root" not in {tensor.name for tensor in made.subgraphs[0].tensors}


def test_models_of_halves_are_given_what_halves_lose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines may round every step to float16, the converted model none."""
    nodes = [helper.make_node("Mul", ["x", "w"], ["y"])]
    paths = [saved(tmp_path / f"{w}.onnx", nodes, {"x": ([8], np.float16)}, "y", w=np.array(w, np.float16)) for w in (1.0, 1.004)]
    monkeypatch.setattr("jitlite.converter.convert_onnx", lambda source, options, trace: convert_onnx(paths[1], options))
    found = parsed("convert", paths[0], "-o", tmp_path / "m.tflite")["check"]
    assert 2e-3 < found["outputs"]["y"]["relative"] < 1e-2
    result = invoke("convert", paths[0], "-o", tmp_path / "n.tflite", "--tolerance", "2e-3")
    assert (result.exit_code, "a difference of at most 0.002" in result.stderr) == (1, True)


def test_a_few_truth_values_that_turn_are_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values close to a threshold fall on its other side by rounding; the error starts where numbers are wrong."""
    nodes = [
        helper.make_node("Greater", ["x", "threshold"], ["mask"]),
        helper.make_node("Where", ["mask", "x", "zero"], ["kept"]),
        helper.make_node("Mul", ["kept", "factor"], ["y"]),
    ]
    shape = {"x": ([100, 100], F32)}
    other = {"zero": np.array(0, F32)}
    path = saved(tmp_path / "m.onnx", nodes, shape, "y", threshold=np.array(0, F32), factor=np.array(2, F32), **other)
    off = saved(tmp_path / "off.onnx", nodes, shape, "y", threshold=np.array(1e-4, F32), factor=np.array(3, F32), **other)
    monkeypatch.setattr("jitlite.converter.convert_onnx", lambda source, options, trace: convert_onnx(off, options))
    result = invoke("convert", path, "-o", tmp_path / "m.tflite")
    assert (result.exit_code, "(Mul), tensor 'y'" in result.stderr) == (1, True)


def test_names_cannot_steer_the_terminal(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["\x1b[31my"])], {"x": ([2], F32)}, "\x1b[31my")
    assert "\x1b" not in succeed("convert", path, "-o", tmp_path / "m.tflite").stdout


def test_the_evaluator_normalizes_as_outside_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = {name: np.linspace(0.5, 2, 3, dtype=F32) for name in "sbmv"}
    nodes = [helper.make_node("BatchNormalization", ["x", *"sbmv"], ["y"])]
    onnx.save(onnx_model(nodes, {"x": ([2, 3, 4], F32)}, ["y"], constants, opset=11), tmp_path / "m.onnx")
    monkeypatch.setattr("jitlite.tools.runners.find_spec", lambda name: None if name == "onnxruntime" else object())
    found = parsed("convert", tmp_path / "m.onnx", "-o", tmp_path / "m.tflite")["check"]
    assert (found["against"], found["failures"]) == ("onnx.reference", [])


def test_infinities_end_at_the_largest_number(tmp_path: Path) -> None:
    """As in masks of attention, which are added to scores."""
    nodes = [helper.make_node("Add", ["x", "mask"], ["masked"]), helper.make_node("Softmax", ["masked"], ["y"], axis=1)]
    mask = np.array([[0, -np.inf, 0, -np.inf]], F32)
    path = saved(tmp_path / "m.onnx", nodes, {"x": ([2, 4], F32)}, "y", mask=mask)
    found = parsed("convert", path, "-o", tmp_path / "m.tflite")["check"]
    assert [(layer["name"], layer["is_beyond"], layer["unequal_specials"]) for layer in found["layers"]] == [
        ("masked", False, 0),
        ("y", False, 0),
    ]
