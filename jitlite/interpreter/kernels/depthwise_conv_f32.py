"""Depthwise convolutions of float32 NHWC images whose channels each give one output channel.

LANES channels of neighbouring pixels are summed at a time; the last pixels of a row may be summed with some that are done already. Every
sum is one chain of multiply-adds, the bias first, then tap by tap, however pixels are grouped; of taps outside the image, columns multiply
zeros and rows are left out. Up to LANES - 1 numbers behind the image are read, but do not count.
"""

from typing import Any, NamedTuple

from jitlite.interpreter.kernels.abi import f32, f32p, i64, i64p, inline, kernel
from jitlite.interpreter.kernels.taps import store_pixels, sum_any_taps, sum_taps
from jitlite.interpreter.kernels.tile import ISA, TileOf, forced, stack_f32
from jitlite.interpreter.kernels.vectors import LANES
from jitlite.interpreter.kernels.windows import Windows, columns_inside, reach, share, unpack

WIDE, NARROW = ISA.heights[1], 4
"""Pixels of a tile: where there is room for so many, and at the ends of a row."""
BLOCKS = 4
"""Blocks of LANES channels that all pixels of a row are summed for, before the next are."""


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


def _summers(width: int, stride: int) -> tuple[Any, Any]:
    """Functions that sum windows inside the image and at its edges: of one width and stride, a tap in each column, or of any for 0, 0."""

    @forced
    def inner(a: Operands, s: Windows, line: Line, column: i64, channel: i64, columns: i64) -> TileOf:
        at, step = line.at + column * s.stride_w * s.in_c + channel, s.dilation_h * s.in_w * s.in_c
        first = (channel * s.window_h + line.first * LANES) * s.window_w
        if width:
            return sum_taps(a.x, at, step, line.rows, s.in_c, a.w, first, a.bias, channel, 0, 0, None, width, stride, columns)
        wide, apart, between = s.window_w, s.stride_w, s.dilation_w
        return sum_any_taps(a.x, at, step, line.rows, s.in_c, a.w, first, a.bias, channel, 0, 0, None, wide, apart, between, columns)

    @forced
    def edge(a: Operands, s: Windows, line: Line, column: i64, channel: i64, columns: i64) -> TileOf:
        at, step = line.at + column * s.stride_w * s.in_c + channel, s.dilation_h * s.in_w * s.in_c
        first, left = (channel * s.window_h + line.first * LANES) * s.window_w, s.pad_w - column * s.stride_w
        stop, zeros = left + s.in_w, a.zeros
        if width:
            return sum_taps(a.x, at, step, line.rows, s.in_c, a.w, first, a.bias, channel, left, stop, zeros, width, stride, columns)
        wide, apart, between = s.window_w, s.stride_w, s.dilation_w
        return sum_any_taps(a.x, at, step, line.rows, s.in_c, a.w, first, a.bias, channel, left, stop, zeros, wide, apart, between, columns)

    return inner, edge


@forced
def _put(tile: TileOf, a: Operands, s: Windows, line: Line, column: i64, channel: i64) -> None:
    store_pixels(tile, a.y, line.result + column * s.out_c + channel, s.out_c, a.low, a.high, s.out_c - channel)


def _convolver(width: int, stride: int) -> Any:
    """The function that convolves with windows as `_summers` names them."""
    inner, edge = _summers(width, stride)

    @forced
    def inners(a: Operands, s: Windows, line: Line, column: i64, first: i64, last: i64, columns: i64) -> None:
        for block in range(first, last):
            _put(inner(a, s, line, column, block * LANES, columns), a, s, line, column, block * LANES)

    @forced
    def edges(a: Operands, s: Windows, line: Line, column: i64, first: i64, last: i64, columns: i64) -> None:
        for block in range(first, last):
            _put(edge(a, s, line, column, block * LANES, columns), a, s, line, column, block * LANES)

    @forced
    def convolve_blocks(a: Operands, s: Windows, line: Line, inside: tuple[i64, i64], first: i64, last: i64) -> None:
        column = 0
        while column < s.out_w:
            if inside[0] <= column and column + WIDE <= inside[1]:
                inners(a, s, line, column, first, last, WIDE)
                column += WIDE
            elif inside[0] <= column and column + NARROW <= inside[1]:
                inners(a, s, line, column, first, last, NARROW)
                column += NARROW
            elif s.out_w >= NARROW:
                edges(a, s, line, min(column, s.out_w - NARROW), first, last, NARROW)
                column += NARROW
            elif s.out_w - column > 1:
                edges(a, s, line, column, first, last, 2)
                column += 2
            else:
                edges(a, s, line, column, first, last, 1)
                column += 1

    @forced
    def convolve(a: Operands, s: Windows, thread: i64, threads: i64) -> None:
        row_start, row_stop, first, last = share(s.batches * s.out_h, (s.out_c + LANES - 1) // LANES, thread, threads)
        inside = columns_inside(s)
        for row in range(row_start, row_stop):
            line = _line(s, row)
            for block in range(first, last, BLOCKS):
                convolve_blocks(a, s, line, inside, block, min(last, block + BLOCKS))

    return convolve


_three_by_one, _three_by_two, _five_by_one, _five_by_two = _convolver(3, 1), _convolver(3, 2), _convolver(5, 1), _convolver(5, 2)
_any = _convolver(0, 0)


@kernel
def depthwise_conv_2d_f32(x: f32p, w: f32p, bias: f32p, y: f32p, sizes: i64p, low: f32, high: f32, thread: i64, threads: i64) -> None:
    s = unpack(sizes)
    zeros = stack_f32(16)
    for lane in range(LANES):
        zeros[lane] = 0
    a = Operands(x, w, bias, y, zeros, low, high)
    if s.dilation_w == 1 and s.window_w == 3 and s.stride_w == 1:
        _three_by_one(a, s, thread, threads)
    elif s.dilation_w == 1 and s.window_w == 3 and s.stride_w == 2:
        _three_by_two(a, s, thread, threads)
    elif s.dilation_w == 1 and s.window_w == 5 and s.stride_w == 1:
        _five_by_one(a, s, thread, threads)
    elif s.dilation_w == 1 and s.window_w == 5 and s.stride_w == 2:
        _five_by_two(a, s, thread, threads)
    else:
        _any(a, s, thread, threads)
