"""Pooling over one to three spatial axes, and over all of them.

Windows over three axes are windows over height and width and then over depth, each over reshaped images.
"""

from collections.abc import Callable
from math import prod
from typing import TypeAlias

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conversion import cast_to
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.lowerings.windows import UNIT, Span, Spans, output_sizes, padded, spans, spatial_sizes
from jitlite.schemas.ops.conv import DEPTHWISE_CONV_2D
from jitlite.schemas.ops.elementwise import ABS, ADD, MUL, POW, SQRT
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.pad import PADV2
from jitlite.schemas.ops.pool import AVERAGE_POOL_2D, MAX_POOL_2D
from jitlite.schemas.ops.reduce import ARG_MAX, MEAN, REDUCE_MAX, SUM
from jitlite.schemas.ops.spec import OpSpec
from jitlite.schemas.tables import (
    ArgMaxOptions,
    DepthwiseConv2DOptions,
    GatherOptions,
    Padding,
    Pool2DOptions,
    ReducerOptions,
    TensorType,
)

LOWEST = float(np.finfo(np.float32).min)

Pooling: TypeAlias = Callable[[Value, Spans], Value]
"""Pools an NHWC image over windows of two axes."""


def _window(ctx: Context, node: Node) -> Spans:
    return spans(ctx, node, spatial_sizes(ctx, ctx.input(0)), attribute(node, "kernel_shape"), output_sizes(node))


def _pooled(ctx: Context, x: Value, axes: Spans, pool: Pooling) -> Value:
    """Applies the pooling to a value in ONNX's order."""

    def volume(image: Value) -> Value:
        n, depth, height, width, channels = image.dims
        _, h, w = axes
        planes = pool(ctx.reshape(image, (n * depth, height, width, channels)), axes[1:])
        columns = pool(ctx.reshape(planes, (n, depth, h.output * w.output, channels)), (axes[0], UNIT))
        return ctx.reshape(columns, (n, axes[0].output, h.output, w.output, channels))

    return ctx.channels_last(x, volume if len(axes) == 3 else lambda image: pool(image, axes))


def _builtin(ctx: Context, spec: OpSpec, image: Value, axes: Spans, padding: Padding) -> Value:
    h, w = axes
    options = Pool2DOptions(padding=padding, stride_h=h.stride, stride_w=w.stride, filter_height=h.kernel, filter_width=w.kernel)
    return ctx.op(spec, image, options=options)


@lowers("MaxPool")
def max_pool(ctx: Context, node: Node) -> Value | tuple[Value, Value]:
    """Bytes are compared as floats, which hold them exactly."""
    x, axes = ctx.input(0), _window(ctx, node)
    assert x.dtype is not None
    numbers = cast_to(ctx, x, np.dtype(np.float32)) if x.dtype in (np.int8, np.uint8) else x
    ctx.require(numbers.dtype == np.float32, f"float32 or 8 bits are required, found {x.dtype}")

    def pool(image: Value, window: Spans) -> Value:
        plain = all(span.dilation == 1 for span in window)
        operand, padding = padded(ctx, image, window, LOWEST, allow_same=plain)
        return _builtin(ctx, MAX_POOL_2D, operand, window, padding) if plain else _dilated_max(ctx, operand, window)

    y = cast_to(ctx, _pooled(ctx, numbers, axes, pool), x.dtype)
    if len(node.outputs) == 1:
        return y
    return y, _positions(ctx, numbers, axes[-(x.rank - 2) :], bool(attribute(node, "storage_order", 0)))


def _dilated_max(ctx: Context, x: Value, axes: Spans) -> Value:
    """Along one axis after the other, the elements of each window side by side, and their maximum."""
    for place, span in enumerate(axes, 1):
        if span.dilation == 1 and span.kernel == span.stride == 1:
            continue
        taps = (span.taps + span.before).reshape(-1)
        x = ctx.op(GATHER, x, ctx.constant(taps, np.int32), options=GatherOptions(axis=place))
        joined = Span(len(taps), span.kernel, span.kernel, 1, 0, 0, span.output)
        x = _builtin(ctx, MAX_POOL_2D, x, (joined, UNIT) if place == 1 else (UNIT, joined), Padding.VALID)
    return x


def _positions(ctx: Context, x: Value, axes: Spans, by_column: bool) -> Value:
    """Where each window's first maximum lies in the whole of x (int64); `by_column` counts the spatial axes from the first."""
    n, channels, *sizes = x.dims
    count, outputs = prod(sizes), [span.output for span in axes]
    taps, is_inside, numbers = np.zeros((1, 1), np.int64), np.ones((1, 1), bool), np.zeros((1, 1), np.int64)
    for place, span in enumerate(axes):
        step = prod(sizes[place + 1 :])
        shape = (len(taps) * span.output, -1)
        taps = _outer(taps, span.taps * step).reshape(shape)
        numbers = _outer(numbers, span.taps * (prod(sizes[:place]) if by_column else step)).reshape(shape)
        inside = (span.taps >= 0) & (span.taps < span.size)
        is_inside = (is_inside[:, None, :, None] & inside[None, :, None, :]).reshape(shape)
    flat = ctx.reshape(x, (n, channels, count))
    if not is_inside.all():
        flat = ctx.op(PADV2, flat, ctx.constant([[0, 0], [0, 0], [0, 1]], np.int32), ctx.like(x, LOWEST))
        taps = np.where(is_inside, taps, count)
    windows = ctx.op(GATHER, flat, ctx.constant(taps.reshape(-1), np.int32), options=GatherOptions(axis=2))
    windows = ctx.reshape(windows, (n, channels, *taps.shape))
    best = ctx.op(ARG_MAX, windows, ctx.indices([3]), options=ArgMaxOptions(output_type=TensorType.INT32))
    moves = ctx.op(GATHER, ctx.constant(numbers[0] - numbers[0, 0], np.int32), best, options=GatherOptions(axis=0))
    images = np.arange(n * channels).reshape(n, channels, 1) * count
    position = ctx.op(ADD, moves, ctx.constant(images + numbers[:, 0], np.int32))
    return cast_to(ctx, ctx.reshape(position, (n, channels, *outputs)), np.dtype(np.int64))


