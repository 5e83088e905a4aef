"""Dimensions beside the batch that stay dynamic: converted once, run at several sizes."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import pytest

from jitlite.converter import convert_onnx
from jitlite.schemas.errors import ConversionError
from tests.converter.agreement import Array, assert_close, converted, floats, kinds, node, onnx_model, run_jitlite, run_onnx, run_tflite

IMAGE = ("n", 3, "height", "width")
ROWS = ("n", "length", 8)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def part(source: str, place: str, result: str) -> list[onnx.NodeProto]:
    """`result` = the dimension of `source` at the place that a constant holds, with one axis."""
    shape = f"{source}_shape_{result}"
    return [node("Shape", [source], [shape]), node("Gather", [shape, place], [result])]


def model(nodes: list[onnx.NodeProto], shape: tuple[int | str, ...], constants: Mapping[str, Array] = {}) -> onnx.ModelProto:
    return onnx_model(
        nodes, {"x": (shape, np.float32)}, ["y"], {"zero": ints(0), "one": ints(1), "two": ints(2), "three": ints(3), **constants}
    )


UNET = model(
    [
        node("Conv", ["x", "w1"], ["a"], pads=[1, 1, 1, 1]),
        node("Conv", ["a", "w2"], ["b"], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Relu", ["b"], ["c"]),
        node("Resize", ["c", "", "scales"], ["d"], mode="nearest"),
        node("Concat", ["a", "d"], ["e"], axis=1),
        node("ConvTranspose", ["c", "w3"], ["f"], strides=[2, 2]),
        node("Concat", ["e", "f"], ["y"], axis=1),
    ],
    IMAGE,
    {
        "w1": floats(4, 3, 3, 3),
        "w2": floats(6, 4, 3, 3, seed=1),
        "w3": floats(6, 2, 2, 2, seed=2),
        "scales": np.array([1, 1, 2, 2], np.float32),
    },
)
HEAD = model(
    [
        node("Conv", ["x", "w"], ["a"], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Transpose", ["a"], ["b"], perm=[0, 2, 3, 1]),
        *part("b", "zero", "n"),
        node("Concat", ["n", "rest"], ["shape"], axis=0),
        node("Reshape", ["b", "shape"], ["c"]),
        node("Softmax", ["c"], ["y"], axis=-1),
    ],
    IMAGE,
    {"w": floats(6, 3, 3, 3), "rest": ints(-1, 2)},
)
LIKE_ANOTHER = model(
    [
        node("MaxPool", ["x"], ["a"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Shape", ["x"], ["s"]),
        node("Resize", ["a", "", "", "s"], ["y"], mode="linear", coordinate_transformation_mode="half_pixel"),
    ],
    IMAGE,
)
POOLED = model([node("GlobalAveragePool", ["x"], ["a"]), node("Flatten", ["a"], ["y"])], IMAGE)
ATTENTION = model(
    [
        *part("x", "zero", "n"),
        *part("x", "one", "t"),
        node("Concat", ["n", "t", "heads"], ["apart"], axis=0),
        node("MatMul", ["x", "wq"], ["q0"]),
        node("Reshape", ["q0", "apart"], ["q1"]),
        node("Transpose", ["q1"], ["q"], perm=[0, 2, 1, 3]),
        node("Transpose", ["q1"], ["k"], perm=[0, 2, 3, 1]),
        node("MatMul", ["q", "k"], ["scores"]),
        node("Softmax", ["scores"], ["p"], axis=-1),
        node("MatMul", ["p", "q"], ["mixed"]),
        node("Transpose", ["mixed"], ["back"], perm=[0, 2, 1, 3]),
        node("Concat", ["n", "t", "width"], ["joined"], axis=0),
        node("Reshape", ["back", "joined"], ["o"]),
        node("Add", ["x", "o"], ["y"]),
    ],
    ROWS,
    {"wq": floats(8, 8), "heads": ints(2, 4), "width": ints(8)},
)
PLACES = model(
    [
        *part("x", "one", "t"),
        node("Slice", ["table", "zero", "t", "zero"], ["rows"]),
        node("Add", ["x", "rows"], ["a"]),
        node("Squeeze", ["t"], ["count"]),
        node("Range", ["none", "count", "single"], ["places"]),
        node("Cast", ["places"], ["numbers"], to=1),
        node("Unsqueeze", ["numbers", "one"], ["column"]),
        node("Mul", ["a", "column"], ["y"]),
    ],
    ROWS,
    {"table": floats(512, 8), "none": np.array(0), "single": np.array(1)},
)
CAUSAL = model(
    [
        *part("x", "one", "t"),
        node("Concat", ["t", "t"], ["square"], axis=0),
        node("Expand", ["whole", "square"], ["ones"]),
        node("Trilu", ["ones", "above"], ["later"]),
        node("Cast", ["later"], ["is_later"], to=9),
        node("Transpose", ["x"], ["turned"], perm=[0, 2, 1]),
        node("MatMul", ["x", "turned"], ["scores"]),
        node("Where", ["is_later", "never", "scores"], ["masked"]),
        node("Softmax", ["masked"], ["p"], axis=-1),
        node("MatMul", ["p", "x"], ["y"]),
    ],
    ROWS,
    {"whole": np.ones((1, 1), np.float32), "above": np.array(1), "never": np.float32(-1e9)},
)
FRAMES = onnx_model(
    [
        node("Unsqueeze", ["x", "one"], ["a"]),
        node("Conv", ["a", "w"], ["b"], strides=[160]),
        node("Transpose", ["b"], ["y"], perm=[0, 2, 1]),
    ],
    {"x": (("n", "samples"), np.float32)},
    ["y"],
    {"one": ints(1), "w": floats(8, 1, 400)},
)
STRIDES = onnx_model(
    [
        node("Unsqueeze", ["x", "one"], ["a"]),
        node("Conv", ["a", "w"], ["b"], strides=[256], pads=[128, 128]),
        node("Transpose", ["b"], ["c"], perm=[2, 0, 1]),
        node("GRU", ["c", "gw", "gr"], ["d", "e"], hidden_size=4),
        node("Squeeze", ["e", "zero"], ["y"]),
    ],
    {"x": (("n", "samples"), np.float32)},
    ["y"],
    {"zero": ints(0), "one": ints(1), "w": floats(8, 1, 256), "gw": floats(1, 12, 8, seed=1), "gr": floats(1, 12, 4, seed=2)},
)
"""One step for each 256 samples: few samples are one step however many they are."""
CASES: dict[str, tuple[onnx.ModelProto, Sequence[tuple[int, ...]]]] = {
    "unet": (UNET, [(1, 3, 8, 12), (2, 3, 32, 32)]),
    "head": (HEAD, [(1, 3, 9, 12), (2, 3, 31, 40)]),
    "like another": (LIKE_ANOTHER, [(1, 3, 9, 12), (1, 3, 31, 40)]),
    "pooled": (POOLED, [(1, 3, 9, 12), (3, 3, 5, 4)]),
    "attention": (ATTENTION, [(1, 5, 8), (3, 40, 8), (2, 1, 8)]),
    "causal": (CAUSAL, [(1, 5, 8), (3, 40, 8), (1, 1, 8)]),
    "places": (PLACES, [(1, 5, 8), (3, 40, 8)]),
    "frames": (FRAMES, [(1, 1600), (2, 16001)]),
}


@pytest.mark.parametrize("name", CASES)
def test_one_file_runs_at_every_size(name: str) -> None:
    source, shapes = CASES[name]
    made = converted(source)
    tensor = made.subgraphs[0].tensors[made.subgraphs[0].inputs[0]]
    declared = source.graph.input[0].type.tensor_type.shape.dim
    assert tensor.shape_signature == [-1 if dim.dim_param else dim.dim_value for dim in declared]
    for shape in (tuple(tensor.shape), *shapes):
        feeds = {"x": floats(*shape)}
        wanted = run_onnx(source, feeds)
        assert_close(run_tflite(made, feeds), wanted)
        assert_close(run_jitlite(made, feeds), wanted)


def test_sizes_that_all_look_the_same_are_not_trusted() -> None:
    with pytest.raises(ConversionError, match="so that batch size, samples cannot stay dynamic"):
        convert_onnx(STRIDES)


def test_padding_that_depends_on_the_size_stays_an_operator() -> None:
    found = kinds(converted(UNET))
    assert found["PAD"] == 1, "that of the convolution with strides"


def test_what_cannot_follow_names_the_dimensions() -> None:
    nodes = [
        *part("x", "one", "t"),
        node("Mul", ["t", "t"], ["square"]),
        node("Cast", ["square"], ["s"], to=1),
        node("Mul", ["x", "s"], ["y"]),
    ]
    with pytest.raises(ConversionError) as caught:
        convert_onnx(model(nodes, ROWS))
    message = str(caught.value)
    assert "so that batch size, length cannot stay dynamic" in message
    assert "the first dimension of 'x' and length were left dynamic; ConvertOptions(shapes={'x': (None, <size>, 8)}) fixes them" in message
