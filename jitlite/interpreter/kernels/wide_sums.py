"""Sums of products of 16-bit activations with 8- or 16-bit weights, and how they become 16-bit outputs, as in the reference kernels."""

from typing import Any

from jitlite.interpreter.kernels.abi import f64, i16p, i32, i64, inline
from jitlite.interpreter.kernels.requantize import multiply_by_quantized_multiplier, narrow, wide

_CHUNK = 128
"""Products of 16-bit numbers with 8-bit ones less a zero point that fit into 32 bits together."""


@inline
def rescale_wide(x: i64, mantissa: i32, shift: i32) -> Any:
    """The product x · mantissa · 2^(shift - 31) of a 64-bit x: the mantissa is rounded to 15 bits, the result once; shift is at most 14."""
    short = wide(32767) if mantissa >= 0x7FFF0000 else (wide(mantissa) + wide(1 << 15)) >> wide(16)
    places = wide(15 - shift)
    return narrow((wide(x) * short + (wide(1) << (places - wide(1)))) >> places)


@inline
def short_product(x: i16p, x_at: i64, w: Any, w_at: i64, count: i64, zero_point: i32) -> Any:
    """The sum of `count` products of neighbours, in 64 bits; w has 8 bits."""
    total = wide(0)
    for start in range(0, count, _CHUNK):
        part = narrow(0)
        for k in range(start, min(start + _CHUNK, count)):
            part = narrow(part + narrow(x[x_at + k]) * narrow(w[w_at + k] - zero_point))
        total += wide(part)
    return total


@inline
def long_product(x: i16p, x_at: i64, x_step: i64, w: Any, w_at: i64, w_step: i64, count: i64, zero_point: i32) -> Any:
    """The same for operands with any steps from one number to the next, of 8 or 16 bits."""
    total = wide(0)
    for k in range(count):
        total += wide(x[x_at + k * x_step]) * wide(w[w_at + k * w_step] - zero_point)
    return total


@inline
def to_output(total: i64, is_wide: i64, mantissa: i32, shift: i32, low: i32, high: i32) -> Any:
    """A sum as output: rounded as one of 64 bits, or as one that wraps in 32 bits."""
    scaled = rescale_wide(total, mantissa, shift) if is_wide else multiply_by_quantized_multiplier(narrow(total), mantissa, shift)
    return narrow(min(max(scaled, low), high))


@inline
def to_nearest(real: f64, low: i32, high: i32) -> Any:
    """The nearest integer within [low, high], halves away from zero."""
    bounded = min(max(real, float(low)), float(high))
    whole = wide(bounded)
    rest = bounded - whole
    return narrow(whole + wide(rest >= 0.5) - wide(rest <= -0.5))
