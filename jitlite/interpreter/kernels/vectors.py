"""Vectors of LANES numbers as kernel values: float32, or int32 (which 8- and 16-bit numbers become when they are loaded).

A vector is what the target makes of it: one register of 512 bits, two of 256 or four of 128. `+ - * /` take two vectors of one type, `&`,
`|`, `^`, `<<` and `>>` (arithmetic) two of int32, `-x` one; comparisons give a mask for `select`. Loads and stores need no alignment
beyond the element's. What the operations compute does not depend on the target, except that `multiply_add` rounds float32 once where the
target fuses it and twice where it does not.
"""

import operator
from collections.abc import Callable
from math import nextafter
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, register_model

LANES = 16

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_BELOW_HALF = nextafter(0.5, 0.0)


class Lanes(types.Type):  # type: ignore[misc]  # numba is untyped
    """Numba's type of LANES numbers of one element type."""

    def __init__(self, element: Any) -> None:
        self.element = element
        super().__init__(name=f"Lanes({element})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]  # numba is untyped
    def __init__(self, manager: Any, kind: Lanes) -> None:
        super().__init__(
            manager,
            kind,
            ir.VectorType(ir.IntType(1) if kind.element == types.boolean else manager.lookup(kind.element).get_value_type(), LANES),
        )


Vector = Any
"""A vector of LANES numbers, for annotations."""

_FLOATS, _INTEGERS, _MASK = Lanes(types.float32), Lanes(types.int32), Lanes(types.boolean)
_NARROW = (types.int8, types.uint8, types.int16, types.uint16)
_LOADED = {types.float32: _FLOATS, types.int32: _INTEGERS} | dict.fromkeys(_NARROW, _INTEGERS)


def _wide(kind: ir.Type) -> ir.VectorType:
    return ir.VectorType(kind, LANES)


def _many(kind: ir.Type, value: float) -> ir.Constant:
    return ir.Constant(_wide(kind), [value] * LANES)


def _place(context: Any, builder: Any, pointer: Any, values: Any) -> tuple[Any, Any, int]:
    """The address of element values[1] behind pointer values[0] as one of a vector, the vector's type and its alignment."""
    element = context.get_data_type(pointer.dtype)
    at = builder.gep(values[0], [values[1]], source_etype=element)
    return builder.bitcast(at, _wide(element).as_pointer()), _wide(element), context.get_abi_sizeof(element)


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def load(typing: Any, pointer: Any, at: Any) -> Any:
    """The LANES elements from index `at` of a float32 or 32-, 16- or 8-bit integer pointer."""
    kind = _LOADED.get(getattr(pointer, "dtype", None))
    if kind is None:
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        address, vector, alignment = _place(context, builder, pointer, values)
        loaded = builder.load(address, typ=vector, align=alignment)
        if pointer.dtype not in _NARROW:
            return loaded
        return (builder.sext if pointer.dtype.signed else builder.zext)(loaded, _wide(_I32))

    return kind(pointer, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def store(typing: Any, pointer: Any, at: Any, vector: Any) -> Any:
    """Stores LANES elements from index `at` on; int32 are cut to the low bits for a pointer to narrower integers."""
    if _LOADED.get(getattr(pointer, "dtype", None)) != vector:
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        address, kind, alignment = _place(context, builder, pointer, values)
        value = builder.trunc(values[2], kind) if pointer.dtype in _NARROW else values[2]
        builder.store(value, address, align=alignment)
        return context.get_dummy_value()

    return types.void(pointer, types.int64, vector), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def splat(typing: Any, number: Any) -> Any:
    """One float32, or one integer of up to 32 bits, in every lane."""
    kind = _FLOATS if number == types.float32 else _INTEGERS
    if kind is _INTEGERS and not (isinstance(number, types.Integer) and number.bitwidth <= 32):
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        value = context.cast(builder, values[0], signature.args[0], kind.element)
        empty = ir.Constant(_wide(value.type), ir.Undefined)
        first = builder.insert_element(empty, value, ir.Constant(_I32, 0))
        return builder.shuffle_vector(first, empty, _many(_I32, 0))

    return kind(number), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def zeros_like(typing: Any, pointer: Any) -> Any:
    """Zeros of the type that loads from `pointer` have."""
    kind = _LOADED.get(getattr(pointer, "dtype", None))
    if kind is None:
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return ir.Constant(_wide(context.get_value_type(kind.element)), None)

    return kind(pointer), generate


def _fused(builder: Any, kind: ir.Type, values: Any) -> Any:
    name = "llvm.fmuladd.f32" if kind == ir.FloatType() else f"llvm.fmuladd.v{LANES}f32"
    return builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name), values)


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def multiply_add(typing: Any, a: Any, b: Any, total: Any) -> Any:
    """The sum a · b + total of vectors or of numbers: float32, or integers of up to 32 bits, which wrap in int32."""
    if isinstance(total, Lanes):
        if not a == b == total:
            return None
        signature = total(a, b, total)
    elif total == types.float32:
        signature = types.float32(types.float32, types.float32, types.float32)
    else:
        signature = types.int32(a, b, types.int32)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        if total in (_FLOATS, types.float32):
            return _fused(builder, values[0].type, values)
        if total != _INTEGERS:
            values = [context.cast(builder, value, kind, types.int32) for value, kind in zip(values, signature.args)]
        return builder.add(builder.mul(values[0], values[1]), values[2])

    return signature, generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def clamp(typing: Any, value: Any, low: Any, high: Any) -> Any:
    """The vector with every lane moved into [low, high], themselves vectors; NaN stays NaN."""
    if not isinstance(value, Lanes) or not value == low == high:
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        compare = builder.fcmp_ordered if value == _FLOATS else builder.icmp_signed
        raised = builder.select(compare("<", values[0], values[1]), values[1], values[0])
        return builder.select(compare(">", raised, values[2]), values[2], raised)

    return value(value, low, high), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def as_floats(typing: Any, value: Any) -> Any:
    """An int32 vector as float32, rounded to nearest even."""
    if value != _INTEGERS:
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.sitofp(values[0], _wide(ir.FloatType()))

    return _FLOATS(value), generate


