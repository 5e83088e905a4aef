"""Products and extremes of 8- and 16-bit numbers. Parameters are those of `reduction`; `outputs` is the number of outputs."""

from typing import Any

from jitlite.interpreter.kernels.abi import i8p, i16p, i32, i64, i64p, inline, span, u8p
from jitlite.interpreter.kernels.elements import specialise, xp
from jitlite.interpreter.kernels.reduction import greater, lesser, loop_offset, reduction, register
from jitlite.interpreter.kernels.requantize import narrow, wide


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


_MAX, _MIN = reduction(greater), reduction(lesser)
_QUANTIZED: dict[str, Any] = {"qs8": i8p, "qu8": u8p, "qs16": i16p}

for _suffix, _pointer in _QUANTIZED.items():
    if _suffix != "qu8":
        specialise(_prod, f"prod_{_suffix}", {xp: _pointer})
    register(__name__, f"max_{_suffix}", _pointer, _MAX)
    register(__name__, f"min_{_suffix}", _pointer, _MIN)
