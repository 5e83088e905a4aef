"""Products of quads with planes of weights, summed over taps and made outputs, for the groups of a block one after the other.

`jitlite.interpreter.kernels.quads` says what quads, planes and groups are. A tap is a plane of weights and the byte at which the quads it
multiplies start. A block has rows of 64 numbers, as planes: biases and sums of weights first, then what makes sums outputs.
"""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from jitlite.interpreter.codegen.isa_narrow import PACK
from jitlite.interpreter.codegen.isa_quads import DOT4_LANES, SHRINK
from jitlite.interpreter.kernels.emit import choose, function, index, loop, shuffled, splat
from jitlite.interpreter.kernels.quads import BYTES, I8, I32, I64, INTEGERS, PLACES, WIDTHS, load_at, store_at
from jitlite.interpreter.kernels.rounding import emit_line
from jitlite.interpreter.kernels.vectors import scaled_down

_F32 = ir.FloatType()
_FLOATS, _WORDS = ir.VectorType(_F32, 16), ir.VectorType(ir.IntType(16), 32)
PLANE = 4 * 16
"""Bytes of a plane of a group."""
ORDINARY_PLANE = 4096 + 64
"""The bytes from plane to plane that code for three taps is made for: no power of two, so that planes do not share lines of the cache."""

Planes = list[Any]


def _call(builder: Any, name: str, result: ir.Type, *values: Any) -> Any:
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)


def _integer(builder: Any, pointer: Any, place: int) -> Any:
    return builder.load(builder.gep(pointer, [index(place)], source_etype=I32), typ=I32, align=4)


class Filter:
    """The code of a block's products.

    Its operands: planes of weights, the block's numbers, the image's zero point, and for weights that lack a spread that and for each tap a
    quad with 1 for each member, else 0.
    """

    OPERANDS = 5

    def __init__(self, builder: Any, operands: Sequence[Any], is_spread: bool) -> None:
        self.builder, self.is_spread = builder, is_spread
        self.weights, self.numbers, zero_point, self.spread, self.ones = operands
        factor = splat(builder, builder.sub(ir.Constant(I32, 0), zero_point), 16)
        self.start = [builder.add(bias, builder.mul(sums, factor)) for bias, sums in zip(self.row(0), self.row(1))]

    def row(self, number: int) -> Planes:
        """A row of the block's numbers."""
        return [load_at(self.builder, self.numbers, index((4 * number + k) * PLANE), INTEGERS) for k in range(4)]

    def tap(self, number: Any) -> Planes:
        """A tap's weights, and its ones where there is a spread."""
        builder = self.builder
        first = builder.mul(number, index(4 * PLANE))
        weights = [load_at(builder, self.weights, builder.add(first, index(k * PLANE)), INTEGERS) for k in range(4)]
        if not self.is_spread:
            return weights
        ones = builder.load(builder.gep(self.ones, [number], source_etype=I32), typ=I32, align=4)
        return [*weights, splat(builder, ones, 16)]

    def nothing(self) -> Planes:
        """What sums start from: with a spread, the sums of bytes behind those of products."""
        return self.start + [ir.Constant(INTEGERS, None)] * (4 if self.is_spread else 0)

    def add(self, sums: Planes, quads: Planes, tap: Planes) -> Planes:
        """Sums plus the products of quads with a tap."""
        found = [_call(self.builder, DOT4_LANES, INTEGERS, *operands) for operands in zip(sums[:4], quads, tap[:4])]
        if self.is_spread:
            found += [_call(self.builder, DOT4_LANES, INTEGERS, total, x, tap[4]) for total, x in zip(sums[4:], quads)]
        return found

    def total(self, sums: Planes) -> Planes:
        """The sums of a group behind its last tap."""
        if not self.is_spread:
            return sums
        factor = splat(self.builder, self.spread, 16)
        return [self.builder.add(products, self.builder.mul(rest, factor)) for products, rest in zip(sums[:4], sums[4:])]


