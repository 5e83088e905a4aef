"""Resizing height and width by nearest neighbour or linearly.

The sampling positions of the ONNX node are computed and compared with those of each setting of the builtin; where no setting has them,
constant gathers pick the same elements.
"""

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.problems import Unlowerable
from jitlite.schemas.ops.elementwise import ADD, MUL
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.resize import RESIZE_BILINEAR, RESIZE_NEAREST_NEIGHBOR
from jitlite.schemas.tables import GatherOptions, ResizeBilinearOptions, ResizeNearestNeighborOptions

SETTINGS = ((False, False), (False, True), (True, False), (True, True))
"""(align_corners, half_pixel_centers) of the builtins."""
TOLERANCE = 1e-4
MAX_SIDE = 1 << 16
COORDINATES = ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric", "tf_half_pixel_for_nn")
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


@lowers("Upsample", since=7)
def upsample(ctx: Context, node: Node) -> Value:
    scales = attribute(node, "scales")
    given = np.asarray(scales if scales is not None else ctx.data(1), np.float32)
    return _resize(ctx, node, given, "asymmetric", "floor")


@lowers("Resize", since=10)
def resize_10(ctx: Context, node: Node) -> Value:
    return _resize(ctx, node, np.asarray(ctx.data(1), np.float32), "asymmetric", "floor")


@lowers("Resize", since=11)
def resize(ctx: Context, node: Node) -> Value:
    x, sizes, scales = ctx.input(0), ctx.optional(3), ctx.optional(2)
    ctx.require(not attribute(node, "antialias", 0), "antialias 0 is supported, found 1")
    policy = attribute(node, "keep_aspect_ratio_policy", "stretch")
    ctx.require(policy == "stretch" or sizes is None, f"keep_aspect_ratio_policy stretch is supported, found {policy}")
    shape = node.outputs[0].shape
    if shape is None:
        raise Unlowerable("a result of known shape is required")
    found = np.array([after / before for before, after in zip(x.dims, shape)], np.float32)
    if scales is not None and scales.size:
        axes = [ctx.axis(axis, x.rank) for axis in attribute(node, "axes", list(range(x.rank)))]
        found[axes] = ctx.data(2).reshape(-1)
    return _resize(
        ctx,
        node,
        found,
        attribute(node, "coordinate_transformation_mode", "half_pixel"),
        attribute(node, "nearest_mode", "round_prefer_floor"),
    )


