"""Vectors of 64 bytes and of 32 16-bit words as kernel values, for what 8-bit numbers need no int32 for.

Bytes have no sign of their own: functions read them as unsigned unless their names say otherwise. Words are signed. Pairs of words are laid
out as the target multiplies them: `low_pairs` and `high_pairs` take every first and second four of eight neighbours, and `pack` brings
results of both back in order.
"""

from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

from jitlite.interpreter.codegen.isa_narrow import CUT, DOT2, INT8, LOOKUP, PACK, UINT8
from jitlite.interpreter.kernels.abi import Pointer, u8p
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import LANES, Lanes

BYTES, WORDS = 64, 32
"""Elements of a vector of bytes, and of one of words."""

Bytes = Any
"""A vector of BYTES bytes, for annotations."""
Words = Any
"""A vector of WORDS words, for annotations."""

_I8, _I16, _I32 = ir.IntType(8), ir.IntType(16), ir.IntType(32)


class Narrow(types.Type):  # type: ignore[misc]  # numba is untyped
    """Numba's type of so many integers of so many bits."""

    def __init__(self, bits: int, count: int) -> None:
        self.bits, self.count = bits, count
        super().__init__(name=f"Narrow({bits}, {count})")


@register_model(Narrow)
class _NarrowModel(models.PrimitiveModel):  # type: ignore[misc]  # numba is untyped
    def __init__(self, manager: Any, kind: Narrow) -> None:
        super().__init__(manager, kind, ir.VectorType(ir.IntType(kind.bits), kind.count))


_BYTES, _WORDS, _INTEGERS, _FLOATS = Narrow(8, BYTES), Narrow(16, WORDS), Lanes(types.int32), Lanes(types.float32)
_OF_A_BYTE = (types.int8, types.uint8)


def _vector(kind: Narrow) -> ir.VectorType:
    return ir.VectorType(ir.IntType(kind.bits), kind.count)


def _address(builder: Any, pointer: Any, at: Any, vector: ir.VectorType) -> Any:
    return builder.bitcast(builder.gep(pointer, [at], source_etype=_I8), vector.as_pointer())