def _outer(a: Array, b: Array) -> Array:
    """Sums of each row and column of both, (rows of a, rows of b, columns of a, columns of b)."""
    return np.asarray(a[:, None, :, None] + b[None, :, None, :])


@lowers("AveragePool")
def average_pool(ctx: Context, node: Node) -> Value:
    with_padding = bool(attribute(node, "count_include_pad", 0))
    return _pooled(ctx, ctx.input(0), _window(ctx, node), lambda image, window: _average(ctx, image, window, with_padding))


def _average(ctx: Context, image: Value, axes: Spans, with_padding: bool) -> Value:
    """AVERAGE_POOL_2D divides by the elements inside the input; where ONNX divides by another count, a constant factor corrects it."""
    dilated = any(span.dilation != 1 for span in axes)
    counted = all(span.is_valid for span in axes) or (all(span.is_same for span in axes) and not with_padding)
    if counted and not dilated:
        operand, padding = padded(ctx, image, axes)
        return _builtin(ctx, AVERAGE_POOL_2D, operand, axes, padding)
    y = _window_mean(ctx, image, axes)
    rows, columns = (_counts(span, with_padding) for span in axes)
    factor = axes[0].kernel * axes[1].kernel / (rows[:, None] * columns[None, :])
    return y if np.all(factor == 1) else ctx.op(MUL, y, ctx.like(image, factor[None, :, :, None]))


def _window_mean(ctx: Context, image: Value, axes: Spans) -> Value:
    """The mean over each window, padding counted as zeros; a dilated one is a convolution of each channel with equal weights."""
    h, w = axes
    x, padding = padded(ctx, image, axes, allow_same=False)
    if h.dilation == w.dilation == 1:
        return _builtin(ctx, AVERAGE_POOL_2D, x, axes, padding)
    options = DepthwiseConv2DOptions(padding=padding, depth_multiplier=1, stride_h=h.stride, stride_w=w.stride)
    options.dilation_h_factor, options.dilation_w_factor = h.dilation, w.dilation
    channels = x.dims[3]
    weight = ctx.like(x, np.full((1, h.kernel, w.kernel, channels), 1 / (h.kernel * w.kernel)))
    return ctx.op(DEPTHWISE_CONV_2D, x, weight, ctx.like(x, np.zeros(channels)), options=options)


def _counts(span: Span, with_padding: bool) -> Array:
    """How many elements ONNX counts at each position along one axis."""
    low, high = (-span.before, span.size + span.after) if with_padding else (0, span.size)
    return np.asarray(np.sum((span.taps >= low) & (span.taps < high), axis=1))


@lowers("LpPool", since=2)
def lp_pool(ctx: Context, node: Node) -> Value:
    """The p-norm of each window."""
    axes, p = _window(ctx, node), attribute(node, "p", 2)
    count = prod(span.kernel for span in axes)
    means = _pooled(ctx, _power(ctx, ctx.input(0), p), axes, lambda image, window: _window_mean(ctx, image, window))
    return _root(ctx, means if count == 1 else ctx.binary(MUL, means, float(count)), p)


def _power(ctx: Context, x: Value, p: int) -> Value:
    ctx.require(p >= 1 and x.dtype == np.float32, f"a norm of order 1 or more of float32 is required, found {p} of {x.dtype}")
    if p == 2:
        return ctx.op(MUL, x, x)
    size = ctx.op(ABS, x)
    return size if p == 1 else ctx.binary(POW, size, float(p))


def _root(ctx: Context, x: Value, p: int) -> Value:
    return x if p == 1 else ctx.op(SQRT, x) if p == 2 else ctx.binary(POW, x, 1 / p)


@lowers("GlobalAveragePool", "GlobalMaxPool")
def global_pool(ctx: Context, node: Node) -> Value:
    spec = MEAN if node.kind == "GlobalAveragePool" else REDUCE_MAX
    return _over_space(ctx, spec, ctx.input(0))


@lowers("GlobalLpPool", since=2)
def global_lp_pool(ctx: Context, node: Node) -> Value:
    p = attribute(node, "p", 2)
    return _root(ctx, _over_space(ctx, SUM, _power(ctx, ctx.input(0), p)), p)


def _over_space(ctx: Context, spec: OpSpec, x: Value) -> Value:
    return ctx.op(spec, x, ctx.indices(list(range(2, x.rank))), options=ReducerOptions(keep_dims=True))
