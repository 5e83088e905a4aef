"""Depthwise convolutions of 8-bit NHWC images with 8-bit weights; `depthwise_quads` says how.

A block's rows of numbers are biases, sums of weights, scales and offsets of certified lines, mantissas and shifts.
"""

from jitlite.interpreter.kernels.abi import i32, i32p, i64, i64p, kernel, u8p
from jitlite.interpreter.kernels.depthwise_quads import BLOCK, HEAD, WIDTHS, Image, Place, counts_of, separate
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.quad_sums import sum_to_bytes
from jitlite.interpreter.kernels.quads import PLACES
from jitlite.interpreter.kernels.windows import share, unpack

ROWS = 6
"""Rows of a block's numbers."""


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
    spread: i32,
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
        channel, kind, is_line = blocks[BLOCK * number], blocks[BLOCK * number + 1], blocks[BLOCK * number + 2]
        weights, numbers = advance(w, number * c.taps * 4 * PLACES), advance(lines, number * ROWS * 4 * PLACES)
        for part in range((s.out_w + c.chunk - 1) // c.chunk):
            layout = advance(layouts, (WIDTHS * part + kind) * c.layout)
            taps, column = advance(layout, HEAD), part * c.chunk
            pixels = min(c.chunk, s.out_w - column)
            for row in range(row_start, row_stop):
                place = Place(row // s.out_h, row % s.out_h * s.stride_h - s.pad_h, row == row_start)
                separate(image, s, layout, place, channel, kind, c.plane)
                result = advance(y, (row * s.out_w + column) * s.out_c + channel)
                sum_to_bytes(
                    image.quads,
                    c.plane,
                    taps,
                    c.taps,
                    weights,
                    numbers,
                    zero_point,
                    spread,
                    ones,
                    result,
                    s.out_c,
                    pixels,
                    kind,
                    limits,
                    128 - flip,
                    is_line,
                )
