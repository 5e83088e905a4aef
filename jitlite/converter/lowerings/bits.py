"""Logic on the bits of whole numbers, and shifts."""

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Node, Value
from jitlite.converter.lowerings.context import Context, spread
from jitlite.converter.lowerings.conversion import cast_to, same_bits
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.lowerings.wide_numbers import exact_quotient
from jitlite.schemas.ops.bitwise import BITWISE_XOR, RIGHT_SHIFT
from jitlite.schemas.ops.comparison import GREATER_EQUAL, LESS, LESS_EQUAL, LOGICAL_AND, SELECT_V2
from jitlite.schemas.ops.elementwise import ADD, FLOOR_MOD, MUL, SUB
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.stablehlo import STABLEHLO_AND

INT32, INT64 = np.dtype(np.int32), np.dtype(np.int64)


@lowers("BitwiseAnd", "BitwiseOr", "BitwiseXor", since=18)
def logic(ctx: Context, node: Node) -> Value:
    """Or and exclusive or from the common bits; those of 64-bit numbers by sums of numbers without a common bit, which do not overflow."""
    a, b = spread(ctx, ctx.input(0), ctx.input(1))
    assert a.dtype is not None
    if node.kind == "BitwiseXor" and a.dtype.itemsize < 8:
        return ctx.op(BITWISE_XOR, a, b)
    common = ctx.op(STABLEHLO_AND, a, b)
    if node.kind == "BitwiseAnd":
        return common
    if a.dtype.itemsize < 8:
        return ctx.op(BITWISE_XOR, ctx.op(BITWISE_XOR, a, b), common)
    left, right, both = (same_bits(ctx, value, INT64) for value in (a, b, common))
    only_right = ctx.op(SUB, right, both)
    found = ctx.op(ADD, left if node.kind == "BitwiseOr" else ctx.op(SUB, left, both), only_right)
    return same_bits(ctx, found, a.dtype)


@lowers("BitwiseNot", since=18)
def complement(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    assert x.dtype is not None
    if x.dtype.itemsize < 8:
        return ctx.op(BITWISE_XOR, x, ctx.constant(np.array(-1).astype(x.dtype)))
    ones = ctx.constant(np.array(-1, INT64))
    return same_bits(ctx, ctx.op(SUB, ones, same_bits(ctx, x, INT64)), x.dtype)


@lowers("BitShift", since=11)
def shift(ctx: Context, node: Node) -> Value:
    """Shifts by fewer than 0 or by all bits leave the sign alone, in a shift to the right of a signed number, and 0 elsewhere."""
    x = ctx.input(0)
    assert x.dtype is not None
    ctx.require(x.dtype.kind in "iu", f"whole numbers are required, found {x.dtype}")
    direction = attribute(node, "direction")
    ctx.require(direction in ("LEFT", "RIGHT"), f"direction LEFT or RIGHT is required, found {direction!r}")
    width = 8 * x.dtype.itemsize
    counts = ctx.input(1)
    places = same_bits(ctx, counts, INT64) if width == 64 else cast_to(ctx, counts, INT32)
    inside = ctx.op(LOGICAL_AND, ctx.binary(GREATER_EQUAL, places, 0), ctx.binary(LESS, places, width))
    if direction == "LEFT":
        return _left(ctx, x, ctx.op(SELECT_V2, inside, places, ctx.like(places, width)), width)
    if width == 64:
        return _right_by_division(ctx, x, places, inside)
    rest = 0 if x.dtype.kind == "u" else width - 1
    shifted = ctx.op(RIGHT_SHIFT, x, cast_to(ctx, ctx.op(SELECT_V2, inside, places, ctx.like(places, rest)), x.dtype))
    return shifted if x.dtype.kind == "i" else ctx.op(SELECT_V2, inside, shifted, ctx.like(x, 0))


def _left(ctx: Context, x: Value, places: Value, width: int) -> Value:
    """A product by a power of two, whose upper bits get lost; the power behind the last one is 0."""
    assert x.dtype is not None
    wide = INT32 if width < 32 else INT64
    powers = np.array([*(1 << place for place in range(width)), 0], np.uint64).view(INT64)
    factors = ctx.op(GATHER, ctx.constant(powers, wide), places)
    return cast_to(ctx, ctx.op(MUL, cast_to(ctx, x, wide), factors), x.dtype)


def _right_by_division(ctx: Context, x: Value, places: Value, inside: Value) -> Value:
    """64-bit numbers, for which there is no shift: the floor of x / 2ⁿ, and what a sign bit that is none lacks: 2⁶⁴⁻ⁿ."""
    assert x.dtype is not None
    number = same_bits(ctx, x, INT64)
    is_negative = ctx.binary(LESS, number, 0)
    zero, ones = ctx.like(number, 0), ctx.like(number, -1)
    fits = ctx.op(LOGICAL_AND, inside, ctx.binary(LESS_EQUAL, places, 62))
    index = ctx.op(SELECT_V2, fits, places, ctx.like(places, 0))
    power = ctx.op(GATHER, ctx.constant(np.array([1 << place for place in range(63)], INT64)), index)
    floored = exact_quotient(ctx, ctx.op(SUB, number, ctx.op(FLOOR_MOD, number, power)), power)
    quotient = ctx.op(SELECT_V2, fits, floored, ctx.op(SELECT_V2, is_negative, ones, zero))
    if x.dtype.kind == "i":
        return quotient
    lacking = np.array([0, *(1 << (64 - place) for place in range(1, 64))], np.uint64).view(INT64)
    added = ctx.op(GATHER, ctx.constant(lacking), ctx.op(SELECT_V2, inside, places, ctx.like(places, 0)))
    whole = ctx.op(ADD, quotient, ctx.op(SELECT_V2, is_negative, added, zero))
    return same_bits(ctx, ctx.op(SELECT_V2, inside, whole, zero), x.dtype)
