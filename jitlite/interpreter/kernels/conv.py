"""Convolutions over NHWC images.

Filters are packed: panel (those of the first group first), tap, input channel, COLUMNS output channels. Taps outside the image read
`outside`, as many elements as the image has channels, instead: zeros or, in a quantized image, its zero point.
"""

from typing import NamedTuple

from jitlite.interpreter.kernels.abi import f32, f32p, i8p, i32p, i64, i64p, inline, kernel
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.requantize import narrow
from jitlite.interpreter.kernels.tile import (
    COLUMNS,
    ROWS,
    Numbers,
    Rows,
    Tile,
    add_row,
    add_rows,
    forced,
    next_rows,
    rows_from,
    run_size,
    split,
    store_f32,
    store_qs8,
    store_rows_qs8,
    store_scaled,
    tile_of,
)
from jitlite.interpreter.kernels.vectors import Vector, add, load, multiply, splat, zeros_like
from jitlite.interpreter.kernels.windows import Window, Windows, are_inner, under, unpack, window_at


class Filters(NamedTuple):
    """One panel: its group's first channel in the image and their number, where its weights start, its first result and their number."""

    channel: int
    depth: int
    at: int
    result: int
    width: int


class Six(NamedTuple):
    """The windows of ROWS pixels."""

    w0: Window
    w1: Window
    w2: Window
    w3: Window
    w4: Window
    w5: Window


