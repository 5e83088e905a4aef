"""Arithmetic element by element, with NumPy's broadcasting as in ONNX since opset 7."""

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.registry import lowers
from jitlite.schemas.ops.elementwise import (
    ABS,
    ADD,
    CEIL,
    COS,
    DIV,
    EXP,
    FLOOR,
    FLOOR_DIV,
    FLOOR_MOD,
    LOG,
    MAXIMUM,
    MINIMUM,
    MUL,
    NEG,
    POW,
    ROUND,
    SIGN,
    SIN,
    SQRT,
    SUB,
)
from jitlite.schemas.ops.spec import OpSpec

UNARY: dict[str, OpSpec] = {
    "Exp": EXP,
    "Log": LOG,
    "Sqrt": SQRT,
    "Abs": ABS,
    "Neg": NEG,
    "Floor": FLOOR,
    "Ceil": CEIL,
    "Round": ROUND,
    "Sign": SIGN,
    "Sin": SIN,
    "Cos": COS,
}
BINARY: dict[str, OpSpec] = {"Add": ADD, "Sub": SUB, "Mul": MUL}
VARIADIC: dict[str, OpSpec] = {"Min": MINIMUM, "Max": MAXIMUM, "Sum": ADD, "Mean": ADD}


@lowers(*UNARY)
def unary(ctx: Context, node: Node) -> Value:
    return ctx.op(UNARY[node.kind], ctx.input(0))


@lowers(*BINARY, since=7)
def binary(ctx: Context, node: Node) -> Value:
    return ctx.op(BINARY[node.kind], ctx.input(0), ctx.input(1))


@lowers("Div", since=7)
def div(ctx: Context, node: Node) -> Value:
    return ctx.op(DIV, ctx.input(0), ctx.input(1))


@lowers("Pow", since=7)
def power(ctx: Context, node: Node) -> Value:
    """Squares, cubes and roots without POW; the exponent takes the base's type, as ONNX's result does."""
    x, exponent = ctx.input(0), ctx.input(1)
    if exponent.data is not None and x.dtype is not None and x.dtype.kind == "f" and exponent.size == 1:
        number = float(exponent.data.reshape(()))
        fits = exponent.rank <= x.rank
        if number == 1.0 and fits:
            return x
        if number == 2.0 and fits:
            return ctx.op(MUL, x, x)
        if number == 3.0 and fits:
            return ctx.op(MUL, ctx.op(MUL, x, x), x)
        if number == 0.5 and fits:
            return ctx.op(SQRT, x)
    if exponent.data is not None and exponent.dtype != x.dtype:
        ctx.require(
            x.dtype is not None and x.dtype.kind == "f",
            f"a base and an exponent of one type are required, found {x.dtype} and {exponent.dtype}",
        )
        exponent = ctx.like(x, exponent.data)
    return ctx.op(POW, x, exponent)


@lowers(*VARIADIC, since=6)
def variadic(ctx: Context, node: Node) -> Value:
    result = ctx.input(0)
    for index in range(1, len(ctx.operands)):
        result = ctx.op(VARIADIC[node.kind], result, ctx.input(index))
    return ctx.binary(MUL, result, 1 / len(ctx.operands)) if node.kind == "Mean" and len(ctx.operands) > 1 else result


@lowers("Reciprocal")
def reciprocal(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    return ctx.op(DIV, ctx.like(x, 1.0), x)


@lowers("Tan")
def tan(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    return ctx.op(DIV, ctx.op(SIN, x), ctx.op(COS, x))


@lowers("Mod", since=10)
def mod(ctx: Context, node: Node) -> Value:
    """The remainder with the divisor's sign; with fmod the dividend's, x - trunc(x / y) · y."""
    x, y = ctx.input(0), ctx.input(1)
    if not attribute(node, "fmod", 0):
        return ctx.op(FLOOR_MOD, x, y)
    ctx.require(x.dtype == np.float32, f"fmod of float32 is supported, found {x.dtype}")
    quotient = ctx.op(FLOOR_DIV, ctx.op(ABS, x), ctx.op(ABS, y))
    rest = ctx.op(SUB, ctx.op(ABS, x), ctx.op(MUL, quotient, ctx.op(ABS, y)))
    return ctx.op(MUL, rest, ctx.op(SIGN, x))
