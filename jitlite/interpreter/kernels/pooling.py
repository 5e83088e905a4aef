"""The loops of pooling kernels: windows of an NHWC image, clipped to it, each reduced channel by channel.

A strip of the image is reduced in two passes, so that almost all work is on neighbours: its rows into one row of totals on the stack, then
that row's columns. Totals outside the image hold what changes nothing.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from jitlite.interpreter.kernels.abi import i64, inline, span
from jitlite.interpreter.kernels.blocks import stack_like
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.runs import copy_run
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.windows import Windows

Function = Callable[..., Any]

ROW = 2048
"""Totals on the stack, besides SLACK that vectors may reach into."""

SLACK = 64

GROUP = 64
"""Channels that threads share out together where there are fewer rows than threads."""


class Reduction(NamedTuple):
    """What a pooling does with vectors of `lanes` numbers.

    `load(x, at)` reads the image and `load_total(row, at)` totals, `store_total` writes them; `empty(row, settings)` is a total of nothing;
    `add(total, value)` adds an element of the image and `join(total, other)` another total; `finish(part, at, total, elements, settings)`
    stores the result of so many elements. Results of `counts` depend on that number.
    """

    lanes: int
    load: Function
    load_total: Function
    store_total: Function
    empty: Function
    add: Function
    join: Function
    finish: Function
    counts: bool


class Rows(NamedTuple):
    """Rows of the image: the index of the first one's start and how many there are."""

    at: int
    runs: int


class Inside(NamedTuple):
    """Where windows of `rows` by `columns` lie in an image so many columns wide: the first one's left column and the step to the next."""

    left: int
    step: int
    columns: int
    width: int
    rows: int


@inline
def _rows_under(s: Windows, row: i64) -> Rows:
    """The image's rows that the windows of a row of the result cover."""
    batch = row // s.out_h
    top = (row - batch * s.out_h) * s.stride_h - s.pad_h
    first, stop = max(0, -top), min(s.window_h, s.in_h - top)
    return Rows((batch * s.in_h + top + first) * s.in_w * s.in_c, stop - first)


def _row_totals(r: Reduction) -> Function:
    """Makes totals of `count` runs' neighbours: those of `planes` times `rows` runs, `plane_step` and `step` apart."""
    lanes, load, load_total, store_total, empty, add = r.lanes, r.load, r.load_total, r.store_total, r.empty, r.add

    def several(rows: int) -> Function:
        @forced
        def total_at(x: Any, at: Any, step: Any, row: Any, row_at: Any, fresh: Any, settings: Any) -> Any:
            total = empty(row, settings) if fresh else load_total(row, row_at)
            for line in range(rows):
                total = add(total, load(x, at + line * step))
            return total

        @forced
        def run(x: Any, at: Any, step: Any, count: Any, row: Any, row_at: Any, fresh: Any, settings: Any) -> Any:
            # The last vector overlaps the one before: both start from the totals as they were.
            end = count - lanes
            last = total_at(x, at + end, step, row, row_at + end, fresh, settings)
            for i in range(0, end, lanes):
                store_total(row, row_at + i, total_at(x, at + i, step, row, row_at + i, fresh, settings))
            store_total(row, row_at + end, last)

        return run

    one, two, three, four = several(1), several(2), several(3), several(4)

    @forced
    def narrow(x: Any, at: Any, step: Any, rows: Any, count: Any, row: Any, row_at: Any, fresh: Any, settings: Any) -> Any:
        near = stack_like(x, SLACK)
        total = empty(row, settings) if fresh else load_total(row, row_at)
        for line in range(rows):
            for i in range(count):
                near[i] = x[at + line * step + i]
            total = add(total, load(near, 0))
        store_total(row, row_at, total)

    @inline
    def run(x: Any, at: Any, planes: Any, plane_step: Any, rows: Any, step: Any, count: Any, row: Any, row_at: Any, settings: Any) -> Any:
        fresh = True
        for plane in range(planes):
            place, left = at + plane * plane_step, rows
            if count < lanes:
                narrow(x, place, step, rows, count, row, row_at, fresh, settings)
                left = 0
            while left >= 4:
                four(x, place, step, count, row, row_at, fresh, settings)
                place, left, fresh = place + 4 * step, left - 4, False
            if left == 3:
                three(x, place, step, count, row, row_at, fresh, settings)
            elif left == 2:
                two(x, place, step, count, row, row_at, fresh, settings)
            elif left == 1:
                one(x, place, step, count, row, row_at, fresh, settings)
            fresh = False

    return run


