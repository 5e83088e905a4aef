"""Element-by-element arithmetic on two float32 operands."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f32p, f64p
from jitlite.interpreter.kernels.strips import broadcast, by_number
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import Vector, clamp, maximum, minimum, rounded_down

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


broadcast(__name__, "arithmetic_f32", (f32p, f32p, f32p, f64p), by_number(_result, 8, _single))