class _Sums:
    """The code of the sums of all groups of a part of a row.

    Its operands: the quads, bytes from plane to plane, where taps start and their number.
    """

    OPERANDS = 4

    def __init__(self, builder: Any, own: Filter, operands: Sequence[Any]) -> None:
        self.builder, self.filter = builder, own
        self.quads, self.plane, self.taps, self.tap_count = operands

    def start(self, number: Any) -> Any:
        """Where the quads of a tap start."""
        return self.builder.load(self.builder.gep(self.taps, [number], source_etype=I64), typ=I64, align=8)

    def load(self, start: Any, place: Any) -> Planes:
        """The quads of the group at byte `place` behind a tap's first."""
        builder = self.builder
        first = builder.gep(self.quads, [builder.add(start, place)], source_etype=I8)
        return [load_at(builder, first, builder.mul(self.plane, index(k)), INTEGERS) for k in range(4)]

    def each(self, groups: Any, finish: Callable[[Any, Planes], None]) -> None:
        """Finishes the sums of each group: two at a time, which share loads of weights."""
        builder, own = self.builder, self.filter

        def two(group: Any, state: list[Any]) -> list[Any]:
            place = builder.mul(group, index(PLANE))

            def add(number: Any, both: list[Any]) -> list[Any]:
                start, tap, half = self.start(number), own.tap(number), len(both) // 2
                first = own.add(both[:half], self.load(start, place), tap)
                return first + own.add(both[half:], self.load(start, builder.add(place, index(PLANE))), tap)

            both = loop(builder, index(0), self.tap_count, 1, 2 * own.nothing(), add)
            finish(group, own.total(both[: len(both) // 2]))
            following = builder.add(group, index(1))
            with builder.if_then(builder.icmp_signed("<", following, groups)):
                finish(following, own.total(both[len(both) // 2 :]))
            return state

        loop(builder, index(0), groups, 2, [], two)

    def each_of_three_taps(self, groups: Any, finish: Callable[[Any, Planes], None]) -> None:
        """The same for filters of three taps, whose weights stay in registers."""
        self.plane = index(ORDINARY_PLANE)
        taps = [(self.start(index(number)), self.filter.tap(index(number))) for number in range(3)]

        def one(group: Any, state: list[Any]) -> list[Any]:
            sums = self.filter.nothing()
            for start, tap in taps:
                sums = self.filter.add(sums, self.load(start, self.builder.mul(group, index(PLANE))), tap)
            finish(group, self.filter.total(sums))
            return state

        loop(self.builder, index(0), groups, 1, [], one)


class _Pixels:
    """Where the outputs of groups go: pixels of a block's width, `step` elements apart, `count` of them."""

    def __init__(self, builder: Any, y: Any, step: Any, count: Any, kind: Any) -> None:
        self.builder, self.y, self.step, self.count, self.kind = builder, y, step, count, kind
        self.pixels = builder.shl(index(1), kind)

    @property
    def groups(self) -> Any:
        """The number of groups."""
        more = self.builder.add(self.count, self.builder.sub(self.pixels, index(1)))
        return self.builder.ashr(more, self.kind)

    def put(self, group: Any, store: Callable[[int, int, Any], None], whole: Callable[[Any], None] | None = None) -> None:
        """Stores a group: `store(width, pixel, place)` each pixel, or `whole(place)` all places where they lie one behind the other."""
        builder = self.builder
        first = builder.mul(group, self.pixels)
        left, place = builder.sub(self.count, first), builder.mul(first, self.step)
        for number, width in enumerate(WIDTHS):
            with builder.if_then(builder.icmp_signed("==", self.kind, index(number))):
                is_full = builder.icmp_signed(">=", left, index(PLACES // width))
                if whole is not None and width < PLACES:
                    is_dense = builder.and_(is_full, builder.icmp_signed("==", self.step, index(width)))
                    with builder.if_else(is_dense) as (dense, apart):
                        with dense:
                            whole(place)
                        with apart:
                            self._put_pixels(width, left, place, is_full, store)
                else:
                    self._put_pixels(width, left, place, is_full, store)

    def _put_pixels(self, width: int, left: Any, place: Any, is_full: Any, store: Callable[[int, int, Any], None]) -> None:
        builder = self.builder
        places = [builder.add(place, builder.mul(self.step, index(pixel))) for pixel in range(PLACES // width)]
        with builder.if_else(is_full) as (full, part):
            with full:
                for pixel, own in enumerate(places):
                    store(width, pixel, own)
            with part:
                for pixel, own in enumerate(places[:-1]):
                    with builder.if_then(builder.icmp_signed("<", index(pixel), left)):
                        store(width, pixel, own)


class Bytes:
    """Sums as 8-bit outputs: by certified lines, or exactly.

    Its operands: the result, elements from pixel to pixel, pixels, the number of the block's width, the zero point, lowest and highest
    output as signed bytes, and what makes signed bytes those of the result.
    """

    OPERANDS = 6

    def __init__(self, builder: Any, own: Filter, operands: Sequence[Any], is_line: bool) -> None:
        y, step, count, kind, limits, flip = operands
        self.builder, self.is_line = builder, is_line
        self.pixels = _Pixels(builder, y, step, count, kind)
        settings = [_integer(builder, limits, place) for place in range(3)]
        self.zero_point = splat(builder, builder.trunc(settings[0], ir.IntType(16)), 32)
        self.least, self.most = (splat(builder, builder.trunc(value, I8), PLACES) for value in settings[1:])
        self.flips = splat(builder, builder.trunc(flip, I8), PLACES)
        self.terms = [own.row(number) for number in ((2, 3, 4) if is_line else (5, 6))]

    def finish(self, group: Any, total: Planes) -> None:
        builder = self.builder
        make = emit_line if self.is_line else scaled_down
        steps = [make(builder, *operands) for operands in zip(total, *self.terms)]
        halves = []
        for first in (0, 2):
            packed = _call(builder, PACK, _WORDS, steps[first], steps[first + 1])
            halves.append(_call(builder, "llvm.sadd.sat.v32i16", _WORDS, packed, self.zero_point))
        found = _call(builder, SHRINK, BYTES, *halves)
        found = _call(builder, "llvm.smax.v64i8", BYTES, found, self.least)
        found = builder.xor(_call(builder, "llvm.smin.v64i8", BYTES, found, self.most), self.flips)
        words = builder.bitcast(found, INTEGERS)

        def store(width: int, pixel: int, place: Any) -> None:
            size = width // 4
            store_at(builder, shuffled(builder, words, words, range(pixel * size, (pixel + 1) * size)), self.pixels.y, place)

        self.pixels.put(group, store, lambda place: store_at(builder, found, self.pixels.y, place))


class _Reals:
    """Sums as float32 outputs: times a scale for each channel and one for the image, plus a bias, clamped.

    Its operands: the result, elements from pixel to pixel, pixels, the number of the block's width, the image's scale and the bounds.
    """

    def __init__(self, builder: Any, own: Filter, operands: Sequence[Any]) -> None:
        y, step, count, kind, *reals = operands
        self.builder, self.filter = builder, own
        self.pixels = _Pixels(builder, y, step, count, kind)
        self.factor, self.least, self.most = (splat(builder, value, 16) for value in reals)

    def finish(self, group: Any, total: Planes) -> None:
        builder, found = self.builder, []
        for value, scale, bias in zip(total, self.filter.row(2), self.filter.row(3)):
            scaled = builder.fmul(builder.fmul(builder.sitofp(value, _FLOATS), builder.bitcast(scale, _FLOATS)), self.factor)
            real = builder.fadd(scaled, builder.bitcast(bias, _FLOATS))
            raised = builder.select(builder.fcmp_ordered("<", real, self.least), self.least, real)
            found.append(builder.select(builder.fcmp_ordered(">", raised, self.most), self.most, raised))
        runs = []
        for run in range(4):
            own = list(range(4 * run, 4 * run + 4))
            low, high = (shuffled(builder, found[k], found[k + 1], own + [16 + lane for lane in own]) for k in (0, 2))
            runs.append(shuffled(builder, low, high, range(16)))

        def store(width: int, pixel: int, place: Any) -> None:
            size = min(width, 16)
            for first in range(0, width, 16):
                run, lane = divmod(pixel * width + first, 16)
                vector = shuffled(builder, runs[run], runs[run], range(lane, lane + size))
                address = builder.gep(self.pixels.y, [builder.add(place, index(first))], source_etype=_F32)
                builder.store(vector, builder.bitcast(address, vector.type.as_pointer()), align=4)

        self.pixels.put(group, store)


def _bytes_code(is_line: bool, is_spread: bool, has_three_taps: bool, is_widest: bool) -> Callable[..., None]:
    def write(builder: Any, *operands: Any) -> None:
        own = Filter(builder, operands[_Sums.OPERANDS :][: Filter.OPERANDS], is_spread)
        sums = _Sums(builder, own, operands[: _Sums.OPERANDS])
        y, step, count, kind, *rest = operands[_Sums.OPERANDS + Filter.OPERANDS :]
        result = Bytes(builder, own, (y, step, count, index(0) if is_widest else kind, *rest), is_line)
        (sums.each_of_three_taps if has_three_taps else sums.each)(result.pixels.groups, result.finish)

    return write


_BYTES_CODES = {
    8 * is_line + 4 * is_spread + 2 * has_three_taps + is_widest: (is_line, is_spread, has_three_taps, is_widest)
    for is_line in (False, True)
    for is_spread in (False, True)
    for has_three_taps in (False, True)[: 1 + is_line]
    for is_widest in (False, True)
}


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def sum_to_bytes(
    typing: Any,
    quads: Any,
    plane: Any,
    taps: Any,
    tap_count: Any,
    weights: Any,
    numbers: Any,
    zero_point: Any,
    spread: Any,
    ones: Any,
    y: Any,
    step: Any,
    count: Any,
    kind: Any,
    limits: Any,
    flip: Any,
    is_line: Any,
) -> Any:
    """Makes the sums of a block's groups 8-bit outputs; `_Sums`, `Filter` and `Bytes` say what the arguments are."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        *operands, is_line = values
        has_three_taps = builder.and_(
            builder.icmp_signed("==", operands[3], index(3)), builder.icmp_signed("==", operands[1], index(ORDINARY_PLANE))
        )
        facts = (
            builder.icmp_signed("!=", is_line, index(0)),
            builder.icmp_signed("!=", operands[7], ir.Constant(I32, 0)),
            builder.and_(has_three_taps, builder.icmp_signed("!=", is_line, index(0))),
            builder.icmp_signed("==", operands[12], index(0)),
        )
        key = index(0)
        for fact in facts:
            key = builder.add(builder.mul(key, index(2)), builder.zext(fact, I64))
        names = {value: f"jitlite.bytes.{value}" for value in _BYTES_CODES}
        choose(builder, key, names, operands, lambda value: _bytes_code(*_BYTES_CODES[value]))
        return context.get_dummy_value()

    byte, integers, integer, word = types.CPointer(types.uint8), types.CPointer(types.int64), types.int64, types.int32
    words = types.CPointer(types.int32)
    signature = types.void(
        byte, integer, integers, integer, byte, byte, word, word, words, byte, integer, integer, integer, words, word, integer
    )
    return signature, generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def sum_to_reals(
    typing: Any,
    quads: Any,
    plane: Any,
    taps: Any,
    tap_count: Any,
    weights: Any,
    numbers: Any,
    zero_point: Any,
    spread: Any,
    ones: Any,
    y: Any,
    step: Any,
    count: Any,
    kind: Any,
    factor: Any,
    low: Any,
    high: Any,
) -> Any:
    """Makes the sums of a block's groups float32 outputs; `_Sums`, `Filter` and `_Reals` say what the arguments are."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        def write(own: Any, *operands: Any) -> None:
            weights = Filter(own, operands[_Sums.OPERANDS :][: Filter.OPERANDS], False)
            result = _Reals(own, weights, operands[_Sums.OPERANDS + Filter.OPERANDS :])
            _Sums(own, weights, operands[: _Sums.OPERANDS]).each(result.pixels.groups, result.finish)

        function(builder, "jitlite.sum.reals", values, write)
        return context.get_dummy_value()

    byte, integers, integer, word = types.CPointer(types.uint8), types.CPointer(types.int64), types.int64, types.int32
    words, reals, real = types.CPointer(types.int32), types.CPointer(types.float32), types.float32
    signature = types.void(
        byte, integer, integers, integer, byte, byte, word, word, words, reals, integer, integer, integer, real, real, real
    )
    return signature, generate
