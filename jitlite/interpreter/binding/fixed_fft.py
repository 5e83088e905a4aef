"""Fourier transforms of real numbers in fixed point, with KISS FFT's rounding: 16-bit numbers with 15 fractional bits, 32-bit ones with 31.

A transform of n real numbers is a complex one of n / 2, which each stage divides by its radix, and one pass that takes it apart.
Numbers wrap where the reference's do: when they are stored. Complex arrays have a first axis of two: real and imaginary parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


def factors(count: int) -> list[int]:
    """The radices of a transform's stages, fours first; the last one may be a number without a stage of its own."""
    found = []
    for radix in (4, 2, 3, 5):
        while count % radix == 0:
            found.append(radix)
            count //= radix
    return found + ([count] if count > 1 else [])


def has_stages(length: int) -> bool:
    """True for the lengths of real transforms that there are: even ones of at least 4 without prime factors but 2, 3 and 5."""
    return length >= 4 and length % 2 == 0 and max(factors(length // 2)) <= 5


def _crossed(x: Numbers) -> Numbers:
    """The numbers times the imaginary unit."""
    return np.stack([-x[1], x[0]])


class FixedFft:
    """A transform of `length` real numbers of `dtype`, int16 or int32."""

    def __init__(self, length: int, dtype: Any, inverse: bool) -> None:
        self._dtype, self._count, self._inverse = np.dtype(dtype), length // 2, inverse
        self._bits = 8 * self._dtype.itemsize - 1
        self._most = (1 << self._bits) - 1
        sign = 1.0 if inverse else -1.0
        self._twiddles = self._exponentials([sign * 2 * math.pi * i / self._count for i in range(self._count)])
        self._halves = self._exponentials([sign * math.pi * ((i + 1) / self._count + 0.5) for i in range(self._count // 2)])
        self._radices = factors(self._count)
        self._order = self._places(0)

    def _exponentials(self, phases: list[float]) -> Numbers:
        parts: tuple[Callable[[float], float], ...] = (math.cos, math.sin)
        return np.array([[math.floor(0.5 + self._most * part(phase)) for phase in phases] for part in parts], np.int64)

    def _places(self, stage: int) -> Numbers:
        """Where the stages want each element of the input."""
        if stage == len(self._radices):
            return np.zeros(1, np.int64)
        inner, radix = self._places(stage + 1), self._radices[stage]
        return (np.arange(radix)[:, None] + radix * inner[None, :]).reshape(-1)

    def _wrapped(self, x: Numbers) -> Numbers:
        return x.astype(self._dtype).astype(np.int64)

    def _rounded(self, product: Numbers) -> Numbers:
        """A product as a number again. Sums of 16-bit products wrap at 32 bits, as those of 32-bit ones do at 64."""
        total = product + (1 << (self._bits - 1))
        if self._bits == 15:
            total = total.astype(np.int32).astype(np.int64)
        return self._wrapped(total >> self._bits)

    def _divided(self, x: Numbers, divisor: int) -> Numbers:
        return self._rounded(x * (self._most // divisor))

    def _product(self, a: Numbers, b: Numbers) -> Numbers:
        return self._rounded(np.stack([a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]))

    def _transformed(self, x: Numbers) -> Numbers:
        """The complex transform of rows, an array (2, rows, count)."""
        rows, done = x.shape[1], 1
        x = x[:, :, self._order]
        stages = {2: self._two, 3: self._three, 4: self._four, 5: self._five}
        for radix in reversed(self._radices):
            blocks = self._count // (radix * done)
            parts = self._divided(x.reshape(2, rows, blocks, radix, done), radix)
            legs = [parts[:, :, :, 0]]
            for leg in range(1, radix):
                legs.append(self._product(parts[:, :, :, leg], self._twiddles[:, leg * blocks * np.arange(done)]))
            x = np.stack(stages[radix](legs, blocks * done), axis=3).reshape(2, rows, -1)
            done *= radix
        return x

    def _two(self, legs: list[Numbers], step: int) -> list[Numbers]:
        return [self._wrapped(legs[0] + legs[1]), self._wrapped(legs[0] - legs[1])]

    def _three(self, legs: list[Numbers], step: int) -> list[Numbers]:
        total, apart = self._wrapped(legs[1] + legs[2]), self._wrapped(legs[1] - legs[2])
        middle = self._wrapped(legs[0] - (total >> 1))
        turned = _crossed(self._rounded(apart * self._twiddles[1, step]))
        return [self._wrapped(legs[0] + total), self._wrapped(middle + turned), self._wrapped(middle - turned)]

    def _four(self, legs: list[Numbers], step: int) -> list[Numbers]:
        total, apart = self._wrapped(legs[0] + legs[2]), self._wrapped(legs[0] - legs[2])
        odd, odd_apart = self._wrapped(legs[1] + legs[3]), self._wrapped(legs[1] - legs[3])
        turned = _crossed(odd_apart) if self._inverse else -_crossed(odd_apart)
        return [self._wrapped(x) for x in (total + odd, apart + turned, total - odd, apart - turned)]

    def _five(self, legs: list[Numbers], step: int) -> list[Numbers]:
        outer, outer_apart = self._wrapped(legs[1] + legs[4]), self._wrapped(legs[1] - legs[4])
        inner, inner_apart = self._wrapped(legs[2] + legs[3]), self._wrapped(legs[2] - legs[3])
        (cos_1, cos_2), (sin_1, sin_2) = self._twiddles[:, [step, 2 * step]]
        near = self._wrapped(legs[0] + self._rounded(outer * cos_1) + self._rounded(inner * cos_2))
        far = self._wrapped(legs[0] + self._rounded(outer * cos_2) + self._rounded(inner * cos_1))
        near_apart = self._wrapped(-_crossed(self._rounded(outer_apart * sin_1) + self._rounded(inner_apart * sin_2)))
        far_apart = self._wrapped(_crossed(self._rounded(outer_apart * sin_2) - self._rounded(inner_apart * sin_1)))
        sums = legs[0] + outer + inner, near - near_apart, far + far_apart, far - far_apart, near + near_apart
        return [self._wrapped(x) for x in sums]

    def forward(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Rows of `length` numbers to rows of length / 2 + 1 complex ones, real and imaginary parts in turn."""
        count, wide = self._count, rows.astype(np.int64)
        z = self._transformed(np.stack([wide[:, 0::2], wide[:, 1::2]]))
        found = np.zeros((2, len(rows), count + 1), np.int64)
        real, imaginary = self._divided(z[:, :, 0], 2)
        found[0, :, 0], found[0, :, count] = real + imaginary, real - imaginary
        k = np.arange(1, count // 2 + 1)
        front, back = self._divided(z[:, :, k], 2), self._divided(self._conjugate(z[:, :, count - k]), 2)
        total = self._wrapped(front + back)
        turned = self._product(self._wrapped(front - back), self._halves[:, None, :])
        found[:, :, k] = self._half(total + turned)
        apart = total - turned
        found[:, :, count - k] = self._half(np.stack([apart[0], -apart[1]]))
        return np.moveaxis(found, 0, 2).reshape(len(rows), -1).astype(self._dtype)

    def _conjugate(self, x: Numbers) -> Numbers:
        return np.stack([x[0], self._wrapped(-x[1])])

    def _half(self, x: Numbers) -> Numbers:
        """Sums of 16-bit numbers have 32 bits before they are halved; those of 32-bit numbers wrap."""
        return (x if self._bits == 15 else self._wrapped(x)) >> 1

    def backward(self, rows: NDArray[Any]) -> NDArray[Any]:
        """What `forward` makes of rows, back, divided by `length`."""
        count = self._count
        pairs = np.moveaxis(rows.reshape(len(rows), count + 1, 2).astype(np.int64), 2, 0)
        z = np.zeros((2, len(rows), count), np.int64)
        ends = pairs[0, :, 0], pairs[0, :, count]
        z[:, :, 0] = self._divided(self._wrapped(np.stack([ends[0] + ends[1], ends[0] - ends[1]])), 2)
        k = np.arange(1, count // 2 + 1)
        front, back = self._divided(pairs[:, :, k], 2), self._divided(self._conjugate(pairs[:, :, count - k]), 2)
        even, odd = self._wrapped(front + back), self._product(self._wrapped(front - back), self._halves[:, None, :])
        z[:, :, k] = self._wrapped(even + odd)
        z[:, :, count - k] = self._conjugate(self._wrapped(even - odd))
        return np.moveaxis(self._transformed(z), 0, 2).reshape(len(rows), -1).astype(self._dtype)
