"""Float32 sums over windows of neighbouring pixels, LANES channels at a time, for one block of channels after the other.

Packed filters hold for each block LANES channels of tap after tap, row by row.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from jitlite.interpreter.kernels.emit import choose, index, loop, splat
from jitlite.interpreter.kernels.tile import ISA
from jitlite.interpreter.kernels.vectors import LANES

NARROW = 4
WIDE = max(ISA.floats.heights[1], NARROW)
"""Pixels that are summed together: where there is room for so many, and where there is not."""
INNER, EDGE = (WIDE, NARROW), (NARROW, 2, 1)
"""Numbers of pixels whose windows lie inside the image's width, and of those whose windows need not."""
WINDOWS = ((3, 1), (3, 2), (5, 1), (5, 2), (0, 0))
"""Widths and strides of windows with a tap in each column, by their number; the last stands for all others."""

_I32, _I64, _F32 = ir.IntType(32), ir.IntType(64), ir.FloatType()
VECTOR = ir.VectorType(_F32, LANES)
ZEROS = ir.Constant(VECTOR, None)


def numbers(builder: Any, pointer: Any, at: Any) -> Any:
    return builder.gep(pointer, [at], source_etype=_F32)


def load(builder: Any, pointer: Any) -> Any:
    return builder.load(builder.bitcast(pointer, VECTOR.as_pointer()), typ=VECTOR, align=4)


class Pixels:
    """The code of the sums of some pixels; arguments as of `sum_pixels`."""

    def __init__(self, builder: Any, pixels: int, is_edge: bool, arguments: tuple[Any, ...]) -> None:
        self.builder, self.pixels, self.is_edge = builder, pixels, is_edge
        self.x, self.row_step, self.rows, self.step, self.w, self.w_step, self.bias, self.y, self.y_step, self.lanes = arguments[:10]
        self.first, self.stop, self.zeros, low, high, self.width, self.stride, self.dilation = arguments[10:]
        self.low, self.high = splat(builder, low, LANES), splat(builder, high, LANES)

    def load(self, place: Any, column: Any) -> Any:
        """The channels at a place, which is that of a column; zeros outside the image."""
        builder = self.builder
        if self.is_edge:
            is_inside = builder.and_(builder.icmp_signed(">=", column, self.first), builder.icmp_signed("<", column, self.stop))
            place = builder.select(is_inside, place, self.zeros)
        return load(builder, place)

    def multiply_add(self, a: Any, b: Any, total: Any) -> Any:
        kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.fmuladd.v{LANES}f32"), [a, b, total])

    def sums(self, x: Any, w: Any, width: int, stride: int) -> list[Any]:
        """The sums for windows of a width and stride, row by row."""
        builder = self.builder

        def add(row: Any, sums: list[Any]) -> list[Any]:
            line = numbers(builder, x, builder.mul(row, self.row_step))
            taps = numbers(builder, w, builder.mul(row, index(width * LANES)))
            sums, known = list(sums), {}
            for tap in range(width):
                weight = load(builder, numbers(builder, taps, index(tap * LANES)))
                for pixel in range(self.pixels):
                    column = pixel * stride + tap
                    if column not in known:
                        known[column] = self.load(numbers(builder, line, builder.mul(self.step, index(column))), index(column))
                    sums[pixel] = self.multiply_add(known[column], weight, sums[pixel])
            return sums

        return loop(builder, index(0), self.rows, 1, [ZEROS] * self.pixels, add)

    def any_sums(self, x: Any, w: Any) -> list[Any]:
        """The sums for any windows, tap by tap."""
        builder = self.builder
        shift = builder.mul(self.dilation, self.step)
        back = builder.sub(self.row_step, builder.mul(builder.sub(self.width, index(1)), shift))

        def add(number: Any, state: list[Any]) -> list[Any]:
            sums, tap, place = state[:-2], state[-2], state[-1]
            weight, found = load(builder, numbers(builder, w, builder.mul(number, index(LANES)))), []
            for pixel in range(self.pixels):
                moved = builder.mul(self.stride, index(pixel))
                at = numbers(builder, x, builder.add(place, builder.mul(moved, self.step)))
                column = builder.add(builder.mul(tap, self.dilation), moved)
                found.append(self.multiply_add(self.load(at, column), weight, sums[pixel]))
            following = builder.add(tap, index(1))
            is_last = builder.icmp_signed(">=", following, self.width)
            return [*found, builder.select(is_last, index(0), following), builder.add(place, builder.select(is_last, back, shift))]

        state = [ZEROS] * self.pixels + [index(0), index(0)]
        return loop(builder, index(0), builder.mul(self.rows, self.width), 1, state, add)[:-2]

    def put(self, sums: list[Any], channel: Any) -> None:
        """Stores clamped sums of a block plus the biases: those of the channels there are."""
        builder, found, pointers = self.builder, [], []
        bias = load(builder, numbers(builder, self.bias, channel))
        for pixel, total in enumerate(builder.fadd(sum_, bias) for sum_ in sums):
            raised = builder.select(builder.fcmp_ordered("<", total, self.low), self.low, total)
            found.append(builder.select(builder.fcmp_ordered(">", raised, self.high), self.high, raised))
            place = builder.add(builder.mul(self.y_step, index(pixel)), channel)
            pointers.append(builder.bitcast(numbers(builder, self.y, place), VECTOR.as_pointer()))
        left = builder.sub(self.lanes, channel)
        with builder.if_else(builder.icmp_signed(">=", left, index(LANES))) as (whole, part):
            with whole:
                for vector, pointer in zip(found, pointers):
                    builder.store(vector, pointer, align=4)
            with part:
                lanes = ir.Constant(ir.VectorType(_I32, LANES), list(range(LANES)))
                mask = builder.icmp_signed("<", lanes, splat(builder, builder.trunc(left, _I32), LANES))
                kind = ir.FunctionType(ir.VoidType(), [VECTOR, pointers[0].type, _I32, mask.type])
                masked = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.store.v{LANES}f32.p0")
                for vector, pointer in zip(found, pointers):
                    builder.call(masked, [vector, pointer, ir.Constant(_I32, 4), mask])


