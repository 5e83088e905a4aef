"""Element-by-element arithmetic on plain integers. Sums and products wrap; divisors are checked by kernels that run before."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import Status, f32p, i8p, i16p, i32, i32p, i64, i64p, inline, kernel, span, u8p, u32p
from jitlite.interpreter.kernels.broadcast import binary, unary

_FAMILY = __name__
_OK, _DIVISION_BY_ZERO, _BAD_VALUE = int(Status.OK), int(Status.DIVISION_BY_ZERO), int(Status.BAD_VALUE)


def arithmetic(family: str, suffix: str, pointer: Any, element: Any, names: tuple[str, ...] = ("add", "sub", "mul")) -> None:
    """Those of sums, differences and products that are named, which wrap in `element`'s width, clamped to settings [low, high]."""

    @inline
    def bounds(settings: i64p) -> tuple[Any, Any]:
        return element(settings[0]), element(settings[1])

    @inline
    def add(a: Any, b: Any, limits: tuple[Any, Any]) -> Any:
        return min(max(element(a + b), limits[0]), limits[1])

    @inline
    def sub(a: Any, b: Any, limits: tuple[Any, Any]) -> Any:
        return min(max(element(a - b), limits[0]), limits[1])

    @inline
    def mul(a: Any, b: Any, limits: tuple[Any, Any]) -> Any:
        return min(max(element(a * b), limits[0]), limits[1])

    operations = {"add": add, "sub": sub, "mul": mul}
    for name in names:
        binary(family, f"{name}_{suffix}", (pointer, pointer, pointer, i64p), operations[name], bounds)


arithmetic(_FAMILY, "i64", i64p, np.int64)
arithmetic(_FAMILY, "u32", u32p, np.uint32, ("mul",))


@inline
def minimum(a: Any, b: Any, settings: tuple[()]) -> Any:
    return min(a, b)


@inline
def maximum(a: Any, b: Any, settings: tuple[()]) -> Any:
    return max(a, b)


for _suffix, _pointer in {"i8": i8p, "u8": u8p, "i64": i64p}.items():
    binary(_FAMILY, f"minimum_{_suffix}", (_pointer, _pointer, _pointer, i64p), minimum)
    binary(_FAMILY, f"maximum_{_suffix}", (_pointer, _pointer, _pointer, i64p), maximum)


@inline
def _divisor(b: Any) -> Any:
    return np.float64(b) if b != 0 else np.float64(1)


@inline
def _div(a: Any, b: Any, limits: tuple[Any, Any]) -> Any:
    """Towards zero; float64 holds 32-bit quotients exactly enough."""
    return min(max(np.int32(np.int64(np.float64(a) / _divisor(b))), limits[0]), limits[1])


@inline
def _div_bounds(settings: i64p) -> tuple[Any, Any]:
    return np.int32(settings[0]), np.int32(settings[1])


@inline
def floor_div(a: Any, b: Any, settings: tuple[()]) -> Any:
    return np.int64(np.floor(np.float64(a) / _divisor(b)))


@inline
def floor_mod(a: Any, b: Any, settings: tuple[()]) -> Any:
    return np.int64(a) - np.int64(np.floor(np.float64(a) / _divisor(b))) * np.int64(b)


@inline
def _floor_mod_i64(a: Any, b: Any, settings: tuple[()]) -> Any:
    return a % (b if b != 0 and b != -1 else 1)


@inline
def _pow(a: Any, b: Any, settings: tuple[()]) -> Any:
    """In float64 as in the reference; what does not fit becomes the smallest integer."""
    power, factor, rest = 1.0, np.float64(a), b
    while rest > 0:
        if rest & 1:
            power *= factor
        factor *= factor
        rest >>= 1
    return np.int64(power) if abs(power) < 2147483648.0 else np.int64(-2147483648)


_I32 = (i32p, i32p, i32p, i64p)
_I8 = (i8p, i8p, i8p, i64p)
binary(_FAMILY, "div_i32", _I32, _div, _div_bounds)
binary(_FAMILY, "floor_div_i32", _I32, floor_div)
binary(_FAMILY, "floor_div_i8", _I8, floor_div)
binary(_FAMILY, "floor_mod_i32", _I32, floor_mod)
binary(_FAMILY, "floor_mod_i8", _I8, floor_mod)
binary(_FAMILY, "floor_mod_i64", (i64p, i64p, i64p, i64p), _floor_mod_i64)
binary(_FAMILY, "pow_i32", _I32, _pow)


@inline
def _neg(x: Any) -> Any:
    return -x


unary(_FAMILY, "neg_i64", (i64p, i64p), _neg)


@inline
def _has(x: Any, value: Any, start: int, stop: int) -> Any:
    found = 0
    for i in range(start, stop):
        found |= x[i] == value
    return found


@kernel
def require_nonzero_i32(x: i32p, count: i64, thread: i64, threads: i64) -> i32:
    start, stop = span(count, thread, threads)
    return _DIVISION_BY_ZERO if _has(x, 0, start, stop) else _OK


@kernel
def require_nonzero_i64(x: i64p, count: i64, thread: i64, threads: i64) -> i32:
    start, stop = span(count, thread, threads)
    return _DIVISION_BY_ZERO if _has(x, 0, start, stop) else _OK


@kernel
def require_nonzero_i16(x: i16p, count: i64, thread: i64, threads: i64) -> i32:
    start, stop = span(count, thread, threads)
    return _DIVISION_BY_ZERO if _has(x, 0, start, stop) else _OK


@kernel
def require_nonzero_f32(x: f32p, count: i64, thread: i64, threads: i64) -> i32:
    start, stop = span(count, thread, threads)
    return _DIVISION_BY_ZERO if _has(x, 0, start, stop) else _OK


@kernel
def require_not_negative_i32(x: i32p, count: i64, thread: i64, threads: i64) -> i32:
    start, stop = span(count, thread, threads)
    lowest = 0
    for i in range(start, stop):
        lowest = min(lowest, x[i])
    return _BAD_VALUE if lowest < 0 else _OK
