"""Reductions of numbers and truth values. Parameters are those of `reduction`; `outputs` is the number of outputs."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f32p, i32p, i64, i64p, inline, kernel, span, u8p
from jitlite.interpreter.kernels.blocks import stack_like
from jitlite.interpreter.kernels.elements import specialise, xp
from jitlite.interpreter.kernels.reduction import reduction, vector_sums

_single: Any = np.float32
_PARTS = 64


@inline
def _add(a: Any, b: Any) -> Any:
    return a + b


@inline
def _multiply(a: Any, b: Any) -> Any:
    return a * b


@inline
def _greater(a: Any, b: Any) -> Any:
    return b if b > a else a


@inline
def _lesser(a: Any, b: Any) -> Any:
    return b if b < a else a


@inline
def _either(a: Any, b: Any) -> Any:
    return a | b


@inline
def _both(a: Any, b: Any) -> Any:
    return a & b


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


_sum_single = reduction(_add, _side_by_side(_add), vector_sums)


def _make(name: str, pointer: Any, combine: Callable[[Any, Any], Any]) -> None:
    if pointer is f32p:
        reduce = _sum_single if combine is _add else reduction(combine, _side_by_side(combine))
    else:
        reduce = reduction(combine)

    def reduce_all(
        x: xp, y: xp, kept: i64p, reduced: i64p, lanes: i64, run: i64, depth: i64, outputs: i64, thread: i64, threads: i64
    ) -> None:
        start, stop = span(outputs, thread, threads)
        reduce(x, y, kept, reduced, lanes, run, depth, start, stop)

    specialise(reduce_all, name, {xp: pointer})


_NUMBERS: dict[str, Any] = {"f32": f32p, "i32": i32p, "i64": i64p}

for _suffix, _pointer in _NUMBERS.items():
    for _name, _combine in {"sum": _add, "prod": _multiply, "max": _greater, "min": _lesser}.items():
        _make(f"{_name}_{_suffix}", _pointer, _combine)
_make("any_u8", u8p, _either)
_make("all_u8", u8p, _both)

_sum_integers = reduction(_add)


@kernel
def mean_f32(
    x: f32p, y: f32p, kept: i64p, reduced: i64p, lanes: i64, run: i64, depth: i64, outputs: i64, thread: i64, threads: i64
) -> None:
    start, stop = span(outputs, thread, threads)
    _sum_single(x, y, kept, reduced, lanes, run, depth, start, stop)
    count = _single(run * depth)
    for i in range(start, stop):
        y[i] = y[i] / count


def _mean(
    x: xp, sums: i64p, y: xp, kept: i64p, reduced: i64p, lanes: i64, run: i64, depth: i64, outputs: i64, thread: i64, threads: i64
) -> None:
    """Quotients are truncated."""
    start, stop = span(outputs, thread, threads)
    _sum_integers(x, sums, kept, reduced, lanes, run, depth, start, stop)
    count = run * depth
    for i in range(start, stop):
        y[i] = sums[i] // count if sums[i] >= 0 else -(-sums[i] // count)


specialise(_mean, "mean_i32", {xp: i32p})
specialise(_mean, "mean_i64", {xp: i64p})
