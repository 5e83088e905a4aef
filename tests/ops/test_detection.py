import contextlib
import struct
from dataclasses import dataclass, replace

import numpy as np
import pytest

import jitlite.interpreter.binding.detection  # noqa: F401 - fills the registry
from jitlite.interpreter.interpreter import Interpreter
from jitlite.schemas.errors import ExecutionError, InvalidModelError
from jitlite.schemas.flexbuffers import read_scalars
from jitlite.schemas.ops.detection import TFLITE_DETECTION_POSTPROCESS
from jitlite.schemas.ops.spec import infer
from jitlite.schemas.record import replace as with_fields
from jitlite.schemas.tables import TensorType
from jitlite.schemas.write import write_model
from tests.ops.oracle import Operand, build, call, constant, operand, reference, result, run

T = TensorType


def flexbuffer(values: dict[str, bool | int | float]) -> bytes:
    """A FlexBuffers map of scalars, all values 4 bytes wide."""
    names = sorted(values)
    data, places = b"", []
    for name in names:
        places.append(len(data))
        data += name.encode() + b"\0"
    data += b"\0" * (-len(data) % 4) + struct.pack("<I", len(names))
    keys = len(data)
    for place in places:
        data += struct.pack("<I", len(data) - place)
    data += struct.pack("<III", len(data) - keys, 4, len(names))
    start, types = len(data), b""
    for name in names:
        value = values[name]
        kind = 26 if isinstance(value, bool) else 1 if isinstance(value, int) else 3
        data += struct.pack("<f" if kind == 3 else "<i", value)
        types += bytes([kind << 2 | 2])
    data += types
    return data + struct.pack("<B", len(data) - start) + bytes([9 << 2 | 2, 1])


@dataclass
class Detector:
    """The operator on random boxes around anchors of a grid."""

    boxes: int = 60
    classes: int = 5
    background: int = 1
    type: TensorType = T.FLOAT32
    extra: int = 0

    def operands(self) -> list[Operand]:
        anchors = np.random.default_rng(3).uniform(0.1, 0.9, (self.boxes, 4)).astype(np.float32)
        shapes = (1, self.boxes, 4 + self.extra), (1, self.boxes, self.classes + self.background)
        if self.type is T.FLOAT32:
            return [*(operand(T.FLOAT32, shape) for shape in shapes), constant(anchors, T.FLOAT32)]
        coded = operand(T.UINT8, anchors.shape, 0.006, 0, value=np.round(anchors / 0.006))
        return [operand(T.UINT8, shapes[0], 0.05, 120), operand(T.UINT8, shapes[1], 1 / 256), coded]

    def feeds(self, seed: int = 0) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        shapes = [item.shape for item in self.operands()[:2]]
        if self.type is T.FLOAT32:
            return [rng.normal(0, 2, shapes[0]).astype(np.float32), rng.random(shapes[1]).astype(np.float32)]
        return [rng.integers(60, 180, shapes[0]).astype(np.uint8), rng.integers(0, 256, shapes[1]).astype(np.uint8)]


OPTIONS = {
    "max_detections": 10,
    "max_classes_per_detection": 1,
    "num_classes": 5,
    "nms_score_threshold": 0.3,
    "nms_iou_threshold": 0.5,
    "y_scale": 10.0,
    "x_scale": 10.0,
    "h_scale": 5.0,
    "w_scale": 5.0,
}


def model(detector, options):
    built = build(TFLITE_DETECTION_POSTPROCESS, None, detector.operands(), [result(T.FLOAT32, shape=(1,))] * 4, version=1)
    built.operator_codes[0].custom_code = TFLITE_DETECTION_POSTPROCESS.name
    built.subgraphs[0].operators[0].custom_options = flexbuffer(options)
    return write_model(built)


def check(detector, options, seed=0, levels=0):
    content, feeds = model(detector, options), detector.feeds(seed)
    if levels:
        feeds[1] = np.floor(feeds[1] * levels).astype(np.float32) / levels
    expected, found = reference(content, feeds), run(content, feeds)
    count = int(expected[3][0]) * (1 if options.get("use_regular_nms") else options["max_classes_per_detection"])
    assert found[3] == expected[3]
    assert [item.shape for item in found] == [item.shape for item in expected]
    listed = np.arange(found[1].shape[1]) < count
    if not options.get("use_regular_nms"):
        listed &= np.arange(found[1].shape[1]) % options["max_classes_per_detection"] < options["num_classes"]
    np.testing.assert_array_equal(found[1][:, listed], expected[1][:, listed])
    np.testing.assert_array_equal(found[2][:, listed], expected[2][:, listed])
    np.testing.assert_allclose(found[0][:, listed], expected[0][:, listed], rtol=1e-6, atol=1e-6)
    assert not any(item[:, ~listed].any() for item in found[:3])
    return count


