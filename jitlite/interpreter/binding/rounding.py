"""How the kernels round sums of each output channel, decided while planning: by a certified float line, or exactly in integers.

`jitlite.interpreter.kernels.certify` says what is certified and how.
"""

from math import prod

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.panels import by_panel
from jitlite.interpreter.codegen.immediate import call_kernel
from jitlite.schemas.record import Record

_STEPS = 256
"""Room for thresholds; `jitlite.interpreter.kernels.certify` has the same number."""

Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]


class Line(Record):
    """Certified float lines of output channels: float32 `scales`, `slopes`, `offsets`; `is_certified` is False where there is none."""

    scales: NDArray[np.float32]
    slopes: NDArray[np.float32]
    offsets: NDArray[np.float32]
    is_certified: NDArray[np.bool_]

    def words(self) -> tuple[Int32s, Int32s, Int32s]:
        """The bits of scales, slopes and offsets."""
        return self.scales.view(np.int32), self.slopes.view(np.int32), self.offsets.view(np.int32)

    def by_panel(self, groups: int = 1) -> Int32s:
        """For each of groups · panels 1 when all its channels are certified, else 0."""
        missing = by_panel((~self.is_certified).astype(np.int32), groups)
        return np.ascontiguousarray(1 - missing.max(axis=-1))


def sum_ranges(weights: NDArray[np.int8], axis: int, biases: NDArray[np.integer], low: int, high: int, zero_point: int = 0) -> Int64s:
    """The least and greatest sum of each output channel, [channels, 2], of a bias and weights times anything within [low, high].

    `zero_point` is subtracted from the weights. Sums of int32 wrap, so the range is all of int32 where it could be left.
    """
    assert weights.dtype == np.int8, weights.dtype
    positive, negative = np.empty((2, weights.shape[axis]), np.int64)
    call_kernel(
        "certify",
        "signed_sums",
        weights=np.ascontiguousarray(weights),
        zero_point=zero_point,
        positive=positive,
        negative=negative,
        outer=prod(weights.shape[:axis]),
        channels=weights.shape[axis],
        inner=prod(weights.shape[axis + 1 :]),
    )
    bias = biases.astype(np.int64)
    found = np.stack([bias + positive * low + negative * high, bias + positive * high + negative * low], axis=1)
    fits = (np.abs(found).max(axis=1) < 2**31) & (np.abs(found - bias[:, None]).max(axis=1) < 2**31)
    return np.where(fits[:, None], found, _all_sums(len(bias)))


def _all_sums(channels: int) -> Int64s:
    return np.tile(np.array([-(2**31), 2**31 - 1], np.int64), (channels, 1))


def _certify(kernel: str, channels: int, limits: Int32s, ranges: Int64s | None, **multipliers: NDArray[np.generic]) -> Line:
    scales, slopes, offsets = np.zeros((3, channels), np.float32)
    certified = np.zeros(channels, np.int32)
    if int(limits[2]) - int(limits[1]) < _STEPS:
        call_kernel(
            "certify",
            kernel,
            ranges=np.ascontiguousarray(_all_sums(channels) if ranges is None else ranges),
            limits=limits,
            scales=scales,
            slopes=slopes,
            offsets=offsets,
            certified=certified,
            points=np.zeros(4 * _STEPS, np.int32),
            bounds=np.zeros(3 * _STEPS),
            count=channels,
            **{name: np.ascontiguousarray(values) for name, values in multipliers.items()},
        )
    return Line(scales, slopes, offsets, certified.astype(np.bool_))


def certify_quantized(mantissas: Int32s, shifts: Int32s, limits: Int32s, ranges: Int64s | None = None) -> Line:
    """Lines for `multiply_by_quantized_multiplier`, added to a zero point and clamped.

    `limits` holds zero point, lowest and highest output, as `panels.limits` gives them; `ranges` what sums with their bias can be, as
    `sum_ranges` gives it: all of int32 if None. A narrower range certifies more channels, and is needed for multipliers of 1 and more.
    """
    return _certify("certify_quantized", len(mantissas), limits, ranges, mantissas=mantissas, shifts=shifts)


def certify_real(multipliers: NDArray[np.float64], limits: Int32s, ranges: Int64s | None = None) -> Line:
    """Lines for sums times a float64, rounded to nearest with halves away from zero: FULLY_CONNECTED's rule."""
    return _certify("certify_real", len(multipliers), limits, ranges, multipliers=multipliers)
