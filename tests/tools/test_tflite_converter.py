"""TensorFlow's converter by its names, on ONNX models; `tests/engines` has TensorFlow's own."""

from collections.abc import Iterator
from enum import Enum
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import helper

import jitlite
from jitlite import converter, lite
from jitlite.schemas import CalibrationError, UnsupportedError
from jitlite.tools.runners import OnnxModel, TfliteModel
from jitlite.tools.tflite_options import samples_by_signature
from tests.tools.network import images, network

IMAGES = images(12)


class TheirOpsSet(Enum):
    """Stands for TensorFlow's enumeration, whose members have other classes and the same values."""

    TFLITE_BUILTINS_INT8 = "TFLITE_BUILTINS_INT8"


def each() -> Iterator[list[np.ndarray]]:
    for image in IMAGES:
        yield [image[np.newaxis]]


def made(**attributes: object) -> lite.TFLiteConverter:
    found = lite.TFLiteConverter.from_onnx(network())
    for name, value in attributes.items():
        setattr(found, name, value)
    return found


def int8(**attributes: object) -> lite.TFLiteConverter:
    return made(optimizations=[lite.Optimize.DEFAULT], representative_dataset=each, **attributes)


def sqnr(content: bytes) -> float:
    found, reference = TfliteModel(content), OnnxModel(network())
    wanted = reference.run({"image": IMAGES})["scores"]
    error = found.outputs[0].to_real(found.run({"image": IMAGES})["scores"]) - wanted
    return float(10 * np.log10((wanted**2).sum() / (error**2).sum()))


def test_names_stand_where_they_are_looked_for() -> None:
    for name in ("TFLiteConverter", "Optimize", "OpsSet", "TargetSpec", "RepresentativeDataset"):
        assert getattr(converter, name) is getattr(lite, name)
    assert lite.Interpreter is jitlite.Interpreter
    for module in (converter, lite):
        with pytest.raises(AttributeError, match="has no attribute 'Missing'"):
            module.Missing  # noqa: B018


def test_float32_is_the_default() -> None:
    content = made().convert()
    assert sqnr(content) > 100
    assert TfliteModel(content).inputs[0].shape == (-1, 3, 8, 8)


@pytest.mark.parametrize(
    ("attributes", "least", "weights"),
    [
        ({"optimizations": [lite.Optimize.DEFAULT]}, 30, "int8"),
        ({"optimizations": {lite.Optimize.OPTIMIZE_FOR_SIZE}, "target_spec": lite.TargetSpec(supported_types=[np.float16])}, 60, "float16"),
        ({"optimizations": [lite.Optimize.EXPERIMENTAL_SPARSITY]}, 100, "float32"),
        ({"optimizations": [lite.Optimize.DEFAULT], "representative_dataset": each}, 25, "int8"),
    ],
)
def test_optimizations_choose_the_scheme(attributes: dict[str, object], least: float, weights: str) -> None:
    content = made(**attributes).convert()
    assert sqnr(content) > least
    details = jitlite.Interpreter(model_content=content).get_tensor_details()
    assert weights in {np.dtype(entry["dtype"]).name for entry in details if np.prod(entry["shape"]) >= 5 * 256}


@pytest.mark.parametrize(("given", "returned"), [(np.int8, np.int8), ("uint8", np.uint8), (np.float32, np.int8), (np.int8, np.float32)])
def test_inference_types(given: object, returned: object) -> None:
    content = int8(inference_input_type=given, inference_output_type=returned).convert()
    model = TfliteModel(content)
    assert [model.inputs[0].dtype, model.outputs[0].dtype] == [np.dtype(given), np.dtype(returned)]
    assert sqnr(content) > 25


def test_types_and_operator_sets_of_tensorflow() -> None:
    tf_uint8 = SimpleNamespace(as_numpy_dtype=np.uint8)
    found = int8(inference_input_type=tf_uint8)
    found.target_spec.supported_ops = [TheirOpsSet.TFLITE_BUILTINS_INT8]
    assert TfliteModel(found.convert()).inputs[0].dtype == np.uint8


@pytest.mark.parametrize(
    "dataset",
    [
        each,
        list(each()),
        lite.RepresentativeDataset(each),
        lambda: ({"image": image[np.newaxis]} for image in IMAGES),
        lambda: (("serving_default", {"image": image[np.newaxis]}) for image in IMAGES),
        [IMAGES],
        list(IMAGES),
    ],
    ids=["function", "list", "object", "names", "key", "batch", "arrays"],
)
def test_forms_of_the_representative_dataset(dataset: object) -> None:
    assert made(optimizations=[lite.Optimize.DEFAULT], representative_dataset=dataset).convert() == int8().convert()


