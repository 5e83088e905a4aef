"""The normalisations along the last dimension on bytes, in the reference's fixed point.

`flip` is what makes patterns of bytes ascend: 128 for int8, 0 for uint8. Tables depend on how far an element lies below its row's largest,
0 … 255. Rows are handled ROWS at a time, so that the arithmetic each of them needs once is done for many of them at once.
"""

from typing import Any

from jitlite.interpreter.kernels.abi import i8p, i16p, i32p, i64, i64p, inline, kernel, span, u8p
from jitlite.interpreter.kernels.blocks import stack_like
from jitlite.interpreter.kernels.columns_q8 import (
    COLUMNS,
    FEWEST,
    LONGEST,
    load_columns,
    log_share_columns,
    share_columns,
    store_columns,
    sum_columns,
)
from jitlite.interpreter.kernels.elements import specialise, xp
from jitlite.interpreter.kernels.fixed_point import inverse_square_root, logarithm, product, reciprocal, rounding_divide
from jitlite.interpreter.kernels.intrinsics import advance, fill_elements
from jitlite.interpreter.kernels.narrow import (
    BYTES,
    byte_difference,
    dot2,
    first_bytes,
    flipped,
    larger,
    largest_byte_across,
    last_bytes,
    load_bytes,
    load_words,
    look_up,
    splat_byte,
    splat_word,
    store_bytes,
    subtract_words,
    table_at,
)
from jitlite.interpreter.kernels.requantize import multiply_by_quantized_multiplier, narrow, requantize, wide
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import LANES, Vector, clamp, load, minimum, scale_down, splat, store, sum_across

_ROWS = LANES
_ENTRIES = 256
_LONG_ROW, _TABLED_ROW = 64, 32
"""Elements from which on rows are read as vectors, and from which on their results are worth a table."""
_UNIT = 1 << 19
"""One in Q12.19."""
_SUM_BITS = 12
_LOG_BITS = 22
_LARGEST_SUM = (1 << 31) - 1


@inline
def _largest(x: u8p, start: i64, depth: i64, flip: i64) -> Any:
    if depth < _LONG_ROW:
        value = x[start] ^ flip
        for i in range(start + 1, start + depth):
            value = max(value, x[i] ^ flip)
        return value
    last, flips = start + depth - BYTES, splat_byte(wide(flip))
    found = flipped(load_bytes(x, last), flips)
    for at in range(start, last, BYTES):
        found = larger(found, flipped(load_bytes(x, at), flips))
    return wide(largest_byte_across(found))


@forced
def _sum_of_entries(total: Vector, memory: u8p, places: Any) -> Vector:
    """The total plus the entries of bytes in a table."""
    entries, ones = look_up(table_at(memory), places), splat_word(wide(1))
    return dot2(dot2(total, first_bytes(entries), ones), last_bytes(entries), ones)


@inline
def _sum_of_weights(x: u8p, start: i64, depth: i64, largest: i64, flip: i64, weights: i32p, planes: u8p) -> Any:
    """`planes` begin with three tables of the weights' bytes, the lowest first."""
    if depth < _LONG_ROW:
        total = wide(0)
        for i in range(start, start + depth):
            total += weights[largest - (x[i] ^ flip)]
        return min(total, wide(_LARGEST_SUM))
    tops, flips = splat_byte(wide(largest)), splat_byte(wide(flip))
    s0, s1, s2 = splat(narrow(0)), splat(narrow(0)), splat(narrow(0))
    at, stop = start, start + depth
    rest = stack_like(x, 64)
    while at < stop:
        row = advance(x, at)
        if at + BYTES > stop:
            for i in range(BYTES):
                rest[i] = largest ^ flip
            for i in range(stop - at):
                rest[i] = x[at + i]
            row = rest
        places = byte_difference(tops, flipped(load_bytes(row, 0), flips))
        s0 = _sum_of_entries(s0, planes, places)
        s1 = _sum_of_entries(s1, advance(planes, _ENTRIES), places)
        s2 = _sum_of_entries(s2, advance(planes, 2 * _ENTRIES), places)
        at += BYTES
    total = wide(sum_across(s0)) + (wide(sum_across(s1)) << 8) + (wide(sum_across(s2)) << 16) - (at - stop) * _UNIT
    return min(total, wide(_LARGEST_SUM))


