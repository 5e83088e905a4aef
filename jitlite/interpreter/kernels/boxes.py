"""Copies of boxes: `rank` loops over source and target, each with its own stride; what most operators that move data come down to.

Strides and offsets count elements; source strides may be 0 (broadcasting) or negative (reversing). The last two loops are planes of `rows`
by `columns`, which one piece of work copies rows of; the loops before them number the planes. Each kind of plane has kernels of its own.
"""

from collections.abc import Callable
from typing import Any

from jitlite.interpreter.kernels.abi import i64, i64p, inline, kernel, span, u8p
from jitlite.interpreter.kernels.blocks import pick, stack_like, transpose, unweave, weave
from jitlite.interpreter.kernels.elements import SIZES, specialise, xp
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.lines import LINE_BYTES, SHORT_BYTES, line_of, load_line, reversed_line, store_line
from jitlite.interpreter.kernels.runs import copy_bytes
from jitlite.interpreter.kernels.tile import forced

Function = Callable[..., Any]

MOST_LOOPS = 32
"""A box of fewer than 2^31 elements has no more loops of two rounds or more."""


def _over_planes(plane: Function) -> Function:
    """A kernel that runs `plane(x, y, x_at, y_at, rows, columns, x_row, x_column, y_row, y_column)` on its thread's part of each plane."""

    def copy(
        x: xp, y: xp, x_offset: i64, y_offset: i64, rank: i64, dims: i64p, x_strides: i64p, y_strides: i64p, thread: i64, threads: i64
    ) -> None:
        """Copies dims[0] × … × dims[rank - 1] elements; rank is 2 or more and no dimension is 0."""
        rows, columns = dims[rank - 2], dims[rank - 1]
        x_row, x_column, y_row, y_column = x_strides[rank - 2], x_strides[rank - 1], y_strides[rank - 2], y_strides[rank - 1]
        planes = 1
        for axis in range(rank - 2):
            planes *= dims[axis]
        at, stop = span(planes * rows, thread, threads)
        left, row = at // rows, at % rows
        x_at, y_at, places = x_offset, y_offset, stack_like(dims, MOST_LOOPS)
        for back in range(rank - 2):
            axis = rank - 3 - back
            places[axis] = left % dims[axis]
            left //= dims[axis]
            x_at += places[axis] * x_strides[axis]
            y_at += places[axis] * y_strides[axis]
        while at < stop:
            count = min(rows - row, stop - at)
            plane(x, y, x_at + row * x_row, y_at + row * y_row, count, columns, x_row, x_column, y_row, y_column)
            at, row, axis = at + count, 0, rank - 3
            while axis >= 0:
                places[axis] += 1
                x_at += x_strides[axis]
                y_at += y_strides[axis]
                if places[axis] < dims[axis]:
                    break
                places[axis] = 0
                x_at -= dims[axis] * x_strides[axis]
                y_at -= dims[axis] * y_strides[axis]
                axis -= 1

    return copy


def _lines(length: int) -> Function:
    """Copies rows of `length` bytes or less, but more than half of it."""
    half = length // 2

    @forced
    def copy(x: Any, y: Any, x_at: Any, y_at: Any, rows: Any, columns: Any, x_row: Any, y_row: Any) -> Any:
        whole = rows if columns == length else 0
        if columns < length and y_row == columns and x_row >= columns:
            # What a line has beyond its row the next row overwrites.
            whole = rows - 1
        for row in range(whole):
            store_line(y, y_at + row * y_row, load_line(x, x_at + row * x_row, length))
        for row in range(whole, rows):
            source, target = x_at + row * x_row, y_at + row * y_row
            first, last = load_line(x, source, half), load_line(x, source + columns - half, half)
            store_line(y, target, first)
            store_line(y, target + columns - half, last)

    return copy


_lines_2, _lines_4, _lines_8, _lines_16, _lines_32, _lines_64, _lines_128 = (_lines(2**power) for power in range(1, 8))


