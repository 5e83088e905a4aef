"""The inner loops of matrix products over packed panels.

A panel holds COLUMNS output channels: its element (k, column) lies at k · COLUMNS + column; columns beyond the last channel are zero. A
tile is ROWS rows of COLUMNS sums. Every sum is one chain of multiply-adds in the order of k, whatever the number of rows summed at a time,
so that results do not depend on how rows are grouped or divided among threads.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from jitlite.interpreter.kernels.abi import Function, Pointer, f32, f32p, i8p, i32, i32p, i64, inline
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.quads import dot4, gather_quad, load_quad, load_words
from jitlite.interpreter.kernels.vectors import (
    LANES,
    Vector,
    add,
    as_floats,
    clamp,
    load,
    multiply,
    multiply_add,
    scale_down,
    splat,
    store,
)

ROWS = 6
COLUMNS = LANES

Numbers = Pointer[Any]
single: Any = np.float32


def forced(function: Function) -> Function:
    """`inline` that LLVM must follow, so that vectors passed and returned stay in registers."""
    compiled: Function = numba.njit(error_model="numpy", nogil=True, forceinline=True)(function)
    return compiled


def _stack(element: Any) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
    def reserve(typing: Any, count: Any) -> Any:
        if not isinstance(count, types.IntegerLiteral):
            return None

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            data = context.get_data_type(element)
            with builder.goto_entry_block():
                place = builder.alloca(ir.ArrayType(data, count.literal_value))
            place.align = 64
            return builder.bitcast(place, data.as_pointer())

        return types.CPointer(element)(types.IntegerLiteral(count.literal_value)), generate

    return reserve


stack_f32 = _stack(types.float32)
"""Memory of a kernel's own for a literal number of float32; nothing else points to it, which lets loops over it become vector code."""

stack_i32 = _stack(types.int32)
"""The same for int32."""

stack_i8 = _stack(types.int8)
"""The same for int8."""


class Rows(NamedTuple):
    """Where ROWS rows of the left side start."""

    r0: Numbers
    r1: Numbers
    r2: Numbers
    r3: Numbers
    r4: Numbers
    r5: Numbers


class Tile(NamedTuple):
    """The sums of ROWS rows."""

    c0: Vector
    c1: Vector
    c2: Vector
    c3: Vector
    c4: Vector
    c5: Vector


@forced
def rows_from(x: Numbers, at: i64, step: i64) -> Rows:
    """Rows `step` elements apart, the first at index `at`."""
    return Rows(
        advance(x, at),
        advance(x, at + step),
        advance(x, at + 2 * step),
        advance(x, at + 3 * step),
        advance(x, at + 4 * step),
        advance(x, at + 5 * step),
    )


