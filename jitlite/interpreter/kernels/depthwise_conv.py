"""Depthwise convolutions over NHWC images, with filters as the format stores them: tap, output channel.

LANES output channels are summed at a time where they read as many input channels or one; the last of them may overlap those before. Other
filters are summed one channel at a time. A quantized bias contains minus the image's zero point times the sum of the filter's weights; taps
outside the image count as the zero point.
"""

from typing import Any

from jitlite.interpreter.kernels.abi import f32, f32p, i8p, i32, i32p, i64, i64p, inline, kernel, span
from jitlite.interpreter.kernels.requantize import narrow, requantize
from jitlite.interpreter.kernels.tile import Numbers, clamp_f32, forced, single
from jitlite.interpreter.kernels.vectors import (
    LANES,
    Vector,
    add,
    as_floats,
    clamp,
    load,
    multiply,
    multiply_add,
    scale_down,
    splat,
    store,
    zeros_like,
)
from jitlite.interpreter.kernels.windows import Taps, Window, Windows, taps_inside, unpack, window_at


@inline
def _is_by_lanes(s: Windows) -> bool:
    """True when LANES output channels can be summed at a time."""
    multiplier = s.out_c // s.in_c
    return s.out_c >= LANES and (multiplier == 1 or s.in_c == 1 or multiplier % LANES == 0)


