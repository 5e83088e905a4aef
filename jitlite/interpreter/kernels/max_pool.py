"""The largest elements of windows of NHWC images. Elements outside the image are left out; NaN is no larger than anything."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f32, f32p, i8p, i16p, i32, i64, i64p, kernel, u8p
from jitlite.interpreter.kernels.blocks import stack_like
from jitlite.interpreter.kernels.lines import LINE_BYTES, larger, line_of, load_line, smaller, store_line
from jitlite.interpreter.kernels.pooling import ROW, SLACK, Reduction, pooling
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.windows import unpack

_BUFFER = ROW + SLACK


@forced
def _larger(total: Any, value: Any) -> Any:
    return larger(value, total)


def _maximum(element_bytes: int) -> Any:
    lanes = LINE_BYTES // element_bytes

    @forced
    def load(x: Any, at: Any) -> Any:
        return load_line(x, at, lanes)

    @forced
    def store(x: Any, at: Any, value: Any) -> Any:
        store_line(x, at, value)

    @forced
    def empty(row: Any, settings: Any) -> Any:
        return line_of(row, settings[0], lanes)

    @forced
    def finish(part: Any, at: Any, total: Any, elements: Any, settings: Any) -> Any:
        store_line(part, at, smaller(total, line_of(part, settings[1], lanes)))

    pool = pooling(Reduction(lanes, load, load, store, empty, _larger, _larger, finish, False))

    @forced
    def run(x: Any, y: Any, sizes: Any, settings: Any, thread: Any, threads: Any) -> Any:
        pool(x, y, unpack(sizes), settings, thread, threads, stack_like(y, _BUFFER), stack_like(y, _BUFFER))

    return run


_maximum_8, _maximum_16, _maximum_32 = _maximum(1), _maximum(2), _maximum(4)


@kernel
def max_pool_2d_f32(x: f32p, y: f32p, sizes: i64p, low: f32, high: f32, thread: i64, threads: i64) -> None:
    _maximum_32(x, y, sizes, (max(low, np.finfo(np.float32).min), high), thread, threads)


@kernel
def max_pool_2d_s8(x: i8p, y: i8p, sizes: i64p, low: i32, high: i32, thread: i64, threads: i64) -> None:
    _maximum_8(x, y, sizes, (low, high), thread, threads)


@kernel
def max_pool_2d_u8(x: u8p, y: u8p, sizes: i64p, low: i32, high: i32, thread: i64, threads: i64) -> None:
    _maximum_8(x, y, sizes, (low, high), thread, threads)


@kernel
def max_pool_2d_s16(x: i16p, y: i16p, sizes: i64p, low: i32, high: i32, thread: i64, threads: i64) -> None:
    _maximum_16(x, y, sizes, (low, high), thread, threads)
