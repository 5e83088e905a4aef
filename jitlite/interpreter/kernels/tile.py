"""Register tiles: the sums of several rows of a product with several panels of its right side, as one kernel value.

A panel is LANES columns of the right side: for every run of neighbouring channels its levels, COLUMNS float32 a channel or, for 8-bit
numbers, COLUMNS quads of int8 for four channels (zeros behind the run's last channel). Rows are wherever `offsets` says. What the sums of
8-bit numbers start from depends on the target: `jitlite.interpreter.codegen.isa` says why.
"""

from functools import reduce
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

from jitlite.interpreter.codegen.isa import DOT4_SIGNED, DOT4_UNSIGNED, selected
from jitlite.interpreter.kernels.abi import Function, Pointer, f32, i64, inline
from jitlite.interpreter.kernels.emit import index, loop, shuffled
from jitlite.interpreter.kernels.vectors import LANES, Lanes, splat

COLUMNS = LANES
ISA = selected()
"""Sizes of tiles on the target."""

Numbers = Pointer[Any]
TileOf = Any
"""A tile, for annotations."""

single: Any = np.float32

_I8, _I32, _I64, _F32 = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
_BYTES = (types.int8, types.uint8)


def forced(function: Function) -> Function:
    """`inline` that LLVM must follow, so that vectors passed and returned stay in registers."""
    compiled: Function = numba.njit(error_model="numpy", nogil=True, forceinline=True)(function)
    return compiled


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def keep_apart(typing: Any) -> Any:
    """Keeps the function that calls this from being inlined, so that it has all registers to itself."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


class Tile(types.Type):  # type: ignore[misc]  # numba is untyped
    """Numba's type of rows · panels vectors of float32 or int32 sums."""

    def __init__(self, element: Any, rows: int, panels: int) -> None:
        self.element, self.rows, self.panels = element, rows, panels
        super().__init__(name=f"Tile({element}, {rows}, {panels})")

    @property
    def vector(self) -> ir.VectorType:
        return ir.VectorType(_F32 if self.element == types.float32 else _I32, LANES)

    def with_rows(self, rows: int) -> "Tile":
        return Tile(self.element, rows, self.panels)


@register_model(Tile)
class _TileModel(models.PrimitiveModel):  # type: ignore[misc]  # numba is untyped
    def __init__(self, manager: Any, kind: Tile) -> None:
        super().__init__(manager, kind, ir.ArrayType(kind.vector, kind.rows * kind.panels))


def _stack(element: Any) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
    def reserve(typing: Any, count: Any) -> Any:
        if not isinstance(count, types.IntegerLiteral):
            return None

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            data = context.get_data_type(element)
            with builder.goto_entry_block():
                place = builder.alloca(ir.ArrayType(data, count.literal_value))
            place.align = 64
            return builder.bitcast(place, data.as_pointer())

        return types.CPointer(element)(types.IntegerLiteral(count.literal_value)), generate

    return reserve


stack_f32 = _stack(types.float32)
"""Memory of a kernel's own for a literal number of float32; nothing else points to it, which lets loops over it become vector code."""

stack_i32 = _stack(types.int32)
"""The same for int32."""

stack_i64 = _stack(types.int64)
"""The same for int64."""


def _vectors(builder: Any, kind: Tile, tile: Any) -> list[Any]:
    return [builder.extract_value(tile, number) for number in range(kind.rows * kind.panels)]


def _gathered(builder: Any, kind: Tile, vectors: list[Any]) -> Any:
    tile = ir.Constant(ir.ArrayType(kind.vector, len(vectors)), ir.Undefined)
    for number, vector in enumerate(vectors):
        tile = builder.insert_value(tile, vector, number)
    return tile


def _load(builder: Any, pointer: Any, element: ir.Type, at: Any, vector: ir.VectorType) -> Any:
    address = builder.gep(pointer, [at], source_etype=element)
    return builder.load(builder.bitcast(address, vector.as_pointer()), typ=vector, align=element.width // 8 if element != _F32 else 4)


def _splat(builder: Any, value: Any) -> Any:
    vector = ir.VectorType(value.type, LANES)
    empty = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(empty, value, ir.Constant(_I32, 0))
    return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES))


