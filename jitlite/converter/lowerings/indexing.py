"""Operators that read elements by index, and constants and masks that positions make."""

from collections.abc import Sequence
from math import prod

import numpy as np
from onnx.helper import tensor_dtype_to_np_dtype

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conversion import cast_to
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.lowerings.reshape import output_shape
from jitlite.converter.lowerings.slice import from_front, nonnegative, sliced
from jitlite.schemas.ops.comparison import GREATER_EQUAL, LESS_EQUAL, SELECT_V2
from jitlite.schemas.ops.elementwise import MUL, SUB
from jitlite.schemas.ops.gather import GATHER, GATHER_ND, ONE_HOT
from jitlite.schemas.ops.pad import BROADCAST_TO, RANGE, TILE
from jitlite.schemas.ops.reduce import SUM
from jitlite.schemas.ops.selection import WHERE
from jitlite.schemas.ops.slice import SLICE
from jitlite.schemas.tables import GatherOptions, OneHotOptions, ReducerOptions

INT32, INT64 = np.dtype(np.int32), np.dtype(np.int64)


def positions_along(ctx: Context, positions: Value, limit: int) -> Value:
    """INT32 positions along an axis of `limit` elements, counted from the front; constant ones are inside."""
    if positions.data is not None:
        return ctx.constant(nonnegative(ctx, positions.data, limit) if positions.size else positions.data, np.int32)
    return from_front(ctx, cast_to(ctx, positions, INT32), limit)


def flat_places(ctx: Context, positions: Value, dims: Sequence[int]) -> Value:
    """INT32 places in the flattened `dims`, for positions whose last axis holds one for each of them."""
    if positions.data is not None:
        columns = [nonnegative(ctx, positions.data[..., axis], dim) for axis, dim in enumerate(dims)]
        return ctx.constant(np.ravel_multi_index(columns, tuple(dims)) if positions.size else np.zeros(positions.dims[:-1]), np.int32)
    found = from_front(ctx, cast_to(ctx, positions, INT32), list(dims))
    if len(dims) == 1:
        return ctx.reshape(found, positions.dims[:-1])
    strides = [prod(dims[axis + 1 :]) for axis in range(len(dims))]
    products = ctx.op(MUL, found, ctx.indices(strides))
    return ctx.op(SUM, products, ctx.indices([positions.rank - 1]), options=ReducerOptions(keep_dims=False))


@lowers("GatherElements", since=11)
def gather_elements(ctx: Context, node: Node) -> Value:
    """Along the last axis, one row of indices for each row of elements; whole rows where indices only repeat behind the axis."""
    x, positions = ctx.input(0), ctx.input(1)
    axis = ctx.axis(attribute(node, "axis", 0), x.rank)
    fits = positions.rank == x.rank and all(count <= dim for place, (count, dim) in enumerate(zip(positions.dims, x.dims)) if place != axis)
    ctx.require(fits, f"indices within shape {x.dims} but for axis {axis} are required, found shape {positions.dims}")
    x = sliced(ctx, x, [range(dim if place == axis else count) for place, (count, dim) in enumerate(zip(positions.dims, x.dims))])
    order = [*(place for place in range(x.rank) if place != axis), axis]
    single = _before_repeating(positions, axis)
    if single is not None:
        rows = positions_along(ctx, ctx.reshape(single, positions.dims[: axis + 1]), x.dims[axis])
        return ctx.op(GATHER, x, rows, options=GatherOptions(axis=axis, batch_dims=axis))
    places = positions_along(ctx, positions, x.dims[axis])
    options = GatherOptions(axis=x.rank - 1, batch_dims=x.rank - 1)
    y = ctx.op(GATHER, ctx.transpose(x, order), ctx.transpose(places, order), options=options)
    return ctx.transpose(y, [order.index(place) for place in range(x.rank)])


def _before_repeating(positions: Value, axis: int) -> Value | None:
    """What was repeated along all the axes behind this one, and no others, to give the positions."""
    node = positions.producer
    if node is None or node.kind not in (TILE.name, BROADCAST_TO.name) or axis == positions.rank - 1:
        return None
    x = node.input(0)
    return x if x.dims == (*positions.dims[: axis + 1], *(1 for _ in positions.dims[axis + 1 :])) else None


