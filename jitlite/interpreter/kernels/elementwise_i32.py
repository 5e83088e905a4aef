"""Element-by-element arithmetic on int32 in vectors. Sums, differences and products wrap."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import i32p, i64p
from jitlite.interpreter.kernels.strips import broadcast, by_number, unary
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import Vector, clamp, maximum, minimum, select, splat

_int: Any = np.int32
_ZERO, _ONE, _MINUS_ONE = _int(0), _int(1), _int(-1)


@forced
def _result(operation: int, a: Vector, b: Vector, low: Vector, high: Vector) -> Vector:
    """The result of an operation by its number; the first three clamp theirs to the bounds."""
    difference = a - b
    if operation == 0:
        return clamp(a + b, low, high)
    if operation == 1:
        return clamp(difference, low, high)
    if operation == 2:
        return clamp(a * b, low, high)
    if operation == 3:
        return minimum(a, b)
    if operation == 4:
        return maximum(a, b)
    return difference * difference


broadcast(__name__, "arithmetic_i32", (i32p, i32p, i32p, i64p), by_number(_result, 6, _int))


@forced
def _abs(x: Vector) -> Vector:
    return maximum(x, -x)


@forced
def _neg(x: Vector) -> Vector:
    return -x


@forced
def _sign(x: Vector) -> Vector:
    return select(x > splat(_ZERO), splat(_ONE), select(x < splat(_ZERO), splat(_MINUS_ONE), x))


for _name, _function in {"abs": _abs, "neg": _neg, "sign": _sign}.items():
    unary(__name__, f"{_name}_i32", (i32p, i32p), _function)
