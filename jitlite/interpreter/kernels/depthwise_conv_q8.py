"""Depthwise convolutions of 8-bit NHWC images with 8-bit weights; `depthwise_quads` says how.

A block's rows of numbers are biases, sums of weights, scales, slopes and offsets of certified lines, mantissas and shifts.
"""

from typing import NamedTuple

from jitlite.interpreter.kernels.abi import i32, i32p, i64, i64p, inline, kernel, u8p
from jitlite.interpreter.kernels.depthwise_quads import HEAD, WIDTHS, Counts, Image, Place, block_of, counts_of, member, separate
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.quad_sums import sum_to_bytes
from jitlite.interpreter.kernels.quad_windows import slide_three
from jitlite.interpreter.kernels.quads import PLACES
from jitlite.interpreter.kernels.windows import Windows, share, unpack

ROWS = 7
"""Rows of a block's numbers."""


class Operands(NamedTuple):
    """What belongs to a block."""

    weights: u8p
    numbers: u8p
    zero_point: int
    spread: int
    ones: i32p
    limits: i32p
    is_line: int


@inline
def _slide(image: Image, s: Windows, layout: i64p, place: Place, channel: i64, a: Operands, y: u8p) -> None:
    """Convolves a row by sliding windows."""
    fill = advance(layout, HEAD + layout[1])
    slide_three(
        member(image, s, place, channel, fill, 0),
        member(image, s, place, channel, fill, 1),
        member(image, s, place, channel, fill, 2),
        member(image, s, place, channel, fill, 3),
        image.outside,
        s.in_c,
        -s.pad_w,
        s.in_w,
        image.flip,
        a.weights,
        a.numbers,
        a.zero_point,
        a.spread,
        a.ones,
        y,
        s.out_c,
        s.out_w,
        a.limits,
        128 - image.flip,
        fill[7],
        s.stride_w,
    )


@inline
def _sum(image: Image, s: Windows, layout: i64p, c: Counts, kind: i64, pixels: i64, a: Operands, y: u8p) -> None:
    """Convolves a part of a row whose quads have been made."""
    sum_to_bytes(
        image.quads,
        c.plane,
        advance(layout, HEAD),
        c.taps,
        a.weights,
        a.numbers,
        a.zero_point,
        a.spread,
        a.ones,
        y,
        s.out_c,
        pixels,
        kind,
        a.limits,
        128 - image.flip,
        a.is_line,
    )


@kernel
def depthwise_conv_2d_q8(
    x: u8p,
    w: u8p,
    y: u8p,
    lines: u8p,
    ones: i32p,
    blocks: i64p,
    layouts: i64p,
    counts: i64p,
    outside: u8p,
    memory: u8p,
    zero_point: i32,
    flip: i32,
    limits: i32p,
    sizes: i64p,
    thread: i64,
    threads: i64,
) -> None:
    """`flip` is 128 for INT8, 0 for UINT8; `zero_point` the image's as an unsigned byte; `limits` the output's as signed bytes."""
    s, c = unpack(sizes), counts_of(counts)
    image = Image(x, advance(memory, thread * c.memory), outside, flip)
    row_start, row_stop, first, last = share(s.batches * s.out_h, c.blocks, thread, threads)
    for number in range(first, last):
        block = block_of(blocks, number)
        weights, numbers = advance(w, number * c.taps * 4 * PLACES), advance(lines, number * ROWS * 4 * PLACES)
        a = Operands(weights, numbers, zero_point, block.spread, ones, limits, block.is_line)
        slides = c.slides and block.kind == 0 and block.is_line
        for part in range(1 if slides else (s.out_w + c.chunk - 1) // c.chunk):
            layout, column = advance(layouts, (WIDTHS * part + block.kind) * c.layout), part * c.chunk
            for row in range(row_start, row_stop):
                place = Place(row // s.out_h, row % s.out_h * s.stride_h - s.pad_h, row == row_start)
                result = advance(y, (row * s.out_w + column) * s.out_c + block.channel)
                if slides:
                    _slide(image, s, layout, place, block.channel, a, result)
                else:
                    separate(image, s, layout, place, block.channel, block.kind, c.plane)
                    _sum(image, s, layout, c, block.kind, min(c.chunk, s.out_w - column), a, result)
