"""Float32 functions without branches or library calls, so that loops over them become vector code.

Relative errors stay below 5·10⁻⁷. The polynomials are weighted minimax fits, found in float64.
"""

from typing import Any

import numba
import numpy as np

from jitlite.interpreter.kernels.abi import inline
from jitlite.interpreter.kernels.bits import bits_of_float, float_of_bits

f32: Any = np.float32
_I32: Any = np.int32

_LOG2_E, _LN2_HIGH, _LN2_LOW = f32(1.4426950408889634), f32(0.693359375), f32(-2.12194440054690583e-4)
_EXP_LEAST, _EXP_MOST = f32(-104), f32(89)
_E0, _E1, _E2, _E3, _E4 = f32(0.49999993), f32(0.16666515), f32(0.041668457), f32(0.008369419), f32(0.0013813145)
_T0, _T1, _T2, _T3, _T4 = f32(-0.33333263), f32(0.133309), f32(-0.05369297), f32(0.020483316), f32(-0.005528634)
_C0, _C1, _C2, _C3, _C4 = f32(0.32497992), f32(0.55304724), f32(0.79512607), f32(0.94973385), f32(0.9112834)
_C5, _C6, _C7, _C8 = f32(0.653432), f32(0.28052493), f32(-0.03250619), f32(-0.12954062)
_L0, _L1, _L2, _L3, _L4 = f32(0.33333331), f32(-0.25000838), f32(0.20001293), f32(-0.16622765), f32(0.14199695)
_L5, _L6, _L7 = f32(-0.13164186), f32(0.12779116), f32(-0.07646106)
_SQRT_HALF_BITS = 0x3F3504F3
_LEAST_NORMAL, _TWO_TO_24 = f32(2.0**-126), f32(2.0**24)
_INFINITY, _NAN = f32(np.inf), f32(np.nan)
_ONE, _TWO, _HALF, _ZERO = f32(1), f32(2), f32(0.5), f32(0)
_TANH_SPLIT, _EXPM1_SPLIT, _LOGISTIC_SPLIT = f32(0.625), f32(-0.34), f32(-9)
_TAIL_MOST, _SPLITTER = f32(20), f32(4097)
_TAIL_SLOPE = f32(0.3 * 0.7071067811865476)


def _fused(function: Any) -> Any:
    """As `inline`, for functions that may fuse products and sums where the processor can."""
    return numba.njit(error_model="numpy", nogil=True, fastmath={"contract"})(function)


@inline
def power_of_two(exponent: int) -> Any:
    """The float32 2^exponent for an exponent in [-126, 127]."""
    return float_of_bits(_I32((exponent + 127) << 23))


@_fused
def _reduced(x: float) -> Any:
    """(n, r) with x = n · log 2 + r, |r| ≤ log 2 / 2."""
    bounded = _EXP_MOST if x > _EXP_MOST else x
    bounded = _EXP_LEAST if bounded < _EXP_LEAST else bounded
    whole = np.rint(bounded * _LOG2_E)
    return whole, bounded - whole * _LN2_HIGH - whole * _LN2_LOW


@_fused
def _scaled_exp(whole: float, r: float) -> Any:
    """The product 2^n · exp(r); 2^n in two factors, since n reaches beyond the exponents of a float32."""
    tail = (((_E4 * r + _E3) * r + _E2) * r + _E1) * r + _E0
    exponent = _I32(whole)
    half = exponent >> 1
    return (tail * r * r + r + _ONE) * power_of_two(half) * power_of_two(exponent - half)


@inline
def exp(x: float) -> Any:
    whole, r = _reduced(x)
    return _scaled_exp(whole, r)


@_fused
def expm1(x: float) -> Any:
    """The value exp(x) - 1 for x ≤ 0, without cancellation near 0."""
    near = ((((_E4 * x + _E3) * x + _E2) * x + _E1) * x + _E0) * x * x + x
    return near if x > _EXPM1_SPLIT else exp(x) - _ONE


@inline
def logistic(x: float) -> Any:
    """The value 1 / (1 + exp(-x)); below -9 the reference takes exp(x) for it, and so does this."""
    return _ONE / ((_ZERO if x < _LOGISTIC_SPLIT else _ONE) + exp(-x))


@_fused
def tanh(x: float) -> Any:
    """An odd polynomial near 0, 1 - 2 / (exp(2|x|) + 1) elsewhere."""
    size = abs(x)
    square = x * x
    near = ((((_T4 * square + _T3) * square + _T2) * square + _T1) * square + _T0) * square * x + x
    far = _ONE - _TWO / (exp(_TWO * size) + _ONE)
    signed = -far if x < _ZERO else far
    return near if size < _TANH_SPLIT else signed


@_fused
def _scaled_tail(u: float) -> Any:
    return (((((((_C8 * u + _C7) * u + _C6) * u + _C5) * u + _C4) * u + _C3) * u + _C2) * u + _C1) * u + _C0


@inline
def normal_tail(size: float) -> Any:
    """The chance of a standard normal number above `size` ≥ 0: exp(-size² / 2) times a polynomial in t = 1 / (1 + 0.3 · size / √2).

    The square is taken in two parts, one of them exact, since its rounding error would be the result's relative error.
    """
    bounded = _TAIL_MOST if size > _TAIL_MOST else size
    t = _ONE / (_ONE + _TAIL_SLOPE * bounded)
    scaled = _scaled_tail(t - _HALF) * t
    spread = bounded * _SPLITTER
    high = spread - (spread - bounded)
    low = bounded - high
    whole, r = _reduced(-_HALF * high * high)
    return _HALF * scaled * _scaled_exp(whole, r - (high + _HALF * low) * low)


@_fused
def _log_of_scaled(f: float, exponent: int) -> Any:
    """The value log(1 + f) + exponent · log 2 for 1 + f between √½ and √2."""
    tail = ((((((_L7 * f + _L6) * f + _L5) * f + _L4) * f + _L3) * f + _L2) * f + _L1) * f + _L0
    power = f32(exponent)
    return power * _LN2_HIGH + (f + (f * f * f * tail - _HALF * f * f + power * _LN2_LOW))


@inline
def log(x: float) -> Any:
    tiny = x < _LEAST_NORMAL
    bits = bits_of_float(x * _TWO_TO_24 if tiny else x)
    exponent = _I32((bits - _SQRT_HALF_BITS) >> 23)
    mantissa = float_of_bits(_I32(bits - (exponent << 23)))
    found = _log_of_scaled(mantissa - _ONE, _I32(exponent - (24 if tiny else 0)))
    at_ends = x if x == _INFINITY else (-_INFINITY if x == _ZERO else found)
    return at_ends if x >= _ZERO else _NAN