def _is_byte_pointer(kind: Any) -> bool:
    return getattr(kind, "dtype", None) in _OF_A_BYTE


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def load_bytes(typing: Any, pointer: Any, at: Any) -> Any:
    """The BYTES bytes from index `at` of a byte pointer."""
    if not _is_byte_pointer(pointer):
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        vector = _vector(_BYTES)
        return builder.load(_address(builder, values[0], values[1], vector), typ=vector, align=1)

    return _BYTES(pointer, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def store_bytes(typing: Any, pointer: Any, at: Any, vector: Any) -> Any:
    """Stores BYTES bytes from index `at` on."""
    if not _is_byte_pointer(pointer) or vector != _BYTES:
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.store(values[2], _address(builder, values[0], values[1], _vector(_BYTES)), align=1)
        return context.get_dummy_value()

    return types.void(pointer, types.int64, vector), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def load_words(typing: Any, pointer: Any, at: Any) -> Any:
    """The WORDS bytes from index `at` of an int8 or uint8 pointer, as words."""
    if not _is_byte_pointer(pointer):
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        stored = ir.VectorType(_I8, WORDS)
        loaded = builder.load(_address(builder, values[0], values[1], stored), typ=stored, align=1)
        return (builder.sext if pointer.dtype.signed else builder.zext)(loaded, _vector(_WORDS))

    return _WORDS(pointer, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def store_words(typing: Any, pointer: Any, at: Any, words: Any) -> Any:
    """Stores the low bytes of words from index `at` of a byte pointer on."""
    if not _is_byte_pointer(pointer) or words != _WORDS:
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        stored = ir.VectorType(_I8, WORDS)
        builder.store(builder.trunc(values[2], stored), _address(builder, values[0], values[1], stored), align=1)
        return context.get_dummy_value()

    return types.void(pointer, types.int64, words), generate


def _copied(count: int) -> Any:
    def made(typing: Any, target: Any, target_at: Any, source: Any, source_at: Any) -> Any:
        if not _is_byte_pointer(target) or not _is_byte_pointer(source):
            return None

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            vector = ir.VectorType(_I8, count)
            found = builder.load(_address(builder, values[2], values[3], vector), typ=vector, align=1)
            builder.store(found, _address(builder, values[0], values[1], vector), align=1)
            return context.get_dummy_value()

        return types.void(target, types.int64, source, types.int64), generate

    return intrinsic(made)


_copy_32, _copy_16, _copy_8, _copy_4 = _copied(32), _copied(16), _copied(8), _copied(4)


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]  # numba is untyped
def load_each(typing: Any, pointer: Any, at: Any, times: Any) -> Any:
    """BYTES / times bytes from index `at` of a byte pointer on, each literal `times` times, a divisor of BYTES."""
    if not _is_byte_pointer(pointer) or not isinstance(times, types.IntegerLiteral):
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        few = ir.VectorType(_I8, BYTES // times.literal_value)
        loaded = builder.load(_address(builder, values[0], values[1], few), typ=few, align=1)
        places = [place // times.literal_value for place in range(BYTES)]
        return builder.shuffle_vector(loaded, loaded, ir.Constant(ir.VectorType(_I32, BYTES), places))

    return _BYTES(pointer, types.int64, times), generate


@forced
def copy_few(target: Any, target_at: int, source: Any, source_at: int, count: int) -> None:
    """Copies up to 64 bytes, ends first where that takes no loop."""
    target_end, source_end = target_at + count, source_at + count
    if count >= 32:
        _copy_32(target, target_at, source, source_at)
        _copy_32(target, target_end - 32, source, source_end - 32)
    elif count >= 16:
        _copy_16(target, target_at, source, source_at)
        _copy_16(target, target_end - 16, source, source_end - 16)
    elif count >= 8:
        _copy_8(target, target_at, source, source_at)
        _copy_8(target, target_end - 8, source, source_end - 8)
    elif count >= 4:
        _copy_4(target, target_at, source, source_at)
        _copy_4(target, target_end - 4, source, source_end - 4)
    else:
        for i in range(count):
            target[target_at + i] = source[source_at + i]


def _splat(kind: Narrow, text: str) -> Any:
    def made(typing: Any, number: Any) -> Any:
        if not isinstance(number, types.Integer):
            return None

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            element = ir.IntType(kind.bits)
            value = builder.trunc(values[0], element) if number.bitwidth > kind.bits else values[0]
            empty = ir.Constant(_vector(kind), ir.Undefined)
            first = builder.insert_element(empty, value, ir.Constant(_I32, 0))
            return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(_I32, kind.count), [0] * kind.count))

        if number.bitwidth < kind.bits:
            return None
        return kind(number), generate

    made.__doc__ = text
    return intrinsic(made)


splat_byte = _splat(_BYTES, "The low byte of an integer in every place.")
splat_word = _splat(_WORDS, "The low 16 bits of an integer in every place.")


def _call(builder: Any, name: str, result: ir.Type, *values: Any) -> Any:
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)


def _binary(kind: Narrow, emit: Any, text: str) -> Any:
    def made(typing: Any, a: Any, b: Any) -> Any:
        if a != kind or b != kind:
            return None
        return kind(a, b), lambda context, builder, signature, values: emit(builder, *values)

    made.__doc__ = text
    return intrinsic(made)


def _named(name: str) -> Any:
    return lambda builder, a, b: _call(builder, f"llvm.{name}.v{a.type.count}i{a.type.element.width}", a.type, a, b)


def _mask(builder: Any, condition: Any) -> Any:
    return builder.zext(condition, _vector(_BYTES))


flipped = _binary(_BYTES, lambda builder, a, b: builder.xor(a, b), "Exclusive or of bytes.")
both = _binary(_BYTES, lambda builder, a, b: builder.and_(a, b), "And of bytes.")
byte_difference = _binary(_BYTES, lambda builder, a, b: builder.sub(a, b), "Differences of bytes, which wrap.")


def _across(kind: Narrow, name: str, text: str) -> Any:
    def made(typing: Any, value: Any) -> Any:
        if value != kind:
            return None

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            found = _call(builder, f"llvm.vector.reduce.{name}.v{kind.count}i{kind.bits}", ir.IntType(kind.bits), values[0])
            return (builder.sext if name[0] == "s" else builder.zext)(found, ir.IntType(64))

        return types.int64(value), generate

    made.__doc__ = text
    return intrinsic(made)


