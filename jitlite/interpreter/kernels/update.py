"""Copies of a tensor in which another takes the place of a box."""

from jitlite.interpreter.kernels.abi import i64, i64p, span, u8p
from jitlite.interpreter.kernels.elements import INDICES, ip, specialise
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.runs import copy_bytes


def _update_slice(
    x: u8p, update: u8p, starts: ip, y: u8p, depth: i64, dims: i64p, parts: i64p, rows: i64, unit: i64, thread: i64, threads: i64
) -> None:
    """Y = x, but for the box of parts[d] places from starts[d] on in each of `depth` dimensions, which `update` fills.

    A place of the innermost dimension has `unit` bytes. Starts are moved so that the box lies inside.
    """
    start, stop = span(rows, thread, threads)
    inner = depth - 1
    row_bytes, part_bytes = dims[inner] * unit, parts[inner] * unit
    left_bytes = min(max(starts[inner], 0), dims[inner] - parts[inner]) * unit
    right = left_bytes + part_bytes
    for row in range(start, stop):
        rest, source, size, inside = row, 0, 1, True
        for back in range(inner):
            d = inner - 1 - back
            outer = rest // dims[d]
            place = rest - outer * dims[d] - min(max(starts[d], 0), dims[d] - parts[d])
            inside = inside and 0 <= place < parts[d]
            source += place * size
            size *= parts[d]
            rest = outer
        at = row * row_bytes
        if inside:
            copy_bytes(advance(x, at), advance(y, at), left_bytes)
            copy_bytes(advance(update, source * part_bytes), advance(y, at + left_bytes), part_bytes)
            copy_bytes(advance(x, at + right), advance(y, at + right), row_bytes - right)
        else:
            copy_bytes(advance(x, at), advance(y, at), row_bytes)


def _write_slice(
    update: u8p, starts: ip, y: u8p, depth: i64, dims: i64p, parts: i64p, rows: i64, unit: i64, thread: i64, threads: i64
) -> None:
    """The same where y is x already: `rows` of the update are put where they belong."""
    first, stop = span(rows, thread, threads)
    inner = depth - 1
    part_bytes = parts[inner] * unit
    left = min(max(starts[inner], 0), dims[inner] - parts[inner])
    for row in range(first, stop):
        rest, target, size = row, left, dims[inner]
        for back in range(inner):
            d = inner - 1 - back
            outer = rest // parts[d]
            target += (rest - outer * parts[d] + min(max(starts[d], 0), dims[d] - parts[d])) * size
            size *= dims[d]
            rest = outer
        copy_bytes(advance(update, row * part_bytes), advance(y, target * unit), part_bytes)


def _update_nibbles(
    x: u8p, update: u8p, starts: ip, y: u8p, rank: i64, dims: i64p, parts: i64p, n_bytes: i64, count: i64, thread: i64, threads: i64
) -> None:
    """The same for elements of 4 bits, the first in the low half of a byte; `update` has `count` of them, y `n_bytes` bytes."""
    if thread != 0:
        return
    copy_bytes(x, y, n_bytes)
    for source in range(count):
        rest, target, size = source, 0, 1
        for back in range(rank):
            d = rank - 1 - back
            outer = rest // parts[d]
            target += (rest - outer * parts[d] + min(max(starts[d], 0), dims[d] - parts[d])) * size
            size *= dims[d]
            rest = outer
        value = (update[source // 2] >> (source % 2 * 4)) & 15
        shift = target % 2 * 4
        y[target // 2] = (y[target // 2] & (240 >> shift)) | (value << shift)


for _suffix, _pointer in INDICES.items():
    specialise(_update_nibbles, f"update_nibbles_{_suffix}", {ip: _pointer})
    specialise(_update_slice, f"update_slice_{_suffix}", {ip: _pointer})
    specialise(_write_slice, f"write_slice_{_suffix}", {ip: _pointer})
