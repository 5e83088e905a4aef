"""Windows that slide over the height and width of an NHWC image."""

from typing import NamedTuple

from jitlite.interpreter.kernels.abi import i64, i64p, inline


class Windows(NamedTuple):
    """Sizes of an image, of the windows over it and of the result; `jitlite.interpreter.binding.windows` lays them out in this order."""

    batches: int
    in_h: int
    in_w: int
    in_c: int
    out_h: int
    out_w: int
    out_c: int
    window_h: int
    window_w: int
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    pad_h: int
    pad_w: int
    groups: int


class Window(NamedTuple):
    """A window's first tap: its row, column and index in the image, all outside it where the window overlaps the edge, and its batch."""

    y: int
    x: int
    at: int
    batch: int


@inline
def unpack(sizes: i64p) -> Windows:
    return Windows(
        sizes[0],
        sizes[1],
        sizes[2],
        sizes[3],
        sizes[4],
        sizes[5],
        sizes[6],
        sizes[7],
        sizes[8],
        sizes[9],
        sizes[10],
        sizes[11],
        sizes[12],
        sizes[13],
        sizes[14],
        sizes[15],
    )


@inline
def window_at(s: Windows, pixel: i64) -> Window:
    """The window of a pixel of the result, counted over batches, rows and columns."""
    row = pixel // s.out_w
    batch = row // s.out_h
    y, x = row % s.out_h * s.stride_h - s.pad_h, pixel % s.out_w * s.stride_w - s.pad_w
    return Window(y, x, ((batch * s.in_h + y) * s.in_w + x) * s.in_c, batch)


class Taps(NamedTuple):
    """The taps of a window inside the image: rows and columns [first, stop), none where they are equal."""

    first_y: int
    stop_y: int
    first_x: int
    stop_x: int


@inline
def reach(origin: i64, size: i64, window: i64, dilation: i64) -> tuple[i64, i64]:
    """The taps [first, stop) of a window starting at `origin` that lie inside [0, size)."""
    if origin >= 0 and origin + (window - 1) * dilation < size:
        return 0, window
    first = 0 if origin >= 0 else (dilation - 1 - origin) // dilation
    stop = min(window, (size - origin + dilation - 1) // dilation)
    return first, max(first, stop)


@inline
def taps_inside(s: Windows, window: Window) -> Taps:
    first_y, stop_y = reach(window.y, s.in_h, s.window_h, s.dilation_h)
    first_x, stop_x = reach(window.x, s.in_w, s.window_w, s.dilation_w)
    return Taps(first_y, stop_y, first_x, stop_x)


@inline
def columns_inside(s: Windows) -> tuple[i64, i64]:
    """The columns [start, stop) of the result whose windows lie inside the image's width; none where they are equal."""
    start = min(s.out_w, (s.pad_w + s.stride_w - 1) // s.stride_w)
    room = s.in_w + s.pad_w - (s.window_w - 1) * s.dilation_w
    return start, max(start, min(s.out_w, (room + s.stride_w - 1) // s.stride_w if room > 0 else 0))


@inline
def share(rows: i64, blocks: i64, thread: i64, threads: i64) -> tuple[i64, i64, i64, i64]:
    """A thread's part of work in rows of blocks, as (first row, last row, first block, last block); the last ones are exclusive.

    Rows are divided where there are two or more a thread, blocks otherwise.
    """
    if rows >= 2 * threads:
        return rows * thread // threads, rows * (thread + 1) // threads, 0, blocks
    return 0, rows, blocks * thread // threads, blocks * (thread + 1) // threads
