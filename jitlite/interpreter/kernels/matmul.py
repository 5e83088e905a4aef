"""Matrix products, batch by batch: y = x · w (+ bias). The right side is packed in panels of COLUMNS columns.

`sizes`: batches, rows, columns, depth, and the left side's steps from row to row and in depth. `batches` holds, for every batch of the
result, where its left side starts and the number of its right side; batches may share both.
"""

from typing import NamedTuple

from jitlite.interpreter.kernels.abi import f32, f32p, f64p, i8p, i32, i32p, i64, i64p, inline, kernel
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.requantize import narrow
from jitlite.interpreter.kernels.tile import (
    COLUMNS,
    ROWS,
    Numbers,
    Tile,
    add_row,
    add_rows,
    forced,
    put_s8,
    put_s32,
    rows_from,
    run_size,
    split,
    store_f32,
    store_qs8,
    store_rows_qs8,
    store_scaled,
    tile_of,
)
from jitlite.interpreter.kernels.vectors import Vector, add, clamp, load, multiply, scale_exactly, splat, zeros_like


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


class Place(NamedTuple):
    """The next rows of one batch: the first, how many, where it starts in the left side, and the right side's first panel."""

    row: int
    height: int
    at: int
    panel: int


@inline
def _place(p: Product, batches: i64p, start: i64, row: i64, stop: i64) -> Place:
    """The rows to multiply next of [start, stop), counted over all batches.

    There are ROWS where the range has as many of the batch, the last of them with some that are done already; else one.
    """
    batch = row // p.rows
    begin, end = max(start, batch * p.rows), min(stop, (batch + 1) * p.rows)
    height = 1
    if end - begin >= ROWS:
        row, height = min(row, end - ROWS), ROWS
    local = row - batch * p.rows
    return Place(row, height, batches[2 * batch] + local * p.row_step, batches[2 * batch + 1] * _panels(p))


@forced
def _six(x: Numbers, place: Place, p: Product, w: Numbers, panel: i64) -> Tile:
    """The products of ROWS rows with a panel, counted over all right sides."""
    rows = rows_from(x, place.at, p.row_step)
    return add_rows(tile_of(zeros_like(w)), rows, p.depth_step, p.depth, w, panel * run_size(w, p.depth))


@forced
def _one(x: Numbers, place: Place, p: Product, w: Numbers, panel: i64) -> Vector:
    return add_row(zeros_like(w), advance(x, place.at), p.depth_step, p.depth, w, panel * run_size(w, p.depth))


@inline
def _width(p: Product, panel: i64) -> i64:
    return min(COLUMNS, p.columns - panel * COLUMNS)


@kernel
def matmul_f32(x: f32p, w: f32p, bias: f32p, y: f32p, batches: i64p, sizes: i64p, low: f32, high: f32, thread: i64, threads: i64) -> None:
    p = _unpack(sizes)
    n = p.columns
    start, stop, first, last = split(p.batches * p.rows, _panels(p), thread, threads)
    row = start
    while row < stop:
        place = _place(p, batches, start, row, stop)
        for panel in range(first, last):
            at, width = place.row * n + panel * COLUMNS, _width(p, panel)
            if place.height == ROWS:
                tile = _six(x, place, p, w, place.panel + panel)
                store_f32(tile.c0, bias, panel, low, high, y, at, width)
                store_f32(tile.c1, bias, panel, low, high, y, at + n, width)
                store_f32(tile.c2, bias, panel, low, high, y, at + 2 * n, width)
                store_f32(tile.c3, bias, panel, low, high, y, at + 3 * n, width)
                store_f32(tile.c4, bias, panel, low, high, y, at + 4 * n, width)
                store_f32(tile.c5, bias, panel, low, high, y, at + 5 * n, width)
            else:
                store_f32(_one(x, place, p, w, place.panel + panel), bias, panel, low, high, y, at, width)
        row = place.row + place.height


class Shares(NamedTuple):
    """What every column of ROWS rows lacks of sums of (x - zero point) · (w - zero point), given sums of x · w."""

    s0: int
    s1: int
    s2: int
    s3: int
    s4: int
    s5: int


