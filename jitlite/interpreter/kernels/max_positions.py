"""Max pooling that keeps where each window's largest element was, and its inverse."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f32, f32p, i64, i64p, kernel, span
from jitlite.interpreter.kernels.requantize import wide
from jitlite.interpreter.kernels.windows import taps_inside, unpack, window_at

as_float32: Any = np.float32
_LOWEST: Any = np.float32(np.finfo(np.float32).min)
_SLACK: Any = np.float32(0.1)
"""What positions are larger than the numbers they stand for, so that these survive inexact arithmetic."""
_ZERO: Any = np.float32(0)
_LEAST: Any = np.float32(-1)
_MOST: Any = np.float32(1 << 30)


@kernel
def max_pooling_with_argmax_2d_f32(x: f32p, y: f32p, positions: f32p, sizes: i64p, low: f32, high: f32, thread: i64, threads: i64) -> None:
    s = unpack(sizes)
    start, stop = span(s.batches * s.out_h * s.out_w, thread, threads)
    for pixel in range(start, stop):
        window = window_at(s, pixel)
        taps = taps_inside(s, window)
        for channel in range(s.in_c):
            largest, position = _LOWEST, 0
            for ky in range(taps.first_y, taps.stop_y):
                for kx in range(taps.first_x, taps.stop_x):
                    value = x[window.at + (ky * s.in_w + kx) * s.in_c + channel]
                    if value > largest:
                        largest, position = value, ky * s.window_w + kx
            y[pixel * s.in_c + channel] = min(max(largest, low), high)
            positions[pixel * s.in_c + channel] = as_float32(position) + _SLACK


@kernel
def max_unpooling_2d_f32(x: f32p, positions: f32p, y: f32p, sizes: i64p, thread: i64, threads: i64) -> None:
    """`sizes` are those of the windows over the result. Elements whose position lies outside the result are left out."""
    s = unpack(sizes)
    first, last = span(s.in_c, thread, threads)
    for pixel in range(s.batches * s.in_h * s.in_w):
        for channel in range(first, last):
            y[pixel * s.in_c + channel] = _ZERO
    for pixel in range(s.batches * s.out_h * s.out_w):
        window = window_at(s, pixel)
        for channel in range(first, last):
            at = pixel * s.in_c + channel
            if not (positions[at] > _LEAST and positions[at] < _MOST):
                continue
            position = wide(positions[at])
            row, column = position // s.window_w, position % s.window_w
            if 0 <= window.y + row < s.in_h and 0 <= window.x + column < s.in_w:
                y[window.at + (row * s.in_w + column) * s.in_c + channel] = x[at]
