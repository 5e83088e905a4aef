"""Element-by-element arithmetic on int32 in vectors. Sums and products wrap, and are clamped where the operator can fuse an activation."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import i32p, i64p, inline
from jitlite.interpreter.kernels.strips import binary, unary
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import Vector, clamp, maximum, minimum, select, splat

Bounds = tuple[Vector, Vector]

_int: Any = np.int32
_ZERO, _ONE, _MINUS_ONE = _int(0), _int(1), _int(-1)


@inline
def _bounds(settings: i64p) -> Bounds:
    return splat(_int(settings[0])), splat(_int(settings[1]))


@forced
def _add(a: Vector, b: Vector, bounds: Bounds) -> Vector:
    return clamp(a + b, bounds[0], bounds[1])


@forced
def _sub(a: Vector, b: Vector, bounds: Bounds) -> Vector:
    return clamp(a - b, bounds[0], bounds[1])


@forced
def _mul(a: Vector, b: Vector, bounds: Bounds) -> Vector:
    return clamp(a * b, bounds[0], bounds[1])


@forced
def _minimum(a: Vector, b: Vector, settings: tuple[()]) -> Vector:
    return minimum(a, b)


@forced
def _maximum(a: Vector, b: Vector, settings: tuple[()]) -> Vector:
    return maximum(a, b)


@forced
def _squared_difference(a: Vector, b: Vector, settings: tuple[()]) -> Vector:
    difference = a - b
    return difference * difference


@forced
def _abs(x: Vector) -> Vector:
    return maximum(x, -x)


@forced
def _neg(x: Vector) -> Vector:
    return -x


@forced
def _sign(x: Vector) -> Vector:
    return select(x > splat(_ZERO), splat(_ONE), select(x < splat(_ZERO), splat(_MINUS_ONE), x))


_POINTERS = (i32p, i32p, i32p, i64p)
for _name, _operation in {"add": _add, "sub": _sub, "mul": _mul}.items():
    binary(__name__, f"{_name}_i32", _POINTERS, _operation, _bounds)
for _name, _plain in {"minimum": _minimum, "maximum": _maximum, "squared_difference": _squared_difference}.items():
    binary(__name__, f"{_name}_i32", _POINTERS, _plain)
for _name, _function in {"abs": _abs, "neg": _neg, "sign": _sign}.items():
    unary(__name__, f"{_name}_i32", (i32p, i32p), _function)
