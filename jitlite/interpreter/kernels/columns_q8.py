"""Short rows of bytes, BYTES of them side by side: a column holds one element of each.

`planes` are tables of 256 bytes: the three low bytes of weights, then the four bytes of other int32, both by how far an element lies below
its row's largest.
"""

from jitlite.interpreter.kernels.abi import i32p, i64, inline, u8p
from jitlite.interpreter.kernels.blocks import transpose
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.narrow import (
    BYTES,
    Bytes,
    Words,
    add_words,
    byte_difference,
    first_bytes,
    first_half,
    flipped,
    larger,
    last_bytes,
    load_bytes,
    look_up,
    saturated,
    second_half,
    splat_byte,
    splat_word,
    store_bytes,
    table_at,
    words_or,
    words_shifted_left,
)
from jitlite.interpreter.kernels.requantize import narrow, wide
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import LANES, Vector, load, minimum, scale_down, select, splat, store

LONGEST = 128
"""Rows have fewer elements: so many bytes add up to 16 bits with a sign."""
COLUMNS = LONGEST * BYTES
FEWEST = BYTES // 2
"""Rows that are worth the work on BYTES of them."""
_ENTRIES, _WEIGHT_PLANES = 256, 3
_LOG_BITS = 22

_transpose = transpose(1)

Quarters = tuple[Vector, Vector, Vector, Vector]
"""Int32 of LANES rows after the other."""


@inline
def load_columns(x: u8p, first: i64, count: i64, depth: i64, flip: i64, columns: u8p) -> None:
    """Notes how far each element of `count` rows lies below the largest of its row."""
    _transpose(x, columns, first * depth, 0, depth, count, depth, BYTES)
    flips = splat_byte(wide(flip))
    best = flipped(load_bytes(columns, 0), flips)
    for i in range(1, depth):
        best = larger(best, flipped(load_bytes(columns, i * BYTES), flips))
    for i in range(depth):
        store_bytes(columns, i * BYTES, byte_difference(best, flipped(load_bytes(columns, i * BYTES), flips)))


@inline
def store_columns(columns: u8p, y: u8p, first: i64, count: i64, depth: i64) -> None:
    """Writes the columns as `count` rows."""
    _transpose(columns, y, 0, first * depth, count, depth, BYTES, depth)


@forced
def _sum_of_columns(columns: u8p, depth: i64, memory: u8p) -> tuple[Words, Words]:
    """The sums of a plane's entries of each row."""
    table, low, high = table_at(memory), splat_word(wide(0)), splat_word(wide(0))
    for i in range(depth):
        entries = look_up(table, load_bytes(columns, i * BYTES))
        low, high = add_words(low, first_bytes(entries)), add_words(high, last_bytes(entries))
    return low, high


@forced
def _joined(low: Vector, middle: Vector, high: Vector) -> Vector:
    return low + (middle << splat(narrow(8))) + (high << splat(narrow(16)))


@inline
def sum_columns(columns: u8p, depth: i64, planes: u8p, totals: i32p) -> None:
    """The sum of weights of each row."""
    low0, low1 = _sum_of_columns(columns, depth, planes)
    middle0, middle1 = _sum_of_columns(columns, depth, advance(planes, _ENTRIES))
    high0, high1 = _sum_of_columns(columns, depth, advance(planes, 2 * _ENTRIES))
    store(totals, 0, _joined(first_half(low0), first_half(middle0), first_half(high0)))
    store(totals, LANES, _joined(second_half(low0), second_half(middle0), second_half(high0)))
    store(totals, 2 * LANES, _joined(first_half(low1), first_half(middle1), first_half(high1)))
    store(totals, 3 * LANES, _joined(second_half(low1), second_half(middle1), second_half(high1)))


@forced
def _from_words(low: Vector, high: Vector) -> Vector:
    return (high << splat(narrow(16))) | (low & splat(narrow(0xFFFF)))


@forced
def _entries_of(planes: u8p, places: Bytes) -> Quarters:
    """The int32 of 64 places."""
    others, eight = advance(planes, _WEIGHT_PLANES * _ENTRIES), splat_word(wide(8))
    b0, b1 = look_up(table_at(others), places), look_up(table_at(advance(others, _ENTRIES)), places)
    b2, b3 = look_up(table_at(advance(others, 2 * _ENTRIES)), places), look_up(table_at(advance(others, 3 * _ENTRIES)), places)
    low0 = words_or(first_bytes(b0), words_shifted_left(first_bytes(b1), eight))
    low1 = words_or(last_bytes(b0), words_shifted_left(last_bytes(b1), eight))
    high0 = words_or(first_bytes(b2), words_shifted_left(first_bytes(b3), eight))
    high1 = words_or(last_bytes(b2), words_shifted_left(last_bytes(b3), eight))
    return (
        _from_words(first_half(low0), first_half(high0)),
        _from_words(second_half(low0), second_half(high0)),
        _from_words(first_half(low1), first_half(high1)),
        _from_words(second_half(low1), second_half(high1)),
    )


@inline
def share_columns(columns: u8p, depth: i64, planes: u8p, inverses: i32p, shifts: i32p, flip: i64) -> None:
    """Replaces the columns by exponentials times each row's `inverses`, shifted by `shifts`."""
    flips, zero = splat_byte(wide(flip)), splat_word(wide(0))
    for i in range(depth):
        e0, e1, e2, e3 = _entries_of(planes, load_bytes(columns, i * BYTES))
        e0 = scale_down(e0, load(inverses, 0), load(shifts, 0))
        e1 = scale_down(e1, load(inverses, LANES), load(shifts, LANES))
        e2 = scale_down(e2, load(inverses, 2 * LANES), load(shifts, 2 * LANES))
        e3 = scale_down(e3, load(inverses, 3 * LANES), load(shifts, 3 * LANES))
        store_bytes(columns, i * BYTES, flipped(saturated(columns, e0, e1, e2, e3, zero), flips))


@forced
def _log_share(scaled: Vector, log_sum: Vector, difference: Vector, bound: Vector) -> Vector:
    """255 less log_sum - scaled in units of 2^22, halves up; 0 from the bound on."""
    # Beyond 2^30 results are below 0 anyway, and the sum with half a unit stays within int32.
    distance = minimum(log_sum - scaled, splat(narrow(1 << 30)))
    steps = (distance + splat(narrow(1 << (_LOG_BITS - 1)))) >> splat(narrow(_LOG_BITS))
    return select(difference < bound, splat(narrow(255)) - steps, splat(narrow(0)))


@inline
def log_share_columns(columns: u8p, depth: i64, planes: u8p, log_sums: i32p, bounds: i32p, flip: i64) -> None:
    """Replaces the columns by the logarithms of shares, on the reference's grid."""
    flips, zero = splat_byte(wide(flip)), splat_word(wide(0))
    for i in range(depth):
        places = load_bytes(columns, i * BYTES)
        s0, s1, s2, s3 = _entries_of(planes, places)
        d0, d1 = first_bytes(places), last_bytes(places)
        s0 = _log_share(s0, load(log_sums, 0), first_half(d0), load(bounds, 0))
        s1 = _log_share(s1, load(log_sums, LANES), second_half(d0), load(bounds, LANES))
        s2 = _log_share(s2, load(log_sums, 2 * LANES), first_half(d1), load(bounds, 2 * LANES))
        s3 = _log_share(s3, load(log_sums, 3 * LANES), second_half(d1), load(bounds, 3 * LANES))
        store_bytes(columns, i * BYTES, flipped(saturated(columns, s0, s1, s2, s3, zero), flips))
