"""From the sums of a register tile to stored outputs.

Row i is stored from index offsets[i] + `at` of the output on; of the last panel's columns the first `width` only.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from jitlite.interpreter.codegen.isa_narrow import PACK
from jitlite.interpreter.codegen.isa_quads import SHRINK
from jitlite.interpreter.kernels.abi import f64p, i32p, i64, i64p, inline
from jitlite.interpreter.kernels.emit import shuffled, splat
from jitlite.interpreter.kernels.rounding import emit_line, round_exactly
from jitlite.interpreter.kernels.tile import COLUMNS, Numbers, Tile, TileOf, forced, height_of, panels_of, stack_i32, stack_i64
from jitlite.interpreter.kernels.vectors import LANES, clamp, load, scale_exactly, store
from jitlite.interpreter.kernels.vectors import splat as splat_lanes

LINE_ROWS = 5
"""Vectors that requantizing a panel needs: scales, slopes and offsets of its lines (`rounding.round_fine_line`), mantissas, shifts."""

_I8, _I32, _I64, _F32 = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()


def _index(value: int) -> ir.Constant:
    return ir.Constant(_I64, value)


def _load(builder: Any, pointer: Any, element: ir.Type, at: Any) -> Any:
    address = builder.gep(pointer, [at], source_etype=element)
    vector = ir.VectorType(element, LANES)
    return builder.load(builder.bitcast(address, vector.as_pointer()), typ=vector, align=4)


def _call(builder: Any, name: str, result: ir.Type, *values: Any) -> Any:
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)


def _store_vectors(builder: Any, vectors: list[list[Any]], y: Any, offsets: Any, at: Any, width: Any) -> None:
    """Stores rows of finished vectors; the last COLUMNS columns of a row behind a test of their width."""
    element = vectors[0][0].type.element
    align = 1 if element == _I8 else 4
    suffix = "f32" if element == _F32 else f"i{element.width}"
    is_whole = builder.icmp_signed(">=", width, _index(COLUMNS))
    lanes = vectors[0][-1].type.count
    count = builder.add(width, _index(lanes - COLUMNS))
    places = ir.Constant(ir.VectorType(_I32, lanes), list(range(lanes)))
    mask = builder.icmp_signed("<", places, splat(builder, builder.trunc(count, _I32), lanes))
    for whole in (True, False):
        with builder.if_then(is_whole if whole else builder.not_(is_whole)):
            for row, parts in enumerate(vectors):
                place = builder.add(builder.load(builder.gep(offsets, [_index(row)], source_etype=_I64), typ=_I64), at)
                for number, vector in enumerate(parts):
                    address = builder.gep(y, [builder.add(place, _index(number * COLUMNS))], source_etype=element)
                    pointer = builder.bitcast(address, vector.type.as_pointer())
                    if whole or number < len(parts) - 1:
                        builder.store(vector, pointer, align=align)
                        continue
                    kind = ir.FunctionType(ir.VoidType(), [vector.type, pointer.type, _I32, mask.type])
                    target = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.store.v{lanes}{suffix}.p0")
                    builder.call(target, [vector, pointer, ir.Constant(_I32, align), mask])


def _stored(tile: Tile, y: Any, finish: Callable[..., list[list[Any]]], *operands: Any) -> Any:
    """Signature and code of a store: `finish(builder, sums, values)` makes rows of sums, panel by panel, rows of finished vectors."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        sums, y_value, offsets, at, width, *others = values
        rows = [[builder.extract_value(sums, row * tile.panels + panel) for panel in range(tile.panels)] for row in range(tile.rows)]
        _store_vectors(builder, finish(builder, rows, others), y_value, offsets, at, width)
        return context.get_dummy_value()

    return types.void(tile, y, types.CPointer(types.int64), types.int64, types.int64, *operands), generate


