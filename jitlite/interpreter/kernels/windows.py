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


class Block(NamedTuple):
    """Neighbouring pixels of one row of the result whose windows reach the same taps, [first_y, stop_y) × [first_x, stop_x).

    `at` is the index in the image of the first window's first tap, which lies outside the image where the window overlaps its edge.
    """

    batch: int
    pixels: int
    at: int
    first_y: int
    stop_y: int
    first_x: int
    stop_x: int


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
def reach(origin: i64, size: i64, window: i64, dilation: i64) -> tuple[i64, i64]:
    """The taps [first, stop) of a window starting at `origin` that lie inside [0, size)."""
    first = 0 if origin >= 0 else (dilation - 1 - origin) // dilation
    stop = min(window, (size - origin + dilation - 1) // dilation)
    return first, max(first, stop)


@inline
def locate(s: Windows, pixel: i64, stop: i64, most: i64) -> Block:
    """The block at `pixel`, counted over batches, rows and columns.

    It has `most` pixels where they fit before `stop` and their windows lie between the image's left and right edge, else one.
    """
    x = pixel % s.out_w
    row = pixel // s.out_w
    y, batch = row % s.out_h, row // s.out_h
    origin_y, origin_x = y * s.stride_h - s.pad_h, x * s.stride_w - s.pad_w
    first_y, stop_y = reach(origin_y, s.in_h, s.window_h, s.dilation_h)
    first_x, stop_x = reach(origin_x, s.in_w, s.window_w, s.dilation_w)
    at = ((batch * s.in_h + origin_y) * s.in_w + origin_x) * s.in_c
    pixels = 1
    if x + most <= s.out_w and pixel + most <= stop and origin_x >= 0:
        last = origin_x + (most - 1) * s.stride_w + (s.window_w - 1) * s.dilation_w
        if last < s.in_w:
            pixels = most
    return Block(batch, pixels, at, first_y, stop_y, first_x, stop_x)


@inline
def is_partial(s: Windows, block: Block) -> bool:
    """True when some taps lie outside the image."""
    return block.first_y > 0 or block.first_x > 0 or block.stop_y < s.window_h or block.stop_x < s.window_w


@inline
def is_reached(block: Block, tap_y: i64, tap_x: i64) -> bool:
    return block.first_y <= tap_y < block.stop_y and block.first_x <= tap_x < block.stop_x
