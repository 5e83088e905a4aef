"""Reading an image at positions known only at run time: the taps along each axis, and their weighted sum."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

from jitlite.converter.graph import Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conversion import cast_to
from jitlite.schemas.ops.elementwise import ADD, FLOOR, MAXIMUM, MINIMUM, MUL, SUB
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.tables import GatherOptions

INT32 = np.dtype(np.int32)


@dataclass(frozen=True, slots=True)
class Tap:
    """Positions along one axis (int32) and their weights (float32; None stands for 1); shapes broadcast against other axes'."""

    position: Value
    weight: Value | None


def clipped(ctx: Context, x: Value, low: float, high: float) -> Value:
    """Within [low, high]; what is no number becomes one of them."""
    return ctx.binary(MINIMUM, ctx.binary(MAXIMUM, x, low), high)


def linear_taps(ctx: Context, x: Value, last: int) -> list[Tap]:
    """The two neighbours of each position, which lies in [0, last]."""
    low = ctx.op(FLOOR, x)
    part = ctx.op(SUB, x, low)
    high = ctx.binary(MINIMUM, ctx.binary(ADD, low, 1.0), float(last))
    rest = ctx.op(SUB, ctx.like(x, 1.0), part)
    return [Tap(cast_to(ctx, low, INT32), rest), Tap(cast_to(ctx, high, INT32), part)]


def cubic_taps(ctx: Context, x: Value, bounded: Callable[[Value], Value], a: float) -> list[Tap]:
    """The four neighbours of each position, weighed by Keys' kernel; `bounded` says what is read for whole positions outside."""
    low = ctx.op(FLOOR, x)
    part = ctx.op(SUB, x, low)
    found = []
    for place in range(-1, 3):
        distance = ctx.binary(ADD, part, 1.0) if place == -1 else part if place == 0 else ctx.op(SUB, ctx.like(x, float(place)), part)
        near = (a + 2, -(a + 3), 0.0, 1.0)
        far = (a, -5 * a, 8 * a, -4 * a)
        weight = _polynomial(ctx, distance, near if place in (0, 1) else far)
        position = bounded(low if place == 0 else ctx.binary(ADD, low, float(place)))
        found.append(Tap(cast_to(ctx, position, INT32), weight))
    return found


def _polynomial(ctx: Context, x: Value, factors: Sequence[float]) -> Value:
    """By Horner's scheme, the highest power first."""
    y = ctx.binary(MUL, x, factors[0])
    for factor in factors[1:-1]:
        y = ctx.op(MUL, y if factor == 0 else ctx.binary(ADD, y, factor), x)
    return ctx.binary(ADD, y, factors[-1])


def read_taps(ctx: Context, read: Callable[[Value], Value], axes: Sequence[Sequence[Tap]], sizes: Sequence[int]) -> list[Value]:
    """The elements at every combination of taps, weighed; `read` gets places in the flattened image of these sizes."""
    found = []
    for taps in product(*axes):
        place: Value | None = None
        weight: Value | None = None
        for axis, tap in enumerate(taps):
            step = prod(sizes[axis + 1 :])
            moved = tap.position if step == 1 else ctx.binary(MUL, tap.position, step)
            place = moved if place is None else ctx.op(ADD, place, moved)
            if tap.weight is not None:
                weight = tap.weight if weight is None else ctx.op(MUL, weight, tap.weight)
        assert place is not None, "an image has at least one axis"
        part = read(place)
        found.append(part if weight is None else ctx.op(MUL, part, weight))
    return found


def added(ctx: Context, parts: Sequence[Value]) -> Value:
    total = parts[0]
    for part in parts[1:]:
        total = ctx.op(ADD, total, part)
    return total


def reader(ctx: Context, image: Value) -> Callable[[Value], Value]:
    """Reads an image (batch, places, channels) at (batch, count, 1) places: (batch, count, channels)."""
    n, places, channels = image.dims

    def read(place: Value) -> Value:
        count = place.dims[1]
        if n == 1:
            whole = ctx.op(GATHER, ctx.reshape(image, (places, channels)), ctx.reshape(place, (count,)), options=GatherOptions(axis=0))
            return ctx.reshape(whole, (1, count, channels))
        return ctx.op(GATHER, image, ctx.reshape(place, (n, count)), options=GatherOptions(axis=1, batch_dims=1))

    return read
