"""Sampling at run-time positions: GridSample, AffineGrid, RoiAlign and DeformConv."""

from math import prod

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conversion import cast_to
from jitlite.converter.lowerings.interpolation import INT32, Tap, added, clipped, cubic_taps, linear_taps, read_taps, reader
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.lowerings.windows import output_sizes, spans
from jitlite.schemas.ops.comparison import EQUAL
from jitlite.schemas.ops.concat import SPLIT
from jitlite.schemas.ops.conv import CONV_2D
from jitlite.schemas.ops.elementwise import ABS, ADD, FLOOR, MAXIMUM, MINIMUM, MUL, ROUND, SUB
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.matmul import BATCH_MATMUL
from jitlite.schemas.ops.pad import PAD
from jitlite.schemas.ops.reduce import MEAN, REDUCE_MAX
from jitlite.schemas.tables import BatchMatMulOptions, Conv2DOptions, GatherOptions, Padding, ReducerOptions, SplitOptions

CUBIC = -0.75
"""The coefficient of GridSample's cubic kernel."""
PADDINGS = ("zeros", "border", "reflection")
MODES = {"bilinear": "linear", "linear": "linear", "nearest": "nearest", "bicubic": "cubic", "cubic": "cubic"}


def _columns(ctx: Context, x: Value) -> list[Value]:
    """The elements of the last axis, each of shape (…, 1)."""
    return list(ctx.ops(SPLIT, ctx.indices(x.rank - 1), x, options=SplitOptions(num_splits=x.dims[-1])))


@lowers("GridSample", since=16)
def grid_sample(ctx: Context, node: Node) -> Value:
    """Outside the image lie zeros, a frame of which is added to it, or its border, or its mirror images."""
    x, grid = ctx.input(0), ctx.input(1)
    mode, padding = MODES.get(attribute(node, "mode", "linear"), ""), attribute(node, "padding_mode", "zeros")
    count = x.rank - 2
    ctx.require(count in (2, 3) and grid.rank == x.rank, f"an image or a volume is required, found shapes {x.dims} and {grid.dims}")
    ctx.require(grid.dims[-1] == count, f"positions of {count} coordinates are required, found {grid.dims}")
    ctx.require(mode != "" and padding in PADDINGS, f"a mode of {', '.join(MODES)} is required, found {attribute(node, 'mode')}")
    ctx.require(mode != "cubic" or count == 2, "an image is required for cubic, found a volume")
    ctx.require(grid.dtype == np.float32 and x.dtype == np.float32, f"float32 is required, found {x.dtype} and {grid.dtype}")
    ctx.require(x.size > 0 and grid.size > 0, f"operands with elements are required, found {x.dims} and {grid.dims}")
    places = prod(grid.dims[1:-1])
    coordinates = _columns(ctx, ctx.reshape(grid, (grid.dims[0], places, count)))[::-1]
    corners = bool(attribute(node, "align_corners", 0))

    def apply(image: Value) -> Value:
        n, channels, sizes = image.dims[0], image.dims[-1], image.dims[1:-1]
        axes = [_axis_taps(ctx, found, size, mode, padding, corners) for found, size in zip(coordinates, sizes, strict=True)]
        if padding == "zeros":
            image = ctx.op(PAD, image, ctx.constant([[0, 0], *[[1, 1]] * count, [0, 0]], np.int32))
            sizes = image.dims[1:-1]
        read = reader(ctx, ctx.reshape(image, (n, prod(sizes), channels)))
        return ctx.reshape(added(ctx, read_taps(ctx, read, axes, sizes)), (n, *grid.dims[1:-1], channels))

    return ctx.channels_last(x, apply)


def _axis_taps(ctx: Context, position: Value, size: int, mode: str, padding: str, corners: bool) -> list[Tap]:
    """The taps along one axis, in an image with a frame of one zero where that is the padding."""
    shifted = ctx.binary(ADD, position, 1.0)
    if corners:
        x = ctx.binary(MUL, ctx.binary(MUL, shifted, 0.5), float(size - 1))
        low, high = 0.0, size - 1.0
    else:
        x = ctx.binary(MUL, ctx.binary(SUB, ctx.binary(MUL, shifted, float(size)), 1.0), 0.5)
        low, high = -0.5, size - 0.5
    x = ctx.op(ROUND, x) if mode == "nearest" else x
    frame = 1 if padding == "zeros" else 0

    def bounded(place: Value) -> Value:
        found = _reflected(ctx, place, low, high) if padding == "reflection" else place
        found = clipped(ctx, found, -frame, size - 1.0 + frame)
        return ctx.binary(ADD, found, 1.0) if frame else found

    if mode == "nearest":
        return [Tap(cast_to(ctx, bounded(x), INT32), None)]
    if mode == "linear":
        return linear_taps(ctx, bounded(x), size - 1 + 2 * frame)
    if padding == "reflection":
        x = _reflected(ctx, x, low, high)
    else:
        x = clipped(ctx, x, -3.0, size + 2.0)
    return cubic_taps(ctx, x, bounded, CUBIC)


