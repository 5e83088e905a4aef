"""Operations Numba lacks: calling by address, moving a pointer, and memory that several threads read and write."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_WORDS = types.CPointer(types.int64)


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def call_kernel(typing: Any, function: Any, arguments: Any, thread: Any, threads: Any) -> Any:
    """Calls the kernel at address `function` with the argument block at address `arguments`; returns its status."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kernel_type = ir.FunctionType(_I32, [_I64.as_pointer(), _I64, _I64])
        target = builder.inttoptr(values[0], kernel_type.as_pointer())
        return builder.call(target, [builder.inttoptr(values[1], _I64.as_pointer()), values[2], values[3]])

    return types.int32(types.int64, types.int64, types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def advance(typing: Any, pointer: Any, count: Any) -> Any:
    """The pointer `count` elements further on."""
    if not isinstance(pointer, types.CPointer):
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        element = context.get_data_type(signature.args[0].dtype)
        return builder.gep(values[0], [values[1]], source_etype=element)

    return pointer(pointer, types.int64), generate


def _memory_call(context: Any, builder: Any, name: str, element: Any, values: Any) -> Any:
    """A call of llvm.memcpy or llvm.memset on values[2] elements."""
    size = context.get_abi_sizeof(context.get_data_type(element))
    count = builder.mul(values[2], ir.Constant(_I64, size))
    target, source = builder.bitcast(values[0], _I8.as_pointer()), values[1]
    if name == "llvm.memcpy.p0.p0.i64":
        source = builder.bitcast(source, _I8.as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [target.type, source.type, _I64, ir.IntType(1)])
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    builder.call(function, [target, source, count, ir.Constant(ir.IntType(1), 0)])
    return context.get_dummy_value()


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def copy_elements(typing: Any, target: Any, source: Any, count: Any) -> Any:
    """Copies `count` elements from where `source` points to where `target` does; the two do not overlap."""
    if not isinstance(target, types.CPointer) or target != source:
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _memory_call(context, builder, "llvm.memcpy.p0.p0.i64", target.dtype, values)

    return types.void(target, source, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def fill_elements(typing: Any, target: Any, value: Any, count: Any) -> Any:
    """Sets every byte of `count` elements to the low byte of `value`."""
    if not isinstance(target, types.CPointer):
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _memory_call(context, builder, "llvm.memset.p0.i64", target.dtype, [values[0], builder.trunc(values[1], _I8), values[2]])

    return types.void(target, types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def as_bytes(typing: Any, pointer: Any) -> Any:
    """The same address as a pointer to uint8."""
    return types.CPointer(types.uint8)(pointer), lambda context, builder, signature, values: builder.bitcast(values[0], _I8.as_pointer())


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def words_at(typing: Any, address: Any) -> Any:
    """The int64 at an address, as a pointer."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], _I64.as_pointer())

    return _WORDS(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def address_of(typing: Any, words: Any) -> Any:
    """The address of int64s."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.ptrtoint(values[0], _I64)

    return types.int64(_WORDS), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def call_foreign(typing: Any, function: Any, first: Any, second: Any) -> Any:
    """Calls the C function at address `function`, which takes at most two integers or pointers; its result is dropped."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        target = builder.inttoptr(values[0], ir.FunctionType(ir.VoidType(), [_I64, _I64]).as_pointer())
        builder.call(target, values[1:])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def pause(typing: Any) -> Any:
    """`jitlite.interpreter.codegen.isa`'s jitlite.pause."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), []), "jitlite.pause"), [])
        return context.get_dummy_value()

    return types.void(), generate


def _word(builder: Any, values: Any) -> Any:
    return builder.gep(values[0], [values[1]], source_etype=_I64)


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def atomic_load(typing: Any, words: Any, index: Any) -> Any:
    """words[index], before whatever this thread reads or writes next. All threads see these, exchanges and additions in one order."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load_atomic(_word(builder, values), ordering="seq_cst", align=8, typ=_I64)

    return types.int64(_WORDS, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def atomic_store(typing: Any, words: Any, index: Any, value: Any) -> Any:
    """words[index] = value, behind whatever this thread has read and written."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.store_atomic(values[2], _word(builder, values), ordering="release", align=8)
        return context.get_dummy_value()

    return types.void(_WORDS, types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def atomic_exchange(typing: Any, words: Any, index: Any, value: Any) -> Any:
    """words[index] = value; returns what it was."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.atomic_rmw("xchg", _word(builder, values), values[2], "seq_cst")

    return types.int64(_WORDS, types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def atomic_add(typing: Any, words: Any, index: Any, value: Any) -> Any:
    """words[index] += value; returns what it was."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.atomic_rmw("add", _word(builder, values), values[2], "seq_cst")

    return types.int64(_WORDS, types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def compare_exchange(typing: Any, words: Any, index: Any, expected: Any, value: Any) -> Any:
    """True where words[index] was `expected` and is `value` now."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _word(builder, values)
        return builder.extract_value(builder.cmpxchg(place, values[2], values[3], "acq_rel", "acquire"), 1)

    return types.boolean(_WORDS, types.int64, types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def apart(typing: Any) -> Any:
    """In a function's body: callers call the function, whose code is there once."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.function.attributes.discard("alwaysinline")
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def rarely_called(typing: Any) -> Any:
    """In a function's body: keeps the function out of its callers' code, which would grow and lose registers to it."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.function.attributes.discard("alwaysinline")
        builder.function.attributes.add("noinline")
        builder.function.attributes.add("cold")
        return context.get_dummy_value()

    return types.void(), generate
