"""Operators whose results are as many as their operands' values say: WHERE, UNIQUE and the suppression of overlapping boxes."""

import numpy as np
from numpy.typing import NDArray

from jitlite.schemas.ops.operands import bounded, integer, require_rank, require_shape, require_type
from jitlite.schemas.ops.spec import Call, OpSpec, Shape, define
from jitlite.schemas.tables import (
    BuiltinOperator,
    NonMaxSuppressionV4Options,
    NonMaxSuppressionV5Options,
    TensorType,
    UniqueOptions,
    WhereOptions,
)

_T = TensorType
_CONDITIONS = (_T.BOOL, _T.FLOAT32, _T.INT64, _T.INT32, _T.INT8, _T.UINT8, _T.UINT32)
_COUNTED = (_T.INT8, _T.INT16, _T.INT32, _T.INT64, _T.FLOAT32, _T.UINT8)


def _true_places(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, _CONDITIONS)
    condition = call.input(0)
    require_rank(call, 0, 1, max(1, condition.rank))
    return [(bounded(call, (int(np.count_nonzero(call.constant(0))), condition.rank)), _T.INT64)]


def unique_values(call: Call) -> tuple[NDArray[np.generic], NDArray[np.int64]]:
    """The different values of UNIQUE's operand as they occur first, and for each element which of them it is.

    The reference looks elements up in a sorted map: a NaN finds the least value so far, and one that comes first is all there is.
    """
    x = call.constant(0)
    if x.dtype.kind == "f" and np.isnan(x).any():
        x = np.full_like(x, x[0]) if np.isnan(x[0]) else np.where(np.isnan(x), np.fmin.accumulate(x), x)
    _, first, which = np.unique(x, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty(order.size, np.int64)
    place[order] = np.arange(order.size)
    return x[first[order]], place[which.reshape(-1)]


def _unique(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, _COUNTED)
    require_rank(call, 0, 1, 1)
    type = call.options.idx_out_type
    call.require(type in (_T.INT32, _T.INT64), f"idx_out_type INT32 or INT64 is required, found {TensorType(type).name}")
    x = call.input(0)
    return [((unique_values(call)[0].size,), x.type), (x.shape, type)]


def _suppressed(call: Call) -> list[tuple[Shape, TensorType]]:
    is_soft = call.spec is NON_MAX_SUPPRESSION_V5
    for index in (0, 1, 3, 4, 5) if is_soft else (0, 1, 3, 4):
        require_type(call, index, (_T.FLOAT32,))
    require_rank(call, 0, 2, 2)
    count = call.input(0).shape[0]
    require_shape(call, 0, (count, 4))
    require_shape(call, 1, (count,))
    for index in range(2, len(call.inputs)):
        require_rank(call, index, 0, 0)
    shape = bounded(call, (integer(call, 2, (_T.INT32,)),))
    results: list[tuple[Shape, TensorType]] = [(shape, _T.INT32), (shape, _T.FLOAT32), ((), _T.INT32)]
    return results if is_soft else [results[0], results[2]]


def _where_version(call: Call) -> int:
    return 1 if call.input(0).type is _T.BOOL else 2


WHERE = define(
    OpSpec(
        "WHERE",
        BuiltinOperator.WHERE,
        inputs=("condition",),
        infer=_true_places,
        options=WhereOptions,
        version=_where_version,
        max_version=2,
    )
)

UNIQUE = define(
    OpSpec("UNIQUE", BuiltinOperator.UNIQUE, inputs=("input",), outputs=("values", "indices"), infer=_unique, options=UniqueOptions)
)

_BOXES = ("boxes", "scores", "max_output_size", "iou_threshold", "score_threshold")

NON_MAX_SUPPRESSION_V4 = define(
    OpSpec(
        "NON_MAX_SUPPRESSION_V4",
        BuiltinOperator.NON_MAX_SUPPRESSION_V4,
        inputs=_BOXES,
        outputs=("selected_indices", "num_selected"),
        infer=_suppressed,
        options=NonMaxSuppressionV4Options,
    )
)

NON_MAX_SUPPRESSION_V5 = define(
    OpSpec(
        "NON_MAX_SUPPRESSION_V5",
        BuiltinOperator.NON_MAX_SUPPRESSION_V5,
        inputs=(*_BOXES, "sigma"),
        outputs=("selected_indices", "selected_scores", "num_selected"),
        infer=_suppressed,
        options=NonMaxSuppressionV5Options,
    )
)
