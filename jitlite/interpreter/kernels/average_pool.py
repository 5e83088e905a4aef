"""Averages over windows of NHWC images, and roots of the averages of squares. Elements outside the image are left out and not counted."""

from collections.abc import Callable
from typing import Any

from jitlite.interpreter.kernels.abi import f32, f32p, i8p, i16p, i32, i64, i64p, kernel, u8p
from jitlite.interpreter.kernels.blocks import stack_like
from jitlite.interpreter.kernels.pooling import ROW, SLACK, Reduction, pooling
from jitlite.interpreter.kernels.requantize import narrow
from jitlite.interpreter.kernels.tile import forced, single, stack_f32, stack_i32
from jitlite.interpreter.kernels.vectors import (
    LANES,
    Vector,
    as_floats,
    as_integers,
    clamp,
    load,
    multiply_add,
    select,
    splat,
    square_root,
    store,
    zeros_like,
)
from jitlite.interpreter.kernels.windows import unpack

_BUFFER = ROW + SLACK


@forced
def _plus(total: Vector, value: Vector) -> Vector:
    return total + value


@forced
def _plus_square(total: Vector, value: Vector) -> Vector:
    return multiply_add(value, value, total)


@forced
def _mean_f32(total: Vector, elements: i64, settings: Any) -> Vector:
    return clamp(total * splat(single(1) / single(elements)), splat(settings[0]), splat(settings[1]))


@forced
def _root_mean(total: Vector, elements: i64, settings: Any) -> Vector:
    return clamp(square_root(total * splat(single(1) / single(elements))), splat(settings[0]), splat(settings[1]))


@forced
def _mean(total: Vector, elements: i64, settings: Any) -> Vector:
    """The nearest whole number to total / elements, halves away from zero; it is below 2^16 and its product with elements fits int32.

    The quotient in float32 is less than one off, which the remainder shows.
    """
    count, none = splat(narrow(elements)), splat(narrow(0))
    size = select(total < none, -total, total) + splat(narrow(elements // 2))
    quotient = as_integers(as_floats(size) * splat(single(1) / single(elements)))
    rest = size - quotient * count
    one = splat(narrow(1))
    quotient = quotient + select(rest < none, -one, none) + select(rest < count, none, one)
    return clamp(select(total < none, -quotient, quotient), splat(settings[0]), splat(settings[1]))


def _averaging(plus: Callable[..., Any], mean: Callable[..., Any], reserve: Callable[..., Any]) -> Any:
    @forced
    def read(x: Any, at: Any) -> Any:
        return load(x, at)

    @forced
    def write(row: Any, at: Any, total: Any) -> Any:
        store(row, at, total)

    @forced
    def empty(row: Any, settings: Any) -> Any:
        return zeros_like(row)

    @forced
    def finish(part: Any, at: Any, total: Any, elements: Any, settings: Any) -> Any:
        store(part, at, mean(total, elements, settings))

    pool = pooling(Reduction(LANES, read, read, write, empty, plus, _plus, finish, True))

    @forced
    def run(x: Any, y: Any, sizes: Any, settings: Any, thread: Any, threads: Any) -> Any:
        pool(x, y, unpack(sizes), settings, thread, threads, reserve(_BUFFER), stack_like(y, _BUFFER))

    return run


_average_f32 = _averaging(_plus, _mean_f32, stack_f32)
_average = _averaging(_plus, _mean, stack_i32)
_root_of_squares = _averaging(_plus_square, _root_mean, stack_f32)


@kernel
def average_pool_2d_f32(x: f32p, y: f32p, sizes: i64p, low: f32, high: f32, thread: i64, threads: i64) -> None:
    _average_f32(x, y, sizes, (low, high), thread, threads)


@kernel
def average_pool_2d_s8(x: i8p, y: i8p, sizes: i64p, low: i32, high: i32, thread: i64, threads: i64) -> None:
    _average(x, y, sizes, (low, high), thread, threads)


@kernel
def average_pool_2d_u8(x: u8p, y: u8p, sizes: i64p, low: i32, high: i32, thread: i64, threads: i64) -> None:
    _average(x, y, sizes, (low, high), thread, threads)


@kernel
def average_pool_2d_s16(x: i16p, y: i16p, sizes: i64p, low: i32, high: i32, thread: i64, threads: i64) -> None:
    _average(x, y, sizes, (low, high), thread, threads)


@kernel
def l2_pool_2d_f32(x: f32p, y: f32p, sizes: i64p, low: f32, high: f32, thread: i64, threads: i64) -> None:
    _root_of_squares(x, y, sizes, (low, high), thread, threads)
