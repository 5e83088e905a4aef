"""Floats to and from grids of 8 bits with one scale, and the certificate that products stand for quotients.

The reference quantizes the quotient x / scale, rounded to float32, to the nearest whole number, halves away from zero. Here x is multiplied
by the scale's inverse and the product corrected by what it lacks, which nearly always gives the same float32. Both ways are steps that rise
with x, so that they agree on all float32 if they do around the thresholds of the at most 255 steps that the clamp does not hide.
"""

from typing import Annotated, Any

from jitlite.interpreter.kernels.abi import Pointer, f32, f32p, i8p, i32p, i64, inline, kernel, span, u8p
from jitlite.interpreter.kernels.bits import bits_of_float, float_of_bits
from jitlite.interpreter.kernels.elements import specialise, xp
from jitlite.interpreter.kernels.narrow import BYTES, Bytes, cut, saturated, splat_word, store_bytes
from jitlite.interpreter.kernels.requantize import narrow
from jitlite.interpreter.kernels.tile import forced, single, stack_i32
from jitlite.interpreter.kernels.vector_rows import vector_run
from jitlite.interpreter.kernels.vectors import (
    LANES,
    Vector,
    any_of,
    as_floats,
    copysign,
    floats_of,
    load,
    minimum,
    multiply_add,
    splat,
    store,
)

yp = Annotated[Pointer[int], "result"]
"""Placeholder: a pointer to the results."""

_HALF = single(0.5 - 2.0**-25)
"""The float32 below a half: added to the float32 below a half it stays below 1, and added to a half the sum is rounded to 1."""
_NEAR = 8
"""Neighbours on either side of a threshold that are looked at; a corrected product is less than two of them off."""


@forced
def _nearest(quotients: Vector) -> Vector:
    """The nearest integers, halves away from zero; quotients must lie below 2^31, NaN counts as very small."""
    return cut(quotients + copysign(splat(_HALF), quotients))


@forced
def nearest_quotient(values: Vector, scale: Vector) -> Vector:
    """The nearest integers to values / scale."""
    return _nearest(values / scale)


@forced
def nearest_product(values: Vector, scale: Vector, inverse: Vector) -> Vector:
    """The same by multiplications, where a certificate says so."""
    product = values * inverse
    return _nearest(multiply_add(multiply_add(-product, scale, values), inverse, product))


@forced
def _by_product(x: f32p, at: i64, settings: Any) -> Bytes:
    like, last, scale, inverse, zero_point = settings
    a = nearest_product(minimum(last, load(x, at)), scale, inverse)
    b = nearest_product(minimum(last, load(x, at + LANES)), scale, inverse)
    c = nearest_product(minimum(last, load(x, at + 2 * LANES)), scale, inverse)
    d = nearest_product(minimum(last, load(x, at + 3 * LANES)), scale, inverse)
    return saturated(like, a, b, c, d, zero_point)


@forced
def _by_quotient(x: f32p, at: i64, settings: Any) -> Bytes:
    like, last, scale, zero_point = settings
    a = nearest_quotient(minimum(last, load(x, at)), scale)
    b = nearest_quotient(minimum(last, load(x, at + LANES)), scale)
    c = nearest_quotient(minimum(last, load(x, at + 2 * LANES)), scale)
    d = nearest_quotient(minimum(last, load(x, at + 3 * LANES)), scale)
    return saturated(like, a, b, c, d, zero_point)


@forced
def _real(x: Any, at: i64, settings: Any) -> Vector:
    zero_point, scale = settings
    return as_floats(load(x, at) - zero_point) * scale


_BY_PRODUCT, _BY_QUOTIENT = vector_run(BYTES, _by_product, store_bytes), vector_run(BYTES, _by_quotient, store_bytes)
_REAL = vector_run(LANES, _real, store)


def _quantize_by_product(x: f32p, y: yp, count: i64, bounds: f32p, zero_point: i64, thread: i64, threads: i64) -> None:
    """`bounds` are the greatest x that needs no clamp, the scale and its inverse."""
    start, stop = span(count, thread, threads)
    _BY_PRODUCT(x, y, start, stop, (y, splat(bounds[0]), splat(bounds[1]), splat(bounds[2]), splat_word(zero_point)))


def _quantize_by_quotient(x: f32p, y: yp, count: i64, bounds: f32p, zero_point: i64, thread: i64, threads: i64) -> None:
    """`bounds` are the greatest x that needs no clamp and the scale."""
    start, stop = span(count, thread, threads)
    _BY_QUOTIENT(x, y, start, stop, (y, splat(bounds[0]), splat(bounds[1]), splat_word(zero_point)))


def _dequantize(x: xp, y: f32p, count: i64, scale: f32, zero_point: i64, thread: i64, threads: i64) -> None:
    start, stop = span(count, thread, threads)
    _REAL(x, y, start, stop, (splat(narrow(zero_point)), splat(scale)))


for _suffix, _pointer in {"qs8": i8p, "qu8": u8p}.items():
    specialise(_quantize_by_product, f"quantize_by_product_{_suffix}", {yp: _pointer})
    specialise(_quantize_by_quotient, f"quantize_by_quotient_{_suffix}", {yp: _pointer})
    specialise(_dequantize, f"dequantize_{_suffix}", {xp: _pointer})


@inline
def _neighbour(value: f32, distance: i64) -> f32:
    """The float32 so many places above a normal one; it has the same sign."""
    bits: Any = bits_of_float(value)
    moved: float = float_of_bits(narrow(bits + distance if bits >= 0 else bits - distance))
    return moved


@inline
def _reaches(value: f32, scale: f32, step: i64) -> bool:
    """True when the reference rounds value / scale to at least `step`."""
    quotient = value / scale
    reached: bool = quotient >= single(step) - single(0.5) if step > 0 else quotient > single(step) - single(0.5)
    return reached


@inline
def _threshold(scale: f32, step: i64) -> f32:
    """The least float32 that becomes at least `step`, which is near (step - ½) · scale."""
    value: Any = (single(step) - single(0.5)) * scale
    while _reaches(value, scale, step):
        value = _neighbour(value, -1)
    while not _reaches(value, scale, step):
        value = _neighbour(value, 1)
    found: float = value
    return found


@forced
def _agrees(threshold: f32, step: i64, scale: f32, inverse: f32, places: i32p) -> bool:
    """True when products reach `step` from the threshold on, and not before, as far as the neighbours show."""
    bits: Any = bits_of_float(threshold)
    lanes, start = load(places, 0), splat(narrow(bits))
    values = floats_of(start + lanes if bits >= 0 else start - lanes)
    reached = nearest_product(values, splat(scale), splat(inverse)) >= splat(narrow(step))
    disagrees: bool = any_of(reached ^ (lanes >= splat(narrow(0))))
    return not disagrees


@kernel
def certify_products(scale: f32, first_step: i64, last_step: i64, bounds: f32p, certified: i32p, thread: i64, threads: i64) -> None:
    """Writes the `bounds` of quantization by product, and whether it is exact for results from `first_step` - 1 to `last_step`.

    The scale and its inverse must be normal numbers with room for 255 steps.
    """
    if thread > 0:
        return
    inverse = single(1.0) / scale
    places = stack_i32(16)
    for lane in range(LANES):
        places[lane] = lane - _NEAR
    certified[0] = 1
    for step in range(first_step, last_step + 1):
        if not _agrees(_threshold(scale, step), step, scale, inverse, places):
            certified[0] = 0
    bounds[0], bounds[1], bounds[2] = _threshold(scale, max(last_step, 1)), scale, inverse
