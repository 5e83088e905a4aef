"""Depthwise convolutions over NHWC images, with filters as the format stores them: tap, output channel.

Quantized biases are those of `conv`.
"""

from jitlite.interpreter.kernels.abi import f32, f32p, i8p, i32, i32p, i64, i64p, inline, kernel, span
from jitlite.interpreter.kernels.requantize import narrow, requantize
from jitlite.interpreter.kernels.tile import Numbers, clamp_f32, clear, multiply_add, single, stack_f32, stack_i32
from jitlite.interpreter.kernels.windows import Block, Windows, is_partial, is_reached, locate, unpack

_CHUNK = 32
"""Channels summed at a time."""


@inline
def _add_channels(x: Numbers, s: Windows, block: Block, w: Numbers, channel: i64, count: i64, acc: Numbers) -> None:
    """Adds the products of one pixel's window with the depthwise filters of `count` output channels to `acc`.

    With several output channels an input channel, `count` lie within those of one input channel.
    """
    multiplier = s.out_c // s.in_c
    for tap_y in range(block.first_y, block.stop_y):
        row = block.at + tap_y * s.dilation_h * s.in_w * s.in_c + channel // multiplier
        for tap_x in range(block.first_x, block.stop_x):
            at = row + tap_x * s.dilation_w * s.in_c
            w_at = (tap_y * s.window_w + tap_x) * s.out_c + channel
            if multiplier > 1:
                a = x[at]
                for j in range(count):
                    acc[j] = multiply_add(a, w[w_at + j], acc[j])
            elif count == _CHUNK:
                for j in range(_CHUNK):
                    acc[j] = multiply_add(x[at + j], w[w_at + j], acc[j])
            else:
                for j in range(count):
                    acc[j] = multiply_add(x[at + j], w[w_at + j], acc[j])


@inline
def _chunk(s: Windows, channel: i64) -> i64:
    """How many output channels from `channel` on are summed together."""
    multiplier = s.out_c // s.in_c
    end = s.out_c if multiplier == 1 else (channel // multiplier + 1) * multiplier
    return min(_CHUNK, end - channel)


@kernel
def depthwise_conv_2d_f32(x: f32p, w: f32p, bias: f32p, y: f32p, sizes: i64p, low: f32, high: f32, thread: i64, threads: i64) -> None:
    s = unpack(sizes)
    acc = stack_f32(_CHUNK)
    start, stop = span(s.batches * s.out_h * s.out_w, thread, threads)
    for pixel in range(start, stop):
        block = locate(s, pixel, stop, 1)
        channel = 0
        while channel < s.out_c:
            count = _chunk(s, channel)
            clear(acc, _CHUNK)
            _add_channels(x, s, block, w, channel, count, acc)
            for j in range(count):
                y[pixel * s.out_c + channel + j] = clamp_f32(acc[j] + bias[channel + j], low, high)
            channel += count


@inline
def _start_channels(s: Windows, block: Block, zero_point: i32, w: i8p, channel: i64, count: i64, acc: i32p) -> None:
    """Sets `acc` to what the taps outside the image contribute."""
    clear(acc, _CHUNK)
    if zero_point != 0 and is_partial(s, block):
        for tap_y in range(s.window_h):
            for tap_x in range(s.window_w):
                if not is_reached(block, tap_y, tap_x):
                    w_at = (tap_y * s.window_w + tap_x) * s.out_c + channel
                    for j in range(count):
                        acc[j] = multiply_add(zero_point, w[w_at + j], acc[j])


@kernel
def depthwise_conv_2d_qs8(
    x: i8p, w: i8p, channels: i32p, y: i8p, sizes: i64p, zero_point: i32, limits: i32p, thread: i64, threads: i64
) -> None:
    """`channels` holds all biases, then all mantissas, then all shifts."""
    s = unpack(sizes)
    acc = stack_i32(_CHUNK)
    start, stop = span(s.batches * s.out_h * s.out_w, thread, threads)
    for pixel in range(start, stop):
        block = locate(s, pixel, stop, 1)
        channel = 0
        while channel < s.out_c:
            count = _chunk(s, channel)
            _start_channels(s, block, zero_point, w, channel, count, acc)
            _add_channels(x, s, block, w, channel, count, acc)
            for j in range(count):
                c = channel + j
                total = narrow(acc[j] + channels[c])
                y[pixel * s.out_c + c] = requantize(
                    total, channels[s.out_c + c], channels[2 * s.out_c + c], limits[0], limits[1], limits[2]
                )
            channel += count


@inline
def _subtract_channels(s: Windows, block: Block, zero_point: i32, w: i8p, channel: i64, count: i64, acc: i32p) -> None:
    """Subtracts the zero point from the image under every tap inside it."""
    if zero_point != 0:
        for tap_y in range(block.first_y, block.stop_y):
            for tap_x in range(block.first_x, block.stop_x):
                w_at = (tap_y * s.window_w + tap_x) * s.out_c + channel
                for j in range(count):
                    acc[j] = multiply_add(narrow(-zero_point), w[w_at + j], acc[j])


@kernel
def depthwise_conv_2d_f32_qc8w(
    x: i8p, scales: f32p, zero_points: i32p, w: i8p, channels: f32p, y: f32p, sizes: i64p, low: f32, high: f32, thread: i64, threads: i64
) -> None:
    """Float results of an image that was quantized with a scale and a zero point a batch; `channels` holds all scales, then all biases."""
    s = unpack(sizes)
    acc = stack_i32(_CHUNK)
    start, stop = span(s.batches * s.out_h * s.out_w, thread, threads)
    for pixel in range(start, stop):
        block = locate(s, pixel, stop, 1)
        zero_point, scale = zero_points[block.batch], scales[block.batch]
        channel = 0
        while channel < s.out_c:
            count = _chunk(s, channel)
            clear(acc, _CHUNK)
            _add_channels(x, s, block, w, channel, count, acc)
            _subtract_channels(s, block, zero_point, w, channel, count, acc)
            for j in range(count):
                c = channel + j
                y[pixel * s.out_c + c] = clamp_f32(single(acc[j]) * channels[c] * scale + channels[s.out_c + c], low, high)
            channel += count
