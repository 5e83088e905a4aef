"""Comparisons, logic and selection. Truth values are bytes, 0 or 1."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f32p, i16p, i32p, i64, i64p, inline, span, u8p
from jitlite.interpreter.kernels.broadcast import binary
from jitlite.interpreter.kernels.elements import by_element_size, xp
from jitlite.interpreter.kernels.requantize import wide
from jitlite.interpreter.kernels.strips import broadcast, strip_of
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import Vector, splat
from jitlite.interpreter.kernels.vectors import select as select_lanes

_FAMILY = __name__
_int: Any = np.int32
_ZERO, _ONE = _int(0), _int(1)


@inline
def _relation(settings: i64p) -> Any:
    """Settings [less, equal, negate]: the result is whether a < b if `less`, or a = b if `equal`; the other way round if `negate`."""
    return settings[0], settings[1], settings[2]


@inline
def _compare(a: Any, b: Any, relation: Any) -> Any:
    less, equal, negate = relation
    return (((a < b) & less) | ((a == b) & equal)) ^ negate


@inline
def _masks(settings: i64p) -> Any:
    """The same settings as masks of vectors."""
    none = splat(_ZERO)
    return splat(_int(settings[0])) != none, splat(_int(settings[1])) != none, splat(_int(settings[2])) != none


@forced
def _compare_vectors(a: Vector, b: Vector, relation: Any) -> Vector:
    less, equal, negate = relation
    return select_lanes((((a < b) & less) | ((a == b) & equal)) ^ negate, splat(_ONE), splat(_ZERO))


broadcast(_FAMILY, "compare_f32", (f32p, f32p, u8p, i64p), strip_of(_compare_vectors, _masks))
broadcast(_FAMILY, "compare_i32", (i32p, i32p, u8p, i64p), strip_of(_compare_vectors, _masks))
binary(_FAMILY, "compare_i64", (i64p, i64p, u8p, i64p), _compare, _relation)
binary(_FAMILY, "compare_i16", (i16p, i16p, u8p, i64p), _compare, _relation)
binary(_FAMILY, "compare_u8", (u8p, u8p, u8p, i64p), _compare, _relation)


@inline
def _truth_table(settings: i64p) -> Any:
    return settings[0]


@inline
def _logical(a: Any, b: Any, truth: Any) -> Any:
    """Bit 2a + b of `truth`."""
    return (truth >> (2 * (a != 0) + (b != 0))) & 1


binary(_FAMILY, "logical", (u8p, u8p, u8p, i64p), _logical, _truth_table)


@inline
def _chosen(condition: int, x: int, y: int) -> Any:
    """The bits of x where the condition holds, else of y; a branch would keep the loads of both from becoming vector loads."""
    return wide(y) ^ ((wide(x) ^ wide(y)) & -wide(condition != 0))


@inline
def _select_row(condition: u8p, x: Any, y: Any, z: Any, places: Any, steps: Any, at: int, count: int) -> None:
    c_at, x_at, y_at = places
    c_step, x_step, y_step = steps
    if c_step == 0:
        if condition[c_at] != 0:
            for i in range(count):
                z[at + i] = x[x_at + i * x_step]
        else:
            for i in range(count):
                z[at + i] = y[y_at + i * y_step]
    elif y_step == 0:
        other = y[y_at]
        for i in range(count):
            z[at + i] = _chosen(condition[c_at + i], x[x_at + i * x_step], other)
    elif x_step == 0:
        value = x[x_at]
        for i in range(count):
            z[at + i] = _chosen(condition[c_at + i], value, y[y_at + i])
    else:
        for i in range(count):
            z[at + i] = _chosen(condition[c_at + i], x[x_at + i], y[y_at + i])


@by_element_size
def select(condition: u8p, x: xp, y: xp, z: xp, walk: i64p, thread: i64, threads: i64) -> None:
    """Takes x where the condition holds, y elsewhere; `walk` as `kernels.broadcast` has it, for the three operands."""
    columns, steps = walk[1], (walk[2], walk[3], walk[4])
    at, stop = span(walk[0], thread, threads)
    while at < stop:
        row = at // columns
        column = at - row * columns
        c_at, x_at, y_at, place = column * steps[0], column * steps[1], column * steps[2], 6
        for _ in range(walk[5]):
            rest = row // walk[place]
            index = row - rest * walk[place]
            c_at += index * walk[place + 1]
            x_at += index * walk[place + 2]
            y_at += index * walk[place + 3]
            row, place = rest, place + 4
        count = min(columns - column, stop - at)
        _select_row(condition, x, y, z, (c_at, x_at, y_at), steps, at, count)
        at += count