def _sum_of(x: Any) -> Any:
    return types.float32 if x.dtype == types.float32 else types.int32


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]  # numba is untyped
def start(typing: Any, x: Any, bias: Any, bias_at: Any, weights: Any, weights_at: Any, factor: Any, rows: Any, panels: Any) -> Any:
    """A tile of literal `rows` · `panels` for products with numbers of pointer `x`: zeros for floats, whose biases are added at the end.

    For 8-bit `x` every row starts from the biases from index `bias_at` on, to which `factor` times the sums of the columns' weights, from
    index `weights_at` of `weights` on, is added.
    """
    kind = Tile(_sum_of(x), rows.literal_value, panels.literal_value)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        if kind.element == types.float32:
            return _gathered(builder, kind, [ir.Constant(kind.vector, None)] * (kind.panels * kind.rows))
        first = []
        element = kind.vector.element
        for panel in range(kind.panels):
            shift = index(panel * COLUMNS)
            vector = _load(builder, values[1], element, builder.add(values[2], shift), kind.vector)
            if x.dtype in _BYTES:
                offset = ISA.signed_offset if x.dtype == types.int8 else ISA.unsigned_offset
                sums = _load(builder, values[3], element, builder.add(values[4], shift), kind.vector)
                many = _splat(builder, builder.sub(values[5], ir.Constant(_I32, offset)))
                vector = builder.add(vector, builder.mul(sums, many))
            first.append(vector)
        return _gathered(builder, kind, first * kind.rows)

    return kind(x, bias, types.int64, weights, types.int64, types.int32, rows, panels), generate


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]  # numba is untyped
def zeros_below(typing: Any, tile: Any, rows: Any) -> Any:
    """A tile of literal `rows`: the given one's first, then zeros."""
    kind = tile.with_rows(rows.literal_value)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        first = [builder.extract_value(values[0], number) for number in range(kind.panels)]
        return _gathered(builder, kind, first + [ir.Constant(kind.vector, None)] * (kind.panels * (kind.rows - 1)))

    return kind(tile, rows), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def sum_of_rows(typing: Any, tile: Any) -> Any:
    """The sum of a tile's rows as a tile of one row."""
    kind = tile.with_rows(1)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        vectors = _vectors(builder, tile, values[0])
        add = builder.fadd if tile.element == types.float32 else builder.add
        while len(vectors) > kind.panels:
            half = len(vectors) // kind.panels // 2 * kind.panels
            vectors = [add(a, b) for a, b in zip(vectors[:half], vectors[half : 2 * half])] + vectors[2 * half :]
        return _gathered(builder, kind, vectors)

    return kind(tile), generate


class _Levels:
    """The code of the levels of a run with `kind.panels` panels, which start at `panels`.

    Numbers of a row are counted from the row's place, so that all runs share the rows' addresses.
    """

    def __init__(self, builder: Any, kind: Tile, x: Any, panels: list[Any]) -> None:
        self.builder, self.kind, self.x, self.panels = builder, kind, x, panels
        self.is_float = x.dtype == types.float32
        self.element = _F32 if self.is_float else _I8
        self.numbers = 1 if self.is_float else 4
        self.levels = (ISA.floats if self.is_float else ISA.bytes).levels
        self.sums = 1 if self.is_float else ISA.partial_sums

    def weights(self, number: Any) -> list[Any]:
        """The panels' vectors for the level of the run's number `number`."""
        place = self.builder.mul(number, index(COLUMNS))
        return [_load(self.builder, panel, self.element, place, self.kind.vector) for panel in self.panels]

    def number(self, row: Any, at: Any) -> Any:
        """The float32, or the quad, of a row."""
        address = self.builder.gep(row, [at], source_etype=self.element)
        if self.is_float:
            return self.builder.load(address, typ=_F32, align=4)
        return self.builder.load(self.builder.bitcast(address, _I32.as_pointer()), typ=_I32, align=1)

    def register(self, row: Any, at: Any) -> Any:
        """The quads of several levels of a row; unsigned numbers as the signed ones 128 below."""
        vector = ir.VectorType(_I32, self.levels)
        address = self.builder.gep(row, [at], source_etype=self.element)
        quads = self.builder.load(self.builder.bitcast(address, vector.as_pointer()), typ=vector, align=1)
        if self.x.dtype == types.int8:
            return quads
        assert ISA.signed_offset - ISA.unsigned_offset == 128
        return self.builder.xor(quads, ir.Constant(vector, [-0x7F7F7F80] * self.levels))

    def product(self, number: Any, weights: Any, total: Any, is_signed: bool) -> Any:
        builder, vector = self.builder, self.kind.vector
        if self.is_float:
            target = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{LANES}f32")
            return builder.call(target, [_splat(builder, number), weights, total])
        kind = ir.FunctionType(total.type, [total.type, _I32, vector])
        target = cgutils.get_or_insert_function(builder.module, kind, DOT4_SIGNED if is_signed else DOT4_UNSIGNED)
        return builder.call(target, [total, number, weights])

    def spread(self, vectors: list[Any]) -> list[Any]:
        """Sums as the target's products are added to them: partial ones, of which the first in turn are the given sums, the others 0."""
        if self.sums == 1:
            return vectors
        places = [lane if part == 0 else LANES for lane in range(LANES) for part in range(self.sums)]
        return [shuffled(self.builder, vector, ir.Constant(vector.type, None), places) for vector in vectors]

    def united(self, vectors: list[Any]) -> list[Any]:
        """The sums that partial ones add up to."""
        if self.sums == 1:
            return vectors
        parts = [list(range(part, self.sums * LANES, self.sums)) for part in range(self.sums)]
        return [reduce(self.builder.add, [shuffled(self.builder, vector, vector, places) for places in parts]) for vector in vectors]


