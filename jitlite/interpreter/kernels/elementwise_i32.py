"""Element-by-element arithmetic on int32 in vectors. Sums, differences and products wrap."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import i32p, i64p, inline
from jitlite.interpreter.kernels.intrinsics import apart
from jitlite.interpreter.kernels.partial import store_part
from jitlite.interpreter.kernels.strips import broadcast, last_of, unary
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import LANES, Vector, clamp, load, maximum, minimum, select, splat, store

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


@forced
def _whole(operation: int, a: i32p, b: i32p, y: i32p, count: int, a_step: int, b_step: int, low: Vector, high: Vector) -> None:
    for at in range(0, count, LANES):
        store(y, at, _result(operation, load(a, at * a_step), load(b, at * b_step), low, high))


@inline
def _strip(a: i32p, b: i32p, y: i32p, count: int, a_step: int, b_step: int, settings: i64p) -> None:
    """Settings are [low, high, operation]. There is a loop for each operation, which its number as a constant makes of `_whole`."""
    apart()
    low, high, operation = splat(_int(settings[0])), splat(_int(settings[1])), int(settings[2])
    whole = count // LANES * LANES
    if operation == 0:
        _whole(0, a, b, y, whole, a_step, b_step, low, high)
    elif operation == 1:
        _whole(1, a, b, y, whole, a_step, b_step, low, high)
    elif operation == 2:
        _whole(2, a, b, y, whole, a_step, b_step, low, high)
    elif operation == 3:
        _whole(3, a, b, y, whole, a_step, b_step, low, high)
    elif operation == 4:
        _whole(4, a, b, y, whole, a_step, b_step, low, high)
    else:
        _whole(5, a, b, y, whole, a_step, b_step, low, high)
    if whole < count:
        first, second = last_of(a, whole, count, a_step), last_of(b, whole, count, b_step)
        store_part(y, whole, _result(operation, first, second, low, high), count - whole)


broadcast(__name__, "arithmetic_i32", (i32p, i32p, i32p, i64p), _strip)


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
