"""Element-by-element arithmetic on INT8 and UINT8 operands with scales: kernels, and tables where an operand is a single constant."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding import lookup
from jitlite.interpreter.binding.broadcast import walk
from jitlite.interpreter.binding.registry import Argument, Step, kernels
from jitlite.interpreter.binding.rounding import certify_quantized
from jitlite.interpreter.codegen.immediate import call_kernel
from jitlite.schemas.affine import multiply_by_quantized_multiplier, quantize_multiplier, quantized_activation_range
from jitlite.schemas.dtypes import INTEGER_RANGE
from jitlite.schemas.ops.spec import Call, Shape, TensorInfo
from jitlite.schemas.record import Record
from jitlite.schemas.tables import TensorType

SUFFIXES = {TensorType.INT8: "qs8", TensorType.UINT8: "qu8"}
"""The 8-bit types, by what the names of their kernels end in."""
_FAMILIES = {TensorType.INT8: kernels("elementwise_q8"), TensorType.UINT8: kernels("elementwise_qu8")}

_SHORT_ROW, _LONG_ROW = 64, 4096
"""Rows shorter than the first are joined to rows up to the second."""
_SUM_SHIFT, _DIFFERENCE_SHIFT = 20, 7
_LOW_BITS, _MOST_BITS = 15, 30
_LARGEST_WHOLE = 2**15 - 512
"""Constants up to this bring no sum that was saturated to 16 bits back to where the clamp would not hide it."""
_GROWTHS = (0.0, 2.0**-27, 2.0**-25, 2.0**-23, -(2.0**-27))
"""What slopes are made larger by: where results would lie half-way, the reference rounds away from zero."""

Multiplier = tuple[int, int]
Output = tuple[Multiplier, int, int, int]
"""Multiplier, zero point, lowest and highest result."""


def step(
    kernel: str, a: TensorInfo, b: TensorInfo, y: TensorInfo, settings: NDArray[np.int64], shapes: tuple[Shape, Shape] | None = None
) -> Step:
    """A step of a kernel that broadcasts, named with the operands' type; operands may be seen with other `shapes` than their own."""
    steps = walk(y.shape, *(shapes or (a.shape, b.shape)))
    operands: list[Argument] = [a, b]
    for place, info in enumerate((a, b)):
        if info.value is not None and _repeats_in_short_rows(steps, place):
            steps, operands[place] = _lengthened(steps, place, info.value)
    return _FAMILIES[y.type].step(f"{kernel}_{SUFFIXES[y.type]}", a=operands[0], b=operands[1], y=y, walk=steps, settings=settings)


def _repeats_in_short_rows(steps: NDArray[np.int64], place: int) -> bool:
    """True where every short row takes all of operand `place`, and the other operand as it comes."""
    _, columns, a_step, b_step, rank, *outer = steps.tolist()
    if rank != 1 or columns >= _SHORT_ROW or a_step != 1 or b_step != 1:
        return False
    strides: list[int] = outer[1:]
    return strides[place] == 0 and strides[1 - place] == columns


