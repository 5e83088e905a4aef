"""Operators that write by index: SCATTER_ND, SPARSE_TO_DENSE, DYNAMIC_UPDATE_SLICE and the sums of segments."""

from itertools import pairwise
from math import prod

from jitlite.schemas.ops.operands import bounded, integer, integers, require_rank, require_same_type, require_shape, require_type
from jitlite.schemas.ops.spec import Call, OpSpec, Quant, QuantKind, Shape, define
from jitlite.schemas.tables import (
    BuiltinOperator,
    DynamicUpdateSliceOptions,
    ScatterNdOptions,
    SegmentSumOptions,
    SparseToDenseOptions,
    TensorType,
    UnsortedSegmentMaxOptions,
    UnsortedSegmentMinOptions,
    UnsortedSegmentProdOptions,
    UnsortedSegmentSumOptions,
)

_T = TensorType
_INDEX_TYPES = (_T.INT32, _T.INT64)
_SCATTERED = (_T.FLOAT32, _T.UINT8, _T.BOOL, _T.INT8, _T.INT64, _T.INT32)
_DENSE = (_T.INT32, _T.INT64, _T.INT8, _T.UINT8, _T.FLOAT32)
_SUMMED = (_T.INT32, _T.FLOAT32)
_MOST_DENSE_DIMENSIONS = 4
_MOST_UPDATED_DIMENSIONS = 8


def _scattered(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, (_T.INT32,))
    require_type(call, 1, _SCATTERED)
    require_rank(call, 2, 1, 1)
    indices, updates = call.input(0), call.input(1)
    require_rank(call, 0, 1, max(1, indices.rank))
    require_rank(call, 1, 1, max(1, updates.rank))
    shape = bounded(call, integers(call, 2, (_T.INT32,)))
    depth = indices.shape[-1]
    call.require(depth <= len(shape), f"indices with a last dimension of at most {len(shape)} are required, found {indices.shape}")
    require_shape(call, 1, (*indices.shape[:-1], *shape[depth:]))
    return [(shape, updates.type)]


def _dense(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, _INDEX_TYPES)
    require_rank(call, 0, 0, 2)
    require_rank(call, 1, 1, 1)
    require_type(call, 2, _DENSE)
    require_rank(call, 2, 0, 1)
    require_same_type(call, 2, 3)
    call.require(call.input(3).size == 1, f"operand 'default_value' with one element is required, found shape {call.input(3).shape}")
    indices, values = call.input(0), call.input(2)
    shape = bounded(call, integers(call, 1))
    call.require(len(shape) <= _MOST_DENSE_DIMENSIONS, f"at most {_MOST_DENSE_DIMENSIONS} dimensions are required, found shape {shape}")
    depth = indices.shape[1] if indices.rank == 2 else 1
    call.require(depth == len(shape), f"{len(shape)} indices for each value are required, found {depth}")
    count = indices.shape[0] if indices.rank == 2 else indices.size
    call.require(values.rank == 0 or values.size == count, f"{count} values are required, found {values.size}")
    return [(shape, values.type)]


def _dense_version(call: Call) -> int:
    return {_T.INT8: 3, _T.UINT8: 3, _T.INT64: 2}.get(call.input(2).type, 1)


def _updated(call: Call) -> list[tuple[Shape, TensorType]]:
    x, update, starts = call.input(0), call.input(1), call.input(2)
    require_same_type(call, 0, 1)
    require_type(call, 2, _INDEX_TYPES)
    require_rank(call, 0, 0, _MOST_UPDATED_DIMENSIONS)
    call.require(starts.shape == (x.rank,), f"operand 'start_indices' of shape {(x.rank,)} is required, found {starts.shape}")
    fits = update.rank == x.rank and all(part <= whole for part, whole in zip(update.shape, x.shape))
    call.require(fits, f"an update that fits into {x.shape} is required, found shape {update.shape}")
    return [(x.shape, x.type)]


def _updated_version(call: Call) -> int:
    versions = {_T.BFLOAT16: 6, _T.INT4: 5, _T.INT16: 4, _T.FLOAT16: 3}
    return versions.get(call.input(0).type, 2 if call.input(2).type is _T.INT64 else 1)


