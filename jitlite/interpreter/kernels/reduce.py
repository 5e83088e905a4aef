"""Reductions of float32. Parameters are those of `reduction`; `outputs` is the number of outputs."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f32p, i64, i64p, inline, kernel, span
from jitlite.interpreter.kernels.blocks import stack_like
from jitlite.interpreter.kernels.reduction import add, greater, lesser, multiply, reduction, register, vector_sums

_single: Any = np.float32
_PARTS = 64


def _side_by_side(combine: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """A function that combines `count` neighbouring float32: every 64th with its own partial result, and these pairwise.

    Partial results do not wait for each other, and a long sum loses less than one term after the other.
    """

    @inline
    def fold(x: f32p, at: i64, count: i64) -> Any:
        value, done = x[at], 1
        if count >= _PARTS:
            parts = stack_like(x, 64)
            for j in range(_PARTS):
                parts[j] = x[at + j]
            done = _PARTS
            while done + _PARTS <= count:
                for j in range(_PARTS):
                    parts[j] = combine(parts[j], x[at + done + j])
                done += _PARTS
            half = _PARTS // 2
            while half > 0:
                for j in range(half):
                    parts[j] = combine(parts[j], parts[j + half])
                half //= 2
            value = parts[0]
        for i in range(at + done, at + count):
            value = combine(value, x[i])
        return value

    return fold


_sum = reduction(add, _side_by_side(add), vector_sums)

register(__name__, "sum_f32", f32p, _sum)
register(__name__, "prod_f32", f32p, reduction(multiply))
register(__name__, "max_f32", f32p, reduction(greater, _side_by_side(greater)))
register(__name__, "min_f32", f32p, reduction(lesser, _side_by_side(lesser)))


@kernel
def mean_f32(
    x: f32p, y: f32p, kept: i64p, reduced: i64p, lanes: i64, run: i64, depth: i64, outputs: i64, thread: i64, threads: i64
) -> None:
    start, stop = span(outputs, thread, threads)
    _sum(x, y, kept, reduced, lanes, run, depth, start, stop)
    count = _single(run * depth)
    for i in range(start, stop):
        y[i] = y[i] / count
