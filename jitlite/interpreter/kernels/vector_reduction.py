"""Reductions of float32 and int32 in vectors; `kernels.reduction` says how the input is seen and what the parameters are."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jitlite.interpreter.kernels.abi import Pointer, i64, i64p, inline, span
from jitlite.interpreter.kernels.blocks import stack_like
from jitlite.interpreter.kernels.elements import specialise, xp
from jitlite.interpreter.kernels.folds import across, first_of, folding
from jitlite.interpreter.kernels.partial import load_part, store_part
from jitlite.interpreter.kernels.reduction import loop_offset
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import LANES, Vector, load, splat, store

Numbers = Pointer[Any]
Function = Callable[..., Any]

_FEW_ROWS = 64
"""Rows of few elements are combined one by one up to so many."""


@forced
def as_is(x: Vector, setting: Any) -> Vector:
    return x


@inline
def _whole_blocks(lanes: i64, run: i64, outputs: i64, thread: i64, threads: i64) -> tuple[int, int]:
    """The outputs [start, stop) of `thread`: neighbours whose elements are combined in an order of their own are not parted."""
    if run > 1:
        return span(outputs, thread, threads)
    width = 4 * LANES if lanes >= 4 * LANES else LANES
    blocks = (lanes + width - 1) // width
    first, last = span(outputs // lanes * blocks, thread, threads)
    return first // blocks * lanes + first % blocks * width, last // blocks * lanes + last % blocks * width


class Fold(NamedTuple):
    """How elements become one: `combine(a, b)` in any order, of vectors after `prepare(vector, setting)`; then `finish(vector, setting)`.

    `neutral`, a number, changes nothing; `unpack` makes the setting of the kernel's int64.
    """

    combine: Function
    neutral: Any
    unpack: Function
    prepare: Function = as_is
    finish: Function = as_is


def _runs(how: Fold) -> Function:
    """Outputs [start, stop) that have `run` neighbours each."""
    combine, neutral, finish = how.combine, how.neutral, how.finish
    fold_run, fold_across = folding(combine, how.prepare), across(combine)

    @inline
    def reduce(x: Numbers, y: Numbers, kept: i64p, reduced: i64p, run: i64, depth: i64, start: i64, stop: i64, setting: Vector) -> None:
        count = kept[0]
        size, stride = (kept[count], kept[2 * count]) if count > 0 else (1, 0)
        at = start
        while at < stop:
            end = min(stop, at + size - at % size)
            base = loop_offset(kept, at)
            while at < end:
                total = splat(neutral)
                for d in range(depth):
                    total = combine(total, fold_run(x, base + loop_offset(reduced, d), run, splat(neutral), setting))
                y[at] = first_of(finish(splat(fold_across(total)), setting))
                at, base = at + 1, base + stride

    return reduce


def _columns(how: Fold) -> Function:
    """Four vectors of neighbouring outputs, one round of the reduced loops after the other."""
    combine, prepare, finish = how.combine, how.prepare, how.finish

    @inline
    def reduce(x: Numbers, y: Numbers, at: i64, base: i64, reduced: i64p, depth: i64, setting: Vector) -> None:
        t0, t1 = prepare(load(x, base), setting), prepare(load(x, base + LANES), setting)
        t2, t3 = prepare(load(x, base + 2 * LANES), setting), prepare(load(x, base + 3 * LANES), setting)
        for d in range(1, depth):
            row = base + loop_offset(reduced, d)
            t0 = combine(t0, prepare(load(x, row), setting))
            t1 = combine(t1, prepare(load(x, row + LANES), setting))
            t2 = combine(t2, prepare(load(x, row + 2 * LANES), setting))
            t3 = combine(t3, prepare(load(x, row + 3 * LANES), setting))
        store(y, at, finish(t0, setting))
        store(y, at + LANES, finish(t1, setting))
        store(y, at + 2 * LANES, finish(t2, setting))
        store(y, at + 3 * LANES, finish(t3, setting))

    return reduce


def _column(how: Fold) -> Function:
    """One vector of at most LANES outputs, four rounds at a time, so that none waits for another."""
    combine, prepare, neutral = how.combine, how.prepare, how.neutral

    @inline
    def reduce(x: Numbers, base: i64, width: i64, reduced: i64p, depth: i64, setting: Vector) -> Vector:
        t0, t1, t2, t3 = splat(neutral), splat(neutral), splat(neutral), splat(neutral)
        d = 0
        if width == LANES:
            while d + 4 <= depth:
                t0 = combine(t0, prepare(load(x, base + loop_offset(reduced, d)), setting))
                t1 = combine(t1, prepare(load(x, base + loop_offset(reduced, d + 1)), setting))
                t2 = combine(t2, prepare(load(x, base + loop_offset(reduced, d + 2)), setting))
                t3 = combine(t3, prepare(load(x, base + loop_offset(reduced, d + 3)), setting))
                d += 4
            t0, t1, t2 = combine(combine(t0, t1), combine(t2, t3)), splat(neutral), splat(neutral)
        while d + 2 <= depth:
            t0 = combine(t0, prepare(load_part(x, base + loop_offset(reduced, d), width), setting))
            t1 = combine(t1, prepare(load_part(x, base + loop_offset(reduced, d + 1), width), setting))
            d += 2
        if d < depth:
            t0 = combine(t0, prepare(load_part(x, base + loop_offset(reduced, d), width), setting))
        return combine(t0, t1)

    return reduce


def _rows(how: Fold) -> Function:
    """Rows of fewer than LANES elements that follow each other: LANES rows are as many whole vectors as a row has elements."""
    combine, prepare, neutral = how.combine, how.prepare, how.neutral

    @inline
    def reduce(x: Numbers, base: i64, lanes: i64, depth: i64, setting: Vector) -> Vector:
        room = stack_like(x, 256)
        groups = depth // LANES
        for k in range(lanes):
            store(room, k * LANES, prepare(load(x, base + k * LANES), setting))
        for group in range(1, groups):
            row = base + group * lanes * LANES
            for k in range(lanes):
                store(room, k * LANES, combine(load(room, k * LANES), prepare(load(x, row + k * LANES), setting)))
        total = splat(neutral)
        for row in range(LANES):
            total = combine(total, load_part(room, row * lanes, lanes))
        for row in range(groups * LANES, depth):
            total = combine(total, prepare(load_part(x, base + row * lanes, lanes), setting))
        return total

    return reduce


def _lanes(how: Fold) -> Function:
    """Outputs [start, stop) whose neighbours are neighbours in the input."""
    columns, column, rows, finish = _columns(how), _column(how), _rows(how), how.finish

    @inline
    def reduce(x: Numbers, y: Numbers, kept: i64p, reduced: i64p, lanes: i64, depth: i64, start: i64, stop: i64, setting: Vector) -> None:
        follow = lanes < LANES and depth >= _FEW_ROWS and reduced[0] == 1 and reduced[2] == lanes
        at = start
        while at < stop:
            outer = at // lanes
            lane = at - outer * lanes
            width = min(lanes - lane, stop - at)
            base, done = loop_offset(kept, outer) + lane, 0
            if follow:
                store_part(y, at, finish(rows(x, base, lanes, depth, setting), setting), lanes)
                done = lanes
            while done + 4 * LANES <= width:
                columns(x, y, at + done, base + done, reduced, depth, setting)
                done += 4 * LANES
            while done < width:
                part = min(LANES, width - done)
                store_part(y, at + done, finish(column(x, base + done, part, reduced, depth, setting), setting), part)
                done += LANES
            at += width

    return reduce


def reduction(family: str, name: str, pointer: Any, how: Fold) -> None:
    """Makes the kernel `name` of module `family`."""
    of_lanes, of_runs, unpack = _lanes(how), _runs(how), how.unpack

    def reduce_all(
        x: xp, y: xp, kept: i64p, reduced: i64p, lanes: i64, run: i64, depth: i64, outputs: i64, setting: i64, thread: i64, threads: i64
    ) -> None:
        start, stop = _whole_blocks(lanes, run, outputs, thread, threads)
        unpacked = unpack(setting)
        if run == 1:
            of_lanes(x, y, kept, reduced, lanes, depth, start, stop, unpacked)
        else:
            of_runs(x, y, kept, reduced, run, depth, start, stop, unpacked)

    reduce_all.__module__ = family
    specialise(reduce_all, name, {xp: pointer})