def _column_totals(r: Reduction) -> Function:
    """Joins the totals of `columns` pixels for each of `pixels` windows, `step` apart, and stores `count` results of each.

    `inside` says how many elements each window has.
    """
    lanes, load_total, join, finish = r.lanes, r.load_total, r.join, r.finish

    @forced
    def several(row: Any, step: Any, columns: Any, channels: Any, count: Any, part: Any, pixels: Any, inside: Any, settings: Any) -> Any:
        for pixel in range(pixels):
            left = inside.left + pixel * inside.step
            elements = inside.rows * (min(left + inside.columns, inside.width) - max(left, 0))
            for i in range(0, count, lanes):
                at = pixel * step + i
                total = load_total(row, at)
                for column in range(1, columns):
                    total = join(total, load_total(row, at + column * channels))
                finish(part, pixel * count + i, total, elements, settings)

    @inline
    def run(row: Any, step: Any, columns: Any, channels: Any, count: Any, part: Any, pixels: Any, inside: Any, settings: Any) -> Any:
        if columns == 2:
            several(row, step, 2, channels, count, part, pixels, inside, settings)
        elif columns == 3:
            several(row, step, 3, channels, count, part, pixels, inside, settings)
        else:
            several(row, step, columns, channels, count, part, pixels, inside, settings)

    return run


@inline
def _part(s: Windows, by_channel: bool, thread: i64, threads: i64) -> tuple[int, int, int, int]:
    """A thread's rows of the result and its channels, as (first row, last row, first channel, last channel); the last ones are exclusive.

    Threads may share out channels `by_channel` where there are fewer rows than threads.
    """
    rows, groups = s.batches * s.out_h, max(1, s.in_c // GROUP)
    if not by_channel or rows >= threads or groups < threads:
        first_row, stop_row = span(rows, thread, threads)
        return first_row, stop_row, 0, s.in_c
    first, stop = span(groups, thread, threads)
    return 0, rows, first * GROUP, s.in_c if stop == groups else stop * GROUP


def pooling(r: Reduction) -> Function:
    """The function (x, y, s, settings, thread, threads, row, part) that pools; `row` and `part` are ROW + SLACK totals and results.

    Where ROW totals hold the rows of a window, a strip of neighbouring windows is reduced at a time; otherwise one window's channels.
    """
    row_totals, column_totals = _row_totals(r), _column_totals(r)
    lanes, store_total, empty, counts = r.lanes, r.store_total, r.empty, r.counts

    @inline
    def clear(row: Any, first: Any, stop: Any, settings: Any) -> Any:
        for i in range(first, stop, lanes):
            store_total(row, i, empty(row, settings))

    @inline
    def strip(x: Any, y: Any, s: Any, rows: Any, begin: Any, pixels: Any, y_at: Any, settings: Any, row: Any, part: Any) -> Any:
        left = begin * s.stride_w - s.pad_w
        right = left + (pixels - 1) * s.stride_w + s.window_w
        near, far = max(0, left), min(s.in_w, right)
        at, before, count = rows.at + near * s.in_c, (near - left) * s.in_c, (far - near) * s.in_c
        clear(row, 0, before, settings)
        row_totals(x, at, 1, 0, rows.runs, s.in_w * s.in_c, count, row, before, settings)
        clear(row, before + count, (right - left) * s.in_c, settings)
        inside = Inside(left, s.stride_w, s.window_w, s.in_w, rows.runs)
        # Neighbouring windows side by side are like one of more channels.
        together = pixels if not counts and s.stride_w == 1 else 1
        results = together * s.in_c
        fits = results % lanes == 0
        target = advance(y, y_at) if fits else part
        column_totals(row, s.stride_w * s.in_c, s.window_w, s.in_c, results, target, pixels // together, inside, settings)
        if not fits:
            copy_run(part, 0, y, y_at, pixels * s.in_c)

    @inline
    def window(
        x: Any, y: Any, s: Any, rows: Any, column: Any, first: Any, count: Any, y_at: Any, settings: Any, row: Any, part: Any
    ) -> Any:
        left = column * s.stride_w - s.pad_w
        near, far = max(0, left), min(s.in_w, left + s.window_w)
        planes, runs = (1, rows.runs * s.in_w) if far - near == s.in_w else (rows.runs, far - near)
        row_totals(x, rows.at + near * s.in_c + first, planes, s.in_w * s.in_c, runs, s.in_c, count, row, 0, settings)
        inside = Inside(near, 0, far - near, s.in_w, rows.runs)
        column_totals(row, 0, 1, s.in_c, count, part, 1, inside, settings)
        copy_run(part, 0, y, y_at + first, count)

    @inline
    def run(x: Any, y: Any, s: Any, settings: Any, thread: Any, threads: Any, row: Any, part: Any) -> Any:
        is_wide = s.window_w * s.in_c > ROW
        at_once = 1 if is_wide else (ROW // s.in_c - s.window_w) // s.stride_w + 1
        first_row, stop_row, first, stop = _part(s, is_wide, thread, threads)
        for line in range(first_row, stop_row):
            rows = _rows_under(s, line)
            for begin in range(0, s.out_w, at_once):
                y_at = (line * s.out_w + begin) * s.in_c
                if is_wide:
                    for channel in range(first, stop, ROW):
                        window(x, y, s, rows, begin, channel, min(ROW, stop - channel), y_at, settings, row, part)
                else:
                    strip(x, y, s, rows, begin, min(at_once, s.out_w - begin), y_at, settings, row, part)

    return run
