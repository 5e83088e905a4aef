"""Packs constant weights into panels of COLUMNS channels while a model is planned."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import i8p, i32p, i64, inline, kernel, span
from jitlite.interpreter.kernels.tile import COLUMNS

narrow: Any = np.int32


@inline
def _channels_of(panel: i64, channels: i64) -> tuple[i64, i64]:
    """The first channel of a panel, of groups of `channels` each, and how many of its channels there are."""
    panels = (channels + COLUMNS - 1) // COLUMNS
    first = panel % panels * COLUMNS
    return panel // panels * channels + first, min(COLUMNS, channels - first)


@kernel
def pack_levels(source: i32p, target: i32p, groups: i64, channels: i64, depth: i64, thread: i64, threads: i64) -> None:
    """Numbers of 32 bits, [groups · channels, depth], as [groups · panels, depth, COLUMNS], zeros behind the last channel of a group."""
    start, stop = span(groups * ((channels + COLUMNS - 1) // COLUMNS), thread, threads)
    for panel in range(start, stop):
        first, count = _channels_of(panel, channels)
        level = panel * depth * COLUMNS
        for j in range(count):
            for k in range(depth):
                target[level + k * COLUMNS + j] = source[(first + j) * depth + k]
        for j in range(count, COLUMNS):
            for k in range(depth):
                target[level + k * COLUMNS + j] = 0


@kernel
def pack_quads(source: i8p, target: i8p, sums: i32p, groups: i64, channels: i64, runs: i64, depth: i64, thread: i64, threads: i64) -> None:
    """INT8 numbers, [groups · channels, runs, depth], as [groups · panels, runs, quads, COLUMNS, 4], zeros behind the last number.

    `sums`, [groups · panels, COLUMNS], becomes the sum of each channel. The target is zeroed before.
    """
    start, stop = span(groups * ((channels + COLUMNS - 1) // COLUMNS), thread, threads)
    quads = (depth + 3) // 4
    for panel in range(start, stop):
        first, count = _channels_of(panel, channels)
        for j in range(count):
            total = narrow(0)
            for run in range(runs):
                at = ((first + j) * runs + run) * depth
                to = ((panel * runs + run) * quads * COLUMNS + j) * 4
                for k in range(0, depth - 3, 4):
                    a, b, c, d = source[at + k], source[at + k + 1], source[at + k + 2], source[at + k + 3]
                    target[to], target[to + 1], target[to + 2], target[to + 3] = a, b, c, d
                    total += narrow(a) + narrow(b) + narrow(c) + narrow(d)
                    to += 4 * COLUMNS
                for k in range(depth // 4 * 4, depth):
                    target[to + k % 4] = source[at + k]
                    total += narrow(source[at + k])
            sums[panel * COLUMNS + j] = total
        for j in range(count, COLUMNS):
            sums[panel * COLUMNS + j] = 0
