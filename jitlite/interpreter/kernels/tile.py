"""Tiles of accumulators on the stack, and the inner loops of matrix products over packed panels.

A panel holds COLUMNS output channels: its element (k, column) lies at k · COLUMNS + column, columns beyond the last are zero. A tile holds
up to ROWS rows of COLUMNS sums. Every sum is one chain of multiply-adds in the order of k, whatever the number of rows, so that results
do not depend on how rows are grouped.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from jitlite.interpreter.kernels.abi import Pointer, f32, f32p, i8p, i32, i32p, i64, inline
from jitlite.interpreter.kernels.requantize import narrow, requantize

ROWS = 4
COLUMNS = 16
TILE = ROWS * COLUMNS

Numbers = Pointer[Any]
single: Any = np.float32


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


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def multiply_add(typing: Any, a: Any, b: Any, total: Any) -> Any:
    """The sum a · b + total: of float32, fused where the target fuses; of integers up to 32 bits, wrapping in int32."""
    if total == types.float32 and a == b == types.float32:

        def generate_float(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kind = ir.FloatType()
            fused = builder.module.declare_intrinsic("llvm.fmuladd", [kind], ir.FunctionType(kind, [kind] * 3))
            return builder.call(fused, values)

        return types.float32(types.float32, types.float32, types.float32), generate_float
    if total != types.int32 or not all(isinstance(t, types.Integer) and t.signed and t.bitwidth <= 32 for t in (a, b)):
        return None

    def generate_integer(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        wide = [context.cast(builder, value, kind, types.int32) for value, kind in zip(values, signature.args)]
        return builder.add(builder.mul(wide[0], wide[1]), wide[2])

    return types.int32(a, b, types.int32), generate_integer


@inline
def clear(acc: Numbers, count: i64) -> None:
    for j in range(count):
        acc[j] = 0


@inline
def add_rows(x: Numbers, at: i64, row_step: i64, depth_step: i64, depth: i64, w: Numbers, w_at: i64, acc: Numbers) -> None:
    """Adds the products of ROWS rows with a panel's `depth` levels from `w_at` to a tile; row r starts at at + r · row_step."""
    at1, at2, at3 = at + row_step, at + 2 * row_step, at + 3 * row_step
    pairs = depth // 2
    for pair in range(pairs):
        k = 2 * pair * depth_step
        n = k + depth_step
        level = w_at + 2 * pair * COLUMNS
        a0, b0, a1, b1 = x[at + k], x[at + n], x[at1 + k], x[at1 + n]
        a2, b2, a3, b3 = x[at2 + k], x[at2 + n], x[at3 + k], x[at3 + n]
        for j in range(COLUMNS):
            u, v = w[level + j], w[level + COLUMNS + j]
            acc[j] = multiply_add(b0, v, multiply_add(a0, u, acc[j]))
            acc[COLUMNS + j] = multiply_add(b1, v, multiply_add(a1, u, acc[COLUMNS + j]))
            acc[2 * COLUMNS + j] = multiply_add(b2, v, multiply_add(a2, u, acc[2 * COLUMNS + j]))
            acc[3 * COLUMNS + j] = multiply_add(b3, v, multiply_add(a3, u, acc[3 * COLUMNS + j]))
    if depth > 2 * pairs:
        k = 2 * pairs * depth_step
        level = w_at + 2 * pairs * COLUMNS
        a0, a1, a2, a3 = x[at + k], x[at1 + k], x[at2 + k], x[at3 + k]
        for j in range(COLUMNS):
            u = w[level + j]
            acc[j] = multiply_add(a0, u, acc[j])
            acc[COLUMNS + j] = multiply_add(a1, u, acc[COLUMNS + j])
            acc[2 * COLUMNS + j] = multiply_add(a2, u, acc[2 * COLUMNS + j])
            acc[3 * COLUMNS + j] = multiply_add(a3, u, acc[3 * COLUMNS + j])


