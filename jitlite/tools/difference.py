"""How far the values of one tensor are from those of another: the numbers every comparison reports."""

from dataclasses import asdict, dataclass
from math import inf, log10, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """The distance of `elements` values from their reference.

    `max_abs` is the largest absolute difference, `scale` the reference's largest absolute value, `relative` their quotient (`max_abs`
    itself where the reference is zero). `sqnr_db` is the power of the reference over the power of the difference in decibels, infinite
    where nothing differs. `cosine` is the cosine of the angle between the two; `agreement` the share of samples with the same largest
    class (outputs that look like class scores) or, for integers and booleans, of equal values. `unequal_specials` counts places where one
    of the two is infinite or not a number and the other is not the same; such places make `relative` infinite.
    """

    elements: int
    max_abs: float
    scale: float
    relative: float
    sqnr_db: float
    cosine: float
    agreement: float | None
    unequal_specials: int
    is_real: bool

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


CHUNK = 1 << 15
"""Values compared at a time: what stays in a processor's cache."""


def _wide(array: Array) -> Array:
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


class DifferenceMeter:
    """Gathers a `Difference` over samples."""

    def __init__(self) -> None:
        self._elements = self._compared = self._specials = 0
        self._max_abs = self._scale = 0.0
        self._signal = self._noise = self._other = self._product = 0.0
        self._hits = self._votes = 0
        self._is_real = True

    def update(self, reference: Array, other: Array) -> None:
        """Adds a sample: two arrays of one shape. Text differs by 1 or not at all."""
        assert reference.shape == other.shape, f"arrays of one shape are compared, found {reference.shape} and {other.shape}"
        self._is_real = reference.dtype.kind in "fc"
        self._vote(reference, other)
        if reference.dtype == np.object_:
            reference, other = (reference != other).astype(np.float64), np.zeros(reference.shape)
        a, b = reference.reshape(-1), other.reshape(-1)
        for start in range(0, a.size, CHUNK):
            self._add(*(_wide(array[start : start + CHUNK]) for array in (a, b)))

    def _add(self, a: Array, b: Array) -> None:
        finite = np.isfinite(a) & np.isfinite(b)
        same = finite | (a == b) | (np.isnan(a) & np.isnan(b))
        self._elements += a.size
        self._compared += int(finite.sum())
        self._specials += int(a.size - same.sum())
        if not finite.all():
            a, b = a[finite], b[finite]
        if not a.size:
            return
        gap, size, other_size = np.abs(a - b), np.abs(a), np.abs(b)
        self._max_abs = max(self._max_abs, float(gap.max()))
        self._scale = max(self._scale, float(size.max()))
        self._signal += float((size * size).sum())
        self._other += float((other_size * other_size).sum())
        self._noise += float((gap * gap).sum())
        self._product += float((np.conj(a) * b).real.sum())

    def _vote(self, reference: Array, other: Array) -> None:
        if reference.dtype.kind in "iubO":
            self._hits += int((reference == other).sum())
            self._votes += reference.size
        elif reference.dtype.kind == "f" and reference.ndim == 2 and reference.shape[1] > 1:
            self._hits += int((np.argmax(reference, 1) == np.argmax(other, 1)).sum())
            self._votes += reference.shape[0]

    def result(self) -> Difference:
        relative = self._max_abs / self._scale if self._scale else self._max_abs
        norm = sqrt(self._signal) * sqrt(self._other)
        sqnr = inf if not self._noise else 10 * log10(self._signal / self._noise) if self._signal else -inf
        return Difference(
            elements=self._elements,
            max_abs=self._max_abs,
            scale=self._scale,
            relative=inf if self._specials else relative,
            sqnr_db=-inf if self._specials else sqnr,
            cosine=self._product / norm if norm else float(self._signal == self._other),
            agreement=self._hits / self._votes if self._votes else None,
            unequal_specials=self._specials,
            is_real=self._is_real,
        )

    @property
    def compared(self) -> int:
        """The values compared so far: those that are finite on both sides."""
        return self._compared
