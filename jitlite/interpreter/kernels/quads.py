"""Vectors of bytes taken apart into quads, multiplied with quads of weights, and put together again.

A quad is four bytes, the first lowest: the same place of four vectors. The quads of 64 places are four vectors of int32, the planes:
plane k holds the places 4k to 4k + 3 of every 16.
"""

from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from jitlite.interpreter.codegen.isa_quads import DOT4_LANES, SHRINK
from jitlite.interpreter.kernels.narrow import BYTES, WORDS, Narrow
from jitlite.interpreter.kernels.vectors import LANES, Lanes, Vector

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_BYTES, _WORDS, _INTEGERS = Narrow(8, BYTES), Narrow(16, WORDS), Lanes(types.int32)
_BYTE_VECTOR, _WORD_VECTOR = ir.VectorType(_I8, BYTES), ir.VectorType(ir.IntType(16), WORDS)
_WIDE = ir.VectorType(_I32, LANES)
_OF_A_BYTE = (types.int8, types.uint8)


class Planes(NamedTuple):
    """The int32 of 64 places."""

    p0: Vector
    p1: Vector
    p2: Vector
    p3: Vector


def _shuffled(builder: Any, low: Any, high: Any, places: list[int]) -> Any:
    return builder.shuffle_vector(low, high, ir.Constant(ir.VectorType(_I32, len(places)), places))


def _zipped(builder: Any, low: Any, high: Any, half: int) -> Any:
    """The first (0) or second (1) half of every 128 bits of both vectors, element by element in turns."""
    count, run = low.type.count, 128 // low.type.element.width
    places = [
        group + half * run // 2 + place + count * side for group in range(0, count, run) for place in range(run // 2) for side in (0, 1)
    ]
    return _shuffled(builder, low, high, places)


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]  # numba is untyped
def quads(typing: Any, a: Any, b: Any, c: Any, d: Any, plane: Any) -> Any:
    """A literal plane of the quads of four vectors of bytes."""
    if not a == b == c == d == _BYTES:
        return None
    half, quarter = divmod(plane.literal_value, 2)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        low = builder.bitcast(_zipped(builder, values[0], values[1], half), _WORD_VECTOR)
        high = builder.bitcast(_zipped(builder, values[2], values[3], half), _WORD_VECTOR)
        return builder.bitcast(_zipped(builder, low, high, quarter), _WIDE)

    return _INTEGERS(a, b, c, d, plane), generate


def _call(builder: Any, name: str, result: ir.Type, *values: Any) -> Any:
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def dot4_lanes(typing: Any, total: Any, quads: Any, weights: Any) -> Any:
    """`jitlite.interpreter.codegen.isa_quads`'s jitlite.dot4.lanes."""
    if not total == quads == weights == _INTEGERS:
        return None
    return total(total, quads, weights), lambda context, builder, signature, values: _call(builder, DOT4_LANES, _WIDE, *values)


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def shrink(typing: Any, low: Any, high: Any) -> Any:
    """`jitlite.interpreter.codegen.isa_quads`'s jitlite.shrink: signed bytes of what `narrow.pack` made of planes 0 and 1, and 2 and 3."""
    if not low == high == _WORDS:
        return None
    return _BYTES(low, high), lambda context, builder, signature, values: _call(builder, SHRINK, _BYTE_VECTOR, *values)


def _signed_order(name: str, text: str) -> Any:
    def made(typing: Any, a: Any, b: Any) -> Any:
        if not a == b == _BYTES:
            return None
        return a(a, b), lambda context, builder, signature, values: _call(builder, f"llvm.{name}.v{BYTES}i8", _BYTE_VECTOR, *values)

    made.__doc__ = text
    return intrinsic(made)


