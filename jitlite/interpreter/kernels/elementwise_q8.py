"""Element-by-element arithmetic on int8 with scales, with the reference's roundings; `elementwise_qu8` has the same for uint8.

Settings are int64 blocks. A *rounding* in them is two int32 words: bits of the scale and the offset of a certified line (kernels named
`…_by_line`), or a multiplier's mantissa and shift.
"""

from collections.abc import Callable
from typing import Any

from jitlite.interpreter.kernels.abi import i8p, i64, i64p, kernel, span
from jitlite.interpreter.kernels.broadcast import parts
from jitlite.interpreter.kernels.fixed_point import inverse_square_root
from jitlite.interpreter.kernels.intrinsics import advance, as_bytes
from jitlite.interpreter.kernels.narrow import (
    BYTES,
    WORDS,
    Words,
    add_words,
    dot2,
    first_bytes,
    high_pairs,
    high_products,
    integers_of,
    larger_word,
    last_bytes,
    load_bytes,
    load_words,
    look_up,
    low_pairs,
    low_products,
    pack,
    smaller_word,
    splat_word,
    store_words,
    subtract_words,
    table_at,
    words_of,
)
from jitlite.interpreter.kernels.requantize import multiply_by_quantized_multiplier, narrow, requantize, wide
from jitlite.interpreter.kernels.rounding import round_exactly, round_line
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vector_rows import vector_part
from jitlite.interpreter.kernels.vectors import LANES, Vector, clamp, floats_of, load, scale_down, select, splat, store

_UNIT_BITS = 20
_LOW_BITS = 15


@forced
def rounded_by_line(values: Vector, scale: Vector, offset: Vector) -> Vector:
    return round_line(values, floats_of(scale), floats_of(offset))


@forced
def rounded_exactly(values: Vector, mantissa: Vector, shift: Vector) -> Vector:
    return round_exactly(values, mantissa, shift)


ROUNDINGS: dict[str, Callable[..., Any]] = {"by_line": rounded_by_line, "exactly": rounded_exactly}
"""Functions that round by the two words of a rounding, by what the names of kernels that use them end in."""


@forced
def _pair_settings(settings: i64p) -> Any:
    """Settings [constant, low factors, high factors, shift, zero point, low, high]; both factors as words of one int32, a's first."""
    low_factors, high_factors = words_of(splat(narrow(settings[1]))), words_of(splat(narrow(settings[2])))
    limits = splat_word(settings[4]), splat_word(settings[5]), splat_word(settings[6])
    return splat(narrow(settings[0])), low_factors, high_factors, splat(narrow(settings[3])), limits


@forced
def _sum_of_words(a: Words, b: Words, first: Vector, second: Vector, settings: Any) -> Words:
    """The sum a · A + b · B + C, divided by 2^(15 + shift) and rounded down, plus the zero point; `first` and `second` hold C.

    A and B have more than 16 bits, so their low 15 bits are multiplied first; what the first shift cuts off cannot carry.
    """
    _, low_factors, high_factors, shift, (zero_point, low, high) = settings
    bits, firsts, seconds = splat(narrow(_LOW_BITS)), low_pairs(a, b), high_pairs(a, b)
    ones = dot2(dot2(first, firsts, low_factors) >> bits, firsts, high_factors) >> shift
    others = dot2(dot2(second, seconds, low_factors) >> bits, seconds, high_factors) >> shift
    return smaller_word(larger_word(add_words(pack(ones, others), zero_point), low), high)


@forced
def _pair_sum(a: Any, a_at: int, b: Any, b_at: int, settings: Any) -> Any:
    return _sum_of_words(load_words(a, a_at), load_words(b, b_at), settings[0], settings[0], settings)


@forced
def _corrected_settings(settings: i64p) -> Any:
    """Settings as above, then the unit of corrections, and behind them 256 bytes: how many units to add for each a."""
    return _pair_settings(settings), words_of(splat(narrow(settings[7]))), table_at(as_bytes(advance(settings, 8)))


@forced
def _corrected(start: Vector, units: Words, unit: Words) -> tuple[Vector, Vector]:
    nothing = splat_word(wide(0))
    return dot2(start, low_pairs(units, nothing), unit), dot2(start, high_pairs(units, nothing), unit)


@forced
def _corrected_sum(a: Any, a_at: int, b: Any, b_at: int, settings: Any) -> tuple[Words, Words]:
    pairs, unit, table = settings
    units = look_up(table, load_bytes(a, a_at))
    first, second = _corrected(pairs[0], first_bytes(units), unit)
    ones = _sum_of_words(load_words(a, a_at), load_words(b, b_at), first, second, pairs)
    first, second = _corrected(pairs[0], last_bytes(units), unit)
    return ones, _sum_of_words(load_words(a, a_at + WORDS), load_words(b, b_at + WORDS), first, second, pairs)


@forced
def _store_two(y: Any, at: int, words: tuple[Words, Words]) -> None:
    store_words(y, at, words[0])
    store_words(y, at + WORDS, words[1])


@forced
def _sum_settings(settings: i64p) -> Any:
    """Settings [zero point, multiplier of a, the same of b, left shift, sign of b, rounding, zero point, low, high]."""
    a_side = splat(narrow(settings[0])), splat(narrow(settings[1])), splat(narrow(settings[2]))
    b_side = splat(narrow(settings[3])), splat(narrow(settings[4])), splat(narrow(settings[5]))
    output = splat(narrow(settings[10])), splat(narrow(settings[11])), splat(narrow(settings[12]))
    rounding = splat(narrow(settings[8])), splat(narrow(settings[9]))
    return a_side, b_side, splat(narrow(settings[6])), splat(narrow(settings[7])), rounding, output


