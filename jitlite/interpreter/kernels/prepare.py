"""What has to be done at run time before a product: packing weights that are not constant, quantizing float activations."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jitlite.interpreter.kernels.abi import f32, f32p, f64, i8p, i32, i32p, i64, i64p, inline, kernel, span
from jitlite.interpreter.kernels.blocks import transpose, transpose_tile
from jitlite.interpreter.kernels.lines import LINE_BYTES, SHORT_BYTES
from jitlite.interpreter.kernels.requantize import narrow
from jitlite.interpreter.kernels.tile import COLUMNS, Numbers, single
from jitlite.interpreter.kernels.vectors import (
    LANES,
    as_floats,
    as_integers,
    largest_across,
    load,
    maximum,
    minimum,
    select,
    smallest_across,
    splat,
    store,
)

Function = Callable[..., Any]

double: Any = np.float64

_DEPTH = SHORT_BYTES // 4
"""Levels of a panel that are transposed at a time."""

_BLOCKS = COLUMNS // _DEPTH


class Source(NamedTuple):
    """A right side as it is stored: its sizes, the steps along each dimension and where it starts."""

    groups: int
    channels: int
    height: int
    width: int
    depth: int
    channel_step: int
    row_step: int
    pixel_step: int
    depth_step: int
    group_step: int
    start: int


@inline
def _unpack(sizes: i64p) -> Source:
    return Source(sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6], sizes[7], sizes[8], sizes[9], sizes[10])


@inline
def _panel_of(s: Source, panel: i64) -> tuple[i64, i64]:
    """The index of a panel's first number and how many of its channels there are."""
    panels = (s.channels + COLUMNS - 1) // COLUMNS
    first = (panel % panels) * COLUMNS
    return s.start + panel // panels * s.group_step + first * s.channel_step, min(COLUMNS, s.channels - first)


