"""Operators that write elements by index."""

from math import prod

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conversion import cast_to
from jitlite.converter.lowerings.indexing import flat_places, positions_along
from jitlite.converter.lowerings.registry import lowers
from jitlite.schemas.ops.comparison import GREATER, GREATER_EQUAL, LESS, LOGICAL_AND, NOT_EQUAL, SELECT_V2
from jitlite.schemas.ops.concat import CONCATENATION
from jitlite.schemas.ops.elementwise import ADD, FLOOR_MOD, MAXIMUM, MINIMUM, MUL, SUB
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.scatter import SCATTER_ND, UNSORTED_SEGMENT_MAX, UNSORTED_SEGMENT_MIN, UNSORTED_SEGMENT_PROD
from jitlite.schemas.ops.spec import OpSpec
from jitlite.schemas.tables import ConcatenationOptions, GatherOptions

INT32, FLOAT32 = np.dtype(np.int32), np.dtype(np.float32)

SEGMENTS: dict[str, tuple[OpSpec, OpSpec]] = {
    "mul": (UNSORTED_SEGMENT_PROD, MUL),
    "max": (UNSORTED_SEGMENT_MAX, MAXIMUM),
    "min": (UNSORTED_SEGMENT_MIN, MINIMUM),
}
"""What combines the updates of one place, and what combines that with the element there."""


@lowers("ScatterND", since=11)
def scatter_nd(ctx: Context, node: Node) -> Value:
    x, positions, updates = ctx.input(0), ctx.input(1), ctx.input(2)
    depth = positions.dims[-1]
    ctx.require(0 < depth <= x.rank, f"indices of 1 to {x.rank} axes are required, found shape {positions.dims}")
    run = x.dims[depth:]
    ctx.require(
        updates.dims == (*positions.dims[:-1], *run),
        f"updates of shape {(*positions.dims[:-1], *run)} are required, found {updates.dims}",
    )
    places = flat_places(ctx, positions, x.dims[:depth])
    rows = ctx.reshape(x, (prod(x.dims[:depth]), prod(run)))
    y = _scattered(ctx, rows, ctx.reshape(places, (places.size,)), ctx.reshape(updates, (places.size, prod(run))), _reduction(node))
    return ctx.reshape(y, x.dims)


@lowers("ScatterElements", "Scatter", since=9)
def scatter_elements(ctx: Context, node: Node) -> Value:
    """As places in the flattened tensor: the index along the axis and where its row begins."""
    x, positions, updates = ctx.input(0), ctx.input(1), ctx.input(2)
    axis = ctx.axis(attribute(node, "axis", 0), x.rank)
    fits = positions.dims == updates.dims and all(
        count <= dim for place, (count, dim) in enumerate(zip(positions.dims, x.dims)) if place != axis
    )
    ctx.require(fits, f"indices and updates within shape {x.dims} are required, found {positions.dims} and {updates.dims}")
    along = positions_along(ctx, positions, x.dims[axis])
    starts = np.arange(x.size).reshape(x.dims).take([0], axis)[tuple(slice(count) for count in positions.dims)]
    stride = prod(x.dims[axis + 1 :])
    if along.data is not None:
        places = ctx.constant(along.data.astype(np.int64) * stride + starts, np.int32)
    else:
        steps = along if stride == 1 else ctx.binary(MUL, along, stride)
        places = ctx.op(ADD, steps, ctx.constant(starts, np.int32)) if starts.any() else steps
    rows = ctx.reshape(x, (x.size, 1))
    y = _scattered(ctx, rows, ctx.reshape(places, (places.size,)), ctx.reshape(updates, (updates.size, 1)), _reduction(node))
    return ctx.reshape(y, x.dims)


def _reduction(node: Node) -> str:
    found: str = attribute(node, "reduction", "none")
    return found