@forced
def tile_of(value: Vector) -> Tile:
    return Tile(value, value, value, value, value, value)


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def run_size(typing: Any, w: Any, depth: Any) -> Any:
    """Elements of a panel that a run of `depth` channels takes: `jitlite.interpreter.kernels.quads` says how INT8 is packed."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        levels, kind = values[1], values[1].type
        if w.dtype == types.int8:
            quads = builder.lshr(builder.add(levels, ir.Constant(kind, 3)), ir.Constant(kind, 2))
            levels = builder.shl(builder.add(quads, ir.Constant(kind, 1)), ir.Constant(kind, 2))
        return builder.mul(levels, ir.Constant(kind, COLUMNS))

    return types.int64(w, types.int64), generate


def _add_rows_f32(tile: Tile, rows: Rows, step: i64, depth: i64, w: Numbers, at: i64) -> Tile:
    c0, c1, c2, c3, c4, c5 = tile.c0, tile.c1, tile.c2, tile.c3, tile.c4, tile.c5
    for k in range(depth):
        b = load(w, at + k * COLUMNS)
        n = k * step
        c0 = multiply_add(splat(rows.r0[n]), b, c0)
        c1 = multiply_add(splat(rows.r1[n]), b, c1)
        c2 = multiply_add(splat(rows.r2[n]), b, c2)
        c3 = multiply_add(splat(rows.r3[n]), b, c3)
        c4 = multiply_add(splat(rows.r4[n]), b, c4)
        c5 = multiply_add(splat(rows.r5[n]), b, c5)
    return Tile(c0, c1, c2, c3, c4, c5)


def _add_rows_s8(tile: Tile, rows: Rows, step: i64, depth: i64, w: Numbers, at: i64) -> Tile:
    start = load_words(w, at)
    c0, c1, c2 = add(tile.c0, start), add(tile.c1, start), add(tile.c2, start)
    c3, c4, c5 = add(tile.c3, start), add(tile.c4, start), add(tile.c5, start)
    whole = depth // 4 * 4 if step == 1 else 0
    for k in range(0, whole, 4):
        b = load_words(w, at + (k + 4) * COLUMNS)
        c0 = dot4(c0, load_quad(rows.r0, k), b)
        c1 = dot4(c1, load_quad(rows.r1, k), b)
        c2 = dot4(c2, load_quad(rows.r2, k), b)
        c3 = dot4(c3, load_quad(rows.r3, k), b)
        c4 = dot4(c4, load_quad(rows.r4, k), b)
        c5 = dot4(c5, load_quad(rows.r5, k), b)
    for k in range(whole, depth, 4):
        b = load_words(w, at + (k + 4) * COLUMNS)
        c0 = dot4(c0, gather_quad(rows.r0, k, step, depth), b)
        c1 = dot4(c1, gather_quad(rows.r1, k, step, depth), b)
        c2 = dot4(c2, gather_quad(rows.r2, k, step, depth), b)
        c3 = dot4(c3, gather_quad(rows.r3, k, step, depth), b)
        c4 = dot4(c4, gather_quad(rows.r4, k, step, depth), b)
        c5 = dot4(c5, gather_quad(rows.r5, k, step, depth), b)
    return Tile(c0, c1, c2, c3, c4, c5)


def _add_row_f32(total: Vector, row: Numbers, step: i64, depth: i64, w: Numbers, at: i64) -> Vector:
    for k in range(depth):
        total = multiply_add(splat(row[k * step]), load(w, at + k * COLUMNS), total)
    return total


def _add_row_s8(total: Vector, row: Numbers, step: i64, depth: i64, w: Numbers, at: i64) -> Vector:
    total = add(total, load_words(w, at))
    whole = depth // 4 * 4 if step == 1 else 0
    for k in range(0, whole, 4):
        total = dot4(total, load_quad(row, k), load_words(w, at + (k + 4) * COLUMNS))
    for k in range(whole, depth, 4):
        total = dot4(total, gather_quad(row, k, step, depth), load_words(w, at + (k + 4) * COLUMNS))
    return total


def add_rows(tile: Tile, rows: Rows, step: i64, depth: i64, w: Numbers, at: i64) -> Tile:
    """The tile plus the products of rows, whose elements are `step` apart, with a run of a panel from index `at`; for kernels only."""
    raise NotImplementedError


def add_row(total: Vector, row: Numbers, step: i64, depth: i64, w: Numbers, at: i64) -> Vector:
    """The same for one row."""
    raise NotImplementedError


_FORCED = {"error_model": "numpy", "nogil": True, "forceinline": True}


@overload(add_rows, jit_options=_FORCED, strict=False)  # type: ignore[untyped-decorator]  # numba is untyped
def _choose_rows(tile: Any, rows: Any, step: Any, depth: Any, w: Any, at: Any) -> Any:
    return _add_rows_s8 if w.dtype == types.int8 else _add_rows_f32


@overload(add_row, jit_options=_FORCED, strict=False)  # type: ignore[untyped-decorator]  # numba is untyped
def _choose_row(total: Any, row: Any, step: Any, depth: Any, w: Any, at: Any) -> Any:
    return _add_row_s8 if w.dtype == types.int8 else _add_row_f32


@forced
def shift_rows(tile: Tile, factor: i32, values: Vector) -> Tile:
    """The tile with factor · values added to every row."""
    added = multiply(splat(factor), values)
    return Tile(
        add(tile.c0, added), add(tile.c1, added), add(tile.c2, added), add(tile.c3, added), add(tile.c4, added), add(tile.c5, added)
    )


@forced
def put_f32(y: f32p, at: i64, values: Vector, count: i64) -> None:
    """Stores the first `count` lanes."""
    if count == COLUMNS:
        store(y, at, values)
    else:
        part = stack_f32(16)
        store(part, 0, values)
        for j in range(count):
            y[at + j] = part[j]


@forced
def put_s8(y: i8p, at: i64, values: Vector, count: i64) -> None:
    """Stores the first `count` lanes as int8."""
    if count == COLUMNS:
        store(y, at, values)
    else:
        part = stack_i8(16)
        store(part, 0, values)
        for j in range(count):
            y[at + j] = part[j]


@forced
def put_s32(y: i32p, at: i64, values: Vector, count: i64) -> None:
    """Stores the first `count` lanes."""
    if count == COLUMNS:
        store(y, at, values)
    else:
        part = stack_i32(16)
        store(part, 0, values)
        for j in range(count):
            y[at + j] = part[j]


@forced
def store_f32(sums: Vector, bias: f32p, panel: i64, low: f32, high: f32, y: f32p, at: i64, count: i64) -> None:
    """Stores sums plus the panel's bias, clamped."""
    put_f32(y, at, clamp(add(sums, load(bias, panel * COLUMNS)), splat(low), splat(high)), count)


