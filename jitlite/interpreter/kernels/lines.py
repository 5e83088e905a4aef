"""Lines: vectors of a literal number of elements as they are stored, for kernels that move or compare numbers and compute nothing wider.

A line is what the target makes of it, from a part of one register to several. Loads and stores need no alignment beyond the element's.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

LINE_BYTES = 64
"""The widest line: one register of 512 bits, two of 256 or four of 128."""

SHORT_BYTES = 16
"""The narrowest register."""


class Line(types.Type):  # type: ignore[misc]  # numba is untyped
    """Numba's type of `count` elements of one type."""

    def __init__(self, element: Any, count: int) -> None:
        self.element, self.count = element, count
        super().__init__(name=f"Line({element}, {count})")


@register_model(Line)
class _LineModel(models.PrimitiveModel):  # type: ignore[misc]  # numba is untyped
    def __init__(self, manager: Any, kind: Line) -> None:
        super().__init__(manager, kind, ir.VectorType(manager.lookup(kind.element).get_value_type(), kind.count))


def _address(context: Any, builder: Any, pointer: Any, line: Line, values: Any) -> tuple[Any, Any, int]:
    """The address of element values[1] behind pointer values[0] as that of a line, the line's type and the element's size."""
    element = context.get_data_type(pointer.dtype)
    vector = ir.VectorType(element, line.count)
    at = builder.gep(values[0], [values[1]], source_etype=element)
    return builder.bitcast(at, vector.as_pointer()), vector, context.get_abi_sizeof(element)


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def load_line(typing: Any, pointer: Any, at: Any, count: Any) -> Any:
    """The line of `count` elements from index `at` of a pointer."""
    if not (isinstance(pointer, types.CPointer) and isinstance(count, types.IntegerLiteral)):
        return None
    line = Line(pointer.dtype, count.literal_value)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        address, vector, alignment = _address(context, builder, pointer, line, values)
        return builder.load(address, typ=vector, align=alignment)

    return line(pointer, types.int64, count), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def store_line(typing: Any, pointer: Any, at: Any, line: Any) -> Any:
    """Stores a line from index `at` on."""
    if not (isinstance(line, Line) and isinstance(pointer, types.CPointer) and pointer.dtype == line.element):
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        address, _, alignment = _address(context, builder, pointer, line, values)
        builder.store(values[2], address, align=alignment)
        return context.get_dummy_value()

    return types.void(pointer, types.int64, line), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def line_of(typing: Any, pointer: Any, number: Any, count: Any) -> Any:
    """A line of `count` times one number, cast to the pointer's element type."""
    if not (isinstance(pointer, types.CPointer) and isinstance(count, types.IntegerLiteral)):
        return None
    line = Line(pointer.dtype, count.literal_value)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        value = context.cast(builder, values[1], number, pointer.dtype)
        empty = ir.Constant(ir.VectorType(value.type, line.count), ir.Undefined)
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), line.count), [0] * line.count)
        return builder.shuffle_vector(builder.insert_element(empty, value, ir.Constant(ir.IntType(32), 0)), empty, lanes)

    return line(pointer, number, count), generate


def _extreme(sign: str, text: str) -> Any:
    def made(typing: Any, a: Any, b: Any) -> Any:
        if not isinstance(a, Line) or a != b:
            return None

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            if isinstance(a.element, types.Float):
                mask = builder.fcmp_ordered(sign, *values)
            else:
                mask = (builder.icmp_signed if a.element.signed else builder.icmp_unsigned)(sign, *values)
            return builder.select(mask, *values)

        return a(a, b), generate

    made.__doc__ = text
    return intrinsic(made)


larger = _extreme(">", "The larger elements of two lines; where one is NaN, the second's.")
smaller = _extreme("<", "The smaller elements of two lines; where one is NaN, the second's.")