def _reflected(ctx: Context, x: Value, low: float, high: float) -> Value:
    """Mirrored at low and high until it lies between them."""
    period = 2 * (high - low)
    if period == 0:
        return clipped(ctx, x, low, high)
    distance = ctx.op(ABS, ctx.binary(SUB, x, low) if low else x)
    turns = ctx.op(FLOOR, ctx.binary(MUL, distance, 1 / period))
    rest = ctx.op(SUB, distance, ctx.binary(MUL, turns, period))
    folded = ctx.op(MINIMUM, rest, ctx.op(SUB, ctx.like(x, period), rest))
    return ctx.binary(ADD, folded, low) if low else folded


MOST_SAMPLES = 1 << 14


@lowers("AffineGrid", since=20)
def affine_grid(ctx: Context, node: Node) -> Value:
    """The positions of a regular grid, each turned by the matrices theta (n, axes, axes + 1)."""
    theta, shape = ctx.input(0), [int(size) for size in ctx.data(1).reshape(-1)]
    sizes, corners = shape[2:], bool(attribute(node, "align_corners", 0))
    fits = len(sizes) in (2, 3) and theta.dims == (shape[0], len(sizes), len(sizes) + 1)
    ctx.require(fits, f"matrices for images or volumes of shape {shape} are required, found shape {theta.dims}")
    ctx.require(theta.dtype == np.float32, f"float32 is required, found {theta.dtype}")
    ctx.require(not corners or min(sizes) > 1, f"sizes above 1 are required with align_corners, found {sizes}")
    steps = [_regular(size, corners) for size in sizes]
    places = np.stack([*np.meshgrid(*steps, indexing="ij")[::-1], np.ones(sizes)], axis=-1).reshape(1, prod(sizes), len(sizes) + 1)
    y = ctx.op(BATCH_MATMUL, ctx.like(theta, places), theta, options=BatchMatMulOptions(adj_y=True))
    return ctx.reshape(y, (shape[0], *sizes, len(sizes)))


def _regular(size: int, corners: bool) -> Array:
    return np.linspace(-1, 1, size) if corners else (2 * np.arange(size) + 1) / size - 1


@lowers("RoiAlign", since=10)
def roi_align_10(ctx: Context, node: Node) -> Value:
    return _roi_align(ctx, node, half_pixel=False)


@lowers("RoiAlign", since=16)
def roi_align(ctx: Context, node: Node) -> Value:
    return _roi_align(ctx, node, half_pixel=attribute(node, "coordinate_transformation_mode", "half_pixel") == "half_pixel")


def _roi_align(ctx: Context, node: Node, *, half_pixel: bool) -> Value:
    """The mean or the maximum of `ratio` by `ratio` samples in each part of a region; the maximum is that of weighed neighbours."""
    x, rois, images = ctx.input(0), ctx.input(1), cast_to(ctx, ctx.input(2), INT32)
    ratio, mode, scale = attribute(node, "sampling_ratio", 0), attribute(node, "mode", "avg"), attribute(node, "spatial_scale", 1.0)
    sizes = attribute(node, "output_height", 1), attribute(node, "output_width", 1)
    ctx.require(ratio > 0, f"a sampling_ratio above 0 is required, since the number of samples must be known, found {ratio}")
    fits = all(0 < size * ratio <= MOST_SAMPLES for size in sizes)
    ctx.require(fits, f"1 to {MOST_SAMPLES} samples a side are required, found {ratio} for each of {sizes}")
    ctx.require(mode in ("avg", "max") and x.dtype == np.float32, f"mode avg or max and float32 are required, found {mode} and {x.dtype}")
    n, channels, height, width = x.dims
    count = rois.dims[0]
    ctx.require(count > 0 and x.size > 0, f"regions and an image are required, found shapes {rois.dims} and {x.dims}")
    corners = _columns(ctx, ctx.binary(MUL, rois, float(scale)))
    if half_pixel:
        corners = [ctx.binary(SUB, corner, 0.5) for corner in corners]
    axes = []
    for axis, size in enumerate((height, width)):
        low, high = corners[1 - axis], corners[3 - axis]
        length = ctx.op(SUB, high, low)
        if not half_pixel:
            length = ctx.binary(MAXIMUM, length, 1.0)
        parts = (np.arange(sizes[axis] * ratio) + 0.5) / (ratio * sizes[axis])
        positions = ctx.op(ADD, low, ctx.op(MUL, length, ctx.like(x, parts[None])))
        shape = (count, sizes[axis] * ratio, 1, 1) if axis == 0 else (count, 1, sizes[axis] * ratio, 1)
        axes.append(_region_taps(ctx, ctx.reshape(positions, shape), size))
    pixels = ctx.reshape(ctx.to_nhwc(x), (n * height * width, channels))
    first = ctx.reshape(ctx.binary(MUL, images, height * width), (count, 1, 1, 1))

    def read(place: Value) -> Value:
        found = ctx.op(ADD, place, first)
        return ctx.op(GATHER, pixels, ctx.reshape(found, found.dims[:3]), options=GatherOptions(axis=0))

    parts = read_taps(ctx, read, axes, (height, width))
    total = added(ctx, parts)
    if mode == "max":
        total = parts[0]
        for part in parts[1:]:
            total = ctx.op(MAXIMUM, total, part)
    samples = ctx.reshape(total, (count * sizes[0], ratio, sizes[1], ratio * channels))
    rows = ctx.op(MEAN if mode == "avg" else REDUCE_MAX, samples, ctx.indices([1]), options=ReducerOptions())
    columns = ctx.reshape(rows, (count * sizes[0], sizes[1], ratio, channels))
    y = ctx.op(MEAN if mode == "avg" else REDUCE_MAX, columns, ctx.indices([2]), options=ReducerOptions())
    return ctx.to_nchw(ctx.reshape(y, (count, *sizes, channels)))


