"""Blocks of elements that live in vector registers: accumulators of a kernel's own, and blocks to transpose or to weave."""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from jitlite.interpreter.kernels.abi import inline
from jitlite.interpreter.kernels.lines import LINE_BYTES

Function = Callable[..., Any]


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def stack_like(typing: Any, pointer: Any, count: Any) -> Any:
    """Memory of a kernel's own for a literal number of a pointer's elements.

    Nothing else points to it, so that loops of constant length over it become vector registers.
    """
    if not (isinstance(pointer, types.CPointer) and isinstance(count, types.IntegerLiteral)):
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        element = context.get_data_type(pointer.dtype)
        with builder.goto_entry_block():
            place = builder.alloca(ir.ArrayType(element, count.literal_value))
        place.align = 64
        return builder.bitcast(place, element.as_pointer())

    return pointer(pointer, count), generate


def _shuffle(builder: Any, a: Any, b: Any, lanes: list[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes))


def _address(builder: Any, pointer: Any, element: Any, at: Any, count: int) -> Any:
    """The address of `count` elements from index `at` on, as a vector's."""
    return builder.bitcast(builder.gep(pointer, [at], source_etype=element), ir.VectorType(element, count).as_pointer())


def _stepped(builder: Any, at: Any, step: Any, count: int) -> Any:
    return builder.add(at, builder.mul(step, ir.Constant(step.type, count)))


def _joined(builder: Any, parts: list[Any]) -> Any:
    """Vectors of one length end to end, a power of two of them."""
    while len(parts) > 1:
        count = parts[0].type.count
        parts = [_shuffle(builder, low, high, list(range(2 * count))) for low, high in zip(parts[::2], parts[1::2])]
    return parts[0]


def _interleaved(builder: Any, rows: list[Any], side: int, blocks: int) -> list[Any]:
    """One of log2(side) perfect shuffles of the rows within each of their blocks; all of them make the transpose."""
    half, total = side // 2, side * blocks
    found = []
    for low, high in zip(rows[:half], rows[half:]):
        for first in (0, half):
            places = [block * side + first + place for block in range(blocks) for place in range(half)]
            found.append(_shuffle(builder, low, high, [lane for place in places for lane in (place, total + place)]))
    return found


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def transpose_tile(typing: Any, x: Any, x_at: Any, x_step: Any, y: Any, y_at: Any, y_step: Any, sides: Any, blocks: Any) -> Any:
    """Writes the columns of a block of `sides` rows of x as rows of y, and behind each those of the following `blocks` - 1 blocks.

    A block has as many columns as rows; rows are contiguous, `x_step` and `y_step` apart.
    """
    if not (
        isinstance(x, types.CPointer) and x == y and isinstance(sides, types.IntegerLiteral) and isinstance(blocks, types.IntegerLiteral)
    ):
        return None
    side, count, align = sides.literal_value, blocks.literal_value, x.dtype.bitwidth // 8

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        element = context.get_data_type(x.dtype)

        def loaded(row: int) -> Any:
            address = _address(builder, values[0], element, _stepped(builder, values[1], values[2], row), side)
            return builder.load(address, align=align, typ=ir.VectorType(element, side))

        rows = [_joined(builder, [loaded(block * side + row) for block in range(count)]) for row in range(side)]
        for _ in range(side.bit_length() - 1):
            rows = _interleaved(builder, rows, side, count)
        for index, row in enumerate(rows):
            address = _address(builder, values[3], element, _stepped(builder, values[4], values[5], index), count * side)
            builder.store(row, address, align=align)
        return context.get_dummy_value()

    return types.void(x, types.int64, types.int64, y, types.int64, types.int64, sides, blocks), generate


_TILES = {
    1: ((16, 2), (16, 1), (8, 4), (8, 1), (4, 8), (4, 1)),
    2: ((8, 4), (8, 1), (4, 4), (4, 1)),
    4: ((4, 4), (4, 2), (4, 1)),
    8: ((2, 4), (2, 1)),
}
"""Rows and blocks of tiles by the bytes of an element, best first."""


def transpose(element_bytes: int) -> Function:
    """A function that transposes planes, as many elements at a time as a plane has room for.

    Rows are neighbours in x and `y_row` apart in y, columns are `x_column` apart in x and neighbours in y.
    """
    return _by_tiles(element_bytes, _TILES[element_bytes])


