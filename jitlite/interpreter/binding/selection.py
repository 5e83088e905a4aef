"""Bindings of WHERE and UNIQUE, whose results are computed with their shapes, and of NON_MAX_SUPPRESSION."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.boxes import BOXES
from jitlite.interpreter.binding.registry import Scratch, Step, binds, kernels
from jitlite.schemas.dtypes import numpy_dtype
from jitlite.schemas.ops.selection import NON_MAX_SUPPRESSION_V4, NON_MAX_SUPPRESSION_V5, UNIQUE, WHERE, unique_values
from jitlite.schemas.ops.spec import Call, TensorInfo

Array = NDArray[Any]
_VECTOR_BYTES = 64


def _known(value: Array, y: TensorInfo) -> Step:
    """The step that stores a value known when the operator is bound, as planning folds it."""
    dense = np.ascontiguousarray(value, numpy_dtype(y.type)).reshape(-1).view(np.uint8)
    return BOXES.copy_bytes(dense, y, dense.size)


@binds(WHERE)
def where(call: Call) -> Step:
    return _known(np.argwhere(call.constant(0)), call.outputs[0])


@binds(UNIQUE)
def unique(call: Call) -> list[Step]:
    return [_known(value, y) for value, y in zip(unique_values(call), call.outputs, strict=True)]


@binds(NON_MAX_SUPPRESSION_V4)
@binds(NON_MAX_SUPPRESSION_V5)
def non_max_suppression(call: Call) -> Step:
    is_soft, count, most = call.spec is NON_MAX_SUPPRESSION_V5, call.input(0).shape[0], call.outputs[0].shape[0]
    return kernels("suppression").step(
        "non_max_suppression",
        boxes=call.input(0),
        scores=call.input(1),
        iou_threshold=call.input(3),
        score_threshold=call.input(4),
        sigma=call.input(5) if is_soft else np.zeros(1, np.float32),
        selected=call.outputs[0],
        values=call.outputs[1] if is_soft else Scratch(4 * most),
        number=call.outputs[-1],
        count=count,
        most=most,
        queue_scores=Scratch(4 * count),
        queue_boxes=Scratch(8 * count),
        queue_compared=Scratch(8 * count),
        lane=Scratch(_VECTOR_BYTES),
    )