def _panels(builder: Any, tile: Tile, element: ir.Type, w: Any, first: Any, step: Any) -> list[Any]:
    places = [builder.add(first, builder.mul(step, index(panel))) for panel in range(tile.panels)]
    return [builder.gep(w, [place], source_etype=element) for place in places]


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def accumulate(typing: Any, tile: Any, x: Any, offsets: Any, shift: Any, depth: Any, w: Any, at: Any, step: Any) -> Any:
    """The tile plus the products of a run of `depth` numbers of each row with its panels.

    Row i starts at index offsets[i] + shift of `x`, the first panel at index `at` of `w`, the next `step` further on. Up to three numbers
    behind a row's last are read, but do not count.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        sums, x_value, places, moved, count, w_value, first, panel_step = values
        element = _F32 if x.dtype == types.float32 else _I8
        code = _Levels(builder, tile, x, _panels(builder, tile, element, w_value, first, panel_step))
        rows = []
        for row in range(tile.rows):
            place = builder.load(builder.gep(places, [index(row)], source_etype=_I64), typ=_I64)
            rows.append(builder.gep(x_value, [place], source_etype=element))

        def level(number: Any, quads: list[Any], vectors: list[Any], is_signed: bool) -> list[Any]:
            weights, found = code.weights(number), []
            for row, quad in enumerate(quads):
                found += [code.product(quad, weights[p], vectors[row * tile.panels + p], is_signed) for p in range(tile.panels)]
            return found

        def one(number: Any, vectors: list[Any]) -> list[Any]:
            at = builder.add(number, moved)
            return level(number, [code.number(row, at) for row in rows], vectors, x.dtype == types.int8)

        def several(number: Any, vectors: list[Any]) -> list[Any]:
            at = builder.add(number, moved)
            registers = [code.register(row, at) for row in rows]
            for i in range(code.levels):
                quads = [builder.extract_element(register, ir.Constant(_I32, i)) for register in registers]
                vectors = level(builder.add(number, index(i * code.numbers)), quads, vectors, True)
            return vectors

        vectors, done = code.spread(_vectors(builder, tile, sums)), index(0)
        if code.levels > 1:
            size = code.levels * code.numbers
            done = builder.mul(builder.sdiv(count, index(size)), index(size))
            vectors = loop(builder, index(0), done, size, vectors, several)
        return _gathered(builder, tile, code.united(loop(builder, done, count, code.numbers, vectors, one)))

    return tile(tile, x, offsets, types.int64, types.int64, w, types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def accumulate_row(typing: Any, tile: Any, x: Any, shift: Any, depth: Any, w: Any, at: Any, step: Any) -> Any:
    """The tile plus the products of one row, level by level in turns to each of the tile's rows, which `sum_of_rows` unites at the end."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        sums, x_value, moved, count, w_value, first, panel_step = values
        element = _F32 if x.dtype == types.float32 else _I8
        code = _Levels(builder, tile, x, _panels(builder, tile, element, w_value, first, panel_step))
        row = builder.gep(x_value, [moved], source_etype=element)

        def level_into(vectors: list[Any], part: int, number: Any) -> None:
            weights, value = code.weights(number), code.number(row, number)
            for panel in range(tile.panels):
                place = part * tile.panels + panel
                vectors[place] = code.product(value, weights[panel], vectors[place], x.dtype == types.int8)

        def body(number: Any, vectors: list[Any]) -> list[Any]:
            found = list(vectors)
            for part in range(tile.rows):
                level_into(found, part, builder.add(number, index(part * code.numbers)))
            return found

        def rest(number: Any, vectors: list[Any]) -> list[Any]:
            found = list(vectors)
            level_into(found, 0, number)
            return found

        size = tile.rows * code.numbers
        whole = builder.mul(builder.sdiv(count, index(size)), index(size))
        vectors = loop(builder, index(0), whole, size, code.spread(_vectors(builder, tile, sums)), body)
        return _gathered(builder, tile, code.united(loop(builder, whole, count, code.numbers, vectors, rest)))

    return tile(tile, x, types.int64, types.int64, w, types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def add_to_rows(typing: Any, tile: Any, factors: Any, vectors: Any, at: Any) -> Any:
    """The tile plus, in row i, factors[i] times the int32 from index `at` of `vectors`, panel by panel."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        added = [_load(builder, values[2], _I32, builder.add(values[3], index(p * COLUMNS)), tile.vector) for p in range(tile.panels)]
        found = []
        for row in range(tile.rows):
            factor = builder.load(builder.gep(values[1], [index(row)], source_etype=_I32), typ=_I32, align=4)
            many = _splat(builder, factor)
            for panel in range(tile.panels):
                old = builder.extract_value(values[0], row * tile.panels + panel)
                found.append(builder.add(old, builder.mul(many, added[panel])))
        return _gathered(builder, tile, found)

    return tile(tile, factors, vectors, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def add_each(typing: Any, tile: Any, numbers: Any) -> Any:
    """The tile plus numbers[i] everywhere in row i."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        found = []
        for row in range(tile.rows):
            many = _splat(builder, builder.load(builder.gep(values[1], [index(row)], source_etype=_I32), typ=_I32, align=4))
            old = [builder.extract_value(values[0], row * tile.panels + panel) for panel in range(tile.panels)]
            found += [builder.add(vector, many) for vector in old]
        return _gathered(builder, tile, found)

    return tile(tile, numbers), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def height_of(typing: Any, tile: Any) -> Any:
    """The rows of a tile."""
    return types.int64(tile), lambda context, builder, signature, values: index(tile.rows)


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def panels_of(typing: Any, tile: Any) -> Any:
    """The panels of a tile."""
    return types.int64(tile), lambda context, builder, signature, values: index(tile.panels)


@inline
def clamp_f32(value: f32, low: f32, high: f32) -> f32:
    """The value within [low, high]; NaN stays NaN."""
    value = low if value < low else value
    return high if value > high else value


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def load_words(typing: Any, pointer: Any, at: Any) -> Any:
    """LANES int32 from byte `at` of a pointer to 8-bit numbers on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _load(builder, values[0], _I8, values[1], ir.VectorType(_I32, LANES))

    return Lanes(types.int32)(pointer, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def store_words(typing: Any, pointer: Any, at: Any, words: Any) -> Any:
    """Stores LANES int32 from byte `at` of a pointer to 8-bit numbers on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        address = builder.gep(values[0], [values[1]], source_etype=_I8)
        builder.store(values[2], builder.bitcast(address, values[2].type.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(pointer, types.int64, words), generate


@inline
def copy_flipped(target: Numbers, source: Numbers, count: i64, flips: i64) -> None:
    """Copies 8-bit numbers with the bits `flips` of each flipped; up to 63 behind the last are read and written."""
    word = np.int32(np.int64(0x01010101) * flips)
    for at in range(0, count, 4 * COLUMNS):
        store_words(target, at, load_words(source, at) ^ splat(word))
