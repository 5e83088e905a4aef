"""Products of int8 or uint8 numbers with results of the same kind."""

from typing import NamedTuple

import numpy as np

from jitlite.interpreter.kernels.abi import f64p, i8p, i32, i32p, i64, i64p, inline, kernel, u8p
from jitlite.interpreter.kernels.intrinsics import as_bytes
from jitlite.interpreter.kernels.product import Operands, Sizes, Spot, driver, unpack
from jitlite.interpreter.kernels.requantize import narrow
from jitlite.interpreter.kernels.tile import (
    COLUMNS,
    ISA,
    Numbers,
    TileOf,
    add_each,
    forced,
    height_of,
    load_words,
    panels_of,
    stack_i32,
    store_words,
)
from jitlite.interpreter.kernels.tile_store import LINE_ROWS, store_exactly, store_lines
from jitlite.interpreter.kernels.vectors import load, splat, sum_across


class Quantized(NamedTuple):
    """8-bit results: requantization as in `tile_store`, whether a panel's lines are certified, and the right side's zero point."""

    y: Numbers
    lines: i32p
    are_certified: i32p
    limits: i32p
    reals: f64p
    is_real: int
    right_zero_point: int
    left_zero_point: int


@inline
def _sum_of_row(x: Numbers, at: i64, count: i64) -> i32:
    """The sum of `count` 8-bit numbers, which int32 holds."""
    total = splat(narrow(0))
    whole = count // COLUMNS * COLUMNS
    for i in range(0, whole, COLUMNS):
        total = total + load(x, at + i)
    found: int = sum_across(total)
    for i in range(whole, count):
        found = narrow(found + x[at + i])
    return found


@inline
def _shares(s: Sizes, spot: Spot, height: i64, out: Quantized, shares: i32p) -> None:
    """What every sum of a row lacks because the right side's zero point is not 0: -zero point · sum of (x - its zero point)."""
    for row in range(height):
        total, taps = narrow(0), 0
        for v in range(s.runs_h):
            for u in range(s.runs_w):
                at = spot.places[row] + (v * s.run_h * spot.pitch + u * s.run_w) * s.in_c + spot.channel
                total = narrow(total + _sum_of_row(spot.source, at, s.run))
                taps += s.run
        shares[row] = narrow(-out.right_zero_point * (total - taps * out.left_zero_point))


@forced
def _finish_quantized(tile: TileOf, a: Operands, s: Sizes, spot: Spot, out: Quantized) -> None:
    panel = spot.panel
    if out.right_zero_point != 0:
        shares = stack_i32(16)
        _shares(s, spot, height_of(tile), out, shares)
        tile = add_each(tile, shares)
    first = panel * LINE_ROWS * COLUMNS
    if out.are_certified[panel] != 0 and out.are_certified[panel + panels_of(tile) - 1] != 0:
        store_lines(tile, out.y, spot.results, spot.column, spot.width, out.lines, first, out.limits)
    else:
        store_exactly(tile, out.y, spot.results, spot.column, spot.width, out.lines, first, out.limits, out.reals, out.is_real)


_MULTIPLIES_UNSIGNED = ISA.unsigned_offset == 0
_FLIP = np.int32(-2139062144)
"""The highest bit of every byte."""


@inline
def _copy_flipped(target: u8p, source: u8p, count: i64) -> None:
    """Copies int8 as what they are more than -128; up to LINE_SLACK bytes behind the last are read and written."""
    for at in range(0, count, 4 * COLUMNS):
        store_words(target, at, load_words(source, at) ^ splat(_FLIP))


_run_quantized = driver(_finish_quantized)
_run_flipped = driver(_finish_quantized, _copy_flipped, 128)


@kernel
def product_qs8(
    x: i8p,
    batches: i64p,
    w: i8p,
    bias: i32p,
    sums: i32p,
    y: i8p,
    lines: i8p,
    outside: i8p,
    sizes: i64p,
    rounding: i32p,
    are_certified: i32p,
    limits: i32p,
    reals: f64p,
    is_real: i32,
    zero_points: i32p,
    thread: i64,
    threads: i64,
) -> None:
    """`sums` are those of the columns' weights, `zero_points` left's and right's; `outside` is the left one once a batch.

    Where the target multiplies unsigned numbers, lines hold them.
    """
    s = unpack(sizes)
    if _MULTIPLIES_UNSIGNED and s.line_w > 0:
        left = narrow(zero_points[0] + 128)
        flipped = Quantized(as_bytes(y), rounding, are_certified, limits, reals, is_real, zero_points[1], left)
        operands = Operands(as_bytes(x), batches, w, bias, sums, narrow(-left))
        _run_flipped(operands, s, as_bytes(lines), as_bytes(outside), flipped, thread, threads)
    else:
        out = Quantized(y, rounding, are_certified, limits, reals, is_real, zero_points[1], zero_points[0])
        signed = Operands(x, batches, w, bias, sums, narrow(-zero_points[0]))
        _run_quantized(signed, s, lines, outside, out, thread, threads)


@kernel
def product_qu8(
    x: u8p,
    batches: i64p,
    w: i8p,
    bias: i32p,
    sums: i32p,
    y: u8p,
    lines: u8p,
    outside: u8p,
    sizes: i64p,
    rounding: i32p,
    are_certified: i32p,
    limits: i32p,
    reals: f64p,
    is_real: i32,
    zero_points: i32p,
    thread: i64,
    threads: i64,
) -> None:
    """As `product_qs8` on uint8; weights and their zero point are less 128."""
    out = Quantized(y, rounding, are_certified, limits, reals, is_real, zero_points[1], zero_points[0])
    operands = Operands(x, batches, w, bias, sums, narrow(-zero_points[0]))
    _run_quantized(operands, unpack(sizes), lines, outside, out, thread, threads)
