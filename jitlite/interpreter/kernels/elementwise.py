"""Element-by-element arithmetic on two float32 operands. Results are clamped where the operator can fuse an activation."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f32p, f64p, inline
from jitlite.interpreter.kernels.strips import binary
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import Vector, clamp, maximum, minimum, rounded_down, splat

Bounds = tuple[Vector, Vector]

_single: Any = np.float32


@inline
def _bounds(settings: f64p) -> Bounds:
    return splat(_single(settings[0])), splat(_single(settings[1]))


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
def _div(a: Vector, b: Vector, bounds: Bounds) -> Vector:
    return clamp(a / b, bounds[0], bounds[1])


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
def _floor_div(a: Vector, b: Vector, settings: tuple[()]) -> Vector:
    return rounded_down(a / b)


_POINTERS = (f32p, f32p, f32p, f64p)
for _name, _operation in {"add": _add, "sub": _sub, "mul": _mul, "div": _div}.items():
    binary(__name__, f"{_name}_f32", _POINTERS, _operation, _bounds)
for _name, _plain in {
    "minimum": _minimum,
    "maximum": _maximum,
    "squared_difference": _squared_difference,
    "floor_div": _floor_div,
}.items():
    binary(__name__, f"{_name}_f32", _POINTERS, _plain)
