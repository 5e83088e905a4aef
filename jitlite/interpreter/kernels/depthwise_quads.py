"""What depthwise convolutions of images of bytes share: blocks of channels, parts of rows, and the quads of the rows under a window.

`blocks` holds for each block of channels BLOCK numbers: the first channel, the number of its width, 1 where certified lines make its sums
outputs, and what its weights lack to be those of the filter. `layouts` holds for each part of a row and each width a layout: how the
columns of groups lie in the image, the number of taps and of fills, for every tap the byte of its first quads, and then the fills, which
`quads` describes. `counts` holds the numbers of blocks, of pixels in a part of a row, of numbers in a layout, of taps, of bytes from plane
to plane and of a thread's memory; then 1 where windows of 64 channels can slide.

For every row of the result the image's rows under it are taken apart once for all pixels of a part. What lies outside the image stays the
same from row to row, and is filled in once.
"""

from typing import NamedTuple

from jitlite.interpreter.kernels.abi import i64, i64p, inline, u8p
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.quads import FILL, MEMBER, fill_quads
from jitlite.interpreter.kernels.windows import Windows

BLOCK, HEAD, WIDTHS = 4, 3, 4
"""Numbers of a block, those before a layout's taps, and how many widths there are."""


class Block(NamedTuple):
    channel: int
    kind: int
    is_line: int
    spread: int


class Counts(NamedTuple):
    blocks: int
    chunk: int
    layout: int
    taps: int
    plane: int
    memory: int
    slides: int


class Image(NamedTuple):
    """The image, where its quads go, a row that stands for those outside, and what makes a byte unsigned."""

    x: u8p
    quads: u8p
    outside: u8p
    flip: int


class Place(NamedTuple):
    """A row of the result: its batch, the image's row under the first tap, and 1 if it is the first of its part."""

    batch: int
    y: int
    is_first: int


@inline
def block_of(blocks: i64p, number: i64) -> Block:
    at = BLOCK * number
    return Block(blocks[at], blocks[at + 1], blocks[at + 2], blocks[at + 3])


@inline
def counts_of(counts: i64p) -> Counts:
    return Counts(counts[0], counts[1], counts[2], counts[3], counts[4], counts[5], counts[6])


@inline
def member(image: Image, s: Windows, place: Place, channel: i64, fill: i64p, member: i64) -> u8p:
    """Where a member of a quad at column 0 of the image is."""
    row, column = fill[MEMBER + 4 * member], fill[MEMBER + 4 * member + 1]
    y = place.y + row
    if row < 0 or y < 0 or y >= s.in_h:
        return advance(image.outside, column * s.in_c)  # type: ignore[no-any-return]  # numba is untyped
    return advance(image.x, ((place.batch * s.in_h + y) * s.in_w + column) * s.in_c + channel)  # type: ignore[no-any-return]  # the same


@inline
def separate(image: Image, s: Windows, layout: i64p, place: Place, channel: i64, kind: i64, plane: i64) -> None:
    """Makes the quads of a part of a row for a block."""
    for number in range(layout[2]):
        fill = advance(layout, HEAD + layout[1] + FILL * number)
        fill_quads(
            member(image, s, place, channel, fill, 0),
            member(image, s, place, channel, fill, 1),
            member(image, s, place, channel, fill, 2),
            member(image, s, place, channel, fill, 3),
            image.outside,
            image.quads,
            fill,
            layout[0],
            s.in_c,
            s.stride_w,
            place.is_first,
            image.flip,
            plane,
            kind,
        )
