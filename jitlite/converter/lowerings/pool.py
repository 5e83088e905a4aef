"""Pooling over one or two spatial axes, and over all of them."""

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.lowerings.windows import Span, output_sizes, padded, spans, spatial_sizes
from jitlite.schemas.ops.conv import DEPTHWISE_CONV_2D
from jitlite.schemas.ops.elementwise import MAXIMUM, MUL
from jitlite.schemas.ops.pool import AVERAGE_POOL_2D, MAX_POOL_2D
from jitlite.schemas.ops.reduce import MEAN, REDUCE_MAX
from jitlite.schemas.ops.slice import STRIDED_SLICE
from jitlite.schemas.tables import DepthwiseConv2DOptions, Padding, Pool2DOptions, ReducerOptions, StridedSliceOptions

MAX_TAPS = 64
LOWEST = float(np.finfo(np.float32).min)


def _pool_options(axes: tuple[Span, Span], padding: Padding) -> Pool2DOptions:
    h, w = axes
    return Pool2DOptions(padding=padding, stride_h=h.stride, stride_w=w.stride, filter_height=h.kernel, filter_width=w.kernel)


@lowers("MaxPool")
def max_pool(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    ctx.require(len(node.outputs) == 1 or not node.outputs[1].uses, "one output is supported, found the second one (indices) in use")
    axes = spans(ctx, node, spatial_sizes(ctx, x), attribute(node, "kernel_shape"), output_sizes(node))

    def apply(image: Value) -> Value:
        plain = all(span.dilation == 1 for span in axes)
        operand, padding = padded(ctx, image, axes, LOWEST, allow_same=plain)
        return ctx.op(MAX_POOL_2D, operand, options=_pool_options(axes, padding)) if plain else _dilated_max(ctx, operand, axes)

    return ctx.channels_last(x, apply)


def _dilated_max(ctx: Context, x: Value, axes: tuple[Span, Span]) -> Value:
    """The maximum over the taps, each a strided slice of the padded input."""
    h, w = axes
    ctx.require(
        h.kernel * w.kernel <= MAX_TAPS, f"dilated kernels of at most {MAX_TAPS} elements are supported, found {h.kernel} by {w.kernel}"
    )
    result: Value | None = None
    for row in range(h.kernel):
        for column in range(w.kernel):
            starts = [0, row * h.dilation, column * w.dilation, 0]
            stops = [0, starts[1] + (h.output - 1) * h.stride + 1, starts[2] + (w.output - 1) * w.stride + 1, 0]
            bounds = [ctx.indices(numbers) for numbers in (starts, stops, [1, h.stride, w.stride, 1])]
            tap = ctx.op(STRIDED_SLICE, x, *bounds, options=StridedSliceOptions(begin_mask=0b1001, end_mask=0b1001))
            result = tap if result is None else ctx.op(MAXIMUM, result, tap)
    assert result is not None, "a window has at least one tap"
    return result


@lowers("AveragePool")
def average_pool(ctx: Context, node: Node) -> Value:
    """AVERAGE_POOL_2D divides by the elements inside the input; where ONNX divides by another count, a constant factor corrects it."""
    x = ctx.input(0)
    axes = spans(ctx, node, spatial_sizes(ctx, x), attribute(node, "kernel_shape"), output_sizes(node))
    with_padding = bool(attribute(node, "count_include_pad", 0))
    dilated = any(span.dilation != 1 for span in axes)
    counted = all(span.is_valid for span in axes) or (all(span.is_same for span in axes) and not with_padding)

    def apply(image: Value) -> Value:
        if counted and not dilated:
            operand, padding = padded(ctx, image, axes)
            return ctx.op(AVERAGE_POOL_2D, operand, options=_pool_options(axes, padding))
        operand, padding = padded(ctx, image, axes, allow_same=False)
        y = _window_mean(ctx, operand, axes) if dilated else ctx.op(AVERAGE_POOL_2D, operand, options=_pool_options(axes, padding))
        rows, columns = (_counts(span, with_padding) for span in axes)
        factor = axes[0].kernel * axes[1].kernel / (rows[:, None] * columns[None, :])
        return y if np.all(factor == 1) else ctx.op(MUL, y, ctx.like(x, factor[None, :, :, None]))

    return ctx.channels_last(x, apply)


def _window_mean(ctx: Context, x: Value, axes: tuple[Span, Span]) -> Value:
    """The mean over a dilated window, as a convolution of each channel with equal weights."""
    h, w = axes
    options = DepthwiseConv2DOptions(padding=Padding.VALID, depth_multiplier=1, stride_h=h.stride, stride_w=w.stride)
    options.dilation_h_factor, options.dilation_w_factor = h.dilation, w.dilation
    channels = x.dims[3]
    weight = ctx.like(x, np.full((1, h.kernel, w.kernel, channels), 1 / (h.kernel * w.kernel)))
    return ctx.op(DEPTHWISE_CONV_2D, x, weight, ctx.like(x, np.zeros(channels)), options=options)


def _counts(span: Span, with_padding: bool) -> Array:
    """How many elements ONNX counts at each position along one axis."""
    taps = np.arange(span.output)[:, None] * span.stride - span.before + np.arange(span.kernel)[None, :] * span.dilation
    low, high = (-span.before, span.size + span.after) if with_padding else (0, span.size)
    return np.asarray(np.sum((taps >= low) & (taps < high), axis=1))


@lowers("GlobalAveragePool", "GlobalMaxPool")
def global_pool(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    spec = MEAN if node.kind == "GlobalAveragePool" else REDUCE_MAX
    return ctx.op(spec, x, ctx.indices(list(range(2, x.rank))), options=ReducerOptions(keep_dims=True))