@inline
def _measure_rows(x: u8p, first: i64, count: i64, depth: i64, flip: i64, weights: i32p, planes: u8p, largest: i32p, totals: i32p) -> None:
    """The largest element and the sum of weights of `count` rows; sums behind them are 1."""
    for r in range(count):
        start = (first + r) * depth
        largest[r] = _largest(x, start, depth, flip)
        totals[r] = _sum_of_weights(x, start, depth, largest[r], flip, weights, planes)
    for r in range(count, _ROWS):
        totals[r] = _UNIT


@inline
def _look_row_up(x: u8p, y: u8p, start: i64, depth: i64, largest: i64, flip: i64, results: u8p) -> None:
    if depth < _LONG_ROW:
        for i in range(start, start + depth):
            y[i] = results[largest - (x[i] ^ flip)]
        return
    table, tops, flips = table_at(results), splat_byte(wide(largest)), splat_byte(wide(flip))
    last = start + depth - BYTES
    rest = look_up(table, byte_difference(tops, flipped(load_bytes(x, last), flips)))
    for at in range(start, last, BYTES):
        store_bytes(y, at, look_up(table, byte_difference(tops, flipped(load_bytes(x, at), flips))))
    store_bytes(y, last, rest)


@inline
def _reciprocals(totals: i32p, inverses: i32p, exponents: i32p) -> None:
    for r in range(_ROWS):
        inverse, exponent = reciprocal(totals[r], _SUM_BITS)
        inverses[r], exponents[r] = narrow(inverse), narrow(exponent)


@inline
def _share(inverse: i64, exponential: i64, exponent: i64) -> Any:
    """The exponential's part of a sum, in units of 2^(31 - exponent); it is not negative."""
    return (product(inverse, exponential) + (wide(1) << (exponent - 1))) >> exponent


@inline
def _fill_shares(results: u8p, reach: i64, exponentials: i32p, inverse: i64, exponent: i64, flip: i64) -> None:
    """The first `reach` entries of a row's table."""
    # Beyond 31 bits all shares are 0.
    mantissa = splat(narrow(inverse if exponent < 32 else 0))
    shift, most, flips = splat(narrow(-min(exponent, 31))), splat(narrow(255)), splat(narrow(flip))
    for at in range(0, reach, LANES):
        store(results, at, minimum(scale_down(load(exponentials, at), mantissa, shift), most) ^ flips)


@inline
def _inverse(total: i64, bits: i64) -> Any:
    """(mantissa, shift): what `scale_down` needs to make shares of exponentials, with so many bits, of their sum."""
    inverse, exponent = reciprocal(total, _SUM_BITS)
    shift = exponent + 31 - bits
    # Beyond 31 bits all shares are 0.
    return narrow(inverse if shift < 32 else 0), narrow(-min(shift, 31))


@inline
def _softmax_columns(x: u8p, y: u8p, begin: i64, end: i64, depth: i64, flip: i64, planes: u8p, like: i32p) -> None:
    """`softmax_8` of rows shorter than LONGEST."""
    columns, totals = stack_like(x, COLUMNS), stack_like(like, 64)
    inverses, shifts = stack_like(like, 64), stack_like(like, 64)
    fill_elements(columns, 0, depth * BYTES)
    for first in range(begin, end, BYTES):
        count = min(end - first, BYTES)
        load_columns(x, first, count, depth, flip, columns)
        sum_columns(columns, depth, planes, totals)
        for r in range(BYTES):
            inverses[r], shifts[r] = _inverse(totals[r], 8)
        share_columns(columns, depth, planes, inverses, shifts, flip)
        store_columns(columns, y, first, count, depth)


