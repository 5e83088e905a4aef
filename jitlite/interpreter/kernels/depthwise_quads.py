"""Sums of depthwise convolutions of 8-bit NHWC images whose channels, eight or more, each give one output channel.

Blocks of 64, 32, 16 or 8 channels of as many pixels as make 64 places are summed at a time. For every row of the result the image's rows
under it are taken apart into quads first, once for all the pixels that read them: a *fill* makes one quad at each of a sequence of columns,
a stride apart. The bytes of a quad, its members, are of rows below each other or of columns beside each other. A tap is a plane of weights
and where the quads it multiplies start: at a column of some fill.

Bytes are multiplied as unsigned numbers; `flip` makes them so. A layout says for one part of a row and one width of a block:

    how pieces of a group lie in the image (PIECES, DENSE or EVERY_OTHER), the number of taps, the number of fills
    for every tap: the byte of its first quads
    for every fill, FILL numbers: the byte of its first quads, its columns, the first column, which columns [inner, behind) are inside the
        image with all members, which [some, none) with any, 1 if the fourth member counts; then for each member its row and column from
        the first tap on, and which columns [first, stop) it has inside

What lies outside the image stays the same from row to row, and is filled in once.
"""

from typing import Any, NamedTuple

from jitlite.interpreter.kernels.abi import i8p, i32p, i64, i64p, inline
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.narrow import BYTES, Bytes, flipped, splat_byte
from jitlite.interpreter.kernels.quads import (
    Planes,
    dot4_lanes,
    load_every_other,
    load_pieces,
    load_pieces_inside,
    load_plane,
    quads,
    store_plane,
)
from jitlite.interpreter.kernels.requantize import narrow
from jitlite.interpreter.kernels.tile import Numbers, forced
from jitlite.interpreter.kernels.vectors import Vector, load, splat
from jitlite.interpreter.kernels.windows import Windows

PIECES, DENSE, EVERY_OTHER = 0, 1, 2
HEAD, FILL, MEMBER = 3, 24, 8
PLANE, LONG_PLANE = 4096 + 64, 65536 + 64
"""Bytes from one plane of quads to the next: not a power of two, so that planes do not compete for the same lines of the cache."""


class Image(NamedTuple):
    """The image, where its quads go, a row that stands for those outside, and what makes a byte unsigned."""

    x: Numbers
    quads: Numbers
    outside: Numbers
    flip: Bytes


class Place(NamedTuple):
    """A row of the result: its batch, the image's row under the first tap, where the row starts, and if it is its part's first."""

    batch: int
    y: int
    result: int
    is_first: int


class Part(NamedTuple):
    """Pixels of rows of the result: the first column and their number; and their block's first channel."""

    column: int
    pixels: int
    channel: int


class Rows(NamedTuple):
    """Where the members of a quad at column 0 of the image are."""

    r0: Numbers
    r1: Numbers
    r2: Numbers
    r3: Numbers


@inline
def _member(image: Image, s: Windows, place: Place, channel: i64, fill: i64p, member: i64) -> Numbers:
    row, column = fill[MEMBER + 4 * member], fill[MEMBER + 4 * member + 1]
    y = place.y + row
    if row < 0 or y < 0 or y >= s.in_h:
        return advance(image.outside, column * s.in_c)  # type: ignore[no-any-return]  # numba is untyped
    return advance(image.x, ((place.batch * s.in_h + y) * s.in_w + column) * s.in_c + channel)  # type: ignore[no-any-return]  # the same


@forced
def _put_quads(image: Image, at: i64, plane: i64, a: Bytes, b: Bytes, c: Bytes, d: Bytes) -> None:
    store_plane(image.quads, at, quads(a, b, c, d, 0))
    store_plane(image.quads, at + plane, quads(a, b, c, d, 1))
    store_plane(image.quads, at + 2 * plane, quads(a, b, c, d, 2))
    store_plane(image.quads, at + 3 * plane, quads(a, b, c, d, 3))


