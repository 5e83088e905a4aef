"""Pooling over windows of NHWC images; elements outside the image are left out.

`sizes` are those of `jitlite.interpreter.kernels.windows`. Channels are handled _CHUNK at a time.
"""

from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from jitlite.interpreter.kernels.abi import f32, f32p, i8p, i32, i64, i64p, inline, kernel, span
from jitlite.interpreter.kernels.requantize import narrow
from jitlite.interpreter.kernels.tile import Numbers, clamp_f32, single, stack_f32, stack_i32
from jitlite.interpreter.kernels.vectors import multiply_add
from jitlite.interpreter.kernels.windows import Windows, reach, unpack, window_at

_CHUNK = 64
double: Any = np.float64


class Block(NamedTuple):
    """The part of a window inside the image, rows and columns [first, stop) of taps, and the index of its first tap in the image."""

    at: int
    first_y: int
    stop_y: int
    first_x: int
    stop_x: int


@inline
def _locate(s: Windows, pixel: i64) -> Block:
    window = window_at(s, pixel)
    first_y, stop_y = reach(window.y, s.in_h, s.window_h, s.dilation_h)
    first_x, stop_x = reach(window.x, s.in_w, s.window_w, s.dilation_w)
    return Block(window.at, first_y, stop_y, first_x, stop_x)


@inline
def _sum(x: Numbers, s: Windows, block: Block, channel: i64, count: i64, acc: Numbers) -> None:
    """Sets `acc` to the sums of `count` channels over a window."""
    for j in range(_CHUNK):
        acc[j] = 0
    for tap_y in range(block.first_y, block.stop_y):
        for tap_x in range(block.first_x, block.stop_x):
            at = block.at + (tap_y * s.in_w + tap_x) * s.in_c + channel
            for j in range(count):
                acc[j] += x[at + j]


@inline
def _largest(x: Numbers, s: Windows, block: Block, channel: i64, count: i64, acc: Numbers) -> None:
    """Raises `acc` to the largest values of `count` channels over a window; NaN is no larger than anything."""
    for tap_y in range(block.first_y, block.stop_y):
        for tap_x in range(block.first_x, block.stop_x):
            at = block.at + (tap_y * s.in_w + tap_x) * s.in_c + channel
            for j in range(count):
                value = x[at + j]
                acc[j] = value if value > acc[j] else acc[j]


@inline
def _elements(block: Block) -> i64:
    """Elements of a window inside the image."""
    return (block.stop_y - block.first_y) * (block.stop_x - block.first_x)


@kernel
def average_pool_2d_f32(x: f32p, y: f32p, sizes: i64p, low: f32, high: f32, thread: i64, threads: i64) -> None:
    s = unpack(sizes)
    acc = stack_f32(_CHUNK)
    start, stop = span(s.batches * s.out_h * s.out_w, thread, threads)
    for pixel in range(start, stop):
        block = _locate(s, pixel)
        elements = single(_elements(block))
        for channel in range(0, s.in_c, _CHUNK):
            count = min(_CHUNK, s.in_c - channel)
            _sum(x, s, block, channel, count, acc)
            for j in range(count):
                y[pixel * s.in_c + channel + j] = clamp_f32(acc[j] / elements, low, high)


@inline
def _rounded_quotient(total: i32, elements: i32) -> i32:
    """The nearest whole number to total / elements, halves away from zero.

    The quotient of two int32 in float64 never rounds up to a whole number, so it may be cut off.
    """
    half = elements // narrow(2)
    raised = double(narrow(total + half)) if total > 0 else double(narrow(total - half))
    quotient: int = narrow(raised / double(elements))
    return quotient


@kernel
def average_pool_2d_s8(x: i8p, y: i8p, sizes: i64p, low: i32, high: i32, thread: i64, threads: i64) -> None:
    s = unpack(sizes)
    acc = stack_i32(_CHUNK)
    start, stop = span(s.batches * s.out_h * s.out_w, thread, threads)
    for pixel in range(start, stop):
        block = _locate(s, pixel)
        elements = narrow(_elements(block))
        for channel in range(0, s.in_c, _CHUNK):
            count = min(_CHUNK, s.in_c - channel)
            _sum(x, s, block, channel, count, acc)
            for j in range(count):
                y[pixel * s.in_c + channel + j] = min(max(_rounded_quotient(acc[j], elements), low), high)


@kernel
def max_pool_2d_f32(x: f32p, y: f32p, sizes: i64p, low: f32, high: f32, thread: i64, threads: i64) -> None:
    s = unpack(sizes)
    acc = stack_f32(_CHUNK)
    start, stop = span(s.batches * s.out_h * s.out_w, thread, threads)
    for pixel in range(start, stop):
        block = _locate(s, pixel)
        for channel in range(0, s.in_c, _CHUNK):
            count = min(_CHUNK, s.in_c - channel)
            for j in range(_CHUNK):
                acc[j] = single(-3.4028234663852886e38)
            _largest(x, s, block, channel, count, acc)
            for j in range(count):
                y[pixel * s.in_c + channel + j] = clamp_f32(acc[j], low, high)


@kernel
def max_pool_2d_s8(x: i8p, y: i8p, sizes: i64p, low: i32, high: i32, thread: i64, threads: i64) -> None:
    s = unpack(sizes)
    acc = stack_i32(_CHUNK)
    start, stop = span(s.batches * s.out_h * s.out_w, thread, threads)
    for pixel in range(start, stop):
        block = _locate(s, pixel)
        for channel in range(0, s.in_c, _CHUNK):
            count = min(_CHUNK, s.in_c - channel)
            for j in range(_CHUNK):
                acc[j] = low
            _largest(x, s, block, channel, count, acc)
            for j in range(count):
                y[pixel * s.in_c + channel + j] = min(acc[j], high)


@kernel
def l2_pool_2d_f32(x: f32p, y: f32p, sizes: i64p, low: f32, high: f32, thread: i64, threads: i64) -> None:
    s = unpack(sizes)
    acc = stack_f32(_CHUNK)
    start, stop = span(s.batches * s.out_h * s.out_w, thread, threads)
    for pixel in range(start, stop):
        block = _locate(s, pixel)
        elements = single(_elements(block))
        for channel in range(0, s.in_c, _CHUNK):
            count = min(_CHUNK, s.in_c - channel)
            for j in range(_CHUNK):
                acc[j] = 0
            for tap_y in range(block.first_y, block.stop_y):
                for tap_x in range(block.first_x, block.stop_x):
                    at = block.at + (tap_y * s.in_w + tap_x) * s.in_c + channel
                    for j in range(count):
                        acc[j] = multiply_add(x[at + j], x[at + j], acc[j])
            for j in range(count):
                y[pixel * s.in_c + channel + j] = clamp_f32(single(sqrt(acc[j] / elements)), low, high)
