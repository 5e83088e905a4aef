"""The walk every reduction shares: outputs split among threads, and for each the input elements that belong to it.

The input is seen as kept and reduced loops of contiguous groups of axes. Where the innermost group is kept, its `lanes` outputs are
neighbours in the input and accumulate side by side; where it is reduced, `run` neighbours of the input belong to one output. The other of
the two is 1. The remaining loops come as int64 arrays [count, sizes…, strides…], outermost first; `depth` is the product of the sizes of
the reduced ones. Elements are combined in the order of the input. No loop is empty.
"""

from collections.abc import Callable
from typing import Any

from jitlite.interpreter.kernels.abi import i64, i64p, inline
from jitlite.interpreter.kernels.elements import xp


@inline
def loop_offset(loops: i64p, index: i64) -> i64:
    """Where round `index` of the loops is, in elements."""
    count, at = loops[0], 0
    for back in range(count):
        loop = count - back
        at += index % loops[loop] * loops[count + loop]
        index //= loops[loop]
    return at


def in_order(combine: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """A function that combines a value with `count` neighbours, one after the other."""

    @inline
    def fold(value: Any, x: xp, at: i64, count: i64) -> Any:
        for i in range(count):
            value = combine(value, x[at + i])
        return value

    return fold


def reduction(combine: Callable[[Any, Any], Any], fold: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """A function that writes outputs [start, stop) to `acc`: elements combined with `combine`, neighbours with `fold`."""
    fold_run = in_order(combine) if fold is None else fold

    @inline
    def reduce(x: xp, acc: Any, kept: i64p, reduced: i64p, lanes: i64, run: i64, depth: i64, start: i64, stop: i64) -> None:
        at = start
        while at < stop:
            outer = at // lanes
            lane = at - outer * lanes
            width = min(lanes - lane, stop - at)
            base = loop_offset(kept, outer) + lane
            if run == 1:
                for i in range(width):
                    acc[at + i] = x[base + i]
                for d in range(1, depth):
                    source = base + loop_offset(reduced, d)
                    for i in range(width):
                        acc[at + i] = combine(acc[at + i], x[source + i])
            else:
                acc[at] = x[base]
                value = fold_run(acc[at], x, base + 1, run - 1)
                for d in range(1, depth):
                    value = fold_run(value, x, base + loop_offset(reduced, d), run)
                acc[at] = value
            at += width

    return reduce
