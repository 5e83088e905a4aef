"""Reductions of float32 and int32 in vectors; `kernels.reduction` says how the input is seen and what the parameters are."""

from collections.abc import Callable
from typing import Any

from jitlite.interpreter.kernels.abi import Pointer, i64, i64p, inline, span
from jitlite.interpreter.kernels.blocks import stack_like
from jitlite.interpreter.kernels.folds import across, folding
from jitlite.interpreter.kernels.partial import load_part, store_part
from jitlite.interpreter.kernels.reduction import loop_offset
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import LANES, Vector, load, splat, store

Numbers = Pointer[Any]
Combine = Callable[..., Any]

_FEW_ROWS = 64
"""Rows of few elements are combined one by one up to so many."""


@inline
def whole_blocks(lanes: i64, run: i64, outputs: i64, thread: i64, threads: i64) -> tuple[int, int]:
    """The outputs [start, stop) of `thread`: neighbours whose elements are combined in an order of their own are not parted."""
    if run > 1:
        return span(outputs, thread, threads)
    width = 4 * LANES if lanes >= 4 * LANES else LANES
    blocks = (lanes + width - 1) // width
    first, last = span(outputs // lanes * blocks, thread, threads)
    return first // blocks * lanes + first % blocks * width, last // blocks * lanes + last % blocks * width


@forced
def _same(x: Vector, setting: Any) -> Vector:
    return x


def vector_reduction(combine: Combine, neutral: Any) -> Combine:
    """A function that writes outputs [start, stop) to `y`: elements combined with `combine`, in any order; `neutral` changes nothing.

    Parts are those of `whole_blocks`.
    """
    fold_run, fold_across = folding(combine, _same), across(combine)

    @inline
    def reduce_runs(x: Numbers, y: Numbers, kept: i64p, reduced: i64p, run: i64, depth: i64, start: i64, stop: i64) -> None:
        count = kept[0]
        size, stride = (kept[count], kept[2 * count]) if count > 0 else (1, 0)
        at = start
        while at < stop:
            end = min(stop, at + size - at % size)
            base = loop_offset(kept, at)
            while at < end:
                total = fold_run(x, base, run, splat(neutral), 0)
                for d in range(1, depth):
                    total = combine(total, fold_run(x, base + loop_offset(reduced, d), run, splat(neutral), 0))
                y[at] = fold_across(total)
                at, base = at + 1, base + stride

    @forced
    def four_vectors(x: Numbers, y: Numbers, at: i64, base: i64, reduced: i64p, depth: i64) -> None:
        t0, t1, t2, t3 = load(x, base), load(x, base + LANES), load(x, base + 2 * LANES), load(x, base + 3 * LANES)
        for d in range(1, depth):
            row = base + loop_offset(reduced, d)
            t0, t1 = combine(t0, load(x, row)), combine(t1, load(x, row + LANES))
            t2, t3 = combine(t2, load(x, row + 2 * LANES)), combine(t3, load(x, row + 3 * LANES))
        store(y, at, t0)
        store(y, at + LANES, t1)
        store(y, at + 2 * LANES, t2)
        store(y, at + 3 * LANES, t3)

    @forced
    def one_vector(x: Numbers, base: i64, width: i64, reduced: i64p, depth: i64) -> Vector:
        """Four rows at a time, so that none waits for another."""
        t0, t1, t2, t3 = splat(neutral), splat(neutral), splat(neutral), splat(neutral)
        d = 0
        if width == LANES:
            while d + 4 <= depth:
                t0 = combine(t0, load(x, base + loop_offset(reduced, d)))
                t1 = combine(t1, load(x, base + loop_offset(reduced, d + 1)))
                t2 = combine(t2, load(x, base + loop_offset(reduced, d + 2)))
                t3 = combine(t3, load(x, base + loop_offset(reduced, d + 3)))
                d += 4
        else:
            while d + 4 <= depth:
                t0 = combine(t0, load_part(x, base + loop_offset(reduced, d), width))
                t1 = combine(t1, load_part(x, base + loop_offset(reduced, d + 1), width))
                t2 = combine(t2, load_part(x, base + loop_offset(reduced, d + 2), width))
                t3 = combine(t3, load_part(x, base + loop_offset(reduced, d + 3), width))
                d += 4
        while d < depth:
            t0 = combine(t0, load_part(x, base + loop_offset(reduced, d), width))
            d += 1
        return combine(combine(t0, t1), combine(t2, t3))

    @inline
    def neighbouring_rows(x: Numbers, y: Numbers, at: i64, base: i64, lanes: i64, depth: i64) -> None:
        """Rows of fewer than LANES elements that follow each other: LANES rows are as many whole vectors as a row has elements."""
        room = stack_like(x, 256)
        groups = depth // LANES
        for k in range(lanes):
            store(room, k * LANES, load(x, base + k * LANES))
        for group in range(1, groups):
            row = base + group * lanes * LANES
            for k in range(lanes):
                store(room, k * LANES, combine(load(room, k * LANES), load(x, row + k * LANES)))
        total = splat(neutral)
        for row in range(LANES):
            total = combine(total, load_part(room, row * lanes, lanes))
        for row in range(groups * LANES, depth):
            total = combine(total, load_part(x, base + row * lanes, lanes))
        store_part(y, at, total, lanes)

    @inline
    def reduce_lanes(x: Numbers, y: Numbers, kept: i64p, reduced: i64p, lanes: i64, depth: i64, start: i64, stop: i64) -> None:
        follow = lanes < LANES and depth >= _FEW_ROWS and reduced[0] == 1 and reduced[2] == lanes
        at = start
        while at < stop:
            outer = at // lanes
            lane = at - outer * lanes
            width = min(lanes - lane, stop - at)
            base = loop_offset(kept, outer) + lane
            if follow:
                neighbouring_rows(x, y, at, base, lanes, depth)
            else:
                done = 0
                while done + 4 * LANES <= width:
                    four_vectors(x, y, at + done, base + done, reduced, depth)
                    done += 4 * LANES
                while done < width:
                    part = min(LANES, width - done)
                    store_part(y, at + done, one_vector(x, base + done, part, reduced, depth), part)
                    done += LANES
            at += width

    @inline
    def reduce(x: Numbers, y: Numbers, kept: i64p, reduced: i64p, lanes: i64, run: i64, depth: i64, start: i64, stop: i64) -> None:
        if run == 1:
            reduce_lanes(x, y, kept, reduced, lanes, depth, start, stop)
        else:
            reduce_runs(x, y, kept, reduced, run, depth, start, stop)

    return reduce
