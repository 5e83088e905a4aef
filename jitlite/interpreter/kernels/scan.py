"""Positions of extremes, running sums and the largest elements along one axis of a tensor seen as (outer, size, inner); sequences."""

from typing import Any

from jitlite.interpreter.kernels.abi import f32, f32p, i8p, i16p, i32p, i64, i64p, inline, kernel, span, u8p
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
_NUMBERS: dict[str, Any] = {"f32": f32p, "i32": i32p, "i64": i64p}

for _suffix, _index in INDICES.items():
    specialise(_first_extreme_f32, f"extreme_position_f32_{_suffix}", {ip: _index})
    for _name, _pointer in _INTEGERS.items():
        specialise(_first_extreme, f"extreme_position_{_name}_{_suffix}", {xp: _pointer, ip: _index})


def _cumulative_sum(x: xp, y: xp, outer: i64, size: i64, inner: i64, exclusive: i64, reverse: i64, thread: i64, threads: i64) -> None:
    """y[o, k, i] = Σ x[o, ≤ k, i] (< k when exclusive, from the end when reversed)."""
    start, stop = span(outer * inner, thread, threads)
    while start < stop:
        plane = start // inner
        width = min(stop, (plane + 1) * inner) - start
        at, step = plane * size * inner + start - plane * inner, inner
        if reverse != 0:
            at, step = at + (size - 1) * inner, -inner
        for i in range(width):
            y[at + i] = x[at + i] - x[at + i] if exclusive != 0 else x[at + i]
        for _ in range(1, size):
            source = at if exclusive != 0 else at + step
            for i in range(width):
                y[at + step + i] = y[at + i] + x[source + i]
            at += step
        start += width


for _name, _pointer in _NUMBERS.items():
    specialise(_cumulative_sum, f"cumulative_sum_{_name}", {xp: _pointer})


@kernel
def sequence_f32(y: f32p, start: f32, step: f32, count: i64, thread: i64, threads: i64) -> None:
    """The numbers start, start + step, … added up one by one, rounded after each."""
    if thread == 0:
        value = start
        for i in range(count):
            y[i] = value
            value += step


def _sequence(y: xp, start: i64, step: i64, count: i64, thread: i64, threads: i64) -> None:
    """The numbers start, start + step, …"""
    first, stop = span(count, thread, threads)
    for i in range(first, stop):
        y[i] = start + i * step


specialise(_sequence, "sequence_i32", {xp: i32p})
specialise(_sequence, "sequence_i64", {xp: i64p})


@inline
def _precedes(a: Any, b: Any) -> Any:
    """Whether value a comes before b of a lower position: greater, and numbers before NaN."""
    return a > b or (b != b and a == a)


def _top_k(x: xp, values: xp, positions: ip, rows: i64, size: i64, k: i64, thread: i64, threads: i64) -> None:
    """The k greatest of each row, in falling order, earlier positions first among equals, and their positions; 0 < k <= size."""
    start, stop = span(rows, thread, threads)
    for row in range(start, stop):
        source, target = row * size, row * k
        for place in range(size):
            value = x[source + place]
            if place >= k and not _precedes(value, values[target + k - 1]):
                continue
            slot = min(place, k - 1)
            while slot > 0 and _precedes(value, values[target + slot - 1]):
                values[target + slot] = values[target + slot - 1]
                positions[target + slot] = positions[target + slot - 1]
                slot -= 1
            values[target + slot] = value
            positions[target + slot] = place


for _name, _pointer in (_INTEGERS | _NUMBERS | {"i16": i16p}).items():
    specialise(_top_k, f"top_k_{_name}_i32", {xp: _pointer, ip: i32p})
    specialise(_top_k, f"top_k_{_name}_i16", {xp: _pointer, ip: i16p})
