"""Copies and fills of runs of neighbours, short and long alike; source and target never overlap."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from jitlite.interpreter.kernels.abi import i64, inline, u8p
from jitlite.interpreter.kernels.elements import xp
from jitlite.interpreter.kernels.lines import load_line, store_line

_LONG_BYTES = 1024
"""Runs from here on are left to the C library."""


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def element_bytes(typing: Any, pointer: Any) -> Any:
    """The size of a pointer's elements."""
    if not isinstance(pointer, types.CPointer):
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return ir.Constant(ir.IntType(64), context.get_abi_sizeof(context.get_data_type(pointer.dtype)))

    return types.int64(pointer), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def bytes_at(typing: Any, pointer: Any, at: Any) -> Any:
    """The bytes from a pointer's element `at` on."""
    if not isinstance(pointer, types.CPointer):
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        address = builder.gep(values[0], [values[1]], source_etype=context.get_data_type(pointer.dtype))
        return builder.bitcast(address, ir.IntType(8).as_pointer())

    return types.CPointer(types.uint8)(pointer, types.int64), generate


def _library(name: str, second: ir.Type) -> Any:
    """The C library's function over (target, source or byte, count), as LLVM knows it."""

    def made(typing: Any, y: Any, x: Any, count: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            operands = [ir.IntType(8).as_pointer(), second, ir.IntType(64), ir.IntType(1)]
            target = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), operands), name)
            builder.call(target, [*values, ir.Constant(ir.IntType(1), 0)])
            return context.get_dummy_value()

        return types.void(y, x, types.int64), generate

    return intrinsic(made)


_copy_long = _library("llvm.memcpy.p0.p0.i64", ir.IntType(8).as_pointer())
_fill_long = _library("llvm.memset.p0.i64", ir.IntType(8))


@inline
def copy_bytes(x: u8p, y: u8p, count: i64) -> None:
    """Copies `count` bytes."""
    if count >= 64:
        if count >= _LONG_BYTES:
            _copy_long(y, x, count)
        else:
            for at in range(0, count - 64, 64):
                store_line(y, at, load_line(x, at, 64))
            store_line(y, count - 64, load_line(x, count - 64, 64))
    elif count >= 32:
        low, high = load_line(x, 0, 32), load_line(x, count - 32, 32)
        store_line(y, 0, low)
        store_line(y, count - 32, high)
    elif count >= 16:
        first, last = load_line(x, 0, 16), load_line(x, count - 16, 16)
        store_line(y, 0, first)
        store_line(y, count - 16, last)
    elif count >= 8:
        a, b = load_line(x, 0, 8), load_line(x, count - 8, 8)
        store_line(y, 0, a)
        store_line(y, count - 8, b)
    elif count >= 4:
        c, d = load_line(x, 0, 4), load_line(x, count - 4, 4)
        store_line(y, 0, c)
        store_line(y, count - 4, d)
    else:
        for at in range(count):
            y[at] = x[at]


@inline
def copy_run(x: xp, x_at: i64, y: xp, y_at: i64, count: i64) -> None:
    """Copies `count` elements."""
    copy_bytes(bytes_at(x, x_at), bytes_at(y, y_at), count * element_bytes(x))