def _resize(ctx: Context, node: Node, scales: Array, coordinates: str, rounding: str) -> Value:
    x, shape, mode = ctx.input(0), node.outputs[0].shape, attribute(node, "mode", "nearest")
    ctx.require(x.rank in (3, 4), f"an input with one or two spatial axes is required, found shape {x.dims}")
    ctx.require(mode in ("nearest", "linear"), f"mode nearest or linear is supported, found {mode}")
    ctx.require(coordinates in COORDINATES, f"coordinate_transformation_mode {', '.join(COORDINATES)} is supported, found {coordinates}")
    ctx.require(mode == "linear" or rounding in ROUNDINGS, f"nearest_mode {', '.join(ROUNDINGS)} is required, found {rounding}")
    if shape is None or shape[:2] != x.dims[:2]:
        raise Unlowerable(f"a resize of the spatial axes alone is supported, found {x.dims} to {shape}")
    before, after, steps = list(x.dims[2:]), list(shape[2:]), [float(scale) for scale in scales[2:]]
    ctx.require(
        all(1 <= size <= MAX_SIDE for size in (*before, *after)), f"sizes from 1 to {MAX_SIDE} are required, found {before} to {after}"
    )
    ctx.require(all(scale > 0 for scale in steps), f"positive scales are required, found {steps}")
    if x.rank == 3:
        before, after, steps = [1, *before], [1, *after], [1.0, *steps]
    positions = [source_positions(*each, coordinates) for each in zip(before, after, steps, strict=True)]
    size = ctx.indices(after)

    def nearest(image: Value) -> Value:
        picked = [_rounded(found, limit, rounding) for found, limit in zip(positions, before)]
        for corners, centers in SETTINGS:
            built = [_builtin_nearest(low, high, corners, centers) for low, high in zip(before, after)]
            if all(np.array_equal(wanted, found) for wanted, found in zip(picked, built)):
                options = ResizeNearestNeighborOptions(align_corners=corners, half_pixel_centers=centers)
                return ctx.op(RESIZE_NEAREST_NEIGHBOR, image, size, options=options)
        for axis, wanted in enumerate(picked):
            if not np.array_equal(wanted, np.arange(before[axis])):
                image = ctx.op(GATHER, image, ctx.constant(wanted, np.int32), options=GatherOptions(axis=axis + 1))
        return image

    def linear(image: Value) -> Value:
        clipped = [np.clip(found, 0, limit - 1) for found, limit in zip(positions, before)]
        for corners, centers in SETTINGS[:3]:
            built = [_builtin_linear(low, high, corners, centers) for low, high in zip(before, after)]
            if all(np.allclose(wanted, found, rtol=0, atol=TOLERANCE) for wanted, found in zip(clipped, built)):
                options = ResizeBilinearOptions(align_corners=corners, half_pixel_centers=centers)
                return ctx.op(RESIZE_BILINEAR, image, size, options=options)
        for axis, wanted in enumerate(clipped):
            if before[axis] != after[axis] or not np.array_equal(wanted, np.arange(before[axis])):
                image = _blended(ctx, image, axis + 1, wanted)
        return image

    return ctx.channels_last(x, nearest if mode == "nearest" else linear)


def source_positions(before: int, after: int, scale: float, coordinates: str) -> Array:
    """Where each output element looks in the input, unrounded and unclipped, in float32 as ONNX Runtime computes it."""
    index, step, half = np.arange(after, dtype=np.float32), np.float32(scale), np.float32(0.5)
    if coordinates == "align_corners":
        return index * np.float32(before - 1) / np.float32(after - 1) if after > 1 else np.zeros(after, np.float32)
    if coordinates == "asymmetric":
        return np.asarray(index / step)
    if coordinates == "tf_half_pixel_for_nn":
        return np.asarray((index + half) / step)
    centers = (index + half) / step - half
    if coordinates == "pytorch_half_pixel" and after == 1:
        return np.zeros(1, np.float32)
    if coordinates == "half_pixel_symmetric":
        adjustment = np.float32(after) / (np.float32(before) * step)
        return np.asarray(np.float32(before) / 2 * (1 - adjustment) + centers)
    return np.asarray(centers)


def _rounded(positions: Array, limit: int, rounding: str) -> Array:
    half = np.float32(0.5)
    rounded = {
        "round_prefer_floor": lambda: np.ceil(positions - half),
        "round_prefer_ceil": lambda: np.floor(positions + half),
        "floor": lambda: np.floor(positions),
        "ceil": lambda: np.ceil(positions),
    }[rounding]()
    return np.asarray(np.clip(rounded.astype(np.int64), 0, limit - 1))


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


def _blended(ctx: Context, x: Value, axis: int, positions: Array) -> Value:
    """Linear interpolation along one axis of constant positions: two gathers and their weighted sum."""
    low = np.floor(positions).astype(np.int64)
    high = np.minimum(low + 1, x.dims[axis] - 1)
    shape = [-1 if place == axis else 1 for place in range(x.rank)]
    weight = (positions - low).reshape(shape)
    parts = []
    for picked, factor in ((low, 1 - weight), (high, weight)):
        part = ctx.op(GATHER, x, ctx.constant(picked, np.int32), options=GatherOptions(axis=axis))
        parts.append(ctx.op(MUL, part, ctx.like(x, factor)))
    return ctx.op(ADD, *parts)
