"""Resizing along any axes: nearest, linear and cubic.

The sampling positions of the ONNX node are computed and compared with those of each setting of the builtins for height and width; where no
setting has them, constant gathers pick the same elements and constant weights add them up, one axis after the other.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conversion import cast_to
from jitlite.converter.lowerings.matmul import fully_connected
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.lowerings.sampling import (
    COORDINATES,
    CROPPED,
    ROUNDINGS,
    Resampled,
    Taps,
    cropped_positions,
    rounded,
    source_positions,
    taps,
)
from jitlite.converter.problems import Unlowerable
from jitlite.schemas.ops.comparison import SELECT_V2
from jitlite.schemas.ops.elementwise import ADD, MUL
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.matmul import BATCH_MATMUL
from jitlite.schemas.ops.resize import RESIZE_BILINEAR, RESIZE_NEAREST_NEIGHBOR
from jitlite.schemas.tables import BatchMatMulOptions, GatherOptions, ResizeBilinearOptions, ResizeNearestNeighborOptions

SETTINGS = ((False, False), (False, True), (True, False), (True, True))
"""(align_corners, half_pixel_centers) of the builtins."""
TOLERANCE = 1e-4
MAX_SIDE = 1 << 16
MOST_GATHERED = 8
"""Filters of more taps are matrix products."""
LARGEST_MATRIX = 1 << 24
SIZE_TOLERANCE = 1e-3


@lowers("Upsample", since=7)
def upsample(ctx: Context, node: Node) -> Value:
    scales = attribute(node, "scales")
    given = np.asarray(scales if scales is not None else ctx.data(1), np.float32)
    return _resized(ctx, node, _axes(ctx, node, given.reshape(-1), "asymmetric"), "floor")


@lowers("Resize", since=10)
def resize_10(ctx: Context, node: Node) -> Value:
    return _resized(ctx, node, _axes(ctx, node, np.asarray(ctx.data(1), np.float32).reshape(-1), "asymmetric"), "floor")


@lowers("Resize", since=11)
def resize(ctx: Context, node: Node) -> Value:
    coordinates = attribute(node, "coordinate_transformation_mode", "half_pixel")
    return _resized(ctx, node, _axes(ctx, node, _scales(ctx, node), coordinates), attribute(node, "nearest_mode", "round_prefer_floor"))


def _scales(ctx: Context, node: Node) -> Array:
    """The scale of every axis, given or following from the sizes."""
    x, sizes, scales = ctx.input(0), ctx.optional(3), ctx.optional(2)
    axes = [ctx.axis(axis, x.rank) for axis in attribute(node, "axes", list(range(x.rank)))]
    found = np.ones(x.rank, np.float32)
    if scales is not None and scales.size:
        ctx.require(scales.size == len(axes), f"{len(axes)} scales are required, found {scales.size}")
        found[axes] = ctx.data(2).reshape(-1)
        return found
    ctx.require(sizes is not None and sizes.size == len(axes), f"scales or sizes of {len(axes)} axes are required, found neither")
    wanted = ctx.data(3).reshape(-1)
    ctx.require(all(x.dims[axis] > 0 for axis in axes), f"an input with elements is required, found shape {x.dims}")
    ratios = [np.float32(size) / np.float32(x.dims[axis]) for axis, size in zip(axes, wanted, strict=True)]
    policy = attribute(node, "keep_aspect_ratio_policy", "stretch")
    ctx.require(
        policy in ("stretch", "not_larger", "not_smaller"),
        f"keep_aspect_ratio_policy stretch, not_larger or not_smaller is required, found {policy}",
    )
    if policy != "stretch":
        ratios = [min(ratios) if policy == "not_larger" else max(ratios)] * len(ratios)
    found[axes] = ratios
    return found


def _axes(ctx: Context, node: Node, scales: Array, coordinates: str) -> list[Resampled]:
    """The axes that are resized."""
    x, shape = ctx.input(0), node.outputs[0].shape
    if shape is None:
        raise Unlowerable("a result of known shape is required")
    ctx.require(
        len(scales) == x.rank == len(shape) and all(scale > 0 for scale in scales),
        f"{x.rank} positive scales are required, found {scales.tolist()}",
    )
    known = (*COORDINATES, CROPPED)
    ctx.require(coordinates in known, f"coordinate_transformation_mode {', '.join(known)} is supported, found {coordinates}")
    region = _region(ctx, node) if coordinates == CROPPED else {}
    found = []
    for axis, (before, after, scale) in enumerate(zip(x.dims, shape, map(float, scales))):
        if axis in region:
            positions = cropped_positions(before, after, *region[axis])
        elif before == after and scale == 1:
            continue
        else:
            whole = coordinates != "align_corners" or after == 1 or abs(scale * before - after) < SIZE_TOLERANCE
            ctx.require(whole, f"with align_corners a whole number of elements is required, found {before} times {scale}")
            positions = source_positions(before, after, scale, coordinates)
        ctx.require(
            1 <= before <= MAX_SIDE and 1 <= after <= MAX_SIDE, f"sizes from 1 to {MAX_SIDE} are required, found {before} to {after}"
        )
        if len(positions) != before or not np.array_equal(positions, np.arange(before)):
            found.append(Resampled(axis, before, after, scale, positions))
    return found


def _region(ctx: Context, node: Node) -> dict[int, tuple[float, float]]:
    """Start and end of tf_crop_and_resize along each of its axes."""
    rank = ctx.input(0).rank
    axes = [ctx.axis(axis, rank) for axis in attribute(node, "axes", list(range(rank)))]
    given = ctx.data(1).reshape(-1).astype(np.float32)
    ctx.require(len(given) == 2 * len(axes), f"a roi of {2 * len(axes)} numbers is required, found {len(given)}")
    return {axis: (float(given[place]), float(given[place + len(axes)])) for place, axis in enumerate(axes)}


def _resized(ctx: Context, node: Node, axes: Sequence[Resampled], rounding: str) -> Value:
    x, mode = ctx.input(0), attribute(node, "mode", "nearest")
    ctx.require(mode in ("nearest", "linear", "bilinear", "cubic"), f"mode nearest, linear or cubic is required, found {mode}")
    ctx.require(mode != "nearest" or rounding in ROUNDINGS, f"nearest_mode {', '.join(ROUNDINGS)} is required, found {rounding}")
    assert x.dtype is not None
    if mode == "nearest":
        ctx.require(x.dtype != np.float64, "a type that GATHER has is required, found float64")
    elif x.dtype != np.float32:
        truncated = x.dtype.kind in "iu" and x.dtype.itemsize <= 4 and mode != "cubic" and not attribute(node, "antialias", 0)
        ctx.require(truncated, f"float32 is required for filters other than linear, found {x.dtype}")

    def apply(image: Value, places: Mapping[int, int]) -> Value:
        if mode == "nearest":
            return _nearest(ctx, image, axes, places, rounding)
        return _filtered(ctx, node, cast_to(ctx, image, np.dtype(np.float32)), axes, places, mode)

    if x.rank in (3, 4) and axes and all(axis.axis >= 2 for axis in axes):
        places = {2: 1, 3: 2} if x.rank == 4 else {2: 2}
        y = ctx.channels_last(x, lambda image: apply(image, places))
    else:
        y = apply(x, {axis: axis for axis in range(x.rank)})
    if attribute(node, "coordinate_transformation_mode") == CROPPED:
        y = _extrapolated(ctx, y, axes, attribute(node, "extrapolation_value", 0.0))
    return cast_to(ctx, y, x.dtype)


def _extrapolated(ctx: Context, y: Value, axes: Sequence[Resampled], number: float) -> Value:
    """`number` where an element looks outside the input."""
    outside = np.zeros([1] * y.rank, bool)
    for axis in axes:
        outside = outside | axis.is_outside.reshape([-1 if place == axis.axis else 1 for place in range(y.rank)])
    return ctx.op(SELECT_V2, ctx.constant(outside), ctx.like(y, number), y) if outside.any() else y


def _image_sizes(image: Value, axes: Sequence[Resampled], places: Mapping[int, int]) -> dict[int, Resampled] | None:
    """The resized axes by their place 1 or 2 in an NHWC image; None where the value is none."""
    found = {places[axis.axis]: axis for axis in axes}
    return found if image.rank == 4 and len(places) <= 2 and image.dtype == np.float32 and found else None


def _nearest(ctx: Context, image: Value, axes: Sequence[Resampled], places: Mapping[int, int], rounding: str) -> Value:
    picked = {places[axis.axis]: rounded(axis.positions, axis.before, rounding) for axis in axes}
    sides = _image_sizes(image, axes, places)
    for corners, centers in SETTINGS if sides is not None else ():
        built = {place: _builtin_nearest(axis.before, axis.after, corners, centers) for place, axis in (sides or {}).items()}
        if all(np.array_equal(picked[place], built[place]) for place in picked):
            options = ResizeNearestNeighborOptions(align_corners=corners, half_pixel_centers=centers)
            size = [len(picked[place]) if place in picked else image.dims[place] for place in (1, 2)]
            return ctx.op(RESIZE_NEAREST_NEIGHBOR, image, ctx.indices(size), options=options)
    for place, wanted in picked.items():
        if not np.array_equal(wanted, np.arange(image.dims[place])):
            image = ctx.op(GATHER, image, ctx.constant(wanted, np.int32), options=GatherOptions(axis=place))
    return image


def _filtered(ctx: Context, node: Node, image: Value, axes: Sequence[Resampled], places: Mapping[int, int], mode: str) -> Value:
    antialias = bool(attribute(node, "antialias", 0))
    shrinks = antialias and any(axis.scale < 1 for axis in axes)
    sides = _image_sizes(image, axes, places) if mode != "cubic" and not shrinks else None
    for corners, centers in SETTINGS[:3] if sides is not None else ():
        built = [(axis, _builtin_linear(axis.before, axis.after, corners, centers)) for axis in axes]
        if all(np.allclose(axis.clipped, found, rtol=0, atol=TOLERANCE) for axis, found in built):
            options = ResizeBilinearOptions(align_corners=corners, half_pixel_centers=centers)
            size = [sides[place].after if sides and place in sides else image.dims[place] for place in (1, 2)]
            return ctx.op(RESIZE_BILINEAR, image, ctx.indices(size), options=options)
    for axis in axes:
        cubic = mode == "cubic"
        found = taps(
            axis,
            "cubic" if cubic else "linear",
            a=attribute(node, "cubic_coeff_a", -0.75),
            antialias=antialias,
            exclude_outside=(cubic or antialias) and bool(attribute(node, "exclude_outside", 0)),
        )
        image = weighed(ctx, image, places[axis.axis], found)
    return image


def _builtin_step(before: int, after: int, corners: bool) -> np.float32:
    return np.float32(before - 1) / np.float32(after - 1) if corners and after > 1 else np.float32(before) / np.float32(after)


def _builtin_nearest(before: int, after: int, corners: bool, centers: bool) -> Array:
    """The elements RESIZE_NEAREST_NEIGHBOR picks."""
    positions = (np.arange(after, dtype=np.float32) + np.float32(0.5 if centers else 0)) * _builtin_step(before, after, corners)
    picked = np.floor(positions + np.float32(0.5)) if corners else np.floor(positions)
    return np.asarray(np.clip(picked.astype(np.int64), 0, before - 1))


def _builtin_linear(before: int, after: int, corners: bool, centers: bool) -> Array:
    """Where RESIZE_BILINEAR looks, clipped to the input."""
    index, step = np.arange(after, dtype=np.float32), _builtin_step(before, after, corners)
    positions = (index + np.float32(0.5)) * step - np.float32(0.5) if centers else index * step
    return np.asarray(np.clip(positions, 0, before - 1))


def weighed(ctx: Context, x: Value, axis: int, found: Taps) -> Value:
    """The weighted sums along one axis: gathers and sums, or a product with the matrix of weights where there are many taps."""
    count = found.picked.shape[1]
    if count > MOST_GATHERED:
        before = x.dims[axis]
        ctx.require(
            len(found.picked) * before <= LARGEST_MATRIX,
            f"filters of at most {MOST_GATHERED} taps or {LARGEST_MATRIX} weights are required, found {len(found.picked)} by {before}",
        )
        return product_along(ctx, x, axis, found.matrix(before))
    shape = [-1 if place == axis else 1 for place in range(x.rank)]
    total: Value | None = None
    for tap in range(count):
        part = ctx.op(GATHER, x, ctx.constant(found.picked[:, tap], np.int32), options=GatherOptions(axis=axis))
        part = ctx.op(MUL, part, ctx.like(x, found.weight[:, tap].reshape(shape)))
        total = part if total is None else ctx.op(ADD, total, part)
    assert total is not None, "a filter has at least one tap"
    return total


def product_along(ctx: Context, x: Value, axis: int, matrix: Array) -> Value:
    """`matrix` (outputs, inputs) times each column of x along an axis."""
    outer, inner = int(np.prod(x.dims[:axis])), int(np.prod(x.dims[axis + 1 :]))
    shape = (*x.dims[:axis], len(matrix), *x.dims[axis + 1 :])
    if inner == 1:
        return ctx.reshape(fully_connected(ctx, ctx.reshape(x, (outer, x.dims[axis])), ctx.like(x, matrix), None), shape)
    columns = ctx.reshape(x, (outer, x.dims[axis], inner))
    return ctx.reshape(ctx.op(BATCH_MATMUL, ctx.like(x, matrix[None]), columns, options=BatchMatMulOptions()), shape)
