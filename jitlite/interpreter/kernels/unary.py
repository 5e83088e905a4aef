"""Functions of one float32 operand."""

import math
from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f32p, inline
from jitlite.interpreter.kernels.broadcast import unary
from jitlite.interpreter.kernels.transcendental import exp, log

_FAMILY = __name__
_ONE, _ZERO = np.float32(1), np.float32(0)


@inline
def _abs(x: Any) -> Any:
    return math.fabs(x)


@inline
def _neg(x: Any) -> Any:
    return -x


@inline
def _sqrt(x: Any) -> Any:
    return math.sqrt(x)


@inline
def _rsqrt(x: Any) -> Any:
    return _ONE / math.sqrt(x)


@inline
def _square(x: Any) -> Any:
    return x * x


@inline
def _sin(x: Any) -> Any:
    return math.sin(x)


@inline
def _cos(x: Any) -> Any:
    return math.cos(x)


@inline
def _floor(x: Any) -> Any:
    return np.floor(x)


@inline
def _ceil(x: Any) -> Any:
    return np.ceil(x)


@inline
def _round(x: Any) -> Any:
    """Halves go to the even neighbour."""
    return np.rint(x)


@inline
def _sign(x: Any) -> Any:
    return _ONE if x > _ZERO else (-_ONE if x < _ZERO else x * _ZERO)


unary(_FAMILY, "exp_f32", (f32p, f32p), exp)
unary(_FAMILY, "log_f32", (f32p, f32p), log)
for _function in (_abs, _neg, _sqrt, _rsqrt, _square, _sin, _cos, _floor, _ceil, _round, _sign):
    unary(_FAMILY, f"{_function.__name__[1:]}_f32", (f32p, f32p), _function)
