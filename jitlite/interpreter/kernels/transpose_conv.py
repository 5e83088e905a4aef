"""Transposed convolutions over NHWC images; filters packed as those of `conv`, with the channels of the result as columns.

An output pixel gathers the input pixels whose windows reach it: tap t of the input at i reaches i · stride - pad + t.
"""

from jitlite.interpreter.kernels.abi import f32, f32p, i8p, i32, i32p, i64, i64p, inline, kernel
from jitlite.interpreter.kernels.requantize import narrow
from jitlite.interpreter.kernels.tile import (
    COLUMNS,
    TILE,
    Numbers,
    add_row,
    add_scaled,
    clear,
    split,
    stack_f32,
    stack_i32,
    store_f32,
    store_qs8,
)
from jitlite.interpreter.kernels.windows import Windows, unpack


@inline
def _panels(s: Windows) -> i64:
    return (s.out_c + COLUMNS - 1) // COLUMNS


@inline
def _position(s: Windows, pixel: i64) -> tuple[i64, i64, i64]:
    """Batch, and row and column counted from the padding's edge."""
    row = pixel // s.out_w
    return row // s.out_h, row % s.out_h + s.pad_h, pixel % s.out_w + s.pad_w


@inline
def _first_tap(position: i64, size: i64, stride: i64) -> i64:
    """The first of the taps, `stride` apart, by which pixels of an image of `size` reach a position."""
    furthest = position - (size - 1) * stride
    return furthest if furthest > 0 else position % stride


@inline
def _gather(x: Numbers, s: Windows, pixel: i64, w: Numbers, panel: i64, acc: Numbers) -> None:
    """Adds the products of one output pixel with a panel to a tile's first row."""
    batch, row, column = _position(s, pixel)
    for tap_y in range(_first_tap(row, s.in_h, s.stride_h), min(s.window_h, row + 1), s.stride_h):
        image_row = (batch * s.in_h + (row - tap_y) // s.stride_h) * s.in_w
        for tap_x in range(_first_tap(column, s.in_w, s.stride_w), min(s.window_w, column + 1), s.stride_w):
            at = (image_row + (column - tap_x) // s.stride_w) * s.in_c
            level = ((panel * s.window_h + tap_y) * s.window_w + tap_x) * s.in_c * COLUMNS
            add_row(x, at, 1, s.in_c, w, level, acc)


@inline
def _remove_zero_point(s: Windows, pixel: i64, zero_point: i32, tap_sums: i32p, panel: i64, acc: i32p) -> None:
    """Subtracts the zero point from the input pixels that reach an output pixel."""
    _, row, column = _position(s, pixel)
    for tap_y in range(_first_tap(row, s.in_h, s.stride_h), min(s.window_h, row + 1), s.stride_h):
        for tap_x in range(_first_tap(column, s.in_w, s.stride_w), min(s.window_w, column + 1), s.stride_w):
            tap = (panel * s.window_h + tap_y) * s.window_w + tap_x
            add_scaled(acc, narrow(-zero_point), tap_sums, tap * COLUMNS, 1)


@kernel
def transpose_conv_f32(x: f32p, w: f32p, bias: f32p, y: f32p, sizes: i64p, low: f32, high: f32, thread: i64, threads: i64) -> None:
    s = unpack(sizes)
    acc = stack_f32(TILE)
    start, stop, first, last = split(s.batches * s.out_h * s.out_w, _panels(s), thread, threads)
    for pixel in range(start, stop):
        for panel in range(first, last):
            clear(acc, COLUMNS)
            _gather(x, s, pixel, w, panel, acc)
            channel = panel * COLUMNS
            store_f32(acc, 0, bias, panel, y, pixel * s.out_c + channel, min(COLUMNS, s.out_c - channel), low, high)


@kernel
def transpose_conv_qs8(
    x: i8p, w: i8p, tap_sums: i32p, channels: i32p, y: i8p, sizes: i64p, zero_point: i32, limits: i32p, thread: i64, threads: i64
) -> None:
    """Here the biases in `channels` are the model's own."""
    s = unpack(sizes)
    acc = stack_i32(TILE)
    start, stop, first, last = split(s.batches * s.out_h * s.out_w, _panels(s), thread, threads)
    for pixel in range(start, stop):
        for panel in range(first, last):
            clear(acc, COLUMNS)
            _gather(x, s, pixel, w, panel, acc)
            if zero_point != 0:
                _remove_zero_point(s, pixel, zero_point, tap_sums, panel, acc)
            channel = panel * COLUMNS
            store_qs8(acc, 0, channels, panel, y, pixel * s.out_c + channel, min(COLUMNS, s.out_c - channel), limits)
