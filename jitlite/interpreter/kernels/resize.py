"""Resizing of NHWC images. Rows and columns come as tables made when the plan is: which input row or column, and how near the next one is.

`sizes`: batches, input height and width, output height and width, channels.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from jitlite.interpreter.kernels.abi import f32p, i8p, i16p, i32p, i64, i64p, inline, kernel, span, u8p
from jitlite.interpreter.kernels.blocks import stack_like
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.lines import line_as, line_multiply_add, load_line, repeat, store_line
from jitlite.interpreter.kernels.requantize import wide
from jitlite.interpreter.kernels.runs import copy_bytes, copy_run
from jitlite.interpreter.kernels.tile import forced, single

Function = Callable[..., Any]

ROW = 2048
"""Elements of a row blended at a time; `jitlite.interpreter.binding.resize` has the same number."""

_LONG_PIXEL = 256
"""Bytes of a pixel from which on its copies are made from the image rather than from the row of copies before."""

_LANES = 16
_BUFFER = ROW + _LANES
_BUFFERS = 2 * _BUFFER

_ONE, _HALF = single(1), single(0.5)


class Image(NamedTuple):
    batches: int
    in_h: int
    in_w: int
    out_h: int
    out_w: int
    channels: int


class Columns(NamedTuple):
    """Pairs of neighbouring columns, how much of the second one to take, and the columns at which pieces of a row end."""

    pairs: Any
    parts: Any
    ends: Any


@inline
def _unpack(sizes: i64p) -> Image:
    return Image(sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5])


def _many(down: Function, across: Function) -> Function:
    """Resizes a row of an image with _LANES channels or more: each result from its four neighbours."""

    @forced
    def lane(x: Any, y: Any, above: Any, below: Any, left: Any, right: Any, at: Any, v: Any, h: Any, parts: Any) -> Any:
        a, b = line_as(parts, load_line(x, above + left, _LANES)), line_as(parts, load_line(x, below + left, _LANES))
        c, d = line_as(parts, load_line(x, above + right, _LANES)), line_as(parts, load_line(x, below + right, _LANES))
        store_line(y, at, line_as(y, across(down(a, b, v), down(c, d, v), h)))

    @inline
    def run(x: Any, y: Any, above: Any, below: Any, v: Any, y_at: Any, s: Any, columns: Any) -> Any:
        for column in range(s.out_w):
            left, right = columns.pairs[2 * column] * s.channels, columns.pairs[2 * column + 1] * s.channels
            h, at = columns.parts[column], y_at + column * s.channels
            for c in range(0, s.channels - _LANES, _LANES):
                lane(x, y, above + c, below + c, left, right, at + c, v, h, columns.parts)
            last = s.channels - _LANES
            lane(x, y, above + last, below + last, left, right, at + last, v, h, columns.parts)

    return run


def _few(lanes: int, down: Function, across: Function, put: Function, get: Function) -> Function:
    """Resizes a row of an image with `lanes` channels or less: rows are blended first, side by side, then columns.

    `put` and `get` move what `down` makes to a buffer and back.
    """

    @forced
    def blend(x: Any, above: Any, below: Any, at: Any, v: Any, buffer: Any, count: Any) -> Any:
        put(buffer, at, down(line_as(buffer, load_line(x, above + at, count)), line_as(buffer, load_line(x, below + at, count)), v))

    @inline
    def run(x: Any, y: Any, above: Any, below: Any, v: Any, y_at: Any, s: Any, columns: Any) -> Any:
        buffer, part = stack_like(columns.parts, _BUFFERS), stack_like(y, _BUFFER)
        begin = piece = 0
        while begin < s.out_w:
            end, first = columns.ends[piece], columns.pairs[2 * begin]
            start, count = first * s.channels, (columns.pairs[2 * end - 1] + 1 - first) * s.channels
            if count >= _LANES:
                for at in range(0, count - _LANES, _LANES):
                    blend(x, above + start, below + start, at, v, buffer, _LANES)
                blend(x, above + start, below + start, count - _LANES, v, buffer, _LANES)
            else:
                for at in range(count):
                    blend(x, above + start, below + start, at, v, buffer, 1)
            for column in range(begin, end):
                left, right = columns.pairs[2 * column] * s.channels, columns.pairs[2 * column + 1] * s.channels
                result = across(get(buffer, left - start, lanes), get(buffer, right - start, lanes), columns.parts[column])
                store_line(part, (column - begin) * s.channels, line_as(part, result))
            copy_run(part, 0, y, y_at + begin * s.channels, (end - begin) * s.channels)
            begin, piece = end, piece + 1

    return run


def _bilinear(down: Function, across: Function, put: Function, get: Function) -> Function:
    many = _many(down, across)
    few4, few16 = _few(4, down, across, put, get), _few(_LANES, down, across, put, get)

    @inline
    def run(x: Any, y: Any, rows: Any, row_parts: Any, columns: Any, sizes: Any, thread: Any, threads: Any) -> Any:
        s = _unpack(sizes)
        start, stop = span(s.batches * s.out_h, thread, threads)
        for row in range(start, stop):
            image, i = row // s.out_h * s.in_h, row % s.out_h
            step = s.in_w * s.channels
            above, below, y_at = (image + rows[2 * i]) * step, (image + rows[2 * i + 1]) * step, row * s.out_w * s.channels
            if s.channels >= _LANES:
                many(x, y, above, below, row_parts[i], y_at, s, columns)
            elif s.channels <= 4:
                few4(x, y, above, below, row_parts[i], y_at, s, columns)
            else:
                few16(x, y, above, below, row_parts[i], y_at, s, columns)

    return run


@forced
def _put(buffer: Any, at: Any, value: Any) -> None:
    store_line(buffer, at, value)


@forced
def _get(buffer: Any, at: Any, count: Any) -> Any:
    return load_line(buffer, at, count)


@forced
def _between(first: Any, second: Any, part: Any) -> Any:
    return line_multiply_add(second - first, repeat(first, part), first)


@forced
def _between_1024(first: Any, second: Any, part: Any) -> Any:
    """1024 times what lies `part` 1024ths of the way from the first to the second."""
    return (first << repeat(first, 10)) + (second - first) * repeat(first, part)


@forced
def _between_scaled_down(first: Any, second: Any, part: Any) -> Any:
    """The nearest whole number to the same divided by 2^20, halves away from zero."""
    total = _between_1024(first, second, part)
    return (total + (repeat(total, 1 << 19) + (total >> repeat(total, 31)))) >> repeat(total, 20)


@forced
def _shares(first: Any, second: Any, part: Any) -> Any:
    """What each of two adds, apart: the reference's sums take them in their own order."""
    return first * repeat(first, _ONE - part), second * repeat(second, part)


