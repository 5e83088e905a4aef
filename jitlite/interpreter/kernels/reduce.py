"""Reductions of float32. Parameters are those of `reduction`; `outputs` is the number of outputs."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f32p, i64, i64p, kernel
from jitlite.interpreter.kernels.partial import load_part, store_part
from jitlite.interpreter.kernels.reduction import register
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vector_reduction import vector_reduction, whole_blocks
from jitlite.interpreter.kernels.vectors import LANES, Vector, maximum, minimum, splat

_single: Any = np.float32
_ZERO, _ONE, _INFINITY = np.float32(0), np.float32(1), np.float32(np.inf)


@forced
def _add(a: Vector, b: Vector) -> Vector:
    return a + b


@forced
def _multiply(a: Vector, b: Vector) -> Vector:
    return a * b


@forced
def _greater(a: Vector, b: Vector) -> Vector:
    """NaN in b is left out."""
    return maximum(b, a)


@forced
def _lesser(a: Vector, b: Vector) -> Vector:
    return minimum(b, a)


_sum = vector_reduction(_add, _ZERO)

register(__name__, "sum_f32", f32p, _sum, whole_blocks)
register(__name__, "prod_f32", f32p, vector_reduction(_multiply, _ONE), whole_blocks)
register(__name__, "max_f32", f32p, vector_reduction(_greater, -_INFINITY), whole_blocks)
register(__name__, "min_f32", f32p, vector_reduction(_lesser, _INFINITY), whole_blocks)


@kernel
def mean_f32(
    x: f32p, y: f32p, kept: i64p, reduced: i64p, lanes: i64, run: i64, depth: i64, outputs: i64, thread: i64, threads: i64
) -> None:
    start, stop = whole_blocks(lanes, run, outputs, thread, threads)
    _sum(x, y, kept, reduced, lanes, run, depth, start, stop)
    count = splat(_single(run * depth))
    for at in range(start, stop, LANES):
        part = min(LANES, stop - at)
        store_part(y, at, load_part(y, at, part) / count, part)
