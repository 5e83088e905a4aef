"""The loops of element-by-element kernels on vectors; each kernel is made from these by giving types and a function of vectors.

The first lanes of the last vector alone are loaded and stored where it reaches behind a tensor or a thread's part, so that a result may lie
where an operand of its own shape does. `kernels.broadcast` says what a `walk` is.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import Pointer, i64, i64p, inline, kernel, span
from jitlite.interpreter.kernels.blocks import stack_like
from jitlite.interpreter.kernels.broadcast import no_settings, row_start
from jitlite.interpreter.kernels.intrinsics import advance, apart
from jitlite.interpreter.kernels.partial import load_part, store_part
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import LANES, Vector, load, splat, store

Function = Callable[..., Any]
Numbers = Pointer[Any]

_CHUNK = 512
"""Elements of an operand that are laid out at a time."""
_ONE: Any = np.int64(1)
"""A step: Numba would make another function for the literal 1."""
_SHORT = 128
"""Rows below this many elements are not worth a loop of their own where an operand repeats."""


@inline
def vector_span(count: int, thread: int, threads: int) -> tuple[int, int]:
    """The part [start, stop) of `count` elements that belongs to `thread` of `threads`: whole vectors but for the last one."""
    if threads == 1:
        return 0, count
    blocks = (count + LANES - 1) // LANES
    return blocks * thread // threads * LANES, min(blocks * (thread + 1) // threads * LANES, count)


def unary(family: str, name: str, pointers: tuple[Any, Any], operation: Function) -> None:
    """Makes the kernel `name` of module `family`: y = operation(x) for `count` elements; `pointers` are the types of x and y."""

    def run(x: Numbers, y: Numbers, count: int, thread: int, threads: int) -> None:
        at, stop = vector_span(count, thread, threads)
        while at + LANES <= stop:
            store(y, at, operation(load(x, at)))
            at += LANES
        if at < stop:
            store_part(y, at, operation(load_part(x, at, stop - at)), stop - at)

    x_type, y_type = pointers
    register(family, name, run, {"x": x_type, "y": y_type, "count": i64})


@forced
def _repeated(x: Numbers, at: int, step: int, room: Numbers) -> Numbers:
    """Where an operand's vectors start: at its index `at`, or, where its step is 0, in `room`, filled with that element."""
    if step != 0:
        return advance(x, at)  # type: ignore[no-any-return]  # numba is untyped
    store(room, 0, splat(x[at]))
    return room


@forced
def _double(room: Numbers, count: int, wanted: int) -> None:
    """Repeats the first `count` elements of `room` until there are `wanted`; the last vector may reach behind these."""
    while count < wanted:
        for i in range(0, min(count, wanted - count), LANES):
            store(room, count + i, load(room, i))
        count += min(count, wanted - count)


@forced
def _lay_out(x: Numbers, at: int, step: int, stride: int, columns: int, rows: int, room: Numbers) -> None:
    """Fills `room` with `rows` rows of `columns` elements; the last vector may reach behind them."""
    for row in range(rows):
        place, source = row * columns, at + row * stride
        if step == 0:
            many = splat(x[source])
            for i in range(0, columns, LANES):
                store(room, place + i, many)
        else:
            for i in range(columns):
                room[place + i] = x[source + i]


def strip_of(operation: Function, unpack: Function = no_settings) -> Function:
    """The strip of one function, as `broadcast` wants it: y = operation(a, b, unpack(settings))."""

    @inline
    def strip(a: Numbers, b: Numbers, y: Numbers, count: int, a_step: int, b_step: int, settings: Any) -> None:
        apart()
        unpacked = unpack(settings)
        at = 0
        while at + LANES <= count:
            store(y, at, operation(load(a, at * a_step), load(b, at * b_step), unpacked))
            at += LANES
        if at < count:
            first, second = last_of(a, at, count, a_step), last_of(b, at, count, b_step)
            store_part(y, at, operation(first, second, unpacked), count - at)

    return strip


@forced
def last_of(x: Numbers, at: int, count: int, step: int) -> Vector:
    """The elements from `at` on of an operand of a strip of `count`, fewer than LANES."""
    return load_part(x, at, count - at) if step != 0 else load(x, 0)


def _chosen_loop(result: Function, first: int, stop: int) -> Function:
    """A function of a strip's whole vectors that chooses among the loops of operations [first, stop); each has its number as a constant."""

    @forced
    def loop(a: Numbers, b: Numbers, y: Numbers, count: int, a_step: int, b_step: int, low: Vector, high: Vector) -> None:
        for at in range(0, count, LANES):
            store(y, at, result(first, load(a, at * a_step), load(b, at * b_step), low, high))

    others = _chosen_loop(result, first + 1, stop) if first + 1 < stop else None

    @forced
    def choose(operation: int, a: Numbers, b: Numbers, y: Numbers, count: int, a_step: int, b_step: int, low: Vector, high: Vector) -> None:
        if others is None or operation == first:
            loop(a, b, y, count, a_step, b_step, low, high)
        else:
            others(operation, a, b, y, count, a_step, b_step, low, high)

    return choose


