"""Sums and means of 8- and 16-bit numbers. Parameters are those of `reduction`; `outputs` is the number of outputs."""

from collections.abc import Callable
from typing import Any

from jitlite.interpreter.kernels.abi import i8p, i16p, i32, i32p, i64, i64p, inline, span, u8p
from jitlite.interpreter.kernels.elements import specialise, xp
from jitlite.interpreter.kernels.narrow import WORDS, Words, add_words, dot2, first_half, load_words, second_half, splat_word
from jitlite.interpreter.kernels.reduction import in_order, loop_offset, reduction, row_by_row
from jitlite.interpreter.kernels.requantize import narrow, requantize, wide
from jitlite.interpreter.kernels.tile import forced, stack_i32
from jitlite.interpreter.kernels.vectors import LANES, Vector, clamp, load, scale_down, splat, store, sum_across

_ROUNDS = 128
"""Bytes of either sign whose sum fits 16 bits."""

_FOLDED = WORDS * WORDS


@inline
def _add(a: Any, b: Any) -> Any:
    return narrow(narrow(a) + narrow(b))


@forced
def _widened(total: Vector, words: Words) -> Vector:
    """The total plus pairs of words."""
    return dot2(total, words, splat_word(wide(1)))


@inline
def _sum_of_bytes(x: xp, at: i64, count: i64) -> Any:
    """The sum of `count` neighbours, in 16 bits as long as they fit."""
    total, place, stop = splat(narrow(0)), at, at + count
    while place + 4 * WORDS <= stop:
        s0, s1 = load_words(x, place), load_words(x, place + WORDS)
        s2, s3 = load_words(x, place + 2 * WORDS), load_words(x, place + 3 * WORDS)
        last = min(stop, place + 4 * _ROUNDS * WORDS) - 4 * WORDS
        place += 4 * WORDS
        while place <= last:
            s0, s1 = add_words(s0, load_words(x, place)), add_words(s1, load_words(x, place + WORDS))
            s2, s3 = add_words(s2, load_words(x, place + 2 * WORDS)), add_words(s3, load_words(x, place + 3 * WORDS))
            place += 4 * WORDS
        total = _widened(_widened(_widened(_widened(total, s0), s1), s2), s3)
    while place + WORDS <= stop:
        total = _widened(total, load_words(x, place))
        place += WORDS
    if place + LANES <= stop:
        total = total + load(x, place)
        place += LANES
    rest = narrow(0)
    for k in range(place, stop):
        rest = narrow(rest + narrow(x[k]))
    return narrow(rest + sum_across(total))


@forced
def _note(acc: i32p, at: i64, words: Words, is_first: bool) -> None:
    """Adds words to the sums from index `at` on, or starts them."""
    low, high = first_half(words), second_half(words)
    if not is_first:
        low, high = low + load(acc, at), high + load(acc, at + LANES)
    store(acc, at, low)
    store(acc, at + LANES, high)


@inline
def _sum_four(x: xp, acc: i32p, at: i64, first: i64, rounds: i64, stride: i64, is_first: bool) -> None:
    """Sums of 4 · WORDS neighbouring columns over rounds `stride` apart."""
    for begin in range(0, rounds, _ROUNDS):
        place = first + begin * stride
        s0, s1 = load_words(x, place), load_words(x, place + WORDS)
        s2, s3 = load_words(x, place + 2 * WORDS), load_words(x, place + 3 * WORDS)
        for _ in range(begin + 1, min(begin + _ROUNDS, rounds)):
            place += stride
            s0, s1 = add_words(s0, load_words(x, place)), add_words(s1, load_words(x, place + WORDS))
            s2, s3 = add_words(s2, load_words(x, place + 2 * WORDS)), add_words(s3, load_words(x, place + 3 * WORDS))
        starts = is_first and begin == 0
        _note(acc, at, s0, starts)
        _note(acc, at + WORDS, s1, starts)
        _note(acc, at + 2 * WORDS, s2, starts)
        _note(acc, at + 3 * WORDS, s3, starts)


