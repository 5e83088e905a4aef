"""Element-by-element arithmetic on int8 with scales, in the reference's fixed point.

Settings are int64 blocks: zero points, then multipliers as (mantissa, shift), then the output's zero point and clamp.
"""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f64p, i8p, i64, i64p, inline, kernel, span
from jitlite.interpreter.kernels.broadcast import binary
from jitlite.interpreter.kernels.fixed_point import inverse_square_root
from jitlite.interpreter.kernels.requantize import multiply_by_quantized_multiplier, narrow, requantize

_FAMILY = __name__
_UNIT_BITS = 20
_HALF, _ZERO = np.float32(0.5), np.float32(0)
_Q8 = (i8p, i8p, i8p, i64p)


@inline
def _sum_settings(settings: i64p) -> Any:
    """Settings [a and b zero point, left shift, a multiplier, b multiplier, multiplier, zero point, low, high, sign of b]."""
    a_side = (settings[0], settings[2], narrow(settings[3]), narrow(settings[4]))
    b_side = (settings[1], settings[2], narrow(settings[5]), narrow(settings[6]))
    output = (narrow(settings[7]), narrow(settings[8]), narrow(settings[9]), narrow(settings[10]), narrow(settings[11]))
    return a_side, b_side, output, settings[12]


@inline
def _scaled(value: Any, side: Any) -> Any:
    zero_point, left_shift, mantissa, shift = side
    return multiply_by_quantized_multiplier(narrow((value - zero_point) << left_shift), mantissa, shift)


@inline
def _sum(a: Any, b: Any, settings: Any) -> Any:
    a_side, b_side, output, sign = settings
    return requantize(narrow(_scaled(a, a_side) + sign * _scaled(b, b_side)), *output)


@inline
def _real_settings(settings: f64p) -> Any:
    """Settings [a and b zero point, a and b factor, zero point, low, high]."""
    return settings[0], settings[1], np.float32(settings[2]), np.float32(settings[3]), settings[4], settings[5], settings[6]


@inline
def _nearest(value: Any) -> Any:
    """The nearest int32, halves away from zero, but for the rounding of the sum with ½; |value| < 2³⁰."""
    return narrow(value + (_HALF if value >= _ZERO else -_HALF))


@inline
def _real_sum(a: Any, b: Any, settings: Any) -> Any:
    """The sum in float32; the binding has checked for every pair of bytes that it rounds as the fixed point does."""
    a_zero_point, b_zero_point, a_factor, b_factor, zero_point, low, high = settings
    total = np.float32(a - narrow(a_zero_point)) * a_factor + np.float32(b - narrow(b_zero_point)) * b_factor
    return min(max(narrow(_nearest(total) + narrow(zero_point)), narrow(low)), narrow(high))


@inline
def _squared_difference(a: Any, b: Any, settings: Any) -> Any:
    a_side, b_side, output, _ = settings
    difference = _scaled(a, a_side) - _scaled(b, b_side)
    return requantize(narrow(difference * difference), *output)


@inline
def _product_settings(settings: i64p) -> Any:
    """Settings [a and b zero point, multiplier, zero point, low, high]."""
    output = (narrow(settings[2]), narrow(settings[3]), narrow(settings[4]), narrow(settings[5]), narrow(settings[6]))
    return settings[0], settings[1], output


@inline
def _product(a: Any, b: Any, settings: Any) -> Any:
    a_zero_point, b_zero_point, output = settings
    return requantize(narrow((a - a_zero_point) * (b - b_zero_point)), *output)


binary(_FAMILY, "sum_q8", _Q8, _sum, _sum_settings)
binary(_FAMILY, "real_sum_q8", (i8p, i8p, i8p, f64p), _real_sum, _real_settings)
binary(_FAMILY, "squared_difference_q8", _Q8, _squared_difference, _sum_settings)
binary(_FAMILY, "product_q8", _Q8, _product, _product_settings)


@kernel
def rsqrt_q8(x: i8p, y: i8p, count: i64, settings: i64p, thread: i64, threads: i64) -> None:
    """Settings [zero point of x, mantissa, shift, zero point of y]; the zero point itself gives the largest result."""
    zero_point, mantissa, shift, y_zero_point = settings[0], settings[1], settings[2], settings[3]
    start, stop = span(count, thread, threads)
    for i in range(start, stop):
        value = x[i] - zero_point
        if value == 0:
            y[i] = 127
            continue
        root, root_shift = inverse_square_root(value)
        unit = multiply_by_quantized_multiplier(1, root, root_shift + _UNIT_BITS)
        y[i] = requantize(unit, mantissa, shift - _UNIT_BITS, y_zero_point, -128, 127)