def _clamped(builder: Any, vector: Any, low: Any, high: Any) -> Any:
    """The vector within [low, high]; NaN stays NaN."""
    raised = builder.select(builder.fcmp_ordered("<", vector, low), low, vector)
    return builder.select(builder.fcmp_ordered(">", raised, high), high, raised)


def _finish_f32(builder: Any, rows: list[list[Any]], others: list[Any]) -> list[list[Any]]:
    bias, first, low, high = others
    low, high = splat(builder, low, LANES), splat(builder, high, LANES)
    biases = [_load(builder, bias, _F32, builder.add(first, _index(COLUMNS * panel))) for panel in range(len(rows[0]))]
    return [[_clamped(builder, builder.fadd(sums, biases[panel]), low, high) for panel, sums in enumerate(row)] for row in rows]


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def store_f32(typing: Any, tile: Any, y: Any, offsets: Any, at: Any, width: Any, bias: Any, first: Any, low: Any, high: Any) -> Any:
    """Stores float32 sums plus their columns' biases, from index `first` on, clamped: in this order the reference adds."""
    return _stored(tile, y, _finish_f32, bias, types.int64, types.float32, types.float32)


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def store_s32(typing: Any, tile: Any, y: Any, offsets: Any, at: Any, width: Any) -> Any:
    """Stores int32 sums."""
    return _stored(tile, y, lambda builder, rows, others: rows)


def _finish_scaled(builder: Any, rows: list[list[Any]], others: list[Any]) -> list[list[Any]]:
    factors, channels, first, low, high = others
    low, high = splat(builder, low, LANES), splat(builder, high, LANES)
    panels = [builder.add(first, _index(2 * COLUMNS * panel)) for panel in range(len(rows[0]))]
    scales = [_load(builder, channels, _F32, place) for place in panels]
    biases = [_load(builder, channels, _F32, builder.add(place, _index(COLUMNS))) for place in panels]

    def finished(row: int, panel: int, sums: Any) -> Any:
        factor = splat(builder, builder.load(builder.gep(factors, [_index(row)], source_etype=_F32), typ=_F32, align=4), LANES)
        real = builder.fmul(builder.fmul(builder.sitofp(sums, scales[0].type), scales[panel]), factor)
        return _clamped(builder, builder.fadd(real, biases[panel]), low, high)

    return [[finished(number, panel, sums) for panel, sums in enumerate(row)] for number, row in enumerate(rows)]


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def store_scaled(
    typing: Any, tile: Any, y: Any, offsets: Any, at: Any, width: Any, factors: Any, channels: Any, first: Any, low: Any, high: Any
) -> Any:
    """Stores int32 sums of row i times factors[i] and their columns' scales, plus biases, clamped.

    `channels` holds COLUMNS scales, then biases for each panel, from index `first` on.
    """
    return _stored(tile, y, _finish_scaled, factors, channels, types.int64, types.float32, types.float32)


def _narrowed(builder: Any, steps: list[Any], zero_point: Any, low: Any, high: Any) -> Any:
    """Four vectors of steps as 64 signed bytes, one vector behind the other: plus a zero point, saturated and clamped."""
    words = []
    for first in (0, 2):
        packed = _call(builder, PACK, zero_point.type, *steps[first : first + 2])
        words.append(_call(builder, "llvm.sadd.sat.v32i16", zero_point.type, packed, zero_point))
    found = _call(builder, SHRINK, low.type, *words)
    found = _call(builder, "llvm.smax.v64i8", low.type, found, low)
    found = _call(builder, "llvm.smin.v64i8", low.type, found, high)
    words = builder.bitcast(found, ir.VectorType(_I32, LANES))
    ordered = shuffled(builder, words, words, [4 * group + number for number in range(4) for group in range(4)])
    return builder.bitcast(ordered, low.type)


