"""Sums, means and extremes of float32. Parameters are those of `reduction`; `outputs` is the number of outputs."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f32p, i64
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vector_reduction import Fold, reduction
from jitlite.interpreter.kernels.vectors import Vector, bits_of, floats_of, maximum, splat

_single: Any = np.float32
_int: Any = np.int32
_ZERO, _INFINITY = np.float32(0), np.float32(np.inf)


@forced
def _add(a: Vector, b: Vector) -> Vector:
    return a + b


@forced
def _divisor(setting: i64) -> Vector:
    return splat(_single(setting))


@forced
def _divided(x: Vector, divisor: Vector) -> Vector:
    return x / divisor


@forced
def _greater(a: Vector, b: Vector) -> Vector:
    """NaN in b is left out."""
    return maximum(b, a)


@forced
def _flip(setting: i64) -> Vector:
    return splat(_int(setting))


@forced
def _flipped(x: Vector, flip: Vector) -> Vector:
    return floats_of(bits_of(x) ^ flip)


reduction(__name__, "sum_f32", f32p, Fold(_add, _ZERO, _divisor, finish=_divided))
"""Sums over `setting`."""
reduction(__name__, "extreme_f32", f32p, Fold(_greater, -_INFINITY, _flip, _flipped, _flipped))
"""The largest of numbers whose bits are flipped as `setting` says, flipped back: the smallest where it is the sign."""