smallest_signed_across = _across(_BYTES, "smin", "The smallest of all bytes, read as signed.")
largest_signed_across = _across(_BYTES, "smax", "The largest of all bytes, read as signed.")
smallest_byte_across = _across(_BYTES, "umin", "The smallest of all bytes.")
largest_byte_across = _across(_BYTES, "umax", "The largest of all bytes.")
largest_word_across = _across(_WORDS, "umax", "The largest of all words, read as unsigned.")
smaller_signed = _binary(_BYTES, _named("smin"), "The smaller of each two bytes, read as signed.")
larger_signed = _binary(_BYTES, _named("smax"), "The larger of each two bytes, read as signed.")
smaller = _binary(_BYTES, _named("umin"), "The smaller of each two bytes.")
larger = _binary(_BYTES, _named("umax"), "The larger of each two bytes.")
at_most = _binary(_BYTES, lambda builder, a, b: _mask(builder, builder.icmp_unsigned("<=", a, b)), "1 where a ≤ b, 0 elsewhere.")


def _high_half(builder: Any, a: Any, b: Any) -> Any:
    wide = ir.VectorType(_I32, WORDS)
    product = builder.mul(builder.sext(a, wide), builder.sext(b, wide))
    return builder.trunc(builder.lshr(product, ir.Constant(wide, [16] * WORDS)), a.type)


low_products = _binary(_WORDS, lambda builder, a, b: builder.mul(a, b), "The low words of products.")
high_products = _binary(_WORDS, _high_half, "The high words of products.")
subtract_words = _binary(_WORDS, lambda builder, a, b: builder.sub(a, b), "Differences of words, which wrap.")
add_words = _binary(_WORDS, _named("sadd.sat"), "Sums of words, saturated.")
words_and = _binary(_WORDS, lambda builder, a, b: builder.and_(a, b), "And of words.")
words_or = _binary(_WORDS, lambda builder, a, b: builder.or_(a, b), "Or of words.")
words_xor = _binary(_WORDS, lambda builder, a, b: builder.xor(a, b), "Exclusive or of words.")
words_shifted_left = _binary(_WORDS, lambda builder, a, b: builder.shl(a, b), "Words of a shifted left by those of b.")
larger_unsigned_word = _binary(_WORDS, _named("umax"), "The larger of each two words, read as unsigned.")
smaller_word = _binary(_WORDS, _named("smin"), "The smaller of each two words.")
larger_word = _binary(_WORDS, _named("smax"), "The larger of each two words.")


def _interleaved(half: int, text: str) -> Any:
    places = [8 * group + 4 * half + word + WORDS * side for group in range(4) for word in range(4) for side in (0, 1)]

    def emit(builder: Any, a: Any, b: Any) -> Any:
        return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, WORDS), places))

    return _binary(_WORDS, emit, text)


low_pairs = _interleaved(0, "Words of a, each followed by that of b: the first four of every eight.")
high_pairs = _interleaved(1, "The same of the last four of every eight.")


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def word_places(typing: Any) -> Any:
    """The numbers 0, 1 … of the places of words."""
    return _WORDS(), lambda context, builder, signature, values: ir.Constant(_vector(_WORDS), list(range(WORDS)))


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def words_before(typing: Any, count: Any) -> Any:
    """All bits in the first `count` words, none in the others."""
    if count != types.int64:
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        empty = ir.Constant(_vector(_WORDS), ir.Undefined)
        first = builder.insert_element(empty, builder.trunc(values[0], _I16), ir.Constant(_I32, 0))
        counts = builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(_I32, WORDS), [0] * WORDS))
        places = ir.Constant(_vector(_WORDS), list(range(WORDS)))
        return builder.sext(builder.icmp_unsigned("<", places, counts), _vector(_WORDS))

    return _WORDS(count), generate


def _half(first: int, text: str) -> Any:
    def made(typing: Any, words: Any) -> Any:
        if words != _WORDS:
            return None

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            places = ir.Constant(ir.VectorType(_I32, LANES), list(range(first, first + LANES)))
            half = builder.shuffle_vector(values[0], ir.Constant(_vector(_WORDS), ir.Undefined), places)
            return builder.sext(half, ir.VectorType(_I32, LANES))

        return _INTEGERS(words), generate

    made.__doc__ = text
    return intrinsic(made)