def _finish_line(builder: Any, rows: list[list[Any]], others: list[Any]) -> list[list[Any]]:
    lines, first, limits, offset = others
    panels = [builder.add(first, _index(LINE_ROWS * COLUMNS * panel)) for panel in range(len(rows[0]))]
    terms = [[_load(builder, lines, _I32, builder.add(place, _index(row * COLUMNS))) for row in range(3)] for place in panels]
    zero_point, low, high = (
        builder.sub(builder.load(builder.gep(limits, [_index(i)], source_etype=_I32), typ=_I32, align=4), offset) for i in range(3)
    )
    zero_point = splat(builder, builder.trunc(zero_point, ir.IntType(16)), 32)
    low, high = (splat(builder, builder.trunc(value, _I8), 64) for value in (low, high))
    flips = splat(builder, builder.trunc(offset, _I8), 64)
    steps = [emit_line(builder, sums, *terms[panel]) for row in rows for panel, sums in enumerate(row)]
    finished: list[Any] = []
    for number in range(0, len(steps), 4):
        four = (steps[number : number + 4] + steps[-1:] * 3)[:4]
        bytes_of = builder.xor(_narrowed(builder, four, zero_point, low, high), flips)
        size = COLUMNS * len(rows[0])
        finished += [[shuffled(builder, bytes_of, bytes_of, range(at, at + size))] for at in range(0, 64, size)]
    return finished[: len(rows)]


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def store_lines(typing: Any, tile: Any, y: Any, offsets: Any, at: Any, width: Any, lines: Any, first: Any, limits: Any, offset: Any) -> Any:
    """Stores int32 sums as 8-bit numbers through their columns' certified lines, LINE_ROWS vectors a panel from index `first` on.

    `limits` holds the output's zero point, lowest and highest value, `offset` is 128 where they are unsigned, else 0.
    """
    return _stored(tile, y, _finish_line, lines, types.int64, limits, types.int32)


@forced
def _put(y: Numbers, at: i64, values: Any, count: i64) -> None:
    if count >= COLUMNS:
        store(y, at, values)
    else:
        part = stack_i32(16)
        store(part, 0, values)
        for j in range(count):
            y[at + j] = part[j]


class Exactly(NamedTuple):
    """How to round by integer arithmetic, or where `is_real` by the float64 multipliers `reals`, COLUMNS a panel.

    `lines` and `limits` are those of `store_lines`.
    """

    lines: i32p
    limits: i32p
    reals: f64p
    is_real: int


@inline
def _store_exactly(sums: i32p, rows: i64, panels: i64, y: Numbers, offsets: i64p, at: i64, width: i64, first: i64, how: Exactly) -> None:
    limits, lines = how.limits, how.lines
    zero_point, low, high = splat_lanes(limits[0]), splat_lanes(limits[1]), splat_lanes(limits[2])
    for row in range(rows):
        for panel in range(panels):
            total = load(sums, (row * panels + panel) * COLUMNS)
            base = first + panel * LINE_ROWS * COLUMNS
            if how.is_real != 0:
                scaled = scale_exactly(total, how.reals, first // LINE_ROWS + panel * COLUMNS)
            else:
                scaled = round_exactly(total, load(lines, base + 3 * COLUMNS), load(lines, base + 4 * COLUMNS))
            count = width if panel == panels - 1 else COLUMNS
            _put(y, offsets[row] + at + panel * COLUMNS, clamp(scaled + zero_point, low, high), count)


@forced
def store_exactly(tile: TileOf, y: Numbers, offsets: i64p, at: i64, width: i64, first: i64, how: Exactly) -> None:
    """As `store_lines`, for any sums; it is needed too seldom to be worth code of its own for every tile."""
    sums, places = stack_i32(512), stack_i64(32)
    rows, panels = height_of(tile), panels_of(tile)
    for row in range(rows):
        places[row] = row * panels * COLUMNS
    store_s32(tile, sums, places, 0, COLUMNS)
    _store_exactly(sums, rows, panels, y, offsets, at, width, first, how)
