"""The binding of TFLite_Detection_PostProcess, in NumPy: a model has one, at its end."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.partial_sort import largest
from jitlite.interpreter.binding.registry import HostStep, binds
from jitlite.schemas.errors import ExecutionError
from jitlite.schemas.ops.detection import TFLITE_DETECTION_POSTPROCESS, DetectionOptions, detection_options
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.tables import TensorType

Array = NDArray[Any]
Indices = NDArray[np.int64]

_BLOCK = 48
"""Boxes that are compared with each other at once; the best few of many are asked for."""


def _real(values: Array, info: TensorInfo) -> Array:
    if info.type is TensorType.FLOAT32:
        return values
    return (values.astype(np.float32) - np.float32(info.zero_point)) * np.float32(info.scale)


def _decoded(encoded: Array, anchors: Array, scales: Sequence[float]) -> Array:
    """Corners [ymin, xmin, ymax, xmax] of boxes, [4, boxes]: in float64 until centres and halves are rounded, as in the reference."""
    boxes, places = encoded.T.astype(np.float64), anchors.T.astype(np.float64)
    divisors = np.array([np.float32(scale) for scale in scales], np.float64)[:, None]
    centres = (boxes[:2] / divisors[:2] * places[2:] + places[:2]).astype(np.float32)
    halves = (0.5 * np.exp(boxes[2:] / divisors[2:]) * places[2:]).astype(np.float32)
    return np.concatenate([centres - halves, centres + halves])


def _best(predictions: Array, classes: int) -> Array:
    """The greatest of the last `classes` scores of each box; rows are short, so that `max` along them would take twice the time."""
    boxes, width = predictions.shape
    if predictions.size == 0:
        return np.zeros(boxes, np.float32)
    starts = np.arange(boxes)[:, None] * width + np.array([width - classes, width])
    best: Array = np.maximum.reduceat(predictions.reshape(-1), starts.reshape(-1)[:-1])[::2]
    return best


def _overlaps(boxes: Array, others: Array) -> Array:
    """Intersection over union of each box with each of the others; 0 where either has no area."""
    mine, theirs = boxes[:, None], others[None]
    own, sizes = mine[..., 2:] - mine[..., :2], theirs[..., 2:] - theirs[..., :2]
    area, areas = own[..., 0] * own[..., 1], sizes[..., 0] * sizes[..., 1]
    common = np.maximum(np.minimum(mine[..., 2:], theirs[..., 2:]) - np.maximum(mine[..., :2], theirs[..., :2]), np.float32(0))
    shared = common[..., 0] * common[..., 1]
    overlaps: Array = np.where((areas <= 0) | (area <= 0), np.float32(0), shared / (area + areas - shared))
    return overlaps


def _by_falling_score(scores: Array, kept: Indices) -> Iterator[Indices]:
    """The kept boxes by falling score, equals in order, in blocks; those behind the best few are sorted when they are asked for."""
    rest = kept
    if kept.size > 4 * _BLOCK:
        least = -np.partition(-scores[kept], 2 * _BLOCK)[2 * _BLOCK]
        is_best = scores[kept] >= least
        best, rest = kept[is_best], kept[~is_best]
        yield from _blocks(scores, best)
    yield from _blocks(scores, rest)


def _blocks(scores: Array, kept: Indices) -> Iterator[Indices]:
    order = kept[np.argsort(-scores[kept], kind="stable")]
    for first in range(0, order.size, _BLOCK):
        yield order[first : first + _BLOCK]


def _selected(boxes: Array, scores: Array, options: DetectionOptions, most: int) -> Indices:
    """Up to `most` boxes by falling score, none of which overlaps a better one by more than the threshold."""
    kept, limit = np.flatnonzero(scores >= np.float32(options.score_threshold)), np.float32(options.iou_threshold)
    chosen: list[int] = []
    for candidates in _by_falling_score(scores, kept):
        block = candidates[~(_overlaps(boxes[chosen], boxes[candidates]) > limit).any(axis=0)] if chosen else candidates
        clashes, is_free = _overlaps(boxes[block], boxes[block]) > limit, np.ones(block.size, np.bool_)
        for place, box in enumerate(block.tolist()):
            if is_free[place]:
                if len(chosen) == most:
                    return np.array(chosen, np.int64)
                chosen.append(box)
                is_free &= ~clashes[place]
    return np.array(chosen, np.int64)


def _regular(boxes: Array, predictions: Array, options: DetectionOptions) -> tuple[Indices, Indices, int]:
    """Boxes and classes found class by class, the best of all first."""
    scores = predictions[:, predictions.shape[1] - options.num_classes :]
    most = options.max_detections
    found, classes, values = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
    for number in range(options.num_classes):
        chosen = _selected(boxes, scores[:, number], options, min(options.detections_per_class, most))
        values = np.concatenate([values, scores[chosen, number]])
        order = np.argsort(-values, kind="stable")[:most]
        found, values = np.concatenate([found, chosen])[order], values[order]
        classes = np.concatenate([classes, np.full(chosen.size, number)])[order]
    return found, classes, len(found)


def _fast(boxes: Array, predictions: Array, options: DetectionOptions) -> tuple[Indices, Indices, int]:
    """Boxes by their best class, each with its best classes; -1 fills up where there are fewer classes."""
    count = min(options.max_classes_per_detection, options.num_classes)
    scores = predictions[:, predictions.shape[1] - options.num_classes :]
    chosen = _selected(boxes, _best(predictions, options.num_classes), options, options.max_detections)
    classes = np.full((len(chosen), options.max_classes_per_detection), -1)
    for place, box in enumerate(chosen):
        classes[place, :count] = int(scores[box].argmax()) if count == 1 else largest(scores[box].tolist(), count)
    return np.repeat(chosen, options.max_classes_per_detection), classes.reshape(-1), len(chosen)


@binds(TFLITE_DETECTION_POSTPROCESS)
def detection_postprocess(call: Call) -> HostStep:
    options = detection_options(call)
    count, results = call.input(0).shape[1], call.outputs[1].shape[1]

    def run(arrays: Sequence[Array | None]) -> list[Array]:
        encoded, predictions, anchors = (_real(array, call.input(i)) for i, array in enumerate(arrays) if array is not None)
        with np.errstate(all="ignore"):
            corners = _decoded(encoded[0, :, :4], anchors[:count], options.scales)
            if (corners[:2] > corners[2:]).any():
                raise ExecutionError(f"{call.where}: boxes whose corners are in order are required, found others")
            scores = predictions[0, :, predictions.shape[2] - options.num_classes :]
            boxes = np.ascontiguousarray(corners.T)
            found, classes, number = (_regular if options.use_regular_nms else _fast)(boxes, predictions[0], options)
        listed = np.zeros((1, results, 4), np.float32), np.zeros((1, results), np.float32), np.zeros((1, results), np.float32)
        places = np.flatnonzero(classes >= 0)
        found, classes = found[places], classes[places]
        listed[0][0, places], listed[1][0, places], listed[2][0, places] = boxes[found], classes, scores[found, classes]
        return [*listed, np.array([number], np.float32)]

    return HostStep(run)