@inline
def _panels(s: Source, thread: i64, threads: i64) -> tuple[i64, i64]:
    return span(s.groups * ((s.channels + COLUMNS - 1) // COLUMNS), thread, threads)


@inline
def _pack_levels(source: f32p, at: i64, s: Source, target: f32p, level: i64, count: i64) -> None:
    """Packs the levels of one pixel for `count` channels."""
    whole = 0
    if count == COLUMNS and s.channel_step == 1:
        for k in range(s.depth):
            store(target, level + k * COLUMNS, load(source, at + k * s.depth_step))
        return
    if count == COLUMNS and s.depth_step == 1:
        whole = s.depth // _DEPTH * _DEPTH
        for k in range(0, whole, _DEPTH):
            transpose_tile(source, at + k, s.channel_step, target, level + k * COLUMNS, COLUMNS, _DEPTH, _BLOCKS)
    for k in range(whole, s.depth):
        for j in range(count):
            target[level + k * COLUMNS + j] = source[at + k * s.depth_step + j * s.channel_step]
        for j in range(count, COLUMNS):
            target[level + k * COLUMNS + j] = 0


@kernel
def pack_f32(source: f32p, target: f32p, sizes: i64p, thread: i64, threads: i64) -> None:
    """Packs panels of levels in the order rows, pixels, depth; `sizes` are those of a Source."""
    s = _unpack(sizes)
    start, stop = _panels(s, thread, threads)
    for panel in range(start, stop):
        first, count = _panel_of(s, panel)
        level = panel * s.height * s.width * s.depth * COLUMNS
        for y in range(s.height):
            for x in range(s.width):
                _pack_levels(source, first + y * s.row_step + x * s.pixel_step, s, target, level, count)
                level += s.depth * COLUMNS


@kernel
def pack_s8(source: i8p, target: i8p, sums: i32p, sizes: i64p, thread: i64, threads: i64) -> None:
    """Packs panels of quads, and sums every channel over depth into `sums`, COLUMNS a panel; a Source of one row and pixel."""
    s = _unpack(sizes)
    start, stop = _panels(s, thread, threads)
    quads = (s.depth + 3) // 4
    for panel in range(start, stop):
        first, count = _panel_of(s, panel)
        for j in range(COLUMNS):
            total = narrow(0)
            for k in range(4 * quads):
                value = source[first + j * s.channel_step + k * s.depth_step] if j < count and k < s.depth else 0
                target[((panel * quads + k // 4) * COLUMNS + j) * 4 + k % 4] = value
                total = narrow(total + value)
            sums[panel * COLUMNS + j] = total


def _transposed(element_bytes: int) -> Function:
    """Transposes matrices, strips of a cache line's columns at a time."""
    strip, tiles = LINE_BYTES // element_bytes, transpose(element_bytes)

    @inline
    def run(x: Numbers, y: Numbers, sizes: i64p, thread: i64, threads: i64) -> None:
        matrices, rows, columns = sizes[0], sizes[1], sizes[2]
        strips = (columns + strip - 1) // strip
        start, stop = span(matrices * strips, thread, threads)
        for number in range(start, stop):
            matrix, column = number // strips * rows * columns, number % strips * strip
            width = min(strip, columns - column)
            tiles(x, y, matrix + column, matrix + column * rows, width, rows, columns, rows)

    return run


_transpose_words, _transpose_bytes = _transposed(4), _transposed(1)


@kernel
def transpose_f32(x: f32p, y: f32p, sizes: i64p, thread: i64, threads: i64) -> None:
    """Transposes matrices; `sizes`: how many, their rows and columns."""
    _transpose_words(x, y, sizes, thread, threads)


@kernel
def transpose_s8(x: i8p, y: i8p, sizes: i64p, thread: i64, threads: i64) -> None:
    """As `transpose_f32`."""
    _transpose_bytes(x, y, sizes, thread, threads)


@inline
def _nearest(value: f32, low: f32, high: f32) -> i32:
    """The nearest whole number within [low, high], halves away from zero; `low` for NaN."""
    bounded = value if value > low else low
    bounded = bounded if bounded < high else high
    whole = narrow(bounded)
    rest = bounded - single(whole)
    rounded: int = narrow(whole + narrow(rest >= single(0.5)) - narrow(rest <= single(-0.5)))
    return rounded


@inline
def _extremes(x: f32p, at: i64, count: i64, step: i64) -> tuple[f32, f32]:
    """The least and the greatest of 0 and `count` values."""
    low, high = single(0), single(0)
    whole = count // LANES * LANES if step == 1 else 0
    if whole > 0:
        least, most = splat(low), splat(high)
        for i in range(0, whole, LANES):
            values = load(x, at + i)
            least, most = minimum(values, least), maximum(values, most)
        low, high = smallest_across(least), largest_across(most)
    for i in range(whole, count):
        value = x[at + i * step]
        low = value if value < low else low
        high = value if value > high else high
    return low, high


@inline
def _quantize(x: f32p, at: i64, step: i64, y: i8p, to: i64, count: i64, inverse: f32, low: f32, high: f32, zero_point: i32) -> None:
    """Writes `count` values times `inverse`, to the nearest whole number within [low, high], plus the zero point."""
    whole = count // LANES * LANES if step == 1 else 0
    half, one, nothing = splat(single(0.5)), splat(narrow(1)), splat(narrow(0))
    for i in range(0, whole, LANES):
        values = load(x, at + i) * splat(inverse)
        bounded = minimum(maximum(values, splat(low)), splat(high))
        number = as_integers(bounded)
        rest = bounded - as_floats(number)
        number = number + select(rest >= half, one, nothing) - select(rest <= -half, one, nothing)
        store(y, to + i, number + splat(zero_point))
    for i in range(whole, count):
        y[to + i] = _nearest(x[at + i * step] * inverse, low, high) + zero_point


@kernel
def quantize_symmetric(x: f32p, y: i8p, scales: f32p, zero_points: i32p, outside: i8p, sizes: i64p, thread: i64, threads: i64) -> None:
    """Quantizes rows to [-127, 127] with a scale each and the zero point 0.

    `sizes`: batches, rows of a batch, values of a row, the source's steps from batch to batch, row to row and value to value, and how often
    each row's zero point is repeated in `outside`. The result is dense.
    """
    count, step = sizes[2], sizes[5]
    start, stop = span(sizes[0] * sizes[1], thread, threads)
    for row in range(start, stop):
        at = row // sizes[1] * sizes[3] + row % sizes[1] * sizes[4]
        low, high = _extremes(x, at, count, step)
        reach = max(-low, high)
        zero_points[row] = 0
        scales[row] = reach / single(127) if reach > single(0) else single(1)
        inverse = single(127) / reach if reach > single(0) else single(0)
        _quantize(x, at, step, y, row * count, count, inverse, single(-127), single(127), narrow(0))
        for i in range(sizes[6]):
            outside[row * sizes[6] + i] = 0


@inline
def _zero_point(low: f64, high: f64, scale: f64) -> i32:
    """The zero point nearest to where 0 lies; the end of the range with the smaller rounding error decides."""
    from_low, from_high = -128.0 - low / scale, 127.0 - high / scale
    by_low = 128.0 + abs(low / scale) < 127.0 + abs(high / scale)
    real = from_low if by_low else from_high
    bounded = min(max(real, -128.0), 127.0)
    rounded: int = narrow(bounded + 0.5) if bounded >= 0 else narrow(bounded - 0.5)
    return rounded


@kernel
def quantize_asymmetric(x: f32p, y: i8p, scales: f32p, zero_points: i32p, outside: i8p, sizes: i64p, thread: i64, threads: i64) -> None:
    """Quantizes rows to [-128, 127] with a scale and a zero point each; `sizes` as above."""
    count, step = sizes[2], sizes[5]
    start, stop = span(sizes[0] * sizes[1], thread, threads)
    for row in range(start, stop):
        at = row // sizes[1] * sizes[3] + row % sizes[1] * sizes[4]
        low, high = _extremes(x, at, count, step)
        scale = (double(high) - double(low)) / 255.0
        zero_point = narrow(0)
        if high > low:
            zero_point = _zero_point(double(low), double(high), scale)
        zero_points[row] = zero_point
        scales[row] = single(scale) if high > low else single(1)
        inverse = single(1) / scales[row]
        low, high = single(narrow(-128) - zero_point), single(narrow(127) - zero_point)
        _quantize(x, at, step, y, row * count, count, inverse, low, high, zero_point)
        for i in range(sizes[6]):
            outside[row * sizes[6] + i] = zero_point
