"""Depthwise convolutions with INT8 weights of float images quantized batch by batch; `depthwise_quads` says how.

A block's rows of numbers are zeros, sums of weights, and float32 scales and biases.
"""

from jitlite.interpreter.kernels.abi import f32, f32p, i32p, i64, i64p, kernel, u8p
from jitlite.interpreter.kernels.depthwise_quads import HEAD, WIDTHS, Image, Place, block_of, counts_of, separate
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.quad_sums import sum_to_reals
from jitlite.interpreter.kernels.quads import PLACES
from jitlite.interpreter.kernels.requantize import narrow
from jitlite.interpreter.kernels.windows import share, unpack

ROWS = 4
"""Rows of a block's numbers."""


@kernel
def depthwise_conv_2d_f32_qc8w(
    x: u8p,
    scales: f32p,
    zero_points: i32p,
    outside: u8p,
    outside_size: i64,
    w: u8p,
    y: f32p,
    lines: u8p,
    blocks: i64p,
    layouts: i64p,
    counts: i64p,
    memory: u8p,
    sizes: i64p,
    low: f32,
    high: f32,
    thread: i64,
    threads: i64,
) -> None:
    """`outside` holds a row for each batch, `outside_size` bytes apart."""
    s, c = unpack(sizes), counts_of(counts)
    row_start, row_stop, first, last = share(s.batches * s.out_h, c.blocks, thread, threads)
    no_ones = zero_points
    for number in range(first, last):
        block = block_of(blocks, number)
        weights, numbers = advance(w, number * c.taps * 4 * PLACES), advance(lines, number * ROWS * 4 * PLACES)
        for part in range((s.out_w + c.chunk - 1) // c.chunk):
            layout = advance(layouts, (WIDTHS * part + block.kind) * c.layout)
            taps, column = advance(layout, HEAD), part * c.chunk
            pixels = min(c.chunk, s.out_w - column)
            for row in range(row_start, row_stop):
                batch, line = row // s.out_h, row % s.out_h
                image = Image(x, advance(memory, thread * c.memory), advance(outside, batch * outside_size), narrow(128))
                place = Place(batch, line * s.stride_h - s.pad_h, row == row_start or line == 0)
                separate(image, s, layout, place, block.channel, block.kind, c.plane)
                result = advance(y, (row * s.out_w + column) * s.out_c + block.channel)
                sum_to_reals(
                    image.quads,
                    c.plane,
                    taps,
                    c.taps,
                    weights,
                    numbers,
                    narrow(zero_points[batch] + 128),
                    narrow(0),
                    no_ones,
                    result,
                    s.out_c,
                    pixels,
                    block.kind,
                    scales[batch],
                    low,
                    high,
                )
