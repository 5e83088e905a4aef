"""Whole numbers that stand for real ones: QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear.

Where scale and zero point are constants of a kind .tflite has, these are QUANTIZE and DEQUANTIZE; `passes.integer` later removes those
around operators that work on whole numbers. Elsewhere they are written out in arithmetic.
"""

from collections.abc import Sequence

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.element_types import PACKED_BOUNDS
from jitlite.converter.graph import Node, Value
from jitlite.converter.grids import BOUNDS, Grid, grid_of
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conversion import cast_to, packed, to_float8
from jitlite.converter.lowerings.float8 import FLOAT8
from jitlite.converter.lowerings.registry import lowers
from jitlite.schemas.ops.comparison import EQUAL
from jitlite.schemas.ops.conversion import DEQUANTIZE, QUANTIZE
from jitlite.schemas.ops.elementwise import ADD, DIV, MAXIMUM, MINIMUM, MUL, ROUND, SUB
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.reduce import REDUCE_MAX, REDUCE_MIN
from jitlite.schemas.ops.reshape import RESHAPE
from jitlite.schemas.tables import GatherOptions, ReducerOptions

FLOAT32 = np.dtype(np.float32)
ONE_SCALE = ("int8", "uint8", "int16")
"""Types that QUANTIZE and DEQUANTIZE turn from and to real numbers."""
WHOLE = {"int2": (-2, 1), "uint16": (0, 65535), "int32": (-(2**31), 2**31 - 128), **BOUNDS}
"""Bounds of the types results are clamped to; those of int32 are the nearest float32 has."""


@lowers("QuantizeLinear", since=10)
def quantize_linear(ctx: Context, node: Node) -> Value:
    x, dtype = cast_to(ctx, ctx.input(0), FLOAT32), node.outputs[0].dtype
    assert dtype is not None
    grid = _constant_grid(ctx, node, x, dtype)
    if grid is not None:
        return ctx.op(QUANTIZE, x, grid=grid)
    if dtype in FLOAT8:
        return _quantized_to_float8(ctx, node, x, dtype)
    ctx.require(dtype.name in WHOLE, f"results of whole numbers are required, found {dtype}")
    scale, zero_point = _per_element(ctx, node, ctx.input(1), x), ctx.optional(2)
    rounded = ctx.op(ROUND, ctx.op(DIV, x, scale))
    if zero_point is not None:
        rounded = ctx.op(ADD, rounded, _per_element(ctx, node, zero_point, x))
    low, high = WHOLE[dtype.name]
    numbers = clamped(ctx, rounded, low, high)
    return packed(ctx, numbers, dtype) if dtype in PACKED_BOUNDS else cast_to(ctx, numbers, dtype)


def _quantized_to_float8(ctx: Context, node: Node, x: Value, dtype: np.dtype) -> Value:
    quotient = ctx.op(DIV, x, _per_element(ctx, node, ctx.input(1), x))
    if ctx.optional(2) is not None:
        quotient = ctx.op(ADD, quotient, _per_element(ctx, node, ctx.input(2), x))
    return to_float8(ctx, quotient, dtype, bool(attribute(node, "saturate", 1)))


@lowers("DequantizeLinear", since=10)
def dequantize_linear(ctx: Context, node: Node) -> Value:
    x, dtype = ctx.input(0), node.outputs[0].dtype
    assert x.dtype is not None
    assert dtype is not None
    grid = _constant_grid(ctx, node, x, x.dtype)
    if grid is not None and (grid.dtype != "int16" or (grid.is_symmetric and grid.is_per_tensor)):
        return cast_to(ctx, ctx.op(DEQUANTIZE, _held_on(ctx, node, x, grid)), dtype)
    numbers = cast_to(ctx, x, FLOAT32)
    if ctx.optional(2) is not None:
        numbers = ctx.op(SUB, numbers, _per_element(ctx, node, ctx.input(2), x))
    return cast_to(ctx, ctx.op(MUL, numbers, _per_element(ctx, node, ctx.input(1), x)), dtype)


