"""The custom operator behind SSD detectors: decodes boxes, suppresses those that overlap better ones, and lists what is left."""

from typing import NamedTuple

import numpy as np

from jitlite.schemas.flexbuffers import read_scalars
from jitlite.schemas.ops.operands import bounded, require_rank, require_type
from jitlite.schemas.ops.spec import Call, OpSpec, Shape, define
from jitlite.schemas.tables import BuiltinOperator, TensorType

_DETECTIONS_PER_CLASS = 100
_MOST = 2**31 - 1


class DetectionOptions(NamedTuple):
    """The operator's options; `scales`, float32 numbers, divide the encoded y, x, h and w."""

    max_detections: int
    max_classes_per_detection: int
    detections_per_class: int
    use_regular_nms: bool
    score_threshold: float
    iou_threshold: float
    num_classes: int
    scales: tuple[float, float, float, float]


def detection_options(call: Call) -> DetectionOptions:
    """The options of a call; integers and numbers that are left out are 0."""
    found = {key: value for key, value in read_scalars(call.custom_options).items() if value is not None}
    counts = {name: int(found.get(name, 0)) for name in ("max_detections", "max_classes_per_detection", "num_classes")}
    per_class = int(found.get("detections_per_class", _DETECTIONS_PER_CLASS))
    for name, value in (*counts.items(), ("detections_per_class", per_class)):
        call.require(0 < value <= _MOST, f"{name} of 1 to {_MOST} is required, found {value}")
    with np.errstate(over="ignore"):
        y, x, h, w = (float(np.float32(found.get(f"{name}_scale", 0))) for name in "yxhw")
    options = DetectionOptions(
        counts["max_detections"],
        counts["max_classes_per_detection"],
        per_class,
        bool(found.get("use_regular_nms", False)),
        float(found.get("nms_score_threshold", 0)),
        float(found.get("nms_iou_threshold", 0)),
        counts["num_classes"],
        (y, x, h, w),
    )
    call.require(0 < options.iou_threshold <= 1, f"nms_iou_threshold in (0, 1] is required, found {options.iou_threshold}")
    return options


def _detections(call: Call) -> list[tuple[Shape, TensorType]]:
    options = detection_options(call)
    for index, rank in enumerate((3, 3, 2)):
        require_type(call, index, (TensorType.FLOAT32, TensorType.UINT8))
        require_rank(call, index, rank, rank)
    boxes, scores, anchors = (call.input(index) for index in range(3))
    call.require(boxes.type is anchors.type, f"anchors of type {boxes.type.name} are required, found {anchors.type.name}")
    call.require(boxes.shape[0] == 1 and boxes.shape[2] >= 4, f"boxes of shape (1, n, 4 or more) are required, found {boxes.shape}")
    count = boxes.shape[1]
    classes = (options.num_classes, options.num_classes + 1)
    fits = scores.shape[:2] == (1, count) and scores.shape[2] in classes
    call.require(fits, f"class predictions of shape (1, {count}, {classes[0]} or {classes[1]}) are required, found {scores.shape}")
    fits = anchors.shape[0] >= count and anchors.shape[1] == 4
    call.require(fits, f"anchors of shape ({count} or more, 4) are required, found {anchors.shape}")
    results = options.max_detections * options.max_classes_per_detection
    shapes = ((1, results, 4), (1, results), (1, results), (1,))
    return [(bounded(call, shape), TensorType.FLOAT32) for shape in shapes]


TFLITE_DETECTION_POSTPROCESS = define(
    OpSpec(
        "TFLite_Detection_PostProcess",
        BuiltinOperator.CUSTOM,
        inputs=("box_encodings", "class_predictions", "anchors"),
        outputs=("boxes", "classes", "scores", "count"),
        infer=_detections,
    )
)
