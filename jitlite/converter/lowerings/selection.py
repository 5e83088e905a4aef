"""Operators whose results are as large as values say: what is not zero, what differs, which boxes do not overlap, ranges and fills."""

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conversion import cast_to, same_bits
from jitlite.converter.lowerings.ordering import ordered
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.lowerings.reshape import output_shape
from jitlite.schemas.ops.comparison import EQUAL, GREATER, LESS, LOGICAL_AND, LOGICAL_NOT, LOGICAL_OR, NOT_EQUAL, SELECT_V2
from jitlite.schemas.ops.concat import CONCATENATION
from jitlite.schemas.ops.elementwise import ADD, MAXIMUM, MINIMUM, MUL, SUB
from jitlite.schemas.ops.gather import GATHER, GATHER_ND
from jitlite.schemas.ops.pad import FILL, RANGE
from jitlite.schemas.ops.reduce import ARG_MAX, CUMSUM, REDUCE_ANY, SUM
from jitlite.schemas.ops.scatter import SCATTER_ND, UNSORTED_SEGMENT_SUM
from jitlite.schemas.ops.selection import NON_MAX_SUPPRESSION_V4, WHERE
from jitlite.schemas.tables import ArgMaxOptions, ConcatenationOptions, GatherOptions, ReducerOptions, TensorType

INT32, INT64 = np.dtype(np.int32), np.dtype(np.int64)
MOST_COMPARED = 1 << 22


def true_places(ctx: Context, condition: Value, count: int) -> Value:
    """INT64 rows of indices of what is true, of which there are as many as the run tells; `count` stands for that number."""
    return ctx.ops(WHERE, condition, declared=[((count, condition.rank), INT64)])[0]


@lowers("NonZero", since=9)
def non_zero(ctx: Context, node: Node) -> Value:
    x, count = ctx.input(0), output_shape(node)[1]
    ctx.require(x.rank > 0, "an operand of rank 1 at least is required, found a scalar")
    return ctx.transpose(true_places(ctx, x if x.dtype == np.bool_ else ctx.binary(NOT_EQUAL, x, 0), count), (1, 0))


@lowers("Range", since=11)
def range_(ctx: Context, node: Node) -> Value:
    """RANGE wants limits ahead of the start; where they are behind it there is nothing."""
    start, limit, delta = (ctx.reshape(ctx.input(index), ()) for index in range(3))
    assert start.dtype is not None
    upwards, downwards = ctx.op(MAXIMUM, limit, start), ctx.op(MINIMUM, limit, start)
    if delta.data is not None:
        limit = upwards if delta.data > 0 else downwards
    else:
        limit = ctx.op(SELECT_V2, ctx.binary(GREATER, delta, 0), upwards, downwards)
    return ctx.ops(RANGE, start, limit, delta, declared=[(output_shape(node), start.dtype)])[0]


@lowers("ConstantOfShape", since=9)
def constant_of_shape(ctx: Context, node: Node) -> Value:
    given = attribute(node, "value")
    value = np.zeros((), np.float32) if given is None else np.asarray(given).reshape(())
    return ctx.ops(FILL, ctx.input(0), ctx.constant(value), declared=[(output_shape(node), value.dtype)])[0]


@lowers("Unique", since=11)
def unique(ctx: Context, node: Node) -> list[Value]:
    """The elements in order, equal ones next to each other: where a new one starts, and which of them each element is."""
    x = ctx.input(0)
    axis = attribute(node, "axis")
    if axis is not None and x.rank > 1:
        return _unique_slices(ctx, node, x, ctx.axis(axis, x.rank))
    count, total = output_shape(node)[0], x.size
    x = ctx.reshape(x, (total,))
    values, source = ordered(ctx, x, total, 0, is_largest=False)
    before = ctx.op(GATHER, values, ctx.indices([max(0, place - 1) for place in range(total)]), options=GatherOptions(axis=0))
    starts = ctx.op(LOGICAL_OR, ctx.op(NOT_EQUAL, values, before), ctx.constant(np.arange(total) == 0))
    first = cast_to(ctx, starts, INT32)
    group = ctx.binary(SUB, ctx.op(CUMSUM, first, ctx.indices(0)), 1)
    columns, size = ctx.reshape(source, (total, 1)), ctx.indices([total])
    of_element = ctx.op(SCATTER_ND, columns, group, size)
    members = ctx.op(UNSORTED_SEGMENT_SUM, ctx.indices([1] * total), group, ctx.indices(total))
    if attribute(node, "sorted", 1):
        places = true_places(ctx, starts, count)
        groups, indices = ctx.op(GATHER_ND, group, places), ctx.op(GATHER_ND, source, places)
    else:
        is_first = ctx.op(SCATTER_ND, columns, first, size)
        rank = ctx.binary(SUB, ctx.op(CUMSUM, is_first, ctx.indices(0)), 1)
        first_of_group = ctx.op(UNSORTED_SEGMENT_SUM, ctx.op(MUL, source, first), group, ctx.indices(total))
        places = true_places(ctx, ctx.binary(NOT_EQUAL, is_first, 0), count)
        groups, indices = ctx.op(GATHER_ND, of_element, places), cast_to(ctx, ctx.reshape(places, (count,)), INT32)
        of_element = ctx.op(GATHER, rank, ctx.op(GATHER, first_of_group, of_element))
    found = [indices, of_element, ctx.op(GATHER, members, groups)]
    return [ctx.op(GATHER, x, indices), *(cast_to(ctx, value, INT64) for value in found)][: len(node.outputs)]


