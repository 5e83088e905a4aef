"""Rows of element-by-element kernels, a vector at a time; `broadcast.rows` and `parts` make kernels of them."""

from collections.abc import Callable
from typing import Any

from jitlite.interpreter.kernels.abi import i64, i64p, inline
from jitlite.interpreter.kernels.blocks import stack_like
from jitlite.interpreter.kernels.broadcast import row_by_row, row_start
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.narrow import BYTES, copy_few, load_each, splat_byte, store_bytes
from jitlite.interpreter.kernels.requantize import wide
from jitlite.interpreter.kernels.tile import forced

_BLOCK = 256
"""Elements of short rows that are laid out before their results are computed; the last row, and one vector more, may reach beyond."""

Vectors = Callable[..., Any]


def vector_row(width: int, compute: Vectors, put: Vectors) -> Vectors:
    """A row that works on `width` elements at a time; the result may lie where an operand of its own shape does.

    `compute(a, a_at, b, b_at, settings)` gives the results of the `width` elements from these indices on, `put(y, at, results)` stores
    them. The last vector of a row ends where the row does: its elements are read before any is written. An operand that repeats, and a
    row shorter than a vector, are copied first.
    """

    @forced
    def repeated(x: Any, at: int, step: int) -> Any:
        if step != 0:
            return advance(x, at)
        copies = stack_like(x, width)
        for i in range(width):
            copies[i] = x[at]
        return copies

    @forced
    def padded(x: Any, count: int) -> Any:
        copy = stack_like(x, width)
        for i in range(count):
            copy[i] = x[i]
        return copy

    @forced
    def row(a, b, y, a_at, b_at, at, count, a_step, b_step, settings):  # type: ignore[no-untyped-def]
        a_row, b_row, last = repeated(a, a_at, a_step), repeated(b, b_at, b_step), count - width
        if last < 0:
            last = 0
            a_row = padded(a_row, count) if a_step != 0 else a_row
            b_row = padded(b_row, count) if b_step != 0 else b_row
        rest = compute(a_row, last * a_step, b_row, last * b_step, settings)
        for i in range(0, last, width):
            put(y, at + i, compute(a_row, i * a_step, b_row, i * b_step, settings))
        if count >= width:
            put(y, at + last, rest)
        else:
            part = stack_like(y, width)
            put(part, 0, rest)
            for i in range(count):
                y[at + i] = part[i]

    return row


@inline
def _each(target: Any, x: Any, at: i64, times: i64) -> None:
    """Lays out the BYTES / times bytes from index `at` on, each `times` times."""
    if times == 2:
        store_bytes(target, 0, load_each(x, at, 2))
    elif times == 4:
        store_bytes(target, 0, load_each(x, at, 4))
    elif times == 8:
        store_bytes(target, 0, load_each(x, at, 8))
    elif times == 16:
        store_bytes(target, 0, load_each(x, at, 16))
    else:
        store_bytes(target, 0, load_each(x, at, 32))


@inline
def _is_outer(walk: i64p, start: i64) -> bool:
    """True for rows of 2, 4, … or 32 columns, each one number of an operand with the same row of the other; `start` begins a row."""
    columns = walk[1]
    if walk[4] != 1 or columns < 2 or columns > BYTES // 2 or BYTES % columns != 0 or start % columns != 0:
        return False
    steps = walk[2] + 2 * walk[3], walk[6] + 2 * walk[7]
    return steps == (2, 1) or steps == (1, 2)