@forced
def _sum_of_shares(first: Any, second: Any, part: Any) -> Any:
    """The sum rounded to nearest, as the reference adds it up in float32."""
    rest, taken = repeat(first[0], _ONE - part), repeat(first[0], part)
    return first[0] * rest + first[1] * rest + second[0] * taken + second[1] * taken + repeat(first[0], _HALF)


@forced
def _put_shares(buffer: Any, at: Any, value: Any) -> None:
    store_line(buffer, at, value[0])
    store_line(buffer, _BUFFER + at, value[1])


@forced
def _get_shares(buffer: Any, at: Any, count: Any) -> Any:
    return load_line(buffer, at, count), load_line(buffer, _BUFFER + at, count)


_f32 = _bilinear(_between, _between, _put, _get)
_s8 = _bilinear(_between_1024, _between_scaled_down, _put, _get)
_u8 = _bilinear(_shares, _sum_of_shares, _put_shares, _get_shares)


@kernel
def resize_bilinear_f32(
    x: f32p,
    y: f32p,
    rows: i64p,
    columns: i64p,
    row_parts: f32p,
    column_parts: f32p,
    ends: i64p,
    sizes: i64p,
    thread: i64,
    threads: i64,
) -> None:
    """`rows` and `columns` hold pairs of neighbours, the parts say how much of the second one to take.

    For few channels the columns from one of `ends` to the next and those they are made of are ROW elements or less.
    """
    _f32(x, y, rows, row_parts, Columns(columns, column_parts, ends), sizes, thread, threads)


@kernel
def resize_bilinear_s8(
    x: i8p, y: i8p, rows: i64p, columns: i64p, row_parts: i32p, column_parts: i32p, ends: i64p, sizes: i64p, thread: i64, threads: i64
) -> None:
    """As above with parts in 1024ths."""
    _s8(x, y, rows, row_parts, Columns(columns, column_parts, ends), sizes, thread, threads)


@kernel
def resize_bilinear_u8(
    x: u8p, y: u8p, rows: i64p, columns: i64p, row_parts: f32p, column_parts: f32p, ends: i64p, sizes: i64p, thread: i64, threads: i64
) -> None:
    """With parts in float32, as the reference has it for UINT8."""
    _u8(x, y, rows, row_parts, Columns(columns, column_parts, ends), sizes, thread, threads)


@kernel
def resize_bilinear_s16(
    x: i16p, y: i16p, rows: i64p, columns: i64p, row_parts: i32p, column_parts: i32p, sizes: i64p, thread: i64, threads: i64
) -> None:
    """With parts in 1024ths and sums in int64."""
    s = _unpack(sizes)
    start, stop = span(s.batches * s.out_h, thread, threads)
    for row in range(start, stop):
        image, i = row // s.out_h * s.in_h, row % s.out_h
        above, below = (image + rows[2 * i]) * s.in_w, (image + rows[2 * i + 1]) * s.in_w
        v = wide(row_parts[i])
        for column in range(s.out_w):
            left, right, h = columns[2 * column], columns[2 * column + 1], wide(column_parts[column])
            a, b = (above + left) * s.channels, (below + left) * s.channels
            c, d = (above + right) * s.channels, (below + right) * s.channels
            at = (row * s.out_w + column) * s.channels
            for j in range(s.channels):
                first, second = x[a + j] * (1024 - v) + x[b + j] * v, x[c + j] * (1024 - v) + x[d + j] * v
                total = first * (1024 - h) + second * h
                y[at + j] = (total + ((1 << 19) - (total < 0))) >> 20


@kernel
def resize_nearest(x: u8p, y: u8p, rows: i64p, columns: i64p, sizes: i64p, thread: i64, threads: i64) -> None:
    """Elements are bytes: `sizes` has the bytes of a pixel for channels."""
    s = _unpack(sizes)
    start, stop = span(s.batches * s.out_h, thread, threads)
    line = s.out_w * s.channels
    last = -1
    for row in range(start, stop):
        source = (row // s.out_h * s.in_h + rows[row % s.out_h]) * s.in_w
        if source == last and s.channels < _LONG_PIXEL:
            copy_run(y, (row - 1) * line, y, row * line, line)
        else:
            for column in range(s.out_w):
                copy_bytes(advance(x, (source + columns[column]) * s.channels), advance(y, row * line + column * s.channels), s.channels)
        last = source
