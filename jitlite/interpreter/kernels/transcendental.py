"""Functions of float32 vectors within 4 ulp of their true values, without library calls.

Polynomials are minimax fits of the relative error. Where the target does not fuse products and sums, errors are a few times larger.
"""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.reals import exponent, fused, quotient, scale, significand, whole
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import (
    Vector,
    absolute,
    bits_of,
    copysign,
    floats_of,
    maximum,
    minimum,
    multiply_add,
    rounded,
    select,
    splat,
)

f32: Any = np.float32
_I32: Any = np.int32

_ZERO, _ONE, _TWO = f32(0), f32(1), f32(2)
_LOG2_E, _LN2 = f32(1.4426950408889634), f32(0.6931471805599453)
_LN2_REST = f32(0.6931471805599453 - float(_LN2))
"""What rounding takes from log 2: only the last step of a polynomial, which the others' time hides, needs it."""
_EXP_LEAST, _EXP_MOST = f32(-104), f32(89)
_E1, _E2, _E3, _E4, _E5 = f32(0.9999997), f32(0.4999915), f32(0.16667637), f32(0.041897964), f32(0.0082903085)
_BIASED_SHIFTER = f32(1.5 * 2**23 + 127)
"""Added to a number below 2²², it leaves the nearest whole number plus the bias of exponents in the lowest bits."""
_EXPONENT_AT = _I32(23)
_UNIT = f32(2.0**24)


@forced
def exp(x: Vector) -> Vector:
    bounded = maximum(splat(_EXP_LEAST), minimum(splat(_EXP_MOST), x))
    n = rounded(bounded * splat(_LOG2_E))
    r = fused(n, splat(-_LN2), bounded)
    p = multiply_add(splat(_E5), r, splat(_E4))
    p = multiply_add(p, r, splat(_E3))
    p = multiply_add(p, r, splat(_E2))
    p = multiply_add(p, r, splat(_E1))
    return scale(multiply_add(p, multiply_add(n, splat(-_LN2_REST), r), splat(_ONE)), n)


@forced
def raised_exp(x: Vector) -> Vector:
    """The normal number 2²⁴ · exp(x) for x in [-104, 70]; NaN for NaN."""
    n = rounded(x * splat(_LOG2_E))
    r = fused(n, splat(-_LN2), x)
    p = multiply_add(splat(_UNIT * _E5), r, splat(_UNIT * _E4))
    p = multiply_add(p, r, splat(_UNIT * _E3))
    p = multiply_add(p, r, splat(_UNIT * _E2))
    p = multiply_add(p, r, splat(_UNIT * _E1))
    p = multiply_add(p, multiply_add(n, splat(-_LN2_REST), r), splat(_UNIT))
    return floats_of(bits_of(p) + (whole(n) << splat(_EXPONENT_AT)))


_LOGISTIC_MOST = f32(20)


@forced
def logistic(x: Vector) -> Vector:
    """The value exp(x) / (1 + exp(x))."""
    raised = raised_exp(maximum(splat(_EXP_LEAST), minimum(splat(_LOGISTIC_MOST), x)))
    return quotient(raised, raised + splat(_UNIT))


_D1, _D2, _D3, _D4, _D5 = f32(0.49999997), f32(0.16666543), f32(0.0416672), f32(0.0083665187), f32(0.0013882521)
_DROP_MOST = f32(18.5)


@forced
def _drop(y: Vector) -> Vector:
    """The value 1 - exp(-y) for y ≥ 0: with y = n · log 2 + r it is 2⁻ⁿ · (1 - exp(-r)) + (1 - 2⁻ⁿ)."""
    bounded = minimum(splat(_DROP_MOST), y)
    shifted = multiply_add(bounded, splat(-_LOG2_E), splat(_BIASED_SHIFTER))
    n = shifted - splat(_BIASED_SHIFTER)
    power = floats_of(bits_of(shifted) << splat(_EXPONENT_AT))
    r = fused(n, splat(_LN2), bounded)
    p = multiply_add(splat(-_D5), r, splat(_D4))
    p = multiply_add(p, r, splat(-_D3))
    p = multiply_add(p, r, splat(_D2))
    p = multiply_add(p, r, splat(-_D1))
    p = multiply_add(p, r, splat(_ONE))
    return multiply_add(p, power * r, splat(_ONE) - power)


@forced
def elu(x: Vector) -> Vector:
    return select(x < splat(_ZERO), -_drop(-x), x)


@forced
def tanh(x: Vector) -> Vector:
    """With u = 1 - exp(-2|x|) it is u / (2 - u)."""
    size = absolute(x)
    u = _drop(size + size)
    return copysign(quotient(u, splat(_TWO) - u), x)


_L0, _L1, _L2 = f32(0.6666695), f32(0.3995791), f32(0.30359063)


@forced
def log(x: Vector) -> Vector:
    """With x = m · 2^e and s = (m - 1) / (m + 1) it is e · log 2 + 2 artanh s."""
    m = significand(x)
    s = quotient(m - splat(_ONE), m + splat(_ONE))
    z = s * s
    p = multiply_add(multiply_add(splat(_L2), z, splat(_L1)), z, splat(_L0))
    return multiply_add(exponent(x, m), splat(_LN2), multiply_add(s * z, p, s + s))
