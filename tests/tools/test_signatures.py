"""Several ONNX models as the signatures of one .tflite model."""

import numpy as np
import pytest

import jitlite
from jitlite.converter import ConvertOptions
from jitlite.schemas import ConversionError, Model, write_model
from jitlite.tools.check import CheckData, CheckLimits, check_conversion
from jitlite.tools.runners import OnnxModel
from jitlite.tools.signatures import Signature, convert_signatures
from tests.tools.network import images, network


def test_each_model_is_a_signature() -> None:
    models = {"first": network(seed=1), "second": network(seed=2), "again": network(seed=1)}
    found = convert_signatures(models, ConvertOptions(shapes={"image": (2, 3, 8, 8)}))
    alone = convert_signatures({"first": models["first"]}, ConvertOptions(shapes={"image": (2, 3, 8, 8)}))
    assert len(write_model(found)) < 2.5 * len(write_model(alone))
    interpreter = jitlite.Interpreter(model_content=write_model(found))
    for key, model in models.items():
        feed = {"image": images(2)}
        np.testing.assert_allclose(
            interpreter.get_signature_runner(key)(**feed)["scores"], OnnxModel(model).run(feed)["scores"], rtol=1e-4, atol=1e-5
        )


def test_one_model_keeps_the_default_signature() -> None:
    found = convert_signatures({"serving_default": network()}, ConvertOptions())
    assert [entry.signature_key for entry in found.signature_defs] == ["serving_default"]
    named = convert_signatures({"predict": network()}, ConvertOptions())
    assert [entry.signature_key for entry in named.signature_defs] == ["predict"]


def test_options_name_inputs_of_some_signature() -> None:
    with pytest.raises(ConversionError, match="the inputs of all signatures are image; found picture"):
        convert_signatures({"a": network(), "b": network()}, ConvertOptions(shapes={"picture": (1, 3, 8, 8)}))


def test_each_signature_is_finished_by_itself() -> None:
    seen = []

    def finish(signature: Signature, model: Model) -> Model:
        reference = OnnxModel(signature.source)
        found = check_conversion(reference, write_model(model), CheckData(), CheckLimits(1e-4, 10, is_quantized=False))
        seen.append((signature.key, found.failures()))
        return model

    convert_signatures({"a": network(seed=1), "b": network(seed=2)}, ConvertOptions(), finish)
    assert seen == [("a", []), ("b", [])]
