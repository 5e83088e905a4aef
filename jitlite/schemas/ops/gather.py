"""Operators that read by index or make indices: GATHER, GATHER_ND, ONE_HOT and TOPK_V2. Index values are checked while they run."""

from typing import NamedTuple

from jitlite.schemas.ops.operands import (
    FLOAT8,
    bounded,
    integer,
    normalized_axis,
    require_rank,
    require_same_type,
    require_type,
)
from jitlite.schemas.ops.spec import Call, OpSpec, Quant, QuantKind, Shape, define
from jitlite.schemas.tables import BuiltinOperator, GatherNdOptions, GatherOptions, OneHotOptions, TensorType, TopKV2Options

_INDEX_TYPES = (TensorType.INT32, TensorType.INT64)
_POSITION_TYPES = (TensorType.INT16, TensorType.INT32, TensorType.INT64)


class GatherAxes(NamedTuple):
    """The axis a GATHER indexes and how many leading dimensions its operands share, both counted from the front."""

    axis: int
    batch_dims: int


def gather_axes(call: Call) -> GatherAxes:
    """The axes of a GATHER: batch_dims <= axis, and the operands agree in the dimensions before batch_dims."""
    x, positions = call.input(0), call.input(1)
    axis = normalized_axis(call, call.options.axis, x.rank)
    batch_dims = call.options.batch_dims
    batch_dims += positions.rank if batch_dims < 0 else 0
    limit = min(axis, positions.rank)
    call.require(0 <= batch_dims <= limit, f"batch_dims in [0, {limit}] is required, found {call.options.batch_dims}")
    agree = x.shape[:batch_dims] == positions.shape[:batch_dims]
    call.require(agree, f"{batch_dims} equal leading dimensions are required, found {x.shape} and {positions.shape}")
    return GatherAxes(axis, batch_dims)


def _gathered(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 1, _POSITION_TYPES)
    x, positions = call.input(0), call.input(1)
    if x.type is TensorType.STRING:
        require_rank(call, 0, 1, 1)
    axis, batch_dims = gather_axes(call)
    shape = (*x.shape[:axis], *positions.shape[batch_dims:], *x.shape[axis + 1 :])
    return [(bounded(call, shape), x.type)]


def _gather_version(call: Call) -> int:
    x = call.input(0)
    rules = (
        (x.type in FLOAT8, 8),
        (x.type is TensorType.INT4, 7),
        (call.input(1).type is TensorType.INT16, 6),
        (call.options.batch_dims != 0, 5),
        (x.type is TensorType.INT16, 4),
        (x.type is TensorType.BOOL, 3),
        (x.type is TensorType.INT8, 2),
    )
    return next((version for applies, version in rules if applies), 1)


def _gathered_nd(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 1, _POSITION_TYPES)
    x, indices = call.input(0), call.input(1)
    require_rank(call, 0, 1, max(1, x.rank))
    require_rank(call, 1, 1, max(1, indices.rank))
    depth = indices.shape[-1]
    call.require(depth <= x.rank, f"indices with a last dimension of at most {x.rank} are required, found shape {indices.shape}")
    call.require(x.size > 0 or indices.size == 0, f"an input with elements is required, found shape {x.shape}")
    return [(bounded(call, (*indices.shape[:-1], *x.shape[depth:])), x.type)]


def _gather_nd_version(call: Call) -> int:
    x = call.input(0)
    rules = (
        (x.type in FLOAT8, 6),
        (x.type is TensorType.BOOL, 5),
        (call.input(1).type is TensorType.INT16, 4),
        (x.type is TensorType.INT16, 3),
        (x.type is TensorType.STRING, 2),
    )
    return next((version for applies, version in rules if applies), 1)


def one_hot_axis(call: Call) -> int:
    """The axis ONE_HOT adds, counted from the front; -1 adds the last one."""
    rank, axis = call.input(0).rank, call.options.axis
    call.require(-1 <= axis <= rank, f"an axis in [-1, {rank}] is required, found {axis}")
    return rank if axis == -1 else int(axis)


def _one_hot(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, _INDEX_TYPES)
    require_same_type(call, 2, 3)
    for index in (2, 3):
        operand = call.input(index)
        call.require(
            operand.size == 1, f"operand '{call.spec.operand_name(index)}' with one element is required, found shape {operand.shape}"
        )
    indices, axis = call.input(0), one_hot_axis(call)
    depth = integer(call, 1, (TensorType.INT32,))
    return [(bounded(call, (*indices.shape[:axis], depth, *indices.shape[axis:])), call.input(2).type)]


def _top_k(call: Call) -> list[tuple[Shape, TensorType]]:
    x = call.input(0)
    require_rank(call, 0, 1, max(1, x.rank))
    k = max(0, integer(call, 1, (TensorType.INT16, TensorType.INT32)))
    row = x.shape[-1]
    call.require(k <= row, f"k of at most {row}, the last dimension, is required, found {k}")
    positions = call.outputs[1].type if len(call.outputs) == 2 else TensorType.INT32
    call.require(
        positions in (TensorType.INT16, TensorType.INT32), f"positions of type INT16 or INT32 are required, found {positions.name}"
    )
    if positions is TensorType.INT16:
        call.require(row < 2**15, f"a last dimension below {2**15} is required for INT16 positions, found {row}")
    shape = bounded(call, (*x.shape[:-1], k))
    return [(shape, x.type), (shape, positions)]


def _top_k_version(call: Call) -> int:
    if any(tensor.type is TensorType.INT16 for tensor in (call.input(0), call.input(1), *call.outputs[1:])):
        return 3
    return 2 if call.input(0).type is TensorType.INT8 else 1


GATHER = define(
    OpSpec(
        "GATHER",
        BuiltinOperator.GATHER,
        inputs=("input", "positions"),
        infer=_gathered,
        options=GatherOptions,
        quant=Quant(QuantKind.SAME, activations=(0,)),
        version=_gather_version,
        max_version=8,
    )
)

GATHER_ND = define(
    OpSpec(
        "GATHER_ND",
        BuiltinOperator.GATHER_ND,
        inputs=("input", "indices"),
        infer=_gathered_nd,
        options=GatherNdOptions,
        quant=Quant(QuantKind.SAME, activations=(0,)),
        version=_gather_nd_version,
        max_version=6,
    )
)

ONE_HOT = define(
    OpSpec(
        "ONE_HOT",
        BuiltinOperator.ONE_HOT,
        inputs=("indices", "depth", "on_value", "off_value"),
        infer=_one_hot,
        options=OneHotOptions,
    )
)

TOPK_V2 = define(
    OpSpec(
        "TOPK_V2",
        BuiltinOperator.TOPK_V2,
        inputs=("input", "k"),
        outputs=("values", "positions"),
        infer=_top_k,
        options=TopKV2Options,
        quant=Quant(QuantKind.SAME, activations=(0,)),
        version=_top_k_version,
        max_version=3,
    )
)
