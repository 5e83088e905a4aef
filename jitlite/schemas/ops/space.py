"""Operators that move blocks between batch, depth and space: DEPTH_TO_SPACE, SPACE_TO_DEPTH, SPACE_TO_BATCH_ND, BATCH_TO_SPACE_ND."""

from typing import NamedTuple

from jitlite.schemas.ops.operands import (
    bounded,
    pairs,
    require_rank,
    require_same_quantization,
    require_zero_point_zero,
    vector,
)
from jitlite.schemas.ops.spec import Call, OpSpec, Quant, QuantKind, Shape, define
from jitlite.schemas.tables import (
    BatchToSpaceNDOptions,
    BuiltinOperator,
    DepthToSpaceOptions,
    SpaceToBatchNDOptions,
    SpaceToDepthOptions,
    TensorType,
)

_SAME = Quant(QuantKind.SAME, activations=(0,))
_INT32 = (TensorType.INT32,)


class Blocks(NamedTuple):
    """Block sizes and (before, after) paddings or crops of each spatial dimension, the second one 1 and (0, 0) for inputs of rank 3."""

    sizes: tuple[int, int]
    margins: tuple[tuple[int, int], tuple[int, int]]


def blocks(call: Call) -> Blocks:
    """The operands of SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND; inputs have shape (n, h, c) or (n, h, w, c)."""
    require_rank(call, 0, 3, 4)
    count = call.input(0).rank - 2
    sizes, margins = vector(call, 1, count, _INT32), pairs(call, 2, count, _INT32)
    call.require(all(size > 0 for size in sizes), f"block sizes above 0 are required, found {sizes}")
    name = call.spec.operand_name(2)
    call.require(all(before >= 0 and after >= 0 for before, after in margins), f"{name} of 0 or more are required, found {margins}")
    if count == 1:
        return Blocks((sizes[0], 1), (margins[0], (0, 0)))
    return Blocks((sizes[0], sizes[1]), (margins[0], margins[1]))


def _checked_block_size(call: Call) -> int:
    size: int = call.options.block_size
    require_rank(call, 0, 4, 4)
    call.require(size > 0, f"a block size above 0 is required, found {size}")
    return size


def _depth_to_space(call: Call) -> list[tuple[Shape, TensorType]]:
    size = _checked_block_size(call)
    n, h, w, c = call.input(0).shape
    call.require(c % (size * size) == 0, f"channels that {size * size} divides are required, found {c}")
    return [(bounded(call, (n, h * size, w * size, c // (size * size))), call.input(0).type)]


def _space_to_depth(call: Call) -> list[tuple[Shape, TensorType]]:
    size = _checked_block_size(call)
    n, h, w, c = call.input(0).shape
    call.require(h % size == 0 and w % size == 0, f"a height and width that {size} divides are required, found {(h, w)}")
    return [(bounded(call, (n, h // size, w // size, c * size * size)), call.input(0).type)]


def _require_unscaled(call: Call) -> None:
    require_same_quantization(call, call.outputs, call.input(0))
    require_zero_point_zero(call, (call.input(0),))


def _space_to_batch(call: Call) -> list[tuple[Shape, TensorType]]:
    _require_unscaled(call)
    sizes, margins = blocks(call)
    shape = call.input(0).shape
    spatial = []
    for dim, size, (before, after) in zip(shape[1:-1], sizes, margins):
        padded = before + dim + after
        call.require(padded % size == 0, f"padded dimensions that their block size divides are required, found {padded} and {size}")
        spatial.append(padded // size)
    return [(bounded(call, (shape[0] * sizes[0] * sizes[1], *spatial, shape[-1])), call.input(0).type)]


def _batch_to_space(call: Call) -> list[tuple[Shape, TensorType]]:
    _require_unscaled(call)
    sizes, margins = blocks(call)
    shape, area = call.input(0).shape, sizes[0] * sizes[1]
    call.require(shape[0] % area == 0, f"a batch that {area} divides is required, found {shape[0]}")
    spatial = []
    for dim, size, (before, after) in zip(shape[1:-1], sizes, margins):
        call.require(before + after <= dim * size, f"crops of at most {dim * size} are required, found {(before, after)}")
        spatial.append(dim * size - before - after)
    return [(bounded(call, (shape[0] // area, *spatial, shape[-1])), call.input(0).type)]


def _depth_version(call: Call) -> int:
    return 2 if call.input(0).type is TensorType.INT8 else 1


def _batch_version(call: Call) -> int:
    x = call.input(0)
    if x.type is TensorType.INT16:
        return 4
    if x.rank != 4:
        return 3
    return 2 if x.type is TensorType.INT8 else 1


DEPTH_TO_SPACE = define(
    OpSpec(
        "DEPTH_TO_SPACE",
        BuiltinOperator.DEPTH_TO_SPACE,
        inputs=("input",),
        infer=_depth_to_space,
        options=DepthToSpaceOptions,
        quant=_SAME,
        version=_depth_version,
        max_version=2,
    )
)

SPACE_TO_DEPTH = define(
    OpSpec(
        "SPACE_TO_DEPTH",
        BuiltinOperator.SPACE_TO_DEPTH,
        inputs=("input",),
        infer=_space_to_depth,
        options=SpaceToDepthOptions,
        quant=_SAME,
        version=_depth_version,
        max_version=2,
    )
)

SPACE_TO_BATCH_ND = define(
    OpSpec(
        "SPACE_TO_BATCH_ND",
        BuiltinOperator.SPACE_TO_BATCH_ND,
        inputs=("input", "block_shape", "paddings"),
        infer=_space_to_batch,
        options=SpaceToBatchNDOptions,
        quant=_SAME,
        version=_batch_version,
        max_version=4,
    )
)

BATCH_TO_SPACE_ND = define(
    OpSpec(
        "BATCH_TO_SPACE_ND",
        BuiltinOperator.BATCH_TO_SPACE_ND,
        inputs=("input", "block_shape", "crops"),
        infer=_batch_to_space,
        options=BatchToSpaceNDOptions,
        quant=_SAME,
        version=_batch_version,
        max_version=4,
    )
)
