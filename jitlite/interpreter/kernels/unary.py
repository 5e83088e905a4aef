"""Functions of one float32 operand."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f32p
from jitlite.interpreter.kernels.reals import inverse_root, root
from jitlite.interpreter.kernels.strips import unary
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.transcendental import exp, log
from jitlite.interpreter.kernels.trigonometry import cos, sin
from jitlite.interpreter.kernels.vectors import Vector, absolute, copysign, rounded, rounded_down, rounded_up, select, splat

_ZERO: Any = np.float32(0)
_ONE: Any = np.float32(1)


@forced
def _abs(x: Vector) -> Vector:
    return absolute(x)


@forced
def _neg(x: Vector) -> Vector:
    return -x


@forced
def _sqrt(x: Vector) -> Vector:
    return root(x)


@forced
def _rsqrt(x: Vector) -> Vector:
    return inverse_root(x)


@forced
def _square(x: Vector) -> Vector:
    return x * x


@forced
def _floor(x: Vector) -> Vector:
    return rounded_down(x)


@forced
def _ceil(x: Vector) -> Vector:
    return rounded_up(x)


@forced
def _round(x: Vector) -> Vector:
    """Halves go to the even neighbour."""
    return rounded(x)


@forced
def _sign(x: Vector) -> Vector:
    """Zeros and NaN keep their values."""
    return select(absolute(x) > splat(_ZERO), copysign(splat(_ONE), x), x)


for _name, _function in {
    "exp": exp,
    "log": log,
    "sin": sin,
    "cos": cos,
    "abs": _abs,
    "neg": _neg,
    "sqrt": _sqrt,
    "rsqrt": _rsqrt,
    "square": _square,
    "floor": _floor,
    "ceil": _ceil,
    "round": _round,
    "sign": _sign,
}.items():
    unary(__name__, f"{_name}_f32", (f32p, f32p), _function)