def scaled_down(builder: Any, value: Any, mantissa: Any, shift: Any) -> Any:
    """Code of `requantize.multiply_by_quantized_multiplier` lane by lane."""
    zero, one = _many(_I32, 0), _many(_I32, 1)
    is_left = builder.icmp_signed(">", shift, zero)
    left = builder.select(is_left, shift, zero)
    right = builder.select(is_left, zero, builder.sub(zero, shift))
    shifted = builder.sext(builder.shl(value, left), _wide(_I64))
    product = builder.mul(shifted, builder.sext(mantissa, _wide(_I64)))
    # |shifted · mantissa| < 2^62, so the rounded high half fits int32.
    high = builder.trunc(builder.lshr(builder.add(product, _many(_I64, 1 << 30)), _many(_I64, 31)), _wide(_I32))
    mask = builder.sub(builder.shl(one, right), one)
    threshold = builder.sub(builder.lshr(mask, one), builder.ashr(high, _many(_I32, 31)))
    rounded_up = builder.icmp_signed(">", builder.and_(high, mask), threshold)
    return builder.sub(builder.ashr(high, right), builder.sext(rounded_up, _wide(_I32)))


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def scale_down(typing: Any, value: Any, mantissa: Any, shift: Any) -> Any:
    """`requantize.multiply_by_quantized_multiplier` lane by lane; all three are int32 vectors."""
    if not value == mantissa == shift == _INTEGERS:
        return None

    return _INTEGERS(value, mantissa, shift), lambda context, builder, signature, values: scaled_down(builder, *values)


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def scale_exactly(typing: Any, value: Any, scales: Any, at: Any) -> Any:
    """An int32 vector times the LANES float64 from index `at` of `scales`, to the nearest whole number, halves away from zero.

    The product is rounded to float64; results beyond int32 saturate.
    """
    if value != _INTEGERS or getattr(scales, "dtype", None) != types.float64:
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        double = _wide(ir.DoubleType())
        address, _, alignment = _place(context, builder, scales, values[1:])
        product = builder.fmul(builder.sitofp(values[0], double), builder.load(address, typ=double, align=alignment))
        for limit, order in ((-(2.0**31), "<"), (2.0**31 - 1, ">")):
            bound = _many(ir.DoubleType(), limit)
            product = builder.select(builder.fcmp_ordered(order, product, bound), bound, product)
        # Half an ulp less than a half: added to what is just below a half, 0.5 itself would round up to one.
        half = _many(ir.DoubleType(), _BELOW_HALF)
        is_negative = builder.fcmp_ordered("<", product, _many(ir.DoubleType(), 0.0))
        return builder.fptosi(builder.fadd(product, builder.select(is_negative, builder.fneg(half), half)), _wide(_I32))

    return _INTEGERS(value, scales, types.int64), generate


