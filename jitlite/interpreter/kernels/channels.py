"""Gives the pixels of an image more or fewer channels."""

from jitlite.interpreter.kernels.abi import f32p, i64, i64p, inline, kernel, span, u8p
from jitlite.interpreter.kernels.lines import load_line, store_line
from jitlite.interpreter.kernels.tile import Numbers

_SHORT = 8
"""Channels that are copied at once where pixels have no more before and after; the next pixel overwrites what is too much."""


@inline
def _copy(x: Numbers, y: Numbers, sizes: i64p, thread: i64, threads: i64) -> None:
    from_channels, to_channels, times = sizes[1], sizes[2], sizes[3]
    start, stop = span(sizes[0], thread, threads)
    if times == 1 and max(from_channels, to_channels) <= _SHORT:
        for pixel in range(start, stop - _SHORT):
            store_line(y, pixel * to_channels, load_line(x, pixel * from_channels, _SHORT))
        start = max(start, stop - _SHORT)
    for pixel in range(start, stop):
        at, end = pixel * to_channels, (pixel + 1) * to_channels
        for channel in range(from_channels):
            value = x[pixel * from_channels + channel]
            for _ in range(min(times, end - at)):
                y[at] = value
                at += 1


@kernel
def copy_channels_f32(x: f32p, y: f32p, sizes: i64p, thread: i64, threads: i64) -> None:
    """Every channel `times` times, as far as there is room; room behind them may hold anything.

    `sizes`: pixels, channels before and after, times.
    """
    _copy(x, y, sizes, thread, threads)


@kernel
def copy_channels_x8(x: u8p, y: u8p, sizes: i64p, thread: i64, threads: i64) -> None:
    """The same for bytes."""
    _copy(x, y, sizes, thread, threads)
