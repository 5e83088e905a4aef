"""Normalisations: by stored statistics (one multiplication and one addition) and by statistics of the input."""

from collections.abc import Sequence
from math import prod

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.registry import lowers
from jitlite.schemas.ops.elementwise import ABS, ADD, DIV, MAXIMUM, MUL, POW, RSQRT, SQRT, SQUARED_DIFFERENCE, SUB
from jitlite.schemas.ops.pad import PAD
from jitlite.schemas.ops.pool import AVERAGE_POOL_2D
from jitlite.schemas.ops.reduce import MEAN, SUM
from jitlite.schemas.tables import Padding, Pool2DOptions, ReducerOptions

MVN_EPSILON = 1e-9
"""What the definition of MeanVarianceNormalization adds to the variance."""


def _per_channel(data: Array, rank: int) -> Array:
    """A vector over axis 1 of a tensor of this rank."""
    return data.reshape(-1, *[1] * (rank - 2)) if rank >= 2 else data


@lowers("BatchNormalization", since=7)
def batch_normalization(ctx: Context, node: Node) -> Value | list[Value]:
    """X * scale + shift with scale = gamma / sqrt(variance + epsilon); folded into the operator before it where there is one."""
    x = ctx.input(0)
    ctx.require(attribute(node, "spatial", 1) == 1, "spatial 1 is supported, found 0")
    if attribute(node, "training_mode", 0):
        return _normalized_by_batch(ctx, node)
    ctx.require(all(not value.uses for value in node.outputs[1:]), "one output is supported, found running statistics in use")
    epsilon = attribute(node, "epsilon", 1e-5)
    if any(ctx.input(index).data is None for index in range(1, 5)):
        columns = [_column(ctx, ctx.input(index), x.rank) for index in range(1, 5)]
        return _with_given_statistics(ctx, x, columns, epsilon)
    gamma, beta, mean, variance = (ctx.data(index).astype(np.float64) for index in range(1, 5))
    scale = gamma / np.sqrt(variance + epsilon)
    shift = beta - mean * scale
    scaled = ctx.binary(MUL, x, ctx.like(x, _per_channel(scale, x.rank)))
    return ctx.binary(ADD, scaled, ctx.like(x, _per_channel(shift, x.rank)))


def _column(ctx: Context, vector: Value, rank: int) -> Value:
    """A vector over axis 1 of a tensor of this rank."""
    return ctx.reshape(vector, (vector.size, *[1] * (rank - 2))) if rank >= 2 else vector


def _with_given_statistics(ctx: Context, x: Value, columns: Sequence[Value], epsilon: float) -> Value:
    """Gamma, beta, mean and variance lie along the channels."""
    gamma, beta, mean, variance = columns
    scale = ctx.op(MUL, gamma, ctx.op(RSQRT, ctx.binary(ADD, variance, epsilon)))
    return ctx.op(ADD, ctx.op(MUL, ctx.op(SUB, x, mean), scale), beta)


def _normalized_by_batch(ctx: Context, node: Node) -> list[Value]:
    """By the statistics of the batch; the running ones move towards them."""
    x = ctx.input(0)
    ctx.require(x.rank >= 2, f"an axis of channels is required, found shape {x.dims}")
    axes = ctx.indices([axis for axis in range(x.rank) if axis != 1])
    mean = ctx.op(MEAN, x, axes, options=ReducerOptions(keep_dims=True))
    variance = ctx.op(MEAN, ctx.op(SQUARED_DIFFERENCE, x, mean), axes, options=ReducerOptions(keep_dims=True))
    gamma, beta = (_column(ctx, ctx.input(index), x.rank) for index in (1, 2))
    y = _with_given_statistics(ctx, x, (gamma, beta, mean, variance), attribute(node, "epsilon", 1e-5))
    part, results = attribute(node, "momentum", 0.9), [y]
    for index, current in ((3, mean), (4, variance)):
        kept = ctx.binary(MUL, ctx.input(index), part)
        fresh = ctx.binary(MUL, ctx.reshape(current, (current.size,)), 1 - part)
        results.append(ctx.op(ADD, kept, fresh))
    return results[: len(node.outputs)]


