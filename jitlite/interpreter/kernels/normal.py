"""GELU in both forms, for float32 vectors, within 4 ulp of the true values: products of a number and the chance of a smaller one."""

from math import log, pi, sqrt
from typing import Any

import numpy as np

from jitlite.interpreter.kernels.reals import fused, quotient
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import Vector, absolute, bits_of, floats_of, maximum, minimum, multiply_add, select, splat

f32: Any = np.float32
_I32: Any = np.int32

_ZERO, _ONE = f32(0), f32(1)
_SHIFTER = f32(1.5 * 2**23)
"""Added to a number below 2²², it leaves the nearest whole number in the lowest bits."""
_EXPONENT_AT = _I32(23)
_F1, _F2, _F3, _F4, _F5, _F6 = f32(-0.5), f32(0.12499999), f32(-0.02083315), f32(0.0026042748), f32(-0.0002615249), f32(2.1585051e-05)
"""The polynomial of exp(-ρ / 2)."""
_GN0, _GN1, _GN2, _GN3, _GN4 = f32(0.7321931), f32(0.6438639), f32(0.26978868), f32(0.059985716), f32(0.006097348)
_GD0, _GD1, _GD2 = f32(1.4643862), f32(2.4561396), f32(1.7670928)
_GD3, _GD4, _GD5 = f32(0.6913409), f32(0.15037012), f32(0.0152836544)
_UNIT, _LOWERED = f32(2.0**24), f32(-(2.0**-24))
_TAIL_MOST = f32(14.4)
_HALF_LOG2_E, _TWICE_LN2 = f32(0.5 * 1.4426950408889634), f32(2 * 0.6931471805599453)


@forced
def _undefined_at_infinity(x: Vector) -> Vector:
    """NaN for -∞, as in the reference, whose product of -∞ and 0 it is; 0 for other numbers."""
    return minimum(splat(_ZERO), x) * splat(_ZERO)


@forced
def gelu(x: Vector) -> Vector:
    """The product of x and the chance of a standard normal number below x: max(x, 0) - s · Q(s), where s = |x|.

    Q(s), the chance of a number above s, is exp(-s² / 2) times a rational function of s. The square is taken exactly, in two parts, since
    its rounding error would be the result's relative error.
    """
    s = minimum(splat(_TAIL_MOST), absolute(x))
    square = s * s
    rest = fused(s, s, -square)
    shifted = multiply_add(square, splat(-_HALF_LOG2_E), splat(_SHIFTER))
    n = shifted - splat(_SHIFTER)
    r = fused(n, splat(_TWICE_LN2), square) + rest
    p = multiply_add(splat(_F6), r, splat(_F5))
    p = multiply_add(p, r, splat(_F4))
    p = multiply_add(p, r, splat(_F3))
    p = multiply_add(p, r, splat(_F2))
    p = multiply_add(p, r, splat(_F1)) * r
    above = multiply_add(splat(_UNIT * _GN4), square, multiply_add(splat(_UNIT * _GN3), s, splat(_UNIT * _GN2)))
    above = fused(above, square, fused(splat(_UNIT * _GN1), s, splat(_UNIT * _GN0))) * s
    below = multiply_add(multiply_add(splat(_GD5), s, splat(_GD4)), square, multiply_add(splat(_GD3), s, splat(_GD2)))
    below = fused(below, square, fused(splat(_GD1), s, splat(_GD0)))
    raised = floats_of(bits_of(fused(above, p, above)) + (bits_of(shifted) << splat(_EXPONENT_AT)))
    return multiply_add(quotient(raised, below), splat(_LOWERED), maximum(splat(_ZERO), x) + _undefined_at_infinity(x))


_CUBE, _CUBE_REST = f32(0.044715), f32(0.044715 - float(f32(0.044715)))
_SLOPE = 2 * sqrt(2 / pi) / log(2)
_SLOPE_HIGH, _SLOPE_LOW = f32(_SLOPE), f32(_SLOPE - float(f32(_SLOPE)))
_P1, _P2, _P3 = f32(0.6931472), f32(0.24022648), f32(0.05550332)
_P4, _P5, _P6 = f32(0.009618439), f32(0.0013399003), f32(0.00015353259)
"""The polynomial of 2^r."""
_GROWTH = f32(2 * sqrt(2 / pi))
_HIGH_UNIT = f32(2.0**32)
_LEAST, _MOST = f32(-10.85), f32(5.3)


@forced
def gelu_tanh(x: Vector) -> Vector:
    """The product of x and (1 + tanh u) / 2 for u = √(2 / π) · (x + 0.044715 · x³): x · p / (p + 1) with p = exp(2u).

    This power is 2^(slope · h) with h = x · t and t = 1 + 0.044715 · x²; what rounding takes from t and h is added to the exponent's
    fraction, since it would be the result's relative error below zero.
    """
    bounded = maximum(splat(_LEAST), minimum(splat(_MOST), x))
    square = bounded * bounded
    square_rest = fused(bounded, bounded, -square)
    t = multiply_add(square, splat(_CUBE), splat(_ONE))
    t_rest = fused(square, splat(_CUBE), splat(_ONE) - t)
    t_rest = multiply_add(square_rest, splat(_CUBE), multiply_add(square, splat(_CUBE_REST), t_rest))
    h = bounded * t
    h_rest = multiply_add(bounded, t_rest, fused(bounded, t, -h))
    shifted = multiply_add(h, splat(_SLOPE_HIGH), splat(_SHIFTER))
    n = shifted - splat(_SHIFTER)
    r = multiply_add(h, splat(_SLOPE_LOW), fused(h, splat(_SLOPE_HIGH), -n))
    p = multiply_add(splat(_HIGH_UNIT * _P6), r, splat(_HIGH_UNIT * _P5))
    p = multiply_add(p, r, splat(_HIGH_UNIT * _P4))
    p = multiply_add(p, r, splat(_HIGH_UNIT * _P3))
    p = multiply_add(p, r, splat(_HIGH_UNIT * _P2))
    p = multiply_add(p, r, splat(_HIGH_UNIT * _P1))
    p = multiply_add(p, r, splat(_HIGH_UNIT))
    raised = floats_of(bits_of(p) + (bits_of(shifted) << splat(_EXPONENT_AT)))
    raised = multiply_add(raised, h_rest * splat(_GROWTH), raised)
    return select(x > splat(_MOST), x, quotient(bounded * raised, raised + splat(_HIGH_UNIT)) + _undefined_at_infinity(x))