def _call(builder: Any, name: str, *values: Any) -> Any:
    """A call of an LLVM intrinsic whose operands and result have one vector type."""
    kind = values[0].type
    suffix = "f32" if kind.element == ir.FloatType() else "i32"
    target = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * len(values)), f"llvm.{name}.v{LANES}{suffix}")
    return builder.call(target, values)


def _operator(
    symbol: Callable[..., Any], kinds: tuple[Lanes, ...], result: Lanes | None, emit: Callable[[Any, Lanes, Any, Any], Any]
) -> None:
    """Lets kernels write `symbol` between two vectors of one of `kinds`; the result has their type unless `result` says otherwise."""

    @infer_global(symbol)
    class Between(AbstractTemplate):  # type: ignore[misc]  # numba is untyped
        def generic(self, args: Any, kws: Any) -> Any:
            if len(args) == 2 and args[0] in kinds and args[0] == args[1]:
                return signature(result or args[0], *args)
            return None

    @lower_builtin(symbol, Lanes, Lanes)  # type: ignore[untyped-decorator]  # numba is untyped
    def lower(context: Any, builder: Any, found: Any, values: Any) -> Any:
        return emit(builder, found.args[0], *values)


def _either(on_floats: str, on_integers: str) -> Callable[[Any, Lanes, Any, Any], Any]:
    return lambda builder, kind, a, b: getattr(builder, on_floats if kind == _FLOATS else on_integers)(a, b)


def _comparison(sign: str) -> Callable[[Any, Lanes, Any, Any], Any]:
    def emit(builder: Any, kind: Lanes, a: Any, b: Any) -> Any:
        compare = builder.icmp_signed if kind == _INTEGERS else builder.fcmp_unordered if sign == "!=" else builder.fcmp_ordered
        return compare(sign, a, b)

    return emit


_operator(operator.add, (_FLOATS, _INTEGERS), None, _either("fadd", "add"))
_operator(operator.sub, (_FLOATS, _INTEGERS), None, _either("fsub", "sub"))
_operator(operator.mul, (_FLOATS, _INTEGERS), None, _either("fmul", "mul"))
_operator(operator.truediv, (_FLOATS,), None, _either("fdiv", ""))
_operator(operator.and_, (_INTEGERS, _MASK), None, _either("", "and_"))
_operator(operator.or_, (_INTEGERS, _MASK), None, _either("", "or_"))
_operator(operator.xor, (_INTEGERS, _MASK), None, _either("", "xor"))
_operator(operator.lshift, (_INTEGERS,), None, _either("", "shl"))
_operator(operator.rshift, (_INTEGERS,), None, _either("", "ashr"))
for _symbol, _sign in (
    (operator.lt, "<"),
    (operator.le, "<="),
    (operator.gt, ">"),
    (operator.ge, ">="),
    (operator.eq, "=="),
    (operator.ne, "!="),
):
    _operator(_symbol, (_FLOATS, _INTEGERS), _MASK, _comparison(_sign))


@infer_global(operator.neg)
class _Negated(AbstractTemplate):  # type: ignore[misc]  # numba is untyped
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(args[0], args[0]) if len(args) == 1 and args[0] in (_FLOATS, _INTEGERS) else None


@lower_builtin(operator.neg, Lanes)  # type: ignore[untyped-decorator]  # numba is untyped
def _negate(context: Any, builder: Any, found: Any, values: Any) -> Any:
    return (builder.fneg if found.args[0] == _FLOATS else builder.neg)(values[0])


def _function(kinds: tuple[Lanes, ...], operands: int, result: Lanes | None, emit: Callable[..., Any], text: str) -> Any:
    """A function of `operands` vectors of one of `kinds`; `emit(builder, kind, *values)` makes its code."""

    def typed(*args: Any) -> Any:
        if args[0] not in kinds or any(other != args[0] for other in args):
            return None
        return (result or args[0])(*args), lambda context, builder, found, values: emit(builder, args[0], *values)

    if operands == 1:

        def made(typing: Any, a: Any) -> Any:
            return typed(a)
    else:

        def made(typing: Any, a: Any, b: Any) -> Any:  # type: ignore[misc]  # two forms of one function
            return typed(a, b)

    made.__doc__ = text
    return intrinsic(made)


