"""Products of int8 numbers with results of other types: float32 for rows quantized at run time, and the plain int32 sums."""

from typing import NamedTuple

from jitlite.interpreter.kernels.abi import f32, f32p, i8p, i32p, i64, i64p, kernel
from jitlite.interpreter.kernels.product import IN_C, OUT_H, Operands, Spot, driver
from jitlite.interpreter.kernels.requantize import narrow
from jitlite.interpreter.kernels.tile import COLUMNS, ISA, TileOf, add_to_rows, copy_flipped, forced, height_of, stack_f32, stack_i32
from jitlite.interpreter.kernels.tile_store import store_s32, store_scaled


class Hybrid(NamedTuple):
    """Float32 results of rows quantized at run time: each row's or batch's scale and zero point, the columns' scales and biases."""

    y: f32p
    scales: f32p
    zero_points: i32p
    by_row: int
    channels: f32p
    low: float
    high: float


@forced
def _finish_hybrid(tile: TileOf, a: Operands, s: i64p, spot: Spot, out: Hybrid) -> None:
    factors, removed = stack_f32(16), stack_i32(16)
    first = a.batches[2 * spot.batch] // s[IN_C]
    line = spot.line - spot.batch * s[OUT_H]
    for i in range(height_of(tile)):
        row = first + min(line + i, s[OUT_H] - 1) if out.by_row != 0 else spot.batch
        factors[i], removed[i] = out.scales[row], narrow(-out.zero_points[row])
    tile = add_to_rows(tile, removed, a.sums, spot.right * COLUMNS)
    store_scaled(tile, out.y, spot.results, spot.column, spot.width, factors, out.channels, spot.panel * 2 * COLUMNS, out.low, out.high)


_run_hybrid = driver(_finish_hybrid, copy_flipped, ISA.bytes)


@kernel
def product_f32_qc8w(
    x: i8p,
    batches: i64p,
    w: i8p,
    bias: i32p,
    sums: i32p,
    y: f32p,
    lines: i8p,
    outside: i8p,
    sizes: i64p,
    scales: f32p,
    zero_points: i32p,
    by_row: i64,
    channels: f32p,
    low: f32,
    high: f32,
    thread: i64,
    threads: i64,
) -> None:
    """Float results of a matrix whose rows were quantized with a scale and a zero point each, or an image quantized batch by batch.

    `bias` is zeros, `channels` holds the float ones.
    """
    out = Hybrid(y, scales, zero_points, by_row, channels, low, high)
    _run_hybrid(Operands(x, batches, w, bias, sums, narrow(0)), sizes, lines, outside, 0, out, thread, threads)


class Plain(NamedTuple):
    """Int32 results."""

    y: i32p


@forced
def _finish_s32(tile: TileOf, a: Operands, s: i64p, spot: Spot, out: Plain) -> None:
    store_s32(tile, out.y, spot.results, spot.column, spot.width)


_run_s32 = driver(_finish_s32, copy_flipped, ISA.bytes)


@kernel
def product_s32(
    x: i8p,
    batches: i64p,
    w: i8p,
    bias: i32p,
    sums: i32p,
    y: i32p,
    lines: i8p,
    outside: i8p,
    sizes: i64p,
    thread: i64,
    threads: i64,
) -> None:
    """Plain sums of products of the stored integers; `bias` is zeros."""
    _run_s32(Operands(x, batches, w, bias, sums, narrow(0)), sizes, lines, outside, 0, Plain(y), thread, threads)
