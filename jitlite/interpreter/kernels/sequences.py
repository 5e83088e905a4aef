"""Running sums along one axis of a tensor seen as (outer, size, inner), and arithmetic sequences."""

from typing import Any

from jitlite.interpreter.kernels.abi import f32, f32p, i32p, i64, i64p, kernel, span
from jitlite.interpreter.kernels.elements import specialise, xp

_NUMBERS: dict[str, Any] = {"f32": f32p, "i32": i32p, "i64": i64p}


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
