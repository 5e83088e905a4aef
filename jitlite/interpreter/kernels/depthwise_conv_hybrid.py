"""Depthwise convolutions with INT8 weights of float images quantized batch by batch; `depthwise_quads` says how they are summed.

`blocks` holds for each block of channels the first of them and the number of its width (64, 32, 16, 8; 8 with long planes), `layouts` a
layout for each part of a row and each width. A block's numbers, 64 in a row, are zeros, sums of weights, and float32 scales and biases.
"""

from typing import Any, NamedTuple

from jitlite.interpreter.kernels.abi import f32, f32p, i8p, i32p, i64, i64p, kernel
from jitlite.interpreter.kernels.depthwise_quads import LONG_PLANE, PLANE, Filter, Image, Part, Place, planes_of, separator, sum_taps
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.narrow import BYTES, splat_byte
from jitlite.interpreter.kernels.quads import Planes, store_places
from jitlite.interpreter.kernels.requantize import narrow
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import Vector, as_floats, clamp, floats_of, splat
from jitlite.interpreter.kernels.windows import Windows, share, unpack

BLOCK, ROWS, WIDTHS = 2, 4, 5


class Output(NamedTuple):
    """The result, its bounds and the scale of the image's batch."""

    y: f32p
    low: Vector
    high: Vector
    scale: Vector


@forced
def _scaled(sums: Vector, scale: Vector, bias: Vector, out: Output) -> Vector:
    return clamp(as_floats(sums) * floats_of(scale) * out.scale + floats_of(bias), out.low, out.high)


@forced
def _put(sums: Planes, f: Filter, out: Output, at: i64, step: i64, count: i64, width: i64) -> None:
    scale, bias = planes_of(f.lines, 2), planes_of(f.lines, 3)
    p0, p1 = _scaled(sums.p0, scale.p0, bias.p0, out), _scaled(sums.p1, scale.p1, bias.p1, out)
    p2, p3 = _scaled(sums.p2, scale.p2, bias.p2, out), _scaled(sums.p3, scale.p3, bias.p3, out)
    store_places(out.y, at, step, p0, p1, p2, p3, count, width)


def _convolver(width: int, plane: int) -> Any:
    separate = separator(width, plane)
    pixels = BYTES // width

    @forced
    def convolve(image: Image, s: Windows, layout: i64p, f: Filter, out: Output, place: Place, part: Part) -> None:
        separate(image, s, layout, place, part)
        at = place.result + part.column * s.out_c + part.channel
        for number in range(0, part.pixels, 2 * pixels):
            sums = sum_taps(image, layout, f, number * width, plane)
            _put(sums.first, f, out, at + number * s.out_c, s.out_c, part.pixels - number, width)
            behind = number + pixels
            _put(sums.second, f, out, at + behind * s.out_c, s.out_c, part.pixels - behind, width)

    return convolve


_by_64, _by_32, _by_16, _by_8 = _convolver(64, PLANE), _convolver(32, PLANE), _convolver(16, PLANE), _convolver(8, PLANE)
_by_8_long = _convolver(8, LONG_PLANE)


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
def depthwise_conv_2d_f32_qc8w(
    x: i8p,
    scales: f32p,
    zero_points: i32p,
    outside: i8p,
    w: i8p,
    y: f32p,
    lines: i32p,
    blocks: i64p,
    layouts: i64p,
    counts: i64p,
    memory: i8p,
    memory_bytes: i64,
    sizes: i64p,
    low: f32,
    high: f32,
    thread: i64,
    threads: i64,
) -> None:
    """`counts` holds the numbers of blocks, of pixels in a part of a row, of numbers in a layout, of taps and of a batch's in `outside`."""
    s = unpack(sizes)
    memory = advance(memory, thread * memory_bytes)
    row_start, row_stop, first, last = share(s.batches * s.out_h, counts[0], thread, threads)
    chunk = counts[1]
    for number in range(first, last):
        channel, kind = blocks[BLOCK * number], blocks[BLOCK * number + 1]
        weights, numbers = advance(w, number * counts[3] * 4 * BYTES), advance(lines, number * ROWS * BYTES)
        for part_number in range((s.out_w + chunk - 1) // chunk):
            layout = advance(layouts, (WIDTHS * part_number + kind) * counts[2])
            part = Part(part_number * chunk, min(chunk, s.out_w - part_number * chunk), channel)
            for row in range(row_start, row_stop):
                batch, line = row // s.out_h, row % s.out_h
                image = Image(x, memory, advance(outside, batch * counts[4]), splat_byte(narrow(128)))
                f = Filter(weights, numbers, zero_points[batch] + 128, 0, numbers)
                out = Output(y, splat(low), splat(high), splat(scales[batch]))
                place = Place(batch, line * s.stride_h - s.pad_h, row * s.out_w * s.out_c, row == row_start or line == 0)
                _convolve(kind, image, s, layout, f, out, place, part)
