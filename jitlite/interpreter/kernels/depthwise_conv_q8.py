"""Depthwise convolutions of 8-bit images with 8-bit weights; `depthwise_quads` says how they are summed.

`blocks` holds for each block of channels the first of them, the number of its width (64, 32, 16, 8; 8 with long planes) and 1 where
certified lines round its channels, `layouts` a layout for each part of a row and each width. A block's numbers, 64 in a row, are biases,
sums of weights, scales and offsets of certified lines, mantissas and shifts.
"""

from typing import Any, NamedTuple

from jitlite.interpreter.kernels.abi import i8p, i32, i32p, i64, i64p, kernel, u8p
from jitlite.interpreter.kernels.depthwise_quads import (
    HEAD,
    LONG_PLANE,
    PLANE,
    Filter,
    Image,
    Part,
    Place,
    Two,
    dot,
    dot_spread,
    no_sums,
    planes_of,
    separator,
    start_of,
    sum_taps,
    united,
    weights_of,
)
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.narrow import BYTES, Bytes, add_words, flipped, pack, splat_byte, splat_word, store_bytes
from jitlite.interpreter.kernels.quads import Planes, larger_signed, shrink, smaller_signed, store_pieces
from jitlite.interpreter.kernels.requantize import narrow
from jitlite.interpreter.kernels.rounding import round_exactly, round_line
from jitlite.interpreter.kernels.tile import Numbers, forced
from jitlite.interpreter.kernels.vectors import floats_of, splat
from jitlite.interpreter.kernels.windows import Windows, share, unpack

BLOCK = 3
"""Numbers of a block in `blocks`."""
ROWS = 6
"""Rows of a block's numbers."""


class Output(NamedTuple):
    """The result, its zero point, lowest and highest number, what makes its bytes signed, and if certified lines round them."""

    y: Numbers
    limits: i32p
    flip: int
    is_line: int


@forced
def _by_line(sums: Planes, scale: Planes, offset: Planes) -> Planes:
    return Planes(
        round_line(sums.p0, floats_of(scale.p0), floats_of(offset.p0)),
        round_line(sums.p1, floats_of(scale.p1), floats_of(offset.p1)),
        round_line(sums.p2, floats_of(scale.p2), floats_of(offset.p2)),
        round_line(sums.p3, floats_of(scale.p3), floats_of(offset.p3)),
    )


@forced
def _exactly(sums: Planes, mantissa: Planes, shift: Planes) -> Planes:
    return Planes(
        round_exactly(sums.p0, mantissa.p0, shift.p0),
        round_exactly(sums.p1, mantissa.p1, shift.p1),
        round_exactly(sums.p2, mantissa.p2, shift.p2),
        round_exactly(sums.p3, mantissa.p3, shift.p3),
    )


@forced
def _as_bytes(steps: Planes, out: Output) -> Bytes:
    """Steps plus the zero point, clamped: as signed bytes, which are then made what the result has."""
    zero_point = splat_word(narrow(out.limits[0] - out.flip))
    low, high = add_words(pack(steps.p0, steps.p1), zero_point), add_words(pack(steps.p2, steps.p3), zero_point)
    least, most = splat_byte(narrow(out.limits[1] - out.flip)), splat_byte(narrow(out.limits[2] - out.flip))
    return flipped(smaller_signed(larger_signed(shrink(low, high), least), most), splat_byte(narrow(out.flip)))


def _putter(width: int) -> Any:
    """The function that rounds sums by certified lines, or exactly, and stores the first `count` pixels of `width` channels."""

    @forced
    def put(steps: Planes, out: Output, at: i64, step: i64, count: i64) -> None:
        found = _as_bytes(steps, out)
        if width < BYTES and step == width and count >= BYTES // width:
            store_bytes(out.y, at, found)
        else:
            store_pieces(out.y, at, step, found, count, width)

    return put


def _three_tap_loops(width: int, plane: int) -> tuple[Any, Any]:
    """Functions that convolve the pixels of a part of a row with filters of three taps, without a spread and with one."""
    put = _putter(width)
    pixels = BYTES // width

    @forced
    def three(image: Image, layout: i64p, f: Filter, out: Output, at: i64, step: i64, count: i64) -> None:
        t0, t1, t2 = layout[HEAD], layout[HEAD + 1], layout[HEAD + 2]
        start, scale, offset = start_of(f), planes_of(f.lines, 2), planes_of(f.lines, 3)
        w0, w1, w2 = weights_of(f, 0), weights_of(f, 1), weights_of(f, 2)
        for number in range(0, count, pixels):
            place = number * width
            sums = dot(dot(dot(start, image, t0 + place, plane, w0), image, t1 + place, plane, w1), image, t2 + place, plane, w2)
            put(_by_line(sums, scale, offset), out, at + number * step, step, count - number)

    @forced
    def three_spread(image: Image, layout: i64p, f: Filter, out: Output, at: i64, step: i64, count: i64) -> None:
        t0, t1, t2 = layout[HEAD], layout[HEAD + 1], layout[HEAD + 2]
        start, scale, offset = start_of(f), planes_of(f.lines, 2), planes_of(f.lines, 3)
        o0, o1, o2 = splat(f.ones[0]), splat(f.ones[1]), splat(f.ones[2])
        w0, w1, w2 = weights_of(f, 0), weights_of(f, 1), weights_of(f, 2)
        for number in range(0, count, pixels):
            place = number * width
            sums = dot_spread(Two(start, no_sums()), image, t0 + place, plane, w0, o0)
            sums = dot_spread(dot_spread(sums, image, t1 + place, plane, w1, o1), image, t2 + place, plane, w2, o2)
            put(_by_line(united(sums, f.spread), scale, offset), out, at + number * step, step, count - number)

    return three, three_spread


