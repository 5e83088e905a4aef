"""The loops of element-by-element kernels; each kernel is made from these by giving types and a function of one or two elements.

A `walk` is an int64 block [total, columns, a_step, b_step, rank, (dim, a_stride, b_stride) × rank]: `total` results in rows of `columns`
neighbours; along a row an operand moves by its step (0 or 1), from row to row by its strides over `rank` dims, the last dim first.
`jitlite.interpreter.binding.broadcast` makes it. A `settings` block holds what else an operator needs, unpacked once per kernel run.
"""

from collections.abc import Callable
from typing import Any

from jitlite.interpreter.kernels.abi import i64, i64p, inline, kernel, span

Element = Callable[..., Any]


@inline
def row_start(walk: i64p, row: int, column: int) -> tuple[int, int]:
    """Positions of both operands' elements at the given row and column."""
    a_at, b_at, place = column * walk[2], column * walk[3], 5
    for _ in range(walk[4]):
        rest = row // walk[place]
        index = row - rest * walk[place]
        a_at += index * walk[place + 1]
        b_at += index * walk[place + 2]
        row, place = rest, place + 3
    return a_at, b_at


@inline
def no_settings(settings: Any) -> tuple[()]:
    return ()


def _row(operation: Element) -> Element:
    @inline
    def row(a, b, y, a_at, b_at, at, count, a_step, b_step, settings):  # type: ignore[no-untyped-def]
        if a_step == 0:
            value = a[a_at]
            for i in range(count):
                y[at + i] = operation(value, b[b_at + i], settings)
        elif b_step == 0:
            value = b[b_at]
            for i in range(count):
                y[at + i] = operation(a[a_at + i], value, settings)
        else:
            for i in range(count):
                y[at + i] = operation(a[a_at + i], b[b_at + i], settings)

    return row


def binary(family: str, name: str, pointers: tuple[Any, Any, Any, Any], operation: Element, unpack: Element = no_settings) -> None:
    """Makes the kernel `name` of module `family`: y = operation(a, b, unpack(settings)) with broadcasting.

    `pointers` are the types of a, b, y and settings.
    """
    rows(family, name, pointers, _row(operation), unpack)


def rows(family: str, name: str, pointers: tuple[Any, Any, Any, Any], row: Element, unpack: Element = no_settings) -> None:
    """Makes the kernel `name` of module `family` from a function of rows: row(a, b, y, a_at, b_at, at, count, a_step, b_step, settings).

    It writes `count` neighbours from index `at` of y on; an operand whose step is 0 has one element for all of them.
    """
    parts(family, name, pointers, row_by_row(row), unpack)


def row_by_row(row: Element) -> Element:
    """A function part(a, b, y, walk, start, stop, settings) of results [start, stop) that calls `row` for each of their rows."""

    @inline
    def part(a: Any, b: Any, y: Any, walk: i64p, start: i64, stop: i64, settings: Any) -> None:
        at, columns, a_step, b_step = start, walk[1], walk[2], walk[3]
        lines, a_stride, b_stride = (walk[5], walk[6], walk[7]) if walk[4] > 0 else (1, 0, 0)
        line = at // columns
        column, place = at - line * columns, line % lines
        a_line, b_line = row_start(walk, line, 0)
        while at < stop:
            count = min(columns - column, stop - at)
            row(a, b, y, a_line + column * a_step, b_line + column * b_step, at, count, a_step, b_step, settings)
            at, column, line, place = at + count, 0, line + 1, place + 1
            if place < lines:
                a_line, b_line = a_line + a_stride, b_line + b_stride
            elif at < stop:
                place = 0
                a_line, b_line = row_start(walk, line, 0)

    return part


def parts(family: str, name: str, pointers: tuple[Any, Any, Any, Any], part: Element, unpack: Element = no_settings) -> None:
    """Makes the kernel `name` of module `family` from a function of results [start, stop), as `row_by_row` describes it."""

    def run(a: Any, b: Any, y: Any, walk: i64p, settings: Any, thread: int, threads: int) -> None:
        start, stop = span(walk[0], thread, threads)
        if start < stop:
            part(a, b, y, walk, start, stop, unpack(settings))

    a_type, b_type, y_type, settings_type = pointers
    _register(family, name, run, {"a": a_type, "b": b_type, "y": y_type, "walk": i64p, "settings": settings_type})


def unary(family: str, name: str, pointers: tuple[Any, Any], operation: Element) -> None:
    """Makes the kernel `name` of module `family`: y = operation(x) for `count` elements; `pointers` are the types of x and y."""

    def run(x: Any, y: Any, count: int, thread: int, threads: int) -> None:
        start, stop = span(count, thread, threads)
        for i in range(start, stop):
            y[i] = operation(x[i])

    x_type, y_type = pointers
    _register(family, name, run, {"x": x_type, "y": y_type, "count": i64})


def _register(family: str, name: str, function: Any, parameters: dict[str, Any]) -> None:
    function.__module__, function.__name__, function.__qualname__ = family, name, name
    function.__annotations__ = {**parameters, "thread": i64, "threads": i64, "return": None}
    kernel(function)
