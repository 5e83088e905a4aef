"""Convolutions and matrix products of INT16 activations, in the layouts of the file.

`bias` holds a sum each channel starts with, `rounding` mantissa and shift of each channel. Sums have 64 bits; where `is_wide` is 0 they
wrap in 32 bits before they are rounded.
"""

from jitlite.interpreter.kernels.abi import f64p, i8p, i16p, i32, i32p, i64, i64p, kernel, span
from jitlite.interpreter.kernels.elements import specialise, xp
from jitlite.interpreter.kernels.requantize import narrow, wide
from jitlite.interpreter.kernels.wide_sums import long_product, short_product, to_nearest, to_output
from jitlite.interpreter.kernels.windows import taps_inside, unpack, window_at


@kernel
def conv_2d_qs16(
    x: i16p,
    w: i8p,
    bias: i64p,
    y: i16p,
    sizes: i64p,
    rounding: i32p,
    is_wide: i64,
    low: i32,
    high: i32,
    thread: i64,
    threads: i64,
) -> None:
    """`sizes` are those of `windows`."""
    s = unpack(sizes)
    depth = s.in_c // s.groups
    filters, is_run = s.out_c // s.groups, s.groups == 1 and s.dilation_w == 1
    at, stop = span(s.batches * s.out_h * s.out_w * s.out_c, thread, threads)
    while at < stop:
        pixel = at // s.out_c
        first = at - pixel * s.out_c
        last = min(s.out_c, first + stop - at)
        window = window_at(s, pixel)
        taps = taps_inside(s, window)
        for o in range(first, last):
            total = wide(bias[o])
            base = window.at + o // filters * depth
            for ky in range(taps.first_y, taps.stop_y):
                row, w_row = base + ky * s.dilation_h * s.in_w * s.in_c, (o * s.window_h + ky) * s.window_w * depth
                if is_run:
                    run = (taps.stop_x - taps.first_x) * depth
                    total += short_product(x, row + taps.first_x * depth, w, w_row + taps.first_x * depth, run, narrow(0))
                else:
                    for kx in range(taps.first_x, taps.stop_x):
                        total += short_product(x, row + kx * s.dilation_w * s.in_c, w, w_row + kx * depth, depth, narrow(0))
            y[pixel * s.out_c + o] = to_output(total, is_wide, rounding[2 * o], rounding[2 * o + 1], low, high)
        at += last - first


@kernel
def depthwise_conv_2d_qs16(
    x: i16p,
    w: i8p,
    bias: i64p,
    y: i16p,
    sizes: i64p,
    rounding: i32p,
    is_wide: i64,
    low: i32,
    high: i32,
    thread: i64,
    threads: i64,
) -> None:
    s = unpack(sizes)
    times = s.out_c // s.in_c
    at, stop = span(s.batches * s.out_h * s.out_w * s.out_c, thread, threads)
    while at < stop:
        pixel = at // s.out_c
        first = at - pixel * s.out_c
        last = min(s.out_c, first + stop - at)
        window = window_at(s, pixel)
        taps = taps_inside(s, window)
        for o in range(first, last):
            total = wide(bias[o])
            for ky in range(taps.first_y, taps.stop_y):
                row = window.at + ky * s.dilation_h * s.in_w * s.in_c + o // times
                for kx in range(taps.first_x, taps.stop_x):
                    total += wide(x[row + kx * s.dilation_w * s.in_c]) * wide(w[(ky * s.window_w + kx) * s.out_c + o])
            y[pixel * s.out_c + o] = to_output(total, is_wide, rounding[2 * o], rounding[2 * o + 1], low, high)
        at += last - first


@kernel
def transpose_conv_qs16(
    x: i16p,
    w: i8p,
    bias: i64p,
    y: i16p,
    sizes: i64p,
    rounding: i32p,
    is_wide: i64,
    low: i32,
    high: i32,
    thread: i64,
    threads: i64,
) -> None:
    """`sizes` are those of the windows over the result that make the operand's shape: its `in` is y, its `out` x."""
    s = unpack(sizes)
    start, stop = span(s.batches * s.in_h * s.in_w, thread, threads)
    for pixel in range(start, stop):
        row, column = pixel // s.in_w, pixel % s.in_w
        batch = row // s.in_h
        top, left = row % s.in_h + s.pad_h, column + s.pad_w
        for o in range(s.in_c):
            total = wide(bias[o])
            for ky in range(s.window_h):
                iy = (top - ky) // s.stride_h
                if iy < 0 or iy >= s.out_h or iy * s.stride_h != top - ky:
                    continue
                for kx in range(s.window_w):
                    ix = (left - kx) // s.stride_w
                    if ix >= 0 and ix < s.out_w and ix * s.stride_w == left - kx:
                        x_at = ((batch * s.out_h + iy) * s.out_w + ix) * s.out_c
                        w_at = ((o * s.window_h + ky) * s.window_w + kx) * s.out_c
                        total += short_product(x, x_at, w, w_at, s.out_c, narrow(0))
            y[pixel * s.in_c + o] = to_output(total, is_wide, rounding[2 * o], rounding[2 * o + 1], low, high)


def _matmul(
    x: i16p,
    w: xp,
    bias: i64p,
    y: i16p,
    batches: i64p,
    sizes: i64p,
    rounding: i32p,
    reals: f64p,
    is_real: i64,
    zero_point: i32,
    is_wide: i64,
    low: i32,
    high: i32,
    thread: i64,
    threads: i64,
) -> None:
    """Batches of products of x [rows, depth] with w [depth, columns].

    `batches` has for each where x and w start; `sizes` are batches, rows, columns, depth, x's steps by row and depth, w's steps by column
    and depth, and whether chunks of products fit into 32 bits. Where `is_real`, sums are multiplied by `reals`.
    """
    rows, columns, depth, x_row, x_depth = sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]
    w_column, w_depth, is_short = sizes[6], sizes[7], sizes[8]
    start, stop = span(sizes[0] * rows * columns, thread, threads)
    for at in range(start, stop):
        row = at // columns
        column, batch = at - row * columns, row // rows
        x_at = batches[2 * batch] + (row - batch * rows) * x_row
        w_at = batches[2 * batch + 1] + column * w_column
        if is_short:
            total = short_product(x, x_at, w, w_at, depth, zero_point)
        else:
            total = long_product(x, x_at, x_depth, w, w_at, w_depth, depth, zero_point)
        total = wide(total + bias[column])
        if is_real:
            y[at] = to_nearest(wide(total if is_wide else narrow(total)) * reals[column], low, high)
        else:
            y[at] = to_output(total, is_wide, rounding[2 * column], rounding[2 * column + 1], low, high)


for _suffix, _pointer in {"qs16_qs8": i8p, "qs16_qs16": i16p}.items():
    specialise(_matmul, f"matmul_{_suffix}", {xp: _pointer})
