"""Scripts in the manner of TensorFlow's tutorials of tf.lite, run with its converter and interpreter, and with jitlite's."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from jitlite import lite
from tests.engines import data
from tests.engines.agreement import needs

pytestmark = needs("tensorflow", "keras", "tf2onnx")

PICTURES, LABELS = data.stripes(512)
TEST, _ = data.stripes(100, seed=1)

FLOAT32 = """
converter = lite.TFLiteConverter.from_keras_model(model)
tflite_model = converter.convert()
"""

FROM_SAVED_MODEL = """
model.export(folder / "saved", verbose=False)
converter = lite.TFLiteConverter.from_saved_model(str(folder / "saved"))
tflite_model = converter.convert()
"""

FROM_CONCRETE_FUNCTIONS = """
@tf.function(input_signature=[tf.TensorSpec([None, 16, 16, 1], tf.float32, name="picture")])
def serve(picture):
    return {"scores": model(picture, training=False)}

converter = lite.TFLiteConverter.from_concrete_functions([serve.get_concrete_function()], model)
tflite_model = converter.convert()
"""

DYNAMIC_RANGE = """
converter = lite.TFLiteConverter.from_keras_model(model)
converter.optimizations = [lite.Optimize.DEFAULT]
tflite_model = converter.convert()
"""

FLOAT16 = """
converter = lite.TFLiteConverter.from_keras_model(model)
converter.optimizations = [lite.Optimize.DEFAULT]
converter.target_spec.supported_types = [tf.float16]
tflite_model = converter.convert()
"""

FLOAT_FALLBACK = """
def representative_data_gen():
    for input_value in tf.data.Dataset.from_tensor_slices(train_images).batch(1).take(100):
        yield [input_value]

converter = lite.TFLiteConverter.from_keras_model(model)
converter.optimizations = [lite.Optimize.DEFAULT]
converter.representative_dataset = representative_data_gen
tflite_model = converter.convert()
"""

INTEGER_ONLY = FLOAT_FALLBACK.replace(
    "tflite_model =",
    """
converter.target_spec.supported_ops = [lite.OpsSet.TFLITE_BUILTINS_INT8]
converter.inference_input_type = tf.uint8
converter.inference_output_type = tf.uint8
tflite_model =""",
)

RUN = """
tflite_model_file = folder / "model.tflite"
tflite_model_file.write_bytes(tflite_model)
interpreter = lite.Interpreter(model_path=str(tflite_model_file))
interpreter.allocate_tensors()
input_details = interpreter.get_input_details()[0]
output_details = interpreter.get_output_details()[0]
predictions = np.zeros((len(test_images),), dtype=int)
for i, test_image in enumerate(test_images):
    if input_details["dtype"] == np.uint8:
        input_scale, input_zero_point = input_details["quantization"]
        test_image = np.clip(np.round(test_image / input_scale + input_zero_point), 0, 255)
    test_image = np.expand_dims(test_image, axis=0).astype(input_details["dtype"])
    interpreter.set_tensor(input_details["index"], test_image)
    interpreter.invoke()
    output = interpreter.get_tensor(output_details["index"])[0]
    predictions[i] = output.argmax()
"""


@pytest.fixture(scope="module")
def model() -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    found = keras.Sequential(
        [
            keras.Input((16, 16, 1), name="picture"),
            layers.Conv2D(12, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(16, activation="relu"),
            layers.Dense(data.CLASSES),
        ]
    )
    found.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    found.fit(PICTURES, LABELS, epochs=4, verbose=0)
    return found


def outcome(script: str, names: ModuleType, model: Any, folder: Path) -> dict[str, Any]:
    import tensorflow as tf

    folder.mkdir()
    found = {"tf": tf, "np": np, "lite": names, "model": model, "folder": folder, "train_images": PICTURES, "test_images": TEST}
    exec(script + RUN, found)
    return found


@pytest.mark.parametrize(
    "script",
    [FLOAT32, FROM_SAVED_MODEL, FROM_CONCRETE_FUNCTIONS, DYNAMIC_RANGE, FLOAT16, FLOAT_FALLBACK, INTEGER_ONLY],
    ids=["float32", "saved model", "concrete functions", "dynamic range", "float16", "float fallback", "integer only"],
)
def test_a_script_gives_what_it_gives_with_tensorflow(script: str, model: Any, tmp_path: Path) -> None:
    import tensorflow as tf

    ours, theirs = outcome(script, lite, model, tmp_path / "ours"), outcome(script, tf.lite, model, tmp_path / "theirs")
    for details in ("input_details", "output_details"):
        assert ours[details]["dtype"] is theirs[details]["dtype"]
        assert list(ours[details]["shape_signature"]) == list(theirs[details]["shape_signature"])
    signatures = [found["interpreter"].get_signature_list() for found in (ours, theirs)]
    assert signatures[0] == signatures[1]
    if script != FROM_CONCRETE_FUNCTIONS:  # TensorFlow's converter leaves the variables of a Keras 3 model out here
        assert len(ours["tflite_model"]) < 1.3 * len(theirs["tflite_model"])
        assert (ours["predictions"] == theirs["predictions"]).mean() >= 0.97
    wanted = model.predict(TEST, verbose=0).argmax(1)
    assert (ours["predictions"] == wanted).mean() >= 0.97