@lowers("GatherND", since=11)
def gather_nd(ctx: Context, node: Node) -> Value:
    """With batch dimensions, as places in the flattened axes that are indexed."""
    x, positions = ctx.input(0), ctx.input(1)
    batch, depth = attribute(node, "batch_dims", 0), positions.dims[-1]
    ctx.require(
        0 <= batch < min(x.rank, positions.rank) and depth <= x.rank - batch,
        f"indices of at most {x.rank - batch} axes behind {batch} batch dimensions are required, found shape {positions.dims}",
    )
    if batch == 0 and depth > 0:
        if positions.data is None:
            return ctx.op(GATHER_ND, x, from_front(ctx, positions, x.dims[:depth]))
        columns = [nonnegative(ctx, positions.data[..., axis], x.dims[axis]) for axis in range(depth)]
        return ctx.op(GATHER_ND, x, ctx.constant(np.stack(columns, axis=-1), np.int32))
    ctx.require(depth > 0, "indices of one axis at least are required, found none")
    indexed, rest = x.dims[batch : batch + depth], x.dims[batch + depth :]
    rows = ctx.reshape(x, (*x.dims[:batch], prod(indexed), *rest))
    places = flat_places(ctx, positions, indexed)
    return ctx.op(GATHER, rows, places, options=GatherOptions(axis=batch, batch_dims=batch))


@lowers("Compress", since=9)
def compress(ctx: Context, node: Node) -> Value:
    x, condition = ctx.input(0), ctx.input(1)
    given = attribute(node, "axis")
    if given is None:
        x, axis = ctx.reshape(x, (x.size,)), 0
    else:
        axis = ctx.axis(given, x.rank)
    if condition.data is None:
        count = output_shape(node)[axis]
        places = ctx.reshape(ctx.ops(WHERE, condition, declared=[((count, 1), INT64)])[0], (count,))
    else:
        chosen = np.flatnonzero(condition.data)
        ctx.require(bool(np.all(chosen < x.dims[axis])), f"a condition of at most {x.dims[axis]} elements is required, found more")
        places = ctx.constant(chosen, np.int32)
    return ctx.op(GATHER, x, places, options=GatherOptions(axis=axis))


@lowers("OneHot", since=9)
def one_hot(ctx: Context, node: Node) -> Value:
    positions, depth, values = ctx.input(0), int(ctx.data(1).reshape(-1)[0]), ctx.input(2)
    off, on = (_element(ctx, values, index) for index in (0, 1))
    axis = attribute(node, "axis", -1)
    axis = ctx.axis(axis, positions.rank + 1)
    options = OneHotOptions(axis=-1 if axis == positions.rank else axis)
    places = from_front(ctx, cast_to(ctx, positions, INT32), depth)
    return ctx.op(ONE_HOT, places, ctx.indices(depth), on, off, options=options)


def _element(ctx: Context, values: Value, index: int) -> Value:
    """One element of a vector, as a scalar."""
    if values.data is not None:
        return ctx.constant(values.data.reshape(-1)[index])
    return ctx.reshape(ctx.op(SLICE, values, ctx.indices([index]), ctx.indices([1])), ())


@lowers("Trilu", since=14)
def triangle(ctx: Context, node: Node) -> Value:
    """The elements whose distance from the main diagonal is k at least, or at most, and 0 elsewhere."""
    x, k, is_upper = ctx.input(0), ctx.optional(1), bool(attribute(node, "upper", 1))
    ctx.require(x.rank >= 2, f"an input of rank 2 at least is required, found shape {x.dims}")
    compare = GREATER_EQUAL if is_upper else LESS_EQUAL
    distance = np.arange(x.dims[-1])[None, :] - np.arange(x.dims[-2])[:, None]
    if ctx.graph.has_any_length:
        bound = ctx.indices(0) if k is None else cast_to(ctx, ctx.reshape(k, ()), INT32)
        mask = ctx.op(compare, _distance(ctx, *x.dims[-2:]), bound)
    elif k is None or k.data is not None:
        limit = 0 if k is None or k.data is None else int(k.data.reshape(-1)[0])
        kept = distance >= limit if is_upper else distance <= limit
        if kept.all():
            return x
        mask = ctx.constant(kept)
    else:
        mask = ctx.op(compare, ctx.constant(distance, np.int64), ctx.reshape(cast_to(ctx, k, INT64), ()))
    return ctx.op(SELECT_V2, mask, x, ctx.like(x, 0))


def _distance(ctx: Context, rows: int, columns: int) -> Value:
    """Each element's distance from the main diagonal, INT32, computed from sizes that stand for others."""
    down, across = (ctx.op(RANGE, ctx.indices(0), ctx.indices(size), ctx.indices(1)) for size in (rows, columns))
    return ctx.op(SUB, across, ctx.reshape(down, (rows, 1)))


@lowers("EyeLike", since=9)
def eye_like(ctx: Context, node: Node) -> Value:
    x, wanted = ctx.input(0), attribute(node, "dtype")
    dtype = x.dtype if wanted is None else tensor_dtype_to_np_dtype(wanted)
    rows, columns = x.dims
    return ctx.constant(np.eye(rows, columns, attribute(node, "k", 0)), dtype)
