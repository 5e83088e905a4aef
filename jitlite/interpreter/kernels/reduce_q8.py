"""Products and extremes of 8- and 16-bit numbers. Parameters are those of `reduction`; `outputs` is the number of outputs."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jitlite.interpreter.kernels.abi import i8p, i16p, i32, i64, i64p, inline, span, u8p
from jitlite.interpreter.kernels.elements import specialise, xp
from jitlite.interpreter.kernels.narrow import (
    BYTES,
    larger,
    larger_signed,
    largest_byte_across,
    largest_signed_across,
    load_bytes,
    smaller,
    smaller_signed,
    smallest_byte_across,
    smallest_signed_across,
    store_bytes,
)
from jitlite.interpreter.kernels.reduction import greater, lesser, loop_offset, reduction, register, row_by_row
from jitlite.interpreter.kernels.requantize import narrow, wide
from jitlite.interpreter.kernels.vectors import LANES, largest_across, load, smallest_across


@inline
def _rescaled(x: i64, mantissa: i32, shift: i32) -> Any:
    """The product x · mantissa · 2^(shift - 31) of a 64-bit x: the mantissa is rounded to 15 bits, the result once; shift is at most 7."""
    short = wide(32767) if mantissa >= 0x7FFF0000 else (wide(mantissa) + wide(1 << 15)) >> wide(16)
    places = wide(15 - shift)
    return narrow((wide(x) * short + (wide(1) << (places - wide(1)))) >> places)


def _prod(
    x: xp,
    y: xp,
    kept: i64p,
    reduced: i64p,
    lanes: i64,
    run: i64,
    depth: i64,
    outputs: i64,
    x_zero_point: i32,
    mantissa: i32,
    shift: i32,
    y_zero_point: i32,
    low: i32,
    high: i32,
    thread: i64,
    threads: i64,
) -> None:
    """Products rescaled after every factor, so that they stay in 32 bits."""
    start, stop = span(outputs, thread, threads)
    for at in range(start, stop):
        outer = at // lanes
        base = loop_offset(kept, outer) + at - outer * lanes
        value = narrow(x[base] - x_zero_point)
        for d in range(depth):
            source = base + loop_offset(reduced, d)
            for k in range(1 if d == 0 else 0, run):
                value = _rescaled(wide(value) * wide(x[source + k] - x_zero_point), mantissa, shift)
        result = narrow(_rescaled(wide(value), mantissa, shift) + y_zero_point)
        y[at] = min(max(result, low), high)


class Extreme(NamedTuple):
    """How to find the larger or the smaller of two bytes, of vectors of them, of a vector's bytes and of a vector of int32."""

    of_two: Callable[[Any, Any], Any]
    of_bytes: Callable[[Any, Any], Any]
    across_bytes: Callable[[Any], Any]
    across: Callable[[Any], Any]


def _of_run(extreme: Extreme) -> Callable[..., Any]:
    """A function that finds the extreme of `count` neighbours; the last vector overlaps the one before."""
    of_two, of_bytes, across_bytes, across = extreme

    @inline
    def fold(x: xp, at: i64, count: i64) -> Any:
        if count >= BYTES:
            last = at + count - BYTES
            found = load_bytes(x, last)
            for place in range(at, last, BYTES):
                found = of_bytes(found, load_bytes(x, place))
            return wide(across_bytes(found))
        if count >= LANES:
            value = wide(across(load(x, at + count - LANES)))
            for place in range(at, at + count - LANES, LANES):
                value = of_two(value, wide(across(load(x, place))))
            return value
        value = wide(x[at])
        for i in range(at + 1, at + count):
            value = of_two(value, wide(x[i]))
        return value

    return fold


def _of_columns(extreme: Extreme) -> Callable[[Callable[[Any, Any], Any]], Callable[..., Any]]:
    """What makes functions that find the extremes of neighbouring columns, up to 4 · BYTES of them in registers."""
    of_bytes = extreme.of_bytes

    @inline
    def of_four(x: xp, y: xp, at: i64, first: i64, reduced: i64p, depth: i64) -> None:
        b0, b1 = load_bytes(x, first), load_bytes(x, first + BYTES)
        b2, b3 = load_bytes(x, first + 2 * BYTES), load_bytes(x, first + 3 * BYTES)
        for d in range(1, depth):
            place = first + loop_offset(reduced, d)
            b0, b1 = of_bytes(b0, load_bytes(x, place)), of_bytes(b1, load_bytes(x, place + BYTES))
            b2, b3 = of_bytes(b2, load_bytes(x, place + 2 * BYTES)), of_bytes(b3, load_bytes(x, place + 3 * BYTES))
        store_bytes(y, at, b0)
        store_bytes(y, at + BYTES, b1)
        store_bytes(y, at + 2 * BYTES, b2)
        store_bytes(y, at + 3 * BYTES, b3)

    @inline
    def of_one(x: xp, y: xp, at: i64, first: i64, reduced: i64p, depth: i64) -> None:
        found = load_bytes(x, first)
        for d in range(1, depth):
            found = of_bytes(found, load_bytes(x, first + loop_offset(reduced, d)))
        store_bytes(y, at, found)

    def make(combine: Callable[[Any, Any], Any]) -> Callable[..., Any]:
        reduce_rest = row_by_row(combine)

        @inline
        def reduce_lanes(x: xp, acc: xp, at: i64, width: i64, base: i64, reduced: i64p, depth: i64) -> None:
            lane = 0
            while lane + 4 * BYTES <= width:
                of_four(x, acc, at + lane, base + lane, reduced, depth)
                lane += 4 * BYTES
            while lane + BYTES <= width:
                of_one(x, acc, at + lane, base + lane, reduced, depth)
                lane += BYTES
            if lane < width and width >= BYTES:
                of_one(x, acc, at + width - BYTES, base + width - BYTES, reduced, depth)
            elif lane < width:
                reduce_rest(x, acc, at, width, base, reduced, depth)

        return reduce_lanes

    return make


_EXTREMES = {
    "max_qs8": (i8p, Extreme(greater, larger_signed, largest_signed_across, largest_across)),
    "max_qu8": (u8p, Extreme(greater, larger, largest_byte_across, largest_across)),
    "min_qs8": (i8p, Extreme(lesser, smaller_signed, smallest_signed_across, smallest_across)),
    "min_qu8": (u8p, Extreme(lesser, smaller, smallest_byte_across, smallest_across)),
}
for _name, (_pointer, _extreme) in _EXTREMES.items():
    register(__name__, _name, _pointer, reduction(_extreme.of_two, _of_run(_extreme), _of_columns(_extreme)))
register(__name__, "max_qs16", i16p, reduction(greater))
register(__name__, "min_qs16", i16p, reduction(lesser))
specialise(_prod, "prod_qs8", {xp: i8p})
specialise(_prod, "prod_qs16", {xp: i16p})
