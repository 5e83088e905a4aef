"""Where onnx's shape inference differs from what runtimes compute, or says nothing."""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import helper

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Node
from jitlite.converter.passes.learning_shapes import LEARNING

MAX_SCALE = 1 << 20
STANDARD_OPSET = 17
"""Whose definitions foreign operators are likened to."""


def _like_first_operand(node: Node) -> None:
    node.outputs[0].shape, node.outputs[0].dtype = node.input(0).shape, node.input(0).dtype


def _rounded_up_pool(node: Node) -> None:
    """With ceil_mode a window that would start in the padding behind the input is left out."""
    before, after = node.input(0).shape, node.outputs[0].shape
    if not attribute(node, "ceil_mode", 0) or before is None or after is None:
        return
    count = len(before) - 2
    strides, pads = attribute(node, "strides", [1] * count), attribute(node, "pads", [0] * (2 * count))
    sizes = [out - ((out - 1) * stride >= size + pad) for out, stride, size, pad in zip(after[2:], strides, before[2:], pads)]
    for value in node.outputs:
        value.shape = (*after[:2], *sizes)


def _scaled(node: Node) -> None:
    """Sizes are the product of scale and size in float32, rounded down."""
    x, place = node.input(0), 2 if len(node.inputs) > 2 else 1
    operand = node.optional(place)
    stored = attribute(node, "scales") if node.kind == "Upsample" and operand is None else None if operand is None else operand.data
    if stored is None or x.shape is None:
        return
    scales = np.asarray(stored, np.float32).reshape(-1)
    axes = [int(axis) % len(x.shape) for axis in attribute(node, "axes", list(range(len(x.shape))))]
    if len(scales) != len(axes) or not np.all(np.abs(scales) < MAX_SCALE):
        return
    sizes = list(x.shape)
    for axis, scale in zip(axes, scales):
        sizes[axis] = int(np.floor(float(scale * np.float32(x.shape[axis]))))
    node.outputs[0].shape = tuple(sizes)


