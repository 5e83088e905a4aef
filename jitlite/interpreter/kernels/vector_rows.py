"""Rows of element-by-element kernels, a vector at a time; `broadcast.rows` makes kernels of them."""

from collections.abc import Callable
from typing import Any

from jitlite.interpreter.kernels.blocks import stack_like
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.tile import forced

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
