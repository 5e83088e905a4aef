"""Element-by-element arithmetic on int8 with scales, in the reference's fixed point.

Settings are int64 blocks: zero points, then multipliers as (mantissa, shift), then the output's zero point and clamp.
"""

from typing import Any

from jitlite.interpreter.kernels.abi import i8p, i64, i64p, inline, kernel, span
from jitlite.interpreter.kernels.broadcast import binary
from jitlite.interpreter.kernels.fixed_point import inverse_square_root
from jitlite.interpreter.kernels.requantize import multiply_by_quantized_multiplier, narrow, requantize

_FAMILY = __name__
_UNIT_BITS = 20
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