def by_number(result: Function, operations: int, number: Any) -> Function:
    """A strip for `broadcast` of so many operations: settings [low, high, operation], the bounds as of NumPy type `number`.

    `result(operation, a, b, low, high)` gives an operation's vectors.
    """
    whole_vectors = _chosen_loop(result, 0, operations)

    @inline
    def strip(a: Numbers, b: Numbers, y: Numbers, count: int, a_step: int, b_step: int, settings: Any) -> None:
        apart()
        low, high, operation = splat(number(settings[0])), splat(number(settings[1])), int(settings[2])
        whole = count // LANES * LANES
        whole_vectors(operation, a, b, y, whole, a_step, b_step, low, high)
        if whole < count:
            first, second = last_of(a, whole, count, a_step), last_of(b, whole, count, b_step)
            store_part(y, whole, result(operation, first, second, low, high), count - whole)

    return strip


def _long_rows(strip: Function) -> Function:
    @inline
    def long_rows(a: Numbers, b: Numbers, y: Numbers, walk: i64p, settings: Any, at: int, stop: int) -> None:
        columns, a_step, b_step = walk[1], walk[2], walk[3]
        a_room, b_room = stack_like(a, 16), stack_like(b, 16)
        row = at // columns
        column = at - row * columns
        while at < stop:
            count = min(columns - column, stop - at)
            a_at, b_at = row_start(walk, row, column)
            strip(_repeated(a, a_at, a_step, a_room), _repeated(b, b_at, b_step, b_room), advance(y, at), count, a_step, b_step, settings)
            at, column, row = at + count, 0, row + 1

    return long_rows


@inline
def _prepare(x: Numbers, at: int, step: int, stride: int, columns: int, rows: int, room: Numbers) -> None:
    """Lays rows out that do not change from row to row."""
    if stride == 0:
        _lay_out(x, at, step, 0, columns, 1, room)
        _double(room, columns, rows * columns)


@inline
def _neighbours(x: Numbers, at: int, step: int, stride: int, columns: int, rows: int, room: Numbers) -> Numbers:
    """Where the elements of `rows` rows lie side by side: in the operand itself, or laid out in `room`."""
    if step == 1 and stride == columns:
        return advance(x, at)  # type: ignore[no-any-return]  # numba is untyped
    if stride != 0:
        _lay_out(x, at, step, stride, columns, rows, room)
    return room


def _short_rows(strip: Function) -> Function:
    @inline
    def short_rows(a: Numbers, b: Numbers, y: Numbers, walk: i64p, settings: Any, row: int, last: int) -> None:
        """Rows [row, last)."""
        columns, a_step, b_step, lines, a_stride, b_stride = walk[1], walk[2], walk[3], walk[5], walk[6], walk[7]
        a_room, b_room = stack_like(a, 544), stack_like(b, 544)
        while row < last:
            end = min(last, row + lines - row % lines)
            a_at, b_at = row_start(walk, row, 0)
            chunk = min(_CHUNK // columns, end - row)
            _prepare(a, a_at, a_step, a_stride, columns, chunk, a_room)
            _prepare(b, b_at, b_step, b_stride, columns, chunk, b_room)
            while row < end:
                rows = min(chunk, end - row)
                left = _neighbours(a, a_at, a_step, a_stride, columns, rows, a_room)
                right = _neighbours(b, b_at, b_step, b_stride, columns, rows, b_room)
                strip(left, right, advance(y, row * columns), rows * columns, _ONE, _ONE, settings)
                a_at, b_at, row = a_at + rows * a_stride, b_at + rows * b_stride, row + rows

    return short_rows


def broadcast(family: str, name: str, pointers: tuple[Any, Any, Any, Any], strip: Function) -> None:
    """Makes the kernel `name` of module `family` from strip(a, b, y, count, a_step, b_step, settings), which writes `count` neighbours.

    `pointers` are the types of a, b, y and settings. An operand whose step is 0 has a vector of one number. Where rows are short, operands
    that repeat are laid out in memory of the kernel's own first, many rows at a time.
    """
    long_rows, short_rows = _long_rows(strip), _short_rows(strip)

    def run(a: Numbers, b: Numbers, y: Numbers, walk: i64p, settings: Any, thread: int, threads: int) -> None:
        total, columns = walk[0], walk[1]
        if walk[4] > 0 and columns < _SHORT:
            first, last = span(total // columns, thread, threads)
            short_rows(a, b, y, walk, settings, first, last)
        else:
            at, stop = vector_span(total, thread, threads)
            long_rows(a, b, y, walk, settings, at, stop)

    a_type, b_type, y_type, settings_type = pointers
    register(family, name, run, {"a": a_type, "b": b_type, "y": y_type, "walk": i64p, "settings": settings_type})


def register(family: str, name: str, function: Any, parameters: dict[str, Any]) -> None:
    """Registers a kernel with the given parameters before `thread` and `threads`."""
    function.__module__, function.__name__, function.__qualname__ = family, name, name
    function.__annotations__ = {**parameters, "thread": i64, "threads": i64, "return": None}
    kernel(function)