def test_samples_of_several_signatures() -> None:
    found = samples_by_signature([("a", {"x": 1}), ("b", {"y": 2}), ("a", {"x": 3})], ["a", "b"])
    assert found == {"a": [{"x": 1}, {"x": 3}], "b": [{"y": 2}]}


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ([{"x": 1}], r"sample 0: a pair of a signature's key \(a, b\) and its inputs is required, found no key"),
        ([("c", {"x": 1})], "found 'c'"),
        ([("a", {"x": 1})], "at least one sample for signature 'b' is required, found none"),
    ],
)
def test_samples_need_a_signature(dataset: list[object], message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        samples_by_signature(dataset, ["a", "b"])


def test_the_key_of_another_signature() -> None:
    found = made(optimizations=[lite.Optimize.DEFAULT], representative_dataset=[("other", {"image": IMAGES})])
    with pytest.raises(CalibrationError, match="sample 0: the key of signature 'serving_default' is required, found 'other'"):
        found.convert()


@pytest.mark.parametrize(
    ("attributes", "error", "message"),
    [
        ({"inference_input_type": np.int8}, ValueError, "float32 is required without integer quantization .*, found int8 and float32"),
        ({"optimizations": ["FASTER"]}, ValueError, "optimizations: one of DEFAULT, .* is required, found 'FASTER'"),
        (
            {"target_spec": lite.TargetSpec([lite.OpsSet.SELECT_TF_OPS])},
            UnsupportedError,
            "TFLITE_BUILTINS .* is required, found SELECT_TF_OPS",
        ),
        (
            {"target_spec": lite.TargetSpec(supported_types=[np.int16])},
            UnsupportedError,
            "float32, float16 and int8 are supported, found int16",
        ),
        (
            {"optimizations": ["DEFAULT"], "target_spec": lite.TargetSpec([lite.OpsSet.TFLITE_BUILTINS_INT8])},
            ValueError,
            "representative_dataset: samples are required for TFLITE_BUILTINS_INT8 alone",
        ),
        (
            {"optimizations": ["DEFAULT"], "representative_dataset": 3},
            TypeError,
            "a function or an iterable of samples is required, found int",
        ),
        ({"inference_input_type": "numbers"}, TypeError, r"inference_input_type: a type such as np.int8 or tf.int8 is required"),
    ],
)
def test_attributes_that_ask_for_what_is_not_there(attributes: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        made(**attributes).convert()


def test_16_bits_are_unsupported() -> None:
    sets = [lite.OpsSet.TFLITE_BUILTINS, lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
    with pytest.raises(UnsupportedError, match="activations of 8 bits are supported"):
        int8(target_spec=lite.TargetSpec(sets)).convert()


def test_integers_alone_where_an_operator_has_no_integer_form() -> None:
    model = network()
    model.graph.node.append(helper.make_node("Floor", ["scores"], ["whole"], "floor"))
    model.graph.output[0].name = "whole"
    onnx.checker.check_model(model)
    found = lite.TFLiteConverter.from_onnx(model)
    found.optimizations, found.representative_dataset = [lite.Optimize.DEFAULT], each
    assert "FLOOR" in [op["op_name"] for op in jitlite.Interpreter(model_content=found.convert())._get_ops_details()]
    found.target_spec.supported_ops = [lite.OpsSet.TFLITE_BUILTINS_INT8]
    with pytest.raises(UnsupportedError, match=r"operators on integers are required, these are not\n  \d+ FLOOR: it has no int8 form"):
        found.convert()


def test_unknown_attributes_are_named() -> None:
    with pytest.raises(AttributeError, match=r"one of optimizations, .* is required, found 'optimisations'"):
        made(optimisations=[])
    with pytest.raises(AttributeError, match="TFLiteConverter has no attribute 'post_training_quantize'"):
        made().post_training_quantize  # noqa: B018


def test_shapes_and_layout_of_jitlite() -> None:
    found = made(shapes={"image": (2, 3, 8, 8)}, nhwc_inputs=True, experimental_new_converter=True, allow_custom_ops=True)
    assert TfliteModel(found.convert()).inputs[0].shape == (2, 8, 8, 3)


def test_functions_need_different_names() -> None:
    same = SimpleNamespace(graph=SimpleNamespace(name="f"))
    with pytest.raises(ValueError, match="functions of different names are required, found f, f"):
        lite.TFLiteConverter.from_concrete_functions([same, same])
    with pytest.raises(ValueError, match="found none"):
        lite.TFLiteConverter.from_concrete_functions([])