def _summed(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, _SUMMED)
    x = call.input(0)
    require_rank(call, 0, 1, max(1, x.rank))
    require_shape(call, 1, x.shape[:1])
    ids = integers(call, 1, (_T.INT32,))
    rises = all(0 <= following - former <= 1 for former, following in pairwise(ids))
    call.require(rises and (not ids or ids[0] == 0), "segment numbers that rise from 0 by 0 or 1 are required, found others")
    return [(bounded(call, ((ids[-1] if ids else -1) + 1, *x.shape[1:])), x.type)]


def _segmented(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, _SUMMED)
    require_type(call, 1, (_T.INT32,))
    x, ids = call.input(0), call.input(1)
    call.require(x.shape[: ids.rank] == ids.shape, f"segment numbers of a shape that starts {x.shape} are required, found {ids.shape}")
    require_rank(call, 2, 0, 1)
    count = integer(call, 2, (_T.INT32,))
    return [(bounded(call, (count, *x.shape[ids.rank :])), x.type)]


def segment_size(call: Call) -> int:
    """Elements of one segment of an UNSORTED_SEGMENT operator or a SEGMENT_SUM."""
    return prod(call.outputs[0].shape[1:])


SCATTER_ND = define(
    OpSpec("SCATTER_ND", BuiltinOperator.SCATTER_ND, inputs=("indices", "updates", "shape"), infer=_scattered, options=ScatterNdOptions)
)

SPARSE_TO_DENSE = define(
    OpSpec(
        "SPARSE_TO_DENSE",
        BuiltinOperator.SPARSE_TO_DENSE,
        inputs=("indices", "output_shape", "values", "default_value"),
        infer=_dense,
        options=SparseToDenseOptions,
        options_optional=True,
        version=_dense_version,
        max_version=3,
    )
)

DYNAMIC_UPDATE_SLICE = define(
    OpSpec(
        "DYNAMIC_UPDATE_SLICE",
        BuiltinOperator.DYNAMIC_UPDATE_SLICE,
        inputs=("operand", "update", "start_indices"),
        infer=_updated,
        options=DynamicUpdateSliceOptions,
        quant=Quant(QuantKind.SAME, activations=(0, 1)),
        version=_updated_version,
        max_version=6,
    )
)

SEGMENT_SUM = define(
    OpSpec("SEGMENT_SUM", BuiltinOperator.SEGMENT_SUM, inputs=("data", "segment_ids"), infer=_summed, options=SegmentSumOptions)
)

_SEGMENT_OPERANDS = ("data", "segment_ids", "num_segments")

UNSORTED_SEGMENT_SUM = define(
    OpSpec(
        "UNSORTED_SEGMENT_SUM",
        BuiltinOperator.UNSORTED_SEGMENT_SUM,
        inputs=_SEGMENT_OPERANDS,
        infer=_segmented,
        options=UnsortedSegmentSumOptions,
    )
)

UNSORTED_SEGMENT_PROD = define(
    OpSpec(
        "UNSORTED_SEGMENT_PROD",
        BuiltinOperator.UNSORTED_SEGMENT_PROD,
        inputs=_SEGMENT_OPERANDS,
        infer=_segmented,
        options=UnsortedSegmentProdOptions,
    )
)

UNSORTED_SEGMENT_MAX = define(
    OpSpec(
        "UNSORTED_SEGMENT_MAX",
        BuiltinOperator.UNSORTED_SEGMENT_MAX,
        inputs=_SEGMENT_OPERANDS,
        infer=_segmented,
        options=UnsortedSegmentMaxOptions,
    )
)

UNSORTED_SEGMENT_MIN = define(
    OpSpec(
        "UNSORTED_SEGMENT_MIN",
        BuiltinOperator.UNSORTED_SEGMENT_MIN,
        inputs=_SEGMENT_OPERANDS,
        infer=_segmented,
        options=UnsortedSegmentMinOptions,
    )
)
