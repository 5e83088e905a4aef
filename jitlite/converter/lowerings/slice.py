"""Operators that read part of a tensor, by position or by index, and those that pad."""

from collections.abc import Sequence

import numpy as np

from jitlite.converter.attributes import attribute, integers, scalar
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.problems import Unlowerable
from jitlite.schemas.ops.comparison import LESS, SELECT_V2
from jitlite.schemas.ops.concat import CONCATENATION
from jitlite.schemas.ops.elementwise import ADD
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.pad import MIRROR_PAD, PAD, PADV2, TILE
from jitlite.schemas.ops.slice import SLICE, STRIDED_SLICE
from jitlite.schemas.tables import ConcatenationOptions, GatherOptions, MirrorPadMode, MirrorPadOptions, StridedSliceOptions


@lowers("Slice")
def slice_(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    starts, ends = integers(node, "starts", 1), integers(node, "ends", 2)
    if starts is None or ends is None:
        raise Unlowerable("starts and ends are required")
    axes = integers(node, "axes", 3) or list(range(len(starts)))
    steps = [1] * len(starts) if node.optional(4) is None else [int(step) for step in ctx.data(4).reshape(-1)]
    ctx.require(
        len(starts) == len(ends) == len(axes) == len(steps),
        f"starts, ends, axes and steps of one length are required, found {starts}, {ends}, {axes}, {steps}",
    )
    ranges = [range(dim) for dim in x.dims]
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        ctx.require(step != 0, "a step other than 0 is required")
        place = ctx.axis(axis, x.rank)
        ranges[place] = range(x.dims[place])[start:end:step]
    return sliced(ctx, x, ranges)


def sliced(ctx: Context, x: Value, ranges: Sequence[range]) -> Value:
    """The elements at these positions along each axis; whole axes stay whole whatever size they get at run time."""
    if all(span == range(dim) for span, dim in zip(ranges, x.dims)):
        return x
    if any(len(span) == 0 for span in ranges):
        ranges = [span if len(span) else range(0) for span in ranges]
        sizes = [len(span) for span in ranges]
        return ctx.op(SLICE, x, ctx.indices([span[0] if len(span) else 0 for span in ranges]), ctx.indices(sizes))
    if all(span.step == 1 or len(span) == 1 for span in ranges):
        sizes = [-1 if span[0] + len(span) == dim else len(span) for span, dim in zip(ranges, x.dims)]
        return ctx.op(SLICE, x, ctx.indices([span[0] for span in ranges]), ctx.indices(sizes))
    whole = [axis for axis, (span, dim) in enumerate(zip(ranges, x.dims)) if span == range(dim)]
    open_end = [
        axis
        for axis, (span, dim) in enumerate(zip(ranges, x.dims))
        if axis in whole or span.stop < 0 or (span.step > 0 and span.stop >= dim)
    ]
    bounds = (
        [0 if axis in whole else span[0] for axis, span in enumerate(ranges)],
        [0 if axis in open_end else span.stop for axis, span in enumerate(ranges)],
    )
    options = StridedSliceOptions(begin_mask=_mask(whole), end_mask=_mask(open_end))
    return ctx.op(
        STRIDED_SLICE, x, *(ctx.indices(numbers) for numbers in bounds), ctx.indices([span.step for span in ranges]), options=options
    )


def _mask(axes: Sequence[int]) -> int:
    return sum(1 << axis for axis in axes)


@lowers("Gather")
def gather(ctx: Context, node: Node) -> Value:
    x, positions = ctx.input(0), ctx.input(1)
    axis = ctx.axis(attribute(node, "axis", 0), x.rank)
    if positions.data is None:
        return ctx.op(GATHER, x, from_front(ctx, positions, x.dims[axis]), options=GatherOptions(axis=axis))
    picked = nonnegative(ctx, positions.data, x.dims[axis])
    if picked.ndim == 0 and x.data is None:
        index = int(picked)
        part = sliced(ctx, x, [range(index, index + 1) if place == axis else range(dim) for place, dim in enumerate(x.dims)])
        return ctx.reshape(part, (*x.dims[:axis], *x.dims[axis + 1 :]))
    return ctx.op(GATHER, x, ctx.constant(picked, np.int32), options=GatherOptions(axis=axis))


def from_front(ctx: Context, positions: Value, limits: int | Sequence[int]) -> Value:
    """Positions of [-limit, limit) counted from the front; others stay outside. Limits are one for all or one for each last element."""
    if positions.data is not None:
        return ctx.constant(np.where(positions.data < 0, positions.data + np.asarray(limits, positions.dtype), positions.data))
    return ctx.op(SELECT_V2, ctx.binary(LESS, positions, 0), ctx.op(ADD, positions, ctx.like(positions, np.asarray(limits))), positions)


def nonnegative(ctx: Context, positions: Array, limit: int) -> Array:
    """Constant positions counted from the front, all of them inside."""
    ctx.require(
        bool(np.all((positions >= -limit) & (positions < limit))),
        f"indices in [{-limit}, {limit}) are required, found {positions.min()} to {positions.max()}",
    )
    return np.asarray(np.where(positions < 0, positions + limit, positions))


@lowers("CenterCropPad", since=18)
def center_crop_pad(ctx: Context, node: Node) -> Value:
    """An odd element is cut off, or a zero added, at the end."""
    x, wanted = ctx.input(0), [int(size) for size in ctx.data(1).reshape(-1)]
    axes = [ctx.axis(axis, x.rank) for axis in attribute(node, "axes", list(range(x.rank)))]
    ctx.require(len(wanted) == len(axes) and min(wanted, default=1) >= 1, f"{len(axes)} sizes are required, found {wanted}")
    kept, rows = [range(dim) for dim in x.dims], np.zeros((x.rank, 2), np.int64)
    for axis, size in zip(axes, wanted):
        excess, lack = x.dims[axis] - size, size - x.dims[axis]
        if excess > 0:
            kept[axis] = range(excess // 2, excess // 2 + size)
        elif lack > 0:
            rows[axis] = lack // 2, lack - lack // 2
    y = sliced(ctx, x, kept)
    return ctx.op(PAD, y, ctx.constant(rows, np.int32)) if rows.any() else y


@lowers("Pad")
def pad(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    given = integers(node, "pads", 1)
    if given is None:
        raise Unlowerable("pads are required")
    axes = [ctx.axis(int(axis), x.rank) for axis in (ctx.data(3).reshape(-1) if ctx.optional(3) is not None else range(x.rank))]
    ctx.require(len(given) == 2 * len(axes), f"{2 * len(axes)} pads are required, found {given}")
    rows = np.zeros((x.rank, 2), np.int64)
    for place, axis in enumerate(axes):
        rows[axis] = given[place], given[place + len(axes)]
    if np.any(rows < 0):
        x = sliced(ctx, x, [range(max(0, -int(low)), dim - max(0, -int(high))) for dim, (low, high) in zip(x.dims, rows)])
        rows = np.maximum(rows, 0)
    if not rows.any():
        return x
    mode = attribute(node, "mode", "constant")
    operand = ctx.constant(rows, np.int32)
    if mode == "reflect":
        return ctx.op(MIRROR_PAD, x, operand, options=MirrorPadOptions(mode=MirrorPadMode.REFLECT))
    if mode == "edge":
        return _edge_padded(ctx, x, rows)
    if mode == "wrap":
        return _wrapped(ctx, x, rows)
    ctx.require(mode == "constant", f"mode constant, reflect, edge or wrap is supported, found {mode}")
    value = scalar(node, "value", 2) or 0.0
    return ctx.op(PAD, x, operand) if value == 0.0 else ctx.op(PADV2, x, operand, ctx.like(x, value))


def _edge_padded(ctx: Context, x: Value, rows: Array) -> Value:
    """The first and last element along each axis, repeated and joined to the rest."""
    for axis, (before, after) in enumerate(rows.tolist()):
        parts = []
        for count, start in ((before, 0), (after, x.dims[axis] - 1)):
            edge = sliced(ctx, x, [range(start, start + 1) if place == axis else range(dim) for place, dim in enumerate(x.dims)])
            times = [count if place == axis else 1 for place in range(x.rank)]
            parts.append(edge if count == 1 else ctx.op(TILE, edge, ctx.indices(times)) if count else None)
        joined = [part for part in (parts[0], x, parts[1]) if part is not None]
        x = x if len(joined) == 1 else ctx.op(CONCATENATION, *joined, options=ConcatenationOptions(axis=axis))
    return x


def _wrapped(ctx: Context, x: Value, rows: Array) -> Value:
    """Each axis goes on with its elements from the other end."""
    for axis, (before, after) in enumerate(rows.tolist()):
        if before or after:
            places = np.arange(-before, x.dims[axis] + after) % x.dims[axis]
            x = ctx.op(GATHER, x, ctx.constant(places, np.int32), options=GatherOptions(axis=axis))
    return x
