"""Convolutions over NHWC images.

Filters are packed: panel (those of the first group first), tap, input channel, COLUMNS output channels. `tap_sums` holds the sums of a
filter's weights over its input channels, by panel, tap and column. A quantized bias contains minus the input's zero point times the sum of
all the filter's weights, so that only taps outside the image need attention: there the image counts as its zero point.
"""

from jitlite.interpreter.kernels.abi import f32, f32p, i8p, i32, i32p, i64, i64p, inline, kernel
from jitlite.interpreter.kernels.requantize import narrow
from jitlite.interpreter.kernels.tile import (
    COLUMNS,
    ROWS,
    TILE,
    Numbers,
    add_row,
    add_rows,
    add_scaled,
    clear,
    split,
    stack_f32,
    stack_i32,
    store_f32,
    store_qs8,
    store_scaled,
)
from jitlite.interpreter.kernels.windows import Block, Windows, is_partial, is_reached, locate, unpack


@inline
def _panels(s: Windows) -> i64:
    """Panels of one group."""
    return (s.out_c // s.groups + COLUMNS - 1) // COLUMNS


@inline
def _columns(s: Windows, panel: i64) -> tuple[i64, i64]:
    """The first output channel of a panel and how many it holds."""
    panels = _panels(s)
    channels = s.out_c // s.groups
    first = (panel % panels) * COLUMNS
    return (panel // panels) * channels + first, min(COLUMNS, channels - first)


@inline
def _add_panel(x: Numbers, s: Windows, block: Block, w: Numbers, panel: i64, acc: Numbers) -> None:
    """Adds the products of a block's pixels with one panel of filters to a tile."""
    depth = s.in_c // s.groups
    w_at = panel * s.window_h * s.window_w * depth * COLUMNS
    channel = panel // _panels(s) * depth
    taps = block.stop_x - block.first_x
    joined = taps > 0 and s.dilation_w == 1 and s.groups == 1
    runs = 1 if joined else taps
    length = taps * depth if joined else depth
    for tap_y in range(block.first_y, block.stop_y):
        row = block.at + channel + tap_y * s.dilation_h * s.in_w * s.in_c
        for tap_x in range(block.first_x, block.first_x + runs):
            at = row + tap_x * s.dilation_w * s.in_c
            level = w_at + (tap_y * s.window_w + tap_x) * depth * COLUMNS
            if block.pixels == ROWS:
                add_rows(x, at, s.stride_w * s.in_c, 1, length, w, level, acc)
            else:
                add_row(x, at, 1, length, w, level, acc)


@kernel
def conv_2d_f32(x: f32p, w: f32p, bias: f32p, y: f32p, sizes: i64p, low: f32, high: f32, thread: i64, threads: i64) -> None:
    s = unpack(sizes)
    acc = stack_f32(TILE)
    pixel, stop, first, last = split(s.batches * s.out_h * s.out_w, s.groups * _panels(s), thread, threads)
    while pixel < stop:
        block = locate(s, pixel, stop, ROWS)
        for panel in range(first, last):
            clear(acc, TILE)
            _add_panel(x, s, block, w, panel, acc)
            channel, count = _columns(s, panel)
            for r in range(block.pixels):
                store_f32(acc, r, bias, panel, y, (pixel + r) * s.out_c + channel, count, low, high)
        pixel += block.pixels


@inline
def _restore_padding(s: Windows, block: Block, zero_point: i32, tap_sums: i32p, panel: i64, acc: i32p) -> None:
    """Adds what the taps outside the image contribute."""
    for tap_y in range(s.window_h):
        for tap_x in range(s.window_w):
            if not is_reached(block, tap_y, tap_x):
                tap = (panel * s.window_h + tap_y) * s.window_w + tap_x
                add_scaled(acc, zero_point, tap_sums, tap * COLUMNS, block.pixels)


@kernel
def conv_2d_qs8(
    x: i8p, w: i8p, tap_sums: i32p, channels: i32p, y: i8p, sizes: i64p, zero_point: i32, limits: i32p, thread: i64, threads: i64
) -> None:
    s = unpack(sizes)
    acc = stack_i32(TILE)
    pixel, stop, first, last = split(s.batches * s.out_h * s.out_w, s.groups * _panels(s), thread, threads)
    while pixel < stop:
        block = locate(s, pixel, stop, ROWS)
        for panel in range(first, last):
            clear(acc, TILE)
            _add_panel(x, s, block, w, panel, acc)
            if is_partial(s, block):
                _restore_padding(s, block, zero_point, tap_sums, panel, acc)
            channel, count = _columns(s, panel)
            for r in range(block.pixels):
                store_qs8(acc, r, channels, panel, y, (pixel + r) * s.out_c + channel, count, limits)
        pixel += block.pixels


@inline
def _remove_zero_point(s: Windows, block: Block, zero_point: i32, tap_sums: i32p, panel: i64, acc: i32p) -> None:
    """Subtracts the zero point from the image under every tap inside it."""
    for tap_y in range(block.first_y, block.stop_y):
        for tap_x in range(block.first_x, block.stop_x):
            tap = (panel * s.window_h + tap_y) * s.window_w + tap_x
            add_scaled(acc, narrow(-zero_point), tap_sums, tap * COLUMNS, block.pixels)


@kernel
def conv_2d_f32_qc8w(
    x: i8p,
    scales: f32p,
    zero_points: i32p,
    w: i8p,
    tap_sums: i32p,
    channels: f32p,
    y: f32p,
    sizes: i64p,
    low: f32,
    high: f32,
    thread: i64,
    threads: i64,
) -> None:
    """Float results of an image that was quantized with a scale and a zero point a batch."""
    s = unpack(sizes)
    acc = stack_i32(TILE)
    pixel, stop, first, last = split(s.batches * s.out_h * s.out_w, s.groups * _panels(s), thread, threads)
    while pixel < stop:
        block = locate(s, pixel, stop, ROWS)
        for panel in range(first, last):
            clear(acc, TILE)
            _add_panel(x, s, block, w, panel, acc)
            if zero_points[block.batch] != 0:
                _remove_zero_point(s, block, zero_points[block.batch], tap_sums, panel, acc)
            channel, count = _columns(s, panel)
            for r in range(block.pixels):
                store_scaled(acc, r, scales[block.batch], channels, panel, y, (pixel + r) * s.out_c + channel, count, low, high)
        pixel += block.pixels