smaller_signed = _signed_order("smin", "The smaller of each two signed bytes.")
larger_signed = _signed_order("smax", "The larger of each two signed bytes.")


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def load_plane(typing: Any, pointer: Any, at: Any) -> Any:
    """LANES int32 from byte `at` of a byte pointer on."""
    if getattr(pointer, "dtype", None) not in _OF_A_BYTE:
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = builder.gep(values[0], [values[1]], source_etype=_I8)
        return builder.load(builder.bitcast(place, _WIDE.as_pointer()), typ=_WIDE, align=1)

    return _INTEGERS(pointer, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def store_plane(typing: Any, pointer: Any, at: Any, vector: Any) -> Any:
    """Stores LANES int32 from byte `at` of a byte pointer on."""
    if getattr(pointer, "dtype", None) not in _OF_A_BYTE or vector != _INTEGERS:
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = builder.gep(values[0], [values[1]], source_etype=_I8)
        builder.store(values[2], builder.bitcast(place, _WIDE.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(pointer, types.int64, vector), generate


def _piece(width: int) -> ir.Type:
    """The type of `width` bytes: whole words where there are some."""
    return ir.VectorType(_I32, width // 4)


def _assembled(builder: Any, pieces: list[Any]) -> Any:
    """Pieces one behind the other."""
    while len(pieces) > 1:
        size = 2 * pieces[0].type.count
        pieces = [_shuffled(builder, low, high, list(range(size))) for low, high in zip(pieces[::2], pieces[1::2])]
    return builder.bitcast(pieces[0], _BYTE_VECTOR)


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]  # numba is untyped
def load_pieces(typing: Any, pointer: Any, at: Any, step: Any, width: Any) -> Any:
    """64 bytes in pieces of literal `width`, `step` apart from index `at` of a byte pointer on."""
    kind = _piece(width.literal_value)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place, pieces = builder.gep(values[0], [values[1]], source_etype=_I8), []
        for piece in range(BYTES // width.literal_value):
            if piece:
                place = builder.gep(place, [values[2]], source_etype=_I8)
            pieces.append(builder.load(builder.bitcast(place, kind.as_pointer()), typ=kind, align=1))
        return _assembled(builder, pieces)

    return _BYTES(pointer, types.int64, types.int64, width), generate


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]  # numba is untyped
def load_every_other(typing: Any, pointer: Any, at: Any, width: Any) -> Any:
    """Every other piece of literal `width` of the 128 bytes from index `at` of a byte pointer on."""
    words = width.literal_value // 4

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        halves = []
        for half in range(2):
            place = builder.gep(values[0], [builder.add(values[1], ir.Constant(_I64, half * BYTES))], source_etype=_I8)
            halves.append(builder.load(builder.bitcast(place, _WIDE.as_pointer()), typ=_WIDE, align=1))
        places = [2 * piece * words + word for piece in range(LANES // words) for word in range(words)]
        return builder.bitcast(_shuffled(builder, halves[0], halves[1], places), _BYTE_VECTOR)

    return _BYTES(pointer, types.int64, width), generate


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]  # numba is untyped
def load_pieces_inside(typing: Any, pointer: Any, at: Any, step: Any, first: Any, stop: Any, outside: Any, width: Any) -> Any:
    """As `load_pieces`, but of the pieces numbered [first, stop); the others are the first bytes of pointer `outside`."""
    kind = _piece(width.literal_value)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        base, pieces = values[0], []
        for piece in range(BYTES // width.literal_value):
            number = ir.Constant(_I64, piece)
            place = builder.gep(base, [builder.add(values[1], builder.mul(values[2], number))], source_etype=_I8)
            is_inside = builder.and_(builder.icmp_signed(">=", number, values[3]), builder.icmp_signed("<", number, values[4]))
            chosen = builder.select(is_inside, place, values[5])
            pieces.append(builder.load(builder.bitcast(chosen, kind.as_pointer()), typ=kind, align=1))
        return _assembled(builder, pieces)

    integer = types.int64
    return _BYTES(pointer, integer, integer, integer, integer, pointer, width), generate


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]  # numba is untyped
def store_pieces(typing: Any, pointer: Any, at: Any, step: Any, vector: Any, count: Any, width: Any) -> Any:
    """Stores the first `count` pieces of literal `width` of 64 bytes, `step` apart from index `at` of a byte pointer on."""
    if getattr(pointer, "dtype", None) not in _OF_A_BYTE or vector != _BYTES:
        return None
    kind = _piece(width.literal_value)
    number = BYTES // width.literal_value

    def put(builder: Any, values: Any, words: Any, piece: int) -> None:
        place = builder.add(values[1], builder.mul(values[2], ir.Constant(_I64, piece)))
        address = builder.bitcast(builder.gep(values[0], [place], source_etype=_I8), kind.as_pointer())
        builder.store(_shuffled(builder, words, words, list(range(piece * kind.count, (piece + 1) * kind.count))), address, align=1)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        words = builder.bitcast(values[3], _WIDE)
        with builder.if_else(builder.icmp_signed(">=", values[4], ir.Constant(_I64, number))) as (whole, part):
            with whole:
                for piece in range(number):
                    put(builder, values, words, piece)
            with part:
                for piece in range(number - 1):
                    with builder.if_then(builder.icmp_signed(">", values[4], ir.Constant(_I64, piece))):
                        put(builder, values, words, piece)
        return context.get_dummy_value()

    return types.void(pointer, types.int64, types.int64, vector, types.int64, width), generate


def _natural(builder: Any, planes: list[Any]) -> list[Any]:
    """The places of four planes in their order, 16 in each vector."""
    found = []
    for run in range(4):
        own = list(range(4 * run, 4 * run + 4))
        low = _shuffled(builder, planes[0], planes[1], own + [LANES + lane for lane in own])
        high = _shuffled(builder, planes[2], planes[3], own + [LANES + lane for lane in own])
        found.append(_shuffled(builder, low, high, list(range(LANES))))
    return found


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]  # numba is untyped
def store_places(typing: Any, pointer: Any, at: Any, step: Any, p0: Any, p1: Any, p2: Any, p3: Any, count: Any, width: Any) -> Any:
    """Stores four float32 planes: the first `count` of pixels of literal `width` channels each, `step` apart from index `at` on."""
    if not p0 == p1 == p2 == p3 == Lanes(types.float32) or pointer != types.CPointer(types.float32):
        return None
    element, channels = ir.FloatType(), width.literal_value

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        vectors = _natural(builder, list(values[3:7]))
        size = min(channels, LANES)
        for pixel in range(BYTES // channels):
            with builder.if_then(builder.icmp_signed(">", values[7], ir.Constant(_I64, pixel))):
                for run in range(channels // size):
                    place = pixel * channels + run * size
                    own = _shuffled(builder, vectors[place // LANES], vectors[place // LANES], [place % LANES + i for i in range(size)])
                    moved = builder.add(values[1], builder.mul(values[2], ir.Constant(_I64, pixel)))
                    address = builder.gep(values[0], [builder.add(moved, ir.Constant(_I64, run * size))], source_etype=element)
                    builder.store(own, builder.bitcast(address, own.type.as_pointer()), align=4)
        return context.get_dummy_value()

    integer = types.int64
    return types.void(pointer, integer, integer, p0, p1, p2, p3, integer, width), generate
