"""Products of float32 numbers."""

from typing import NamedTuple

from jitlite.interpreter.kernels.abi import f32, f32p, i64, i64p, inline, kernel
from jitlite.interpreter.kernels.intrinsics import copy_elements
from jitlite.interpreter.kernels.product import Operands, Spot, driver
from jitlite.interpreter.kernels.requantize import narrow
from jitlite.interpreter.kernels.tile import COLUMNS, ISA, TileOf, forced, stack_i32
from jitlite.interpreter.kernels.tile_store import store_f32


class Clamped(NamedTuple):
    """Float32 results and their bounds."""

    y: f32p
    low: float
    high: float


@forced
def _finish_f32(tile: TileOf, a: Operands, s: i64p, spot: Spot, out: Clamped) -> None:
    store_f32(tile, out.y, spot.results, spot.column, spot.width, a.bias, spot.panel * COLUMNS, out.low, out.high)


@inline
def _copy(target: f32p, source: f32p, count: i64, flips: i64) -> None:
    copy_elements(target, source, count)


_run_f32 = driver(_finish_f32, _copy, ISA.floats)


@kernel
def product_f32(
    x: f32p,
    batches: i64p,
    w: f32p,
    bias: f32p,
    y: f32p,
    lines: f32p,
    outside: f32p,
    sizes: i64p,
    low: f32,
    high: f32,
    thread: i64,
    threads: i64,
) -> None:
    """Results within [low, high]; windows read `outside`, one number a batch, outside the image."""
    no_sums = stack_i32(1)
    _run_f32(Operands(x, batches, w, bias, no_sums, narrow(0)), sizes, lines, outside, 0, Clamped(y, low, high), thread, threads)