@inline
def _row_sum(x: i8p, at: i64, p: Product) -> i32:
    total: int = narrow(0)
    for k in range(p.depth):
        total = narrow(total + x[at + k * p.depth_step])
    return total


@inline
def _share(x: i8p, at: i64, p: Product, left: i32, right: i32) -> i32:
    """One row's share."""
    share: int = narrow(right * narrow(narrow(p.depth * left) - _row_sum(x, at, p)))
    return share


@inline
def _shares(x: i8p, place: Place, p: Product, left: i32, right: i32) -> Shares:
    """The shares of the rows of a place; only those of its height count."""
    none = narrow(0)
    if right == 0:
        return Shares(none, none, none, none, none, none)
    at, step = place.at, p.row_step
    first = _share(x, at, p, left, right)
    if place.height < ROWS:
        return Shares(first, none, none, none, none, none)
    return Shares(
        first,
        _share(x, at + step, p, left, right),
        _share(x, at + 2 * step, p, left, right),
        _share(x, at + 3 * step, p, left, right),
        _share(x, at + 4 * step, p, left, right),
        _share(x, at + 5 * step, p, left, right),
    )


@forced
def _without(tile: Tile, removed: Vector, shares: Shares) -> Tile:
    """The tile plus what it lacks."""
    return Tile(
        add(tile.c0, add(removed, splat(shares.s0))),
        add(tile.c1, add(removed, splat(shares.s1))),
        add(tile.c2, add(removed, splat(shares.s2))),
        add(tile.c3, add(removed, splat(shares.s3))),
        add(tile.c4, add(removed, splat(shares.s4))),
        add(tile.c5, add(removed, splat(shares.s5))),
    )


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
    n, left, right = p.columns, zero_points[0], zero_points[1]
    start, stop, first, last = split(p.batches * p.rows, _panels(p), thread, threads)
    row = start
    while row < stop:
        place = _place(p, batches, start, row, stop)
        shares = _shares(x, place, p, left, right)
        for panel in range(first, last):
            at, width, source = place.row * n + panel * COLUMNS, _width(p, panel), place.panel + panel
            removed = multiply(splat(narrow(-left)), load(sums, source * COLUMNS))
            if place.height == ROWS:
                tile = _six(x, place, p, w, source)
                store_rows_qs8(_without(tile, removed, shares), channels, panel, limits, y, at, n, width)
            else:
                total = add(_one(x, place, p, w, source), add(removed, splat(shares.s0)))
                store_qs8(total, channels, panel, limits, y, at, width)
        row = place.row + place.height


class Scaled(NamedTuple):
    """Where results with real scales go and what they need: biases and scales padded to panels, the output's zero point and bounds."""

    bias: i32p
    scales: f64p
    zero_point: int
    low: int
    high: int
    y: i8p


@forced
def _store_scaled(sums: Vector, panel: i64, out: Scaled, at: i64, width: i64) -> None:
    scaled = scale_exactly(add(sums, load(out.bias, panel * COLUMNS)), out.scales, panel * COLUMNS)
    put_s8(out.y, at, clamp(add(scaled, splat(out.zero_point)), splat(out.low), splat(out.high)), width)