@pytest.mark.parametrize("type", [T.FLOAT32, T.UINT8])
@pytest.mark.parametrize("regular", [False, True])
@pytest.mark.parametrize("background", [0, 1])
@pytest.mark.parametrize("changes", [{}, {"nms_score_threshold": 0.9}, {"nms_iou_threshold": 1.0}, {"max_detections": 100}], ids=str)
def test_detections(type, regular, background, changes):
    detector = Detector(background=background, type=type)
    assert any(check(detector, {**OPTIONS, "use_regular_nms": regular, **changes}, seed) for seed in range(3))


def test_several_classes_of_a_box():
    check(Detector(extra=6), {**OPTIONS, "max_classes_per_detection": 3})


def test_classes_of_equal_scores_come_class_by_class():
    for seed in range(5):
        check(Detector(), {**OPTIONS, "use_regular_nms": True, "max_detections": 20}, seed, levels=3)


@pytest.mark.parametrize("most", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("classes", [2, 9, 20])
def test_classes_of_equal_scores_come_in_the_order_of_the_reference(most, classes):
    for seed in range(3):
        options = {**OPTIONS, "max_classes_per_detection": most, "num_classes": classes}
        check(Detector(classes=classes), options, seed, levels=4)


def test_detections_per_class():
    check(Detector(), {**OPTIONS, "use_regular_nms": True, "detections_per_class": 2, "max_detections": 8})


def test_no_detections():
    assert check(Detector(), {**OPTIONS, "nms_score_threshold": 2.0}) == 0


def test_places_of_classes_that_do_not_exist_are_zero():
    found = run(model(Detector(classes=2), {**OPTIONS, "num_classes": 2, "max_classes_per_detection": 3}), Detector(classes=2).feeds())
    assert (found[2][0, :6] > 0).tolist() == [True, True, False] * 2


def test_boxes_turned_inside_out_fail_at_run_time():
    detector = Detector()
    built = replace(detector.operands()[2], value=-detector.operands()[2].value)
    detector.operands = lambda: [*Detector().operands()[:2], built]
    content = model(detector, OPTIONS)
    with pytest.raises(ExecutionError, match="out of its range"):
        run(content, Detector().feeds())
    with pytest.raises(RuntimeError):
        reference(content, Detector().feeds())


@pytest.mark.parametrize("regular", [False, True])
def test_no_boxes(regular):
    detector = Detector(boxes=0)
    found = run(model(detector, {**OPTIONS, "use_regular_nms": regular}), detector.feeds())
    assert not any(item.any() for item in found)


def test_a_detector_of_the_corpus(corpus):
    path = corpus / "models" / "t0352_ssd_mobilenet_v1_coco_quant_postprocess_.tflite"
    interpreter, rng = Interpreter(str(path)), np.random.default_rng(0)
    interpreter.allocate_tensors()
    feeds = [rng.integers(0, 256, item["shape"]).astype(np.uint8) for item in interpreter.get_input_details()]
    for item, value in zip(interpreter.get_input_details(), feeds):
        interpreter.set_tensor(item["index"], value)
    interpreter.invoke()
    expected = reference(path.read_bytes(), feeds)
    for item, wanted in zip(interpreter.get_output_details(), expected, strict=True):
        np.testing.assert_allclose(interpreter.get_tensor(item["index"]), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "detector", "message"),
    [
        ({"max_detections": 0}, Detector(), "max_detections of 1"),
        ({"max_classes_per_detection": -1}, Detector(), "max_classes_per_detection of 1"),
        ({"nms_iou_threshold": 1.5}, Detector(), "nms_iou_threshold in"),
        ({"num_classes": 3}, Detector(), "class predictions of shape"),
        ({"max_detections": 2**30}, Detector(), "an output of at most"),
    ],
)
def test_illegal_calls(changes, detector, message):
    described = call(TFLITE_DETECTION_POSTPROCESS, None, detector.operands())
    with pytest.raises(InvalidModelError, match=message):
        infer(with_fields(described, custom_options=flexbuffer({**OPTIONS, **changes})))


def test_options_are_read():
    assert read_scalars(flexbuffer({"a": True, "b": -3, "c": 0.5})) == {"a": True, "b": -3, "c": 0.5}


@pytest.mark.parametrize("cut", range(60))
def test_damaged_options_are_errors(cut):
    data = flexbuffer({"a": True, "b": -3, "c": 0.5})
    for damaged in (data[:cut], data[cut:], data[:cut] + b"\xff" + data[cut + 1 :]):
        with contextlib.suppress(InvalidModelError):
            read_scalars(damaged)
