"""Operators about the order of elements: the largest, the smallest, where they are, and axes turned round."""

from math import prod

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conversion import cast_to, same_bits
from jitlite.converter.lowerings.registry import lowers
from jitlite.schemas.dtypes import tensor_type
from jitlite.schemas.ops.arrange import REVERSE_SEQUENCE
from jitlite.schemas.ops.comparison import LESS, SELECT_V2
from jitlite.schemas.ops.elementwise import ADD, NEG, SUB
from jitlite.schemas.ops.gather import ONE_HOT, TOPK_V2
from jitlite.schemas.ops.reduce import ARG_MAX, ARG_MIN
from jitlite.schemas.ops.slice import REVERSE_V2
from jitlite.schemas.tables import ArgMaxOptions, ArgMinOptions, OneHotOptions, ReverseSequenceOptions

INT32, INT64 = np.dtype(np.int32), np.dtype(np.int64)


def _turned(ctx: Context, x: Value) -> Value:
    """Numbers in the opposite order: negated, whole ones less 1, which does not overflow."""
    assert x.dtype is not None
    if x.dtype.kind == "f":
        return ctx.op(NEG, x)
    ctx.require(x.dtype.kind == "i", f"signed numbers are required to put them in the opposite order, found {x.dtype}")
    return ctx.op(SUB, ctx.like(x, -1), x)


def _flipped(ctx: Context, x: Value) -> Value:
    """The bits of UINT64 numbers with the highest turned round, which puts them in their order as INT64."""
    least = np.iinfo(np.int64).min
    above, below = ctx.op(SUB, x, ctx.like(x, least)), ctx.binary(ADD, x, least)
    return ctx.op(SELECT_V2, ctx.binary(LESS, x, 0), above, below)


@lowers("ArgMax", "ArgMin")
def position(ctx: Context, node: Node) -> Value:
    """The last of equal elements is the first one from the other end."""
    x = ctx.input(0)
    axis = ctx.axis(attribute(node, "axis", 0), x.rank)
    takes_last = bool(attribute(node, "select_last_index", 0))
    y = _extreme(ctx, ctx.op(REVERSE_V2, x, ctx.indices([axis])) if takes_last else x, axis, is_largest=node.kind == "ArgMax")
    if takes_last:
        y = ctx.op(SUB, ctx.like(y, x.dims[axis] - 1), y)
    return ctx.reshape(y, (*x.dims[:axis], 1, *x.dims[axis + 1 :])) if attribute(node, "keepdims", 1) else y


def _extreme(ctx: Context, x: Value, axis: int, *, is_largest: bool) -> Value:
    """INT64 positions along an axis, without that axis."""
    if x.dtype == np.int64:
        order = [*(place for place in range(x.rank) if place != axis), axis]
        rows = ctx.transpose(x if is_largest else _turned(ctx, x), order)
        places = ctx.ops(TOPK_V2, rows, ctx.indices(1))[1]
        return cast_to(ctx, ctx.reshape(places, rows.dims[:-1]), INT64)
    kind = tensor_type(INT64)
    if is_largest:
        return ctx.op(ARG_MAX, x, ctx.indices([axis]), options=ArgMaxOptions(output_type=kind))
    return ctx.op(ARG_MIN, x, ctx.indices([axis]), options=ArgMinOptions(output_type=kind))


@lowers("Hardmax", since=1)
def hardmax(ctx: Context, node: Node) -> Value:
    """Before opset 13 all axes from `axis` on count as one."""
    x = ctx.input(0)
    is_flattened = getattr(node.op, "since", 13) < 13
    axis = ctx.axis(attribute(node, "axis", 1 if is_flattened else -1), x.rank)
    shape = (prod(x.dims[:axis]), prod(x.dims[axis:])) if is_flattened else x.dims
    rows, axis = ctx.reshape(x, shape), 1 if is_flattened else axis
    places = _extreme(ctx, rows, axis, is_largest=True)
    options = OneHotOptions(axis=-1 if axis == rows.rank - 1 else axis)
    y = ctx.op(ONE_HOT, places, ctx.indices(rows.dims[axis]), ctx.like(x, 1), ctx.like(x, 0), options=options)
    return ctx.reshape(y, x.dims)


@lowers("TopK")
def top_k(ctx: Context, node: Node) -> tuple[Value, Value]:
    """The k largest or smallest along any axis, sorted; among equal ones those in front first."""
    x = ctx.input(0)
    k = attribute(node, "k")
    k = int(ctx.data(1).reshape(-1)[0]) if k is None else k
    axis = ctx.axis(attribute(node, "axis", -1), x.rank)
    values, places = ordered(ctx, x, k, axis, is_largest=bool(attribute(node, "largest", 1)))
    return values, cast_to(ctx, places, INT64)


def ordered(ctx: Context, x: Value, k: int, axis: int, *, is_largest: bool) -> tuple[Value, Value]:
    """The k largest or smallest elements along an axis, sorted, and their INT32 positions."""
    if x.dtype == np.uint64:
        values, places = ordered(ctx, _flipped(ctx, same_bits(ctx, x, INT64)), k, axis, is_largest=is_largest)
        return same_bits(ctx, _flipped(ctx, values), np.dtype(np.uint64)), places
    order = [*(index for index in range(x.rank) if index != axis), axis]
    back = [order.index(index) for index in range(x.rank)]
    rows = ctx.transpose(x if is_largest else _turned(ctx, x), order)
    values, positions = ctx.ops(TOPK_V2, rows, ctx.indices(k))
    found = ctx.transpose(values if is_largest else _turned(ctx, values), back)
    return found, ctx.transpose(positions, back)


@lowers("ReverseSequence", since=10)
def reverse_sequence(ctx: Context, node: Node) -> Value:
    x, lengths = ctx.input(0), ctx.input(1)
    time, batch = (ctx.axis(attribute(node, name, default), x.rank) for name, default in (("time_axis", 0), ("batch_axis", 1)))
    return ctx.op(REVERSE_SEQUENCE, x, lengths, options=ReverseSequenceOptions(seq_dim=time, batch_dim=batch))
