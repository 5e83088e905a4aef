"""How many transposes convolutional networks keep, and that moving axes never changes a result."""

import numpy as np
import onnx
import pytest

from jitlite.converter import ConvertOptions, convert_onnx
from jitlite.schemas.errors import ConversionError
from jitlite.schemas.text import format_model
from tests.converter.agreement import Array, assert_close, converted, floats, kinds, node, onnx_model, run_onnx, run_tflite

I64 = np.int64
X = floats(2, 8, 10, 12)
WEIGHTS: dict[str, Array] = {
    "w": floats(8, 8, 3, 3, seed=1, low=-0.3, high=0.3),
    "v": floats(8, 8, 1, 1, seed=2, low=-0.3, high=0.3),
    "d": floats(8, 1, 3, 3, seed=3),
    "b": floats(8, seed=4),
    "one": np.array([1], I64),
    "two": np.array([2], I64),
    "three": np.array([3], I64),
    "ends": np.array([6], I64),
    "pads": np.array([0, 1, 0, 1, 0, 0, 2, 1], I64),
    "flat": np.array([2, -1], I64),
    "tokens": np.array([2, 8, -1], I64),
    "grid": np.array([2, 8, 10, 12], I64),
    "shuffled": np.array([2, 2, 4, 10, 12], I64),
    "dense": floats(8 * 10 * 12, 5, seed=5, low=-0.1, high=0.1),
    "sizes": np.array([2, 8, 20, 24], I64),
    "slope": floats(8, 1, 1, seed=6),
    "scale": floats(1, 8, 1, 1, seed=7),
    "row": floats(12, seed=8),
    "positive": floats(8, seed=9, low=0.5),
    "squeeze": np.array([2, 3], I64),
}


def first(made: str = "a") -> onnx.NodeProto:
    return node("Conv", ["x", "w", "b"], [made], pads=[1, 1, 1, 1])


def last(x: str) -> onnx.NodeProto:
    return node("Conv", [x, "v"], ["y"])


def unary(kind: str, x: str, y: str, **attributes: object) -> onnx.NodeProto:
    return node(kind, [x], [y], **attributes)


