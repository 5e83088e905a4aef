"""Element-by-element arithmetic on two float32 operands."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f32p, f64p, inline
from jitlite.interpreter.kernels.intrinsics import apart
from jitlite.interpreter.kernels.partial import store_part
from jitlite.interpreter.kernels.strips import broadcast, last_of
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import LANES, Vector, clamp, load, maximum, minimum, rounded_down, splat, store

_single: Any = np.float32


@forced
def _result(operation: int, a: Vector, b: Vector, low: Vector, high: Vector) -> Vector:
    """The result of an operation by its number; the first four clamp theirs to the bounds."""
    difference = a - b
    if operation == 0:
        return clamp(a + b, low, high)
    if operation == 1:
        return clamp(difference, low, high)
    if operation == 2:
        return clamp(a * b, low, high)
    if operation == 3:
        return clamp(a / b, low, high)
    if operation == 4:
        return minimum(a, b)
    if operation == 5:
        return maximum(a, b)
    if operation == 6:
        return difference * difference
    return rounded_down(a / b)


@forced
def _whole(operation: int, a: f32p, b: f32p, y: f32p, count: int, a_step: int, b_step: int, low: Vector, high: Vector) -> None:
    for at in range(0, count, LANES):
        store(y, at, _result(operation, load(a, at * a_step), load(b, at * b_step), low, high))


@inline
def _strip(a: f32p, b: f32p, y: f32p, count: int, a_step: int, b_step: int, settings: f64p) -> None:
    """Settings are [low, high, operation]. There is a loop for each operation, which its number as a constant makes of `_whole`."""
    apart()
    low, high, operation = splat(_single(settings[0])), splat(_single(settings[1])), int(settings[2])
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
    elif operation == 5:
        _whole(5, a, b, y, whole, a_step, b_step, low, high)
    elif operation == 6:
        _whole(6, a, b, y, whole, a_step, b_step, low, high)
    else:
        _whole(7, a, b, y, whole, a_step, b_step, low, high)
    if whole < count:
        first, second = last_of(a, whole, count, a_step), last_of(b, whole, count, b_step)
        store_part(y, whole, _result(operation, first, second, low, high), count - whole)


broadcast(__name__, "arithmetic_f32", (f32p, f32p, f32p, f64p), _strip)
