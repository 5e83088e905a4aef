"""Reversed sequences, matrices of diagonals and shapes broadcast."""

from jitlite.interpreter.kernels.abi import Status, i32, i64, span, u8p
from jitlite.interpreter.kernels.elements import INDICES, by_element_size, ip, specialise, xp
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.runs import copy_bytes

_OK = int(Status.OK)
_BAD_VALUE = int(Status.BAD_VALUE)


def _reverse_sequence(
    x: u8p,
    lengths: ip,
    y: u8p,
    outer: i64,
    first: i64,
    between: i64,
    second: i64,
    run: i64,
    is_batch_first: i64,
    thread: i64,
    threads: i64,
) -> i32:
    """Y = x (outer, first, between, second, run bytes) with the first lengths[batch] places of each sequence turned round.

    `first` and `second` are the batch and the sequence dimension, in the order `is_batch_first` says.
    """
    start, stop = span(outer * first * between * second, thread, threads)
    for row in range(start, stop):
        rest = row // second
        b = row - rest * second
        plane = rest // between
        a = plane % first
        if is_batch_first:
            batch, place, size, step = a, b, second, 1
        else:
            batch, place, size, step = b, a, first, between * second
        length = lengths[batch]
        if length > size:
            return _BAD_VALUE
        source = row
        if place < length:
            source += (length - 1 - 2 * place) * step
        copy_bytes(advance(x, source * run), advance(y, row * run), run)
    return _OK


def _broadcast_shapes(a: ip, b: ip, y: ip, a_rank: i64, b_rank: i64, rank: i64, thread: i64, threads: i64) -> i32:
    """Y = the shape that shapes a and b broadcast to; dimensions that are left out in front are 1."""
    if thread != 0:
        return _OK
    for back in range(1, rank + 1):
        left = a[a_rank - back] if back <= a_rank else 1
        right = b[b_rank - back] if back <= b_rank else 1
        if left != right and left != 1 and right != 1:
            return _BAD_VALUE
        y[rank - back] = right if left == 1 else left
    return _OK


for _suffix, _pointer in INDICES.items():
    specialise(_reverse_sequence, f"reverse_sequence_{_suffix}", {ip: _pointer})
    specialise(_broadcast_shapes, f"broadcast_shapes_{_suffix}", {ip: _pointer})


@by_element_size
def diagonal(x: xp, y: xp, count: i64, size: i64, thread: i64, threads: i64) -> None:
    """Y (count, size, size) has x (count, size) on its diagonals and 0 elsewhere."""
    start, stop = span(count * size, thread, threads)
    for row in range(start, stop):
        at = row * size
        for column in range(size):
            y[at + column] = 0
        y[at + row % size] = x[row]


@by_element_size
def set_diagonal(x: xp, values: xp, y: xp, count: i64, rows: i64, columns: i64, thread: i64, threads: i64) -> None:
    """Y = x (count, rows, columns) with values (count, min(rows, columns)) on its diagonals."""
    start, stop = span(count * rows, thread, threads)
    size = min(rows, columns)
    for row in range(start, stop):
        at, plane = row * columns, row // rows
        place = row - plane * rows
        for column in range(columns):
            y[at + column] = x[at + column]
        if place < size:
            y[at + place] = values[plane * size + place]
