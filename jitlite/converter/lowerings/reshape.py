"""Operators that give the same elements another shape or order, or repeat them."""

import numpy as np

from jitlite.converter.attributes import attribute, constant_operand, integers
from jitlite.converter.graph import Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.lowerings.slice import sliced
from jitlite.converter.problems import Unlowerable
from jitlite.schemas.ops.concat import CONCATENATION, SPLIT, SPLIT_V
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.pad import BROADCAST_TO, TILE
from jitlite.schemas.ops.space import DEPTH_TO_SPACE, SPACE_TO_DEPTH
from jitlite.schemas.tables import (
    ConcatenationOptions,
    DepthToSpaceOptions,
    GatherOptions,
    SpaceToDepthOptions,
    SplitOptions,
    SplitVOptions,
)


def output_shape(node: Node) -> tuple[int, ...]:
    """The shape of a node's first result, which must be known."""
    shape = node.outputs[0].shape
    if shape is None:
        raise Unlowerable("a result whose shape is known before it runs is required, found one that depends on run-time values")
    return shape


@lowers("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def reshape(ctx: Context, node: Node) -> Value:
    """Shape inference has resolved zeros, -1, allowzero and axes."""
    return ctx.reshape(ctx.input(0), output_shape(node))


@lowers("Constant", "Shape", "Size")
def only_folded(ctx: Context, node: Node) -> Value:
    """Folding has replaced these where their results are known and not too large."""
    raise Unlowerable("a result that folds into a constant is required, found one that depends on run-time values or is too large")


@lowers("Identity")
def identity(ctx: Context, node: Node) -> Value:
    return ctx.input(0)


@lowers("Dropout")
def dropout(ctx: Context, node: Node) -> list[Value]:
    """Nothing is dropped in inference, nor in training at ratio 0; the mask then is all true."""
    x, training = ctx.input(0), constant_operand(node, 2)
    if training is not None and training.any():
        ratio = constant_operand(node, 1)
        ctx.require(ratio is not None and not ratio.any(), "training_mode false or ratio 0 is supported, found random results")
    mask = node.outputs[1] if len(node.outputs) > 1 else None
    return [x] if mask is None else [x, ctx.constant(np.ones(x.dims, np.bool_ if mask.dtype is None else mask.dtype))]


@lowers("Transpose")
def transpose(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    order = attribute(node, "perm", list(range(x.rank))[::-1])
    ctx.require(sorted(order) == list(range(x.rank)), f"a permutation of {x.rank} axes is required, found {order}")
    return ctx.transpose(x, order)


@lowers("Concat", since=4)
def concat(ctx: Context, node: Node) -> Value:
    """Empty operands leave no trace."""
    parts = [ctx.input(index) for index in range(len(ctx.operands))]
    axis = ctx.axis(attribute(node, "axis"), parts[0].rank)
    filled = [part for part in parts if part.size] or parts[:1]
    return filled[0] if len(filled) == 1 else ctx.op(CONCATENATION, *filled, options=ConcatenationOptions(axis=axis))


@lowers("Split")
def split(ctx: Context, node: Node) -> list[Value]:
    x = ctx.input(0)
    axis = ctx.axis(attribute(node, "axis", 0), x.rank)
    sizes = integers(node, "split", 1)
    if sizes is None:
        if any(value.shape is None for value in node.outputs):
            raise Unlowerable("results of known shape are required")
        sizes = [value.dims[axis] for value in node.outputs]
    ctx.require(
        len(sizes) == len(node.outputs) and sum(sizes) == x.dims[axis],
        f"{len(node.outputs)} sizes that add up to {x.dims[axis]} are required, found {sizes}",
    )
    if len(sizes) == 1:
        return [x]
    if x.size == 0:
        ends = np.cumsum(sizes).tolist()
        whole = [range(dim) for dim in x.dims]
        return [sliced(ctx, x, [*whole[:axis], range(end - size, end), *whole[axis + 1 :]]) for end, size in zip(ends, sizes, strict=True)]
    if len(set(sizes)) == 1:
        return list(ctx.ops(SPLIT, ctx.indices(axis), x, options=SplitOptions(num_splits=len(sizes))))
    return list(ctx.ops(SPLIT_V, x, ctx.indices(sizes), ctx.indices(axis), options=SplitVOptions(num_splits=len(sizes))))


@lowers("Expand", since=8)
def expand(ctx: Context, node: Node) -> Value:
    x, shape = ctx.input(0), output_shape(node)
    return x if x.dims == shape else ctx.op(BROADCAST_TO, x, ctx.indices(shape))


@lowers("Tile", since=6)
def tile(ctx: Context, node: Node) -> Value:
    times = [int(count) for count in ctx.data(1).reshape(-1)]
    return ctx.input(0) if all(count == 1 for count in times) else ctx.op(TILE, ctx.input(0), ctx.indices(times))


@lowers("DepthToSpace")
def depth_to_space(ctx: Context, node: Node) -> Value:
    """The builtin has ONNX's DCR order; for CRD the channels are put in that order first."""
    x, block = ctx.input(0), attribute(node, "blocksize")
    ctx.require(x.rank == 4, f"an input of rank 4 is required, found shape {x.dims}")
    fits = block > 0 and x.dims[1] % (block * block) == 0
    ctx.require(fits, f"channels that are a multiple of {block}x{block} are required, found shape {x.dims}")

    def apply(image: Value) -> Value:
        if attribute(node, "mode", "DCR") == "CRD":
            depth = image.dims[3] // (block * block)
            order = [c * block * block + place for place in range(block * block) for c in range(depth)]
            image = ctx.op(GATHER, image, ctx.indices(order), options=GatherOptions(axis=3))
        return ctx.op(DEPTH_TO_SPACE, image, options=DepthToSpaceOptions(block_size=block))

    return ctx.channels_last(x, apply)


@lowers("SpaceToDepth")
def space_to_depth(ctx: Context, node: Node) -> Value:
    """The builtin has ONNX's DCR order; for CRD the channels are put in that order last."""
    x, block = ctx.input(0), attribute(node, "blocksize")
    ctx.require(x.rank == 4, f"an input of rank 4 is required, found shape {x.dims}")
    ctx.require(
        block > 0 and x.dims[2] % block == x.dims[3] % block == 0, f"sides that are multiples of {block} are required, found {x.dims}"
    )

    def apply(image: Value) -> Value:
        depth = image.dims[3]
        image = ctx.op(SPACE_TO_DEPTH, image, options=SpaceToDepthOptions(block_size=block))
        if attribute(node, "mode", "DCR") == "CRD":
            order = [place * depth + c for c in range(depth) for place in range(block * block)]
            image = ctx.op(GATHER, image, ctx.indices(order), options=GatherOptions(axis=3))
        return image

    return ctx.channels_last(x, apply)