def _by_tiles(element_bytes: int, tiles: tuple[tuple[int, int], ...]) -> Function:
    """`transpose` by the first tile that fits; tiles at the edges overlap others."""
    if not tiles:
        return _one_by_one
    (high, blocks), smaller = tiles[0], _by_tiles(element_bytes, tiles[1:])
    wide, line = high * blocks, LINE_BYTES // element_bytes

    @inline
    def run(x: Any, y: Any, x_at: Any, y_at: Any, rows: Any, columns: Any, x_column: Any, y_row: Any) -> Any:
        if rows < high or columns < wide:
            smaller(x, y, x_at, y_at, rows, columns, x_column, y_row)
            return
        # Tiles one above the other read whole cache lines.
        for strip in range(0, rows, line):
            for left in range(0, columns, wide):
                column = min(left, columns - wide)
                for top in range(strip, min(rows, strip + line), high):
                    row = min(top, rows - high)
                    transpose_tile(x, x_at + row + column * x_column, x_column, y, y_at + row * y_row + column, y_row, high, blocks)

    return run


@inline
def _one_by_one(x: Any, y: Any, x_at: Any, y_at: Any, rows: Any, columns: Any, x_column: Any, y_row: Any) -> Any:
    for row in range(rows):
        for column in range(columns):
            y[y_at + row * y_row + column] = x[x_at + row + column * x_column]


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def weave(typing: Any, x: Any, x_at: Any, x_step: Any, y: Any, y_at: Any, ways: Any, count: Any) -> Any:
    """Writes `ways` times `count` neighbours of y: by turns one of each of `ways` rows of x, `x_step` apart. Rows are contiguous."""
    if not (
        isinstance(x, types.CPointer) and x == y and isinstance(ways, types.IntegerLiteral) and isinstance(count, types.IntegerLiteral)
    ):
        return None
    many, length, align = ways.literal_value, count.literal_value, x.dtype.bitwidth // 8

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        element = context.get_data_type(x.dtype)
        rows = []
        for row in range(many):
            address = _address(builder, values[0], element, _stepped(builder, values[1], values[2], row), length)
            rows.append(builder.load(address, align=align, typ=ir.VectorType(element, length)))
        rows += [ir.Constant(rows[0].type, ir.Undefined)] * ((1 << (many - 1).bit_length()) - many)
        joined = _joined(builder, rows)
        lanes = [row * length + i for i in range(length) for row in range(many)]
        woven = _shuffle(builder, joined, ir.Constant(joined.type, ir.Undefined), lanes)
        builder.store(woven, _address(builder, values[3], element, values[4], many * length), align=align)
        return context.get_dummy_value()

    return types.void(x, types.int64, types.int64, y, types.int64, ways, count), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def unweave(typing: Any, x: Any, x_at: Any, y: Any, y_at: Any, y_step: Any, ways: Any, count: Any) -> Any:
    """Writes `count` elements of each of `ways` rows of y, `y_step` apart: to each by turns one of as many neighbours of x."""
    if not (
        isinstance(x, types.CPointer) and x == y and isinstance(ways, types.IntegerLiteral) and isinstance(count, types.IntegerLiteral)
    ):
        return None
    many, length, align = ways.literal_value, count.literal_value, x.dtype.bitwidth // 8

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        element = context.get_data_type(x.dtype)
        source = _address(builder, values[0], element, values[1], many * length)
        woven = builder.load(source, align=align, typ=ir.VectorType(element, many * length))
        empty = ir.Constant(woven.type, ir.Undefined)
        for row in range(many):
            found = _shuffle(builder, woven, empty, [i * many + row for i in range(length)])
            builder.store(found, _address(builder, values[2], element, _stepped(builder, values[3], values[4], row), length), align=align)
        return context.get_dummy_value()

    return types.void(x, types.int64, y, types.int64, types.int64, ways, count), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def pick(typing: Any, x: Any, x_at: Any, y: Any, y_at: Any, ways: Any, count: Any) -> Any:
    """Writes `count` neighbours of y: of as many groups of `ways` neighbours of x the first one each."""
    if not (
        isinstance(x, types.CPointer) and x == y and isinstance(ways, types.IntegerLiteral) and isinstance(count, types.IntegerLiteral)
    ):
        return None
    many, length, align = ways.literal_value, count.literal_value, x.dtype.bitwidth // 8

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        element = context.get_data_type(x.dtype)
        source = _address(builder, values[0], element, values[1], many * length)
        woven = builder.load(source, align=align, typ=ir.VectorType(element, many * length))
        found = _shuffle(builder, woven, ir.Constant(woven.type, ir.Undefined), [i * many for i in range(length)])
        builder.store(found, _address(builder, values[2], element, values[3], length), align=align)
        return context.get_dummy_value()

    return types.void(x, types.int64, y, types.int64, ways, count), generate
