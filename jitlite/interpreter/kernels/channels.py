"""Gives the pixels of an image more or fewer channels."""

from jitlite.interpreter.kernels.abi import f32p, i64, i64p, inline, kernel, span, u8p
from jitlite.interpreter.kernels.tile import Numbers


@inline
def _copy(x: Numbers, y: Numbers, sizes: i64p, thread: i64, threads: i64) -> None:
    from_channels, to_channels, times = sizes[1], sizes[2], sizes[3]
    start, stop = span(sizes[0], thread, threads)
    for pixel in range(start, stop):
        at, end = pixel * to_channels, (pixel + 1) * to_channels
        for channel in range(from_channels):
            value = x[pixel * from_channels + channel]
            for _ in range(min(times, end - at)):
                y[at] = value
                at += 1
        for place in range(at, end):
            y[place] = 0


@kernel
def copy_channels_f32(x: f32p, y: f32p, sizes: i64p, thread: i64, threads: i64) -> None:
    """Every channel `times` times, as far as there is room; zeros behind them. `sizes`: pixels, channels before and after, times."""
    _copy(x, y, sizes, thread, threads)


@kernel
def copy_channels_x8(x: u8p, y: u8p, sizes: i64p, thread: i64, threads: i64) -> None:
    """The same for bytes."""
    _copy(x, y, sizes, thread, threads)
