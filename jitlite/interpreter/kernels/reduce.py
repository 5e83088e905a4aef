"""Reductions of numbers and truth values. Parameters are those of `reduction`; `outputs` is the number of outputs."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f32p, i32p, i64, i64p, inline, kernel, span, u8p
from jitlite.interpreter.kernels.elements import specialise, xp
from jitlite.interpreter.kernels.reduction import reduction

_single: Any = np.float32


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


@inline
def _add_run(value: float, x: f32p, at: i64, count: i64) -> Any:
    """Eight partial sums: they do not wait for each other, and a long sum loses less."""
    s0, s1, s2, s3 = _single(0), _single(0), _single(0), _single(0)
    s4, s5, s6, s7 = _single(0), _single(0), _single(0), _single(0)
    whole = count - count % 8
    for i in range(at, at + whole, 8):
        s0 += x[i]
        s1 += x[i + 1]
        s2 += x[i + 2]
        s3 += x[i + 3]
        s4 += x[i + 4]
        s5 += x[i + 5]
        s6 += x[i + 6]
        s7 += x[i + 7]
    for i in range(at + whole, at + count):
        s0 += x[i]
    return value + (((s0 + s4) + (s1 + s5)) + ((s2 + s6) + (s3 + s7)))


def _make(name: str, pointer: Any, combine: Callable[[Any, Any], Any], fold: Callable[..., Any] | None = None) -> None:
    reduce = reduction(combine, fold)

    def reduce_all(
        x: xp, y: xp, kept: i64p, reduced: i64p, lanes: i64, run: i64, depth: i64, outputs: i64, thread: i64, threads: i64
    ) -> None:
        start, stop = span(outputs, thread, threads)
        reduce(x, y, kept, reduced, lanes, run, depth, start, stop)

    specialise(reduce_all, name, {xp: pointer})


_NUMBERS: dict[str, Any] = {"f32": f32p, "i32": i32p, "i64": i64p}

for _suffix, _pointer in _NUMBERS.items():
    _make(f"sum_{_suffix}", _pointer, _add, _add_run if _suffix == "f32" else None)
    _make(f"prod_{_suffix}", _pointer, _multiply)
    _make(f"max_{_suffix}", _pointer, _greater)
    _make(f"min_{_suffix}", _pointer, _lesser)
_make("any_u8", u8p, _either)
_make("all_u8", u8p, _both)

_sum_single = reduction(_add, _add_run)
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
