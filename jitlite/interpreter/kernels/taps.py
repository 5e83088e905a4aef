"""Float32 sums over windows of neighbouring pixels, LANES channels at a time, as tiles with a row for each pixel.

Packed filters hold LANES channels of tap after tap, row by row.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from jitlite.interpreter.kernels.tile import Tile, _gathered, _index, _load, _loop, _splat, _vectors
from jitlite.interpreter.kernels.vectors import LANES

_I32, _I64, _F32 = ir.IntType(32), ir.IntType(64), ir.FloatType()
_VECTOR = ir.VectorType(_F32, LANES)
_INTEGER = types.int64


def _fused(builder: Any, a: Any, b: Any, total: Any) -> Any:
    target = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fmuladd.v{LANES}f32")
    return builder.call(target, [a, b, total])


def _numbers(builder: Any, pointer: Any, at: Any) -> Any:
    return builder.gep(pointer, [at], source_etype=_F32)


class _Inside:
    """Which columns are read: all, or those of [first, stop); in place of the others LANES `zeros` are."""

    def __init__(self, builder: Any, kind: Any, first: Any, stop: Any, zeros: Any) -> None:
        self.builder, self.is_all, self.first, self.stop, self.zeros = builder, isinstance(kind, types.NoneType), first, stop, zeros

    def load(self, place: Any, column: Any) -> Any:
        """The channels at a place, which is that of a column."""
        if not self.is_all:
            above = self.builder.icmp_signed(">=", column, self.first)
            place = self.builder.select(self.builder.and_(above, self.builder.icmp_signed("<", column, self.stop)), place, self.zeros)
        return _load(self.builder, place, _F32, _index(0), _VECTOR)


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]  # numba is untyped
def sum_taps(
    typing: Any,
    x: Any,
    at: Any,
    row_step: Any,
    rows: Any,
    step: Any,
    w: Any,
    w_at: Any,
    bias: Any,
    bias_at: Any,
    first: Any,
    stop: Any,
    zeros: Any,
    width: Any,
    stride: Any,
    columns: Any,
) -> Any:
    """Sums for literal `columns` pixels of windows of literal `width`, a tap in each column, at literal `stride`: biases first.

    The first window's first tap is at index `at` of `x`; columns are `step` apart, the `rows` rows of taps `row_step`, and their weights
    start at `w_at`. Of the columns, counted from the first, those outside [first, stop) count as `zeros`; None when all are inside.
    """
    kind = Tile(types.float32, columns.literal_value, 1)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        x_value, start, between, count, column_step, w_value, w_start, biases, bias_start, least, most, nothing = values[:12]
        origin, weights = _numbers(builder, x_value, start), _numbers(builder, w_value, w_start)
        inside = _Inside(builder, zeros, least, most, nothing)
        total = _load(builder, biases, _F32, bias_start, _VECTOR)

        def body(row: Any, sums: list[Any]) -> list[Any]:
            line = _numbers(builder, origin, builder.mul(row, between))
            taps = _numbers(builder, weights, builder.mul(row, _index(width.literal_value * LANES)))
            sums, known = list(sums), {}
            for tap in range(width.literal_value):
                weight = _load(builder, taps, _F32, _index(tap * LANES), _VECTOR)
                for pixel in range(kind.rows):
                    column = pixel * stride.literal_value + tap
                    if column not in known:
                        place = _numbers(builder, line, builder.mul(column_step, _index(column)))
                        known[column] = inside.load(place, _index(column))
                    sums[pixel] = _fused(builder, known[column], weight, sums[pixel])
            return sums

        return _gathered(builder, kind, _loop(builder, _index(0), count, 1, [total] * kind.rows, body))

    integers = (_INTEGER,) * 4
    return kind(x, *integers, w, _INTEGER, bias, _INTEGER, _INTEGER, _INTEGER, zeros, width, stride, columns), generate


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]  # numba is untyped
def sum_any_taps(
    typing: Any,
    x: Any,
    at: Any,
    row_step: Any,
    rows: Any,
    step: Any,
    w: Any,
    w_at: Any,
    bias: Any,
    bias_at: Any,
    first: Any,
    stop: Any,
    zeros: Any,
    width: Any,
    stride: Any,
    dilation: Any,
    columns: Any,
) -> Any:
    """As `sum_taps` for windows of any width, stride and dilation, both in columns."""
    kind = Tile(types.float32, columns.literal_value, 1)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        x_value, start, between, count, column_step, w_value, w_start, biases, bias_start, least, most, nothing = values[:12]
        taps, apart, wide = values[12:15]
        origin, weights = _numbers(builder, x_value, start), _numbers(builder, w_value, w_start)
        inside = _Inside(builder, zeros, least, most, nothing)
        total = _load(builder, biases, _F32, bias_start, _VECTOR)
        shift = builder.mul(wide, column_step)
        back = builder.sub(between, builder.mul(builder.sub(taps, _index(1)), shift))

        def body(index: Any, state: list[Any]) -> list[Any]:
            sums, tap, place = state[:-2], state[-2], state[-1]
            weight, found = _load(builder, weights, _F32, builder.mul(index, _index(LANES)), _VECTOR), []
            for pixel in range(kind.rows):
                moved = builder.mul(apart, _index(pixel))
                at_pixel = _numbers(builder, origin, builder.add(place, builder.mul(moved, column_step)))
                column = builder.add(builder.mul(tap, wide), moved)
                found.append(_fused(builder, inside.load(at_pixel, column), weight, sums[pixel]))
            following = builder.add(tap, _index(1))
            is_last = builder.icmp_signed(">=", following, taps)
            return [*found, builder.select(is_last, _index(0), following), builder.add(place, builder.select(is_last, back, shift))]

        state = _loop(builder, _index(0), builder.mul(count, taps), 1, [total] * kind.rows + [_index(0), _index(0)], body)
        return _gathered(builder, kind, state[:-2])

    integers = (_INTEGER,) * 4
    operands = (x, *integers, w, _INTEGER, bias, _INTEGER, _INTEGER, _INTEGER, zeros, _INTEGER, _INTEGER, _INTEGER, columns)
    return kind(*operands), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def store_pixels(typing: Any, tile: Any, y: Any, at: Any, step: Any, low: Any, high: Any, count: Any) -> Any:
    """Stores the first `count` lanes of a tile's rows, clamped, `step` apart from index `at` of `y` on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        sums, target, start, between, least, most, lanes = values
        least, most, found = _splat(builder, least), _splat(builder, most), []
        for total in _vectors(builder, tile, sums):
            raised = builder.select(builder.fcmp_ordered("<", total, least), least, total)
            found.append(builder.select(builder.fcmp_ordered(">", raised, most), most, raised))
        places = [_numbers(builder, target, builder.add(start, builder.mul(between, _index(pixel)))) for pixel in range(tile.rows)]
        pointers = [builder.bitcast(place, _VECTOR.as_pointer()) for place in places]
        with builder.if_else(builder.icmp_signed(">=", lanes, _index(LANES))) as (whole, part):
            with whole:
                for vector, pointer in zip(found, pointers):
                    builder.store(vector, pointer, align=4)
            with part:
                numbers = ir.Constant(ir.VectorType(_I32, LANES), list(range(LANES)))
                mask = builder.icmp_signed("<", numbers, _splat(builder, builder.trunc(lanes, _I32)))
                kind = ir.FunctionType(ir.VoidType(), [_VECTOR, pointers[0].type, _I32, mask.type])
                masked = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.store.v{LANES}f32.p0")
                for vector, pointer in zip(found, pointers):
                    builder.call(masked, [vector, pointer, ir.Constant(_I32, 4), mask])
        return context.get_dummy_value()

    return types.void(tile, y, _INTEGER, _INTEGER, types.float32, types.float32, _INTEGER), generate
