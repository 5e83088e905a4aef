"""Transposed convolutions over NHWC images; filters packed as those of `conv`, with the channels of the result as columns.

A pixel of the result gathers the input pixels whose windows reach it: tap t of the input at i reaches i · stride - pad + t. The pixels of
one row of the result that are a stride apart share their taps and are summed ROWS at a time. Columns outside the image read `outside`.
"""

from typing import NamedTuple

from jitlite.interpreter.kernels.abi import f32, f32p, i8p, i32, i32p, i64, i64p, inline, kernel
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.requantize import narrow
from jitlite.interpreter.kernels.tile import (
    COLUMNS,
    ROWS,
    Numbers,
    Rows,
    Tile,
    add_rows,
    forced,
    run_size,
    shift_rows,
    split,
    store_f32,
    store_qs8,
    tile_of,
)
from jitlite.interpreter.kernels.vectors import Vector, add, load, zeros_like
from jitlite.interpreter.kernels.windows import Windows, unpack


class Comb(NamedTuple):
    """ROWS pixels of a row of the result, a stride apart.

    `row` and `column` of the first are counted from the padding's edge; `at` is its index in the result, `pixels` how many lie inside it,
    `image` the index in the image of the batch.
    """

    row: int
    column: int
    at: int
    pixels: int
    image: int


@inline
def _panels(s: Windows) -> i64:
    return (s.out_c + COLUMNS - 1) // COLUMNS


@inline
def _combs_of_row(s: Windows) -> i64:
    return s.stride_w * ((s.out_w + ROWS * s.stride_w - 1) // (ROWS * s.stride_w))


@inline
def _comb(s: Windows, number: i64) -> Comb:
    combs = _combs_of_row(s)
    line, within = number // combs, number % combs
    x = within // s.stride_w * (ROWS * s.stride_w) + within % s.stride_w
    batch, y = line // s.out_h, line % s.out_h
    pixels = min(ROWS, max(0, (s.out_w - x + s.stride_w - 1) // s.stride_w))
    return Comb(y + s.pad_h, x + s.pad_w, (line * s.out_w + x) * s.out_c, pixels, batch * s.in_h * s.in_w * s.in_c)


@forced
def _under(x: Numbers, s: Windows, row_at: i64, column: i64, outside: Numbers) -> Numbers:
    return advance(x, row_at + column * s.in_c) if 0 <= column < s.in_w else outside


@forced
def _gather(x: Numbers, s: Windows, comb: Comb, w: Numbers, panel: i64, outside: Numbers) -> Tile:
    """The sums of a comb's pixels."""
    tile = tile_of(zeros_like(w))
    for tap_y in range(comb.row % s.stride_h, min(s.window_h, comb.row + 1), s.stride_h):
        image_row = (comb.row - tap_y) // s.stride_h
        if image_row < s.in_h:
            row_at = comb.image + image_row * s.in_w * s.in_c
            for tap_x in range(comb.column % s.stride_w, s.window_w, s.stride_w):
                column = (comb.column - tap_x) // s.stride_w
                rows = Rows(
                    _under(x, s, row_at, column, outside),
                    _under(x, s, row_at, column + 1, outside),
                    _under(x, s, row_at, column + 2, outside),
                    _under(x, s, row_at, column + 3, outside),
                    _under(x, s, row_at, column + 4, outside),
                    _under(x, s, row_at, column + 5, outside),
                )
                at = ((panel * s.window_h + tap_y) * s.window_w + tap_x) * run_size(w, s.in_c)
                tile = add_rows(tile, rows, 1, s.in_c, w, at)
    return tile


@forced
def _gathered_weights(s: Windows, comb: Comb, tap_sums: i32p, panel: i64) -> Vector:
    """The sums of the weights `_gather` multiplies with."""
    total = zeros_like(tap_sums)
    for tap_y in range(comb.row % s.stride_h, min(s.window_h, comb.row + 1), s.stride_h):
        if (comb.row - tap_y) // s.stride_h < s.in_h:
            for tap_x in range(comb.column % s.stride_w, s.window_w, s.stride_w):
                total = add(total, load(tap_sums, ((panel * s.window_h + tap_y) * s.window_w + tap_x) * COLUMNS))
    return total


@kernel
def transpose_conv_f32(
    x: f32p, w: f32p, bias: f32p, y: f32p, outside: f32p, sizes: i64p, low: f32, high: f32, thread: i64, threads: i64
) -> None:
    s = unpack(sizes)
    step = s.stride_w * s.out_c
    start, stop, first, last = split(s.batches * s.out_h * _combs_of_row(s), _panels(s), thread, threads)
    for number in range(start, stop):
        comb = _comb(s, number)
        for panel in range(first, last):
            at, width = comb.at + panel * COLUMNS, min(COLUMNS, s.out_c - panel * COLUMNS)
            tile = _gather(x, s, comb, w, panel, outside)
            if comb.pixels > 0:
                store_f32(tile.c0, bias, panel, low, high, y, at, width)
            if comb.pixels > 1:
                store_f32(tile.c1, bias, panel, low, high, y, at + step, width)
            if comb.pixels > 2:
                store_f32(tile.c2, bias, panel, low, high, y, at + 2 * step, width)
            if comb.pixels > 3:
                store_f32(tile.c3, bias, panel, low, high, y, at + 3 * step, width)
            if comb.pixels > 4:
                store_f32(tile.c4, bias, panel, low, high, y, at + 4 * step, width)
            if comb.pixels > 5:
                store_f32(tile.c5, bias, panel, low, high, y, at + 5 * step, width)


@kernel
def transpose_conv_qs8(
    x: i8p,
    w: i8p,
    tap_sums: i32p,
    channels: i32p,
    y: i8p,
    outside: i8p,
    sizes: i64p,
    zero_point: i32,
    limits: i32p,
    thread: i64,
    threads: i64,
) -> None:
    """`tap_sums` holds the sums of filters over input channels, by panel, tap and column; `outside` the image's zero point."""
    s = unpack(sizes)
    step = s.stride_w * s.out_c
    start, stop, first, last = split(s.batches * s.out_h * _combs_of_row(s), _panels(s), thread, threads)
    for number in range(start, stop):
        comb = _comb(s, number)
        for panel in range(first, last):
            at, width = comb.at + panel * COLUMNS, min(COLUMNS, s.out_c - panel * COLUMNS)
            tile = shift_rows(_gather(x, s, comb, w, panel, outside), narrow(-zero_point), _gathered_weights(s, comb, tap_sums, panel))
            if comb.pixels > 0:
                store_qs8(tile.c0, channels, panel, limits, y, at, width)
            if comb.pixels > 1:
                store_qs8(tile.c1, channels, panel, limits, y, at + step, width)
            if comb.pixels > 2:
                store_qs8(tile.c2, channels, panel, limits, y, at + 2 * step, width)
            if comb.pixels > 3:
                store_qs8(tile.c3, channels, panel, limits, y, at + 3 * step, width)
            if comb.pixels > 4:
                store_qs8(tile.c4, channels, panel, limits, y, at + 4 * step, width)
            if comb.pixels > 5:
                store_qs8(tile.c5, channels, panel, limits, y, at + 5 * step, width)
