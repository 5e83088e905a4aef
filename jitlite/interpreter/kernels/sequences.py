"""Running sums along one axis of a tensor seen as (outer, size, inner), and arithmetic sequences."""

from jitlite.interpreter.kernels.abi import f32, f32p, i32p, i64, i64p, inline, kernel, span
from jitlite.interpreter.kernels.elements import specialise, xp
from jitlite.interpreter.kernels.folds import last_lane, moved_up, turned
from jitlite.interpreter.kernels.partial import load_part, store_part
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import LANES, Vector, zeros_like


def _planes(x: xp, y: xp, outer: i64, size: i64, inner: i64, exclusive: i64, reverse: i64, thread: i64, threads: i64) -> None:
    """Every plane of `inner` neighbours is the one before plus the input's."""
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


_sum_planes = inline(_planes)


@forced
def _running(row: Vector) -> Vector:
    """The sums of each lane and those before it."""
    row = row + moved_up(row, 1)
    row = row + moved_up(row, 2)
    row = row + moved_up(row, 4)
    return row + moved_up(row, 8)


@inline
def _sum_row(x: xp, y: xp, start: i64, size: i64, exclusive: i64, reverse: i64) -> None:
    total = zeros_like(x)
    for done in range(0, size, LANES):
        count = min(LANES, size - done)
        at = start + size - done - count if reverse != 0 else start + done
        values = load_part(x, at, count)
        sums = _running(turned(values) if reverse != 0 else values)
        found = (moved_up(sums, 1) if exclusive != 0 else sums) + total
        total = total + last_lane(sums)
        store_part(y, at, turned(found) if reverse != 0 else found, count)


def _cumulative_sum(x: xp, y: xp, outer: i64, size: i64, inner: i64, exclusive: i64, reverse: i64, thread: i64, threads: i64) -> None:
    """y[o, k, i] = Σ x[o, ≤ k, i] (< k when exclusive, from the end when reversed)."""
    if inner == 1:
        first, last = span(outer, thread, threads)
        for row in range(first, last):
            _sum_row(x, y, row * size, size, exclusive, reverse)
    else:
        _sum_planes(x, y, outer, size, inner, exclusive, reverse, thread, threads)


specialise(_cumulative_sum, "cumulative_sum_f32", {xp: f32p})
specialise(_cumulative_sum, "cumulative_sum_i32", {xp: i32p})
specialise(_planes, "cumulative_sum_i64", {xp: i64p})


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
