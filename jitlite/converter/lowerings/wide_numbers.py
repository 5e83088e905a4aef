"""Arithmetic the usual builtins lack: quotients, remainders and powers of whole numbers, and numbers of 64 bits."""

import numpy as np

from jitlite.converter.graph import Array, Value
from jitlite.converter.lowerings.context import Context, spread
from jitlite.converter.lowerings.conversion import cast_to, same_bits
from jitlite.schemas.ops.comparison import EQUAL, GREATER_EQUAL, LESS, LOGICAL_AND, NOT_EQUAL, SELECT_V2
from jitlite.schemas.ops.elementwise import ADD, DIV, FLOOR_MOD, MUL, ROUND, SUB
from jitlite.schemas.ops.spec import OpSpec
from jitlite.schemas.ops.stablehlo import STABLEHLO_ADD, STABLEHLO_MAXIMUM, STABLEHLO_MINIMUM, STABLEHLO_MULTIPLY

INT64 = np.dtype(np.int64)
FLOAT32 = np.dtype(np.float32)
ROUNDS = 3
"""Each round of a division divides what is left by 2²² at least; three are enough for 63 bits."""
EXPONENT_BITS = 6

OF_64_BITS: dict[str, OpSpec] = {
    "Add": STABLEHLO_ADD,
    "Sum": STABLEHLO_ADD,
    "Mul": STABLEHLO_MULTIPLY,
    "Max": STABLEHLO_MAXIMUM,
    "Min": STABLEHLO_MINIMUM,
}


def remainder(ctx: Context, x: Value, y: Value) -> Value:
    """The remainder of a division that rounds towards 0: it has the dividend's sign."""
    rest = ctx.op(FLOOR_MOD, x, y)
    differs = ctx.op(NOT_EQUAL, ctx.binary(LESS, rest, 0), ctx.binary(LESS, x, 0))
    wrong = ctx.op(LOGICAL_AND, differs, ctx.binary(NOT_EQUAL, rest, 0))
    return ctx.op(SELECT_V2, wrong, ctx.op(SUB, rest, y), rest)


def quotient(ctx: Context, x: Value, y: Value) -> Value:
    """The quotient of INT64 numbers, rounded towards 0."""
    return exact_quotient(ctx, ctx.op(SUB, x, remainder(ctx, x, y)), y)


def exact_quotient(ctx: Context, x: Value, y: Value) -> Value:
    """X / y of INT64 numbers of which y divides x: quotients in float32 of what is left, rounded, until nothing is."""
    divisor = cast_to(ctx, y, FLOAT32)
    found: Value | None = None
    for _ in range(ROUNDS):
        left = x if found is None else ctx.op(SUB, x, ctx.op(MUL, found, y))
        part = cast_to(ctx, ctx.op(ROUND, ctx.op(DIV, cast_to(ctx, left, FLOAT32), divisor)), INT64)
        found = part if found is None else ctx.op(ADD, found, part)
    assert found is not None
    return found


def power(ctx: Context, x: Value, exponent: Value) -> Value:
    """Whole powers of INT32 or INT64 numbers by squaring; overflow wraps."""
    if exponent.data is not None:
        return _known_power(ctx, x, exponent.data)
    e = cast_to(ctx, exponent, INT64)
    is_high = ctx.binary(GREATER_EQUAL, e, 1 << EXPONENT_BITS)
    parity = ctx.binary(FLOOR_MOD, e, 2)
    e = ctx.op(SELECT_V2, is_high, ctx.binary(ADD, parity, (1 << EXPONENT_BITS) - 2), e)
    result, base = ctx.like(x, 1), x
    for place in range(EXPONENT_BITS):
        bit = ctx.binary(GREATER_EQUAL, ctx.binary(FLOOR_MOD, e, 2 << place), 1 << place)
        result = ctx.op(MUL, ctx.op(SELECT_V2, bit, base, ctx.like(x, 1)), result)
        if place + 1 < EXPONENT_BITS:
            base = ctx.op(MUL, base, base)
    vanishes = ctx.op(LOGICAL_AND, ctx.binary(LESS, e, 0), ctx.binary(NOT_EQUAL, ctx.op(MUL, x, x), 1))
    return ctx.op(SELECT_V2, vanishes, ctx.like(x, 0), result)


def _known_power(ctx: Context, x: Value, exponent: Array) -> Value:
    ctx.require(bool(np.all(exponent >= 0)), "exponents of 0 or more are required for whole numbers, found negative ones")
    exponent = np.minimum(exponent, (1 << EXPONENT_BITS) - 2 + exponent % 2) if exponent.size else exponent
    result: Value | None = None
    base = x
    bits = int(exponent.max(initial=0)).bit_length()
    one = ctx.constant(np.ones(np.broadcast_shapes(x.dims, exponent.shape), x.dtype))
    for place in range(bits):
        chosen = (exponent >> place) & 1 == 1
        factor = base if chosen.all() else ctx.op(SELECT_V2, ctx.constant(chosen), base, ctx.like(x, 1)) if chosen.any() else None
        if factor is not None:
            result = factor if result is None else ctx.op(MUL, result, factor)
        if place + 1 < bits:
            base = ctx.op(MUL, base, base)
    if result is None:
        return one
    return result if result.dims == one.dims else ctx.op(MUL, result, one)


def is_of_64_bits(x: Value) -> bool:
    """True for numbers that the usual operators of .tflite do not know and `of_64_bits` does."""
    return x.dtype in (np.uint64, np.float64)


def of_64_bits(ctx: Context, kind: str, a: Value, b: Value) -> Value:
    """Add, Sum, Sub, Mul, Max or Min of UINT64 or FLOAT64 numbers."""
    a, b = spread(ctx, a, b)
    if kind == "Sub" and a.dtype == np.float64:
        return ctx.op(STABLEHLO_ADD, a, ctx.op(STABLEHLO_MULTIPLY, b, ctx.constant(np.full(b.dims, -1.0))))
    if kind == "Sub":
        signed = ctx.op(SUB, same_bits(ctx, a, INT64), same_bits(ctx, b, INT64))
        return same_bits(ctx, signed, np.dtype(np.uint64))
    return ctx.op(OF_64_BITS[kind], a, b)


def unsigned_comparison(ctx: Context, kind: str, a: Value, b: Value) -> Value:
    """Equal, Less, Greater … of UINT64 numbers: which of them is the greater one."""
    a, b = spread(ctx, a, b)
    left, right = same_bits(ctx, a, INT64), same_bits(ctx, b, INT64)
    if kind == "Equal":
        return ctx.op(EQUAL, left, right)
    highest = same_bits(ctx, ctx.op(STABLEHLO_MAXIMUM, a, b), INT64)
    return ctx.op(EQUAL if kind.endswith("OrEqual") else NOT_EQUAL, highest, left if kind in ("Less", "GreaterOrEqual") else right)
