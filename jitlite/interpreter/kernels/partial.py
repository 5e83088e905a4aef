"""Vectors of which only the first lanes lie inside a tensor: memory behind them is neither read nor written."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from jitlite.interpreter.kernels.vectors import LANES, Lanes

_I32 = ir.IntType(32)
_FLOATS, _INTEGERS = Lanes(types.float32), Lanes(types.int32)
_NARROW = {types.int8: "i8", types.uint8: "i8", types.int16: "i16", types.uint16: "i16"}
_LOADED = {types.float32: _FLOATS, types.int32: _INTEGERS} | dict.fromkeys(_NARROW, _INTEGERS)
_SUFFIXES = _NARROW | {types.float32: "f32", types.int32: "i32"}


def _place(context: Any, builder: Any, pointer: Any, values: Any) -> tuple[Any, ir.VectorType, ir.Constant]:
    """The address of element values[1] behind pointer values[0] as one of a vector, the vector's type and the element's alignment."""
    element = context.get_data_type(pointer.dtype)
    vector = ir.VectorType(element, LANES)
    address = builder.bitcast(builder.gep(values[0], [values[1]], source_etype=element), vector.as_pointer())
    return address, vector, ir.Constant(_I32, context.get_abi_sizeof(element))


def _first_lanes(builder: Any, count: Any) -> Any:
    vector = ir.VectorType(_I32, LANES)
    empty = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(empty, builder.trunc(count, _I32), ir.Constant(_I32, 0))
    counts = builder.shuffle_vector(first, empty, ir.Constant(vector, [0] * LANES))
    return builder.icmp_unsigned("<", ir.Constant(vector, list(range(LANES))), counts)


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def load_part(typing: Any, pointer: Any, at: Any, count: Any) -> Any:
    """`vectors.load` of the first `count` ≤ LANES elements; the other lanes are 0."""
    kind = _LOADED.get(getattr(pointer, "dtype", None))
    if kind is None:
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        address, vector, alignment = _place(context, builder, pointer, values)
        mask = _first_lanes(builder, values[2])
        function_type = ir.FunctionType(vector, [address.type, _I32, mask.type, vector])
        name = f"llvm.masked.load.v{LANES}{_SUFFIXES[pointer.dtype]}.p0"
        function = cgutils.get_or_insert_function(builder.module, function_type, name)
        loaded = builder.call(function, [address, alignment, mask, ir.Constant(vector, None)])
        if pointer.dtype not in _NARROW:
            return loaded
        return (builder.sext if pointer.dtype.signed else builder.zext)(loaded, ir.VectorType(_I32, LANES))

    return kind(pointer, types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def store_part(typing: Any, pointer: Any, at: Any, vector: Any, count: Any) -> Any:
    """`vectors.store` of the first `count` ≤ LANES lanes."""
    if _LOADED.get(getattr(pointer, "dtype", None)) != vector:
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        address, kind, alignment = _place(context, builder, pointer, values)
        mask = _first_lanes(builder, values[3])
        value = builder.trunc(values[2], kind) if pointer.dtype in _NARROW else values[2]
        function_type = ir.FunctionType(ir.VoidType(), [kind, address.type, _I32, mask.type])
        name = f"llvm.masked.store.v{LANES}{_SUFFIXES[pointer.dtype]}.p0"
        builder.call(cgutils.get_or_insert_function(builder.module, function_type, name), [value, address, alignment, mask])
        return context.get_dummy_value()

    return types.void(pointer, types.int64, vector, types.int64), generate