def _outer_part(width: int, compute: Vectors, put: Vectors) -> Vectors:
    """A function of rows of which `_is_outer` is true."""

    @inline
    def outer_rows(a: Any, b: Any, y: Any, walk: i64p, at: i64, stop: i64, settings: Any) -> int:
        """Results of `_is_outer` rows from `at` on, BYTES at a time; returns where those end."""
        columns, a_some, b_some = walk[1], stack_like(a, 64), stack_like(b, 64)
        (a_line, b_line), rows = row_start(walk, at // columns, 0), BYTES // columns
        for row in range(rows):
            if walk[2] == 0:
                copy_few(b_some, row * columns, b, b_line, columns)
            else:
                copy_few(a_some, row * columns, a, a_line, columns)
        while at + BYTES <= stop:
            if walk[2] == 0:
                _each(a_some, a, a_line, columns)
            else:
                _each(b_some, b, b_line, columns)
            for i in range(0, BYTES, width):
                put(y, at + i, compute(a_some, i, b_some, i, settings))
            at, a_line, b_line = at + BYTES, a_line + rows * walk[6], b_line + rows * walk[7]
        return at

    return outer_rows


def vector_part(width: int, compute: Vectors, put: Vectors) -> Vectors:
    """The same for all rows of a part, as `broadcast.parts` wants it. Rows shorter than a vector are laid out one behind the other first.

    Elements are bytes.
    """
    long_rows, outer_rows = row_by_row(vector_row(width, compute, put)), _outer_part(width, compute, put)

    @forced
    def lay_out(target: Any, at: int, x: Any, x_at: int, step: int, count: int) -> None:
        if step == 0:
            store_bytes(target, at, splat_byte(wide(x[x_at])))
        else:
            copy_few(target, at, x, x_at, count)

    @inline
    def short_rows(a: Any, b: Any, y: Any, walk: i64p, start: i64, stop: i64, settings: Any) -> None:
        at, columns, a_step, b_step = start, walk[1], walk[2], walk[3]
        if _is_outer(walk, start):
            at = outer_rows(a, b, y, walk, start, stop, settings)
        lines, a_stride, b_stride = walk[5], walk[6], walk[7]
        line = at // columns
        column, place = at - line * columns, line % lines
        a_line, b_line = row_start(walk, line, 0)
        a_some, b_some, part = stack_like(a, 384), stack_like(b, 384), stack_like(y, width)
        while at < stop:
            filled = 0
            while filled < _BLOCK and at + filled < stop:
                count = min(columns - column, stop - at - filled)
                lay_out(a_some, filled, a, a_line + column * a_step, a_step, count)
                lay_out(b_some, filled, b, b_line + column * b_step, b_step, count)
                filled, column, line, place = filled + count, 0, line + 1, place + 1
                if place < lines:
                    a_line, b_line = a_line + a_stride, b_line + b_stride
                else:
                    place = 0
                    a_line, b_line = row_start(walk, line, 0)
            for i in range(0, filled - width + 1, width):
                put(y, at + i, compute(a_some, i, b_some, i, settings))
            if filled >= width:
                put(y, at + filled - width, compute(a_some, filled - width, b_some, filled - width, settings))
            else:
                put(part, 0, compute(a_some, 0, b_some, 0, settings))
                for i in range(filled):
                    y[at + i] = part[i]
            at += filled

    @inline
    def some_rows(a: Any, b: Any, y: Any, walk: i64p, start: i64, stop: i64, settings: Any) -> None:
        if walk[1] < width and walk[4] > 0:
            short_rows(a, b, y, walk, start, stop, settings)
        else:
            long_rows(a, b, y, walk, start, stop, settings)

    return some_rows


def vector_run(width: int, compute: Vectors, put: Vectors) -> Vectors:
    """A function run(x, y, start, stop, settings) of elements [start, stop), `width` at a time.

    `compute(x, at, settings)` gives the results of `width` elements from an index on; `put` and the order of reads and writes are as of
    `vector_row`.
    """

    @forced
    def row(x, y, start, stop, settings):  # type: ignore[no-untyped-def]
        last = stop - width
        if last >= start:
            rest = compute(x, last, settings)
            for at in range(start, last, width):
                put(y, at, compute(x, at, settings))
            put(y, last, rest)
        elif stop > start:
            operands, results = stack_like(x, width), stack_like(y, width)
            for i in range(stop - start):
                operands[i] = x[start + i]
            put(results, 0, compute(operands, 0, settings))
            for i in range(stop - start):
                y[start + i] = results[i]

    return row