def _tap_loops(width: int, plane: int) -> tuple[Any, Any]:
    """Functions that convolve the pixels of a part of a row with any filters, and with those that have no certified lines."""
    put = _putter(width)
    pixels = BYTES // width

    @forced
    def by_lines(image: Image, layout: i64p, f: Filter, out: Output, at: i64, step: i64, count: i64) -> None:
        scale, offset = planes_of(f.lines, 2), planes_of(f.lines, 3)
        for number in range(0, count, 2 * pixels):
            sums = sum_taps(image, layout, f, number * width, plane)
            put(_by_line(sums.first, scale, offset), out, at + number * step, step, count - number)
            if count - number > pixels:
                behind = number + pixels
                put(_by_line(sums.second, scale, offset), out, at + behind * step, step, count - behind)

    @forced
    def exactly(image: Image, layout: i64p, f: Filter, out: Output, at: i64, step: i64, count: i64) -> None:
        mantissa, shift = planes_of(f.lines, 4), planes_of(f.lines, 5)
        for number in range(0, count, pixels):
            sums = sum_taps(image, layout, f, number * width, plane).first
            put(_exactly(sums, mantissa, shift), out, at + number * step, step, count - number)

    return by_lines, exactly


def _convolver(width: int, plane: int) -> Any:
    """The function that convolves a part of a row for a block of `width` channels."""
    separate = separator(width, plane)
    three, three_spread = _three_tap_loops(width, plane)
    by_lines, exactly = _tap_loops(width, plane)

    @forced
    def convolve(image: Image, s: Windows, layout: i64p, f: Filter, out: Output, place: Place, part: Part) -> None:
        separate(image, s, layout, place, part)
        at, step = place.result + part.column * s.out_c + part.channel, s.out_c
        if not out.is_line:
            exactly(image, layout, f, out, at, step, part.pixels)
        elif layout[1] != 3:
            by_lines(image, layout, f, out, at, step, part.pixels)
        elif f.spread == 0:
            three(image, layout, f, out, at, step, part.pixels)
        else:
            three_spread(image, layout, f, out, at, step, part.pixels)

    return convolve


_by_64, _by_32, _by_16, _by_8 = _convolver(64, PLANE), _convolver(32, PLANE), _convolver(16, PLANE), _convolver(8, PLANE)
_by_8_long = _convolver(8, LONG_PLANE)
WIDTHS = 5


@forced
def _convolve(kind: i64, image: Image, s: Windows, layout: i64p, f: Filter, out: Output, place: Place, part: Part) -> None:
    if kind == 0:
        _by_64(image, s, layout, f, out, place, part)
    elif kind == 1:
        _by_32(image, s, layout, f, out, place, part)
    elif kind == 2:
        _by_16(image, s, layout, f, out, place, part)
    elif kind == 3:
        _by_8(image, s, layout, f, out, place, part)
    else:
        _by_8_long(image, s, layout, f, out, place, part)


@kernel
def depthwise_conv_2d_q8(
    x: u8p,
    w: i8p,
    y: u8p,
    lines: i32p,
    ones: i32p,
    blocks: i64p,
    layouts: i64p,
    counts: i64p,
    outside: u8p,
    memory: u8p,
    memory_bytes: i64,
    zero_point: i32,
    spread: i32,
    flip: i32,
    limits: i32p,
    sizes: i64p,
    thread: i64,
    threads: i64,
) -> None:
    """`flip` is 128 for INT8, 0 for UINT8; `zero_point` the image's as an unsigned byte.

    `counts` holds the numbers of blocks, of pixels in a part of a row, of numbers in a layout, and of taps.
    """
    s = unpack(sizes)
    image = Image(x, advance(memory, thread * memory_bytes), outside, splat_byte(flip))
    row_start, row_stop, first, last = share(s.batches * s.out_h, counts[0], thread, threads)
    chunk = counts[1]
    for number in range(first, last):
        channel, kind = blocks[BLOCK * number], blocks[BLOCK * number + 1]
        f = Filter(advance(w, number * counts[3] * 4 * BYTES), advance(lines, number * ROWS * BYTES), zero_point, spread, ones)
        out = Output(y, limits, 128 - flip, blocks[BLOCK * number + 2])
        for part_number in range((s.out_w + chunk - 1) // chunk):
            layout = advance(layouts, (WIDTHS * part_number + kind) * counts[2])
            part = Part(part_number * chunk, min(chunk, s.out_w - part_number * chunk), channel)
            batch = row_start // s.out_h
            line = row_start - batch * s.out_h
            for row in range(row_start, row_stop):
                place = Place(batch, line * s.stride_h - s.pad_h, row * s.out_w * s.out_c, row == row_start)
                _convolve(kind, image, s, layout, f, out, place, part)
                line += 1
                if line == s.out_h:
                    batch, line = batch + 1, 0