@lowers("LRN")
def local_response_normalization(ctx: Context, node: Node) -> Value:
    """The sum of squares as a pooling along the channels: the runtimes' kernels of the builtin disagree about the last one of a window."""
    x, size = ctx.input(0), attribute(node, "size")
    alpha, beta, bias = attribute(node, "alpha", 1e-4), attribute(node, "beta", 0.75), attribute(node, "bias", 1.0)
    ctx.require(x.rank >= 2 and size >= 1, f"channels and a size of 1 or more are required, found shape {x.dims} and size {size}")
    ctx.require(x.dtype == np.float32, f"float32 is required, found {x.dtype}")
    n, channels = x.dims[:2]

    def normalized(image: Value) -> Value:
        rows = ctx.reshape(image, (n, x.size // (n * channels), channels, 1))
        pads = [[0, 0], [0, 0], [(size - 1) // 2, size // 2], [0, 0]]
        squares = ctx.op(PAD, ctx.op(MUL, rows, rows), ctx.constant(pads, np.int32))
        window = Pool2DOptions(padding=Padding.VALID, stride_h=1, stride_w=1, filter_height=1, filter_width=size)
        total = ctx.binary(MUL, ctx.op(AVERAGE_POOL_2D, squares, options=window), alpha)
        return ctx.reshape(ctx.op(DIV, rows, ctx.binary(POW, ctx.binary(ADD, total, bias), beta)), image.dims)

    planes = ctx.reshape(x, (n, channels, x.size // (n * channels), 1)) if x.rank != 4 else x
    return ctx.reshape(ctx.channels_last(planes, normalized), x.dims)


def standardized(ctx: Context, x: Value, axes: Sequence[int], epsilon: float) -> Value:
    """(x - mean) / sqrt(variance + epsilon) with statistics over the axes."""
    return with_statistics(ctx, x, axes, epsilon)[0]


def with_statistics(ctx: Context, x: Value, axes: Sequence[int], epsilon: float) -> tuple[Value, Value, Value]:
    """The standardized value, the mean and 1 / sqrt(variance + epsilon)."""
    operand, options = ctx.indices(list(axes)), ReducerOptions(keep_dims=True)
    mean = ctx.op(MEAN, x, operand, options=options)
    variance = ctx.op(MEAN, ctx.op(SQUARED_DIFFERENCE, x, mean), operand, options=options.copy())
    scale = ctx.op(RSQRT, ctx.binary(ADD, variance, epsilon))
    return ctx.op(MUL, ctx.op(SUB, x, mean), scale), mean, scale


@lowers("MeanVarianceNormalization", since=9)
def mean_variance_normalization(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    axes = [ctx.axis(axis, x.rank) for axis in attribute(node, "axes", [0, 2, 3])]
    return standardized(ctx, x, axes, MVN_EPSILON)


@lowers("LayerNormalization", since=17)
def layer_normalization(ctx: Context, node: Node) -> tuple[Value, ...]:
    x = ctx.input(0)
    first = ctx.axis(attribute(node, "axis", -1), x.rank)
    y, mean, scale = with_statistics(ctx, x, range(first, x.rank), attribute(node, "epsilon", 1e-5))
    y = ctx.op(MUL, y, ctx.input(1))
    bias = ctx.optional(2)
    return y if bias is None else ctx.op(ADD, y, bias), mean, scale


def root_mean_square(ctx: Context, x: Value, axes: Sequence[int], epsilon: float) -> tuple[Value, Value]:
    """X · scale and scale = 1 / sqrt(mean(x²) + epsilon), the mean being taken over the axes."""
    square = ctx.op(MEAN, ctx.op(MUL, x, x), ctx.indices(list(axes)), options=ReducerOptions(keep_dims=True))
    scale = ctx.op(RSQRT, ctx.binary(ADD, square, epsilon))
    return ctx.op(MUL, x, scale), scale


@lowers("RMSNormalization", since=23)
def rms_normalization(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    first = ctx.axis(attribute(node, "axis", -1), x.rank)
    return ctx.op(MUL, root_mean_square(ctx, x, range(first, x.rank), attribute(node, "epsilon", 1e-5))[0], ctx.input(1))


@lowers("InstanceNormalization", since=6)
def instance_normalization(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    y = standardized(ctx, x, range(2, x.rank), attribute(node, "epsilon", 1e-5))
    return _scaled_by_channel(ctx, y)


@lowers("GroupNormalization", since=21)
def group_normalization(ctx: Context, node: Node) -> Value:
    """Statistics over the channels of each group, scale and bias for each channel. Space is one axis, whatever order the axes lie in."""
    x = ctx.input(0)
    groups, epsilon = attribute(node, "num_groups"), attribute(node, "epsilon", 1e-5)
    ctx.require(x.dims[1] % groups == 0, f"channels divisible by {groups} groups are required, found {x.dims[1]}")
    if groups == 1:
        return _scaled_by_channel(ctx, standardized(ctx, x, range(1, x.rank), epsilon))
    grouped = ctx.reshape(x, (x.dims[0], groups, x.dims[1] // groups, prod(x.dims[2:])))
    return _scaled_by_channel(ctx, ctx.reshape(standardized(ctx, grouped, (2, 3), epsilon), x.dims))


def _scaled_by_channel(ctx: Context, y: Value) -> Value:
    """Times the second operand, plus the third, where these change anything."""
    scale, shift = ctx.data(1), ctx.data(2)
    if np.any(scale != 1):
        y = ctx.op(MUL, y, ctx.like(y, _per_channel(scale, y.rank)))
    if np.any(shift != 0):
        y = ctx.op(ADD, y, ctx.like(y, _per_channel(shift, y.rank)))
    return y


@lowers("LpNormalization")
def lp_normalization(ctx: Context, node: Node) -> Value:
    """X divided by its norm along an axis; zeros stay zeros."""
    x = ctx.input(0)
    axis = ctx.axis(attribute(node, "axis", -1), x.rank)
    one, options = attribute(node, "p", 2) == 1, ReducerOptions(keep_dims=True)
    total = ctx.op(SUM, ctx.op(ABS, x) if one else ctx.op(MUL, x, x), ctx.indices([axis]), options=options)
    total = total if one else ctx.op(SQRT, total)
    return ctx.op(DIV, x, ctx.binary(MAXIMUM, total, float(np.finfo(np.float32).tiny)))
