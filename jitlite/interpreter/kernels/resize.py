"""Resizing of NHWC images. Rows and columns come as tables made when the plan is: which input row or column, and how near the next one is.

`sizes`: batches, input height and width, output height and width, channels.
"""

from typing import NamedTuple

from jitlite.interpreter.kernels.abi import f32p, i8p, i32, i32p, i64, i64p, inline, kernel, span, u8p, u16p, u32p
from jitlite.interpreter.kernels.requantize import narrow
from jitlite.interpreter.kernels.tile import Numbers, single


class Image(NamedTuple):
    batches: int
    in_h: int
    in_w: int
    out_h: int
    out_w: int
    channels: int


@inline
def _unpack(sizes: i64p) -> Image:
    return Image(sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5])


@kernel
def resize_bilinear_f32(
    x: f32p, y: f32p, rows: i64p, columns: i64p, row_parts: f32p, column_parts: f32p, sizes: i64p, thread: i64, threads: i64
) -> None:
    """`rows` and `columns` hold pairs of neighbours, the parts say how much of the second one to take."""
    s = _unpack(sizes)
    one = single(1)
    start, stop = span(s.batches * s.out_h, thread, threads)
    for row in range(start, stop):
        image, i = row // s.out_h * s.in_h, row % s.out_h
        above, below = (image + rows[2 * i]) * s.in_w, (image + rows[2 * i + 1]) * s.in_w
        v = row_parts[i]
        for column in range(s.out_w):
            left, right, h = columns[2 * column], columns[2 * column + 1], column_parts[column]
            a, b = (above + left) * s.channels, (below + left) * s.channels
            c, d = (above + right) * s.channels, (below + right) * s.channels
            at = (row * s.out_w + column) * s.channels
            for j in range(s.channels):
                first = x[a + j] * (one - v) * (one - h) + x[b + j] * v * (one - h)
                y[at + j] = first + x[c + j] * (one - v) * h + x[d + j] * v * h


@inline
def _scaled_down(total: i32) -> i32:
    """The nearest whole number to total / 2^20, halves away from zero."""
    half = narrow(1 << 19)
    result: int = narrow(total + half) >> narrow(20) if total > 0 else narrow(-(narrow(half - total) >> narrow(20)))
    return result


@kernel
def resize_bilinear_s8(
    x: i8p, y: i8p, rows: i64p, columns: i64p, row_parts: i32p, column_parts: i32p, sizes: i64p, thread: i64, threads: i64
) -> None:
    """As above with parts in 1024ths."""
    s = _unpack(sizes)
    start, stop = span(s.batches * s.out_h, thread, threads)
    for row in range(start, stop):
        image, i = row // s.out_h * s.in_h, row % s.out_h
        above, below = (image + rows[2 * i]) * s.in_w, (image + rows[2 * i + 1]) * s.in_w
        v = row_parts[i]
        for column in range(s.out_w):
            left, right, h = columns[2 * column], columns[2 * column + 1], column_parts[column]
            a, b = (above + left) * s.channels, (below + left) * s.channels
            c, d = (above + right) * s.channels, (below + right) * s.channels
            at = (row * s.out_w + column) * s.channels
            p, q = narrow((1024 - v) * (1024 - h)), narrow(v * (1024 - h))
            r, t = narrow((1024 - v) * h), narrow(v * h)
            for j in range(s.channels):
                total = narrow(narrow(x[a + j] * p) + narrow(x[b + j] * q) + narrow(x[c + j] * r) + narrow(x[d + j] * t))
                y[at + j] = _scaled_down(total)


@inline
def _nearest(x: Numbers, y: Numbers, rows: i64p, columns: i64p, sizes: i64p, thread: i64, threads: i64) -> None:
    s = _unpack(sizes)
    start, stop = span(s.batches * s.out_h, thread, threads)
    for row in range(start, stop):
        source = (row // s.out_h * s.in_h + rows[row % s.out_h]) * s.in_w
        for column in range(s.out_w):
            at, from_ = (row * s.out_w + column) * s.channels, (source + columns[column]) * s.channels
            for j in range(s.channels):
                y[at + j] = x[from_ + j]


@kernel
def resize_nearest_x8(x: u8p, y: u8p, rows: i64p, columns: i64p, sizes: i64p, thread: i64, threads: i64) -> None:
    _nearest(x, y, rows, columns, sizes, thread, threads)


@kernel
def resize_nearest_x16(x: u16p, y: u16p, rows: i64p, columns: i64p, sizes: i64p, thread: i64, threads: i64) -> None:
    _nearest(x, y, rows, columns, sizes, thread, threads)


@kernel
def resize_nearest_x32(x: u32p, y: u32p, rows: i64p, columns: i64p, sizes: i64p, thread: i64, threads: i64) -> None:
    _nearest(x, y, rows, columns, sizes, thread, threads)
