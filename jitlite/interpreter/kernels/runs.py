"""Copies and fills of runs of neighbours, short and long alike; source and target never overlap."""

from typing import Any

from numba import types
from numba.extending import intrinsic

from jitlite.interpreter.kernels.abi import i64, inline, u8p
from jitlite.interpreter.kernels.elements import xp
from jitlite.interpreter.kernels.intrinsics import advance, as_bytes, copy_elements, fill_elements
from jitlite.interpreter.kernels.lines import line_of, load_line, store_line

_LONG_BYTES = 4096
"""Runs from here on are left to the C library."""


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def element_bytes(typing: Any, pointer: Any) -> Any:
    """The size of a pointer's elements."""
    if not isinstance(pointer, types.CPointer):
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return context.get_constant(types.int64, context.get_abi_sizeof(context.get_data_type(pointer.dtype)))

    return types.int64(pointer), generate


@inline
def copy_bytes(x: u8p, y: u8p, count: i64) -> None:
    """Copies `count` bytes."""
    if count >= 64:
        if count >= _LONG_BYTES:
            copy_elements(y, x, count)
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
    elif count >= 2:
        e, f = load_line(x, 0, 2), load_line(x, count - 2, 2)
        store_line(y, 0, e)
        store_line(y, count - 2, f)
    elif count == 1:
        y[0] = x[0]


@inline
def copy_run(x: xp, x_at: i64, y: xp, y_at: i64, count: i64) -> None:
    """Copies `count` elements."""
    copy_bytes(as_bytes(advance(x, x_at)), as_bytes(advance(y, y_at)), count * element_bytes(x))


@inline
def fill_bytes(y: u8p, count: i64, value: i64) -> None:
    """Sets `count` bytes to the low byte of `value`."""
    if count >= _LONG_BYTES:
        fill_elements(y, value, count)
    elif count >= 16:
        line = line_of(y, value, 16)
        for at in range(0, count - 16, 16):
            store_line(y, at, line)
        store_line(y, count - 16, line)
    else:
        for at in range(count):
            y[at] = value
