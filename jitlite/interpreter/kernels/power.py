"""Powers of float32 vectors within 4 ulp of the true values.

Logarithms to base 2 are sums of two float32, because what their last bit is worth grows with the exponent they are multiplied by.
"""

from math import log
from typing import Any

import numpy as np

from jitlite.interpreter.kernels.intrinsics import rarely_called
from jitlite.interpreter.kernels.reals import exponent, fused, quotient, scale, significand
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import (
    Vector,
    absolute,
    any_of,
    bits_of,
    clamp,
    multiply_add,
    rounded,
    select,
    splat,
)

f32: Any = np.float32
_I32: Any = np.int32

_ZERO, _ONE, _HALF = f32(0), f32(1), f32(0.5)
_INFINITY, _NAN = f32(np.inf), f32(np.nan)
_SLOPE = 2 / log(2)
_SLOPE_HIGH, _SLOPE_LOW = f32(_SLOPE), f32(_SLOPE - float(f32(_SLOPE)))
_L1, _L2, _L3, _L4 = f32(0.33333334), f32(0.19999784), f32(0.14300342), f32(0.11594899)
"""The polynomial of artanh(s) / s - 1 in s², over s²."""
_P1, _P2, _P3 = f32(0.6931472), f32(0.24022648), f32(0.05550332)
_P4, _P5, _P6 = f32(0.009618439), f32(0.0013399003), f32(0.00015353259)
"""The polynomial of 2^r."""
_EXPONENT_MOST, _POWER_MOST = f32(2.0**40), f32(200)
_INFINITY_BITS = _I32(0x7F800000)


@forced
def _binary_logarithm(x: Vector) -> tuple[Vector, Vector]:
    """The pair whose sum is log₂ x for finite x > 0: with x = m · 2^e and s = (m - 1) / (m + 1) it is e + 2 / log 2 · artanh s."""
    m = significand(x)
    e = exponent(x, m)
    above, below = m - splat(_ONE), m + splat(_ONE)
    below_rest = m - (below - splat(_ONE))
    inverse = quotient(splat(_ONE), below)
    s = above * inverse
    s_rest = (fused(-s, below, above) - s * below_rest) * inverse
    z = s * s
    curve = multiply_add(splat(_L4), z, splat(_L3))
    curve = multiply_add(curve, z, splat(_L2))
    curve = multiply_add(curve, z, splat(_L1)) * z
    line = s * splat(_SLOPE_HIGH)
    line_rest = multiply_add(s_rest, splat(_SLOPE_HIGH), multiply_add(s, splat(_SLOPE_LOW), fused(s, splat(_SLOPE_HIGH), -line)))
    high = e + line
    return high, (line - (high - e)) + multiply_add(line, curve, line_rest)


@forced
def _patched(x: Vector, y: Vector, power: Vector) -> Vector:
    """What x^y is, given |x|^|…| where x and y are finite and x is not 0: signs, zeros, infinities and NaN as in IEEE 754."""
    rarely_called()
    size = absolute(x)
    is_whole = rounded(y) == y
    is_odd = select(is_whole, rounded(y * splat(_HALF)), y) != select(is_whole, y * splat(_HALF), y)
    is_extreme = (size == splat(_ZERO)) | (size == splat(_INFINITY)) | (absolute(y) == splat(_INFINITY))
    vanishes = (size < splat(_ONE)) ^ (y < splat(_ZERO))
    found = select(is_extreme, select(vanishes, splat(_ZERO), splat(_INFINITY)), power)
    found = select((size == splat(_ONE)) & (y == y), splat(_ONE), found)
    is_negative = bits_of(x) < splat(_I32(0))
    found = select(is_negative & is_odd, -found, found)
    is_undefined = is_negative & (size < splat(_INFINITY)) & (size > splat(_ZERO)) & (rounded(y) != y)
    found = select(is_undefined | (x != x) | (y != y), splat(_NAN), found)
    return select((y == splat(_ZERO)) | (x == splat(_ONE)), splat(_ONE), found)


@forced
def power(x: Vector, y: Vector) -> Vector:
    """The value x^y = 2^(y · log₂ x)."""
    high, low = _binary_logarithm(absolute(x))
    factor = clamp(y, splat(-_EXPONENT_MOST), splat(_EXPONENT_MOST))
    product = factor * high
    rest = multiply_add(factor, low, fused(factor, high, -product))
    bounded = clamp(product, splat(-_POWER_MOST), splat(_POWER_MOST))
    n = rounded(bounded)
    r = clamp((bounded - n) + rest, splat(-_ONE), splat(_ONE))
    p = multiply_add(splat(_P6), r, splat(_P5))
    p = multiply_add(p, r, splat(_P4))
    p = multiply_add(p, r, splat(_P3))
    p = multiply_add(p, r, splat(_P2))
    p = multiply_add(p, r, splat(_P1))
    found = scale(multiply_add(p, r, splat(_ONE)), n)
    bits = bits_of(x)
    if any_of((bits <= splat(_I32(0))) | (bits >= splat(_INFINITY_BITS)) | (absolute(y) >= splat(_INFINITY)) | (y != y)):
        found = _patched(x, y, found)
    return found