@forced
def store_qs8(sums: Vector, channels: i32p, panel: i64, limits: i32p, y: i8p, at: i64, count: i64) -> None:
    """Stores sums plus the panel's bias, requantized.

    `channels` holds COLUMNS biases, then mantissas, then shifts for each panel; `limits` the output's zero point, lowest and highest value.
    """
    base = panel * 3 * COLUMNS
    scaled = scale_down(add(sums, load(channels, base)), load(channels, base + COLUMNS), load(channels, base + 2 * COLUMNS))
    put_s8(y, at, clamp(add(scaled, splat(limits[0])), splat(limits[1]), splat(limits[2])), count)


@forced
def requantized(tile: Tile, channels: i32p, panel: i64, limits: i32p) -> Tile:
    """The sums plus the panel's bias, requantized; arguments as of `store_qs8`."""
    base = panel * 3 * COLUMNS
    bias, mantissa, shift = load(channels, base), load(channels, base + COLUMNS), load(channels, base + 2 * COLUMNS)
    zero_point, low, high = splat(limits[0]), splat(limits[1]), splat(limits[2])
    return Tile(
        clamp(add(scale_down(add(tile.c0, bias), mantissa, shift), zero_point), low, high),
        clamp(add(scale_down(add(tile.c1, bias), mantissa, shift), zero_point), low, high),
        clamp(add(scale_down(add(tile.c2, bias), mantissa, shift), zero_point), low, high),
        clamp(add(scale_down(add(tile.c3, bias), mantissa, shift), zero_point), low, high),
        clamp(add(scale_down(add(tile.c4, bias), mantissa, shift), zero_point), low, high),
        clamp(add(scale_down(add(tile.c5, bias), mantissa, shift), zero_point), low, high),
    )


@forced
def store_rows_qs8(tile: Tile, channels: i32p, panel: i64, limits: i32p, y: i8p, at: i64, step: i64, count: i64) -> None:
    """`store_qs8` for ROWS rows `step` apart. What all rows need is loaded before the first store, which could overwrite it."""
    done = requantized(tile, channels, panel, limits)
    put_s8(y, at, done.c0, count)
    put_s8(y, at + step, done.c1, count)
    put_s8(y, at + 2 * step, done.c2, count)
    put_s8(y, at + 3 * step, done.c3, count)
    put_s8(y, at + 4 * step, done.c4, count)
    put_s8(y, at + 5 * step, done.c5, count)


@forced
def store_scaled(sums: Vector, factor: f32, channels: f32p, panel: i64, low: f32, high: f32, y: f32p, at: i64, count: i64) -> None:
    """Stores integer sums times `factor` and the panel's scales, plus its bias, clamped.

    `channels` holds COLUMNS scales, then biases for each panel.
    """
    base = panel * 2 * COLUMNS
    scaled = multiply(multiply(as_floats(sums), load(channels, base)), splat(factor))
    put_f32(y, at, clamp(add(scaled, load(channels, base + COLUMNS)), splat(low), splat(high)), count)


@inline
def clamp_f32(value: f32, low: f32, high: f32) -> f32:
    """The value within [low, high]; NaN stays NaN."""
    value = low if value < low else value
    return high if value > high else value


@inline
def split(rows: i64, panels: i64, thread: i64, threads: i64) -> tuple[i64, i64, i64, i64]:
    """A thread's part of a product as (first row, last row, first panel, last panel); the last ones are exclusive.

    Rows are divided where there are enough for every thread, panels otherwise.
    """
    if rows >= ROWS * threads:
        return rows * thread // threads, rows * (thread + 1) // threads, 0, panels
    return 0, rows, panels * thread // threads, panels * (thread + 1) // threads


@inline
def next_rows(start: i64, row: i64, stop: i64) -> tuple[i64, i64]:
    """The first of the next rows of [start, stop) to sum together, and how many.

    There are ROWS, near the end with some that are done already, or one where the whole range has fewer.
    """
    if stop - start < ROWS:
        return row, 1
    return min(row, stop - ROWS), ROWS