@forced
def _scaled(x: Any, at: int, side: Any, left_shift: Vector) -> Vector:
    zero_point, mantissa, shift = side
    return scale_down((load(x, at) - zero_point) << left_shift, mantissa, shift)


@forced
def _exact_sum(a: Any, a_at: int, b: Any, b_at: int, settings: Any) -> Vector:
    a_side, b_side, left_shift, sign, (mantissa, shift), (zero_point, low, high) = settings
    total = _scaled(a, a_at, a_side, left_shift) + sign * _scaled(b, b_at, b_side, left_shift)
    return clamp(scale_down(total, mantissa, shift) + zero_point, low, high)


def _squared_difference(rounded: Callable[..., Any]) -> Callable[..., Any]:
    @forced
    def compute(a: Any, a_at: int, b: Any, b_at: int, settings: Any) -> Vector:
        a_side, b_side, left_shift, _, (first, second), (zero_point, low, high) = settings
        difference = _scaled(a, a_at, a_side, left_shift) - _scaled(b, b_at, b_side, left_shift)
        return clamp(rounded(difference * difference, first, second) + zero_point, low, high)

    return compute


@forced
def _product_settings(settings: i64p) -> Any:
    """Settings [a and b zero point, rounding, zero point, low, high]."""
    limits = splat_word(settings[4]), splat_word(settings[5]), splat_word(settings[6])
    return splat_word(settings[0]), splat_word(settings[1]), splat(narrow(settings[2])), splat(narrow(settings[3])), limits


def _product(rounded: Callable[..., Any]) -> Callable[..., Any]:
    @forced
    def compute(a: Any, a_at: int, b: Any, b_at: int, settings: Any) -> Any:
        a_zero_point, b_zero_point, first, second, (zero_point, low, high) = settings
        x, z = subtract_words(load_words(a, a_at), a_zero_point), subtract_words(load_words(b, b_at), b_zero_point)
        lows, highs = low_products(x, z), high_products(x, z)
        ones = rounded(integers_of(low_pairs(lows, highs)), first, second)
        others = rounded(integers_of(high_pairs(lows, highs)), first, second)
        return smaller_word(larger_word(add_words(pack(ones, others), zero_point), low), high)

    return compute


@forced
def _prelu_settings(settings: i64p) -> Any:
    """Settings [x and alpha zero point, rounding of x ≥ 0, rounding of x · alpha, zero point, low, high]."""
    zero_points = splat(narrow(settings[0])), splat(narrow(settings[1]))
    rising, falling = (splat(narrow(settings[2])), splat(narrow(settings[3]))), (splat(narrow(settings[4])), splat(narrow(settings[5])))
    return zero_points, rising, falling, (splat(narrow(settings[6])), splat(narrow(settings[7])), splat(narrow(settings[8])))


def _prelu(rounded: Callable[..., Any]) -> Callable[..., Any]:
    @forced
    def compute(a: Any, a_at: int, b: Any, b_at: int, settings: Any) -> Vector:
        (x_zero_point, alpha_zero_point), rising, falling, (zero_point, low, high) = settings
        x = load(a, a_at) - x_zero_point
        product = x * (load(b, b_at) - alpha_zero_point)
        is_rising = x >= splat(narrow(0))
        first, second = select(is_rising, rising[0], falling[0]), select(is_rising, rising[1], falling[1])
        return clamp(rounded(select(is_rising, x, product), first, second) + zero_point, low, high)

    return compute


def arithmetic(family: str, suffix: str, pointer: Any) -> None:
    """Registers the kernels of a family for pointers to int8 or to uint8."""
    pointers = (pointer, pointer, pointer, i64p)
    parts(family, f"sum_by_pairs_{suffix}", pointers, vector_part(WORDS, _pair_sum, store_words), _pair_settings)
    parts(family, f"sum_by_pairs_corrected_{suffix}", pointers, vector_part(BYTES, _corrected_sum, _store_two), _corrected_settings)
    parts(family, f"sum_exactly_{suffix}", pointers, vector_part(LANES, _exact_sum, store), _sum_settings)
    for name, rounded in ROUNDINGS.items():
        parts(family, f"product_{name}_{suffix}", pointers, vector_part(WORDS, _product(rounded), store_words), _product_settings)
        parts(family, f"prelu_{name}_{suffix}", pointers, vector_part(LANES, _prelu(rounded), store), _prelu_settings)


arithmetic(__name__, "qs8", i8p)
for _name, _rounded in ROUNDINGS.items():
    _row = vector_part(LANES, _squared_difference(_rounded), store)
    parts(__name__, f"squared_difference_{_name}_qs8", (i8p, i8p, i8p, i64p), _row, _sum_settings)


@kernel
def rsqrt_table(x: i8p, y: i8p, count: i64, settings: i64p, thread: i64, threads: i64) -> None:
    """Settings [zero point of x, mantissa, shift, zero point of y]; the zero point itself and what lies below give the largest result."""
    zero_point, mantissa, shift, y_zero_point = settings[0], settings[1], settings[2], settings[3]
    start, stop = span(count, thread, threads)
    for i in range(start, stop):
        value = x[i] - zero_point
        if value <= 0:
            y[i] = 127
            continue
        root, root_shift = inverse_square_root(value)
        unit = multiply_by_quantized_multiplier(1, root, root_shift + _UNIT_BITS)
        y[i] = requantize(unit, mantissa, shift - _UNIT_BITS, y_zero_point, -128, 127)
