"""To and from affine grids: quantization of floats, dequantization, and moves from one grid to another."""

from typing import Annotated, Any

import numpy as np

from jitlite.interpreter.kernels.abi import Pointer, f32p, i8p, i16p, i32, i32p, i64, inline, span, u8p, u16p
from jitlite.interpreter.kernels.bits import float_of_half
from jitlite.interpreter.kernels.broadcast import unary
from jitlite.interpreter.kernels.elements import specialise, xp
from jitlite.interpreter.kernels.requantize import narrow, requantize

yp = Annotated[Pointer[int], "result"]
"""Placeholder: a pointer to the results."""

_TYPES = {"i8": i8p, "u8": u8p, "i16": i16p, "i32": i32p}
_FAR, _HALF = np.float32(1e6), np.float32(0.5)


@inline
def _nearest(value: Any) -> Any:
    """The nearest integer, halves away from zero; values beyond ±10⁶ and NaN stay outside of every quantized type."""
    raised: Any = value if value > -_FAR else -_FAR
    bounded: Any = raised if raised < _FAR else _FAR
    whole = narrow(bounded)
    rest = bounded - np.float32(whole)
    return narrow(whole + (rest >= _HALF) - (rest <= -_HALF))


def _quantize(
    x: f32p, y: yp, count: i64, channels: i64, inner: i64, scales: f32p, zero_points: i32p, low: i32, high: i32, thread: i64, threads: i64
) -> None:
    """Element i belongs to channel (i / inner) mod channels."""
    at, stop = span(count, thread, threads)
    while at < stop:
        block = at // inner
        channel = block % channels
        scale, zero_point = scales[channel], zero_points[channel]
        end = min((block + 1) * inner, stop)
        for i in range(at, end):
            y[i] = min(max(narrow(_nearest(x[i] / scale) + zero_point), low), high)
        at = end


def _dequantize(x: xp, y: f32p, count: i64, channels: i64, inner: i64, scales: f32p, zero_points: i32p, thread: i64, threads: i64) -> None:
    """Element i belongs to channel (i / inner) mod channels."""
    at, stop = span(count, thread, threads)
    while at < stop:
        block = at // inner
        channel = block % channels
        scale: Any = scales[channel]
        zero_point = zero_points[channel]
        end = min((block + 1) * inner, stop)
        for i in range(at, end):
            y[i] = np.float32(x[i] - zero_point) * scale
        at = end


def _requantize(
    x: xp, y: yp, count: i64, zero_point: i32, mantissa: i32, shift: i32, y_zero_point: i32, low: i32, high: i32, thread: i64, threads: i64
) -> None:
    start, stop = span(count, thread, threads)
    for i in range(start, stop):
        y[i] = requantize(narrow(x[i] - zero_point), mantissa, shift, y_zero_point, low, high)


for _suffix in ("i8", "u8", "i16"):
    specialise(_quantize, f"quantize_f32_{_suffix}", {yp: _TYPES[_suffix]})
    specialise(_dequantize, f"dequantize_{_suffix}_f32", {xp: _TYPES[_suffix]})
unary(__name__, "dequantize_f16_f32", (u16p, f32p), float_of_half)
for _source, _target in (("i16", "i8"), ("i16", "i16"), ("i16", "i32"), ("i32", "i8"), ("i32", "i16")):
    specialise(_requantize, f"requantize_{_source}_{_target}", {xp: _TYPES[_source], yp: _TYPES[_target]})
