"""Observers: the range of a tensor from the values it takes on calibration samples. Deterministic, and bounded in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from math import frexp
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from jitlite.quantization.recipe import Recipe

FloatArray = NDArray[np.floating]

LARGEST_REAL = 1e15
"""Larger magnitudes stand for infinity, as in the masks of attention layers; no scale serves them and ordinary numbers."""


@dataclass(frozen=True, slots=True)
class Range:
    """The smallest and the largest real value a tensor is expected to take.

    `is_finite` is False when a value was seen that is not a number or beyond LARGEST_REAL; such values do not count in the bounds.
    `shape` is that of the values seen last, where a calibration run gave them.
    """

    low: float
    high: float
    is_finite: bool = True
    shape: tuple[int, ...] | None = None

    def union(self, other: "Range") -> "Range":
        """The range that covers both; it has no shape."""
        return Range(min(self.low, other.low), max(self.high, other.high), self.is_finite and other.is_finite)


class Observer(Protocol):
    """Sees the values of one tensor, sample by sample; `range` is (0, 0) before the first value."""

    def update(self, values: FloatArray) -> None: ...

    def range(self) -> Range: ...


class MinMaxObserver:
    """The extremes of everything seen."""

    def __init__(self) -> None:
        self._low = float("inf")
        self._high = -float("inf")
        self._is_finite = True

    def update(self, values: FloatArray) -> None:
        finite, is_finite = _finite(values)
        self._is_finite &= is_finite
        if finite.size:
            self._low = min(self._low, float(finite.min()))
            self._high = max(self._high, float(finite.max()))

    def range(self) -> Range:
        return Range(self._low, self._high, self._is_finite) if self._low <= self._high else Range(0.0, 0.0, self._is_finite)


class MovingAverageObserver:
    """Exponential moving averages of the samples' smallest and largest values: average = momentum · average + (1 - momentum) · value."""

    def __init__(self, momentum: float) -> None:
        self._momentum = momentum
        self._bounds: tuple[float, float] | None = None
        self._is_finite = True

    def update(self, values: FloatArray) -> None:
        finite, is_finite = _finite(values)
        self._is_finite &= is_finite
        if not finite.size:
            return
        low, high = float(finite.min()), float(finite.max())
        if self._bounds is None:
            self._bounds = low, high
        else:
            past, new = self._momentum, 1.0 - self._momentum
            self._bounds = past * self._bounds[0] + new * low, past * self._bounds[1] + new * high

    def range(self) -> Range:
        low, high = self._bounds or (0.0, 0.0)
        return Range(low, high, self._is_finite)


class PercentileObserver:
    """The values at `percentile` and 100 - `percentile` percent of everything seen, to within one bin of a histogram.

    Bins are intervals [k · 2^e, (k + 1) · 2^e) with the smallest e for which at most `bins` of them cover the extremes. A wider e merges
    pairs of bins exactly, so the result does not depend on the order or the grouping of the values.
    """

    _RESOLUTION_BITS = 26
    _SMALLEST = -1000

    def __init__(self, percentile: float, bins: int = 4096) -> None:
        self._percentile = percentile
        self._bins = bins
        self._extremes = MinMaxObserver()
        self._exponent: int | None = None
        self._first = 0
        self._counts: NDArray[np.int64] = np.zeros(0, np.int64)

    def update(self, values: FloatArray) -> None:
        self._extremes.update(values)
        finite, _ = _finite(values)
        if not finite.size:
            return
        seen = self._extremes.range()
        exponent = self._fitting_exponent(seen)
        self._rebin(exponent, seen)
        places = np.floor(np.ldexp(finite.astype(np.float64).ravel(), -exponent)).astype(np.int64) - self._first
        self._counts += np.bincount(places, minlength=self._counts.size)

    def range(self) -> Range:
        seen = self._extremes.range()
        if not self._counts.size:
            return seen
        low, high = self._value_at(100.0 - self._percentile), self._value_at(self._percentile)
        return Range(min(max(low, seen.low), seen.high), min(max(high, seen.low), seen.high), seen.is_finite)

    def bin_width(self) -> float:
        """The resolution of the result; 0 before the first value."""
        return 0.0 if self._exponent is None else float(np.ldexp(1.0, self._exponent))

    def _fitting_exponent(self, seen: Range) -> int:
        largest = max(abs(seen.low), abs(seen.high))
        exponent = frexp(largest)[1] - self._RESOLUTION_BITS if largest else self._SMALLEST
        if self._exponent is not None:
            exponent = max(exponent, self._exponent)
        while _bin(seen.high, exponent) - _bin(seen.low, exponent) >= self._bins:
            exponent += 1
        return exponent

    def _rebin(self, exponent: int, seen: Range) -> None:
        """Moves the counts to bins of width 2^exponent that cover everything seen."""
        first, last = _bin(seen.low, exponent), _bin(seen.high, exponent)
        counts = np.zeros(last - first + 1, np.int64)
        if self._exponent is not None:
            old = np.arange(self._first, self._first + self._counts.size, dtype=np.int64)
            np.add.at(counts, (old >> min(exponent - self._exponent, 63)) - first, self._counts)
        self._exponent, self._first, self._counts = exponent, first, counts

    def _value_at(self, percent: float) -> float:
        """Where the share of smaller values reaches `percent`, as if the values lay evenly within their bin."""
        cumulated = np.cumsum(self._counts)
        rank = percent / 100.0 * (int(cumulated[-1]) - 1)
        place = int(np.searchsorted(cumulated, rank, side="right"))
        before = int(cumulated[place - 1]) if place else 0
        inside = (rank - before + 0.5) / int(self._counts[place])
        return (self._first + place + min(max(inside, 0.0), 1.0)) * self.bin_width()


def observer_factory(recipe: Recipe) -> Callable[[], Observer]:
    """Makes the observers a recipe asks for."""
    if recipe.observer == "moving_average":
        return lambda: MovingAverageObserver(recipe.momentum)
    if recipe.observer == "percentile":
        return lambda: PercentileObserver(recipe.percentile)
    return MinMaxObserver


def _bin(value: float, exponent: int) -> int:
    return int(np.floor(np.ldexp(value, -exponent)))


def is_real_number(values: FloatArray) -> NDArray[np.bool_]:
    """True for each value that is finite and within ±LARGEST_REAL."""
    return np.asarray(np.abs(values) <= LARGEST_REAL)


def _finite(values: FloatArray) -> tuple[FloatArray, bool]:
    mask = is_real_number(values)
    return (values, True) if mask.all() else (values[mask], False)