_BOTH = (_FLOATS, _INTEGERS)
minimum = _function(
    _BOTH,
    2,
    None,
    lambda b, kind, x, y: _call(b, "smin", x, y) if kind == _INTEGERS else b.select(b.fcmp_ordered("<", x, y), x, y),
    "The smaller of two numbers; where one is NaN, the second.",
)
maximum = _function(
    _BOTH,
    2,
    None,
    lambda b, kind, x, y: _call(b, "smax", x, y) if kind == _INTEGERS else b.select(b.fcmp_ordered(">", x, y), x, y),
    "The larger of two numbers; where one is NaN, the second.",
)
copysign = _function((_FLOATS,), 2, None, lambda b, kind, x, y: _call(b, "copysign", x, y), "The first's magnitude with the second's sign.")
absolute = _function((_FLOATS,), 1, None, lambda b, kind, x: _call(b, "fabs", x), "The magnitude.")
square_root = _function((_FLOATS,), 1, None, lambda b, kind, x: _call(b, "sqrt", x), "The square root, rounded to nearest.")
rounded_down = _function((_FLOATS,), 1, None, lambda b, kind, x: _call(b, "floor", x), "The largest whole number not above.")
rounded_up = _function((_FLOATS,), 1, None, lambda b, kind, x: _call(b, "ceil", x), "The smallest whole number not below.")
rounded = _function((_FLOATS,), 1, None, lambda b, kind, x: _call(b, "rint", x), "The nearest whole number, halves to even.")
truncated = _function((_FLOATS,), 1, None, lambda b, kind, x: _call(b, "trunc", x), "The whole number next towards 0.")
as_integers = _function(
    (_FLOATS,),
    1,
    _INTEGERS,
    lambda b, kind, x: b.fptosi(x, _wide(_I32)),
    "Cut to int32; lanes must lie within int32 (others give any number).",
)
bits_of = _function((_FLOATS,), 1, _INTEGERS, lambda b, kind, x: b.bitcast(x, _wide(_I32)), "The bits of float32 as int32.")
floats_of = _function((_INTEGERS,), 1, _FLOATS, lambda b, kind, x: b.bitcast(x, _wide(ir.FloatType())), "The float32 with these bits.")


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def select(typing: Any, mask: Any, yes: Any, no: Any) -> Any:
    """Lanes of `yes` where the mask holds, of `no` elsewhere."""
    if mask != _MASK or yes != no:
        return None
    return yes(mask, yes, no), lambda context, builder, found, values: builder.select(*values)


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def any_of(typing: Any, mask: Any) -> Any:
    """True when the mask holds somewhere."""
    if mask != _MASK:
        return None

    def generate(context: Any, builder: Any, found: Any, values: Any) -> Any:
        bits = builder.bitcast(values[0], ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return types.boolean(mask), generate


def _across(name: str, on_floats: str, on_integers: str, text: str) -> Any:
    def made(typing: Any, value: Any) -> Any:
        if value not in _BOTH:
            return None

        def generate(context: Any, builder: Any, found: Any, values: Any) -> Any:
            kind = values[0].type
            is_sum_of_floats = value == _FLOATS and on_floats == "fadd"
            operands = [ir.Constant(kind.element, -0.0), values[0]] if is_sum_of_floats else [values[0]]
            operation = on_floats if value == _FLOATS else on_integers
            suffix = "f32" if value == _FLOATS else "i32"
            function_type = ir.FunctionType(kind.element, [operand.type for operand in operands])
            target = cgutils.get_or_insert_function(builder.module, function_type, f"llvm.vector.reduce.{operation}.v{LANES}{suffix}")
            return builder.call(target, operands, fastmath=("reassoc",) if is_sum_of_floats else ())

        return value.element(value), generate

    made.__name__, made.__doc__ = name, text
    return intrinsic(made)


sum_across = _across("sum_across", "fadd", "add", "The sum of all lanes, in any order; int32 wraps.")
largest_across = _across("largest_across", "fmax", "smax", "The largest lane; NaN is left out.")
smallest_across = _across("smallest_across", "fmin", "smin", "The smallest lane; NaN is left out.")