@inline
def _runs(x: Any, y: Any, x_at: Any, y_at: Any, rows: Any, columns: Any, x_row: Any, x_column: Any, y_row: Any, y_column: Any) -> None:
    """Rows of neighbouring bytes."""
    if columns > 128:
        for row in range(rows):
            copy_bytes(advance(x, x_at + row * x_row), advance(y, y_at + row * y_row), columns)
    elif columns > 64:
        _lines_128(x, y, x_at, y_at, rows, columns, x_row, y_row)
    elif columns > 32:
        _lines_64(x, y, x_at, y_at, rows, columns, x_row, y_row)
    elif columns > 16:
        _lines_32(x, y, x_at, y_at, rows, columns, x_row, y_row)
    elif columns > 8:
        _lines_16(x, y, x_at, y_at, rows, columns, x_row, y_row)
    elif columns > 4:
        _lines_8(x, y, x_at, y_at, rows, columns, x_row, y_row)
    elif columns > 2:
        _lines_4(x, y, x_at, y_at, rows, columns, x_row, y_row)
    elif columns > 1:
        _lines_2(x, y, x_at, y_at, rows, columns, x_row, y_row)
    else:
        for row in range(rows):
            y[y_at + row * y_row] = x[x_at + row * x_row]


def _repeats(element_bytes: int) -> Function:
    """Rows of one value each."""
    length, short = LINE_BYTES // element_bytes, SHORT_BYTES // element_bytes

    @inline
    def copy(x: Any, y: Any, x_at: Any, y_at: Any, rows: Any, columns: Any, x_row: Any, x_column: Any, y_row: Any, y_column: Any) -> None:
        for row in range(rows):
            value, target = x[x_at + row * x_row], y_at + row * y_row
            if columns >= length:
                line = line_of(y, value, length)
                for i in range(0, columns - length, length):
                    store_line(y, target + i, line)
                store_line(y, target + columns - length, line)
            elif columns >= short:
                piece = line_of(y, value, short)
                for i in range(0, columns - short, short):
                    store_line(y, target + i, piece)
                store_line(y, target + columns - short, piece)
            else:
                for i in range(columns):
                    y[target + i] = value

    return copy


def _reversals(element_bytes: int) -> Function:
    """Rows of neighbours, the last one first."""
    length = LINE_BYTES // element_bytes

    @inline
    def copy(x: Any, y: Any, x_at: Any, y_at: Any, rows: Any, columns: Any, x_row: Any, x_column: Any, y_row: Any, y_column: Any) -> None:
        for row in range(rows):
            source, target, done = x_at + row * x_row, y_at + row * y_row, 0
            while done + length <= columns:
                store_line(y, target + done, reversed_line(load_line(x, source - done - length + 1, length)))
                done += length
            for i in range(done, columns):
                y[target + i] = x[source - i]

    return copy


def _picked(length: int, ways: int) -> Function:
    """Copies every element `ways` behind the one before to neighbours."""

    @inline
    def run(x: Any, y: Any, x_at: Any, y_at: Any, columns: Any) -> None:
        done = 0
        while done + length < columns:
            pick(x, x_at + done * ways, y, y_at + done, ways, length)
            done += length
        for i in range(done, columns):
            y[y_at + i] = x[x_at + i * ways]

    return run


