"""Blocks moved between batch and space: rows of channels, copied as bytes. Images are (n, h, w, row)."""

from jitlite.interpreter.kernels.abi import i64, kernel, span, u8p


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
    start, stop = span(block_h * block_w * n * y_h * y_w, thread, threads)
    fill = padding & 255
    for pixel in range(start, stop):
        line = pixel // y_w
        image = line // y_h
        place = image // n
        at_h = (line - image * y_h) * block_h + place // block_w - top
        at_w = (pixel - line * y_w) * block_w + place % block_w - left
        target = pixel * row_bytes
        if 0 <= at_h < h and 0 <= at_w < w:
            source = (((image - place * n) * h + at_h) * w + at_w) * row_bytes
            for i in range(row_bytes):
                y[target + i] = x[source + i]
        else:
            for i in range(row_bytes):
                y[target + i] = fill


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
    start, stop = span(y_n * y_h * y_w, thread, threads)
    for pixel in range(start, stop):
        line = pixel // y_w
        image = line // y_h
        at_h = line - image * y_h + top
        at_w = pixel - line * y_w + left
        place = at_h % block_h * block_w + at_w % block_w
        source = (((place * y_n + image) * h + at_h // block_h) * w + at_w // block_w) * row_bytes
        target = pixel * row_bytes
        for i in range(row_bytes):
            y[target + i] = x[source + i]