@inline
def _sum_two(x: xp, acc: i32p, at: i64, first: i64, rounds: i64, stride: i64, is_first: bool) -> None:
    """Sums of 2 · WORDS neighbouring columns, two rounds side by side."""
    zero = splat_word(wide(0))
    for begin in range(0, rounds, 2 * _ROUNDS):
        place, left = first + begin * stride, min(rounds - begin, 2 * _ROUNDS)
        s0, s1, s2, s3 = zero, zero, zero, zero
        for _ in range(left // 2):
            s0, s1 = add_words(s0, load_words(x, place)), add_words(s1, load_words(x, place + WORDS))
            s2, s3 = add_words(s2, load_words(x, place + stride)), add_words(s3, load_words(x, place + stride + WORDS))
            place += 2 * stride
        _note(acc, at, s0, is_first and begin == 0)
        _note(acc, at + WORDS, s1, is_first and begin == 0)
        if left % 2 != 0:
            s2, s3 = add_words(s2, load_words(x, place)), add_words(s3, load_words(x, place + WORDS))
        _note(acc, at, s2, False)
        _note(acc, at + WORDS, s3, False)


@inline
def _sum_one(x: xp, acc: i32p, at: i64, first: i64, rounds: i64, stride: i64, is_first: bool) -> None:
    """Sums of WORDS neighbouring columns, four rounds side by side."""
    zero = splat_word(wide(0))
    for begin in range(0, rounds, 4 * _ROUNDS):
        place, left = first + begin * stride, min(rounds - begin, 4 * _ROUNDS)
        s0, s1, s2, s3 = zero, zero, zero, zero
        for _ in range(left // 4):
            s0, s1 = add_words(s0, load_words(x, place)), add_words(s1, load_words(x, place + stride))
            s2, s3 = add_words(s2, load_words(x, place + 2 * stride)), add_words(s3, load_words(x, place + 3 * stride))
            place += 4 * stride
        _note(acc, at, s0, is_first and begin == 0)
        _note(acc, at, s1, False)
        _note(acc, at, s2, False)
        _note(acc, at, s3, False)
        for k in range(left % 4):
            _note(acc, at, load_words(x, place + k * stride), False)


@inline
def _sum_half(x: xp, acc: i32p, at: i64, first: i64, rounds: i64, stride: i64, is_first: bool) -> None:
    """Sums of LANES neighbouring columns in 32 bits."""
    total, place = splat(narrow(0)) if is_first else load(acc, at), first
    for _ in range(rounds):
        total = total + load(x, place)
        place += stride
    store(acc, at, total)


@inline
def _add_columns(x: xp, acc: i32p, at: i64, first: i64, width: i64, rounds: i64, stride: i64, is_first: bool) -> None:
    """Sums of as many neighbouring columns as make whole WORDS."""
    lane = 0
    while lane + 4 * WORDS <= width:
        _sum_four(x, acc, at + lane, first + lane, rounds, stride, is_first)
        lane += 4 * WORDS
    if lane + 2 * WORDS <= width:
        _sum_two(x, acc, at + lane, first + lane, rounds, stride, is_first)
        lane += 2 * WORDS
    if lane + WORDS <= width:
        _sum_one(x, acc, at + lane, first + lane, rounds, stride, is_first)


@inline
def _fold_rounds(x: xp, acc: i32p, at: i64, first: i64, width: i64, rounds: i64) -> None:
    """Sums of fewer than WORDS columns over rounds that follow each other: some of them make whole vectors of WORDS together."""
    sums, some = stack_i32(_FOLDED), WORDS
    while some % 2 == 0 and some * width % (2 * WORDS) == 0:
        some //= 2
    row, whole = some * width, rounds // some
    if whole > 0:
        _add_columns(x, sums, 0, first, row, whole, row, True)
    for lane in range(width):
        total = narrow(0)
        for k in range(lane, row if whole > 0 else 0, width):
            total = narrow(total + sums[k])
        for k in range(first + whole * row + lane, first + rounds * width, width):
            total = narrow(total + narrow(x[k]))
        acc[at + lane] = total


def _columns(combine: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """`reduction.row_by_row` for sums of bytes, with neighbouring columns in 16 bits as long as they fit."""
    reduce_rest = row_by_row(combine)

    @inline
    def reduce_lanes(x: xp, acc: i32p, at: i64, width: i64, base: i64, reduced: i64p, depth: i64) -> None:
        count, edge = reduced[0], stack_i32(WORDS)
        rounds, stride = (reduced[count], reduced[2 * count]) if count > 0 else (1, 0)
        if width < WORDS and count == 1 and stride == width:
            _fold_rounds(x, acc, at, base, width, rounds)
            return
        if width < WORDS:
            if width >= LANES:
                for begin in range(0, depth, rounds):
                    first = base + loop_offset(reduced, begin) if count > 0 else base
                    _sum_half(x, acc, at, first, rounds, stride, begin == 0)
            lane = width // LANES * LANES
            reduce_rest(x, acc, at + lane, width - lane, base + lane, reduced, depth)
            return
        for begin in range(0, depth, rounds):
            first = base + loop_offset(reduced, begin) if count > 0 else base
            _add_columns(x, acc, at, first, width, rounds, stride, begin == 0)
            if width % WORDS != 0:
                _sum_one(x, edge, 0, first + width - WORDS, rounds, stride, begin == 0)
        for lane in range(width // WORDS * WORDS, width):
            acc[at + lane] = edge[lane - width + WORDS]

    return reduce_lanes


@inline
def _rescale(sums: i32p, y: xp, start: i64, stop: i64, offset: i64, multiplier: Any, zero_point: i32, low: i32, high: i32) -> None:
    mantissa, shift = multiplier
    for at in range(start, stop - LANES + 1, LANES):
        scaled = scale_down(load(sums, at) - splat(narrow(offset)), splat(mantissa), splat(shift))
        store(y, at, clamp(scaled + splat(zero_point), splat(low), splat(high)))
    for i in range(start + (stop - start) // LANES * LANES, stop):
        y[i] = requantize(narrow(sums[i] - offset), mantissa, shift, zero_point, low, high)


def _make_sum(name: str, pointer: Any, fold: Callable[..., Any], lanes_reducer: Callable[..., Any]) -> None:
    sum_up = reduction(_add, fold, lanes_reducer)

    def reduce_all(
        x: xp,
        sums: i32p,
        y: xp,
        kept: i64p,
        reduced: i64p,
        lanes: i64,
        run: i64,
        depth: i64,
        outputs: i64,
        offset: i64,
        mantissa: i32,
        shift: i32,
        zero_point: i32,
        low: i32,
        high: i32,
        thread: i64,
        threads: i64,
    ) -> None:
        """Sums less `offset`, rescaled; a mean's divisor is part of the multiplier."""
        start, stop = span(outputs, thread, threads)
        sum_up(x, sums, kept, reduced, lanes, run, depth, start, stop)
        _rescale(sums, y, start, stop, offset, (mantissa, shift), zero_point, low, high)

    specialise(reduce_all, name, {xp: pointer})


_make_sum("sum_qs8", i8p, _sum_of_bytes, _columns)
_make_sum("sum_qu8", u8p, _sum_of_bytes, _columns)
_make_sum("sum_qs16", i16p, in_order(_add), row_by_row)
