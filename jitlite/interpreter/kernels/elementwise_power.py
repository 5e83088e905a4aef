"""Powers and remainders of float32."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f32p, f64p, i64, inline, kernel
from jitlite.interpreter.kernels.intrinsics import rarely_called
from jitlite.interpreter.kernels.partial import load_part, store_part
from jitlite.interpreter.kernels.power import power
from jitlite.interpreter.kernels.reals import fused, root
from jitlite.interpreter.kernels.strips import broadcast, strip_of, vector_span
from jitlite.interpreter.kernels.tile import forced, stack_f32
from jitlite.interpreter.kernels.vectors import LANES, Vector, absolute, any_of, load, rounded_down, select, splat, store

_single: Any = np.float32
_ZERO, _INFINITY, _EXACT = _single(0), _single(np.inf), _single(2.0**23)


@forced
def _pow(a: Vector, b: Vector, settings: tuple[()]) -> Vector:
    return power(a, b)


@forced
def _square(x: Vector, exponent: Vector) -> Vector:
    return x * x


@forced
def _cube(x: Vector, exponent: Vector) -> Vector:
    return x * x * x


@forced
def _square_root(x: Vector, exponent: Vector) -> Vector:
    """As IEEE 754 has it for powers: -0 becomes 0, -∞ becomes ∞."""
    return select(x == splat(-_INFINITY), splat(_INFINITY), root(x + splat(_ZERO)))


@forced
def _any_power(x: Vector, exponent: Vector) -> Vector:
    return power(x, exponent)


def _strip(function: Any) -> Any:
    @inline
    def run(x: f32p, y: f32p, at: i64, stop: i64, exponent: Vector) -> None:
        while at + LANES <= stop:
            store(y, at, function(load(x, at), exponent))
            at += LANES
        if at < stop:
            store_part(y, at, function(load_part(x, at, stop - at), exponent), stop - at)

    return run


_squares, _cubes, _roots, _powers = (_strip(function) for function in (_square, _cube, _square_root, _any_power))


@kernel
def uniform_pow_f32(x: f32p, exponent: f32p, y: f32p, count: i64, thread: i64, threads: i64) -> None:
    """Powers with one exponent; the usual ones need no logarithm."""
    at, stop = vector_span(count, thread, threads)
    number = exponent[0]
    if number == _single(2):
        _squares(x, y, at, stop, splat(number))
    elif number == _single(3):
        _cubes(x, y, at, stop, splat(number))
    elif number == _single(0.5):
        _roots(x, y, at, stop, splat(number))
    else:
        _powers(x, y, at, stop, splat(number))


@inline
def _rare_floor_mod(a: Vector, b: Vector) -> Vector:
    """Of any numbers: the remainder of truncated division, moved by the divisor where their signs differ."""
    rarely_called()
    dividends, divisors = stack_f32(16), stack_f32(16)
    store(dividends, 0, a)
    store(divisors, 0, b)
    for lane in range(LANES):
        dividends[lane] = dividends[lane] % divisors[lane]
    return load(dividends, 0)


@forced
def _floor_mod(a: Vector, b: Vector, settings: tuple[()]) -> Vector:
    """The difference a - n · b is exact for the whole n next to a / b; where rounding took the wrong one, it has the wrong sign."""
    quotient = rounded_down(a / b)
    rest = fused(-quotient, b, a)
    is_negative = b < splat(_ZERO)
    rest = select((rest != splat(_ZERO)) & ((rest < splat(_ZERO)) ^ is_negative), rest + b, rest)
    if any_of((absolute(quotient) >= splat(_EXACT)) | (rest != rest)):
        rest = _rare_floor_mod(a, b)
    return rest


_POINTERS = (f32p, f32p, f32p, f64p)
broadcast(__name__, "pow_f32", _POINTERS, strip_of(_pow))
broadcast(__name__, "floor_mod_f32", _POINTERS, strip_of(_floor_mod))