def _region_taps(ctx: Context, x: Value, size: int) -> list[Tap]:
    """Linear taps in an image of this size; more than one element outside nothing is read."""
    inside = ctx.op(EQUAL, x, clipped(ctx, x, -1.0, float(size)))
    weight = cast_to(ctx, inside, np.dtype(np.float32))
    found = linear_taps(ctx, clipped(ctx, x, 0.0, size - 1.0), size - 1)
    return [Tap(tap.position, weight if tap.weight is None else ctx.op(MUL, tap.weight, weight)) for tap in found]


@lowers("DeformConv", since=19)
def deform_conv(ctx: Context, node: Node) -> Value:
    """Each tap of each window reads the image where an offset moves it, zeros outside; the rest is a convolution of what was read."""
    x, weight, offset, bias, mask = ctx.input(0), ctx.input(1), ctx.input(2), ctx.optional(3), ctx.optional(4)
    ctx.require(x.rank == 4, f"an image is required, found shape {x.dims}")
    ctx.require(x.dtype == np.float32, f"float32 is required, found {x.dtype}")
    groups, (n, channels, height, width), units = attribute(node, "offset_group", 1), x.dims, weight.dims[0]
    outputs = output_sizes(node)
    axes = spans(ctx, node, (height, width), attribute(node, "kernel_shape", list(weight.dims[2:])), outputs)
    taps, places, part = axes[0].kernel * axes[1].kernel, prod(outputs), channels // groups
    fits = channels == part * groups and offset.dims == (n, groups * taps * 2, *outputs)
    ctx.require(fits, f"offsets of shape {(n, groups * taps * 2, *outputs)} are required, found {offset.dims}")
    ctx.require(
        channels == weight.dims[1] * attribute(node, "group", 1),
        f"{weight.dims[1] * attribute(node, 'group', 1)} input channels are required, found {channels}",
    )
    moves = ctx.transpose(ctx.reshape(offset, (n * groups, taps, 2, places)), (0, 3, 1, 2))
    rows = np.broadcast_to(axes[0].taps[:, None, :, None], (*outputs, axes[0].kernel, axes[1].kernel))
    columns = np.broadcast_to(axes[1].taps[None, :, None, :], rows.shape)
    regular = np.stack([rows, columns], axis=-1).reshape(1, places, taps, 2)
    moved = ctx.reshape(ctx.op(ADD, moves, ctx.like(x, regular)), (n * groups, places * taps, 2))
    sides = (height + 2, width + 2)
    found = [
        linear_taps(ctx, ctx.binary(ADD, clipped(ctx, position, -1.0, float(size)), 1.0), size + 1)
        for position, size in zip(_columns(ctx, moved), (height, width), strict=True)
    ]
    image = ctx.transpose(ctx.reshape(x, (n * groups, part, height, width)), (0, 2, 3, 1))
    image = ctx.op(PAD, image, ctx.constant([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
    read = reader(ctx, ctx.reshape(image, (n * groups, prod(sides), part)))
    samples = added(ctx, read_taps(ctx, read, found, sides))
    if mask is not None:
        strength = ctx.transpose(ctx.reshape(mask, (n * groups, taps, places)), (0, 2, 1))
        samples = ctx.op(MUL, samples, ctx.reshape(strength, (n * groups, places * taps, 1)))
    samples = ctx.reshape(samples, (n, groups, places * taps, part))
    windows = ctx.reshape(ctx.transpose(samples, (0, 2, 1, 3)), (n, places, taps, channels))
    filters = ctx.transpose(ctx.reshape(weight, (units, weight.dims[1], 1, taps)), (0, 2, 3, 1))
    shift = bias or ctx.like(x, np.zeros(units))
    y = ctx.op(CONV_2D, windows, filters, shift, options=Conv2DOptions(padding=Padding.VALID, stride_h=1, stride_w=1))
    return ctx.to_nchw(ctx.reshape(y, (n, *outputs, units)))
