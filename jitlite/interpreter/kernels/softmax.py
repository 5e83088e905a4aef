"""Normalisations along the last dimension, on float32."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f32, f32p, i64, inline, kernel, span
from jitlite.interpreter.kernels.folds import across, first_lanes, folding
from jitlite.interpreter.kernels.intrinsics import rarely_called
from jitlite.interpreter.kernels.partial import load_part, store_part
from jitlite.interpreter.kernels.reals import inverse_root
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.transcendental import log, raised_exp
from jitlite.interpreter.kernels.vectors import (
    LANES,
    Vector,
    load,
    maximum,
    multiply_add,
    splat,
    store,
    sum_across,
)

_ZERO: Any = np.float32(0)
_ONE: Any = np.float32(1)
_LOWERED: Any = np.float32(2.0**-24)
_LEAST: Any = np.float32(-104)
_INFINITY: Any = np.float32(np.inf)
_SMALLEST_NORM: Any = np.float32(1e-6)
_MOST: Any = np.float32(50)
"""Exponentials of numbers up to this one, raised, have sums in range."""


@forced
def _scaled(x: Vector, factor: Vector) -> Vector:
    return x * factor


@forced
def _greater(a: Vector, b: Vector) -> Vector:
    return maximum(a, b)


@forced
def _sum(a: Vector, b: Vector) -> Vector:
    return a + b


@forced
def _square(x: Vector, setting: Vector) -> Vector:
    return x * x


@forced
def _weight(x: Vector, shift: tuple[Vector, Vector]) -> Vector:
    """The value 2²⁴ · exp(factor · x - largest): a common factor makes no difference."""
    factor, largest = shift
    return raised_exp(maximum(splat(_LEAST), multiply_add(x, factor, -largest)))


_largest = folding(_greater, _scaled)
_largest_across = across(_greater)
_weights = folding(_sum, _weight)
_squares = folding(_sum, _square)


@forced
def _shift(x: f32p, start: i64, depth: i64, factor: Vector) -> tuple[Vector, Vector]:
    return factor, splat(_largest_across(_largest(x, start, depth, splat(-_INFINITY), factor)))


@forced
def _short_row(x: f32p, y: f32p, start: i64, depth: i64, shift: tuple[Vector, Vector]) -> None:
    """The softmax of a row that fits a vector."""
    weights = first_lanes(_weight(load_part(x, start, depth), shift), splat(_ZERO), depth)
    store_part(y, start, weights * splat(_ONE / sum_across(weights)), depth)


@forced
def _long_row(x: f32p, y: f32p, start: i64, depth: i64, shift: tuple[Vector, Vector]) -> None:
    stop, at, total = start + depth, start, splat(_ZERO)
    while at + LANES <= stop:
        weights = _weight(load(x, at), shift)
        store(y, at, weights)
        total = total + weights
        at += LANES
    if at < stop:
        weights = first_lanes(_weight(load_part(x, at, stop - at), shift), splat(_ZERO), stop - at)
        store_part(y, at, weights, stop - at)
        total = total + weights
    _scale_row(y, y, start, depth, splat(_ONE / sum_across(total)))


@inline
def _shifted_row(x: f32p, y: f32p, start: i64, depth: i64, factor: Vector, largest: f32) -> None:
    """The softmax of a row of any numbers; `largest` is that of factor · x."""
    rarely_called()
    _long_row(x, y, start, depth, (factor, splat(largest)))


@forced
def _scale_row(x: f32p, y: f32p, start: i64, depth: i64, factor: Vector) -> None:
    stop, at = start + depth, start
    while at + LANES <= stop:
        store(y, at, load(x, at) * factor)
        at += LANES
    if at < stop:
        store_part(y, at, load_part(x, at, stop - at) * factor, stop - at)


@kernel
def softmax_f32(x: f32p, y: f32p, rows: i64, depth: i64, beta: f32, thread: i64, threads: i64) -> None:
    """Rows whose exponentials are in range as they are do not wait for their largest element."""
    first, last = span(rows, thread, threads)
    factor, none = splat(beta), splat(_ZERO)
    for row in range(first, last):
        start = row * depth
        if depth <= LANES:
            scaled = first_lanes(load_part(x, start, depth) * factor, splat(-_INFINITY), depth)
            largest = _largest_across(scaled)
            if _ZERO <= largest < _MOST:
                _short_row(x, y, start, depth, (factor, none))
            else:
                _shifted_row(x, y, start, depth, factor, largest)
        else:
            largest = _largest_across(_largest(x, start, depth, splat(-_INFINITY), factor))
            if _ZERO <= largest < _MOST:
                _long_row(x, y, start, depth, (factor, none))
            else:
                _shifted_row(x, y, start, depth, factor, largest)


@kernel
def log_softmax_f32(x: f32p, y: f32p, rows: i64, depth: i64, thread: i64, threads: i64) -> None:
    first, last = span(rows, thread, threads)
    for row in range(first, last):
        at, stop = row * depth, (row + 1) * depth
        shift = _shift(x, at, depth, splat(_ONE))
        total = sum_across(_weights(x, at, depth, splat(_ZERO), shift))
        largest, logarithm = shift[1], log(splat(total * _LOWERED))
        while at + LANES <= stop:
            store(y, at, load(x, at) - largest - logarithm)
            at += LANES
        if at < stop:
            store_part(y, at, load_part(x, at, stop - at) - largest - logarithm, stop - at)


@kernel
def l2_normalization_f32(x: f32p, y: f32p, rows: i64, depth: i64, thread: i64, threads: i64) -> None:
    first, last = span(rows, thread, threads)
    for row in range(first, last):
        squares = sum_across(_squares(x, row * depth, depth, splat(_ZERO), splat(_ZERO)))
        _scale_row(x, y, row * depth, depth, inverse_root(maximum(splat(_SMALLEST_NORM * _SMALLEST_NORM), splat(squares))))
