"""Products of int8 or uint8 numbers with results of the same kind."""

from typing import NamedTuple

from jitlite.interpreter.kernels.abi import f64p, i8p, i32, i32p, i64, i64p, inline, kernel
from jitlite.interpreter.kernels.intrinsics import advance, as_bytes
from jitlite.interpreter.kernels.product import LINE_W, OUT_W, STRIP, Operands, Spot, Strip, driver
from jitlite.interpreter.kernels.requantize import narrow
from jitlite.interpreter.kernels.row_shares import SLACK, note_shares
from jitlite.interpreter.kernels.tile import (
    COLUMNS,
    ISA,
    TileOf,
    add_each,
    copy_flipped,
    forced,
    panels_of,
)
from jitlite.interpreter.kernels.tile_store import LINE_ROWS, Exactly, store_exactly, store_lines


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
    shares: i32p


@inline
def _begin_quantized(s: i64p, strip: Strip, channel: i64, out: Quantized) -> None:
    if out.right_zero_point != 0:
        note_shares(s, strip, channel, out.left_zero_point, out.right_zero_point, out.shares)


@forced
def _finish_quantized(tile: TileOf, a: Operands, s: i64p, spot: Spot, out: Quantized) -> None:
    panel = spot.panel
    if out.right_zero_point != 0:
        tile = add_each(tile, advance(out.shares, spot.pixel))
    first = panel * LINE_ROWS * COLUMNS
    if out.are_certified[panel] != 0 and out.are_certified[panel + panels_of(tile) - 1] != 0:
        store_lines(tile, out.y, spot.results, spot.column, spot.width, out.lines, first, out.limits, narrow(out.offset))
    else:
        how = Exactly(out.lines, out.limits, out.reals, out.is_real)
        store_exactly(tile, out.y, spot.results, spot.column, spot.width, first, how)


_run = driver(_finish_quantized, copy_flipped, ISA.bytes, _begin_quantized)
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
    shares: i32p,
    is_unsigned: i64,
    thread: i64,
    threads: i64,
) -> None:
    """Products of int8 numbers, or of uint8 where `is_unsigned`; weights are int8 in both cases.

    `sums` are those of the columns' weights, `zero_points` left's and right's; `outside` is the left one once a batch. Lines hold numbers
    of the kind the target multiplies. `shares` has room for those of a strip and SLACK more, once a thread.
    """
    s, left, right = sizes, zero_points[0], zero_points[1]
    own = advance(shares, thread * (s[STRIP] * s[OUT_W] + SLACK))
    offset, flips = 128 * is_unsigned, 0
    if s[LINE_W] > 0 and is_unsigned != _MULTIPLIES_UNSIGNED:
        flips, is_unsigned = 128, _MULTIPLIES_UNSIGNED
        left = narrow(left + 128) if _MULTIPLIES_UNSIGNED else narrow(left - 128)
    out = Quantized(y, offset, rounding, are_certified, limits, reals, is_real, right, left, own)
    if is_unsigned != 0:
        unsigned = Operands(as_bytes(x), batches, w, bias, sums, narrow(-left))
        _run(unsigned, s, as_bytes(lines), as_bytes(outside), flips, out, thread, threads)
    else:
        signed = Operands(x, batches, w, bias, sums, narrow(-left))
        _run(signed, s, lines, outside, flips, out, thread, threads)