def _loaders(width: int) -> tuple[Any, ...]:
    """Functions that load one member of a group of `width` channels, by how its pieces lie; the last leaves out what is outside."""

    @forced
    def pieces(image: Image, row: Numbers, at: i64, step: i64) -> Bytes:
        return flipped(load_pieces(row, at, step, width), image.flip)

    @forced
    def dense(image: Image, row: Numbers, at: i64) -> Bytes:
        return flipped(load_pieces(row, at, 0, BYTES), image.flip)

    @forced
    def every_other(image: Image, row: Numbers, at: i64) -> Bytes:
        return flipped(load_every_other(row, at, width), image.flip)

    @forced
    def some(image: Image, row: Numbers, at: i64, step: i64, fill: i64p, member: i64, number: i64) -> Bytes:
        first, stop = fill[MEMBER + 4 * member + 2] - number, fill[MEMBER + 4 * member + 3] - number
        return flipped(load_pieces_inside(row, at, step, first, stop, image.outside, width), image.flip)

    return pieces, dense, every_other, some


def _filler(width: int, plane: int, members: int) -> Any:
    """The function that makes quads of 3 or 4 members for blocks of `width` channels."""
    pieces, dense, every_other, some = _loaders(width)
    pixels = BYTES // width

    @forced
    def edges(image: Image, rows: Rows, fill: i64p, start: i64, stop: i64, at: i64, step: i64) -> None:
        """Makes the quads of columns [start, stop), whole groups of them."""
        for number in range(start, stop, pixels):
            place = at + number * step
            a, b = some(image, rows.r0, place, step, fill, 0, number), some(image, rows.r1, place, step, fill, 1, number)
            c = some(image, rows.r2, place, step, fill, 2, number)
            d = some(image, rows.r3, place, step, fill, 3, number) if members > 3 else splat_byte(narrow(0))
            _put_quads(image, fill[0] + number * width, plane, a, b, c, d)

    @forced
    def insides(image: Image, rows: Rows, shape: i64, fill: i64p, at: i64, step: i64) -> None:
        to, inner, behind = fill[0], fill[3], fill[4]
        if shape == PIECES or width == BYTES:
            for number in range(inner, behind, pixels):
                place = at + number * step
                a, b, c = pieces(image, rows.r0, place, step), pieces(image, rows.r1, place, step), pieces(image, rows.r2, place, step)
                d = pieces(image, rows.r3, place, step) if members > 3 else splat_byte(narrow(0))
                _put_quads(image, to + number * width, plane, a, b, c, d)
        elif shape == DENSE:
            for number in range(inner, behind, pixels):
                place = at + number * width
                a, b, c = dense(image, rows.r0, place), dense(image, rows.r1, place), dense(image, rows.r2, place)
                d = dense(image, rows.r3, place) if members > 3 else splat_byte(narrow(0))
                _put_quads(image, to + number * width, plane, a, b, c, d)
        else:
            for number in range(inner, behind, pixels):
                place = at + 2 * number * width
                a, b, c = every_other(image, rows.r0, place), every_other(image, rows.r1, place), every_other(image, rows.r2, place)
                d = every_other(image, rows.r3, place) if members > 3 else splat_byte(narrow(0))
                _put_quads(image, to + number * width, plane, a, b, c, d)

    @forced
    def make(image: Image, rows: Rows, s: Windows, shape: i64, fill: i64p, is_first: i64) -> None:
        at, step = fill[2] * s.in_c, s.in_c * s.stride_w
        edges(image, rows, fill, 0 if is_first else fill[5], fill[3], at, step)
        insides(image, rows, shape, fill, at, step)
        edges(image, rows, fill, fill[4], fill[1] if is_first else fill[6], at, step)

    return make


def separator(width: int, plane: int) -> Any:
    """The function that makes all quads of a part of a row, for blocks of `width` channels."""
    by_three, by_four = _filler(width, plane, 3), _filler(width, plane, 4)

    @forced
    def separate(image: Image, s: Windows, layout: i64p, place: Place, part: Part) -> None:
        shape, taps, fills = layout[0], layout[1], layout[2]
        for number in range(fills):
            fill = advance(layout, HEAD + taps + FILL * number)
            rows = Rows(
                _member(image, s, place, part.channel, fill, 0),
                _member(image, s, place, part.channel, fill, 1),
                _member(image, s, place, part.channel, fill, 2),
                _member(image, s, place, part.channel, fill, 3),
            )
            if fill[7]:
                by_four(image, rows, s, shape, fill, place.is_first)
            else:
                by_three(image, rows, s, shape, fill, place.is_first)

    return separate