def _code(pixels: int, is_edge: bool, width: int, stride: int) -> Callable[..., None]:
    def write(builder: Any, *arguments: Any) -> None:
        own = Pixels(builder, pixels, is_edge, arguments)

        def block(channel: Any, state: list[Any]) -> list[Any]:
            x = numbers(builder, own.x, channel)
            sums = own.sums(x, state[0], width, stride) if width else own.any_sums(x, state[0])
            own.put(sums, channel)
            return [numbers(builder, state[0], own.w_step)]

        loop(builder, index(0), own.lanes, LANES, [own.w], block)

    return write


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def sum_pixels(
    typing: Any,
    x: Any,
    row_step: Any,
    rows: Any,
    step: Any,
    w: Any,
    w_step: Any,
    bias: Any,
    y: Any,
    y_step: Any,
    lanes: Any,
    first: Any,
    stop: Any,
    zeros: Any,
    low: Any,
    high: Any,
    width: Any,
    stride: Any,
    dilation: Any,
    windows: Any,
    pixels: Any,
    is_edge: Any,
) -> Any:
    """Convolves `pixels` pixels, INNER or (where `is_edge`) EDGE of them, for `lanes` channels, in blocks of LANES.

    `x` points to the first window's first tap; columns are `step` apart, the `rows` rows of taps `row_step`. `w` points to the first
    block's weights, the next block's are `w_step` further on, and `bias` is added to the sums. Results go to `y`, those of pixels `y_step`
    apart, within [low, high]. At an edge, columns outside [first, stop), counted from the first tap, count as the LANES `zeros`. `width`,
    `stride` and `dilation` are the windows', of the number `windows` among WINDOWS.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        *operands, number, count, edge = values
        kinds = {
            64 * own + 32 * at_edge + size: (size, at_edge, *windows)
            for own, windows in enumerate(WINDOWS)
            for at_edge, sizes in ((False, INNER), (True, EDGE))
            for size in sizes
        }
        key = builder.add(builder.mul(number, index(64)), builder.add(builder.mul(edge, index(32)), count))
        names = {value: f"jitlite.pixels.{value}" for value in kinds}
        choose(builder, key, names, operands, lambda value: _code(*kinds[value]))
        return context.get_dummy_value()

    real, integer, number = types.CPointer(types.float32), types.int64, types.float32
    operands = (real, integer, integer, integer, real, integer, real, real, integer, integer, integer, integer, real, number, number)
    return types.void(*operands, *(integer,) * 6), generate