def _lengthened(steps: NDArray[np.int64], place: int, value: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """The same walk in longer rows, and its constant operand `place` as often as a row takes it."""
    total, columns = int(steps[0]), int(steps[1])
    rows = total // columns
    count = max(count for count in range(1, _LONG_ROW // columns + 1) if rows % count == 0)
    longer, shapes = (rows // count, columns * count), [(rows // count, columns * count)] * 2
    shapes[place] = (1, columns * count)
    return walk(longer, *shapes), np.tile(value.reshape(-1), count)


def output(call: Call, real: float) -> Output:
    """How results on a scale `real` times the output's become the output's."""
    y = call.outputs[0]
    fused = getattr(call.options, "fused_activation_function", None)
    low, high = INTEGER_RANGE[y.type] if fused is None else quantized_activation_range(fused, y.scale, y.zero_point, y.type)
    return quantize_multiplier(real), y.zero_point, low, high


def _scale(info: TensorInfo) -> float:
    return float(lookup.scale_of(info))


def rounding(multiplier: Multiplier, limits: tuple[int, int, int], least: int, greatest: int) -> tuple[str, int, int]:
    """How kernels round values from `least` to `greatest`: what their names end in, and the two words of the rounding.

    `limits` are the output's zero point, lowest and highest value.
    """
    mantissa, shift = multiplier
    sums = np.array([[least, greatest]], np.int64)
    line = certify_quantized(np.array([mantissa], np.int32), np.array([shift], np.int32), np.array(limits, np.int32), sums)
    if not line.is_certified[0] or line.slopes[0] != 0:
        return "exactly", mantissa, shift
    return "by_line", int(line.scales.view(np.int32)[0]), int(line.offsets.view(np.int32)[0])


def _common_scale(call: Call) -> tuple[float, Multiplier, Multiplier]:
    """Twice the larger scale of two operands, and the multipliers that bring both to it."""
    a_scale, b_scale = _scale(call.input(0)), _scale(call.input(1))
    twice = 2 * max(a_scale, b_scale)
    return twice, quantize_multiplier(a_scale / twice), quantize_multiplier(b_scale / twice)


def _scaled(info: TensorInfo, multiplier: Multiplier, shift: int) -> NDArray[np.int32]:
    """What the type's values, in rising order, stand for on the common scale."""
    low, high = INTEGER_RANGE[info.type]
    values = (np.arange(low, high + 1) - info.zero_point) << shift
    return multiply_by_quantized_multiplier(values.astype(np.int32), *multiplier)


def _of_single(x: TensorInfo, constant: TensorInfo, y: TensorInfo) -> bool:
    """True when the second operand is one known element and the first has the result's shape."""
    return constant.value is not None and constant.size == 1 and x.size == y.size


def _results(totals: NDArray[np.int32], scaling: Output) -> lookup.Integers:
    multiplier, zero_point, low, high = scaling
    found: lookup.Integers = np.clip(multiply_by_quantized_multiplier(totals, *multiplier).astype(np.int64) + zero_point, low, high)
    return found


def _index(constant: TensorInfo) -> int:
    """The place of a single constant's value among its type's values."""
    assert constant.value is not None
    return int(constant.value.reshape(-1)[0]) - INTEGER_RANGE[constant.type][0]


def sum_of(call: Call, sign: int) -> Step:
    """ADD (`sign` 1) and SUB (-1)."""
    a, b, y = call.input(0), call.input(1), call.outputs[0]
    twice, a_multiplier, b_multiplier = _common_scale(call)
    scaling = output(call, twice / (2.0**_SUM_SHIFT * _scale(y)))
    a_values, b_values = _scaled(a, a_multiplier, _SUM_SHIFT), sign * _scaled(b, b_multiplier, _SUM_SHIFT)
    if _of_single(a, b, y):
        return lookup.lookup(a, y, lookup.by_pattern(a.type, _results(a_values + b_values[_index(b)], scaling)))
    if _of_single(b, a, y):
        return lookup.lookup(b, y, lookup.by_pattern(b.type, _results(a_values[_index(a)] + b_values, scaling)))
    sides = Side(a, _scale(a) / _scale(y), a_values), Side(b, sign * _scale(b) / _scale(y), b_values)
    for fitted in (_by_pairs, _by_corrected_pairs):
        found = fitted(*sides, scaling)
        if found is not None:
            kernel, first, second, settings = found
            return step(kernel, first.info, second.info, y, settings)
    multiplier, *limits = scaling
    words = [a.zero_point, *a_multiplier, b.zero_point, *b_multiplier, _SUM_SHIFT, sign, *multiplier, *limits]
    return step("sum_exactly", a, b, y, np.array(words, np.int64))


class Side(Record):
    """One operand of a sum: its scale over the output's, less than 0 where it is subtracted, and its values on the common scale."""

    info: TensorInfo
    ratio: float
    values: NDArray[np.int32]


Fitted = tuple[str, Side, Side, NDArray[np.int64]]
"""A kernel, its operands and its settings."""


def _fit(a: Side, b: Side, scaling: Output, growths: Sequence[float]) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    """Bits behind the point, slopes for each growth, and the least and the greatest constant for each of them and each a."""
    multiplier, *limits = scaling
    bits = min(_MOST_BITS, _MOST_BITS - 1 - math.frexp(max(abs(a.ratio), abs(b.ratio)))[1])
    slopes = np.array([[round(side.ratio * (1 + growth) * 2.0**bits) for side in (a, b)] for growth in growths], np.int64)
    constants = np.zeros((len(slopes), 256, 2), np.int64)
    call_kernel(
        "certify_sums",
        "fit_sums",
        a_values=np.ascontiguousarray(a.values),
        b_values=np.ascontiguousarray(b.values),
        results=np.zeros(256, np.int32),
        settings=np.array([*multiplier, *limits], np.int64),
        slopes=slopes,
        constants=constants,
        count=len(slopes),
        bits=bits,
        first=INTEGER_RANGE[a.info.type][0],
    )
    return bits, slopes, constants


def _pair_settings(slopes: NDArray[np.int64], constant: int, bits: int, scaling: Output) -> list[int] | None:
    """Settings of `sum_by_pairs`, or None where they do not fit its words."""
    a_slope, b_slope = slopes.tolist()
    whole, part = divmod(constant, 2**bits)
    if bits < _LOW_BITS or abs(whole) > _LARGEST_WHOLE:
        return None
    factors = [_both(a_slope % 2**_LOW_BITS, b_slope % 2**_LOW_BITS), _both(a_slope >> _LOW_BITS, b_slope >> _LOW_BITS)]
    return [part, *factors, bits - _LOW_BITS, whole, *scaling[2:]]


def _by_pairs(a: Side, b: Side, scaling: Output) -> Fitted | None:
    """A line that gives the reference's result for every pair of bytes, if one is found."""
    for growth in _GROWTHS:
        bits, slopes, constants = _fit(a, b, scaling, [growth])
        least, greatest = int(constants[0, :, 0].max()), int(constants[0, :, 1].min())
        settings = _pair_settings(slopes[0], (least + greatest) // 2, bits, scaling)
        if least <= greatest and settings is not None:
            return "sum_by_pairs", a, b, np.array(settings, np.int64)
    return None


def _by_corrected_pairs(a: Side, b: Side, scaling: Output) -> Fitted | None:
    """The same with a correction for each byte of the first operand, which is the one whose values the reference rounded."""
    for first, second in ((a, b), (b, a)) if abs(a.ratio) <= abs(b.ratio) else ((b, a), (a, b)):
        bits, slopes, constants = _fit(first, second, scaling, _GROWTHS)
        for option, (least, greatest) in enumerate(zip(constants[:, :, 0], constants[:, :, 1])):
            found = _corrections(least, greatest)
            if found is not None:
                constant, unit, units = found
                settings = _pair_settings(slopes[option], constant, bits, scaling)
                if settings is not None:
                    table = lookup.by_pattern(first.info.type, units).astype(np.uint8)
                    return "sum_by_pairs_corrected", first, second, np.array([*settings, unit, *table.view(np.int64)], np.int64)
    return None


def _corrections(least: NDArray[np.int64], greatest: NDArray[np.int64]) -> tuple[int, int, NDArray[np.int64]] | None:
    """A constant, a unit and 0 … 255 units for each byte whose sums lie between the bounds, with the smallest unit that does."""
    if (least > greatest).any():
        return None
    middle = (int(least.max()) + int(greatest.min())) // 2
    for bits in range(_LOW_BITS):
        unit, start = 2**bits, middle - 128 * 2**bits
        units = np.clip(128, -((start - least) // unit), (greatest - start) // unit)
        sums = start + units * unit
        if units.min() >= 0 and units.max() < 256 and (least <= sums).all() and (sums <= greatest).all():
            return start, unit, units
    return None


def _both(a: int, b: int) -> int:
    """Two 16-bit words as one int32, a in the lower half."""
    return (a & 0xFFFF) | (b << 16)


def rescaled_products(call: Call, products: lookup.Integers) -> lookup.Integers:
    """What MUL makes of products of its operands' values, their zero points taken off."""
    a, b, y = call.input(0), call.input(1), call.outputs[0]
    return _results(products.astype(np.int32), output(call, float(lookup.scale_of(a) * lookup.scale_of(b) / lookup.scale_of(y))))


def product(call: Call) -> Step:
    """MUL."""
    a, b, y = call.input(0), call.input(1), call.outputs[0]
    scaling = output(call, float(lookup.scale_of(a) * lookup.scale_of(b) / lookup.scale_of(y)))
    a_values, b_values = (np.arange(256) + INTEGER_RANGE[y.type][0] - info.zero_point for info in (a, b))
    for x, values, constant, factors in ((a, a_values, b, b_values), (b, b_values, a, a_values)):
        if _of_single(x, constant, y):
            found = (values * factors[_index(constant)]).astype(np.int32)
            return lookup.lookup(x, y, lookup.by_pattern(x.type, _results(found, scaling)))
    return products(a, b, y, scaling, (a.shape, b.shape))


def products(a: TensorInfo, b: TensorInfo, y: TensorInfo, scaling: Output, shapes: tuple[Shape, Shape]) -> Step:
    """Products of operands that are seen with the given shapes, broadcast and rescaled."""
    multiplier, zero_point, low, high = scaling
    ends = [np.array(INTEGER_RANGE[info.type]) - info.zero_point for info in (a, b)]
    corners = np.outer(*ends)
    kind, *words = rounding(multiplier, (zero_point, low, high), int(corners.min()), int(corners.max()))
    settings = np.array([a.zero_point, b.zero_point, *words, zero_point, low, high], np.int64)
    return step(f"product_{kind}", a, b, y, settings, shapes)


def squared_difference(call: Call) -> Step:
    a, b, y = call.input(0), call.input(1), call.outputs[0]
    twice, a_multiplier, b_multiplier = _common_scale(call)
    multiplier, *limits = output(call, twice**2 / (2.0 ** (2 * _DIFFERENCE_SHIFT) * _scale(y)))
    a_values, b_values = (_scaled(info, side, _DIFFERENCE_SHIFT) for info, side in ((a, a_multiplier), (b, b_multiplier)))
    farthest = max(int(a_values[-1]) - int(b_values[0]), int(b_values[-1]) - int(a_values[0]))
    kind, *words = rounding(multiplier, (limits[0], limits[1], limits[2]), 0, farthest**2)
    sides = [a.zero_point, *a_multiplier, b.zero_point, *b_multiplier]
    settings = np.array([*sides, _DIFFERENCE_SHIFT, 1, *words, *limits], np.int64)
    return step(f"squared_difference_{kind}", a, b, y, settings)


def prelu(call: Call) -> Step:
    x, alpha, y = call.input(0), call.input(1), call.outputs[0]
    multiplier, *limits = output(call, float(lookup.scale_of(x) / lookup.scale_of(y)))
    falling = quantize_multiplier(float(lookup.scale_of(x) * lookup.scale_of(alpha) / lookup.scale_of(y)))
    (low, high), bounds = INTEGER_RANGE[x.type], (limits[0], limits[1], limits[2])
    slopes = low - alpha.zero_point, high - alpha.zero_point
    products = [(low - x.zero_point) * slope for slope in slopes]
    sides = [rounding(multiplier, bounds, 0, high - x.zero_point), rounding(falling, bounds, min(0, *products), max(0, *products))]
    kind = "by_line" if all(side[0] == "by_line" for side in sides) else "exactly"
    words = [*sides[0][1:], *sides[1][1:]] if kind == "by_line" else [*multiplier, *falling]
    return step(f"prelu_{kind}", x, alpha, y, np.array([x.zero_point, alpha.zero_point, *words, *limits], np.int64))