@inline
def _panels(s: Windows) -> i64:
    """Panels of all groups."""
    return s.groups * ((s.out_c // s.groups + COLUMNS - 1) // COLUMNS)


@inline
def _filters(s: Windows, w: Numbers, panel: i64) -> Filters:
    panels, channels, depth = _panels(s) // s.groups, s.out_c // s.groups, s.in_c // s.groups
    group, first = panel // panels, panel % panels * COLUMNS
    at = panel * s.window_h * s.window_w * run_size(w, depth)
    return Filters(group * depth, depth, at, group * channels + first, min(COLUMNS, channels - first))


@inline
def _six(s: Windows, pixel: i64) -> Six:
    return Six(
        window_at(s, pixel),
        window_at(s, pixel + 1),
        window_at(s, pixel + 2),
        window_at(s, pixel + 3),
        window_at(s, pixel + 4),
        window_at(s, pixel + 5),
    )


@forced
def _sum_inner(x: Numbers, s: Windows, window: Window, w: Numbers, filters: Filters) -> Tile:
    """The sums of ROWS neighbouring windows inside the image, the first of which is given."""
    tile = tile_of(zeros_like(w))
    is_joined = s.dilation_w == 1 and s.groups == 1 and run_size(w, 1) == COLUMNS
    runs = 1 if is_joined else s.window_w
    depth = filters.depth * s.window_w if is_joined else filters.depth
    at = filters.at
    for tap_y in range(s.window_h):
        row = window.at + filters.channel + tap_y * s.dilation_h * s.in_w * s.in_c
        for run in range(runs):
            rows = rows_from(x, row + run * s.dilation_w * s.in_c, s.stride_w * s.in_c)
            tile = add_rows(tile, rows, 1, depth, w, at)
            at += run_size(w, depth)
    return tile


@forced
def _sum_any(x: Numbers, s: Windows, six: Six, w: Numbers, filters: Filters, outside: Numbers, step: i64) -> Tile:
    """The sums of any ROWS windows; those of batch b read outside[b · step :] outside the image."""
    tile = tile_of(zeros_like(w))
    at = filters.at
    for tap_y in range(s.window_h):
        for tap_x in range(s.window_w):
            rows = Rows(
                advance(under(x, s, six.w0, tap_y, tap_x, advance(outside, six.w0.batch * step)), filters.channel),
                advance(under(x, s, six.w1, tap_y, tap_x, advance(outside, six.w1.batch * step)), filters.channel),
                advance(under(x, s, six.w2, tap_y, tap_x, advance(outside, six.w2.batch * step)), filters.channel),
                advance(under(x, s, six.w3, tap_y, tap_x, advance(outside, six.w3.batch * step)), filters.channel),
                advance(under(x, s, six.w4, tap_y, tap_x, advance(outside, six.w4.batch * step)), filters.channel),
                advance(under(x, s, six.w5, tap_y, tap_x, advance(outside, six.w5.batch * step)), filters.channel),
            )
            tile = add_rows(tile, rows, 1, filters.depth, w, at)
            at += run_size(w, filters.depth)
    return tile


@forced
def _sum_one(x: Numbers, s: Windows, window: Window, w: Numbers, filters: Filters, outside: Numbers, step: i64) -> Vector:
    total = zeros_like(w)
    at = filters.at
    for tap_y in range(s.window_h):
        for tap_x in range(s.window_w):
            place = under(x, s, window, tap_y, tap_x, advance(outside, window.batch * step))
            total = add_row(total, advance(place, filters.channel), 1, filters.depth, w, at)
            at += run_size(w, filters.depth)
    return total


@kernel
def conv_2d_f32(x: f32p, w: f32p, bias: f32p, y: f32p, outside: f32p, sizes: i64p, low: f32, high: f32, thread: i64, threads: i64) -> None:
    s = unpack(sizes)
    start, stop, first, last = split(s.batches * s.out_h * s.out_w, _panels(s), thread, threads)
    pixel = start
    while pixel < stop:
        pixel, pixels = next_rows(start, pixel, stop)
        window = window_at(s, pixel)
        is_inner = pixels == ROWS and are_inner(s, window, pixel)
        six = _six(s, pixel)
        for panel in range(first, last):
            filters = _filters(s, w, panel)
            at = pixel * s.out_c + filters.result
            if pixels == ROWS:
                tile = _sum_inner(x, s, window, w, filters) if is_inner else _sum_any(x, s, six, w, filters, outside, 0)
                store_f32(tile.c0, bias, panel, low, high, y, at, filters.width)
                store_f32(tile.c1, bias, panel, low, high, y, at + s.out_c, filters.width)
                store_f32(tile.c2, bias, panel, low, high, y, at + 2 * s.out_c, filters.width)
                store_f32(tile.c3, bias, panel, low, high, y, at + 3 * s.out_c, filters.width)
                store_f32(tile.c4, bias, panel, low, high, y, at + 4 * s.out_c, filters.width)
                store_f32(tile.c5, bias, panel, low, high, y, at + 5 * s.out_c, filters.width)
            else:
                total = _sum_one(x, s, window, w, filters, outside, 0)
                store_f32(total, bias, panel, low, high, y, at, filters.width)
        pixel += pixels


@kernel
def conv_2d_qs8(x: i8p, w: i8p, channels: i32p, y: i8p, outside: i8p, sizes: i64p, limits: i32p, thread: i64, threads: i64) -> None:
    """Biases contain minus the image's zero point times the sum of the filter's weights."""
    s = unpack(sizes)
    start, stop, first, last = split(s.batches * s.out_h * s.out_w, _panels(s), thread, threads)
    pixel = start
    while pixel < stop:
        pixel, pixels = next_rows(start, pixel, stop)
        window = window_at(s, pixel)
        is_inner = pixels == ROWS and are_inner(s, window, pixel)
        six = _six(s, pixel)
        for panel in range(first, last):
            filters = _filters(s, w, panel)
            at = pixel * s.out_c + filters.result
            if pixels == ROWS:
                tile = _sum_inner(x, s, window, w, filters) if is_inner else _sum_any(x, s, six, w, filters, outside, 0)
                store_rows_qs8(tile, channels, panel, limits, y, at, s.out_c, filters.width)
            else:
                store_qs8(_sum_one(x, s, window, w, filters, outside, 0), channels, panel, limits, y, at, filters.width)
        pixel += pixels


class Output(NamedTuple):
    """Where float results of a quantized image go and what they need."""

    scales: f32p
    zero_points: i32p
    sums: i32p
    channels: f32p
    low: float
    high: float
    y: f32p


@forced
def _store(total: Vector, window: Window, panel: i64, out: Output, at: i64, count: i64) -> None:
    """Removes the zero point of the window's batch and stores as float."""
    sums = multiply(splat(narrow(-out.zero_points[window.batch])), load(out.sums, panel * COLUMNS))
    store_scaled(add(total, sums), out.scales[window.batch], out.channels, panel, out.low, out.high, out.y, at, count)


@kernel
def conv_2d_f32_qc8w(
    x: i8p,
    scales: f32p,
    zero_points: i32p,
    outside: i8p,
    w: i8p,
    sums: i32p,
    channels: f32p,
    y: f32p,
    sizes: i64p,
    low: f32,
    high: f32,
    thread: i64,
    threads: i64,
) -> None:
    """Float results of an image quantized with a scale and a zero point a batch.

    `outside` holds each batch's zero points, `sums` the sum of each filter's weights, padded to panels.
    """
    s = unpack(sizes)
    start, stop, first, last = split(s.batches * s.out_h * s.out_w, _panels(s), thread, threads)
    out = Output(scales, zero_points, sums, channels, low, high, y)
    pixel = start
    while pixel < stop:
        pixel, pixels = next_rows(start, pixel, stop)
        six = _six(s, pixel)
        for panel in range(first, last):
            filters = _filters(s, w, panel)
            at = pixel * s.out_c + filters.result
            if pixels == ROWS:
                tile = _sum_any(x, s, six, w, filters, outside, s.in_c)
                _store(tile.c0, six.w0, panel, out, at, filters.width)
                _store(tile.c1, six.w1, panel, out, at + s.out_c, filters.width)
                _store(tile.c2, six.w2, panel, out, at + 2 * s.out_c, filters.width)
                _store(tile.c3, six.w3, panel, out, at + 3 * s.out_c, filters.width)
                _store(tile.c4, six.w4, panel, out, at + 4 * s.out_c, filters.width)
                _store(tile.c5, six.w5, panel, out, at + 5 * s.out_c, filters.width)
            else:
                _store(_sum_one(x, s, six.w0, w, filters, outside, s.in_c), six.w0, panel, out, at, filters.width)
        pixel += pixels
