"""Pooling over windows of NHWC images; elements outside the image are left out.

`sizes` are those of `jitlite.interpreter.kernels.windows`. Channels are handled _CHUNK at a time.
"""

from math import sqrt
from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f32, f32p, i8p, i32, i64, i64p, inline, kernel, span
from jitlite.interpreter.kernels.requantize import narrow
from jitlite.interpreter.kernels.tile import Numbers, clamp_f32, single, stack_f32, stack_i32
from jitlite.interpreter.kernels.vectors import multiply_add
from jitlite.interpreter.kernels.windows import Taps, Window, Windows, taps_inside, unpack, window_at

_CHUNK = 64
double: Any = np.float64


@inline
def _sum(x: Numbers, s: Windows, window: Window, taps: Taps, channel: i64, count: i64, acc: Numbers) -> None:
    """Sets `acc` to the sums of `count` channels over a window."""
    for j in range(_CHUNK):
        acc[j] = 0
    for tap_y in range(taps.first_y, taps.stop_y):
        for tap_x in range(taps.first_x, taps.stop_x):
            at = window.at + (tap_y * s.in_w + tap_x) * s.in_c + channel
            for j in range(count):
                acc[j] += x[at + j]


@inline
def _largest(x: Numbers, s: Windows, window: Window, taps: Taps, channel: i64, count: i64, acc: Numbers) -> None:
    """Raises `acc` to the largest values of `count` channels over a window; NaN is no larger than anything."""
    for tap_y in range(taps.first_y, taps.stop_y):
        for tap_x in range(taps.first_x, taps.stop_x):
            at = window.at + (tap_y * s.in_w + tap_x) * s.in_c + channel
            for j in range(count):
                value = x[at + j]
                acc[j] = value if value > acc[j] else acc[j]


@inline
def _elements(taps: Taps) -> i64:
    """Elements of a window inside the image."""
    return (taps.stop_y - taps.first_y) * (taps.stop_x - taps.first_x)


@kernel
def average_pool_2d_f32(x: f32p, y: f32p, sizes: i64p, low: f32, high: f32, thread: i64, threads: i64) -> None:
    s = unpack(sizes)
    acc = stack_f32(_CHUNK)
    start, stop = span(s.batches * s.out_h * s.out_w, thread, threads)
    for pixel in range(start, stop):
        window = window_at(s, pixel)
        taps = taps_inside(s, window)
        elements = single(_elements(taps))
        for channel in range(0, s.in_c, _CHUNK):
            count = min(_CHUNK, s.in_c - channel)
            _sum(x, s, window, taps, channel, count, acc)
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
        window = window_at(s, pixel)
        taps = taps_inside(s, window)
        elements = narrow(_elements(taps))
        for channel in range(0, s.in_c, _CHUNK):
            count = min(_CHUNK, s.in_c - channel)
            _sum(x, s, window, taps, channel, count, acc)
            for j in range(count):
                y[pixel * s.in_c + channel + j] = min(max(_rounded_quotient(acc[j], elements), low), high)


@kernel
def max_pool_2d_f32(x: f32p, y: f32p, sizes: i64p, low: f32, high: f32, thread: i64, threads: i64) -> None:
    s = unpack(sizes)
    acc = stack_f32(_CHUNK)
    start, stop = span(s.batches * s.out_h * s.out_w, thread, threads)
    for pixel in range(start, stop):
        window = window_at(s, pixel)
        taps = taps_inside(s, window)
        for channel in range(0, s.in_c, _CHUNK):
            count = min(_CHUNK, s.in_c - channel)
            for j in range(_CHUNK):
                acc[j] = single(-3.4028234663852886e38)
            _largest(x, s, window, taps, channel, count, acc)
            for j in range(count):
                y[pixel * s.in_c + channel + j] = clamp_f32(acc[j], low, high)


@kernel
def max_pool_2d_s8(x: i8p, y: i8p, sizes: i64p, low: i32, high: i32, thread: i64, threads: i64) -> None:
    s = unpack(sizes)
    acc = stack_i32(_CHUNK)
    start, stop = span(s.batches * s.out_h * s.out_w, thread, threads)
    for pixel in range(start, stop):
        window = window_at(s, pixel)
        taps = taps_inside(s, window)
        for channel in range(0, s.in_c, _CHUNK):
            count = min(_CHUNK, s.in_c - channel)
            for j in range(_CHUNK):
                acc[j] = low
            _largest(x, s, window, taps, channel, count, acc)
            for j in range(count):
                y[pixel * s.in_c + channel + j] = min(acc[j], high)


@kernel
def l2_pool_2d_f32(x: f32p, y: f32p, sizes: i64p, low: f32, high: f32, thread: i64, threads: i64) -> None:
    s = unpack(sizes)
    acc = stack_f32(_CHUNK)
    start, stop = span(s.batches * s.out_h * s.out_w, thread, threads)
    for pixel in range(start, stop):
        window = window_at(s, pixel)
        taps = taps_inside(s, window)
        elements = single(_elements(taps))
        for channel in range(0, s.in_c, _CHUNK):
            count = min(_CHUNK, s.in_c - channel)
            for j in range(_CHUNK):
                acc[j] = 0
            for tap_y in range(taps.first_y, taps.stop_y):
                for tap_x in range(taps.first_x, taps.stop_x):
                    at = window.at + (tap_y * s.in_w + tap_x) * s.in_c + channel
                    for j in range(count):
                        acc[j] = multiply_add(x[at + j], x[at + j], acc[j])
            for j in range(count):
                y[pixel * s.in_c + channel + j] = clamp_f32(single(sqrt(acc[j] / elements)), low, high)
