"""What is refused, and what the one error says."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from jitlite.converter import ConvertOptions, convert_onnx
from jitlite.schemas.errors import ConversionError
from jitlite.schemas.verify import verify
from tests.converter.agreement import assert_close, converted, floats, node, onnx_model, run_onnx, run_tflite

X = floats(1, 3, 4, 4)


def small_model(opset: int = 17) -> onnx.ModelProto:
    return onnx_model([node("Relu", "x", "y")], {"x": X}, ["y"], opset=opset)


def refused(model: onnx.ModelProto | str | os.PathLike[str], options: ConvertOptions = ConvertOptions()) -> str:  # noqa: B008
    with pytest.raises(ConversionError) as caught:
        convert_onnx(model, options)
    return str(caught.value)


def test_every_node_that_cannot_be_converted_is_listed() -> None:
    nodes = [
        helper.make_node("ImageDecoder", ["b"], ["i"], name="photo"),
        helper.make_node("Noise", ["x"], ["d"], name="noise", domain="com.example"),
        helper.make_node("Relu", ["d"], ["d2"], name="behind"),
        helper.make_node("Strange", ["x"], ["z"], name="odd", domain="com.example"),
        helper.make_node("Mod", ["x", "x"], ["m"], name="mod", fmod=1),
        helper.make_node("MaxPool", ["x"], ["p", "indices"], name="pool", kernel_shape=[2, 2]),
        helper.make_node("Cast", ["indices"], ["q"], name="cast", to=TensorProto.FLOAT),
    ]
    infos = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 4]),
        helper.make_tensor_value_info("b", TensorProto.UINT8, [60]),
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("d2", "z", "m", "q", "p")]
    outputs.append(helper.make_tensor_value_info("i", TensorProto.UINT8, None))
    for info in outputs:
        info.type.tensor_type.shape.SetInParent()
    graph = helper.make_graph(nodes, "g", infos, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("com.example", 1)], ir_version=9)
    lines = refused(model).splitlines()
    assert lines[0] == "the model: 3 nodes cannot be converted"
    assert lines[1].strip() == "node 'photo' (ImageDecoder, opset 20): no lowering for operator ImageDecoder"
    assert lines[2].strip().startswith("node 'noise' (com.example.Noise, opset 1): no lowering for operator com.example.Noise")
    assert lines[3].strip().startswith("node 'odd' (com.example.Strange, opset 1): no lowering for operator com.example.Strange")
    assert len(lines) == 4


def test_unknown_operator_of_the_default_domain() -> None:
    model = small_model()
    model.graph.node[0].op_type = "Rectify"
    assert "node 'Relu_y' (Rectify, opset 17): no lowering for operator Rectify" in refused(model)


def test_opset() -> None:
    model = small_model()
    model.opset_import[0].version = 99
    assert "opset 1 to" in refused(model)


def test_inputs_that_must_be_known_are_named() -> None:
    nodes = [node("Neg", "s", "t"), node("Slice", ["x", "t", "e"], "y")]
    model = onnx_model(nodes, {"x": X, "s": ((1,), np.int64), "e": ((1,), np.int64)}, ["y"])
    with pytest.raises(ConversionError, match="operand 1 't' must be constant") as caught:
        convert_onnx(model)
    assert caught.value.inputs_to_fix == ("s",)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"z": np.ones(1)}, "values: the model's inputs are x; found z"),
        ({"x": np.ones((9, 9), np.float32)}, r"values: input 'x' is declared float32 \(.*\), found float32 of shape \(9, 9\)"),
    ],
)
def test_values_that_do_not_fit(values: dict[str, np.ndarray], message: str) -> None:
    model = onnx_model([node("Neg", "x", "y")], {"x": X}, ["y"])
    with pytest.raises(ConversionError, match=message):
        convert_onnx(model, ConvertOptions(values=values))


def test_missing_file(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "absent.onnx")
    assert "cannot read" in refused(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x08", b"not a model at all", b"\xff" * 100])
def test_bytes_that_are_no_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    refused(path)


def test_cycle() -> None:
    model = onnx_model([node("Relu", "x", "y"), node("Add", "xy", "z")], {"x": X}, ["z"])
    model.graph.node[0].input[0] = "z"
    assert "z" in refused(model)


def test_cycle_behind_an_unknown_operator() -> None:
    """The checker is left out for models with unknown operators."""
    model = onnx_model([node("Relu", "x", "y"), node("Add", "xy", "z")], {"x": X}, ["z"])
    model.graph.node[0].op_type = "Rectify"
    model.graph.node[0].input[0] = "z"
    assert "operand 'z' is not made before it is used" in refused(model)


def test_element_types() -> None:
    model = onnx_model([node("Identity", "x", "y")], {"x": ((2, 3), np.float32)}, ["y"])
    for info in (*model.graph.input, *model.graph.output):
        info.type.tensor_type.elem_type = TensorProto.STRING
    assert "numeric element type" in refused(model)
    for info in (*model.graph.input, *model.graph.output):
        info.type.tensor_type.elem_type = TensorProto.FLOAT8E5M2
    assert "float8e5m2" in refused(model)
    for info in (*model.graph.input, *model.graph.output):
        info.type.tensor_type.elem_type = 250
    refused(model)


def test_types_without_a_wider_one_are_refused_with_those_that_work() -> None:
    model = onnx_model([node("Div", "xx", "y")], {"x": ((2, 3), np.uint64)}, ["y"])
    assert "found UINT64" in refused(model)


def test_shapes_that_contradict() -> None:
    model = onnx_model([node("MatMul", "ab", "y")], {"a": ((2, 3), np.float32), "b": ((3, 4), np.float32)}, ["y"])
    model.graph.input[1].type.tensor_type.shape.dim[0].dim_value = 5
    assert "node 'MatMul_y' (MatMul, opset 17)" in refused(model)


def test_initializer_whose_bytes_do_not_fit() -> None:
    model = onnx_model([node("Add", "xc", "y")], {"x": X}, ["y"], {"c": np.ones(4, np.float32)})
    model.graph.initializer[0].raw_data = b"\0" * 6
    assert "c" in refused(model)


def test_huge_folded_constant_stays_unfolded() -> None:
    model = onnx_model(
        [node("Expand", "cs", "e"), node("Add", "xe", "y")],
        {"x": ((1,), np.float32)},
        ["y"],
        {"c": np.ones(1, np.float32), "s": np.array([100000, 100000], np.int64)},
    )
    assert "at most 2147483647 elements" in refused(model)


@pytest.mark.parametrize(
    ("shape", "given", "wanted"),
    [
        (("n", 3, 4, 4), {"x": (1, 3, 5, 4)}, ["declared (n, 3, 4, 4)", "(1, 3, 5, 4)"]),
        (("n", 3, 4, 4), {"x": (1, 3)}, ["declared (n, 3, 4, 4)"]),
        (("n", 3, 4, 4), {"z": (1, 3)}, ["inputs are x", "found z"]),
        (("n", "s", "s"), {"x": (1, 3, 4)}, ["'s' must have one size"]),
        (("n", "s", "s"), {"x": np.array([1, 3, 4])}, ["'s' must have one size"]),
    ],
)
def test_input_shapes(shape: tuple[int | str, ...], given: dict[str, tuple[int, ...]] | None, wanted: list[str]) -> None:
    message = refused(onnx_model([node("Relu", "x", "y")], {"x": (shape, np.float32)}, ["y"]), ConvertOptions(shapes=given or {}))
    assert all(part in message for part in wanted), message


def test_sizes_must_be_whole_numbers() -> None:
    with pytest.raises(TypeError):
        convert_onnx(small_model(), ConvertOptions(shapes={"x": (1, 3.0, 4, 4)}))  # type: ignore[dict-item]


def test_results_that_only_folding_gives() -> None:
    model = onnx_model([node("ConstantOfShape", "x", "c"), node("Neg", "c", "y")], {"x": ((2,), np.int64)}, ["y"])
    assert "node 'ConstantOfShape_c' (ConstantOfShape, opset 17): a result whose shape is known before it runs is required" in refused(
        model
    )


def test_two_results_whose_sizes_depend_on_values() -> None:
    model = onnx_model([node("NonZero", "x", "y"), node("NonZero", "z", "w")], {"x": ((2, 3), np.float32), "z": ((4,), np.float32)}, "yw")
    assert "one result at most whose size depends on values is supported" in refused(model)


def test_input_without_shape() -> None:
    model = small_model()
    model.graph.input[0].type.tensor_type.ClearField("shape")
    model.graph.node[0].op_type = "Rectify"
    assert "does not say its shape" in refused(model)


def external_model(
    folder: Path, location: str, offset: str | None = None, length: str | None = None, extra: dict[str, str] | None = None
) -> Path:
    """A model that adds four external floats."""
    model = onnx_model([node("Add", "xc", "y")], {"x": ((4,), np.float32)}, ["y"], {"c": np.ones(4, np.float32)})
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entries = {"location": location, "offset": offset, "length": length, **(extra or {})}
    for key, value in entries.items():
        if value is not None:
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_external_data_is_read(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    stored = np.arange(8, dtype=np.float32)
    (tmp_path / "sub" / "weights.bin").write_bytes(stored.tobytes())
    path = external_model(tmp_path, "sub/weights.bin", "16", "16")
    x = np.ones(4, np.float32)
    assert_close(run_tflite(converted(path), {"x": x}), [x + stored[4:]])
    assert_close(run_tflite(converted(path), {"x": x}), run_onnx(str(path), {"x": x}))


@pytest.mark.parametrize(
    ("location", "offset", "length", "extra"),
    [
        ("../weights.bin", None, None, None),
        ("sub/../../weights.bin", None, None, None),
        ("/etc/passwd", None, None, None),
        ("C:/weights.bin", None, None, None),
        ("", None, None, None),
        ("link.bin", None, None, None),
        ("linked/weights.bin", None, None, None),
        ("hard.bin", None, None, None),
        ("absent.bin", None, None, None),
        ("sub", None, None, None),
        ("weights.bin", "-1", None, None),
        ("weights.bin", "24", None, None),
        ("weights.bin", "99999999999999999999", None, None),
        ("weights.bin", None, "8", None),
        ("weights.bin", None, "16000000000", None),
        ("weights.bin", "0x0", None, None),
        ("weights.bin", None, None, {"__class__": "x"}),
        ("weights\0.bin", None, None, None),
    ],
)
def test_external_data_attacks(tmp_path: Path, location: str, offset: str | None, length: str | None, extra: dict[str, str] | None) -> None:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    outside = tmp_path / "weights.bin"
    outside.write_bytes(bytes(32))
    (folder / "weights.bin").write_bytes(bytes(32))
    (folder / "link.bin").symlink_to(outside)
    (folder / "linked").symlink_to(tmp_path)
    os.link(outside, folder / "hard.bin")
    message = refused(external_model(folder, location, offset, length, extra))
    assert message.startswith("external data of tensor 'c':")


def test_external_data_without_a_folder(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(16))
    model = onnx.load(external_model(tmp_path, "weights.bin"), load_external_data=False)
    assert "tensor 'c'" in refused(model)


def test_the_given_model_is_left_alone() -> None:
    model = small_model()
    before = model.SerializeToString()
    convert_onnx(model)
    assert model.SerializeToString() == before


BASE = onnx_model(
    [node("Conv", "xw", "a", pads=[1, 1, 1, 1]), node("Relu", "a", "b"), node("Reshape", "bs", "c"), node("MatMul", "cm", "y")],
    {"x": X},
    ["y"],
    {"w": floats(2, 3, 3, 3), "s": np.array([1, -1], np.int64), "m": floats(32, 5)},
).SerializeToString()


@settings(max_examples=150, deadline=None)
@given(position=st.integers(0, len(BASE) - 1), value=st.integers(0, 255), cut=st.booleans())
def test_damaged_files_give_a_conversion_error_or_a_model(position: int, value: int, cut: bool) -> None:
    damaged = BASE[:position] if cut else BASE[:position] + bytes([value]) + BASE[position + 1 :]
    try:
        model = onnx.ModelProto.FromString(damaged)
    except Exception:
        return
    try:
        outcome = verify(convert_onnx(model)).description
    except ConversionError as error:
        outcome = str(error)
    assert outcome
