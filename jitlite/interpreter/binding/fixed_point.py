"""Functions of 32-bit fixed-point numbers for tables made when an operator is bound; `kernels.fixed_point` has those of the kernels.

Numbers are Python integers or, where typed so, int64 arrays. Qm.n stands for m integer and n = 31 - m fractional bits.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Integers = TypeVar("Integers", int, NDArray[np.int64])

_MAX, _MIN = 2**31 - 1, -(2**31)
_EXP_OF_POWERS = ((-2, 1672461947), (-1, 1302514674), (0, 790015084), (1, 290630308), (2, 39332535), (3, 720401), (4, 242))
"""The values exp(-2^p) in Q0.31, by p."""


def product(a: Integers, b: Integers | int) -> Integers:
    """The rounded high half of 2ab; integer bits add up."""
    return (a * b + (1 << 30)) >> 31


def shifted_left(x: int, exponent: int) -> int:
    """The product x · 2^exponent, saturated to 32 bits."""
    return min(max(x << exponent, _MIN), _MAX)


def rounding_divide(x: Integers, exponent: Integers | int) -> Integers:
    """The quotient x / 2^exponent to nearest, halves away from zero."""
    mask = (1 << exponent) - 1
    return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0))


def wrapping_divide(x: NDArray[np.int64], exponent: NDArray[np.int64]) -> NDArray[np.int64]:
    """`rounding_divide` with exponents outside [0, 31] as 32-bit processors compute it, which is what DIV's reference comes to."""
    mask = ((np.int64(1) << (exponent & 63)) - 1).astype(np.int32).astype(np.int64)
    found = (x >> (exponent & 31)) + ((x & mask) > (mask >> 1) + (x < 0))
    return found.astype(np.int32).astype(np.int64)


def exp_of_negative(x: int) -> int:
    """exp(x) in Q0.31 for x ≤ 0 in Q5.26.

    x is split into multiples of 1/4, whose powers come from a table of exp(-2^p), and a rest in [-1/4, 0), for which exp is a polynomial
    around -1/8.
    """
    if x == 0:
        return _MAX
    quarter = 1 << 24
    rest = (x & (quarter - 1)) - quarter
    t = shifted_left(rest, 5) + (1 << 28)
    square = product(t, t)
    cube, fourth = product(square, t), product(square, square)
    tail = rounding_divide(product(rounding_divide(fourth, 2) + cube, 715827883) + square, 1)
    result = 1895147668 + product(1895147668, t + tail)
    for power, factor in _EXP_OF_POWERS:
        if (rest - x) & (1 << (26 + power)):
            result = product(result, factor)
    return result


def reciprocal(x: int) -> tuple[int, int]:
    """(mantissa in Q0.31, e) with 1 / x ≈ mantissa · 2^-e for a positive integer: three Newton steps from a linear guess, in Q2.29."""
    zeros = 32 - x.bit_length()
    half_denominator = ((x << zeros) - (1 << 31) + _MAX + 1) >> 1
    guess = 1515870810 + product(half_denominator, -1010580540)
    for _ in range(3):
        guess += shifted_left(product(guess, (1 << 29) - product(half_denominator, guess)), 2)
    return shifted_left(guess, 1), 31 - zeros