@kernel
def fully_connected_qs8(
    x: i8p,
    w: i8p,
    sums: i32p,
    bias: i32p,
    scales: f64p,
    y: i8p,
    batches: i64p,
    sizes: i64p,
    zero_points: i32p,
    limits: i32p,
    thread: i64,
    threads: i64,
) -> None:
    """As `matmul_qs8` with a real scale for each column: the reference rounds this operator's results in float64."""
    p = _unpack(sizes)
    n, left, right = p.columns, zero_points[0], zero_points[1]
    out = Scaled(bias, scales, limits[0], limits[1], limits[2], y)
    start, stop, first, last = split(p.batches * p.rows, _panels(p), thread, threads)
    row = start
    while row < stop:
        place = _place(p, batches, start, row, stop)
        shares = _shares(x, place, p, left, right)
        for panel in range(first, last):
            at, width, source = place.row * n + panel * COLUMNS, _width(p, panel), place.panel + panel
            removed = multiply(splat(narrow(-left)), load(sums, source * COLUMNS))
            if place.height == ROWS:
                tile = _six(x, place, p, w, source)
                _store_scaled(add(tile.c0, add(removed, splat(shares.s0))), panel, out, at, width)
                _store_scaled(add(tile.c1, add(removed, splat(shares.s1))), panel, out, at + n, width)
                _store_scaled(add(tile.c2, add(removed, splat(shares.s2))), panel, out, at + 2 * n, width)
                _store_scaled(add(tile.c3, add(removed, splat(shares.s3))), panel, out, at + 3 * n, width)
                _store_scaled(add(tile.c4, add(removed, splat(shares.s4))), panel, out, at + 4 * n, width)
                _store_scaled(add(tile.c5, add(removed, splat(shares.s5))), panel, out, at + 5 * n, width)
            else:
                _store_scaled(add(_one(x, place, p, w, source), add(removed, splat(shares.s0))), panel, out, at, width)
        row = place.row + place.height


@kernel
def matmul_s32(x: i8p, w: i8p, y: i32p, batches: i64p, sizes: i64p, thread: i64, threads: i64) -> None:
    """Plain sums of products of the stored integers."""
    p = _unpack(sizes)
    n = p.columns
    start, stop, first, last = split(p.batches * p.rows, _panels(p), thread, threads)
    row = start
    while row < stop:
        place = _place(p, batches, start, row, stop)
        for panel in range(first, last):
            at, width = place.row * n + panel * COLUMNS, _width(p, panel)
            if place.height == ROWS:
                tile = _six(x, place, p, w, place.panel + panel)
                put_s32(y, at, tile.c0, width)
                put_s32(y, at + n, tile.c1, width)
                put_s32(y, at + 2 * n, tile.c2, width)
                put_s32(y, at + 3 * n, tile.c3, width)
                put_s32(y, at + 4 * n, tile.c4, width)
                put_s32(y, at + 5 * n, tile.c5, width)
            else:
                put_s32(y, at, _one(x, place, p, w, place.panel + panel), width)
        row = place.row + place.height


class Output(NamedTuple):
    """Where float results of quantized rows go and what they need."""

    scales: f32p
    zero_points: i32p
    sums: i32p
    channels: f32p
    low: float
    high: float
    y: f32p


@forced
def _store(total: Vector, source: i64, right: i64, panel: i64, out: Output, at: i64, width: i64) -> None:
    """Removes the zero point of row `source` of the left side and stores as float."""
    removed = multiply(splat(narrow(-out.zero_points[source])), load(out.sums, right * COLUMNS))
    store_scaled(add(total, removed), out.scales[source], out.channels, panel, out.low, out.high, out.y, at, width)


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
    """Float results of dense rows that were quantized with a scale and a zero point each."""
    p = _unpack(sizes)
    n = p.columns
    out = Output(scales, zero_points, sums, channels, low, high, y)
    start, stop, first, last = split(p.batches * p.rows, _panels(p), thread, threads)
    row = start
    while row < stop:
        place = _place(p, batches, start, row, stop)
        source = place.at // p.depth
        for panel in range(first, last):
            at, width, right = place.row * n + panel * COLUMNS, _width(p, panel), place.panel + panel
            if place.height == ROWS:
                tile = _six(x, place, p, w, right)
                _store(tile.c0, source, right, panel, out, at, width)
                _store(tile.c1, source + 1, right, panel, out, at + n, width)
                _store(tile.c2, source + 2, right, panel, out, at + 2 * n, width)
                _store(tile.c3, source + 3, right, panel, out, at + 3 * n, width)
                _store(tile.c4, source + 4, right, panel, out, at + 4 * n, width)
                _store(tile.c5, source + 5, right, panel, out, at + 5 * n, width)
            else:
                _store(_one(x, place, p, w, right), source, right, panel, out, at, width)
        row = place.row + place.height
