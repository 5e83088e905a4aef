"""Depthwise convolutions of float32 NHWC images whose channels each give one output channel.

Neighbouring pixels are summed together; the last ones of a row may be summed with some that are done already. Where registers allow, sums
over windows of 3 x 3 taps run in strips of columns down the image. Every sum is one chain of multiply-adds, tap by tap, to which
the bias is added last, as the reference does, however pixels are grouped; of taps outside the image, columns multiply zeros and rows are
left out. Up to LANES - 1 numbers behind the image are read, but do not count.
"""

from typing import NamedTuple

from jitlite.interpreter.kernels.abi import f32, f32p, i64, i64p, inline, kernel
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.pixel_strips import STRIP, TAPS, UNFINISHED, sum_strip
from jitlite.interpreter.kernels.pixel_sums import NARROW, WIDE, WINDOWS, sum_pixels
from jitlite.interpreter.kernels.tile import stack_f32
from jitlite.interpreter.kernels.vectors import LANES
from jitlite.interpreter.kernels.windows import Windows, columns_inside, reach, share, unpack

PART = 4 * LANES
"""Channels that all pixels of a row are summed for, before the next are."""
OTHERS = len(WINDOWS) - 1
STRIP_PART = 8 * LANES
"""Channels that are summed row by row."""
KEPT = max(1, STRIP_PART * UNFINISHED)


class Operands(NamedTuple):
    x: f32p
    w: f32p
    bias: f32p
    y: f32p
    zeros: f32p
    low: float
    high: float


class Line(NamedTuple):
    """A row of the result: where it starts, the image's index of its first window's first tap inside, and the rows of taps inside."""

    result: int
    at: int
    first: int
    rows: int


@inline
def _line(s: Windows, row: i64) -> Line:
    """Row `row` of the result, counted over batches."""
    batch, y = row // s.out_h, row % s.out_h * s.stride_h - s.pad_h
    first, stop = reach(y, s.in_h, s.window_h, s.dilation_h)
    at = ((batch * s.in_h + y + first * s.dilation_h) * s.in_w - s.pad_w) * s.in_c
    return Line(row * s.out_w * s.out_c, at, first, stop - first)


@inline
def _windows(s: Windows) -> i64:
    """The number of the windows among WINDOWS."""
    if s.dilation_w == 1 and (s.window_w == 3 or s.window_w == 5) and s.stride_w <= 2:
        return s.window_w - 4 + s.stride_w
    return OTHERS


@inline
def _next_pixels(s: Windows, inside: tuple[i64, i64], column: i64) -> tuple[i64, i64, i64]:
    """The first of the next pixels of a row, how many to sum together, and 1 where their windows may reach over the image's edge."""
    if inside[0] <= column and column + WIDE <= inside[1]:
        return column, WIDE, 0
    if inside[0] <= column and column + NARROW <= inside[1]:
        return column, NARROW, 0
    if s.out_w >= NARROW:
        return min(column, s.out_w - NARROW), NARROW, 1
    return column, min(2, s.out_w - column), 1


@inline
def _has_strips(s: Windows) -> bool:
    """True for windows that `sum_strip` knows and rows that strips cover without overlapping by much."""
    if STRIP == 0:
        return False
    is_square = s.window_h == TAPS and s.window_w == TAPS and s.stride_h == s.stride_w and s.stride_h <= 2
    is_dense = s.dilation_h == 1 and s.dilation_w == 1
    width = s.out_w // s.dilation_w
    covered = (s.out_w + s.dilation_w * STRIP - 1) // (s.dilation_w * STRIP) * STRIP
    is_covered = 4 * covered <= 5 * width if is_dense else 4 * covered <= 7 * width
    return is_square and (is_dense or s.stride_h == 1) and width >= STRIP and is_covered


class Phase(NamedTuple):
    """Of a result, the rows `down`, `down` + dilation, … and the columns `right`, …: a convolution by itself, of part of the image.

    `rows` of them are wanted, from the one numbered `first` on, and STRIP_PART channels or less from `channel` on.
    """

    batch: int
    down: int
    right: int
    first: int
    rows: int
    channel: int
    channels: int


