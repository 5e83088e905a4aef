"""Functions of 32-bit fixed-point numbers, step for step as the reference kernels compute them.

Qm.n stands for an int32 with m integer and n = 31 - m fractional bits. All values here are int64 that hold int32.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from jitlite.interpreter.kernels.abi import inline
from jitlite.interpreter.kernels.requantize import wide

_MAX, _MIN = (1 << 31) - 1, -(1 << 31)
_HALF_SQRT_2 = 1518500250
_SQRT_HALF_SQRT_2 = 1805811301
_LOG_2 = 1488522236


@inline
def product(a: int, b: int) -> Any:
    """The rounded high half of 2ab; integer bits add up."""
    return (wide(a) * wide(b) + wide(1 << 30)) >> wide(31)


@inline
def shifted_left(x: int, exponent: int) -> Any:
    """The product x · 2^exponent, saturated to 32 bits; exponent in [0, 31]."""
    return min(max(wide(x) << wide(exponent), wide(_MIN)), wide(_MAX))


@inline
def rounding_divide(x: int, exponent: int) -> Any:
    """The quotient x / 2^exponent to nearest, halves away from zero."""
    mask = (wide(1) << wide(exponent)) - wide(1)
    return (wide(x) >> wide(exponent)) + wide((wide(x) & mask) > (mask >> wide(1)) + wide(x < 0))


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def _leading_zeros(typing: Any, x: Any) -> Any:
    """Zero bits above the highest set bit of an int64."""
    if x != types.int64:
        return None
    return types.int64(x), lambda context, builder, signature, values: builder.ctlz(values[0], ir.Constant(ir.IntType(1), 0))


@inline
def leading_zeros(x: int) -> Any:
    """Zero bits above the highest set bit of a non-negative 32-bit number."""
    return _leading_zeros(wide(x)) - 32


@inline
def reciprocal_of_one_plus(x: int) -> Any:
    """1 / (1 + x) in Q0.31 for x in [0, 1) in Q0.31: three Newton steps from a linear guess, in Q2.29."""
    half_denominator = (wide(x) + wide(_MAX) + wide(1)) >> wide(1)
    guess = wide(1515870810) + product(half_denominator, -1010580540)
    for _ in range(3):
        error = wide(1 << 29) - product(half_denominator, guess)
        guess += shifted_left(product(guess, error), 2)
    return shifted_left(guess, 1)


@inline
def reciprocal(x: int, integer_bits: int) -> Any:
    """(mantissa in Q0.31, e) with 1 / x ≈ mantissa · 2^-e, for a positive x with `integer_bits` integer bits."""
    zeros = leading_zeros(x)
    return reciprocal_of_one_plus((wide(x) << wide(zeros)) - wide(1 << 31)), integer_bits - zeros


@inline
def inverse_square_root(x: int) -> Any:
    """(mantissa, shift) with 1 / √x ≈ mantissa · 2^(shift - 31): five Newton steps from 1, in Q3.28; 0 counts as 1."""
    if x <= 1:
        return wide(_MAX), wide(0)
    # The value is moved into [2²⁷, 2²⁹) by two bits at a time; digits are lost on the way down only.
    pairs = (leading_zeros(x) - 3) >> 1
    shift, value = 11 - pairs, wide(x) << 2 * pairs if pairs >= 0 else wide(x) >> -2 * pairs
    half = rounding_divide(value >> wide(1), 1)
    root = wide(1 << 28)
    for _ in range(5):
        cube = shifted_left(product(product(root, root), root), 6)
        root = shifted_left(product((1 << 28) + (1 << 27), root) - product(half, cube), 3)
    mantissa = product(root, _HALF_SQRT_2)
    if shift < 0:
        return mantissa << -shift, wide(0)
    return mantissa, -shift


@inline
def logarithm(x: int) -> Any:
    """log(x) in Q5.26 for x ≥ 1 in Q12.19.

    x = 2^k · r, where k + 1/4 or k - 1/4, whichever keeps r nearest to √√½, is multiplied by log 2 and log r is a rational function of
    r - √√½. Intermediate results have one integer bit more than the result.
    """
    quarter = wide(1 << 29) >> wide(6)
    zeros = leading_zeros(x)
    a = shifted_left(product(shifted_left(x, zeros - 1), _HALF_SQRT_2), 1)
    a_power = shifted_left(12 - zeros, 25) + quarter
    b_headroom = leading_zeros(product(x, _HALF_SQRT_2)) - 1
    b = shifted_left(x, b_headroom)
    b_power = shifted_left(12 - b_headroom, 25) - quarter
    r, power = min(a, b), max(a_power, b_power)
    p = (r + wide(_SQRT_HALF_SQRT_2) + wide(1)) >> wide(1)
    q = (r - wide(_SQRT_HALF_SQRT_2)) * wide(2)
    square = product(q, q)
    numerator = product(q, r) + product(product(q, square), 117049297)
    denominator = product(p, wide(1057819769) + q + product(127690142, square)) + product(638450708, q)
    fraction = product(rounding_divide(numerator, 6), reciprocal_of_one_plus(denominator))
    return shifted_left(product(power, _LOG_2) + fraction, 1)