class Filter(NamedTuple):
    """What a block's sums need: planes of weights, rows of 64 numbers for its channels, the image's zero point as an unsigned byte.

    Weights too wide for bytes lack `spread`; `ones` has then for every tap a quad with 1 for each member.
    """

    w: i8p
    lines: i32p
    zero_point: int
    spread: int
    ones: i32p


@forced
def planes_of(numbers: i32p, row: i64) -> Planes:
    """A row of 64 numbers."""
    at = row * BYTES
    return Planes(load(numbers, at), load(numbers, at + 16), load(numbers, at + 32), load(numbers, at + 48))


@forced
def start_of(f: Filter) -> Planes:
    """The biases, the first row of a block's numbers, less the zero point times the sums of weights, the second."""
    bias, sums, factor = planes_of(f.lines, 0), planes_of(f.lines, 1), splat(narrow(-f.zero_point))
    return Planes(bias.p0 + sums.p0 * factor, bias.p1 + sums.p1 * factor, bias.p2 + sums.p2 * factor, bias.p3 + sums.p3 * factor)


@forced
def weights_of(f: Filter, tap: i64) -> Planes:
    at = tap * 4 * BYTES
    return Planes(load_plane(f.w, at), load_plane(f.w, at + BYTES), load_plane(f.w, at + 2 * BYTES), load_plane(f.w, at + 3 * BYTES))


@forced
def _loaded(image: Image, at: i64, plane: i64) -> Planes:
    q = image.quads
    return Planes(load_plane(q, at), load_plane(q, at + plane), load_plane(q, at + 2 * plane), load_plane(q, at + 3 * plane))


@forced
def _dot(total: Planes, x: Planes, w: Planes) -> Planes:
    return Planes(
        dot4_lanes(total.p0, x.p0, w.p0),
        dot4_lanes(total.p1, x.p1, w.p1),
        dot4_lanes(total.p2, x.p2, w.p2),
        dot4_lanes(total.p3, x.p3, w.p3),
    )


@forced
def dot(total: Planes, image: Image, at: i64, plane: i64, w: Planes) -> Planes:
    """Sums plus the products of the quads from byte `at` on with planes of weights."""
    return _dot(total, _loaded(image, at, plane), w)


@forced
def _plus(total: Planes, factor: Vector, added: Planes) -> Planes:
    return Planes(total.p0 + factor * added.p0, total.p1 + factor * added.p1, total.p2 + factor * added.p2, total.p3 + factor * added.p3)


class Two(NamedTuple):
    """The sums of two neighbouring groups."""

    first: Planes
    second: Planes


@forced
def no_sums() -> Planes:
    nothing = splat(narrow(0))
    return Planes(nothing, nothing, nothing, nothing)


@forced
def dot_spread(two: Two, image: Image, at: i64, plane: i64, w: Planes, ones: Vector) -> Two:
    """Sums of products, the first, and of bytes, the second."""
    x = _loaded(image, at, plane)
    return Two(_dot(two.first, x, w), _dot(two.second, x, Planes(ones, ones, ones, ones)))


@forced
def united(two: Two, spread: i64) -> Planes:
    """Sums of products plus the spread times those of bytes."""
    return _plus(two.first, splat(narrow(spread)), two.second)


@forced
def sum_taps(image: Image, layout: i64p, f: Filter, place: i64, plane: i64) -> Two:
    """The sums of the two groups whose quads lie at byte `place` behind each tap's first, and behind the first group's."""
    start = start_of(f)
    if f.spread == 0:
        first, second = start, start
        for tap in range(layout[1]):
            w, at = weights_of(f, tap), layout[HEAD + tap] + place
            first, second = dot(first, image, at, plane, w), dot(second, image, at + BYTES, plane, w)
        return Two(first, second)
    one, other = Two(start, no_sums()), Two(start, no_sums())
    for tap in range(layout[1]):
        w, at, ones = weights_of(f, tap), layout[HEAD + tap] + place, splat(f.ones[tap])
        one, other = dot_spread(one, image, at, plane, w, ones), dot_spread(other, image, at + BYTES, plane, w, ones)
    return Two(united(one, f.spread), united(other, f.spread))
