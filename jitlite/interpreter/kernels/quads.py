"""Rows of an image of bytes taken apart into quads.

A quad is four bytes, the first lowest: the same place of four vectors, its members. The quads of 64 places are four vectors of int32, the
planes: plane k holds the places 4k to 4k + 3 of every 16.

A *fill* makes a quad at each of a sequence of columns, a stride apart, for a block of 64, 32, 16 or 8 channels; 64 places are a group of as
many columns. Its members are of rows below each other or of columns beside each other; outside the image they are zero points. A fill is
described by FILL numbers: the byte of its first quads, its columns, the first column of the image, which columns [inner, behind) are inside
the image with all members, which [some, none) with any, and how many members there are, 3 or 4; then for each member its row and column
from the first tap on, and which columns [first, stop) it has inside.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from jitlite.interpreter.kernels.emit import choose, index, loop, shuffled, splat

PLACES = 64
WIDTHS = (64, 32, 16, 8)
"""Channels of a block, by their number."""
PIECES, DENSE, EVERY_OTHER = 0, 1, 2
"""How the channels of a group's columns lie in the image: anywhere, one behind the other, or with as many between them."""
FILL, MEMBER = 24, 8
"""Numbers of a fill, and where those of its members start."""

I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
BYTES, INTEGERS = ir.VectorType(I8, PLACES), ir.VectorType(I32, 16)


def load_at(builder: Any, pointer: Any, offset: Any, kind: ir.Type) -> Any:
    """Loads from so many bytes behind a byte pointer."""
    place = builder.gep(pointer, [offset], source_etype=I8)
    return builder.load(builder.bitcast(place, kind.as_pointer()), typ=kind, align=1)


def store_at(builder: Any, value: Any, pointer: Any, offset: Any) -> None:
    """Stores at so many bytes behind a byte pointer."""
    place = builder.gep(pointer, [offset], source_etype=I8)
    builder.store(value, builder.bitcast(place, value.type.as_pointer()), align=1)


def number_at(builder: Any, numbers: Any, place: int) -> Any:
    """One of the int64 behind a pointer."""
    return builder.load(builder.gep(numbers, [index(place)], source_etype=I64), typ=I64, align=8)


def _zipped(builder: Any, low: Any, high: Any, half: int) -> Any:
    """The first (0) or second (1) half of every 128 bits of both vectors, element by element in turns."""
    count, run = low.type.count, 128 // low.type.element.width
    places = [
        group + half * run // 2 + place + count * side for group in range(0, count, run) for place in range(run // 2) for side in (0, 1)
    ]
    return shuffled(builder, low, high, places)


