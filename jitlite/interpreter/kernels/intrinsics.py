"""Operations Numba lacks: calling a kernel by address and moving a pointer."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_I32, _I64 = ir.IntType(32), ir.IntType(64)


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