@kernel
def softmax_8(
    x: u8p,
    y: u8p,
    rows: i64,
    depth: i64,
    flip: i64,
    exponentials: i32p,
    weights: i32p,
    planes: u8p,
    reach: i64,
    thread: i64,
    threads: i64,
) -> None:
    """`exponentials` in Q0.31, of which those from `reach` on round to 0, and `weights`, the same in Q12.19; too small ones are 0."""
    begin, end = span(rows, thread, threads)
    if depth < LONGEST and end - begin >= FEWEST:
        _softmax_columns(x, y, begin, end, depth, flip, planes, weights)
        return
    results = stack_like(x, 256)
    fill_elements(results, flip, _ENTRIES)
    largest, totals = stack_like(weights, 16), stack_like(weights, 16)
    inverses, exponents = stack_like(weights, 16), stack_like(weights, 16)
    for first in range(begin, end, _ROWS):
        count = min(end - first, _ROWS)
        _measure_rows(x, first, count, depth, flip, weights, planes, largest, totals)
        _reciprocals(totals, inverses, exponents)
        for r in range(count):
            start, top, inverse, exponent = (first + r) * depth, wide(largest[r]), wide(inverses[r]), wide(exponents[r]) + 23
            if depth >= _TABLED_ROW:
                _fill_shares(results, reach, exponentials, inverse, exponent, flip)
                _look_row_up(x, y, start, depth, top, flip, results)
            else:
                for i in range(start, start + depth):
                    y[i] = min(_share(inverse, exponentials[top - (x[i] ^ flip)], exponent), 255) ^ flip


@kernel
def softmax_8_16(
    x: u8p,
    y: i16p,
    rows: i64,
    depth: i64,
    flip: i64,
    exponentials: i32p,
    weights: i32p,
    planes: u8p,
    reach: i64,
    thread: i64,
    threads: i64,
) -> None:
    """The same with results of 16 bits; `reach` says nothing about them."""
    largest, totals = stack_like(weights, 16), stack_like(weights, 16)
    inverses, exponents = stack_like(weights, 16), stack_like(weights, 16)
    begin, end = span(rows, thread, threads)
    for first in range(begin, end, _ROWS):
        count = min(end - first, _ROWS)
        _measure_rows(x, first, count, depth, flip, weights, planes, largest, totals)
        _reciprocals(totals, inverses, exponents)
        for r in range(count):
            start, top, inverse, exponent = (first + r) * depth, wide(largest[r]), wide(inverses[r]), wide(exponents[r]) + 15
            for i in range(start, start + depth):
                y[i] = min(_share(inverse, exponentials[top - (x[i] ^ flip)], exponent), 65535) - 32768


@inline
def _log_share(scaled: i64, log_sum: i64) -> Any:
    return min(max(rounding_divide(scaled - log_sum, _LOG_BITS) + 255, 0), 255)


@inline
def _bound(log_sum: i64, settings: i64p) -> Any:
    """Differences from here on give the least result."""
    reach = multiply_by_quantized_multiplier(narrow(log_sum - (1 << 31)), narrow(settings[1]), narrow(settings[2]))
    return -max(settings[0] - 1, wide(reach))


@inline
def _log_softmax_columns(x: u8p, y: u8p, begin: i64, end: i64, depth: i64, flip: i64, planes: u8p, settings: i64p, like: i32p) -> None:
    """`log_softmax_8` of rows shorter than LONGEST."""
    columns, totals = stack_like(x, COLUMNS), stack_like(like, 64)
    logs, bounds = stack_like(like, 64), stack_like(like, 64)
    fill_elements(columns, 0, depth * BYTES)
    for first in range(begin, end, BYTES):
        count = min(end - first, BYTES)
        load_columns(x, first, count, depth, flip, columns)
        sum_columns(columns, depth, planes, totals)
        for r in range(BYTES):
            log_sum = logarithm(totals[r])
            logs[r], bounds[r] = log_sum, _bound(log_sum, settings)
        log_share_columns(columns, depth, planes, logs, bounds, flip)
        store_columns(columns, y, first, count, depth)


