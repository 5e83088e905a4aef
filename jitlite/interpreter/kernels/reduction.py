"""The walk every reduction shares: outputs split among threads, and for each the input elements that belong to it.

The input is seen as kept and reduced loops of contiguous groups of axes. Where the innermost group is kept, its `lanes` outputs are
neighbours in the input and accumulate side by side; where it is reduced, `run` neighbours of the input belong to one output. The other of
the two is 1. The remaining loops come as int64 arrays [count, sizes…, strides…], outermost first; `depth` is the product of the sizes of
the reduced ones. No loop is empty.
"""

from collections.abc import Callable
from typing import Any

from jitlite.interpreter.kernels.abi import i64, i64p, inline, span
from jitlite.interpreter.kernels.elements import specialise, xp


@inline
def loop_offset(loops: i64p, index: i64) -> i64:
    """Where round `index` of the loops is, in elements."""
    count, at = loops[0], 0
    if count == 1:
        return index * loops[2]
    for back in range(count):
        loop = count - back
        at += index % loops[loop] * loops[count + loop]
        index //= loops[loop]
    return at


@inline
def add(a: Any, b: Any) -> Any:
    return a + b


@inline
def multiply(a: Any, b: Any) -> Any:
    return a * b


@inline
def greater(a: Any, b: Any) -> Any:
    return b if b > a else a


@inline
def lesser(a: Any, b: Any) -> Any:
    return b if b < a else a


def in_order(combine: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """A function that combines `count` neighbours, one after the other."""

    @inline
    def fold(x: xp, at: i64, count: i64) -> Any:
        value = x[at]
        for i in range(at + 1, at + count):
            value = combine(value, x[i])
        return value

    return fold


def row_by_row(combine: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """A function that writes `width` neighbouring outputs, one round of the reduced loops after the other."""

    @inline
    def reduce_lanes(x: xp, acc: Any, at: i64, width: i64, base: i64, reduced: i64p, depth: i64) -> None:
        for i in range(width):
            acc[at + i] = x[base + i]
        for d in range(1, depth):
            source = base + loop_offset(reduced, d)
            for i in range(width):
                acc[at + i] = combine(acc[at + i], x[source + i])

    return reduce_lanes


def reduction(
    combine: Callable[[Any, Any], Any], fold: Callable[..., Any] | None = None, lanes_reducer: Callable[..., Any] = row_by_row
) -> Callable[..., Any]:
    """A function that writes outputs [start, stop) to `acc`: elements combined with `combine`, neighbours with `fold`.

    Without `fold` elements are combined in the order of the input.
    """
    fold_run = in_order(combine) if fold is None else fold
    reduce_lanes = lanes_reducer(combine)

    @inline
    def reduce(x: xp, acc: Any, kept: i64p, reduced: i64p, lanes: i64, run: i64, depth: i64, start: i64, stop: i64) -> None:
        if run > 1:
            for at in range(start, stop):
                base = loop_offset(kept, at)
                value = fold_run(x, base, run)
                for d in range(1, depth):
                    value = combine(value, fold_run(x, base + loop_offset(reduced, d), run))
                acc[at] = value
            return
        at = start
        while at < stop:
            outer = at // lanes
            lane = at - outer * lanes
            width = min(lanes - lane, stop - at)
            reduce_lanes(x, acc, at, width, loop_offset(kept, outer) + lane, reduced, depth)
            at += width

    return reduce


def register(module: str, name: str, pointer: Any, reduce: Callable[..., Any]) -> None:
    """Registers the kernel `name` of a family's module: a reduction whose outputs are what it accumulates."""

    def reduce_all(
        x: xp, y: xp, kept: i64p, reduced: i64p, lanes: i64, run: i64, depth: i64, outputs: i64, thread: i64, threads: i64
    ) -> None:
        start, stop = span(outputs, thread, threads)
        reduce(x, y, kept, reduced, lanes, run, depth, start, stop)

    reduce_all.__module__ = module
    specialise(reduce_all, name, {xp: pointer})