def _elements(element_bytes: int) -> Function:
    """Any rows, one element after the other where the next one is far."""
    second, third, fourth = (_picked(LINE_BYTES // element_bytes, ways) for ways in (2, 3, 4))

    @inline
    def copy(x: Any, y: Any, x_at: Any, y_at: Any, rows: Any, columns: Any, x_row: Any, x_column: Any, y_row: Any, y_column: Any) -> None:
        for row in range(rows):
            source, target = x_at + row * x_row, y_at + row * y_row
            if y_column == 1 and x_column == 2:
                second(x, y, source, target, columns)
            elif y_column == 1 and x_column == 3:
                third(x, y, source, target, columns)
            elif y_column == 1 and x_column == 4:
                fourth(x, y, source, target, columns)
            else:
                for i in range(columns):
                    y[target + i * y_column] = x[source + i * x_column]

    return copy


def _woven(element_bytes: int, ways: int) -> tuple[Function, Function]:
    """Transposes planes of `ways` columns into neighbours, or of `ways` neighbouring rows."""
    length = LINE_BYTES // element_bytes

    @inline
    def into(x: Any, y: Any, x_at: Any, y_at: Any, rows: Any, x_column: Any) -> None:
        done = 0
        while done + length <= rows:
            weave(x, x_at + done, x_column, y, y_at + done * ways, ways, length)
            done += length
        for row in range(done, rows):
            for column in range(ways):
                y[y_at + row * ways + column] = x[x_at + row + column * x_column]

    @inline
    def out_of(x: Any, y: Any, x_at: Any, y_at: Any, columns: Any, y_row: Any) -> None:
        done = 0
        while done + length <= columns:
            unweave(x, x_at + done * ways, y, y_at + done, y_row, ways, length)
            done += length
        for row in range(ways):
            for column in range(done, columns):
                y[y_at + row * y_row + column] = x[x_at + row + column * ways]

    return into, out_of


def _transposes(element_bytes: int) -> Function:
    """Planes whose rows are neighbours in the source and whose columns are in the target."""
    high, tiles = SHORT_BYTES // element_bytes, transpose(element_bytes)
    (into_2, from_2), (into_3, from_3), (into_4, from_4) = (_woven(element_bytes, ways) for ways in (2, 3, 4))

    @inline
    def copy(x: Any, y: Any, x_at: Any, y_at: Any, rows: Any, columns: Any, x_row: Any, x_column: Any, y_row: Any, y_column: Any) -> None:
        is_large = rows >= high and columns >= high
        if not is_large and columns == 2 and y_row == 2:
            into_2(x, y, x_at, y_at, rows, x_column)
        elif not is_large and columns == 3 and y_row == 3:
            into_3(x, y, x_at, y_at, rows, x_column)
        elif not is_large and columns == 4 and y_row == 4:
            into_4(x, y, x_at, y_at, rows, x_column)
        elif not is_large and rows == 2 and x_column == 2:
            from_2(x, y, x_at, y_at, columns, y_row)
        elif not is_large and rows == 3 and x_column == 3:
            from_3(x, y, x_at, y_at, columns, y_row)
        elif not is_large and rows == 4 and x_column == 4:
            from_4(x, y, x_at, y_at, columns, y_row)
        else:
            tiles(x, y, x_at, y_at, rows, columns, x_column, y_row)

    return copy


specialise(_over_planes(_runs), "copy_runs", {xp: u8p})
for _suffix, _pointer in SIZES.items():
    _bytes = int(_suffix[1:]) // 8
    specialise(_over_planes(_elements(_bytes)), f"copy_elements_{_suffix}", {xp: _pointer})
    specialise(_over_planes(_repeats(_bytes)), f"copy_repeats_{_suffix}", {xp: _pointer})
    specialise(_over_planes(_reversals(_bytes)), f"copy_reversals_{_suffix}", {xp: _pointer})
    specialise(_over_planes(_transposes(_bytes)), f"copy_transposes_{_suffix}", {xp: _pointer})


@kernel
def copy_run(x: u8p, y: u8p, x_offset: i64, y_offset: i64, count: i64, thread: i64, threads: i64) -> None:
    """Copies `count` bytes."""
    start, stop = span(-(-count // LINE_BYTES), thread, threads)
    if start < stop:
        start, stop = start * LINE_BYTES, min(count, stop * LINE_BYTES)
        copy_bytes(advance(x, x_offset + start), advance(y, y_offset + start), stop - start)
