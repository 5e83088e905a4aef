"""Reductions of 32- and 64-bit integers. Parameters are those of `reduction`; `outputs` is the number of outputs."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import i32p, i64, i64p, span
from jitlite.interpreter.kernels.elements import specialise, xp
from jitlite.interpreter.kernels.reduction import add, greater, lesser, multiply, reduction, register
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vector_reduction import vector_reduction, whole_blocks
from jitlite.interpreter.kernels.vectors import Vector, maximum, minimum

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
def _multiply(a: Vector, b: Vector) -> Vector:
    return a * b


@forced
def _greater(a: Vector, b: Vector) -> Vector:
    return maximum(a, b)


@forced
def _lesser(a: Vector, b: Vector) -> Vector:
    return minimum(a, b)


specialise(_mean, "mean_i32", {xp: i32p})
specialise(_mean, "mean_i64", {xp: i64p})
for _name, _combine, _neutral in (
    ("sum", _add, 0),
    ("prod", _multiply, 1),
    ("max", _greater, -(2**31)),
    ("min", _lesser, 2**31 - 1),
):
    register(__name__, f"{_name}_i32", i32p, vector_reduction(_combine, _int(_neutral)), whole_blocks)
for _name, _scalars in {"sum": _SUMS, "prod": reduction(multiply), "max": reduction(greater), "min": reduction(lesser)}.items():
    register(__name__, f"{_name}_i64", i64p, _scalars)
