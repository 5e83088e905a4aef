"""Networks nobody designed: random chains of operators over images, with their axes moved about, against ONNX Runtime."""

from math import prod
from typing import Any

import numpy as np
import onnx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jitlite.converter import ConvertOptions
from tests.converter.agreement import Array, assert_close, converted, floats, node, onnx_model, run_onnx, run_tflite

I64 = np.int64
MAX_RANK = 5
"""Of operands; some runtimes' kernels take no more."""


class Network:
    """A model under construction: values with their shapes, all float32. With `first` 1 the first axis, the batch, stays what it is."""

    def __init__(self, draw: Any, shape: tuple[int, ...], first: int) -> None:
        self.draw = draw
        self.first = first
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Array] = {}
        self.shapes: dict[str, tuple[int, ...]] = {"x": shape}

    def stored(self, data: Array) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = data
        return name

    def integers(self, *numbers: int) -> str:
        return self.stored(np.array(numbers, I64))

    def add(self, kind: str, operands: list[str], *shapes: tuple[int, ...], **attributes: Any) -> None:
        names = [f"v{len(self.shapes) + index}" for index in range(len(shapes))]
        self.nodes.append(node(kind, operands, names, **attributes))
        self.shapes.update(zip(names, shapes, strict=True))

    def pick(self, values: list[Any]) -> Any:
        return self.draw(st.sampled_from(values))

    def axis(self, shape: tuple[int, ...]) -> int:
        return self.draw(st.integers(self.first, len(shape) - 1))

    def grow(self) -> None:
        """Adds one operator over one of the last values."""
        x = self.pick([name for name, shape in self.shapes.items() if len(shape) <= MAX_RANK][-3:])
        shape = self.shapes[x]
        choices = ["unary", "constant", "same", "transpose", "reduce", "slice", "pad", "concat", "split", "softmax", "reshape", "gather"]
        choices += ["product", "repeat"]
        if len(shape) == 4 and min(shape[2:]) >= 2:
            choices += ["conv", "conv", "pool", "slopes", "blocks", "parts"]
        getattr(self, f"_{self.pick(choices)}")(x, shape)

    def _unary(self, x: str, shape: tuple[int, ...]) -> None:
        self.add(self.pick(["Relu", "Sigmoid", "Abs", "Tanh"]), [x], shape)

    def _constant(self, x: str, shape: tuple[int, ...]) -> None:
        start = self.draw(st.integers(self.first, len(shape)))
        kept = [dim if self.pick([True, False]) else 1 for dim in shape[start:]]
        data = self.stored(floats(*kept, seed=len(self.constants), low=0.2))
        self.add(self.pick(["Add", "Mul", "Sub", "Div", "Max"]), [x, data], shape)

    def _same(self, x: str, shape: tuple[int, ...]) -> None:
        others = [name for name, other in self.shapes.items() if other == shape]
        self.add(self.pick(["Add", "Mul"]), [x, self.pick(others)], shape)

    def _transpose(self, x: str, shape: tuple[int, ...]) -> None:
        order = [*range(self.first), *self.draw(st.permutations(range(self.first, len(shape))))]
        self.add("Transpose", [x], tuple(shape[axis] for axis in order), perm=order)

    def _reduce(self, x: str, shape: tuple[int, ...]) -> None:
        axis, keep = self.axis(shape), self.pick([0, 1]) if len(shape) > 2 else 1
        made = (*shape[:axis], *([1] if keep else []), *shape[axis + 1 :])
        self.add(self.pick(["ReduceMean", "ReduceMax"]), [x], made, axes=[axis], keepdims=keep)

    def _slice(self, x: str, shape: tuple[int, ...]) -> None:
        axis = self.axis(shape)
        step = self.pick([1, 2, -1])
        start, stop = (0, max(1, shape[axis] - 1)) if step > 0 else (shape[axis] - 1, -(2**31))
        operands = [self.integers(start), self.integers(stop), self.integers(axis), self.integers(step)]
        self.add("Slice", [x, *operands], (*shape[:axis], len(range(shape[axis])[start:stop:step]), *shape[axis + 1 :]))

    def _pad(self, x: str, shape: tuple[int, ...]) -> None:
        before, after = ([self.pick([0, 0, 1]) if axis >= self.first else 0 for axis in range(len(shape))] for _ in range(2))
        self.add("Pad", [x, self.integers(*before, *after)], tuple(map(sum, zip(before, shape, after, strict=True))))

    def _concat(self, x: str, shape: tuple[int, ...]) -> None:
        axis = self.axis(shape)
        others = [
            name
            for name, other in self.shapes.items()
            if len(other) == len(shape) and other[:axis] + other[axis + 1 :] == shape[:axis] + shape[axis + 1 :]
        ]
        other = self.pick(others)
        self.add("Concat", [x, other], (*shape[:axis], shape[axis] + self.shapes[other][axis], *shape[axis + 1 :]), axis=axis)

    def _split(self, x: str, shape: tuple[int, ...]) -> None:
        axis = self.axis(shape)
        if shape[axis] < 2:
            return
        first = self.pick([1, shape[axis] // 2])
        parts = [(*shape[:axis], size, *shape[axis + 1 :]) for size in (first, shape[axis] - first)]
        self.add("Split", [x, self.integers(first, shape[axis] - first)], *parts, axis=axis)

    def _softmax(self, x: str, shape: tuple[int, ...]) -> None:
        self.add("Softmax", [x], shape, axis=self.axis(shape))

    def _reshape(self, x: str, shape: tuple[int, ...]) -> None:
        """Splits an axis, joins two, or adds or drops one of size 1."""
        axis = self.axis(shape)
        made = [[*shape[:axis], 2, shape[axis] // 2, *shape[axis + 1 :]]] if shape[axis] % 2 == 0 else []
        made += [[*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]]] if axis + 1 < len(shape) else []
        made += [[*shape[:axis], 1, *shape[axis:]]] if len(shape) < 5 else []
        made += [[*shape[: self.first], *(dim for dim in shape[self.first :] if dim != 1)]] if 1 in shape else []
        made = [dims for dims in made if 2 <= len(dims) <= 5]
        if made:
            dims = self.pick(made)
            self.add("Reshape", [x, self.integers(*([0] * self.first), *dims[self.first :])], tuple(dims))

    def _gather(self, x: str, shape: tuple[int, ...]) -> None:
        axis = self.axis(shape)
        picked = self.draw(st.lists(st.integers(0, shape[axis] - 1), min_size=1, max_size=3))
        self.add("Gather", [x, self.integers(*picked)], (*shape[:axis], len(picked), *shape[axis + 1 :]), axis=axis)

    def _product(self, x: str, shape: tuple[int, ...]) -> None:
        """With stored weights along the last axis, or with its own transpose."""
        if len(shape) == 2 or self.pick([True, False]):
            weight = self.stored(floats(shape[-1], 3, seed=len(self.constants), low=-0.5, high=0.5))
            self.add("MatMul", [x, weight], (*shape[:-1], 3))
            return
        turned = (*shape[:-2], shape[-1], shape[-2])
        self.add("Transpose", [x], turned, perm=[*range(len(shape) - 2), len(shape) - 1, len(shape) - 2])
        operands = [x, list(self.shapes)[-1]]
        first, second = operands if self.pick([True, False]) else operands[::-1]
        self.add("MatMul", [first, second], (*shape[:-2], self.shapes[first][-2], self.shapes[second][-1]))

    def _repeat(self, x: str, shape: tuple[int, ...]) -> None:
        axis = self.axis(shape)
        times = [2 if place == axis else 1 for place in range(len(shape))]
        made = tuple(count * dim for count, dim in zip(times, shape, strict=True))
        if self.pick([True, False]) or shape[axis] > 1:
            self.add("Tile", [x, self.integers(*times)], made)
        else:
            self.add("Expand", [x, self.integers(*([1] * self.first), *made[self.first :])], made)

    def _blocks(self, x: str, shape: tuple[int, ...]) -> None:
        """Blocks of height and width to the channels or back, in an order of its own."""
        n, c, h, w = shape
        if h % 2 == 0 and w % 2 == 0:
            parts, order = (n, c, h // 2, 2, w // 2, 2), [*self.draw(st.permutations([1, 3, 5])), 2, 4]
            made = (n, c * 4, h // 2, w // 2)
        elif c % 4 == 0:
            parts, (depth, rows, columns) = [n, 2, 2, 2, h, w], self.draw(st.permutations([1, 2, 3]))
            parts[depth] = c // 4
            order, made = [depth, 4, rows, 5, columns], (n, c // 4, h * 2, w * 2)
        else:
            return
        kept = [0] * self.first
        self.add("Reshape", [x, self.integers(*kept, *parts[self.first :])], tuple(parts))
        self.add("Transpose", [list(self.shapes)[-1]], tuple(parts[axis] for axis in [0, *order]), perm=[0, *order])
        self.add("Reshape", [list(self.shapes)[-1], self.integers(*kept, *made[self.first :])], made)

    def _parts(self, x: str, shape: tuple[int, ...]) -> None:
        """Groups of channels, normalized on their own or shuffled."""
        n, c, h, w = shape
        groups = 2 if c % 2 == 0 else 1
        kept = [0] * self.first
        if self.pick([True, False]):
            scale, shift = (self.stored(floats(groups, seed=seed, low=0.5)) for seed in (1, 2))
            flat = (n, groups, c // groups * h * w)
            self.add("Reshape", [x, self.integers(*kept, *flat[self.first :])], flat)
            self.add("InstanceNormalization", [list(self.shapes)[-1], scale, shift], flat)
        else:
            split = (n, groups, c // groups, h, w)
            self.add("Reshape", [x, self.integers(*kept, *split[self.first :])], split)
            self.add("Transpose", [list(self.shapes)[-1]], (n, c // groups, groups, h, w), perm=[0, 2, 1, 3, 4])
        self.add("Reshape", [list(self.shapes)[-1], self.integers(*kept, *shape[self.first :])], shape)

    def _conv(self, x: str, shape: tuple[int, ...]) -> None:
        n, c, h, w = shape
        units, kernel = self.pick([2, 3]), self.pick([1, 2])
        weight = self.stored(floats(units, c, kernel, kernel, seed=len(self.constants), low=-0.5, high=0.5))
        self.add("Conv", [x, weight], (n, units, h - kernel + 1, w - kernel + 1))

    def _pool(self, x: str, shape: tuple[int, ...]) -> None:
        n, c, h, w = shape
        self.add(self.pick(["MaxPool", "AveragePool"]), [x], (n, c, h // 2, w // 2), kernel_shape=[2, 2], strides=[2, 2])

    def _slopes(self, x: str, shape: tuple[int, ...]) -> None:
        self.add("PRelu", [x, self.stored(floats(shape[1], 1, 1, seed=len(self.constants)))], shape)


@st.composite
def networks(draw: Any, dynamic: bool = False) -> tuple[onnx.ModelProto, tuple[int, ...]]:
    """A model and the shape of its input; when `dynamic`, the model's first dimension has a name instead of a size."""
    shape = (2, draw(st.integers(1, 4)), draw(st.integers(2, 6)), draw(st.integers(2, 6)))
    network = Network(draw, shape, 1 if dynamic else 0)
    for _ in range(draw(st.integers(2, 8))):
        if all(prod(dims) < 5000 for dims in network.shapes.values()):
            network.grow()
    names = [name for name in list(network.shapes)[-2:] if name != "x"]
    if not names:
        network.add("Relu", ["x"], shape)
        names = [list(network.shapes)[-1]]
    declared = ("n", *shape[1:]) if dynamic else shape
    return onnx_model(network.nodes, {"x": (declared, np.float32)}, names, network.constants, opset=13), shape


QUICK = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(made=networks(), channels_last=st.booleans())
def test_random_networks_agree_with_onnxruntime(made: tuple[onnx.ModelProto, tuple[int, ...]], channels_last: bool) -> None:
    model, shape = made
    x = floats(*shape, seed=7)
    fed = np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if channels_last else x
    tflite = converted(model, ConvertOptions(nhwc_inputs=channels_last))
    assert_close(run_tflite(tflite, {"x": fed}), run_onnx(model, {"x": x}, as_written=True), 1e-4)
    names = [tflite.subgraphs[0].tensors[index].name for index in tflite.subgraphs[0].outputs]
    assert names == [info.name for info in model.graph.output]


@QUICK
@given(made=networks(dynamic=True), batch=st.integers(1, 4))
def test_random_networks_follow_the_batch(made: tuple[onnx.ModelProto, tuple[int, ...]], batch: int) -> None:
    model, shape = made
    x = floats(batch, *shape[1:], seed=7)
    tflite = converted(model)
    assert_close(run_tflite(tflite, {"x": x}), run_onnx(model, {"x": x}, as_written=True), 1e-4)
    assert tflite.subgraphs[0].tensors[tflite.subgraphs[0].inputs[0]].shape_signature == [-1, *shape[1:]]