@inline
def add_row(x: Numbers, at: i64, depth_step: i64, depth: i64, w: Numbers, w_at: i64, acc: Numbers) -> None:
    """The same for a tile's first row alone."""
    quads = depth // 4
    for quad in range(quads):
        k = at + 4 * quad * depth_step
        level = w_at + 4 * quad * COLUMNS
        a, b, c, d = x[k], x[k + depth_step], x[k + 2 * depth_step], x[k + 3 * depth_step]
        for j in range(COLUMNS):
            first = multiply_add(b, w[level + COLUMNS + j], multiply_add(a, w[level + j], acc[j]))
            acc[j] = multiply_add(d, w[level + 3 * COLUMNS + j], multiply_add(c, w[level + 2 * COLUMNS + j], first))
    for k in range(4 * quads, depth):
        a = x[at + k * depth_step]
        level = w_at + k * COLUMNS
        for j in range(COLUMNS):
            acc[j] = multiply_add(a, w[level + j], acc[j])


@inline
def clamp_f32(value: f32, low: f32, high: f32) -> f32:
    """The value within [low, high]; NaN stays NaN."""
    value = low if value < low else value
    return high if value > high else value


@inline
def store_f32(acc: f32p, r: i64, bias: f32p, panel: i64, y: f32p, at: i64, count: i64, low: f32, high: f32) -> None:
    """Row r of a tile plus the panel's bias, clamped, to y[at : at + count]."""
    for j in range(COLUMNS):
        acc[r * COLUMNS + j] = clamp_f32(acc[r * COLUMNS + j] + bias[panel * COLUMNS + j], low, high)
    for j in range(count):
        y[at + j] = acc[r * COLUMNS + j]


@inline
def store_qs8(acc: i32p, r: i64, channels: i32p, panel: i64, y: i8p, at: i64, count: i64, limits: i32p) -> None:
    """Row r of a tile plus the panel's bias, requantized, to y[at : at + count].

    `channels` holds COLUMNS biases, then mantissas, then shifts for each panel; `limits` the output's zero point, lowest and highest value.
    """
    zero_point, low, high = limits[0], limits[1], limits[2]
    base = panel * 3 * COLUMNS
    for j in range(COLUMNS):
        total = narrow(acc[r * COLUMNS + j] + channels[base + j])
        mantissa, shift = channels[base + COLUMNS + j], channels[base + 2 * COLUMNS + j]
        acc[r * COLUMNS + j] = requantize(total, mantissa, shift, zero_point, low, high)
    for j in range(count):
        y[at + j] = acc[r * COLUMNS + j]


@inline
def store_scaled(acc: i32p, r: i64, factor: f32, channels: f32p, panel: i64, y: f32p, at: i64, count: i64, low: f32, high: f32) -> None:
    """Row r of a tile times `factor` and the panel's scales, plus its bias, clamped, to y[at : at + count].

    `channels` holds COLUMNS scales, then biases for each panel.
    """
    base = panel * 2 * COLUMNS
    for j in range(count):
        value = single(acc[r * COLUMNS + j]) * channels[base + j] * factor + channels[base + COLUMNS + j]
        y[at + j] = clamp_f32(value, low, high)


@inline
def split(rows: i64, panels: i64, thread: i64, threads: i64) -> tuple[i64, i64, i64, i64]:
    """A thread's part of a product as (first row, last row, first panel, last panel); the last ones are exclusive.

    Rows are divided where there are enough for every thread, panels otherwise.
    """
    if rows >= ROWS * threads:
        return rows * thread // threads, rows * (thread + 1) // threads, 0, panels
    return 0, rows, panels * thread // threads, panels * (thread + 1) // threads


@inline
def add_scaled(acc: i32p, factor: i32, values: i32p, at: i64, rows: i64) -> None:
    """Adds factor · values[at + column] to every column of a tile's first rows."""
    for r in range(rows):
        for j in range(COLUMNS):
            acc[r * COLUMNS + j] = multiply_add(factor, values[at + j], acc[r * COLUMNS + j])
