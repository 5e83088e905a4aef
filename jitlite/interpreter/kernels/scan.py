"""Kernels that scan one axis of a tensor viewed as (outer, size, inner): positions of extremes, running sums, the largest elements."""

from typing import Any

from jitlite.interpreter.kernels.abi import f32p, i8p, i16p, i32p, i64, i64p, inline, span, u8p
from jitlite.interpreter.kernels.elements import INDICES, ip, specialise, xp


def _extreme_position(x: xp, y: ip, columns: i64, size: i64, inner: i64, sign: i64, thread: i64, threads: i64) -> None:
    """y[o, i] = the first position of the greatest sign · x[o, :, i]; NaN is never greater; `columns` = outer · inner."""
    start, stop = span(columns, thread, threads)
    for column in range(start, stop):
        outer = column // inner
        at = outer * size * inner + column - outer * inner
        best, place = x[at] * sign, 0
        for k in range(1, size):
            value = x[at + k * inner] * sign
            if value > best or (best != best and value == value):
                best, place = value, k
        y[column] = place


for _name, _pointer in {"f32": f32p, "u8": u8p, "i8": i8p, "i32": i32p}.items():
    for _suffix, _index in INDICES.items():
        specialise(_extreme_position, f"extreme_position_{_name}_{_suffix}", {xp: _pointer, ip: _index})


def _cumulative_sum(x: xp, y: xp, columns: i64, size: i64, inner: i64, exclusive: i64, reverse: i64, thread: i64, threads: i64) -> None:
    """y[o, k, i] = Σ x[o, ≤ k, i] (< k when exclusive, from the end when reversed); `columns` = outer · inner."""
    start, stop = span(columns, thread, threads)
    for column in range(start, stop):
        outer = column // inner
        at, step = outer * size * inner + column - outer * inner, inner
        if reverse != 0:
            at, step = at + (size - 1) * inner, -inner
        total = x[at] - x[at] if exclusive != 0 else x[at]
        y[at] = total
        for _ in range(1, size):
            total += x[at] if exclusive != 0 else x[at + step]
            at += step
            y[at] = total


for _name, _pointer in {"f32": f32p, "i32": i32p, "i64": i64p}.items():
    specialise(_cumulative_sum, f"cumulative_sum_{_name}", {xp: _pointer})


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


for _name, _pointer in {"f32": f32p, "u8": u8p, "i8": i8p, "i16": i16p, "i32": i32p, "i64": i64p}.items():
    specialise(_top_k, f"top_k_{_name}_i32", {xp: _pointer, ip: i32p})
    specialise(_top_k, f"top_k_{_name}_i16", {xp: _pointer, ip: i16p})
