"""Kernels that look results up in tables made when the operator is bound, for functions of one byte or of two."""

from typing import Any

from jitlite.interpreter.kernels.abi import Status, i8p, i16p, i32, i64, inline, kernel, span, u8p, u16p
from jitlite.interpreter.kernels.broadcast import binary, parts
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.narrow import BYTES, Table, at_most, both, flipped, load_bytes, look_up, splat_byte, store_bytes, table_at
from jitlite.interpreter.kernels.requantize import wide
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vector_rows import vector_part

_OK, _BAD_VALUE, _DIVISION_BY_ZERO = int(Status.OK), int(Status.BAD_VALUE), int(Status.DIVISION_BY_ZERO)


@forced
def _look_run_up(x: u8p, x_at: i64, y: u8p, y_at: i64, count: i64, entries: Table) -> None:
    last = count - BYTES
    if last < 0:
        for i in range(count):
            y[y_at + i] = entries.memory[x[x_at + i]]
        return
    rest = look_up(entries, load_bytes(x, x_at + last))
    for at in range(0, last, BYTES):
        store_bytes(y, y_at + at, look_up(entries, load_bytes(x, x_at + at)))
    store_bytes(y, y_at + last, rest)


@kernel
def lookup_8(x: u8p, y: u8p, table: u8p, count: i64, thread: i64, threads: i64) -> None:
    """Writes table[x]; the table has 256 entries, signed bytes index it by their bit pattern. y may be x."""
    start, stop = span(count, thread, threads)
    _look_run_up(x, start, y, start, stop - start, table_at(table))


@kernel
def lookup_runs_8(x: u8p, y: u8p, table: u8p, count: i64, run: i64, y_step: i64, y_start: i64, thread: i64, threads: i64) -> None:
    """The same for `count` elements of x in runs, each of which begins `y_step` behind the one before in y, the first at `y_start`."""
    at, stop = span(count, thread, threads)
    entries = table_at(table)
    while at < stop:
        row = at // run
        column = at - row * run
        length = min(run - column, stop - at)
        _look_run_up(x, at, y, y_start + row * y_step + column, length, entries)
        at += length


@kernel
def lookup_8_16(x: u8p, y: i16p, table: i16p, count: i64, thread: i64, threads: i64) -> None:
    start, stop = span(count, thread, threads)
    for i in range(start, stop):
        y[i] = table[x[i]]


@kernel
def lookup_16(x: u16p, y: i16p, table: i16p, count: i64, thread: i64, threads: i64) -> None:
    """Writes table[x]; the table has 65536 entries, which the bit patterns of 16-bit numbers index. y may be x."""
    start, stop = span(count, thread, threads)
    for i in range(start, stop):
        y[i] = table[x[i]]


@kernel
def require_at_least_i16(x: i16p, least: i64, count: i64, thread: i64, threads: i64) -> i32:
    start, stop = span(count, thread, threads)
    lowest = 32767
    for i in range(start, stop):
        lowest = min(lowest, x[i])
    return _BAD_VALUE if lowest < least else _OK


@kernel
def require_at_least_i8(x: i8p, least: i64, count: i64, thread: i64, threads: i64) -> i32:
    start, stop = span(count, thread, threads)
    lowest = 127
    for i in range(start, stop):
        lowest = min(lowest, x[i])
    return _BAD_VALUE if lowest < least else _OK


@kernel
def require_other_than(x: u8p, value: i64, count: i64, thread: i64, threads: i64) -> i32:
    """Fails as a division by zero does where a byte has the pattern `value`."""
    start, stop = span(count, thread, threads)
    found = 0
    for i in range(start, stop):
        found |= x[i] == value
    return _DIVISION_BY_ZERO if found else _OK


@forced
def _intervals(settings: u8p) -> Any:
    """Settings [flip, negate], and tables of the least and the greatest a behind 64 and 320 bytes."""
    return splat_byte(wide(settings[0])), splat_byte(wide(settings[1])), table_at(advance(settings, 64)), table_at(advance(settings, 320))


@forced
def _is_within(a: u8p, a_at: i64, b: u8p, b_at: i64, settings: Any) -> Any:
    flip, negate, least, greatest = settings
    value, place = flipped(load_bytes(a, a_at), flip), load_bytes(b, b_at)
    return flipped(both(at_most(look_up(least, place), value), at_most(value, look_up(greatest, place))), negate)


parts(__name__, "within_8", (u8p, u8p, u8p, u8p), vector_part(BYTES, _is_within, store_bytes), _intervals)
"""y = whether a, its bits flipped so that patterns are in order, lies within the interval of b; the other way round if `negate` is 1."""


@inline
def _table(settings: u8p) -> Any:
    return settings


@inline
def _pair(a: Any, b: Any, table: Any) -> Any:
    return table[(a << 8) | b]


binary(__name__, "lookup_pair_8", (u8p, u8p, u8p, u8p), _pair, _table)
"""y = settings[a · 256 + b]: bytes by their bit patterns."""