def _unique_slices(ctx: Context, node: Node, x: Value, axis: int) -> list[Value]:
    """Slices along an axis, each compared with each: its number is how many different ones come before it."""
    total, count, width = x.dims[axis], output_shape(node)[axis], x.size // x.dims[axis]
    ctx.require(0 < total * total * width <= MOST_COMPARED, f"at most {MOST_COMPARED} comparisons are supported, found slices of {x.dims}")
    rows = ctx.reshape(ctx.transpose(x, [axis, *(place for place in range(x.rank) if place != axis)]), (total, width))
    one, other = ctx.reshape(rows, (total, 1, width)), ctx.reshape(rows, (1, total, width))
    differs = ctx.op(NOT_EQUAL, one, other)
    equal = ctx.op(LOGICAL_NOT, ctx.op(REDUCE_ANY, differs, ctx.indices([2]), options=ReducerOptions(keep_dims=False)))
    twin = ctx.op(ARG_MAX, equal, ctx.indices([1]), options=ArgMaxOptions(output_type=TensorType.INT32))
    is_first = ctx.op(EQUAL, twin, ctx.indices(list(range(total))))
    if attribute(node, "sorted", 1):
        where = ctx.op(ARG_MAX, differs, ctx.indices([2]), options=ArgMaxOptions(output_type=TensorType.INT32))
        deciding = ctx.op(
            GATHER, ctx.op(GREATER, one, other), ctx.reshape(where, (total, total, 1)), options=GatherOptions(axis=2, batch_dims=2)
        )
        ahead = ctx.op(LOGICAL_AND, ctx.reshape(deciding, (total, total)), is_first)
        number = ctx.op(SUM, cast_to(ctx, ahead, INT32), ctx.indices([1]), options=ReducerOptions(keep_dims=False))
    else:
        number = ctx.op(GATHER, ctx.binary(SUB, ctx.op(CUMSUM, cast_to(ctx, is_first, INT32), ctx.indices(0)), 1), twin)
    first = cast_to(ctx, is_first, INT32)
    sources = ctx.op(UNSORTED_SEGMENT_SUM, ctx.op(MUL, first, ctx.indices(list(range(total)))), number, ctx.indices(total))
    members = ctx.op(UNSORTED_SEGMENT_SUM, ctx.indices([1] * total), number, ctx.indices(total))
    places = true_places(ctx, ctx.binary(GREATER, members, 0), count)
    indices = ctx.op(GATHER_ND, sources, places)
    found = [indices, number, ctx.op(GATHER_ND, members, places)]
    y = ctx.op(GATHER, x, indices, options=GatherOptions(axis=axis))
    return [y, *(cast_to(ctx, value, INT64) for value in found)][: len(node.outputs)]


@lowers("NonMaxSuppression", since=10)
def non_max_suppression(ctx: Context, node: Node) -> Value:
    """The suppression of each batch and class, padded to one length; then the rows that are no padding."""
    boxes, scores = ctx.input(0), ctx.input(1)
    batches, classes, total = scores.dims
    most = min(total, 0 if ctx.optional(2) is None else max(0, int(ctx.data(2).reshape(-1)[0])))
    count = output_shape(node)[0]
    corners = _corners(ctx, boxes, is_centered=bool(attribute(node, "center_point_box", 0)))
    overlap, least = _overlap(ctx), ctx.optional(4)
    floor = ctx.constant(np.array(-np.inf, np.float32)) if least is None else ctx.reshape(least, ())
    rows, kept = [], []
    for batch in range(batches):
        candidates = _at(ctx, corners, batch)
        for index in range(classes):
            likely = _at(ctx, _at(ctx, scores, batch), index)
            chosen, number = ctx.ops(NON_MAX_SUPPRESSION_V4, candidates, likely, ctx.indices(most), overlap, floor)
            where = ctx.constant(np.broadcast_to(np.array([batch, index]), (most, 2)), np.int32)
            rows.append(ctx.op(CONCATENATION, where, ctx.reshape(chosen, (most, 1)), options=ConcatenationOptions(axis=1)))
            kept.append(ctx.op(LESS, ctx.indices(list(range(most))), number))
    together = [
        parts[0] if len(parts) == 1 else ctx.op(CONCATENATION, *parts, options=ConcatenationOptions(axis=0)) for parts in (rows, kept)
    ]
    return cast_to(ctx, ctx.op(GATHER_ND, together[0], true_places(ctx, together[1], count)), INT64)


def _at(ctx: Context, x: Value, index: int) -> Value:
    return ctx.op(GATHER, x, ctx.indices(index), options=GatherOptions(axis=0))


def _overlap(ctx: Context) -> Value:
    """The next number above the threshold: ONNX suppresses what overlaps more, the builtin also what overlaps as much."""
    given = ctx.optional(3)
    threshold = ctx.constant(np.zeros((), np.float32)) if given is None else ctx.reshape(given, ())
    if threshold.data is not None:
        return ctx.constant(np.nextafter(threshold.data, np.float32(np.inf)))
    bits = same_bits(ctx, ctx.binary(ADD, threshold, 0.0), INT32)
    return same_bits(ctx, ctx.binary(ADD, bits, 1), np.dtype(np.float32))


def _corners(ctx: Context, boxes: Value, *, is_centered: bool) -> Value:
    """Boxes as their lowest and their highest corner."""
    if is_centered:
        middle, size = ctx.split_channels(boxes, (0, 2), (2, 2))
        half = ctx.binary(MUL, size, 0.5)
        low, high = ctx.op(SUB, middle, half), ctx.op(ADD, middle, half)
    else:
        one, other = ctx.split_channels(boxes, (0, 2), (2, 2))
        low, high = ctx.op(MINIMUM, one, other), ctx.op(MAXIMUM, one, other)
    return ctx.op(CONCATENATION, low, high, options=ConcatenationOptions(axis=2))
