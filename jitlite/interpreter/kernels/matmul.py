"""Matrix products, batch by batch: y = x · w (+ bias). The right side is packed in panels of COLUMNS columns.

`sizes`: batches, rows, columns, depth, and the left side's steps from row to row and in depth. `batches` holds, for every batch of the
result, where its left side starts and the number of its right side; batches may share both.
"""

from typing import NamedTuple

from jitlite.interpreter.kernels.abi import f32, f32p, i8p, i32, i32p, i64, i64p, inline, kernel
from jitlite.interpreter.kernels.requantize import narrow
from jitlite.interpreter.kernels.tile import (
    COLUMNS,
    ROWS,
    TILE,
    Numbers,
    add_row,
    add_rows,
    add_scaled,
    clear,
    split,
    stack_f32,
    stack_i32,
    store_f32,
    store_qs8,
    store_scaled,
)


class Product(NamedTuple):
    batches: int
    rows: int
    columns: int
    depth: int
    row_step: int
    depth_step: int


@inline
def _unpack(sizes: i64p) -> Product:
    return Product(sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5])


@inline
def _panels(p: Product) -> i64:
    return (p.columns + COLUMNS - 1) // COLUMNS


class Rows(NamedTuple):
    """Neighbouring rows of one batch: how many, where the first starts in the left side, and the first panel of the right side."""

    height: int
    at: int
    panel: int


@inline
def _rows(p: Product, batches: i64p, row: i64, stop: i64) -> Rows:
    """The rows of a tile that starts at `row`, counted over all batches: ROWS where they fit before `stop` in one batch, else one."""
    batch, local = row // p.rows, row % p.rows
    height = ROWS if local + ROWS <= p.rows and row + ROWS <= stop else 1
    return Rows(height, batches[2 * batch] + local * p.row_step, batches[2 * batch + 1] * _panels(p))


@inline
def _multiply(x: Numbers, rows: Rows, p: Product, w: Numbers, panel: i64, acc: Numbers) -> None:
    """Sets a tile to the products of rows with a panel, counted over all right sides."""
    clear(acc, TILE)
    w_at = panel * p.depth * COLUMNS
    if rows.height == ROWS:
        add_rows(x, rows.at, p.row_step, p.depth_step, p.depth, w, w_at, acc)
    else:
        add_row(x, rows.at, p.depth_step, p.depth, w, w_at, acc)


@kernel
def matmul_f32(
    x: f32p,
    w: f32p,
    bias: f32p,
    y: f32p,
    batches: i64p,
    sizes: i64p,
    low: f32,
    high: f32,
    thread: i64,
    threads: i64,
) -> None:
    p = _unpack(sizes)
    acc = stack_f32(TILE)
    row, stop, first, last = split(p.batches * p.rows, _panels(p), thread, threads)
    while row < stop:
        rows = _rows(p, batches, row, stop)
        for panel in range(first, last):
            _multiply(x, rows, p, w, rows.panel + panel, acc)
            column = panel * COLUMNS
            width = min(COLUMNS, p.columns - column)
            for r in range(rows.height):
                store_f32(acc, r, bias, panel, y, (row + r) * p.columns + column, width, low, high)
        row += rows.height


@inline
def _row_sum(x: i8p, at: i64, p: Product) -> i32:
    total: int = narrow(0)
    for k in range(p.depth):
        total = narrow(total + x[at + k * p.depth_step])
    return total


@inline
def _correct(acc: i32p, x: i8p, rows: Rows, p: Product, zero_points: i32p, sums: i32p, panel: i64) -> None:
    """Turns sums of x · w into sums of (x - zero point) · (w - zero point)."""
    left, right = zero_points[0], zero_points[1]
    if left != 0:
        add_scaled(acc, narrow(-left), sums, panel * COLUMNS, rows.height)
    if right != 0:
        for r in range(rows.height):
            shared = narrow(right * narrow(narrow(p.depth) * left - _row_sum(x, rows.at + r * p.row_step, p)))
            for j in range(COLUMNS):
                acc[r * COLUMNS + j] = narrow(acc[r * COLUMNS + j] + shared)


@kernel
def matmul_qs8(
    x: i8p,
    w: i8p,
    sums: i32p,
    channels: i32p,
    y: i8p,
    batches: i64p,
    sizes: i64p,
    zero_points: i32p,
    limits: i32p,
    thread: i64,
    threads: i64,
) -> None:
    """`sums` are those of the right side's columns, padded to panels; `zero_points` those of the left and the right side."""
    p = _unpack(sizes)
    acc = stack_i32(TILE)
    row, stop, first, last = split(p.batches * p.rows, _panels(p), thread, threads)
    while row < stop:
        rows = _rows(p, batches, row, stop)
        for panel in range(first, last):
            _multiply(x, rows, p, w, rows.panel + panel, acc)
            _correct(acc, x, rows, p, zero_points, sums, rows.panel + panel)
            column = panel * COLUMNS
            width = min(COLUMNS, p.columns - column)
            for r in range(rows.height):
                store_qs8(acc, r, channels, panel, y, (row + r) * p.columns + column, width, limits)
        row += rows.height


@kernel
def matmul_s32(x: i8p, w: i8p, y: i32p, batches: i64p, sizes: i64p, thread: i64, threads: i64) -> None:
    """Plain sums of products of the stored integers."""
    p = _unpack(sizes)
    acc = stack_i32(TILE)
    row, stop, first, last = split(p.batches * p.rows, _panels(p), thread, threads)
    while row < stop:
        rows = _rows(p, batches, row, stop)
        for panel in range(first, last):
            _multiply(x, rows, p, w, rows.panel + panel, acc)
            column = panel * COLUMNS
            width = min(COLUMNS, p.columns - column)
            for r in range(rows.height):
                for j in range(width):
                    y[(row + r) * p.columns + column + j] = acc[r * COLUMNS + j]
        row += rows.height


@kernel
def matmul_f32_qc8w(
    x: i8p,
    scales: f32p,
    zero_points: i32p,
    w: i8p,
    sums: i32p,
    channels: f32p,
    y: f32p,
    batches: i64p,
    sizes: i64p,
    low: f32,
    high: f32,
    thread: i64,
    threads: i64,
) -> None:
    """Float results of rows that were quantized with a scale and a zero point each."""
    p = _unpack(sizes)
    acc = stack_i32(TILE)
    row, stop, first, last = split(p.batches * p.rows, _panels(p), thread, threads)
    while row < stop:
        rows = _rows(p, batches, row, stop)
        for panel in range(first, last):
            _multiply(x, rows, p, w, rows.panel + panel, acc)
            column = panel * COLUMNS
            width = min(COLUMNS, p.columns - column)
            for r in range(rows.height):
                source = rows.at // p.row_step + r
                for j in range(COLUMNS):
                    acc[r * COLUMNS + j] = narrow(acc[r * COLUMNS + j] - zero_points[source] * sums[(rows.panel + panel) * COLUMNS + j])
                store_scaled(acc, r, scales[source], channels, panel, y, (row + r) * p.columns + column, width, low, high)
        row += rows.height