first_half = _half(0, "The first half of the words as int32.")
second_half = _half(LANES, "The second half of the words as int32.")


def _bytes_from(first: int, text: str) -> Any:
    def made(typing: Any, value: Any) -> Any:
        if value != _BYTES:
            return None

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            places = ir.Constant(ir.VectorType(_I32, WORDS), list(range(first, first + WORDS)))
            return builder.zext(builder.shuffle_vector(values[0], ir.Constant(_vector(_BYTES), ir.Undefined), places), _vector(_WORDS))

        return _WORDS(value), generate

    made.__doc__ = text
    return intrinsic(made)


first_bytes = _bytes_from(0, "The first half of the bytes as words.")
last_bytes = _bytes_from(WORDS, "The second half of the bytes as words.")


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def words_of(typing: Any, integers: Any) -> Any:
    """The words of int32, the low ones first."""
    if integers != _INTEGERS:
        return None
    return _WORDS(integers), lambda context, builder, signature, values: builder.bitcast(values[0], _vector(_WORDS))


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def integers_of(typing: Any, words: Any) -> Any:
    """The int32 of pairs of words, the low ones first."""
    if words != _WORDS:
        return None
    return _INTEGERS(words), lambda context, builder, signature, values: builder.bitcast(values[0], ir.VectorType(_I32, LANES))


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def dot2(typing: Any, total: Any, pairs: Any, factors: Any) -> Any:
    """`jitlite.interpreter.codegen.isa_narrow`'s jitlite.dot2."""
    if total != _INTEGERS or not pairs == factors == _WORDS:
        return None
    wide = ir.VectorType(_I32, LANES)
    return total(total, pairs, factors), lambda context, builder, signature, values: _call(builder, DOT2, wide, *values)


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def pack(typing: Any, low: Any, high: Any) -> Any:
    """`jitlite.interpreter.codegen.isa_narrow`'s jitlite.pack: the words whose pairs `low_pairs` and `high_pairs` took."""
    if not low == high == _INTEGERS:
        return None
    return _WORDS(low, high), lambda context, builder, signature, values: _call(builder, PACK, _vector(_WORDS), *values)


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def cut(typing: Any, value: Any) -> Any:
    """`jitlite.interpreter.codegen.isa_narrow`'s jitlite.cut."""
    if value != _FLOATS:
        return None
    return _INTEGERS(value), lambda context, builder, signature, values: _call(builder, CUT, ir.VectorType(_I32, LANES), *values)


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def saturated(typing: Any, pointer: Any, a: Any, b: Any, c: Any, d: Any, zero: Any) -> Any:
    """`jitlite.interpreter.codegen.isa_narrow`'s jitlite.int8 or jitlite.uint8, as the pointer has elements."""
    if not _is_byte_pointer(pointer) or not a == b == c == d == _INTEGERS or zero != _WORDS:
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _call(builder, INT8 if pointer.dtype.signed else UINT8, _vector(_BYTES), *values[1:])

    return _BYTES(pointer, a, b, c, d, zero), generate


class Table(NamedTuple):
    """256 bytes to look up, in memory and in registers."""

    memory: Pointer[int]
    t0: Bytes
    t1: Bytes
    t2: Bytes
    t3: Bytes


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def _lookup(typing: Any, memory: Any, t0: Any, t1: Any, t2: Any, t3: Any, places: Any) -> Any:
    """`jitlite.interpreter.codegen.isa_narrow`'s jitlite.lookup."""
    if not _is_byte_pointer(memory) or not t0 == t1 == t2 == t3 == places == _BYTES:
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _call(builder, LOOKUP, _vector(_BYTES), *values)

    return _BYTES(memory, t0, t1, t2, t3, places), generate


@forced
def table_at(memory: u8p) -> Table:
    """The 256 bytes behind a pointer as they are now."""
    return Table(memory, load_bytes(memory, 0), load_bytes(memory, BYTES), load_bytes(memory, 2 * BYTES), load_bytes(memory, 3 * BYTES))


@forced
def look_up(table: Table, places: Bytes) -> Bytes:
    """The entry of each byte; the table's memory must not have changed since `table_at`."""
    return _lookup(table.memory, table.t0, table.t1, table.t2, table.t3, places)
