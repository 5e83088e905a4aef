"""Operators that write windows back where they were read: MaxUnpool and Col2Im."""

from math import prod

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conversion import cast_to
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.lowerings.windows import Span, output_sizes, window_steps
from jitlite.schemas.ops.elementwise import DIV, MAXIMUM
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.scatter import SCATTER_ND
from jitlite.schemas.ops.shapes import effective_size
from jitlite.schemas.tables import GatherOptions


@lowers("MaxUnpool", since=9)
def max_unpool(ctx: Context, node: Node) -> Value:
    """Elements back at the places MaxPool took them from.

    Windows that overlap may name a place more than once, always with the same element: there the sum is divided by how many did.
    """
    x, places = ctx.input(0), ctx.input(1)
    ctx.require(x.dtype == np.float32, f"float32 is required, found {x.dtype}")
    kernel, count = attribute(node, "kernel_shape"), x.rank - 2
    strides = window_steps(ctx, node, "strides", count)
    pads = attribute(node, "pads", [0] * (2 * count))
    inferred = tuple((size - 1) * strides[axis] - pads[axis] - pads[axis + count] + kernel[axis] for axis, size in enumerate(x.dims[2:]))
    shape = (*x.dims[:2], *inferred)
    if ctx.optional(2) is not None:
        wanted = tuple(int(dim) for dim in ctx.data(2).reshape(-1))
        reason = "an output_shape that kernel, strides and pads give is required, since runtimes place indices in others differently"
        ctx.require(wanted == shape, f"{reason}: {shape}, found {wanted}")
    total = prod(shape)
    indices = cast_to(ctx, ctx.reshape(places, (x.size, 1)), np.dtype(np.int32))
    y = ctx.op(SCATTER_ND, indices, ctx.reshape(x, (x.size,)), ctx.indices([total]))
    if any(stride < size for stride, size in zip(strides, kernel)):
        times = ctx.op(SCATTER_ND, indices, ctx.like(x, np.ones(x.size)), ctx.indices([total]))
        y = ctx.op(DIV, y, ctx.binary(MAXIMUM, times, 1.0))
    return ctx.reshape(y, shape)


@lowers("Col2Im", since=18)
def col_to_im(ctx: Context, node: Node) -> Value:
    """The columns' elements added up where they overlap; those in the padding are left out."""
    x = ctx.input(0)
    image, block = ([int(size) for size in ctx.data(index).reshape(-1)] for index in (1, 2))
    count = len(image)
    ctx.require(x.dtype == np.float32, f"float32 is required, found {x.dtype}")
    ctx.require(len(block) == count and x.rank == 3, f"{count} block sizes and an input of rank 3 are required, found {block} and {x.dims}")
    strides, dilations = (window_steps(ctx, node, name, count) for name in ("strides", "dilations"))
    pads = [int(pad) for pad in attribute(node, "pads", [0] * (2 * count))]
    ctx.require(len(pads) == 2 * count and min(pads) >= 0, f"{2 * count} pads of 0 or more are required, found {pads}")
    axes = []
    for axis, (size, window) in enumerate(zip(image, block)):
        reach = size + pads[axis] + pads[axis + count] - effective_size(window, dilations[axis])
        span = Span(size, window, strides[axis], dilations[axis], pads[axis], pads[axis + count], reach // strides[axis] + 1)
        ctx.require(reach >= 0, f"a block within the image is required, found {block} in {image}")
        axes.append(span)
    channels = x.dims[1] // prod(block)
    columns = prod(span.output for span in axes)
    fits = x.dims[1] == channels * prod(block) and x.dims[2] == columns
    ctx.require(fits, f"channels divisible by {prod(block)} and {columns} columns are required, found shape {x.dims}")
    places, is_inside = np.zeros((1, 1), np.int64), np.ones((1, 1), bool)
    for axis, span in enumerate(axes):
        taps = span.taps.T
        inside = (taps >= 0) & (taps < span.size)
        shape = (len(places) * span.kernel, -1)
        places = (places[:, None, :, None] + (taps * prod(image[axis + 1 :]))[None, :, None, :]).reshape(shape)
        is_inside = (is_inside[:, None, :, None] & inside[None, :, None, :]).reshape(shape)
    return _added_up(ctx, node, x, places.reshape(-1), is_inside.reshape(-1), channels)


def _added_up(ctx: Context, node: Node, x: Value, places: np.ndarray, is_inside: np.ndarray, channels: int) -> Value:
    n, sizes = x.dims[0], output_sizes(node)
    rows = ctx.reshape(ctx.transpose(ctx.reshape(x, (n * channels, len(places))), (1, 0)), (len(places), n * channels))
    if not is_inside.all():
        rows = ctx.op(GATHER, rows, ctx.constant(np.flatnonzero(is_inside), np.int32), options=GatherOptions(axis=0))
    kept = ctx.constant(places[is_inside][:, None], np.int32)
    y = ctx.op(SCATTER_ND, kept, rows, ctx.indices([prod(sizes), n * channels]))
    return ctx.reshape(ctx.transpose(y, (1, 0)), (n, channels, *sizes))
