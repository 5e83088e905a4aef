"""Arithmetic element by element, with NumPy's broadcasting as in ONNX since opset 7."""

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.lowerings import wide_numbers
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conversion import cast_to
from jitlite.converter.lowerings.registry import lowers
from jitlite.schemas.ops.comparison import SELECT_V2
from jitlite.schemas.ops.elementwise import (
    ABS,
    ADD,
    CEIL,
    COS,
    DIV,
    EXP,
    FLOOR,
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
    """Of INT64, for which .tflite has neither ABS nor SIGN, by comparisons."""
    x = ctx.input(0)
    if x.dtype == np.int64 and node.kind == "Abs":
        return ctx.op(MAXIMUM, x, ctx.op(NEG, x))
    if x.dtype == np.int64 and node.kind == "Sign":
        return ctx.binary(MAXIMUM, ctx.binary(MINIMUM, x, 1), -1)
    return ctx.op(UNARY[node.kind], x)


@lowers(*BINARY, since=7)
def binary(ctx: Context, node: Node) -> Value:
    x, y = ctx.input(0), ctx.input(1)
    if wide_numbers.is_of_64_bits(x):
        return wide_numbers.of_64_bits(ctx, node.kind, x, y)
    if node.kind == "Add":
        for value, other in ((x, y), (y, x)):
            if other.data is not None and other.data.dtype.kind == "f" and np.any(np.isinf(other.data)):
                return _masked(ctx, value, other.data)
            if _selected_infinity(other) is not None and _selected_infinity(value) is None:
                return _added_inside(ctx, value, other)
    return ctx.op(BINARY[node.kind], x, y)


def _masked(ctx: Context, x: Value, mask: Array) -> Value:
    """The sum where ADD, which makes infinities finite, would not do: the mask itself where it is infinite."""
    finite = np.isfinite(mask)
    rest = np.where(finite, mask, 0)
    infinities = np.unique(mask[~finite])
    total = ctx.op(ADD, x, ctx.like(x, rest)) if np.any(rest) else x
    return ctx.op(SELECT_V2, ctx.constant(finite), total, ctx.like(x, infinities[0] if len(infinities) == 1 else mask))


def _selected_infinity(x: Value) -> int | None:
    """The operand of SELECT_V2 that is one infinity, where that makes `x`."""
    if x.producer is not None and x.producer.op is SELECT_V2:
        for index in (1, 2):
            data = x.producer.input(index).data
            if data is not None and data.dtype.kind == "f" and data.size == 1 and np.isinf(data).all():
                return index
    return None


def _added_inside(ctx: Context, x: Value, mask: Value) -> Value:
    """The sum with a mask that SELECT_V2 makes, the infinity chosen last for the same reason."""
    assert mask.producer is not None
    operands, index = [mask.producer.input(place) for place in range(3)], _selected_infinity(mask)
    finite = 2 if index == 1 else 1
    operands[finite] = ctx.op(ADD, x, operands[finite])
    return ctx.op(SELECT_V2, *operands)


@lowers("Div", since=7)
def div(ctx: Context, node: Node) -> Value:
    """Quotients of whole numbers are rounded towards 0, as DIV does."""
    a, b = ctx.input(0), ctx.input(1)
    return wide_numbers.quotient(ctx, a, b) if a.dtype == np.int64 else ctx.op(DIV, a, b)


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
    assert x.dtype is not None
    if x.dtype.kind in "iu":
        return _power_of_whole(ctx, x, exponent)
    return ctx.op(POW, x, ctx.like(x, exponent.data) if exponent.data is not None else cast_to(ctx, exponent, x.dtype))


def _power_of_whole(ctx: Context, x: Value, exponent: Value) -> Value:
    """POW has INT32 alone. Exponents that are no whole numbers would need a base more precise than FLOAT32 has."""
    ctx.require(x.dtype in (np.int32, np.int64), f"a base of INT32, INT64 or a type within them is required, found {x.dtype}")
    assert exponent.dtype is not None
    if exponent.dtype.kind not in "iu":
        data = ctx.data(1)
        whole = bool(np.all(np.isfinite(data)) and np.array_equal(data, np.floor(data)))
        ctx.require(whole, "whole exponents of whole numbers are required, found fractions")
        exponent = ctx.constant(data.astype(np.int64))
    if x.dtype == np.int32 and exponent.data is None and exponent.dtype == np.int32:
        return ctx.op(POW, x, exponent)
    return wide_numbers.power(ctx, x, exponent)


@lowers(*VARIADIC, since=6)
def variadic(ctx: Context, node: Node) -> Value:
    result = ctx.input(0)
    for index in range(1, len(ctx.operands)):
        other = ctx.input(index)
        if wide_numbers.is_of_64_bits(result) and node.kind != "Mean":
            result = wide_numbers.of_64_bits(ctx, node.kind, result, other)
        else:
            result = ctx.op(VARIADIC[node.kind], result, other)
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
    """The remainder with the divisor's sign; with fmod the dividend's."""
    x, y = ctx.input(0), ctx.input(1)
    if not attribute(node, "fmod", 0):
        return ctx.op(FLOOR_MOD, x, y)
    if x.dtype != np.float32:
        ctx.require(x.dtype in (np.int32, np.int64), f"fmod of FLOAT32, INT32, INT64 or types within them is supported, found {x.dtype}")
        return wide_numbers.remainder(ctx, x, y)
    return ctx.op(MUL, ctx.op(FLOOR_MOD, ctx.op(ABS, x), ctx.op(ABS, y)), ctx.op(SIGN, x))
