"""The binding of TFLite_Detection_PostProcess: uint8 as numbers, boxes decoded, boxes selected."""

from jitlite.interpreter.binding.registry import Argument, Scratch, Step, binds, kernels
from jitlite.schemas.ops.detection import TFLITE_DETECTION_POSTPROCESS, detection_options
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.tables import TensorType

K = kernels("detection")


def _real(info: TensorInfo) -> tuple[list[Step], Argument]:
    """The steps that make a tensor float32, and what is to be read then."""
    if info.type is TensorType.FLOAT32:
        return [], info
    y = Scratch(4 * info.size)
    return [K.step("real_u8", x=info, y=y, zero_point=float(info.zero_point), scale=info.scale, count=info.size)], y


@binds(TFLITE_DETECTION_POSTPROCESS)
def detection_postprocess(call: Call) -> list[Step]:
    options = detection_options(call)
    (_, count, stride), (_, _, columns) = call.input(0).shape, call.input(1).shape
    inputs = [_real(call.input(index)) for index in range(3)]
    encoded, scores, anchors = (argument for _, argument in inputs)
    boxes = Scratch(16 * count)
    scales = dict(zip(("y_scale", "x_scale", "h_scale", "w_scale"), options.scales, strict=True))
    decode = K.step("decode_boxes", encoded=encoded, anchors=anchors, boxes=boxes, count=count, stride=stride, **scales)
    arguments: dict[str, Argument] = dict(zip(("y_boxes", "y_classes", "y_scores", "y_count"), call.outputs, strict=True))
    arguments |= {
        "boxes": boxes,
        "scores": scores,
        "count": count,
        "stride": columns,
        "first": columns - options.num_classes,
        "classes": options.num_classes,
        "most": options.max_detections,
        "listed": options.max_classes_per_detection,
        "score_threshold": options.score_threshold,
        "iou_threshold": options.iou_threshold,
        "order": Scratch(8 * count),
    }
    if options.use_regular_nms:
        most = options.max_detections
        lists = {"merged": Scratch(8 * most), "former": Scratch(8 * most)}
        detect = K.step("detect_by_class", **arguments, **lists, most_per_class=min(options.detections_per_class, most))
    else:
        detect = K.step("detect_by_box", **arguments, best=Scratch(4 * count), ranked=Scratch(8 * options.num_classes))
    return [*(step for steps, _ in inputs for step in steps), decode, detect]
