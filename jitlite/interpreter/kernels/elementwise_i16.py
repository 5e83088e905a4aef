"""Element-by-element arithmetic on int16, with scales as the reference rounds it (`…_qs16`) and on plain integers (`…_i16`)."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import i8p, i16p, i64p, inline, u8p
from jitlite.interpreter.kernels.broadcast import binary
from jitlite.interpreter.kernels.elementwise_int import arithmetic, floor_div, floor_mod, maximum, minimum
from jitlite.interpreter.kernels.fixed_point import leading_zeros, product, reciprocal, rounding_divide
from jitlite.interpreter.kernels.requantize import multiply_by_quantized_multiplier, narrow, requantize, wide

_FAMILY = __name__
_QUANTIZED = (i16p, i16p, i16p, i64p)


@inline
def _sum_settings(settings: i64p) -> Any:
    """Settings [left shift, multiplier of a, the same of b, sign of b, multiplier of the sum, low, high]."""
    a_side, b_side = (narrow(settings[1]), narrow(settings[2])), (narrow(settings[3]), narrow(settings[4]))
    output = narrow(settings[6]), narrow(settings[7]), narrow(settings[8]), narrow(settings[9])
    return wide(settings[0]), a_side, b_side, wide(settings[5]), output


@inline
def _sum(a: Any, b: Any, settings: Any) -> Any:
    shift, a_side, b_side, sign, (mantissa, output_shift, low, high) = settings
    scaled_a = multiply_by_quantized_multiplier(narrow(wide(a) << shift), a_side[0], a_side[1])
    scaled_b = multiply_by_quantized_multiplier(narrow(wide(b) << shift), b_side[0], b_side[1])
    return requantize(narrow(scaled_a + sign * scaled_b), mantissa, output_shift, narrow(0), low, high)


binary(_FAMILY, "sum_qs16", _QUANTIZED, _sum, _sum_settings)


@inline
def _shifted_settings(settings: i64p) -> Any:
    """Settings [right shift of a, the same of b, sign of b, low, high]."""
    return settings[0], settings[1], settings[2], settings[3], settings[4]


@inline
def _shifted_sum(a: Any, b: Any, settings: Any) -> Any:
    a_shift, b_shift, sign, low, high = settings
    return min(max(rounding_divide(a, a_shift) + sign * rounding_divide(b, b_shift), low), high)


binary(_FAMILY, "shifted_sum_qs16", _QUANTIZED, _shifted_sum, _shifted_settings)


@inline
def _product_settings(settings: i64p) -> Any:
    """Settings [multiplier, low, high]."""
    return narrow(settings[0]), narrow(settings[1]), narrow(settings[2]), narrow(settings[3])


@inline
def _product(a: Any, b: Any, settings: Any) -> Any:
    mantissa, shift, low, high = settings
    return requantize(narrow(wide(a) * wide(b)), mantissa, shift, narrow(0), low, high)


binary(_FAMILY, "product_qs16", _QUANTIZED, _product, _product_settings)


@inline
def _prelu_settings(settings: i64p) -> Any:
    """Settings [zero point of alpha, multiplier of x ≥ 0, multiplier of x · alpha, low, high]."""
    rising, falling = (narrow(settings[1]), narrow(settings[2])), (narrow(settings[3]), narrow(settings[4]))
    return wide(settings[0]), rising, falling, narrow(settings[5]), narrow(settings[6])


@inline
def _prelu(x: Any, alpha: Any, settings: Any) -> Any:
    zero_point, rising, falling, low, high = settings
    if x >= 0:
        return requantize(narrow(x), rising[0], rising[1], narrow(0), low, high)
    return requantize(narrow(wide(x) * (wide(alpha) - zero_point)), falling[0], falling[1], narrow(0), low, high)


binary(_FAMILY, "prelu_qs16", (i16p, i8p, i16p, i64p), _prelu, _prelu_settings)


@inline
def _equal_settings(settings: i64p) -> Any:
    """Settings [left shift, multiplier of a, the same of b, whether the result is negated]."""
    a_side, b_side = (narrow(settings[1]), narrow(settings[2])), (narrow(settings[3]), narrow(settings[4]))
    return wide(settings[0]), a_side, b_side, settings[5]


@inline
def _equal(a: Any, b: Any, settings: Any) -> Any:
    shift, a_side, b_side, negate = settings
    scaled_a = multiply_by_quantized_multiplier(narrow(wide(a) << shift), a_side[0], a_side[1])
    scaled_b = multiply_by_quantized_multiplier(narrow(wide(b) << shift), b_side[0], b_side[1])
    return wide(scaled_a == scaled_b) ^ negate


binary(_FAMILY, "equal_qs16", (i16p, i16p, u8p, i64p), _equal, _equal_settings)


@inline
def _wrapping_divide(x: int, exponent: int) -> Any:
    """`rounding_divide` with exponents outside [0, 31] as 32-bit processors compute it, which is what the reference comes to."""
    mask = wide(narrow((wide(1) << (wide(exponent) & 63)) - wide(1)))
    return wide(narrow((wide(x) >> (wide(exponent) & 31)) + wide((wide(x) & mask) > (mask >> 1) + wide(x < 0))))


@inline
def _quotient(a: Any, b: Any, settings: Any) -> Any:
    """A fixed-point reciprocal of the divisor times the dividend shifted left as far as it goes."""
    mantissa, shift, low, high = settings
    dividend = -wide(a) if b < 0 else wide(a)
    inverse, exponent = reciprocal(-wide(b) if b < 0 else wide(b), 31)
    bits = -dividend - 1 if dividend < 0 else dividend
    headroom = leading_zeros(bits) - 1 if bits > 0 else wide(31)
    found = product(product(dividend << headroom, inverse), mantissa)
    return min(max(_wrapping_divide(found, exponent + headroom - shift), low), high)


binary(_FAMILY, "quotient_qs16", _QUANTIZED, _quotient, _product_settings)


@inline
def _floor_div(a: Any, b: Any, settings: tuple[()]) -> Any:
    return min(floor_div(a, b, settings), 32767)


arithmetic(_FAMILY, "i16", i16p, np.int16, ("add", "mul"))
for _name, _operation in {"minimum": minimum, "maximum": maximum, "floor_div": _floor_div, "floor_mod": floor_mod}.items():
    binary(_FAMILY, f"{_name}_i16", _QUANTIZED, _operation)
