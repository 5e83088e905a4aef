"""Numbers quantized with scales found at run time, held as float32, which has all whole numbers of 8 bits and their products."""

import numpy as np

from jitlite.converter.graph import Array, Value
from jitlite.converter.lowerings.context import Context
from jitlite.schemas.ops.comparison import EQUAL, SELECT_V2
from jitlite.schemas.ops.elementwise import ADD, DIV, MAXIMUM, MINIMUM, NEG, ROUND, SUB
from jitlite.schemas.ops.reduce import REDUCE_MAX, REDUCE_MIN
from jitlite.schemas.tables import ReducerOptions

LEVELS = 255.0


def quantized(ctx: Context, x: Value) -> tuple[Value, Value]:
    """X in whole steps from 0, and the size of a step, as DynamicQuantizeLinear finds them for all of x."""
    axes = ctx.indices(list(range(x.rank)))
    low = ctx.binary(MINIMUM, ctx.op(REDUCE_MIN, x, axes, options=ReducerOptions()), 0.0)
    high = ctx.binary(MAXIMUM, ctx.op(REDUCE_MAX, x, axes, options=ReducerOptions()), 0.0)
    size = ctx.binary(DIV, ctx.op(SUB, high, low), LEVELS)
    size = ctx.op(SELECT_V2, ctx.binary(EQUAL, size, 0.0), ctx.like(x, 1.0), size)
    zero = ctx.op(ROUND, _bounded(ctx, ctx.op(DIV, ctx.op(NEG, low), size)))
    steps = ctx.op(ADD, ctx.op(ROUND, ctx.op(DIV, x, size)), zero)
    return ctx.op(SUB, _bounded(ctx, steps), zero), size


def _bounded(ctx: Context, x: Value) -> Value:
    return ctx.binary(MINIMUM, ctx.binary(MAXIMUM, x, 0.0), LEVELS)


def centred_weights(ctx: Context, numbers: Array, scales: Array, zero_points: Array) -> tuple[Array, Array]:
    """Weights (directions, inputs, units) as (directions, units, inputs) less their zero points; scales (directions, 1 or units)."""
    fits = numbers.ndim == 3 and scales.shape == zero_points.shape and scales.shape[0] == len(numbers) and scales.ndim in (1, 2)
    ctx.require(fits, f"a scale and a zero point for each direction are required, found {scales.shape} and {zero_points.shape}")
    shape = (len(numbers), -1, 1)
    centred = numbers.transpose(0, 2, 1).astype(np.float32) - zero_points.reshape(shape).astype(np.float32)
    return centred, scales.reshape(len(numbers), -1).astype(np.float32)