def _spectrum(node: Node) -> None:
    """One side of the frequencies unless asked for both."""
    shape, length = node.outputs[0].shape, node.optional(3) or node.optional(2)
    if shape is None or len(shape) != 4 or length is None or not attribute(node, "onesided", 1):
        return
    count = length.size if node.optional(3) is None else None if length.data is None else int(length.data.reshape(-1)[0])
    node.outputs[0].shape = None if count is None else (*shape[:2], count // 2 + 1, 2)


def _compressed(node: Node) -> None:
    """A constant condition says how many elements there will be."""
    shape, chosen, axis = node.input(0).shape, node.input(1).data, attribute(node, "axis")
    if shape is None or chosen is None:
        return
    count = int(np.count_nonzero(chosen))
    place = 0 if axis is None else axis % len(shape)
    node.outputs[0].shape = (count,) if axis is None else (*shape[:place], count, *shape[place + 1 :])


def _compared(node: Node) -> None:
    """The truth of a comparison; onnx says nothing of the definitions of opset 12."""
    a, b = node.input(0).shape, node.input(1).shape
    node.outputs[0].dtype = np.dtype(np.bool_)
    if a is not None and b is not None:
        node.outputs[0].shape = np.broadcast_shapes(a, b)


def _transposed_to_same(node: Node) -> None:
    """Padding SAME makes each size the stride's multiple, or what there is without padding; output_padding counts in the latter alone."""
    x, weight, y = node.input(0), node.input(1), node.outputs[0]
    if attribute(node, "auto_pad", "NOTSET") not in ("SAME_UPPER", "SAME_LOWER") or attribute(node, "output_shape") is not None:
        return
    if x.shape is None or weight.shape is None or y.shape is None or len(x.shape) != len(weight.shape):
        return
    count = len(x.shape) - 2
    strides, dilations, extra = (
        attribute(node, name, [usual] * count) for name, usual in (("strides", 1), ("dilations", 1), ("output_padding", 0))
    )
    spans = zip(x.shape[2:], weight.shape[2:], strides, dilations, extra)
    sizes = [min(size * step, (size - 1) * step + (taps - 1) * gap + 1 + more) for size, taps, step, gap, more in spans]
    y.shape = (*y.shape[:2], *sizes)


def _squeezed(node: Node) -> None:
    """Axes in any order and counted from the back too, which inference overlooks where they are an attribute."""
    shape, axes = node.input(0).shape, attribute(node, "axes")
    if not shape or axes is None:
        return
    dropped = {axis % len(shape) for axis in axes}
    node.outputs[0].shape = tuple(dim for axis, dim in enumerate(shape) if axis not in dropped)


def _unsqueezed(node: Node) -> None:
    """Axes count in the result, from its back too."""
    shape, axes = node.input(0).shape, attribute(node, "axes")
    if shape is None or axes is None:
        return
    rank = len(shape) + len(axes)
    added, rest = {axis % rank for axis in axes}, iter(shape)
    node.outputs[0].shape = tuple(1 if axis in added else next(rest) for axis in range(rank))


CORRECTIONS: dict[str, Callable[[Node], None]] = {
    "Compress": _compressed,
    "ConvTranspose": _transposed_to_same,
    "GreaterOrEqual": _compared,
    "GroupNormalization": _like_first_operand,
    "LessOrEqual": _compared,
    "MeanVarianceNormalization": _like_first_operand,
    "MaxPool": _rounded_up_pool,
    "AveragePool": _rounded_up_pool,
    "LpPool": _rounded_up_pool,
    "Resize": _scaled,
    "STFT": _spectrum,
    "Squeeze": _squeezed,
    "Unsqueeze": _unsqueezed,
    "Upsample": _scaled,
    **LEARNING,
}


def _dynamic_lstm(node: Node) -> None:
    """X (steps, batch, features), recurrent weights (directions, hidden, 4 · hidden)."""
    x, recurrence = node.input(0), node.input(2)
    for value in node.outputs:
        value.dtype = x.dtype
    if x.shape is None or recurrence.shape is None or len(x.shape) != 3 or len(recurrence.shape) != 3:
        return
    (steps, batch, _), (directions, hidden, _) = x.shape, recurrence.shape
    shapes = (steps, directions, batch, hidden), (directions, batch, hidden), (directions, batch, hidden)
    for value, shape in zip(node.outputs, shapes):
        value.shape = shape


def _like_operand(node: Node) -> None:
    """The first result and the fourth are like the first operand; the shapes of statistics between them are left open."""
    x = node.input(0)
    for place, value in enumerate(node.outputs):
        value.dtype = x.dtype
        value.shape = x.shape if place in (0, 3) else None


def _as_standard(name: str, operands: int) -> Callable[[Node], None]:
    """As the standard's operator of this name with the first operands."""

    def infer(node: Node) -> None:
        given = [value for value in node.inputs[:operands] if value is not None]
        types = {
            value.name: helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for value in given
            if value.dtype is not None
        }
        proto = helper.make_node(name, [value.name for value in given], [node.outputs[0].name])
        schema = onnx.defs.get_schema(name, STANDARD_OPSET, "")
        proto.attribute.extend(kept for key, kept in node.attributes.items() if key in schema.attributes)
        found = onnx.shape_inference.infer_node_outputs(schema, proto, types, {}, opset_imports=[helper.make_opsetid("", STANDARD_OPSET)])
        tensor = found[node.outputs[0].name].tensor_type
        node.outputs[0].dtype = node.input(0).dtype
        if tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim):
            node.outputs[0].shape = tuple(int(dim.dim_value) for dim in tensor.shape.dim)

    return infer


def _fused_matmul(node: Node) -> None:
    a, b = node.input(0), node.input(1)
    node.outputs[0].dtype = a.dtype
    if a.shape is None or b.shape is None or len(a.shape) < 2 or len(b.shape) < 2:
        return
    rows = a.shape[-1 if attribute(node, "transA", 0) else -2]
    columns = b.shape[-2 if attribute(node, "transB", 0) else -1]
    node.outputs[0].shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), rows, columns)


FOREIGN: dict[str, Callable[[Node], None]] = {
    "SimplifiedLayerNormalization": _like_operand,
    "com.microsoft.BiasGelu": _like_operand,
    "com.microsoft.DynamicQuantizeLSTM": _dynamic_lstm,
    "com.microsoft.FastGelu": _like_operand,
    "com.microsoft.FusedConv": _as_standard("Conv", 3),
    "com.microsoft.FusedGemm": _as_standard("Gemm", 3),
    "com.microsoft.FusedMatMul": _fused_matmul,
    "com.microsoft.Gelu": _like_operand,
    "com.microsoft.QuickGelu": _like_operand,
    "com.microsoft.SkipLayerNormalization": _like_operand,
    "com.microsoft.SkipSimplifiedLayerNormalization": _like_operand,
    "com.microsoft.TransposeMatMul": _fused_matmul,
}
"""The results of operators that onnx does not define."""


def correct_shapes(node: Node) -> None:
    """Puts right the shapes of a node's results after inference."""
    correction = CORRECTIONS.get(node.kind)
    if correction is not None:
        correction(node)