def planes_of(builder: Any, members: list[Any]) -> list[Any]:
    """The planes of the quads of four vectors."""
    words = ir.VectorType(ir.IntType(16), PLACES // 2)
    found = []
    for half in (0, 1):
        low, high = (builder.bitcast(_zipped(builder, members[k], members[k + 1], half), words) for k in (0, 2))
        found += [builder.bitcast(_zipped(builder, low, high, quarter), INTEGERS) for quarter in (0, 1)]
    return found


def _assembled(builder: Any, pieces: list[Any]) -> Any:
    """Pieces, vectors of int32, one behind the other as bytes."""
    while len(pieces) > 1:
        count = 2 * pieces[0].type.count
        pieces = [shuffled(builder, low, high, range(count)) for low, high in zip(pieces[::2], pieces[1::2])]
    return builder.bitcast(pieces[0], BYTES)


class _Fill:
    """The code of one fill for blocks of a width from 3 or 4 members."""

    def __init__(self, width: int, members: int, builder: Any, arguments: tuple[Any, ...]) -> None:
        *rows, self.outside, quads, self.numbers, _, pixel, stride, _, flip, plane = arguments
        self.builder, self.width, self.pixels = builder, width, PLACES // width
        self.piece = ir.VectorType(I32, width // 4)
        self.step = builder.mul(pixel, stride)
        start = builder.mul(self.number(2), pixel)
        self.rows = [builder.gep(row, [start], source_etype=I8) for row in rows[:members]]
        places = [builder.add(self.number(0), builder.mul(plane, index(k))) for k in range(4)]
        self.planes = [builder.gep(quads, [place], source_etype=I8) for place in places]
        self.flips = splat(builder, builder.trunc(flip, I8), PLACES)

    def number(self, place: int) -> Any:
        return number_at(self.builder, self.numbers, place)

    def put(self, column: Any, members: list[Any]) -> None:
        """Stores the quads of a group from a column of the fill on."""
        flipped = [self.builder.xor(member, self.flips) for member in members]
        none = [ir.Constant(BYTES, None)] * (4 - len(flipped))
        for vector, plane in zip(planes_of(self.builder, flipped + none), self.planes):
            store_at(self.builder, vector, plane, self.builder.mul(column, index(self.width)))

    def edges(self, start: Any, stop: Any) -> None:
        """Makes the quads of columns [start, stop), whole groups of them, some of which lie outside."""
        builder = self.builder
        limits = [(self.number(MEMBER + 4 * member + 2), self.number(MEMBER + 4 * member + 3)) for member in range(len(self.rows))]

        def member(row: Any, limit: tuple[Any, Any], column: Any) -> Any:
            pieces = []
            for pixel in range(self.pixels):
                own = builder.add(column, index(pixel))
                is_inside = builder.and_(builder.icmp_signed(">=", own, limit[0]), builder.icmp_signed("<", own, limit[1]))
                place = builder.gep(row, [builder.mul(own, self.step)], source_etype=I8)
                pieces.append(load_at(builder, builder.select(is_inside, place, self.outside), index(0), self.piece))
            return _assembled(builder, pieces)

        def group(column: Any, state: list[Any]) -> list[Any]:
            self.put(column, [member(row, limit, column) for row, limit in zip(self.rows, limits)])
            return state

        loop(builder, start, stop, self.pixels, [], group)

    def insides(self, step: Any, load: Callable[[Any, Any], Any]) -> None:
        """Makes the quads of columns [inner, behind): `load` loads a group's 64 bytes, which start `step` bytes a column further on."""
        first = self.builder.mul(self.number(3), step)
        moved = self.builder.mul(step, index(self.pixels))

        def group(column: Any, state: list[Any]) -> list[Any]:
            self.put(column, [load(row, state[0]) for row in self.rows])
            return [self.builder.add(state[0], moved)]

        loop(self.builder, self.number(3), self.number(4), self.pixels, [first], group)

    def pieces(self, row: Any, offset: Any) -> Any:
        pieces = []
        for _ in range(self.pixels):
            pieces.append(load_at(self.builder, row, offset, self.piece))
            offset = self.builder.add(offset, self.step)
        return _assembled(self.builder, pieces)

    def dense(self, row: Any, offset: Any) -> Any:
        return load_at(self.builder, row, offset, BYTES)

    def every_other(self, row: Any, offset: Any) -> Any:
        words = self.width // 4
        halves = [load_at(self.builder, row, self.builder.add(offset, index(half)), INTEGERS) for half in (0, PLACES)]
        places = [2 * piece * words + word for piece in range(self.pixels) for word in range(words)]
        return self.builder.bitcast(shuffled(self.builder, halves[0], halves[1], places), BYTES)


def _fill_code(width: int, members: int) -> Callable[..., None]:
    def write(builder: Any, *arguments: Any) -> None:
        shape, is_first = arguments[7], builder.icmp_signed("!=", arguments[10], index(0))
        fill = _Fill(width, members, builder, arguments)
        fill.edges(builder.select(is_first, index(0), fill.number(5)), fill.number(3))
        loads = [(PIECES, fill.step, fill.pieces)]
        if width < PLACES:
            loads += [(DENSE, index(width), fill.dense), (EVERY_OTHER, index(2 * width), fill.every_other)]
        for number, step, load in loads:
            with builder.if_then(builder.icmp_signed("==", shape, index(number)) if width < PLACES else ir.Constant(ir.IntType(1), 1)):
                fill.insides(step, load)
        fill.edges(fill.number(4), builder.select(is_first, fill.number(1), fill.number(6)))

    return write


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def fill_quads(
    typing: Any,
    r0: Any,
    r1: Any,
    r2: Any,
    r3: Any,
    outside: Any,
    quads: Any,
    fill: Any,
    shape: Any,
    pixel: Any,
    stride: Any,
    is_first: Any,
    flip: Any,
    plane: Any,
    kind: Any,
) -> Any:
    """Makes the quads of a fill for blocks of WIDTHS[kind] channels, in planes so many bytes apart behind `quads`.

    r0 to r3 point to where the members of column 0 of the image are, or would be. `pixel` is the distance from column to column of the
    image, `stride` that of the fill's, in columns; `shape` is PIECES, DENSE or EVERY_OTHER. Bytes are combined with `flip` by exclusive or.
    Columns without any member inside are made when `is_first`: they stay what they are.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        *operands, number = values
        members = number_at(builder, operands[6], 7)
        kinds = {8 * own + count: (width, count) for own, width in enumerate(WIDTHS) for count in (3, 4)}
        names = {value: f"jitlite.fill.{width}.{count}" for value, (width, count) in kinds.items()}
        choose(builder, builder.add(builder.mul(number, index(8)), members), names, operands, lambda value: _fill_code(*kinds[value]))
        return context.get_dummy_value()

    byte, integer = types.CPointer(types.uint8), types.int64
    rows = (byte,) * 6
    return types.void(*rows, types.CPointer(integer), integer, integer, integer, integer, types.int32, integer, integer), generate
