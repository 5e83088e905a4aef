"""Inverse and hyperbolic functions, which the builtins have none of but ATAN2; accurate near 0 and without overflow on the way."""

import numpy as np

from jitlite.converter.graph import Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.registry import lowers
from jitlite.schemas.ops.comparison import EQUAL, LESS, SELECT_V2
from jitlite.schemas.ops.complex import ATAN2
from jitlite.schemas.ops.elementwise import ABS, ADD, DIV, EXP, LOG, MUL, SIGN, SQRT, SUB

LARGE = 1e9
"""From here on √(x² ± 1) is x."""


@lowers("Atan", "Asin", "Acos", since=7)
def inverse(ctx: Context, node: Node) -> Value:
    """Angles of the points (1, x), (√(1 - x²), x) and (x, √(1 - x²))."""
    x = ctx.input(0)
    ctx.require(x.dtype == np.float32, f"an operand of FLOAT32 is required, found {x.dtype}")
    one = ctx.like(x, 1.0)
    if node.kind == "Atan":
        return ctx.op(ATAN2, x, _repeated(ctx, 1.0, x))
    other = ctx.op(SQRT, ctx.op(MUL, ctx.op(SUB, one, x), ctx.binary(ADD, x, 1.0)))
    return ctx.op(ATAN2, x, other) if node.kind == "Asin" else ctx.op(ATAN2, other, x)


def _repeated(ctx: Context, number: float, x: Value) -> Value:
    return ctx.constant(np.full(x.dims, number, x.dtype))


def _log1p(ctx: Context, x: Value) -> Value:
    """log(1 + x) with the rounding of 1 + x made good: x · log(w) / (w - 1) for w = 1 + x."""
    w = ctx.binary(ADD, x, 1.0)
    rounded = ctx.binary(SUB, w, 1.0)
    y = ctx.op(MUL, ctx.op(LOG, w), ctx.op(DIV, x, rounded))
    return ctx.op(SELECT_V2, ctx.binary(EQUAL, rounded, 0.0), x, y)


@lowers("Asinh", since=9)
def asinh(ctx: Context, node: Node) -> Value:
    """sign(x) · log(1 + a + a² / (1 + √(a² + 1))) for a = |x|."""
    x = ctx.input(0)
    a = ctx.op(ABS, x)
    square = ctx.op(MUL, a, a)
    rest = ctx.op(DIV, square, ctx.binary(ADD, ctx.op(SQRT, ctx.binary(ADD, square, 1.0)), 1.0))
    return ctx.op(MUL, ctx.op(SIGN, x), _or_log_of_double(ctx, a, _log1p(ctx, ctx.op(ADD, a, rest))))


def _or_log_of_double(ctx: Context, a: Value, y: Value) -> Value:
    """Y below LARGE, from there on log(2a)."""
    return ctx.op(SELECT_V2, ctx.binary(LESS, a, LARGE), y, ctx.binary(ADD, ctx.op(LOG, a), float(np.log(2))))


@lowers("Acosh", since=9)
def acosh(ctx: Context, node: Node) -> Value:
    """log(1 + d + √d · √(d + 2)) for d = x - 1."""
    x = ctx.input(0)
    d = ctx.binary(SUB, x, 1.0)
    root = ctx.op(MUL, ctx.op(SQRT, d), ctx.op(SQRT, ctx.binary(ADD, d, 2.0)))
    return _or_log_of_double(ctx, x, _log1p(ctx, ctx.op(ADD, d, root)))


@lowers("Atanh", since=9)
def atanh(ctx: Context, node: Node) -> Value:
    """sign(x) · log(1 + 2a / (1 - a)) / 2 for a = |x|."""
    x = ctx.input(0)
    a = ctx.op(ABS, x)
    ratio = ctx.op(DIV, ctx.binary(MUL, a, 2.0), ctx.op(SUB, ctx.like(x, 1.0), a))
    return ctx.op(MUL, ctx.binary(MUL, ctx.op(SIGN, x), 0.5), _log1p(ctx, ratio))


@lowers("Cosh", since=9)
def cosh(ctx: Context, node: Node) -> Value:
    """(e^a + e^-a) / 2 for a = |x|; e^a as a square, half of which may fit where e^a does not."""
    half, root = _halves(ctx, ctx.op(ABS, ctx.input(0)))
    return ctx.op(ADD, ctx.op(MUL, half, root), ctx.op(DIV, ctx.op(DIV, ctx.like(root, 0.5), root), root))


@lowers("Sinh", since=9)
def sinh(ctx: Context, node: Node) -> Value:
    """(e^a - e^-a) / 2 for a = |x|, below 1 the first terms of its series."""
    x = ctx.input(0)
    a = ctx.op(ABS, x)
    half, root = _halves(ctx, a)
    far = ctx.op(SUB, ctx.op(MUL, half, root), ctx.op(DIV, ctx.op(DIV, ctx.like(root, 0.5), root), root))
    square = ctx.op(MUL, x, x)
    series = ctx.like(x, 1 / 5040)
    for factor in (1 / 120, 1 / 6, 1.0):
        series = ctx.binary(ADD, ctx.op(MUL, square, series), factor)
    near = ctx.op(MUL, x, series)
    return ctx.op(SELECT_V2, ctx.binary(LESS, a, 1.0), near, ctx.op(MUL, ctx.op(SIGN, x), far))


def _halves(ctx: Context, a: Value) -> tuple[Value, Value]:
    """√(e^a) / 2 and √(e^a)."""
    root = ctx.op(EXP, ctx.binary(MUL, a, 0.5))
    return ctx.binary(MUL, root, 0.5), root
