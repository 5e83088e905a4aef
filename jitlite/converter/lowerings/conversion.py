"""Changes of element type."""

import numpy as np
from onnx.helper import tensor_dtype_to_np_dtype

from jitlite.converter.attributes import attribute
from jitlite.converter.element_types import PACKED_BOUNDS, type_of
from jitlite.converter.graph import Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.float8 import FLOAT8, decoded, encoded
from jitlite.converter.lowerings.registry import lowers
from jitlite.schemas.ops.bitwise import BITCAST
from jitlite.schemas.ops.comparison import LESS, SELECT_V2
from jitlite.schemas.ops.conversion import CAST
from jitlite.schemas.ops.elementwise import ABS, ADD, FLOOR_MOD, MINIMUM, MUL, ROUND, SUB
from jitlite.schemas.tables import CastOptions

HALF_RANGE = 2**63


def cast_to(ctx: Context, x: Value, dtype: np.dtype) -> Value:
    """The numbers in another type. CAST does not know UINT64, whose bits are taken for those of INT64 on the way."""
    if x.dtype == dtype:
        return x
    assert x.dtype is not None
    if x.dtype == np.uint64:
        return _from_unsigned(ctx, x, dtype)
    if dtype == np.uint64:
        return _to_unsigned(ctx, x)
    if x.dtype in FLOAT8:
        return cast_to(ctx, from_float8(ctx, x), dtype)
    if dtype in FLOAT8:
        return to_float8(ctx, cast_to(ctx, x, np.dtype(np.float32)), dtype)
    if x.dtype in PACKED_BOUNDS and dtype != np.float32:
        return cast_to(ctx, cast_to(ctx, x, np.dtype(np.float32)), dtype)
    if dtype in PACKED_BOUNDS:
        return packed(ctx, _lowest_bits(ctx, cast_to(ctx, x, np.dtype(np.int32)), *PACKED_BOUNDS[dtype]), dtype)
    return _cast(ctx, x, dtype)


def _cast(ctx: Context, x: Value, dtype: np.dtype) -> Value:
    assert x.dtype is not None
    return ctx.op(CAST, x, options=CastOptions(in_data_type=type_of(x.dtype), out_data_type=type_of(dtype)))


def from_float8(ctx: Context, x: Value) -> Value:
    """The numbers as float32."""
    if x.data is not None:
        return ctx.constant(x.data, np.float32)
    assert x.dtype is not None
    return decoded(ctx, cast_to(ctx, same_bits(ctx, x, np.dtype(np.uint8)), np.dtype(np.int32)), x.dtype)


def to_float8(ctx: Context, x: Value, dtype: np.dtype, saturate: bool = True) -> Value:
    """The nearest numbers to those of float32; beyond the largest that one or, unless they `saturate`, infinity or NaN."""
    bits = same_bits(ctx, x, np.dtype(np.int32))
    is_negative = cast_to(ctx, ctx.binary(LESS, bits, 0), np.dtype(np.int32))
    size = ctx.op(ABS, x)
    scaled = ctx.binary(MUL, ctx.binary(MINIMUM, size, 1.0), FLOAT8[dtype].subnormals)
    subnormal = cast_to(ctx, ctx.op(ROUND, scaled), np.dtype(np.int32))
    code = encoded(ctx, size, same_bits(ctx, size, np.dtype(np.int32)), subnormal, FLOAT8[dtype], saturate)
    signed = ctx.op(ADD, code, ctx.binary(MUL, is_negative, 128))
    return same_bits(ctx, cast_to(ctx, signed, np.dtype(np.uint8)), dtype)


def _lowest_bits(ctx: Context, x: Value, low: int, high: int) -> Value:
    """Whole numbers reduced to these bounds by dropping bits, as ONNX casts to types of 4 and 2 bits."""
    wrapped = ctx.binary(FLOOR_MOD, ctx.binary(SUB, x, low) if low else x, high - low + 1)
    return ctx.binary(ADD, wrapped, low) if low else wrapped


def packed(ctx: Context, x: Value, dtype: np.dtype) -> Value:
    """Whole numbers within the bounds of a type of 4 or 2 bits; CAST makes these of float32 alone."""
    return _cast(ctx, cast_to(ctx, x, np.dtype(np.float32)), dtype)


def _from_unsigned(ctx: Context, x: Value, dtype: np.dtype) -> Value:
    signed = same_bits(ctx, x, np.dtype(np.int64))
    if dtype.kind != "f":
        return cast_to(ctx, signed, dtype)
    number = cast_to(ctx, signed, np.dtype(np.float32))
    whole = ctx.op(SELECT_V2, ctx.binary(LESS, signed, 0), ctx.binary(ADD, number, 2.0 * HALF_RANGE), number)
    return cast_to(ctx, whole, dtype)


def _to_unsigned(ctx: Context, x: Value) -> Value:
    assert x.dtype is not None
    signed = np.dtype(np.int64)
    if x.dtype.kind != "f":
        return same_bits(ctx, cast_to(ctx, x, signed), np.dtype(np.uint64))
    number = cast_to(ctx, x, np.dtype(np.float32))
    upper = ctx.binary(ADD, cast_to(ctx, ctx.binary(SUB, number, float(HALF_RANGE)), signed), -HALF_RANGE)
    bits = ctx.op(SELECT_V2, ctx.binary(LESS, number, float(HALF_RANGE)), cast_to(ctx, number, signed), upper)
    return same_bits(ctx, bits, np.dtype(np.uint64))


def same_bits(ctx: Context, x: Value, dtype: np.dtype) -> Value:
    """The bits of the elements as a type of the same size."""
    assert x.dtype is not None
    assert x.dtype.itemsize == dtype.itemsize, f"{x.dtype} and {dtype} differ in size"
    if x.dtype == dtype:
        return x
    if x.data is not None:
        return ctx.constant(np.ascontiguousarray(x.data).reshape(x.dims).view(dtype))
    return ctx.ops(BITCAST, x, declared=[(x.dims, dtype)])[0]


@lowers("BitCast", since=26)
def bit_cast(ctx: Context, node: Node) -> Value:
    x, dtype = ctx.input(0), np.dtype(tensor_dtype_to_np_dtype(attribute(node, "to")))
    type_of(dtype)
    ctx.require(x.dtype is not None and x.dtype.itemsize == dtype.itemsize, f"a type of the size of {x.dtype} is required, found {dtype}")
    return same_bits(ctx, x, dtype)


@lowers("Cast", since=6)
def cast(ctx: Context, node: Node) -> Value:
    return _cast_as_told(ctx, node, np.dtype(tensor_dtype_to_np_dtype(attribute(node, "to"))))


@lowers("CastLike", since=15)
def cast_like(ctx: Context, node: Node) -> Value:
    dtype = ctx.input(1).dtype
    assert dtype is not None
    return _cast_as_told(ctx, node, dtype)


def _cast_as_told(ctx: Context, node: Node, dtype: np.dtype) -> Value:
    x = ctx.input(0)
    if dtype in FLOAT8 and x.dtype != dtype:
        return to_float8(ctx, cast_to(ctx, x, np.dtype(np.float32)), dtype, bool(attribute(node, "saturate", 1)))
    return cast_to(ctx, x, dtype)