CASES: dict[str, tuple[list[onnx.NodeProto], int]] = {
    "two convolutions": ([first(), unary("Relu", "a", "c"), last("c")], 2),
    "activation first": ([unary("Relu", "x", "r"), node("Conv", ["r", "w", "b"], ["a"], pads=[1, 1, 1, 1]), last("a")], 2),
    "residual": ([first(), node("Conv", ["a", "d"], ["c"], group=8, pads=[1, 1, 1, 1]), node("Add", ["a", "c"], ["e"]), last("e")], 2),
    "residual to the input": ([first(), node("Add", ["a", "x"], ["e"]), last("e")], 2),
    "squeeze and excite": (
        [
            first(),
            unary("GlobalAveragePool", "a", "g"),
            node("Conv", ["g", "v"], ["h"]),
            unary("Sigmoid", "h", "s"),
            node("Mul", ["a", "s"], ["m"]),
            last("m"),
        ],
        2,
    ),
    "constants that broadcast": (
        [first(), node("Mul", ["a", "scale"], ["m"]), node("Add", ["m", "row"], ["n"]), node("Sub", ["n", "slope"], ["o"]), last("o")],
        2,
    ),
    "batch normalization": (
        [first(), node("BatchNormalization", ["a", "b", "b", "b", "positive"], ["n"]), unary("Relu", "n", "r"), last("r")],
        2,
    ),
    "channel slopes": ([first(), node("PRelu", ["a", "slope"], ["p"]), last("p")], 2),
    "concat and slice": (
        [
            first(),
            unary("Relu", "a", "c"),
            node("Concat", ["a", "c"], ["e"], axis=1),
            node("Slice", ["e", "two", "ends", "one"], ["f"]),
            node("Concat", ["f", "f"], ["g"], axis=1),
            last("g"),
        ],
        2,
    ),
    "split": ([first(), node("Split", ["a"], ["c", "e"], axis=1), node("Concat", ["e", "c"], ["g"], axis=1), last("g")], 2),
    "pad": (
        [
            first(),
            node("Pad", ["a", "pads"], ["p"]),
            node("Slice", ["p", "one", "ends", "three"], ["q"]),
            node("MaxPool", ["q"], ["y"], kernel_shape=[2, 2]),
        ],
        2,
    ),
    "resize": (
        [
            first(),
            node(
                "Resize", ["a", "", "", "sizes"], ["r"], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"
            ),
            last("r"),
        ],
        2,
    ),
    "means over height and width": ([first(), unary("ReduceMean", "a", "g", axes=[2, 3], keepdims=0), unary("Relu", "g", "y")], 1),
    "maximum over channels": ([first(), unary("ReduceMax", "a", "g", axes=[1], keepdims=1), node("Mul", ["a", "g"], ["m"]), last("m")], 2),
    "softmax over channels": ([first(), unary("Softmax", "a", "s", axis=1), last("s")], 2),
    "argmax over channels": ([first(), unary("ArgMax", "a", "y", axis=1, keepdims=0)], 1),
    "pooled and flattened": ([first(), unary("GlobalAveragePool", "a", "g"), unary("Flatten", "g", "f"), unary("Relu", "f", "y")], 1),
    "flattened into a product": ([first(), unary("Flatten", "a", "f"), unary("Relu", "f", "r"), node("Gemm", ["r", "dense"], ["y"])], 1),
    "reshaped into a product": ([first(), node("Reshape", ["a", "flat"], ["f"]), node("MatMul", ["f", "dense"], ["y"])], 1),
    "flattened and returned": ([first(), unary("Flatten", "a", "y")], 2),
    "tokens": ([first(), node("Reshape", ["a", "tokens"], ["t"]), unary("Transpose", "t", "y", perm=[0, 2, 1])], 1),
    "channel shuffle": (
        [
            first(),
            node("Reshape", ["a", "shuffled"], ["s"]),
            unary("Transpose", "s", "t", perm=[0, 2, 1, 3, 4]),
            node("Reshape", ["t", "grid"], ["u"]),
            last("u"),
        ],
        2,
    ),
    "exporter's own transposes": (
        [
            unary("Transpose", "x", "t", perm=[0, 2, 3, 1]),
            unary("Relu", "t", "r"),
            unary("Transpose", "r", "u", perm=[0, 3, 1, 2]),
            node("Conv", ["u", "v"], ["y"]),
        ],
        2,
    ),
    "two users of one output": (
        [first(), unary("Relu", "a", "c"), unary("Sigmoid", "a", "e"), node("Add", ["c", "e"], ["g"]), last("g")],
        2,
    ),
    "no convolution": ([unary("Relu", "x", "r"), node("Add", ["r", "row"], ["y"])], 0),
}


def source_of(name: str) -> onnx.ModelProto:
    nodes, _ = CASES[name]
    used = {operand for each in nodes for operand in each.input}
    return onnx_model(
        nodes, {"x": X}, ["y"], {key: data for key, data in WEIGHTS.items() if key in used}, opset=13 if name != "split" else 11
    )


@pytest.mark.parametrize("name", CASES)
def test_transposes_that_stay(name: str) -> None:
    source = source_of(name)
    made = converted(source)
    assert_close(run_tflite(made, {"x": X}), run_onnx(source, {"x": X}))
    assert kinds(made)["TRANSPOSE"] == CASES[name][1], format_model(made)


@pytest.mark.parametrize("name", CASES)
def test_channels_last_inputs(name: str) -> None:
    source = source_of(name)
    made = converted(source, ConvertOptions(nhwc_inputs=True))
    assert made.subgraphs[0].tensors[made.subgraphs[0].inputs[0]].shape == [2, 10, 12, 8]
    assert_close(run_tflite(made, {"x": X.transpose(0, 2, 3, 1)}), run_onnx(source, {"x": X}))
    if name not in ("exporter's own transposes", "no convolution"):
        assert kinds(made)["TRANSPOSE"] == CASES[name][1] - 1, format_model(made)


