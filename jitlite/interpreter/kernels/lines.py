"""Lines: vectors of a literal number of elements of any type, for kernels that move elements or have few of them side by side.

A line is what the target makes of it, from a part of one register to several. Loads and stores need no alignment beyond the element's.
`+ - *` take two lines of one type and round or wrap after each operation, `>>` and `<<` two of integers.
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, register_model

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


def _splat(builder: Any, value: Any, line: Line) -> Any:
    empty = ir.Constant(ir.VectorType(value.type, line.count), ir.Undefined)
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), line.count), [0] * line.count)
    return builder.shuffle_vector(builder.insert_element(empty, value, ir.Constant(ir.IntType(32), 0)), empty, lanes)


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def line_of(typing: Any, pointer: Any, number: Any, count: Any) -> Any:
    """A line of `count` times one number, cast to the pointer's element type."""
    if not (isinstance(pointer, types.CPointer) and isinstance(count, types.IntegerLiteral)):
        return None
    line = Line(pointer.dtype, count.literal_value)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _splat(builder, context.cast(builder, values[1], number, pointer.dtype), line)

    return line(pointer, number, count), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def repeat(typing: Any, line: Any, number: Any) -> Any:
    """A line like `line` of one number, cast to its element type."""
    if not isinstance(line, Line):
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _splat(builder, context.cast(builder, values[1], number, line.element), line)

    return line(line, number), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def reversed_line(typing: Any, line: Any) -> Any:
    """The line's elements, the last one first."""
    if not isinstance(line, Line):
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), line.count), list(range(line.count))[::-1])
        return builder.shuffle_vector(values[0], ir.Constant(values[0].type, ir.Undefined), lanes)

    return line(line), generate


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


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def line_as(typing: Any, pointer: Any, line: Any) -> Any:
    """The line's numbers as a pointer's element type: integers exact or cut to the low bits, floats below 2^31 cut to whole numbers."""
    if not (isinstance(pointer, types.CPointer) and isinstance(line, Line)):
        return None
    result = Line(pointer.dtype, line.count)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        target = ir.VectorType(context.get_value_type(pointer.dtype), line.count)
        source, value = line.element, values[1]
        if isinstance(source, types.Float):
            if source == pointer.dtype:
                return value
            return builder.trunc(builder.fptosi(value, ir.VectorType(ir.IntType(32), line.count)), target)
        if isinstance(pointer.dtype, types.Float):
            return (builder.sitofp if source.signed else builder.uitofp)(value, target)
        if source.bitwidth >= pointer.dtype.bitwidth:
            return builder.trunc(value, target) if source.bitwidth > pointer.dtype.bitwidth else value
        return (builder.sext if source.signed else builder.zext)(value, target)

    return result(pointer, line), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def line_multiply_add(typing: Any, a: Any, b: Any, total: Any) -> Any:
    """The sum a · b + total of float lines, rounded once where the target fuses it and twice where it does not."""
    if not (isinstance(a, Line) and a == b == total and isinstance(a.element, types.Float)):
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = values[0].type
        name = f"llvm.fmuladd.v{a.count}f{a.element.bitwidth}"
        return builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name), values)

    return a(a, b, total), generate


def _operator(symbol: Callable[..., Any], on_floats: str, on_integers: str) -> None:
    """Lets kernels write `symbol` between two lines of one type."""

    @infer_global(symbol)
    class Between(AbstractTemplate):  # type: ignore[misc]  # numba is untyped
        def generic(self, args: Any, kws: Any) -> Any:
            if len(args) == 2 and isinstance(args[0], Line) and args[0] == args[1]:
                return signature(args[0], *args) if on_floats or isinstance(args[0].element, types.Integer) else None
            return None

    @lower_builtin(symbol, Line, Line)  # type: ignore[untyped-decorator]  # numba is untyped
    def lower(context: Any, builder: Any, found: Any, values: Any) -> Any:
        return getattr(builder, on_floats if isinstance(found.args[0].element, types.Float) else on_integers)(*values)


_operator(operator.add, "fadd", "add")
_operator(operator.sub, "fsub", "sub")
_operator(operator.mul, "fmul", "mul")
_operator(operator.lshift, "", "shl")
_operator(operator.rshift, "", "ashr")
