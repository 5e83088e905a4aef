"""Normalisations: by stored statistics (one multiplication and one addition) and by statistics of the input."""

from collections.abc import Sequence

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.registry import lowers
from jitlite.schemas.ops.elementwise import ABS, ADD, DIV, MAXIMUM, MUL, RSQRT, SQRT, SQUARED_DIFFERENCE, SUB
from jitlite.schemas.ops.reduce import MEAN, SUM
from jitlite.schemas.tables import ReducerOptions

MVN_EPSILON = 1e-9
"""What the definition of MeanVarianceNormalization adds to the variance."""


def _per_channel(data: Array, rank: int) -> Array:
    """A vector over axis 1 of a tensor of this rank."""
    return data.reshape(-1, *[1] * (rank - 2)) if rank >= 2 else data


@lowers("BatchNormalization", since=7)
def batch_normalization(ctx: Context, node: Node) -> Value:
    """X * scale + shift with scale = gamma / sqrt(variance + epsilon); folded into the operator before it where there is one."""
    x = ctx.input(0)
    ctx.require(not attribute(node, "training_mode", 0), "training_mode 0 is supported, found 1")
    ctx.require(attribute(node, "spatial", 1) == 1, "spatial 1 is supported, found 0")
    ctx.require(all(not value.uses for value in node.outputs[1:]), "one output is supported, found running statistics in use")
    gamma, beta, mean, variance = (ctx.data(index).astype(np.float64) for index in range(1, 5))
    scale = gamma / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
    shift = beta - mean * scale
    scaled = ctx.binary(MUL, x, ctx.like(x, _per_channel(scale, x.rank)))
    return ctx.binary(ADD, scaled, ctx.like(x, _per_channel(shift, x.rank)))


def standardized(ctx: Context, x: Value, axes: Sequence[int], epsilon: float) -> Value:
    """(x - mean) / sqrt(variance + epsilon) with statistics over the axes."""
    return _with_statistics(ctx, x, axes, epsilon)[0]


def _with_statistics(ctx: Context, x: Value, axes: Sequence[int], epsilon: float) -> tuple[Value, Value, Value]:
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
    y, mean, scale = _with_statistics(ctx, x, range(first, x.rank), attribute(node, "epsilon", 1e-5))
    y = ctx.op(MUL, y, ctx.input(1))
    bias = ctx.optional(2)
    return y if bias is None else ctx.op(ADD, y, bias), mean, scale


@lowers("RMSNormalization", since=23)
def rms_normalization(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    first = ctx.axis(attribute(node, "axis", -1), x.rank)
    square = ctx.op(MEAN, ctx.op(MUL, x, x), ctx.indices(list(range(first, x.rank))), options=ReducerOptions(keep_dims=True))
    y = ctx.op(MUL, x, ctx.op(RSQRT, ctx.binary(ADD, square, attribute(node, "epsilon", 1e-5))))
    return ctx.op(MUL, y, ctx.input(1))


@lowers("InstanceNormalization", since=6)
def instance_normalization(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    y = standardized(ctx, x, range(2, x.rank), attribute(node, "epsilon", 1e-5))
    y = ctx.op(MUL, y, ctx.like(x, _per_channel(ctx.data(1), x.rank)))
    return ctx.op(ADD, y, ctx.like(x, _per_channel(ctx.data(2), x.rank)))


@lowers("GroupNormalization", since=21)
def group_normalization(ctx: Context, node: Node) -> Value:
    """Statistics over the channels of each group, scale and bias for each channel."""
    x = ctx.input(0)
    groups = attribute(node, "num_groups")
    ctx.require(x.dims[1] % groups == 0, f"channels divisible by {groups} groups are required, found {x.dims[1]}")
    grouped = ctx.reshape(x, (x.dims[0], groups, x.size // (x.dims[0] * groups)))
    y = ctx.reshape(standardized(ctx, grouped, (2,), attribute(node, "epsilon", 1e-5)), x.dims)
    y = ctx.op(MUL, y, ctx.like(x, _per_channel(ctx.data(1), x.rank)))
    return ctx.op(ADD, y, ctx.like(x, _per_channel(ctx.data(2), x.rank)))


@lowers("LpNormalization")
def lp_normalization(ctx: Context, node: Node) -> Value:
    """X divided by its norm along an axis; zeros stay zeros."""
    x = ctx.input(0)
    axis = ctx.axis(attribute(node, "axis", -1), x.rank)
    one, options = attribute(node, "p", 2) == 1, ReducerOptions(keep_dims=True)
    total = ctx.op(SUM, ctx.op(ABS, x) if one else ctx.op(MUL, x, x), ctx.indices([axis]), options=options)
    total = total if one else ctx.op(SQRT, total)
    return ctx.op(DIV, x, ctx.binary(MAXIMUM, total, float(np.finfo(np.float32).tiny)))
