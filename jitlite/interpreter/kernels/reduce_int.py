"""Sums, means and extremes of 32- and 64-bit integers. Parameters are those of `reduction`; `outputs` is the number of outputs."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import i32p, i64, i64p, span
from jitlite.interpreter.kernels.elements import specialise, xp
from jitlite.interpreter.kernels.reduction import add, greater, lesser, reduction, register
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vector_reduction import Fold
from jitlite.interpreter.kernels.vector_reduction import reduction as vector_reduction
from jitlite.interpreter.kernels.vectors import Vector, maximum, splat

_SUMS = reduction(add)
_int: Any = np.int32


def _mean(
    x: xp, sums: i64p, y: xp, kept: i64p, reduced: i64p, lanes: i64, run: i64, depth: i64, outputs: i64, thread: i64, threads: i64
) -> None:
    """Quotients are truncated."""
    start, stop = span(outputs, thread, threads)
    _SUMS(x, sums, kept, reduced, lanes, run, depth, start, stop)
    count = run * depth
    for i in range(start, stop):
        y[i] = sums[i] // count if sums[i] >= 0 else -(-sums[i] // count)


@forced
def _add(a: Vector, b: Vector) -> Vector:
    return a + b


@forced
def _greater(a: Vector, b: Vector) -> Vector:
    return maximum(a, b)


@forced
def _flip(setting: i64) -> Vector:
    return splat(_int(setting))


@forced
def _flipped(x: Vector, flip: Vector) -> Vector:
    return x ^ flip


specialise(_mean, "mean_i32", {xp: i32p})
specialise(_mean, "mean_i64", {xp: i64p})
vector_reduction(__name__, "sum_i32", i32p, Fold(_add, _int(0), _flip))
vector_reduction(__name__, "extreme_i32", i32p, Fold(_greater, _int(-(2**31)), _flip, _flipped, _flipped))
"""The largest of numbers whose bits are flipped as `setting` says, flipped back: the smallest where it is -1."""
for _name, _scalars in {"sum": _SUMS, "max": reduction(greater), "min": reduction(lesser)}.items():
    register(__name__, f"{_name}_i64", i64p, _scalars)