def _constant_grid(ctx: Context, node: Node, x: Value, dtype: np.dtype) -> Grid | None:
    """The grid of the node's scale and zero point; None where they are no constants, or of a kind .tflite lacks."""
    scale, zero_point = ctx.input(1), ctx.optional(2)
    if scale.data is None or (zero_point is not None and zero_point.data is None) or attribute(node, "block_size", 0):
        return None
    if dtype.name not in ONE_SCALE:
        return None
    return grid_of(scale.data, None if zero_point is None else zero_point.data, dtype, attribute(node, "axis", 1), x.dims)


def _held_on(ctx: Context, node: Node, x: Value, grid: Grid) -> Value:
    """The same numbers, known to lie on the grid; a copy where others read them in another way."""
    if x.data is not None:
        return ctx.constant(x.data, grid=grid)
    source = node.input(0)
    alike = all(user.kind == "DequantizeLinear" for user in source.users)
    if x.grid is None and x.producer is None and alike:
        x.grid = grid
    return x if x.grid == grid else ctx.op(RESHAPE, x, ctx.indices(x.dims), suffix="held", grid=grid)


def _per_element(ctx: Context, node: Node, entries: Value, x: Value) -> Value:
    """Scales or zero points as FLOAT32 numbers that broadcast against `x`: one, one each along an axis, or one a block of an axis."""
    numbers = ctx.constant(entries.data, FLOAT32) if entries.data is not None else cast_to(ctx, entries, FLOAT32)
    block = attribute(node, "block_size", 0)
    if entries.size == 1 and not block:
        return ctx.reshape(numbers, ())
    axis = ctx.axis(attribute(node, "axis", 1), x.rank)
    if not block:
        ctx.require(
            entries.rank == 1 and entries.dims[0] == x.dims[axis],
            f"{x.dims[axis]} scales and zero points are required, found {entries.dims}",
        )
        return ctx.reshape(numbers, [dim if place == axis else 1 for place, dim in enumerate(x.dims)])
    wanted = tuple(-(-dim // block) if place == axis else dim for place, dim in enumerate(x.dims))
    ctx.require(entries.dims == wanted, f"scales and zero points of shape {wanted} are required, found {entries.dims}")
    places = np.arange(x.dims[axis]) // block
    if numbers.data is not None:
        return ctx.constant(np.take(numbers.data, places, axis))
    return ctx.op(GATHER, numbers, ctx.indices(places), options=GatherOptions(axis=axis))


def clamped(ctx: Context, x: Value, low: float, high: float) -> Value:
    return ctx.binary(MINIMUM, ctx.binary(MAXIMUM, x, low), high)


@lowers("DynamicQuantizeLinear", since=11)
def dynamic_quantize_linear(ctx: Context, node: Node) -> Sequence[Value]:
    """The grid of uint8 that covers all elements and zero; a scale of 1 where all are zero, as ONNX Runtime has it."""
    x = ctx.input(0)
    axes = ctx.indices(list(range(x.rank)))
    low = ctx.binary(MINIMUM, ctx.op(REDUCE_MIN, x, axes, options=ReducerOptions(keep_dims=False)), 0.0)
    high = ctx.binary(MAXIMUM, ctx.op(REDUCE_MAX, x, axes, options=ReducerOptions(keep_dims=False)), 0.0)
    spread = ctx.binary(DIV, ctx.op(SUB, high, low), 255.0)
    scale = ctx.op(ADD, spread, cast_to(ctx, ctx.binary(EQUAL, spread, 0.0), FLOAT32))
    zero_point = ctx.op(ROUND, clamped(ctx, ctx.op(DIV, ctx.op(SUB, ctx.like(x, 0.0), low), scale), 0.0, 255.0))
    numbers = clamped(ctx, ctx.op(ADD, ctx.op(ROUND, ctx.op(DIV, x, scale)), zero_point), 0.0, 255.0)
    uint8 = np.dtype(np.uint8)
    return cast_to(ctx, numbers, uint8), scale, cast_to(ctx, zero_point, uint8)
