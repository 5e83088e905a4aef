"""The functions of gates in recurrent layers, by ONNX's names, with their numbers alpha and beta."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.schemas.ops.activation import ELU, LEAKY_RELU, LOGISTIC, RELU, TANH
from jitlite.schemas.ops.comparison import GREATER, SELECT_V2
from jitlite.schemas.ops.elementwise import ABS, ADD, DIV, EXP, LOG, MAXIMUM, MINIMUM, MUL
from jitlite.schemas.tables import LeakyReluOptions

Function: TypeAlias = Callable[[Context, Value], Value]


def _affine(ctx: Context, x: Value, alpha: float, beta: float) -> Value:
    return ctx.binary(ADD, ctx.binary(MUL, x, alpha), beta)


def _hard_sigmoid(ctx: Context, x: Value, alpha: float, beta: float) -> Value:
    return bounded(ctx, _affine(ctx, x, alpha, beta), 0.0, 1.0)


def _scaled_tanh(ctx: Context, x: Value, alpha: float, beta: float) -> Value:
    return ctx.binary(MUL, ctx.op(TANH, ctx.binary(MUL, x, beta)), alpha)


def _leaky_relu(ctx: Context, x: Value, alpha: float, _: float) -> Value:
    return ctx.op(LEAKY_RELU, x, options=LeakyReluOptions(alpha=alpha))


def _thresholded_relu(ctx: Context, x: Value, alpha: float, _: float) -> Value:
    return ctx.op(SELECT_V2, ctx.binary(GREATER, x, alpha), x, ctx.like(x, 0.0))


def _elu(ctx: Context, x: Value, alpha: float, _: float) -> Value:
    if alpha == 1.0:
        return ctx.op(ELU, x)
    return ctx.op(ADD, ctx.op(RELU, x), ctx.binary(MUL, ctx.op(ELU, ctx.binary(MINIMUM, x, 0.0)), alpha))


def _softsign(ctx: Context, x: Value, _: float, __: float) -> Value:
    return ctx.op(DIV, x, ctx.binary(ADD, ctx.op(ABS, x), 1.0))


def _softplus(ctx: Context, x: Value, _: float, __: float) -> Value:
    """max(x, 0) + log(1 + exp(-|x|)), which does not overflow."""
    small = ctx.op(EXP, ctx.binary(MUL, ctx.op(ABS, x), -1.0))
    return ctx.op(ADD, ctx.op(RELU, x), ctx.op(LOG, ctx.binary(ADD, small, 1.0)))


FUNCTIONS: dict[str, tuple[Callable[[Context, Value, float, float], Value], tuple[float, ...]]] = {
    "sigmoid": (lambda ctx, x, _, __: ctx.op(LOGISTIC, x), ()),
    "tanh": (lambda ctx, x, _, __: ctx.op(TANH, x), ()),
    "relu": (lambda ctx, x, _, __: ctx.op(RELU, x), ()),
    "softsign": (_softsign, ()),
    "softplus": (_softplus, ()),
    "leakyrelu": (_leaky_relu, (0.01,)),
    "thresholdedrelu": (_thresholded_relu, (1.0,)),
    "elu": (_elu, (1.0,)),
    "affine": (_affine, (1.0, 0.0)),
    "scaledtanh": (_scaled_tanh, (1.0, 1.0)),
    "hardsigmoid": (_hard_sigmoid, (0.2, 0.5)),
}
"""The function and the values alpha and beta take where none are given; a shorter tuple says which of the two it has."""


def bounded(ctx: Context, x: Value, low: float, high: float) -> Value:
    return ctx.binary(MINIMUM, ctx.binary(MAXIMUM, x, low), high)


def functions(ctx: Context, node: Node, usual: Sequence[str], directions: int) -> list[list[Function]]:
    """The functions of each direction; functions that have an alpha (a beta) take the node's in turn."""
    names = [name.decode() if isinstance(name, bytes) else str(name) for name in attribute(node, "activations", [])]
    names = names or list(usual) * directions
    ctx.require(len(names) == len(usual) * directions, f"{len(usual) * directions} activations are required, found {names}")
    unknown = [name for name in names if name.lower() not in FUNCTIONS]
    ctx.require(not unknown, f"activations of {', '.join(FUNCTIONS)} are required, found {', '.join(unknown)}")
    alphas, betas = iter(attribute(node, "activation_alpha", [])), iter(attribute(node, "activation_beta", []))
    made = [_function(name.lower(), alphas, betas) for name in names]
    return [made[first : first + len(usual)] for first in range(0, len(made), len(usual))]


def _function(name: str, alphas: Iterator[float], betas: Iterator[float]) -> Function:
    function, usual = FUNCTIONS[name]
    alpha = next(alphas, usual[0]) if usual else 0.0
    beta = next(betas, usual[1]) if len(usual) > 1 else 0.0
    return lambda ctx, x: function(ctx, x, alpha, beta)
