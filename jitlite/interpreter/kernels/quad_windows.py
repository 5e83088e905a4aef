"""Windows of three columns of quads that slide over an image's width a pixel at a time, for blocks of 64 channels.

The quads of a column stay in registers for the pixels that read them.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from jitlite.interpreter.kernels.emit import choose, index, loop, splat
from jitlite.interpreter.kernels.quad_sums import Bytes, Filter, Planes
from jitlite.interpreter.kernels.quads import BYTES, I8, I32, PLACES, load_at, planes_of

STRIDES = (1, 2)


class _Windows:
    """The code of the windows of a row; arguments as of `slide_three`."""

    OPERANDS = 9

    def __init__(self, builder: Any, operands: tuple[Any, ...], members: int, stride: int) -> None:
        *rows, self.outside, self.pixel, self.column, self.width, flip = operands
        self.builder, self.rows, self.stride = builder, rows[:members], stride
        self.flips = splat(builder, builder.trunc(flip, I8), PLACES)

    def quads(self, column: Any, is_inside: bool) -> Planes:
        """The quads of a column; one that need not be inside the image is outside."""
        builder, members = self.builder, []
        offset = builder.mul(column, self.pixel)
        inside = builder.and_(builder.icmp_signed(">=", column, index(0)), builder.icmp_signed("<", column, self.width))
        for row in self.rows:
            place = builder.gep(row, [offset], source_etype=I8)
            place = place if is_inside else builder.select(inside, place, self.outside)
            members.append(builder.xor(load_at(builder, place, index(0), BYTES), self.flips))
        return planes_of(builder, members + [ir.Constant(BYTES, None)] * (4 - len(members)))

    def slide(self, count: Any, own: Filter, finish: Callable[[Any, Planes], None]) -> None:
        """Finishes the sums of pixels one by one: first those whose new columns are inside, then the others."""
        builder, kept = self.builder, 3 - self.stride
        taps = [own.tap(index(number)) for number in range(3)]

        def pixel(is_inside: bool) -> Callable[[Any, list[Any]], list[Any]]:
            def sum_one(number: Any, state: list[Any]) -> list[Any]:
                first = builder.add(self.column, builder.mul(number, index(self.stride)))
                columns = [state[4 * column : 4 * column + 4] for column in range(kept)]
                columns += [self.quads(builder.add(first, index(column)), is_inside) for column in range(kept, 3)]
                sums = own.nothing()
                for quads, tap in zip(columns, taps):
                    sums = own.add(sums, quads, tap)
                finish(number, own.total(sums))
                return [plane for quads in columns[self.stride :] for plane in quads]

            return sum_one

        room = builder.add(builder.sub(self.width, self.column), index(self.stride - 3))
        inner = builder.sdiv(room, index(self.stride)) if self.stride > 1 else room
        inner = builder.select(builder.icmp_signed("<", inner, count), inner, count)
        inner = builder.select(builder.icmp_signed("<", inner, index(0)), index(0), inner)
        state = [plane for column in range(kept) for plane in self.quads(builder.add(self.column, index(column)), False)]
        state = loop(builder, index(0), inner, 1, state, pixel(True))
        loop(builder, inner, count, 1, state, pixel(False))


def _code(members: int, stride: int, is_spread: bool) -> Callable[..., None]:
    def write(builder: Any, *operands: Any) -> None:
        windows = _Windows(builder, operands[: _Windows.OPERANDS], members, stride)
        own = Filter(builder, operands[_Windows.OPERANDS :][: Filter.OPERANDS], is_spread)
        y, step, count, *rest = operands[_Windows.OPERANDS + Filter.OPERANDS :]
        result = Bytes(builder, own, (y, step, count, index(0), *rest), True)
        windows.slide(count, own, result.finish)

    return write


_CODES = {
    100 * members + 10 * stride + is_spread: (members, stride, is_spread)
    for members in (3, 4)
    for stride in STRIDES
    for is_spread in (False, True)
}


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def slide_three(
    typing: Any,
    r0: Any,
    r1: Any,
    r2: Any,
    r3: Any,
    outside: Any,
    pixel: Any,
    column: Any,
    width: Any,
    flip: Any,
    weights: Any,
    numbers: Any,
    zero_point: Any,
    spread: Any,
    ones: Any,
    y: Any,
    step: Any,
    count: Any,
    limits: Any,
    unflip: Any,
    members: Any,
    stride: Any,
) -> Any:
    """Convolves `count` pixels of a row with filters of three columns and 3 or 4 `members`, at a stride of STRIDES, by certified lines.

    r0 to r3 point to the block's channels at column 0 of the image's rows, columns are `pixel` bytes apart and `width` in number; the first
    window starts at `column`, -1 or more. What lies outside is `outside`. `quad_sums.Filter` and `quad_sums.Bytes` say what the others are.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        *operands, count_of, stride_of = values
        is_spread = builder.icmp_signed("!=", operands[12], ir.Constant(I32, 0))
        key = builder.add(builder.mul(count_of, index(100)), builder.mul(stride_of, index(10)))
        key = builder.add(key, builder.zext(is_spread, key.type))
        names = {value: f"jitlite.slide.{value}" for value in _CODES}
        choose(builder, key, names, operands, lambda value: _code(*_CODES[value]))
        return context.get_dummy_value()

    byte, integer, word, words = types.CPointer(types.uint8), types.int64, types.int32, types.CPointer(types.int32)
    rows = (byte,) * 5
    filters = byte, byte, word, word, words
    return types.void(*rows, integer, integer, integer, word, *filters, byte, integer, integer, words, word, integer, integer), generate
