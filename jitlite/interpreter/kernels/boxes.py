"""Copies of boxes: `rank` loops over source and target, each with its own stride; what most operators that move data come down to.

Strides and offsets count elements; source strides may be 0 (broadcasting) or negative (reversing). The last two loops are the planes that
one piece of work copies rows of; the loops before them number the planes.
"""

from jitlite.interpreter.kernels.abi import i64, i64p, inline, kernel, span, u8p
from jitlite.interpreter.kernels.blocks import block_side, transpose_block
from jitlite.interpreter.kernels.elements import by_element_size, xp


@inline
def _copy_row(x: xp, y: xp, x_at: i64, y_at: i64, count: i64, x_stride: i64, y_stride: i64) -> None:
    if x_stride == 1 and y_stride == 1:
        for i in range(count):
            y[y_at + i] = x[x_at + i]
    elif x_stride == 0 and y_stride == 1:
        value = x[x_at]
        for i in range(count):
            y[y_at + i] = value
    else:
        for i in range(count):
            y[y_at + i * y_stride] = x[x_at + i * x_stride]


@inline
def _transpose_part(x: xp, y: xp, x_at: i64, y_at: i64, rows: i64, columns: i64, x_column: i64, y_row: i64) -> None:
    for r in range(rows):
        for c in range(columns):
            y[y_at + r * y_row + c] = x[x_at + r + c * x_column]


@inline
def _transpose_plane(x: xp, y: xp, x_at: i64, y_at: i64, rows: i64, columns: i64, x_column: i64, y_row: i64) -> None:
    """Rows are neighbours in the source, columns in the target; square blocks go through registers."""
    side = block_side(x)
    whole_rows, whole_columns = rows - rows % side, columns - columns % side
    for row in range(0, whole_rows, side):
        for column in range(0, whole_columns, side):
            transpose_block(x, x_at + row + column * x_column, x_column, y, y_at + row * y_row + column, y_row)
    x_right, y_right = x_at + whole_columns * x_column, y_at + whole_columns
    _transpose_part(x, y, x_right, y_right, whole_rows, columns - whole_columns, x_column, y_row)
    _transpose_part(x, y, x_at + whole_rows, y_at + whole_rows * y_row, rows - whole_rows, columns, x_column, y_row)


@by_element_size
def copy_box(
    x: xp, y: xp, x_offset: i64, y_offset: i64, rank: i64, dims: i64p, x_strides: i64p, y_strides: i64p, thread: i64, threads: i64
) -> None:
    """Copies dims[0] × … × dims[rank - 1] elements; rank is 2 or more and no dimension is 0."""
    rows, columns = dims[rank - 2], dims[rank - 1]
    x_row, x_column, y_row, y_column = x_strides[rank - 2], x_strides[rank - 1], y_strides[rank - 2], y_strides[rank - 1]
    planes = 1
    for axis in range(rank - 2):
        planes *= dims[axis]
    at, stop = span(planes * rows, thread, threads)
    while at < stop:
        plane = at // rows
        row = at - plane * rows
        row_stop = min(rows, row + stop - at)
        x_at, y_at, left = x_offset + row * x_row, y_offset + row * y_row, plane
        for back in range(rank - 2):
            axis = rank - 3 - back
            index = left % dims[axis]
            left //= dims[axis]
            x_at += index * x_strides[axis]
            y_at += index * y_strides[axis]
        if x_row == 1 and y_column == 1 and x_column != 1:
            _transpose_plane(x, y, x_at, y_at, row_stop - row, columns, x_column, y_row)
        else:
            for r in range(row_stop - row):
                _copy_row(x, y, x_at + r * x_row, y_at + r * y_row, columns, x_column, y_column)
        at += row_stop - row


@kernel
def copy_run(x: u8p, y: u8p, x_offset: i64, y_offset: i64, count: i64, thread: i64, threads: i64) -> None:
    """Copies `count` bytes."""
    start, stop = span(count, thread, threads)
    for i in range(start, stop):
        y[y_offset + i] = x[x_offset + i]
