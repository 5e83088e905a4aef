"""Comparisons, logic and selection."""

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.lowerings.wide_numbers import unsigned_comparison
from jitlite.schemas.ops.comparison import (
    EQUAL,
    GREATER,
    GREATER_EQUAL,
    LESS,
    LESS_EQUAL,
    LOGICAL_AND,
    LOGICAL_NOT,
    LOGICAL_OR,
    NOT_EQUAL,
    SELECT_V2,
)
from jitlite.schemas.ops.reduce import REDUCE_MAX, REDUCE_MIN
from jitlite.schemas.ops.spec import OpSpec

BINARY: dict[str, OpSpec] = {
    "Equal": EQUAL,
    "Greater": GREATER,
    "GreaterOrEqual": GREATER_EQUAL,
    "Less": LESS,
    "LessOrEqual": LESS_EQUAL,
    "And": LOGICAL_AND,
    "Or": LOGICAL_OR,
    "Xor": NOT_EQUAL,
}


@lowers(*BINARY, since=7)
def binary(ctx: Context, node: Node) -> Value:
    x, y = ctx.input(0), ctx.input(1)
    if x.dtype == np.uint64:
        return unsigned_comparison(ctx, node.kind, x, y)
    if node.kind == "Equal":
        for value, other in ((x, y), (y, x)):
            if other.data is not None and other.size == 1 and other.data.dtype.kind == "f" and np.all(np.isinf(other.data)):
                return _equals_infinity(ctx, value, float(other.data.reshape(())))
    return ctx.op(BINARY[node.kind], x, y)


def _equals_infinity(ctx: Context, x: Value, infinity: float) -> Value:
    """Where x is the infinity. Of nothing but -inf REDUCE_MAX gives the lowest number, of inf REDUCE_MIN the highest: these count too."""
    extreme = REDUCE_MAX if infinity < 0 else REDUCE_MIN
    if x.producer is None or x.producer.op is not extreme:
        return ctx.binary(EQUAL, x, infinity)
    limits = np.finfo(np.float32)
    return ctx.binary(LESS_EQUAL, x, float(limits.min)) if infinity < 0 else ctx.binary(GREATER_EQUAL, x, float(limits.max))


@lowers("Not")
def negation(ctx: Context, node: Node) -> Value:
    return ctx.op(LOGICAL_NOT, ctx.input(0))


@lowers("IsNaN", since=9)
def is_nan(ctx: Context, node: Node) -> Value:
    return ctx.op(NOT_EQUAL, ctx.input(0), ctx.input(0))


@lowers("IsInf", since=10)
def is_inf(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    both = attribute(node, "detect_negative", 1), attribute(node, "detect_positive", 1)
    found = [_equals_infinity(ctx, x, sign * np.inf) for sign, wanted in zip((-1, 1), both, strict=True) if wanted]
    ctx.require(bool(found), "detect_negative or detect_positive is required, found neither")
    return found[0] if len(found) == 1 else ctx.op(LOGICAL_OR, *found)


@lowers("Where", since=9)
def where(ctx: Context, node: Node) -> Value:
    return ctx.op(SELECT_V2, ctx.input(0), ctx.input(1), ctx.input(2))