def test_names_tell_the_order_of_axes() -> None:
    made = convert_onnx(source_of("residual"))
    names = [tensor.name for tensor in made.subgraphs[0].tensors]
    assert [name for name in ("x", "a;nhwc", "c;nhwc", "e;nhwc", "y") if name not in names] == []


def test_results_keep_their_names_when_operators_merge() -> None:
    made = convert_onnx(source_of("batch normalization"))
    names = [tensor.name for tensor in made.subgraphs[0].tensors]
    assert "r;nhwc" in names
    assert "a;nhwc" not in names


@pytest.mark.parametrize("kind", ["MaxPool", "Conv"])
def test_one_spatial_axis(kind: str) -> None:
    nodes = [
        node("Conv", "xw", "a", pads=[1, 1]),
        node("Relu", "a", "b"),
        node("MaxPool", "b", "c", kernel_shape=[2], strides=[2]) if kind == "MaxPool" else node("Conv", "bw", "c"),
        node("Conv", "cv", "y"),
    ]
    x = floats(2, 4, 16)
    source = onnx_model(nodes, {"x": x}, ["y"], {"w": floats(4, 4, 3, seed=1), "v": floats(5, 4, 1, seed=2)})
    made = converted(source)
    assert_close(run_tflite(made, {"x": x}), run_onnx(source, {"x": x}))
    assert kinds(made)["TRANSPOSE"] == 2
    assert kinds(made)["RESHAPE"] == 2


def test_transposed_operands_of_a_product() -> None:
    q, k = floats(2, 3, 5, 4), floats(2, 3, 5, 4, seed=1)
    source = onnx_model([node("Transpose", "k", "t", perm=[0, 1, 3, 2]), node("MatMul", "qt", "y")], {"q": q, "k": k}, ["y"])
    made = converted(source)
    assert_close(run_tflite(made, {"q": q, "k": k}), run_onnx(source, {"q": q, "k": k}))
    assert kinds(made) == {"BATCH_MATMUL": 1}


@pytest.mark.parametrize("rank", [3, 4, 5])
@pytest.mark.parametrize("turned", [("x",), ("y",), ("x", "y")])
def test_inputs_and_outputs_asked_to_be_channels_last(rank: int, turned: tuple[str, ...]) -> None:
    space = (6, 5, 4)[: rank - 2]
    x = floats(2, 3, *space)
    weights = {"w": floats(4, 3, *(3 for _ in space), seed=1), "v": floats(2, 4, *(1 for _ in space), seed=2)}
    nodes = [
        node("Conv", "xw", "a", pads=[1] * (2 * len(space))),
        node("Relu", "a", "b"),
        node("Conv", "bv", "y"),
        node("Sigmoid", "b", "z"),
    ]
    source = onnx_model(nodes, {"x": (("n", 3, *space), np.float32)}, ["y", "z"], weights)
    made = converted(source, ConvertOptions(channels_last=turned))
    y, z = run_onnx(source, {"x": x})
    fed = np.moveaxis(x, 1, -1) if "x" in turned else x
    assert_close(run_tflite(made, {"x": np.ascontiguousarray(fed)}), [np.moveaxis(y, 1, -1) if "y" in turned else y, z])
    assert kinds(made)["TRANSPOSE"] == 3 - len(turned)


def test_what_cannot_be_channels_last_is_named() -> None:
    source = onnx_model([node("Flatten", "x", "y"), node("Relu", "x", "z")], {"x": X}, ["y", "z"])
    with pytest.raises(ConversionError, match=r"inputs and outputs are x, y, z; found picture"):
        convert_onnx(source, ConvertOptions(channels_last=["x", "picture"]))
    with pytest.raises(ConversionError, match=r"'y' must have three to five dimensions, found 2"):
        convert_onnx(source, ConvertOptions(channels_last=["y"]))
