"""The binding of TFLite_Detection_PostProcess, in NumPy: a model has one, at its end."""

from collections.abc import Sequence
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


def _real(values: Array, info: TensorInfo) -> Array:
    if info.type is TensorType.FLOAT32:
        return values
    return (values.astype(np.float32) - np.float32(info.zero_point)) * np.float32(info.scale)


def _decoded(encoded: Array, anchors: Array, scales: Sequence[float]) -> Array:
    """Corners (ymin, xmin, ymax, xmax) of boxes; arithmetic is float64 until centres and halves are rounded, as in the reference."""
    boxes, places = encoded.astype(np.float64), anchors.astype(np.float64)
    divisors = np.array([np.float32(scale) for scale in scales], np.float64)
    centres = (boxes[:, :2] / divisors[:2] * places[:, 2:] + places[:, :2]).astype(np.float32)
    halves = (0.5 * np.exp(boxes[:, 2:] / divisors[2:]) * places[:, 2:]).astype(np.float32)
    return np.concatenate([centres - halves, centres + halves], axis=1)


def _overlaps(box: Array, others: Array) -> Array:
    """Intersection over union of a box with others; 0 where either has no area."""
    sizes, own = others[:, 2:] - others[:, :2], box[2:] - box[:2]
    areas, area = sizes[:, 0] * sizes[:, 1], own[0] * own[1]
    common = np.maximum(np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]), np.float32(0))
    shared = common[:, 0] * common[:, 1]
    overlaps: Array = np.where((areas <= 0) | (area <= 0), np.float32(0), shared / (area + areas - shared))
    return overlaps


def _selected(boxes: Array, scores: Array, options: DetectionOptions, most: int) -> Indices:
    """Up to `most` boxes by falling score, none of which overlaps a better one by more than the threshold."""
    kept = np.flatnonzero(scores >= np.float32(options.score_threshold))
    waiting = kept[np.argsort(-scores[kept], kind="stable")]
    chosen: list[int] = []
    while waiting.size and len(chosen) < most:
        best, waiting = waiting[0], waiting[1:]
        chosen.append(int(best))
        waiting = waiting[~(_overlaps(boxes[best], boxes[waiting]) > np.float32(options.iou_threshold))]
    return np.array(chosen, np.int64)


def _regular(boxes: Array, scores: Array, options: DetectionOptions) -> tuple[Indices, Indices, int]:
    """Boxes and classes found class by class, the best of all first."""
    most = options.max_detections
    found, classes, values = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
    for number in range(options.num_classes):
        chosen = _selected(boxes, scores[:, number], options, min(options.detections_per_class, most))
        values = np.concatenate([values, scores[chosen, number]])
        order = np.argsort(-values, kind="stable")[:most]
        found, values = np.concatenate([found, chosen])[order], values[order]
        classes = np.concatenate([classes, np.full(chosen.size, number)])[order]
    return found, classes, len(found)


def _fast(boxes: Array, scores: Array, options: DetectionOptions) -> tuple[Indices, Indices, int]:
    """Boxes by their best class, each with its best classes; -1 fills up where there are fewer classes."""
    count = min(options.max_classes_per_detection, options.num_classes)
    best = scores.max(axis=1) if len(scores) else np.zeros(0, np.float32)
    chosen = _selected(boxes, best, options, options.max_detections)
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
            boxes = _decoded(encoded[0, :, :4], anchors[:count], options.scales)
            if (boxes[:, :2] > boxes[:, 2:]).any():
                raise ExecutionError(f"{call.where}: boxes whose corners are in order are required, found others")
            scores = predictions[0, :, predictions.shape[2] - options.num_classes :]
            found, classes, number = (_regular if options.use_regular_nms else _fast)(boxes, scores, options)
        listed = np.zeros((1, results, 4), np.float32), np.zeros((1, results), np.float32), np.zeros((1, results), np.float32)
        places = np.flatnonzero(classes >= 0)
        found, classes = found[places], classes[places]
        listed[0][0, places], listed[1][0, places], listed[2][0, places] = boxes[found], classes, scores[found, classes]
        return [*listed, np.array([number], np.float32)]

    return HostStep(run)
