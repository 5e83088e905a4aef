"""Bindings of WHERE, UNIQUE and NON_MAX_SUPPRESSION, in NumPy: their results are few."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.boxes import BOXES
from jitlite.interpreter.binding.registry import HostStep, Step, binds
from jitlite.schemas.dtypes import numpy_dtype
from jitlite.schemas.errors import ExecutionError
from jitlite.schemas.ops.selection import NON_MAX_SUPPRESSION_V4, NON_MAX_SUPPRESSION_V5, UNIQUE, WHERE, unique_values
from jitlite.schemas.ops.spec import Call, TensorInfo

Array = NDArray[Any]
Candidate = tuple[np.float32, int, int]
"""A score, a box, and how many of the selected boxes it has been compared with."""


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


class _Queue:
    """A heap of candidates, the best first; those of one score leave in the order of the reference's, a binary heap of libstdc++."""

    def __init__(self) -> None:
        self._heap: list[Candidate] = []

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, candidate: Candidate) -> None:
        self._heap.append(candidate)
        self._raise(len(self._heap) - 1, candidate)

    def pop(self) -> Candidate:
        heap = self._heap
        best, last = heap[0], heap.pop()
        if heap:
            place = 0
            while 2 * place + 1 < len(heap):
                child = 2 * place + 1
                if child + 1 < len(heap) and not heap[child + 1][0] < heap[child][0]:
                    child += 1
                heap[place] = heap[child]
                place = child
            self._raise(place, last)
        return best

    def _raise(self, place: int, candidate: Candidate) -> None:
        """Puts a candidate into an empty place, or above it where parents are worse."""
        heap = self._heap
        while place > 0 and heap[(place - 1) // 2][0] < candidate[0]:
            heap[place] = heap[(place - 1) // 2]
            place = (place - 1) // 2
        heap[place] = candidate


def _overlaps(corners: Array, box: int, others: Sequence[int]) -> Array:
    """Intersection over union of a box with others; `corners` are (ymin, xmin, ymax, xmax). 0 where either has no area."""
    own, rest = corners[box], corners[list(others)]
    sizes, size = rest[:, 2:] - rest[:, :2], own[2:] - own[:2]
    areas, area = sizes[:, 0] * sizes[:, 1], size[0] * size[1]
    common = np.maximum(np.minimum(own[2:], rest[:, 2:]) - np.maximum(own[:2], rest[:, :2]), np.float32(0))
    shared = common[:, 0] * common[:, 1]
    overlaps: Array = np.where((areas <= 0) | (area <= 0), np.float32(0), shared / (area + areas - shared))
    return overlaps


def _lowered(score: np.float32, overlaps: Array, limits: tuple[Array, Array], scale: np.float32) -> np.float32 | None:
    """The score behind the overlaps with better boxes, the last selected first; None where one suppresses the box."""
    iou_threshold, score_threshold = limits
    for overlap in overlaps:
        if overlap >= iou_threshold:
            return None
        if scale:
            score = np.float32(score * np.exp(scale * overlap * overlap))
        if score <= score_threshold:
            break
    return score


def _select(boxes: Array, scores: Array, most: int, limits: tuple[Array, Array], scale: np.float32) -> tuple[list[int], list[np.float32]]:
    """Boxes and their scores as soft suppression selects them; `scale` is 0 where overlaps suppress or leave a box as it is."""
    corners = np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1)
    queue = _Queue()
    for box in np.flatnonzero(scores > limits[1]).tolist():
        queue.push((scores[box], box, 0))
    most = min(most, len(queue))
    selected: list[int] = []
    values: list[np.float32] = []
    while len(selected) < most and len(queue):
        original, box, compared = queue.pop()
        overlaps = _overlaps(corners, box, selected[compared:])[::-1]
        compared = len(selected)
        score = _lowered(original, overlaps, limits, scale)
        if score is None:
            continue
        if score == original:
            selected.append(box)
            values.append(score)
        if score > limits[1]:
            queue.push((score, box, compared))
    return selected, values


@binds(NON_MAX_SUPPRESSION_V4)
@binds(NON_MAX_SUPPRESSION_V5)
def non_max_suppression(call: Call) -> HostStep:
    is_soft, most = call.spec is NON_MAX_SUPPRESSION_V5, call.outputs[0].shape[0]

    def run(arrays: Sequence[Array | None]) -> list[Array]:
        boxes, scores, _, *limits = (array for array in arrays if array is not None)
        sigma = float(limits[2]) if is_soft else 0.0
        if sigma < 0:
            raise ExecutionError(f"{call.where}: a sigma of 0 or more is required, found {sigma}")
        with np.errstate(all="ignore"):
            scale = np.float32(-0.5 / sigma if sigma > 0 else 0)
            selected, values = _select(boxes, scores, most, (limits[0], limits[1]), scale)
        indices, lowered = np.zeros(most, np.int32), np.zeros(most, np.float32)
        indices[: len(selected)], lowered[: len(values)] = selected, values
        count = np.array(len(selected), np.int32)
        return [indices, lowered, count] if is_soft else [indices, count]

    return HostStep(run)
