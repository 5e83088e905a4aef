"""Folds: many numbers combined to one, in vectors. Four partial results go side by side, so that none waits for another."""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from jitlite.interpreter.kernels.abi import Pointer
from jitlite.interpreter.kernels.partial import load_part
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import LANES, Lanes, Vector, load

Combine = Callable[..., Any]

_I32 = ir.IntType(32)


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def first_lanes(typing: Any, vector: Any, other: Any, count: Any) -> Any:
    """The first `count` lanes of a vector, and behind them those of another."""
    if not isinstance(vector, Lanes) or vector != other:
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.VectorType(_I32, LANES)
        empty = ir.Constant(kind, ir.Undefined)
        first = builder.insert_element(empty, builder.trunc(values[2], _I32), ir.Constant(_I32, 0))
        counts = builder.shuffle_vector(first, empty, ir.Constant(kind, [0] * LANES))
        return builder.select(builder.icmp_unsigned("<", ir.Constant(kind, list(range(LANES))), counts), values[0], values[1])

    return vector(vector, vector, types.int64), generate


def _shuffled(builder: Any, vector: Any, places: Sequence[int]) -> Any:
    """Lanes of a vector at the given places, and zeros where these are LANES or more."""
    zeros = ir.Constant(vector.type, None)
    return builder.shuffle_vector(vector, zeros, ir.Constant(ir.VectorType(_I32, LANES), list(places)))


def _moved(places: Callable[[int], Sequence[int]], text: str) -> Any:
    def made(typing: Any, vector: Any, lanes: Any) -> Any:
        if not isinstance(vector, Lanes):
            return None
        return vector(vector, lanes), lambda context, builder, found, values: _shuffled(builder, values[0], places(lanes.literal_value))

    made.__doc__ = text
    return intrinsic(prefer_literal=True)(made)


def _rearranged(places: Sequence[int], text: str) -> Any:
    def made(typing: Any, vector: Any) -> Any:
        if not isinstance(vector, Lanes):
            return None
        return vector(vector), lambda context, builder, found, values: _shuffled(builder, values[0], places)

    made.__doc__ = text
    return intrinsic(made)


moved_down = _moved(
    lambda lanes: [lane + lanes for lane in range(LANES)], "A vector whose first lanes are those from a literal lane on; zeros follow."
)
moved_up = _moved(
    lambda lanes: [lane - lanes if lane >= lanes else LANES for lane in range(LANES)],
    "A literal number of zeros, then a vector's first lanes.",
)
turned = _rearranged(range(LANES - 1, -1, -1), "A vector's lanes, the last one first.")
last_lane = _rearranged([LANES - 1] * LANES, "The last lane in every lane.")


@intrinsic  # type: ignore[untyped-decorator]  # numba is untyped
def first_of(typing: Any, vector: Any) -> Any:
    """The first lane."""
    if not isinstance(vector, Lanes):
        return None
    return vector.element(vector), lambda context, builder, signature, values: builder.extract_element(values[0], ir.Constant(_I32, 0))


def across(combine: Combine) -> Combine:
    """A function that combines all lanes of a vector to one number."""

    @forced
    def fold(vector: Vector) -> Any:
        vector = combine(vector, moved_down(vector, 8))
        vector = combine(vector, moved_down(vector, 4))
        vector = combine(vector, moved_down(vector, 2))
        return first_of(combine(vector, moved_down(vector, 1)))

    return fold


def folding(combine: Combine, prepare: Combine) -> Combine:
    """A function (x, at, count, neutral, setting) that combines `count` ≥ 0 neighbours, each vector after `prepare(vector, setting)`.

    The result is a vector whose lanes are to be combined; where there is no number, it is `neutral`, itself a prepared vector.
    """

    @forced
    def fold(x: Pointer[Any], at: int, count: int, neutral: Vector, setting: Any) -> Vector:
        stop = at + count
        total = neutral
        if count >= 4 * LANES:
            t0, t1 = prepare(load(x, at), setting), prepare(load(x, at + LANES), setting)
            t2, t3 = prepare(load(x, at + 2 * LANES), setting), prepare(load(x, at + 3 * LANES), setting)
            at += 4 * LANES
            while at + 4 * LANES <= stop:
                t0 = combine(t0, prepare(load(x, at), setting))
                t1 = combine(t1, prepare(load(x, at + LANES), setting))
                t2 = combine(t2, prepare(load(x, at + 2 * LANES), setting))
                t3 = combine(t3, prepare(load(x, at + 3 * LANES), setting))
                at += 4 * LANES
            total = combine(combine(t0, t1), combine(t2, t3))
        while at + LANES <= stop:
            total = combine(total, prepare(load(x, at), setting))
            at += LANES
        if at < stop:
            total = combine(total, first_lanes(prepare(load_part(x, at, stop - at), setting), neutral, stop - at))
        return total

    return fold