@forced
def _channels_under(x: Numbers, s: Windows, at: i64, channel: i64) -> Vector:
    """What LANES output channels from `channel` on read at index `at` of the image."""
    if s.in_c == s.out_c:
        return load(x, at + channel)
    return splat(x[at + channel // (s.out_c // s.in_c)])


@forced
def _lanes_inside(x: Numbers, s: Windows, window: Window, taps: Taps, w: Numbers, channel: i64) -> Vector:
    """Sums of LANES channels over the taps inside the image."""
    total = zeros_like(w)
    for tap_y in range(taps.first_y, taps.stop_y):
        for tap_x in range(taps.first_x, taps.stop_x):
            at = window.at + (tap_y * s.dilation_h * s.in_w + tap_x * s.dilation_w) * s.in_c
            w_at = (tap_y * s.window_w + tap_x) * s.out_c + channel
            total = multiply_add(_channels_under(x, s, at, channel), load(w, w_at), total)
    return total


@forced
def _weights_outside(s: Windows, taps: Taps, w: Numbers, channel: i64) -> Vector:
    """Sums of the weights of LANES channels over the taps outside the image."""
    total = zeros_like(w)
    if taps.first_y > 0 or taps.first_x > 0 or taps.stop_y < s.window_h or taps.stop_x < s.window_w:
        for tap_y in range(s.window_h):
            for tap_x in range(s.window_w):
                if not (taps.first_y <= tap_y < taps.stop_y and taps.first_x <= tap_x < taps.stop_x):
                    total = add(total, load(w, (tap_y * s.window_w + tap_x) * s.out_c + channel))
    return total


@inline
def _one_inside(x: Numbers, s: Windows, window: Window, taps: Taps, w: Numbers, channel: i64, total: Any) -> Any:
    """`total` plus one channel's sum over the taps inside the image."""
    source = channel // (s.out_c // s.in_c)
    for tap_y in range(taps.first_y, taps.stop_y):
        for tap_x in range(taps.first_x, taps.stop_x):
            at = window.at + (tap_y * s.dilation_h * s.in_w + tap_x * s.dilation_w) * s.in_c + source
            total = multiply_add(x[at], w[(tap_y * s.window_w + tap_x) * s.out_c + channel], total)
    return total


@inline
def _one_outside(s: Windows, taps: Taps, w: i8p, channel: i64) -> i32:
    """The sum of one channel's weights over the taps outside the image."""
    total: int = narrow(0)
    for tap_y in range(s.window_h):
        for tap_x in range(s.window_w):
            if not (taps.first_y <= tap_y < taps.stop_y and taps.first_x <= tap_x < taps.stop_x):
                total = narrow(total + w[(tap_y * s.window_w + tap_x) * s.out_c + channel])
    return total


@kernel
def depthwise_conv_2d_f32(x: f32p, w: f32p, bias: f32p, y: f32p, sizes: i64p, low: f32, high: f32, thread: i64, threads: i64) -> None:
    s = unpack(sizes)
    start, stop = span(s.batches * s.out_h * s.out_w, thread, threads)
    for pixel in range(start, stop):
        window = window_at(s, pixel)
        taps = taps_inside(s, window)
        at = pixel * s.out_c
        if _is_by_lanes(s):
            for block in range(0, s.out_c, LANES):
                channel = min(block, s.out_c - LANES)
                total = add(_lanes_inside(x, s, window, taps, w, channel), load(bias, channel))
                store(y, at + channel, clamp(total, splat(low), splat(high)))
        else:
            for channel in range(s.out_c):
                y[at + channel] = clamp_f32(_one_inside(x, s, window, taps, w, channel, single(0)) + bias[channel], low, high)


@kernel
def depthwise_conv_2d_qs8(
    x: i8p, w: i8p, channels: i32p, y: i8p, sizes: i64p, zero_point: i32, limits: i32p, thread: i64, threads: i64
) -> None:
    """`channels` holds all biases, then all mantissas, then all shifts."""
    s = unpack(sizes)
    start, stop = span(s.batches * s.out_h * s.out_w, thread, threads)
    for pixel in range(start, stop):
        window = window_at(s, pixel)
        taps = taps_inside(s, window)
        at = pixel * s.out_c
        if _is_by_lanes(s):
            for block in range(0, s.out_c, LANES):
                channel = min(block, s.out_c - LANES)
                padding = multiply(splat(zero_point), _weights_outside(s, taps, w, channel))
                total = add(add(_lanes_inside(x, s, window, taps, w, channel), padding), load(channels, channel))
                scaled = scale_down(total, load(channels, s.out_c + channel), load(channels, 2 * s.out_c + channel))
                store(y, at + channel, clamp(add(scaled, splat(limits[0])), splat(limits[1]), splat(limits[2])))
        else:
            for c in range(s.out_c):
                outside = narrow(zero_point * _one_outside(s, taps, w, c))
                sums = _one_inside(x, s, window, taps, w, c, narrow(channels[c] + outside))
                y[at + c] = requantize(sums, channels[s.out_c + c], channels[2 * s.out_c + c], limits[0], limits[1], limits[2])


@kernel
def depthwise_conv_2d_f32_qc8w(
    x: i8p,
    scales: f32p,
    zero_points: i32p,
    w: i8p,
    channels: f32p,
    sums: i32p,
    y: f32p,
    sizes: i64p,
    low: f32,
    high: f32,
    thread: i64,
    threads: i64,
) -> None:
    """Float results of an image quantized with a scale and a zero point a batch.

    `channels` holds all scales, then all biases; `sums` the sum of each filter's weights.
    """
    s = unpack(sizes)
    start, stop = span(s.batches * s.out_h * s.out_w, thread, threads)
    for pixel in range(start, stop):
        window = window_at(s, pixel)
        taps = taps_inside(s, window)
        at = pixel * s.out_c
        zero_point, scale = zero_points[window.batch], scales[window.batch]
        if _is_by_lanes(s):
            for block in range(0, s.out_c, LANES):
                channel = min(block, s.out_c - LANES)
                inside = multiply_add(splat(narrow(-1)), _weights_outside(s, taps, w, channel), load(sums, channel))
                total = multiply_add(splat(narrow(-zero_point)), inside, _lanes_inside(x, s, window, taps, w, channel))
                real = add(multiply(multiply(as_floats(total), load(channels, channel)), splat(scale)), load(channels, s.out_c + channel))
                store(y, at + channel, clamp(real, splat(low), splat(high)))
        else:
            for c in range(s.out_c):
                inside_c = narrow(sums[c] - _one_outside(s, taps, w, c))
                total_c = _one_inside(x, s, window, taps, w, c, narrow(-zero_point * inside_c))
                y[at + c] = clamp_f32(single(total_c) * channels[c] * scale + channels[s.out_c + c], low, high)
