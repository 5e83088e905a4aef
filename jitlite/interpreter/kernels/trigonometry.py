"""Sines and cosines of float32 vectors, within 4 ulp of the true values for every finite number."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f32p, inline
from jitlite.interpreter.kernels.bits import bits_of_float
from jitlite.interpreter.kernels.intrinsics import rarely_called
from jitlite.interpreter.kernels.reals import fused
from jitlite.interpreter.kernels.tile import forced, stack_f32, stack_i32
from jitlite.interpreter.kernels.vectors import (
    LANES,
    Vector,
    absolute,
    any_of,
    bits_of,
    copysign,
    floats_of,
    load,
    multiply_add,
    splat,
    store,
)

f32: Any = np.float32
_I32: Any = np.int32
_U64: Any = np.uint64

_HALF = f32(0.5)
_SHIFTER = f32(1.5 * 2**23)
"""Added to a number below 2²², it leaves the nearest whole number in the lowest bits."""
_SIGN_AT = _I32(31)
_INVERSE_PI = f32(0.3183098861837907)
_PI_HIGH, _PI_MIDDLE, _PI_LOW = f32(3.1415927410125732), f32(-8.742277657347586e-08), f32(-3.4302e-15)
_LARGE = f32(2.0**17)
_S0, _S1, _S2, _S3 = f32(-0.16666657), f32(0.008333064), f32(-0.00019809636), f32(2.6041548e-06)
_PI_BITS = (0, 0x517CC1B7, 0x27220A94, 0xFE13ABE8, 0xFA9A6EE0, 0x6DB14ACC, 0x9E21C820, 0xFF28B1D5, 0xEF5DE2B0)
"""The number 1 / π: 32 zeros before the point, then its first 256 bits."""
_QUARTER_TURN = _U64(1 << 62)
_HALF_TURN_UNIT = 3.141592653589793 * 2.0**-64
_NAN = f32(np.nan)


@forced
def _sine(r: Vector, half_turns: Vector) -> Vector:
    """The sine of r in [-π/2, π/2], negative where the lowest bit of `half_turns` is set; that of -0 is -0."""
    turned = floats_of(bits_of(r) ^ (half_turns << splat(_SIGN_AT)))
    z = r * r
    p = multiply_add(splat(_S3), z, splat(_S2))
    p = multiply_add(p, z, splat(_S1))
    p = multiply_add(p, z, splat(_S0))
    return copysign(multiply_add(p * z, turned, turned), turned)


@forced
def _rest(x: Vector, n: Vector) -> Vector:
    """The value x - n · π for |n| < 2¹⁷, to float32 precision even where it nearly vanishes."""
    return fused(n, splat(-_PI_LOW), fused(n, splat(-_PI_MIDDLE), fused(n, splat(-_PI_HIGH), x)))


@inline
def _reduce_large(angles: f32p, half_turns: Any, shift: Any) -> None:
    """Replaces each of LANES large angles by its distance from the nearest whole number of half turns, which is added to `half_turns`.

    An angle is m · 2^s half turns over 1 / π; of that product, 64 bits from the one of weight 1 on and 32 more decide: higher ones are
    whole turns, since m is whole. `shift` is added to the angles, in units of 2⁻⁶³ half turns.
    """
    for lane in range(LANES):
        bits = bits_of_float(angles[lane])
        exponent = (bits >> 23) & 255
        if exponent == 255:
            angles[lane] = _NAN
        elif exponent >= 127 + 17:
            at = exponent - 150 + 31
            word, offset = at >> 5, _U64(at & 31)
            high = (_U64(_PI_BITS[word]) << _U64(32)) | _U64(_PI_BITS[word + 1])
            low = (_U64(_PI_BITS[word + 2]) << _U64(32)) | _U64(_PI_BITS[word + 3])
            top = (high << offset) | ((low >> _U64(1)) >> (_U64(63) - offset))
            mantissa = _U64((bits & 0x7FFFFF) | 0x800000)
            turns = mantissa * top + ((mantissa * ((low << offset) >> _U64(32))) >> _U64(32)) + shift
            part = np.int64(turns << _U64(1))
            angle = f32(part * _HALF_TURN_UNIT)
            is_negated = bits < 0 and shift == _U64(0)
            angles[lane] = -angle if is_negated else angle
            half_turns[lane] = _I32(np.int64(turns >> _U64(63)) + (part < 0))


@inline
def _exactly(x: Vector, r: Vector, half_turns: Vector, shift: Any) -> tuple[Vector, Vector]:
    """The pair (r, half_turns), found anew for the large ones of x."""
    rarely_called()
    angles, counts, found = stack_f32(16), stack_i32(16), stack_f32(16)
    store(angles, 0, x)
    store(found, 0, r)
    store(counts, 0, half_turns)
    for lane in range(LANES):
        if not abs(angles[lane]) > _LARGE:
            angles[lane] = found[lane]
    _reduce_large(angles, counts, shift)
    return load(angles, 0), load(counts, 0)


@forced
def sin(x: Vector) -> Vector:
    shifted = multiply_add(x, splat(_INVERSE_PI), splat(_SHIFTER))
    r, half_turns = _rest(x, shifted - splat(_SHIFTER)), bits_of(shifted)
    if any_of(absolute(x) > splat(_LARGE)):
        r, half_turns = _exactly(x, r, half_turns, _U64(0))
    return _sine(r, half_turns)


@forced
def cos(x: Vector) -> Vector:
    """With x = (n + ½) · π + r it is -sin r, or sin r for odd n."""
    shifted = multiply_add(x, splat(_INVERSE_PI), splat(-_HALF)) + splat(_SHIFTER)
    r, half_turns = _rest(-x, splat(_SHIFTER) - shifted - splat(_HALF)), bits_of(shifted)
    if any_of(absolute(x) > splat(_LARGE)):
        r, half_turns = _exactly(x, r, half_turns, _QUARTER_TURN)
    return _sine(r, half_turns)
