"""Positions of extremes along one axis of a tensor seen as (outer, size, inner)."""

from typing import Any

from jitlite.interpreter.kernels.abi import f32p, i8p, i32p, i64, span, u8p
from jitlite.interpreter.kernels.elements import INDICES, ip, specialise, xp
from jitlite.interpreter.kernels.requantize import wide


def _first_extreme_f32(x: f32p, y: ip, columns: i64, size: i64, inner: i64, sign: i64, thread: i64, threads: i64) -> None:
    """y[o, i] = the first position of the greatest sign · x[o, :, i]; NaN is never greater; `columns` = outer · inner."""
    start, stop = span(columns, thread, threads)
    for column in range(start, stop):
        outer = column // inner
        at = outer * size * inner + column - outer * inner
        best, place = x[at], 0
        for k in range(1, size):
            value = x[at + k * inner]
            if (value > best if sign > 0 else value < best) or (best != best and value == value):
                best, place = value, k
        y[column] = place


def _first_extreme(x: xp, y: ip, columns: i64, size: i64, inner: i64, sign: i64, thread: i64, threads: i64) -> None:
    """The same for integers: the greatest of sign · value · 2^31 less the position, so that nothing branches; size is below 2^31."""
    start, stop = span(columns, thread, threads)
    scale = wide(sign) << wide(31)
    for column in range(start, stop):
        outer = column // inner
        at = outer * size * inner + column - outer * inner
        best = wide(x[at]) * scale
        if inner == 1:
            for k in range(1, size):
                best = max(best, wide(x[at + k]) * scale - k)
        else:
            for k in range(1, size):
                best = max(best, wide(x[at + k * inner]) * scale - k)
        y[column] = -best & 0x7FFFFFFF


_INTEGERS: dict[str, Any] = {"u8": u8p, "i8": i8p, "i32": i32p}

for _suffix, _index in INDICES.items():
    specialise(_first_extreme_f32, f"extreme_position_f32_{_suffix}", {ip: _index})
    for _name, _pointer in _INTEGERS.items():
        specialise(_first_extreme, f"extreme_position_{_name}_{_suffix}", {xp: _pointer, ip: _index})
