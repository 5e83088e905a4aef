"""Float32 sums over windows of 3 x 3 taps for some neighbouring columns, all the way down an image.

Every number of the image is read once for all rows of windows that it belongs to: the sums of unfinished rows are kept, those of LANES
channels in registers while they grow. Some blocks of LANES channels are summed before the next row is, because lines of a cache come in
runs, and because pixels that lie a power of two apart share its sets.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from jitlite.interpreter.kernels.emit import choose, index, loop, splat
from jitlite.interpreter.kernels.pixel_sums import VECTOR, ZEROS, Pixels, load, numbers
from jitlite.interpreter.kernels.tile import ISA
from jitlite.interpreter.kernels.vectors import LANES

STRIP = 7 if ISA.floats.heights[0] > 8 else 0
"""Columns of a strip: three rows of sums beside nine weights and a number of the image fill 32 registers; 0 where there are fewer."""
UNFINISHED = 2 * STRIP
"""Sums kept of each channel."""
TAPS = 3

Row = list[ir.Value]


class _Strip(Pixels):
    """The code of the sums of a strip; arguments as of `sum_strip`."""

    def __init__(self, builder: Any, stride: int, is_edge: bool, arguments: tuple[Any, ...]) -> None:
        self.builder, self.pixels, self.is_edge, self.stride = builder, STRIP, is_edge, stride
        self.image, self.row_step, self.step, self.origin, self.in_h, self.w, self.bias, self.y, self.y_row, self.y_step = arguments[:10]
        self.rows, self.lanes, self.first, self.stop, self.zeros, self.kept, low, high = arguments[10:]
        self.low, self.high = splat(builder, low, LANES), splat(builder, high, LANES)
        self.late = 2 if stride == 1 else 1

    def places(self, channel: Any) -> list[Any]:
        """Where the unfinished sums of a block of channels are kept."""
        builder = self.builder
        start = numbers(builder, self.kept, builder.mul(channel, index(UNFINISHED)))
        return [builder.bitcast(numbers(builder, start, index(LANES * at)), VECTOR.as_pointer()) for at in range(self.late * STRIP)]

    def keep(self, sums: Row, channel: Any) -> None:
        for vector, place in zip(sums, self.places(channel), strict=True):
            self.builder.store(vector, place, align=4)

    def add_row(self, row: Any, sums: list[tuple[int, Row]]) -> list[Row]:
        """Adds a row of the image, if there is one of this number, to rows of sums, each given with the number of the taps' row."""
        builder, before = self.builder, self.builder.block
        found = [list(own) for _, own in sums]
        with builder.if_then(builder.icmp_unsigned("<", row, self.in_h)):
            line = numbers(builder, self.x, builder.mul(row, self.row_step))
            for column in range((STRIP - 1) * self.stride + TAPS):
                value = self.load(numbers(builder, line, builder.mul(self.step, index(column))), index(column))
                for own, (taps, _) in zip(found, sums, strict=True):
                    for pixel in range(STRIP):
                        if 0 <= column - pixel * self.stride < TAPS:
                            own[pixel] = self.multiply_add(value, self.weights[taps][column - pixel * self.stride], own[pixel])
            inside = builder.block
        return [[self._either(new, inside, old, before) for new, old in zip(own, entering)] for own, (_, entering) in zip(found, sums)]

    def _either(self, new: Any, inside: Any, old: Any, before: Any) -> Any:
        chosen = self.builder.phi(new.type)
        chosen.add_incoming(new, inside)
        chosen.add_incoming(old, before)
        return chosen

    def finish(self, sums: Row, channel: Any, behind: Any) -> None:
        """Stores the sums of the row `behind` the number of rows done so far, unless it is one above the first."""
        builder, y = self.builder, self.y
        with builder.if_then(builder.icmp_signed(">=", behind, index(0))):
            self.y = numbers(builder, y, builder.mul(behind, self.y_row))
            self.put(sums, channel)
        self.y = y

    def proceed(self, number: Any, channel: Any) -> Row:
        """Adds one or two rows of the image to the sums of a block, down to the first row of taps of row `number` of the result.

        As the body of a loop over blocks it returns that loop's state, which is empty.
        """
        builder, behind = self.builder, self.builder.sub(number, index(self.late))
        row = builder.add(self.origin, builder.mul(number, index(self.stride)))
        w = numbers(builder, self.w, builder.mul(channel, index(TAPS * TAPS)))
        self.x = numbers(builder, self.image, channel)
        self.weights = [
            [load(builder, numbers(builder, w, index(LANES * (TAPS * row + tap)))) for tap in range(TAPS)] for row in range(TAPS)
        ]
        fresh = [ZEROS] * STRIP
        kept = [builder.load(place, typ=VECTOR, align=4) for place in self.places(channel)]
        if self.stride == 1:
            done, older, newer = self.add_row(row, [(2, kept[:STRIP]), (1, kept[STRIP:]), (0, fresh)])
            self.keep([*older, *newer], channel)
        else:
            done, newer = self.add_row(row, [(2, kept), (0, fresh)])
            self.keep(self.add_row(builder.add(row, index(1)), [(1, newer)])[0], channel)
        self.finish(done, channel, behind)
        return []

    def write(self) -> None:
        builder = self.builder

        def start(channel: Any, state: Row) -> Row:
            self.keep([ZEROS] * (self.late * STRIP), channel)
            return state

        def blocks(number: Any, state: Row) -> Row:
            loop(builder, index(0), self.lanes, LANES, [], lambda channel, none: self.proceed(number, channel))
            return state

        loop(builder, index(0), self.lanes, LANES, [], start)
        loop(builder, index(0), builder.add(self.rows, index(self.late)), 1, [], blocks)


def _code(stride: int, is_edge: bool) -> Callable[..., None]:
    return lambda builder, *arguments: _Strip(builder, stride, is_edge, arguments).write()


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def sum_strip(
    typing: Any,
    x: Any,
    row_step: Any,
    step: Any,
    origin: Any,
    in_h: Any,
    w: Any,
    bias: Any,
    y: Any,
    y_row: Any,
    y_step: Any,
    rows: Any,
    lanes: Any,
    first: Any,
    stop: Any,
    zeros: Any,
    kept: Any,
    low: Any,
    high: Any,
    stride: Any,
    is_edge: Any,
) -> Any:
    """Convolves a strip of STRIP columns and `rows` rows with strides of 1 or 2, for `lanes` channels, in blocks of LANES.

    `x` points to the first window's first column in the image's first of `in_h` rows, `origin` is the number of the first window's first
    row; columns are `step` apart, rows `row_step`. Results go to `y`, pixels `y_step` apart and rows `y_row`. `kept` has room for
    UNFINISHED sums of each channel. All else is as for `sum_pixels`.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        *operands, stride, edge = values
        kinds = {2 * own + at_edge: (own, bool(at_edge)) for own in (1, 2) for at_edge in (0, 1) if STRIP}
        names = {value: f"jitlite.strip.{value}" for value in kinds}
        choose(builder, builder.add(builder.mul(stride, index(2)), edge), names, operands, lambda value: _code(*kinds[value]))
        return context.get_dummy_value()

    real, integer, number = types.CPointer(types.float32), types.int64, types.float32
    operands = (real, *(integer,) * 4, real, real, real, *(integer,) * 6, real, real, number, number)
    return types.void(*operands, integer, integer), generate
