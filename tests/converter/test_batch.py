"""A dynamic first dimension stays dynamic: converted once, run for several batch sizes."""

from typing import Any

import numpy as np
import onnx
import pytest

from jitlite.converter import ConvertOptions, convert_onnx
from jitlite.schemas.errors import ConversionWarning
from tests.converter.agreement import TOLERANCE, Array, assert_close, converted, floats, kinds, node, onnx_model, run_onnx, run_tflite

I64 = np.int64
F32 = np.float32
IMAGE = ("n", 3, 8, 8)


def ints(*values: int) -> Array:
    return np.array(values, I64)


def model(
    nodes: list[onnx.NodeProto],
    shape: tuple[int | str, ...] = IMAGE,
    constants: dict[str, Array] | None = None,
    outputs: str = "y",
    dtype: Any = F32,
) -> onnx.ModelProto:
    return onnx_model(nodes, {"x": (shape, dtype)}, list(outputs), constants or {})


CASES = {
    "conv": (model([node("Conv", "xw", "y", pads=[1, 1, 1, 1])], constants={"w": floats(4, 3, 3, 3)}), {"TRANSPOSE": 2}),
    "transposed conv": (model([node("ConvTranspose", "xw", "y", strides=[2, 2])], constants={"w": floats(3, 4, 2, 2)}), {"SHAPE": 1}),
    "reshape zero": (model([node("Reshape", "xs", "y")], constants={"s": ints(0, -1)}), {"RESHAPE": 1}),
    "reshape of shape": (
        model(
            [
                node("Shape", "x", "a"),
                node("Gather", "ai", "b", axis=0),
                node("Unsqueeze", "bz", "c"),
                node("Concat", "cm", "d", axis=0),
                node("Reshape", "xd", "y"),
            ],
            constants={"i": np.array(0, I64), "z": ints(0), "m": ints(3, 64)},
        ),
        {"RESHAPE": 1, "SHAPE": 0},
    ),
    "batch joined with channels": (
        model(
            [node("Reshape", "xs", "a"), node("Relu", "a", "b"), node("Reshape", "bt", "y")],
            constants={"s": ints(-1, 1, 8, 8), "t": ints(-1, 3, 8, 8)},
        ),
        {},
    ),
    "flatten and product": (
        model([node("Flatten", "x", "a"), node("Gemm", "aw", "y")], constants={"w": floats(192, 5)}),
        {"FULLY_CONNECTED": 1},
    ),
    "slices": (model([node("Slice", "xabcd", "y")], constants={"a": ints(0, 7), "b": ints(4, 0), "c": ints(2, 3), "d": ints(1, -2)}), {}),
    "half of the channels": (model([node("Slice", "xabc", "y")], constants={"a": ints(1), "b": ints(3), "c": ints(1)}), {"SLICE": 1}),
    "expand to the batch": (
        model(
            [
                node("Shape", "x", "s"),
                node("Slice", "szo", "b"),
                node("Concat", "bk", "t", axis=0),
                node("Expand", "wt", "e"),
                node("Add", "xe", "y"),
            ],
            constants={"z": ints(0), "o": ints(1), "k": ints(1, 1, 8), "w": floats(8)},
        ),
        {"TILE": 0, "SHAPE": 0},
    ),
    "rows of zeros joined": (
        model(
            [
                node("Shape", "x", "s"),
                node("Slice", "szo", "b"),
                node("Concat", "bk", "t", axis=0),
                node("ConstantOfShape", "t", "e"),
                node("Concat", "xe", "y", axis=1),
            ],
            constants={"z": ints(0), "o": ints(1), "k": ints(1, 8, 8)},
        ),
        {"TILE": 1, "SHAPE": 1},
    ),
    "two dimensions from the batch": (
        model(
            [node("Reshape", "xs", "a"), node("Transpose", "a", "b", perm=[1, 0]), node("MatMul", "ab", "y")], constants={"s": ints(0, -1)}
        ),
        {},
    ),
    "old softmax": (onnx_model([node("Softmax", "x", "y", axis=2)], {"x": (IMAGE, F32)}, ["y"], opset=11), {"RESHAPE": 2}),
    "argmax": (model([node("ArgMax", "x", "y", axis=1)]), {"ARG_MAX": 1}),
    "embedding": (model([node("Gather", "wx", "y")], ("n", 5), {"w": floats(10, 4)}, dtype=I64), {"GATHER": 1}),
    "resize": (
        model([node("Resize", ["x", "", "s"], ["y"], mode="linear")], constants={"s": np.array([1, 1, 2, 2], F32)}),
        {"RESIZE_BILINEAR": 1},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_batch_stays_dynamic(name: str) -> None:
    source, wanted = CASES[name]
    made = converted(source)
    tensors, inputs = made.subgraphs[0].tensors, made.subgraphs[0].inputs
    assert tensors[inputs[0]].shape[0] == 1
    assert tensors[inputs[0]].shape_signature[0] == -1
    assert {kind: kinds(made)[kind] for kind in wanted} == wanted
    shape = tuple(tensors[inputs[0]].shape[1:])
    for batch in (1, 2, 5):
        rng = np.random.default_rng(batch)
        x = rng.integers(0, 10, (batch, *shape)) if name == "embedding" else rng.uniform(-2, 2, (batch, *shape)).astype(F32)
        assert_close(run_tflite(made, {"x": x}), run_onnx(source, {"x": x}), TOLERANCE)


def test_dimensions_of_the_batch_are_marked() -> None:
    source, _ = CASES["flatten and product"]
    made = convert_onnx(source)
    signatures = {tensor.name: tensor.shape_signature for tensor in made.subgraphs[0].tensors}
    assert signatures["x"] == [-1, 3, 8, 8]
    assert signatures["y"] == [-1, 5]


def test_inputs_share_the_batch() -> None:
    source = onnx_model([node("Add", "ab", "y")], {"a": (("unk_1", 4), F32), "b": (("unk_2", 4), F32)}, ["y"])
    made = converted(source)
    feeds = {"a": floats(3, 4), "b": floats(3, 4, seed=1)}
    assert_close(run_tflite(made, feeds), run_onnx(source, feeds))


def test_a_given_batch_is_fixed() -> None:
    source, _ = CASES["conv"]
    made = convert_onnx(source, ConvertOptions(shapes={"x": (4, 3, 8, 8)}))
    assert [tensor.shape_signature for tensor in made.subgraphs[0].tensors if tensor.shape_signature] == []
    assert made.subgraphs[0].tensors[made.subgraphs[0].inputs[0]].shape == [4, 3, 8, 8]


def test_a_batch_that_cannot_stay_dynamic_is_one() -> None:
    source = model(
        [
            node("Shape", "x", "s"),
            node("Slice", "szo", "b"),
            node("Squeeze", "b", "n"),
            node("Mul", "nn", "r"),
            node("Cast", "r", "f", to=1),
            node("Mul", "xf", "y"),
        ],
        constants={"z": ints(0), "o": ints(1)},
    )
    with pytest.warns(ConversionWarning) as caught:
        made = convert_onnx(source)
    message = str(caught[0].message)
    assert "the batch is fixed at 1" in message
    assert "node 'y;mul' (MUL, TFLite): a number is 49, 169, 25 for sizes that are tried, and follows no dimension" in message
    assert made.subgraphs[0].tensors[made.subgraphs[0].inputs[0]].shape == [1, 3, 8, 8]
    one = {"x": floats(1, 3, 8, 8)}
    assert_close(run_tflite(made, one), run_onnx(source, one))
    feeds = {"x": floats(2, 3, 8, 8)}
    assert_close(run_tflite(converted(source, ConvertOptions(shapes={"x": (2, 3, 8, 8)})), feeds), run_onnx(source, feeds))
