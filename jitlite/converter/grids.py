"""Affine grids: which real number each stored whole number stands for, real = scale · (number - zero point)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.schemas.tables import QuantizationParameters

Array = NDArray[Any]

BOUNDS = {"int4": (-8, 7), "uint4": (0, 15), "int8": (-128, 127), "uint8": (0, 255), "int16": (-(2**15), 2**15 - 1)}

CLOSE = 1e-3
"""How far a number may lie from the grid, in steps, and count as one of its numbers."""


@dataclass(frozen=True, slots=True)
class Grid:
    """One scale and zero point for all numbers, or one each along `axis`, for whole numbers of type `dtype`."""

    dtype: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int = 0

    @property
    def is_per_tensor(self) -> bool:
        return len(self.scales) == 1

    @property
    def is_symmetric(self) -> bool:
        return not any(self.zero_points)

    @property
    def bounds(self) -> tuple[int, int]:
        """The smallest and the largest number."""
        return BOUNDS[self.dtype]

    def table(self) -> QuantizationParameters:
        """What a tensor of the file carries."""
        return QuantizationParameters(scale=list(self.scales), zero_point=list(self.zero_points), quantized_dimension=self.axis)

    def signed(self) -> "Grid":
        """The same real numbers, held as int8 where the type has 8 bits or fewer: those of uint8 less 128, those of uint4 less 8."""
        if self.dtype == "uint8":
            return replace(self, dtype="int8", zero_points=tuple(zero_point - 128 for zero_point in self.zero_points))
        if self.dtype == "uint4":
            return replace(self, dtype="int8", zero_points=tuple(zero_point - 8 for zero_point in self.zero_points))
        return replace(self, dtype="int8") if self.dtype == "int4" else self

    def unsigned(self) -> "Grid":
        """The inverse of `signed`: uint8 in place of int8."""
        if self.dtype == "int8":
            return replace(self, dtype="uint8", zero_points=tuple(zero_point + 128 for zero_point in self.zero_points))
        return self

    def transposed(self, permutation: Sequence[int]) -> "Grid":
        """The grid after axis permutation[i] has become axis i."""
        return self if self.is_per_tensor else replace(self, axis=tuple(permutation).index(self.axis))

    def reshaped(self, before: Sequence[int], after: Sequence[int]) -> "Grid | None":
        """The grid of the numbers in another shape; None where its axis does not survive."""
        if self.is_per_tensor:
            return self
        for axis, dim in enumerate(after):
            if dim == before[self.axis] and prod(after[:axis]) == prod(before[: self.axis]):
                return replace(self, axis=axis)
        return None

    def picked(self, positions: Array, axis: int) -> "Grid | None":
        """The grid of the numbers at these positions along an axis."""
        if self.is_per_tensor or axis != self.axis:
            return self
        return replace(self, scales=tuple(self.scales[at] for at in positions), zero_points=tuple(self.zero_points[at] for at in positions))

    def scaled(self, factors: Array, axis: int) -> "Grid | None":
        """The grid of the numbers multiplied by one factor each along an axis; None where that takes more scales.

        Numbers under a factor below zero are those on the other side of the zero point, of which a signed type lacks one.
        """
        if not np.all(np.isfinite(factors)) or (not self.is_per_tensor and self.axis != axis):
            return None
        count, (low, high) = len(factors), self.bounds
        sizes = np.where(factors == 0, 1, np.abs(factors)).astype(np.float32)
        scales = np.broadcast_to(np.array(self.scales, np.float32), count) * sizes
        if not np.all((scales > 0) & np.isfinite(scales)):
            return None
        kept = np.broadcast_to(np.array(self.zero_points), count)
        zero_points = np.where(factors < 0, (0 if low < 0 else high) - kept, kept)
        return replace(self, scales=tuple(scales.tolist()), zero_points=tuple(zero_points.tolist()), axis=axis)

    def quantized(self, reals: Array) -> Array:
        """The numbers nearest to these real ones, as QuantizeLinear finds them in float32."""
        zero_points = self._along(reals, np.array(self.zero_points))
        steps = np.round(np.asarray(reals, np.float32) / self._along(reals, np.array(self.scales, np.float32)))
        return np.asarray(np.clip(steps.astype(np.float64) + zero_points, *self.bounds), self.dtype)

    def contains(self, reals: Array) -> bool:
        """True when each of these real numbers is one of the grid's."""
        scales, zero_points = self._along(reals, np.array(self.scales)), self._along(reals, np.array(self.zero_points))
        back = (self.quantized(reals).astype(np.float64) - zero_points) * scales
        return bool(np.all(np.abs(back - reals) <= CLOSE * scales))

    def _along(self, reals: Array, entries: Array) -> Array:
        shape = [1] * reals.ndim
        if not self.is_per_tensor:
            shape[self.axis] = -1
        return entries.reshape(shape)


def grid_of(scale: Array, zero_point: Array | None, dtype: np.dtype[Any], axis: int, shape: Sequence[int]) -> Grid | None:
    """The grid of an ONNX scale and zero point for numbers of this type and shape; None where .tflite has none like it."""
    numbers = np.asarray(scale, np.float32)
    zeros = np.zeros(numbers.size, np.int64) if zero_point is None else np.asarray(zero_point).reshape(-1).astype(np.int64)
    if dtype.name not in BOUNDS or not np.all((numbers > 0) & np.isfinite(numbers)) or zeros.size != numbers.size:
        return None
    if numbers.size == 1:
        return Grid(dtype.name, (float(numbers.reshape(-1)[0]),), (int(zeros[0]),))
    if numbers.ndim != 1 or not -len(shape) <= axis < len(shape) or shape[axis] != numbers.size:
        return None
    return Grid(dtype.name, tuple(numbers.tolist()), tuple(zeros.tolist()), axis % len(shape))


def moved(grid: Grid | None, move: Callable[[Grid], Grid | None]) -> Grid | None:
    """`move` of a grid where there is one."""
    return None if grid is None else move(grid)