@kernel
def log_softmax_8(
    x: u8p,
    y: u8p,
    rows: i64,
    depth: i64,
    flip: i64,
    scaled: i32p,
    weights: i32p,
    planes: u8p,
    settings: i64p,
    thread: i64,
    threads: i64,
) -> None:
    """`scaled` are the differences in Q5.26, `weights` their exponentials in Q12.19; settings [least difference, multiplier back]."""
    begin, end = span(rows, thread, threads)
    if depth < LONGEST and end - begin >= FEWEST:
        _log_softmax_columns(x, y, begin, end, depth, flip, planes, settings, weights)
        return
    results = stack_like(x, 256)
    largest, totals, logs = stack_like(weights, 16), stack_like(weights, 16), stack_like(weights, 16)
    for first in range(begin, end, _ROWS):
        count = min(end - first, _ROWS)
        _measure_rows(x, first, count, depth, flip, weights, planes, largest, totals)
        for r in range(_ROWS):
            logs[r] = logarithm(totals[r])
        for r in range(count):
            start, top, log_sum = (first + r) * depth, wide(largest[r]), wide(logs[r])
            bound = _bound(log_sum, settings)
            if depth >= _TABLED_ROW:
                for i in range(_ENTRIES):
                    results[i] = (_log_share(scaled[i], log_sum) if i < bound else 0) ^ flip
                _look_row_up(x, y, start, depth, top, flip, results)
            else:
                for i in range(start, start + depth):
                    difference = top - (x[i] ^ flip)
                    y[i] = (_log_share(scaled[difference], log_sum) if difference < bound else 0) ^ flip


@inline
def _sum_of_squares(x: Any, start: i64, depth: i64, zero_point: i64) -> Any:
    total, squares, at, stop = wide(0), splat(narrow(0)), start, start + depth
    while at + 32 <= stop:
        values = subtract_words(load_words(x, at), splat_word(zero_point))
        squares = dot2(squares, values, values)
        at += 32
    for i in range(at, stop):
        total += (x[i] - zero_point) * (x[i] - zero_point)
    return min(total + wide(sum_across(squares)), wide(_LARGEST_SUM))


@inline
def _scale_row(x: Any, y: Any, start: i64, depth: i64, zero_point: i64, unit: i64, multiplier: Any, limits: Any) -> None:
    (mantissa, shift), (y_zero_point, low, high) = multiplier, limits
    stop = start + depth
    for at in range(start, stop - LANES + 1, LANES):
        values = (load(x, at) - splat(narrow(zero_point))) * splat(narrow(unit))
        scaled = scale_down(values, splat(narrow(mantissa)), splat(narrow(shift))) + splat(narrow(y_zero_point))
        store(y, at, clamp(scaled, splat(narrow(low)), splat(narrow(high))))
    for i in range(start + depth // LANES * LANES, stop):
        y[i] = requantize(narrow((x[i] - zero_point) * unit), mantissa, shift, y_zero_point, low, high)


def _make_l2_normalization(name: str, pointer: Any) -> None:
    def normalize(x: xp, y: xp, rows: i64, depth: i64, zero_point: i64, settings: i64p, thread: i64, threads: i64) -> None:
        """Settings [factor of elements, bits taken from the shift, zero point, low, high]."""
        limits = settings[2], settings[3], settings[4]
        sums, mantissas, shifts = stack_like(settings, 16), stack_like(settings, 16), stack_like(settings, 16)
        begin, end = span(rows, thread, threads)
        for first in range(begin, end, _ROWS):
            count = min(end - first, _ROWS)
            for r in range(_ROWS):
                sums[r] = _sum_of_squares(x, (first + r) * depth, depth, zero_point) if r < count else 0
            for r in range(_ROWS):
                mantissas[r], shifts[r] = inverse_square_root(sums[r])
            for r in range(count):
                multiplier = mantissas[r], shifts[r] + settings[1]
                _scale_row(x, y, (first + r) * depth, depth, zero_point, settings[0], multiplier, limits)

    specialise(normalize, name, {xp: pointer})


_make_l2_normalization("l2_normalization_qs8", i8p)
_make_l2_normalization("l2_normalization_qu8", u8p)
