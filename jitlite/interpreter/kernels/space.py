"""Blocks moved between batch and space: rows of channels, copied as bytes. Images are (n, h, w, row); threads share the output's lines."""

from jitlite.interpreter.kernels.abi import i64, kernel, span, u8p
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.runs import copy_bytes, fill_bytes


@kernel
def space_to_batch(
    x: u8p,
    y: u8p,
    n: i64,
    h: i64,
    w: i64,
    row_bytes: i64,
    block_h: i64,
    block_w: i64,
    top: i64,
    left: i64,
    y_h: i64,
    y_w: i64,
    padding: i64,
    thread: i64,
    threads: i64,
) -> None:
    """Gathers each block position of the padded input in images of its own: block_h · block_w · n of (y_h, y_w).

    The low byte of `padding` fills what lies outside the input.
    """
    start, stop = span(block_h * block_w * n * y_h, thread, threads)
    for line in range(start, stop):
        image = line // y_h
        place = image // n
        at_h = (line - image * y_h) * block_h + place // block_w - top
        at_w = place % block_w - left
        target = line * y_w * row_bytes
        if not 0 <= at_h < h:
            fill_bytes(advance(y, target), y_w * row_bytes, padding)
            continue
        source = (((image - place * n) * h + at_h) * w + at_w) * row_bytes
        for _ in range(y_w):
            if 0 <= at_w < w:
                copy_bytes(advance(x, source), advance(y, target), row_bytes)
            else:
                fill_bytes(advance(y, target), row_bytes, padding)
            at_w += block_w
            source += block_w * row_bytes
            target += row_bytes


@kernel
def batch_to_space(
    x: u8p,
    y: u8p,
    h: i64,
    w: i64,
    row_bytes: i64,
    block_h: i64,
    block_w: i64,
    top: i64,
    left: i64,
    y_n: i64,
    y_h: i64,
    y_w: i64,
    thread: i64,
    threads: i64,
) -> None:
    """Interleaves block_h · block_w · y_n images of (h, w), then cuts y_n images of (y_h, y_w) out at (top, left)."""
    start, stop = span(y_n * y_h, thread, threads)
    image_bytes = y_n * h * w * row_bytes
    for line in range(start, stop):
        image = line // y_h
        at_h = line - image * y_h + top
        base = (at_h % block_h * block_w * y_n + image) * h + at_h // block_h
        place, column = left % block_w, left // block_w
        target = line * y_w * row_bytes
        for _ in range(y_w):
            source = (base * w + column) * row_bytes + place * image_bytes
            copy_bytes(advance(x, source), advance(y, target), row_bytes)
            target += row_bytes
            place += 1
            if place == block_w:
                place, column = 0, column + 1