def _scattered(ctx: Context, x: Value, places: Value, updates: Value, reduction: str) -> Value:
    """Rows of `x` replaced by, or combined with, the rows of `updates` meant for these places."""
    ctx.require(reduction in ("none", "add", *SEGMENTS), f"reduction none, add, mul, max or min is required, found {reduction!r}")
    if places.size == 0:
        return x
    if reduction == "none" and places.data is not None:
        return _placed(ctx, x, places.data, updates)
    if reduction in SEGMENTS:
        of_segments, combined = SEGMENTS[reduction]
        y = ctx.op(combined, x, ctx.op(of_segments, updates, places, ctx.indices(x.dims[0])))
        is_exact = reduction == "mul" or (x.dtype is not None and x.dtype.kind != "f")
        return y if is_exact else ctx.op(SELECT_V2, _is_passed(ctx, x, places, updates, reduction), y, x)
    columns = ctx.reshape(places, (places.size, 1))
    summed = ctx.op(SCATTER_ND, columns, updates, ctx.indices(x.dims))
    return ctx.op(ADD, x, summed) if reduction == "add" else ctx.op(SELECT_V2, _is_written(ctx, x, places), summed, x)


def _is_written(ctx: Context, x: Value, places: Value) -> Value:
    """Which rows there are updates for."""
    columns = ctx.reshape(places, (places.size, 1))
    return ctx.op(SCATTER_ND, columns, ctx.constant(np.ones((places.size, 1), np.bool_)), ctx.indices((x.dims[0], 1)))


def _is_passed(ctx: Context, x: Value, places: Value, updates: Value, reduction: str) -> Value:
    """Which elements have an update other than the least infinity, which a segment of nothing else loses: its least number is finite."""
    least = -np.inf if reduction == "max" else np.inf
    if updates.data is not None and not np.any(updates.data == least):
        return _is_written(ctx, x, places)
    passing = cast_to(ctx, ctx.binary(NOT_EQUAL, updates, least), FLOAT32)
    count = ctx.op(SCATTER_ND, ctx.reshape(places, (places.size, 1)), passing, ctx.indices(x.dims))
    return ctx.binary(GREATER, count, 0.0)


def _placed(ctx: Context, x: Value, places: Array, updates: Value) -> Value:
    """Constant, distinct places: the rows that stay and the updates, joined and put in order."""
    count = x.dims[0]
    ctx.require(len(np.unique(places)) == len(places), "distinct places are required, found repeated ones")
    if len(places) == count:
        source, joined = np.empty(count, np.int64), updates
        source[places] = np.arange(count)
    else:
        source = np.arange(count)
        source[places] = count + np.arange(len(places))
        joined = ctx.op(CONCATENATION, x, updates, options=ConcatenationOptions(axis=0))
    if np.array_equal(source, np.arange(joined.dims[0])):
        return joined
    return ctx.op(GATHER, joined, ctx.constant(source, np.int32), options=GatherOptions(axis=0))


@lowers("TensorScatter", since=24)
def tensor_scatter(ctx: Context, node: Node) -> Value:
    """Each position of the cache takes the update whose place it is, if there is one."""
    x, updates, starts = ctx.input(0), ctx.input(1), ctx.optional(2)
    axis, mode = ctx.axis(attribute(node, "axis", -2), x.rank), attribute(node, "mode", "linear")
    ctx.require(axis > 0, "an axis behind the batch is required, found the batch itself")
    ctx.require(mode in ("linear", "circular"), f"mode linear or circular is required, found {mode!r}")
    batch, size, count = x.dims[0], x.dims[axis], updates.dims[axis]
    first = ctx.indices([0] * batch) if starts is None else cast_to(ctx, starts, INT32)
    offsets = ctx.op(SUB, ctx.indices(list(range(size))), ctx.reshape(first, (batch, 1)))
    if mode == "circular":
        offsets = ctx.binary(FLOOR_MOD, offsets, size)
    written = ctx.op(LOGICAL_AND, ctx.binary(GREATER_EQUAL, offsets, 0), ctx.binary(LESS, offsets, count))
    places = ctx.binary(MINIMUM, ctx.binary(MAXIMUM, offsets, 0), count - 1)
    order = [0, axis, *(place for place in range(1, x.rank) if place != axis)]
    taken = ctx.op(GATHER, ctx.transpose(updates, order), places, options=GatherOptions(axis=1, batch_dims=1))
    mask = ctx.reshape(written, (batch, *(size if place == axis else 1 for place in range(1, x.rank))))
    return ctx.op(SELECT_V2, mask, ctx.transpose(taken, [order.index(place) for place in range(x.rank)]), x)