@inline
def _convolve_strips(s: Windows, p: Operands, phase: Phase, kept: f32p) -> None:
    top, side = (phase.down - s.pad_h) % s.dilation_h, (phase.right - s.pad_w) % s.dilation_w
    above, before = (top - phase.down + s.pad_h) // s.dilation_h, (side - phase.right + s.pad_w) // s.dilation_w
    in_h, in_w = (s.in_h - top + s.dilation_h - 1) // s.dilation_h, (s.in_w - side + s.dilation_w - 1) // s.dilation_w
    step, out_w = s.dilation_w * s.in_c, (s.out_w - phase.right + s.dilation_w - 1) // s.dilation_w
    image = ((phase.batch * s.in_h + top) * s.in_w + side) * s.in_c + phase.channel
    row = phase.batch * s.out_h + phase.down + phase.first * s.dilation_h
    result = (row * s.out_w + phase.right) * s.out_c + phase.channel
    column = 0
    while column < out_w:
        column = min(column, out_w - STRIP)
        left = before - column * s.stride_w
        sum_strip(
            advance(p.x, image - left * step),
            s.dilation_h * s.in_w * s.in_c,
            step,
            phase.first * s.stride_h - above,
            in_h,
            advance(p.w, phase.channel * TAPS * TAPS),
            advance(p.bias, phase.channel),
            advance(p.y, result + column * s.dilation_w * s.out_c),
            s.dilation_h * s.out_w * s.out_c,
            s.dilation_w * s.out_c,
            phase.rows,
            phase.channels,
            left,
            left + in_w,
            p.zeros,
            kept,
            p.low,
            p.high,
            s.stride_w,
            1 if left > 0 or (STRIP - 1) * s.stride_w + TAPS - left > in_w else 0,
        )
        column += STRIP


@inline
def _convolve_rows(s: Windows, p: Operands, row: i64, rows: i64, channel: i64, stop: i64, kept: f32p) -> None:
    """Convolves `rows` rows of an image from row `row` on, counted over batches, for the channels up to `stop`."""
    batch, begin = row // s.out_h, row % s.out_h
    for down in range(s.dilation_h):
        first = (begin - down + s.dilation_h - 1) // s.dilation_h
        count = (begin + rows - down + s.dilation_h - 1) // s.dilation_h - first
        for right in range(s.dilation_w if count > 0 else 0):
            for part in range(channel, stop, STRIP_PART):
                _convolve_strips(s, p, Phase(batch, down, right, first, count, part, min(STRIP_PART, stop - part)), kept)


@kernel
def depthwise_conv_2d_f32(x: f32p, w: f32p, bias: f32p, y: f32p, sizes: i64p, low: f32, high: f32, thread: i64, threads: i64) -> None:
    s = unpack(sizes)
    zeros = stack_f32(16)
    for lane in range(LANES):
        zeros[lane] = 0
    row_start, row_stop, first, last = share(s.batches * s.out_h, (s.out_c + LANES - 1) // LANES, thread, threads)
    if _has_strips(s):
        kept, row, stop = stack_f32(KEPT), row_start, min(last * LANES, s.out_c)
        while row < row_stop:
            rows = min(row_stop - row, s.out_h - row % s.out_h)
            _convolve_rows(s, Operands(x, w, bias, y, zeros, low, high), row, rows, first * LANES, stop, kept)
            row += rows
        return
    inside, windows, taps = columns_inside(s), _windows(s), s.window_h * s.window_w
    for row in range(row_start, row_stop):
        line = _line(s, row)
        for channel in range(first * LANES, min(last * LANES, s.out_c), PART):
            channels = min(PART, min(last * LANES, s.out_c) - channel)
            column = 0
            while column < s.out_w:
                column, pixels, is_edge = _next_pixels(s, inside, column)
                left = s.pad_w - column * s.stride_w
                sum_pixels(
                    advance(x, line.at + column * s.stride_w * s.in_c + channel),
                    s.dilation_h * s.in_w * s.in_c,
                    line.rows,
                    s.in_c,
                    advance(w, channel * taps + line.first * s.window_w * LANES),
                    taps * LANES,
                    advance(bias, channel),
                    advance(y, line.result + column * s.out_c + channel),
                    s.out_c,
                    channels,
                    left,
                    left + s.in_w,
                    zeros,
                    low,
                    high,
                    s.window_w,
                    s.stride_w,
                    s.dilation_w,
                    windows,
                    pixels,
                    is_edge,
                )
                column += pixels
