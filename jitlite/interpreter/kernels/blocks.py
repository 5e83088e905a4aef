"""Blocks of elements that live in vector registers: accumulators of a kernel's own, and squares to transpose."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

SIDES = {8: 16, 16: 8, 32: 8, 64: 4}
"""Rows of a block by the bits of an element: what 128 to 256 bit registers hold."""


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def block_side(typing: Any, pointer: Any) -> Any:
    """The rows of a block of a pointer's elements."""
    if not isinstance(pointer, types.CPointer):
        return None
    side = SIDES[pointer.dtype.bitwidth]
    return types.int64(pointer), lambda context, builder, signature, values: ir.Constant(ir.IntType(64), side)


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


def _interleaved(builder: Any, rows: list[Any], side: int) -> list[Any]:
    """One of log2(side) perfect shuffles of the rows; all of them make the transpose."""
    half = side // 2
    found = []
    for low, high in zip(rows[:half], rows[half:]):
        for first in (0, half):
            mask = [place + first if lane == 0 else side + place + first for place in range(half) for lane in (0, 1)]
            found.append(builder.shuffle_vector(low, high, ir.Constant(ir.VectorType(ir.IntType(32), side), mask)))
    return found


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def transpose_block(typing: Any, x: Any, x_at: Any, x_step: Any, y: Any, y_at: Any, y_step: Any) -> Any:
    """Writes block_side rows of y, `y_step` apart: the columns of as many rows of x, `x_step` apart. Rows are contiguous."""
    if not (isinstance(x, types.CPointer) and x == y):
        return None
    side = SIDES[x.dtype.bitwidth]

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        element = context.get_data_type(x.dtype)
        vector, align = ir.VectorType(element, side), x.dtype.bitwidth // 8

        def row(pointer: Any, at: Any, step: Any, index: int) -> Any:
            place = builder.add(at, builder.mul(step, ir.Constant(step.type, index)))
            return builder.bitcast(builder.gep(pointer, [place], source_etype=element), vector.as_pointer())

        rows = [builder.load(row(values[0], values[1], values[2], index), align=align, typ=vector) for index in range(side)]
        for _ in range(side.bit_length() - 1):
            rows = _interleaved(builder, rows, side)
        for index, found in enumerate(rows):
            builder.store(found, row(values[3], values[4], values[5], index), align=align)
        return context.get_dummy_value()

    return types.void(x, types.int64, types.int64, y, types.int64, types.int64), generate
