"""Activation functions and softmax."""

from collections.abc import Callable
from math import prod

import numpy as np

from jitlite.converter.attributes import attribute, scalar
from jitlite.converter.graph import Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.registry import lowers
from jitlite.schemas.ops.activation import (
    ELU,
    GELU,
    HARD_SWISH,
    LEAKY_RELU,
    LOG_SOFTMAX,
    LOGISTIC,
    PRELU,
    RELU,
    RELU6,
    RELU_0_TO_1,
    RELU_N1_TO_1,
    SOFTMAX,
    TANH,
)
from jitlite.schemas.ops.comparison import GREATER, LESS, SELECT_V2
from jitlite.schemas.ops.elementwise import ABS, ADD, DIV, EXP, LOG, MAXIMUM, MINIMUM, MUL, NEG, SIGN, SUB
from jitlite.schemas.ops.spec import OpSpec
from jitlite.schemas.tables import GeluOptions, LeakyReluOptions, SoftmaxOptions

PLAIN: dict[str, OpSpec] = {"Relu": RELU, "Sigmoid": LOGISTIC, "Tanh": TANH, "HardSwish": HARD_SWISH}
CLAMPS: dict[tuple[float, float], OpSpec] = {(0, np.inf): RELU, (0, 6): RELU6, (-1, 1): RELU_N1_TO_1, (0, 1): RELU_0_TO_1}

STEEPEST = 1e6
"""Slope that integer kernels still have a multiplier for."""

ERF_P = 0.3275911
ERF_A = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
"""Abramowitz and Stegun, formula 7.1.26: erf(x) = 1 - t·(a5·t⁴ + …)·exp(-x²) with t = 1 / (1 + p·x), to 1.5e-7 for x of 0 and more."""


@lowers(*PLAIN)
def plain(ctx: Context, node: Node) -> Value:
    return ctx.op(PLAIN[node.kind], ctx.input(0))


