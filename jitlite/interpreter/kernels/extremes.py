"""First positions of extremes along one axis of a tensor seen as (outer, size, inner); `columns` = outer · inner.

Kernels for bytes give the greatest of all patterns x ^ flip: 0 and 255 for the greatest and the least uint8, 128 and 127 for int8. The
others give the greatest number where `sign` is 1, the least where it is -1; NaN counts less than any number.
"""

from collections.abc import Callable
from typing import Any

from jitlite.interpreter.kernels.abi import f32p, i8p, i32p, i64, inline, span, u8p
from jitlite.interpreter.kernels.blocks import stack_like
from jitlite.interpreter.kernels.elements import INDICES, ip, specialise, xp
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.narrow import (
    WORDS,
    Words,
    first_half,
    larger_unsigned_word,
    largest_word_across,
    load_words,
    splat_word,
    subtract_words,
    word_places,
    words_and,
    words_before,
    words_or,
    words_shifted_left,
    words_xor,
)
from jitlite.interpreter.kernels.requantize import narrow, wide
from jitlite.interpreter.kernels.tile import forced, single, stack_i32
from jitlite.interpreter.kernels.vectors import LANES, Vector, load, select, splat, store

_CHUNK = 256
"""Positions that a byte holds."""


@forced
def _keys(x: u8p, at: i64, place: i64, flips: Words) -> Words:
    """For 32 bytes the patterns to compare and, in the low byte, the greater the earlier a byte stands; the first stands at `place`."""
    patterns = words_shifted_left(words_xor(load_words(x, at), flips), splat_word(wide(8)))
    return words_or(patterns, subtract_words(splat_word(wide(_CHUNK - 1 - place)), word_places()))


@inline
def _best_of_chunk(x: u8p, at: i64, size: i64, flips: Words) -> Any:
    """The greatest key of 32 … 256 neighbours."""
    found = _keys(x, at + size - WORDS, size - WORDS, flips)
    for place in range(0, size - WORDS, WORDS):
        found = larger_unsigned_word(found, _keys(x, at + place, place, flips))
    return wide(largest_word_across(found)) & 0xFFFF


@inline
def _best_of_row(x: u8p, at: i64, size: i64, flips: Words) -> Any:
    """The position of the greatest pattern of 32 or more neighbours."""
    best, place = _best_of_chunk(x, at, min(size, _CHUNK), flips), wide(0)
    for first in range(_CHUNK, size, _CHUNK):
        # A short last chunk starts earlier, where nothing that was found before wins.
        start = min(first, max(size - WORDS, 0))
        key = _best_of_chunk(x, at + start, min(size - start, _CHUNK), flips)
        if key >> 8 > best >> 8:
            best, place = key, start
    return place + (_CHUNK - 1) - (best & 255)


def _first_extreme_of_rows(x: u8p, y: ip, rows: i64, size: i64, flip: i64, thread: i64, threads: i64) -> None:
    """The positions along rows of bytes."""
    start, stop = span(rows, thread, threads)
    flips, is_present = splat_word(wide(flip)), words_before(wide(size))
    total, part = rows * size, stack_like(x, 64)
    for row in range(start, stop):
        at = row * size
        if size >= WORDS:
            y[row] = _best_of_row(x, at, size, flips)
            continue
        source = advance(x, at)
        if at + WORDS > total:
            for i in range(size):
                part[i] = x[at + i]
            source = part
        keys = words_and(_keys(source, 0, 0, flips), is_present)
        y[row] = (_CHUNK - 1) - (wide(largest_word_across(keys)) & 255)


@forced
def _signed_integer(value: Vector, sign: i64) -> Vector:
    """Numbers that ascend where the value does, or descends if `sign` is -1."""
    return value ^ splat(narrow((sign - 1) >> 1))


@forced
def _signed_real(value: Vector, sign: i64) -> Vector:
    return value * splat(single(sign))


@forced
def _beats_integer(value: Vector, best: Vector) -> Any:
    return value > best


@forced
def _beats_real(value: Vector, best: Vector) -> Any:
    return (value > best) | ((best != best) & (value == value))


@inline
def _is_better(value: Any, best: Any, sign: i64) -> Any:
    return (value > best if sign > 0 else value < best) or (best != best and value == value)


@inline
def _of_column(x: xp, base: i64, size: i64, inner: i64, sign: i64) -> Any:
    best, place = x[base], 0
    for k in range(1, size):
        value = x[base + k * inner]
        if _is_better(value, best, sign):
            best, place = value, k
    return place


def _make(suffix: str, pointer: Any, signed: Callable[..., Any], beats: Callable[..., Any]) -> None:
    @forced
    def columns_from(x: xp, y: ip, at: i64, base: i64, size: i64, inner: i64, sign: i64, places: i32p) -> None:
        """The positions in LANES neighbouring columns."""
        best, place = signed(load(x, base), sign), splat(narrow(0))
        for k in range(1, size):
            value = signed(load(x, base + k * inner), sign)
            wins = beats(value, best)
            best, place = select(wins, value, best), select(wins, splat(narrow(k)), place)
        store(places, 0, place)
        for i in range(LANES):
            y[at + i] = places[i]

    @inline
    def of_row(x: xp, base: i64, size: i64, sign: i64, places: i32p) -> Any:
        """The position in a row of LANES elements and more: LANES candidates, of which the first of the best is the answer."""
        numbers = first_half(word_places())
        best, place = signed(load(x, base), sign), numbers
        for k in range(LANES, size, LANES):
            first = min(k, size - LANES)
            value = signed(load(x, base + first), sign)
            wins = beats(value, best)
            best, place = select(wins, value, best), select(wins, splat(narrow(first)) + numbers, place)
        store(places, 0, place)
        found = wide(places[0])
        for i in range(1, LANES):
            other = wide(places[i])
            value, reached = x[base + other], x[base + found]
            if _is_better(value, reached, sign) or (other < found and not _is_better(reached, value, sign)):
                found = other
        return found

    def first_extreme(x: xp, y: ip, columns: i64, size: i64, inner: i64, sign: i64, thread: i64, threads: i64) -> None:
        places = stack_i32(16)
        at, stop = span(columns, thread, threads)
        while at < stop:
            outer = at // inner
            column = at - outer * inner
            width, base = min(inner - column, stop - at), outer * size * inner + column
            if width >= LANES:
                for i in range(0, width, LANES):
                    first = min(i, width - LANES)
                    columns_from(x, y, at + first, base + first, size, inner, sign, places)
            elif inner == 1 and size >= LANES:
                y[at] = of_row(x, base, size, sign, places)
            else:
                for i in range(width):
                    y[at + i] = _of_column(x, base + i, size, inner, sign)
            at += width

    for index_suffix, index in INDICES.items():
        specialise(first_extreme, f"extreme_position_{suffix}_{index_suffix}", {xp: pointer, ip: index})


for _index_suffix, _index in INDICES.items():
    specialise(_first_extreme_of_rows, f"extreme_position_of_rows_8_{_index_suffix}", {ip: _index})
_make("f32", f32p, _signed_real, _beats_real)
_make("i32", i32p, _signed_integer, _beats_integer)
_make("u8", u8p, _signed_integer, _beats_integer)
_make("i8", i8p, _signed_integer, _beats_integer)
