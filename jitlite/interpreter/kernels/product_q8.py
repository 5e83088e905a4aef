"""Products of int8 or uint8 numbers with results of the same kind."""

from typing import NamedTuple

from jitlite.interpreter.kernels.abi import f64p, i8p, i32, i32p, i64, i64p, inline, kernel
from jitlite.interpreter.kernels.intrinsics import as_bytes
from jitlite.interpreter.kernels.product import IN_C, LINE_W, RUN, RUN_H, RUN_W, RUNS_H, RUNS_W, Operands, Spot, driver
from jitlite.interpreter.kernels.requantize import narrow
from jitlite.interpreter.kernels.tile import (
    COLUMNS,
    ISA,
    Numbers,
    TileOf,
    add_each,
    copy_flipped,
    forced,
    height_of,
    panels_of,
    stack_i32,
)
from jitlite.interpreter.kernels.tile_store import LINE_ROWS, Exactly, store_exactly, store_lines
from jitlite.interpreter.kernels.vectors import load, splat, sum_across


class Quantized(NamedTuple):
    """8-bit results and what makes them signed: 128 for unsigned ones, else 0; requantization as in `tile_store`; zero points."""

    y: i8p
    offset: int
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
def _shares(s: i64p, spot: Spot, height: i64, out: Quantized, shares: i32p) -> None:
    """What every sum of a row lacks because the right side's zero point is not 0: -zero point · sum of (x - its zero point)."""
    for row in range(height):
        total, taps = narrow(0), 0
        for v in range(s[RUNS_H]):
            for u in range(s[RUNS_W]):
                at = spot.places[row] + (v * s[RUN_H] * spot.pitch + u * s[RUN_W]) * s[IN_C] + spot.channel
                total = narrow(total + _sum_of_row(spot.source, at, s[RUN]))
                taps += s[RUN]
        shares[row] = narrow(-out.right_zero_point * (total - taps * out.left_zero_point))


@forced
def _finish_quantized(tile: TileOf, a: Operands, s: i64p, spot: Spot, out: Quantized) -> None:
    panel = spot.panel
    if out.right_zero_point != 0:
        shares = stack_i32(16)
        _shares(s, spot, height_of(tile), out, shares)
        tile = add_each(tile, shares)
    first = panel * LINE_ROWS * COLUMNS
    if out.are_certified[panel] != 0 and out.are_certified[panel + panels_of(tile) - 1] != 0:
        store_lines(tile, out.y, spot.results, spot.column, spot.width, out.lines, first, out.limits, narrow(out.offset))
    else:
        how = Exactly(out.lines, out.limits, out.reals, out.is_real)
        store_exactly(tile, out.y, spot.results, spot.column, spot.width, first, how)


_run = driver(_finish_quantized, copy_flipped, ISA.bytes)
_MULTIPLIES_UNSIGNED = int(ISA.unsigned_offset == 0)


@kernel
def product_q8(
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
    is_unsigned: i64,
    thread: i64,
    threads: i64,
) -> None:
    """Products of int8 numbers, or of uint8 where `is_unsigned`; weights are int8 in both cases.

    `sums` are those of the columns' weights, `zero_points` left's and right's; `outside` is the left one once a batch. Lines hold numbers
    of the kind the target multiplies.
    """
    s, left, right = sizes, zero_points[0], zero_points[1]
    offset, flips = 128 * is_unsigned, 0
    if s[LINE_W] > 0 and is_unsigned != _MULTIPLIES_UNSIGNED:
        flips, is_unsigned = 128, _MULTIPLIES_UNSIGNED
        left = narrow(left + 128) if _MULTIPLIES_UNSIGNED else narrow(left - 128)
    out = Quantized(y, offset, rounding, are_certified, limits, reals, is_real, right, left)
    if is_unsigned != 0:
        unsigned = Operands(as_bytes(x), batches, w, bias, sums, narrow(-left))
        _run(unsigned, s, as_bytes(lines), as_bytes(outside), flips, out, thread, threads)
    else:
        signed = Operands(x, batches, w, bias, sums, narrow(-left))
        _run(signed, s, lines, outside, flips, out, thread, threads)