@lowers("Clip")
def clip(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    if any(operand is not None and operand.data is None for operand in ctx.operands[1:]):
        low, high = ctx.optional(1), ctx.optional(2)
        x = x if low is None else ctx.op(MAXIMUM, x, low)
        return x if high is None else ctx.op(MINIMUM, x, high)
    bounds = scalar(node, "min", 1), scalar(node, "max", 2)
    whole = np.finfo(np.float32)
    least = -np.inf if bounds[0] is None or bounds[0] <= whole.min else bounds[0]
    most = np.inf if bounds[1] is None or bounds[1] >= whole.max else bounds[1]
    clamp = CLAMPS.get((least, most))
    if clamp is not None and x.dtype == np.float32:
        return ctx.op(clamp, x)
    if least > -np.inf:
        x = ctx.binary(MAXIMUM, x, least)
    return x if most == np.inf else ctx.binary(MINIMUM, x, most)


@lowers("LeakyRelu", since=6)
def leaky_relu(ctx: Context, node: Node) -> Value:
    alpha = attribute(node, "alpha", 0.01)
    ctx.require(abs(alpha) < STEEPEST, f"an alpha below {STEEPEST:g} is required, found {alpha:g}")
    return ctx.op(LEAKY_RELU, ctx.input(0), options=LeakyReluOptions(alpha=alpha))


@lowers("PRelu", since=7)
def prelu(ctx: Context, node: Node) -> Value:
    """Slopes get the input's rank, which LiteRT's kernel needs."""
    x, slope = ctx.input(0), ctx.input(1)
    if _is_by_channel(x, slope):
        slope = ctx.reshape(slope, (slope.size, *(1 for _ in x.dims[2:])))
    ctx.require(slope.rank <= x.rank, f"slopes of at most {x.rank} axes are required, found shape {slope.dims}")
    return ctx.op(PRELU, x, ctx.reshape(slope, (1,) * (x.rank - slope.rank) + slope.dims))


def _is_by_channel(x: Value, slope: Value) -> bool:
    """Slopes as before opset 7, one a channel, where they do not broadcast as they are."""
    return slope.rank == 1 and x.rank > 1 and slope.size == x.dims[1] and slope.size not in (1, x.dims[-1])


@lowers("Shrink", since=9)
def shrink(ctx: Context, node: Node) -> Value:
    """Numbers nearer to 0 than lambd become 0, others move towards it by bias."""
    x, bias, lambd = ctx.input(0), attribute(node, "bias", 0.0), attribute(node, "lambd", 0.5)
    ctx.require(x.dtype == np.float32, f"numbers of FLOAT32 or within it are supported, found {x.dtype}")
    inner = ctx.op(SELECT_V2, ctx.binary(GREATER, x, lambd), ctx.binary(SUB, x, bias), ctx.like(x, 0.0))
    return ctx.op(SELECT_V2, ctx.binary(LESS, x, -lambd), ctx.binary(ADD, x, bias), inner)


@lowers("Elu")
def elu(ctx: Context, node: Node) -> Value:
    x, alpha = ctx.input(0), attribute(node, "alpha", 1.0)
    return ctx.op(ELU, x) if alpha == 1.0 else _exponential_unit(ctx, x, alpha, 1.0)


@lowers("Selu")
def selu(ctx: Context, node: Node) -> Value:
    alpha, gamma = attribute(node, "alpha", 1.67326319217681884765625), attribute(node, "gamma", 1.05070102214813232421875)
    return ctx.binary(MUL, _exponential_unit(ctx, ctx.input(0), alpha, 1.0), gamma)


@lowers("Celu", since=12)
def celu(ctx: Context, node: Node) -> Value:
    alpha = attribute(node, "alpha", 1.0)
    return _exponential_unit(ctx, ctx.input(0), alpha, alpha)


def _exponential_unit(ctx: Context, x: Value, alpha: float, scale: float) -> Value:
    """max(x, 0) + alpha · (exp(min(x, 0) / scale) - 1)."""
    below = ctx.binary(MINIMUM, x, 0.0)
    if scale != 1.0:
        below = ctx.binary(MUL, below, 1.0 / scale)
    return ctx.op(ADD, ctx.op(RELU, x), ctx.binary(MUL, ctx.binary(SUB, ctx.op(EXP, below), 1.0), alpha))


@lowers("ThresholdedRelu", since=10)
def thresholded_relu(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    return ctx.op(SELECT_V2, ctx.binary(GREATER, x, attribute(node, "alpha", 1.0)), x, ctx.like(x, 0.0))


@lowers("HardSigmoid", since=6)
def hard_sigmoid(ctx: Context, node: Node) -> Value:
    """clip(alpha · x + beta, 0, 1), as a sixth of RELU6 so that it fuses and quantizes well."""
    alpha, beta = attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5)
    x = ctx.input(0)
    slope = float(np.float32(alpha) * 6)
    inner = x if abs(slope - 1.0) < 1e-6 else ctx.binary(MUL, x, slope)
    return ctx.binary(MUL, ctx.op(RELU6, ctx.binary(ADD, inner, 6 * beta)), 1 / 6)


@lowers("Gelu", since=20)
def gelu(ctx: Context, node: Node) -> Value:
    return ctx.op(GELU, ctx.input(0), options=GeluOptions(approximate=attribute(node, "approximate", "none") == "tanh"))


@lowers("Softplus")
def softplus(ctx: Context, node: Node) -> Value:
    return _softplus(ctx, ctx.input(0))


def _softplus(ctx: Context, x: Value) -> Value:
    """log(1 + exp(x)) without overflow: max(x, 0) + log(1 + exp(-|x|))."""
    small = ctx.op(EXP, ctx.op(NEG, ctx.op(ABS, x)))
    return ctx.op(ADD, ctx.op(RELU, x), ctx.op(LOG, ctx.binary(ADD, small, 1.0)))


@lowers("Softsign")
def softsign(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    return ctx.op(DIV, x, ctx.binary(ADD, ctx.op(ABS, x), 1.0))


@lowers("Mish", since=18)
def mish(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    return ctx.op(MUL, x, ctx.op(TANH, _softplus(ctx, x)))


@lowers("Swish", since=24)
def swish(ctx: Context, node: Node) -> Value:
    x, alpha = ctx.input(0), attribute(node, "alpha", 1.0)
    return ctx.op(MUL, x, ctx.op(LOGISTIC, x if alpha == 1.0 else ctx.binary(MUL, x, alpha)))


@lowers("Erf", since=9)
def erf(ctx: Context, node: Node) -> Value:
    return error_function(ctx, ctx.input(0))


def error_function(ctx: Context, x: Value) -> Value:
    """The builtins have no erf: a formula accurate to about 5e-7 in float32."""
    positive = ctx.op(ABS, x)
    t = ctx.op(DIV, ctx.like(x, 1.0), ctx.binary(ADD, ctx.binary(MUL, positive, ERF_P), 1.0))
    polynomial = ctx.binary(MUL, t, ERF_A[0])
    for factor in ERF_A[1:]:
        polynomial = ctx.op(MUL, ctx.binary(ADD, polynomial, factor), t)
    tail = ctx.op(MUL, polynomial, ctx.op(EXP, ctx.op(NEG, ctx.op(MUL, x, x))))
    return ctx.op(MUL, ctx.op(SIGN, x), ctx.op(SUB, ctx.like(x, 1.0), tail))


def _along_last(ctx: Context, x: Value, axis: int, function: Callable[[Value], Value]) -> Value:
    """Applies a function of the last axis along another one."""
    last = x.rank - 1
    order = [*(index for index in range(x.rank) if index != axis), axis]
    y = function(ctx.transpose(x, order))
    return ctx.transpose(y, [order.index(index) for index in range(x.rank)]) if axis != last else y


def _softmax_of(ctx: Context, node: Node) -> Callable[[Value], Value]:
    if node.kind == "Softmax":
        return lambda x: ctx.op(SOFTMAX, x, options=SoftmaxOptions(beta=1.0))
    return lambda x: ctx.op(LOG_SOFTMAX, x)


@lowers("Softmax", "LogSoftmax", since=13)
def softmax(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    return _along_last(ctx, x, ctx.axis(attribute(node, "axis", -1), x.rank), _softmax_of(ctx, node))


@lowers("Softmax", "LogSoftmax", since=1)
def flattened_softmax(ctx: Context, node: Node) -> Value:
    """Before opset 13 all axes from `axis` on count as one."""
    x = ctx.input(0)
    axis = ctx.axis(attribute(node, "axis", 1), x.rank)
    if axis == x.rank - 1:
        return _softmax_of(ctx, node)(x)
    if prod(x.dims[axis + 1 :]) == 1:
        return _along_last(ctx, x, axis, _softmax_of(ctx, node))
    rows = ctx.reshape(x, (prod(x.dims[:axis]), prod(x.dims[axis:])))
    return ctx.reshape(_softmax_of(ctx, node)(rows), x.dims)
