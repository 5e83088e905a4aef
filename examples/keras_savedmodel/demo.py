"""Trains a small network with Keras, saves it as a SavedModel, makes an int8 .tflite of it with jitlite, and runs that.

    python examples/keras_savedmodel/demo.py --output build/keras

needs TensorFlow, Keras 3 and tf2onnx beside jitlite: pip install 'jitlite[all]' tensorflow-cpu 'keras>=3' 'tf2onnx>=1.17'
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from jitlite import lite

DATA = Path(__file__).resolve().parent.parent / "fashion_mnist" / "test.npz"
TRAINED_ON = 8000
"""Of the 10 000 images; the others measure the accuracy."""
CALIBRATED_ON = 200

Images = NDArray[np.float32]


def load() -> tuple[Images, NDArray[np.int64]]:
    """Images of clothing [10000, 28, 28, 1] with values from 0 to 1, and their classes."""
    with np.load(DATA) as data:
        return data["images"][..., np.newaxis].astype(np.float32) / 255, data["labels"].astype(np.int64)


def network() -> Any:
    """Separable convolutions in the manner of MobileNet."""
    image = keras.Input((28, 28, 1), name="image")
    x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(image)))
    for channels, strides in ((32, 1), (64, 2), (64, 1)):
        x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.DepthwiseConv2D(3, strides, padding="same", use_bias=False)(x)))
        x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(channels, 1, use_bias=False)(x)))
    features = layers.Dropout(0.1)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, layers.Dense(10, activation="softmax", name="classes")(features))


def train(images: Images, labels: NDArray[np.int64], epochs: int) -> Any:
    keras.utils.set_random_seed(0)
    model = network()
    model.compile(keras.optimizers.Adam(3e-3), loss="sparse_categorical_crossentropy")
    model.fit(images, labels, batch_size=64, epochs=epochs, verbose=2)
    return model


def convert(folder: Path, images: Images) -> dict[str, bytes]:
    """The float32 and the int8 model of a SavedModel; the latter takes and gives bytes."""

    def representative_dataset() -> Iterator[list[Images]]:
        for image in images:
            yield [image[np.newaxis]]

    converter = lite.TFLiteConverter.from_saved_model(folder)
    float32 = converter.convert()
    converter.optimizations = [lite.Optimize.DEFAULT]
    converter.representative_dataset = representative_dataset
    converter.target_spec.supported_ops = [lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = np.uint8
    return {"float32": float32, "int8": converter.convert()}


def predict(path: Path, images: Images) -> NDArray[np.int64]:
    """The classes that a .tflite model finds, an image at a time, as on a device."""
    interpreter = lite.Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    given, found = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero_point = given["quantization"]
    classes = []
    for image in images:
        values = image if not scale else np.clip(np.round(image / scale) + zero_point, 0, 255)
        interpreter.set_tensor(given["index"], values[np.newaxis].astype(given["dtype"]))
        interpreter.invoke()
        classes.append(interpreter.get_tensor(found["index"])[0].argmax())
    return np.array(classes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("build/keras"), help="the folder for the models and report.json")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--images", type=int, default=2000, help="how many images measure the accuracy, at most 2000")
    options = parser.parse_args()

    images, labels = load()
    model = train(images[:TRAINED_ON], labels[:TRAINED_ON], options.epochs)
    folder = options.output / "saved_model"
    model.export(folder, verbose=False)

    test, wanted = images[TRAINED_ON:][: options.images], labels[TRAINED_ON:][: options.images]
    trained = model.predict(test, verbose=0).argmax(1)
    report: dict[str, Any] = {"images": len(test), "keras": {"accuracy": float((trained == wanted).mean())}}
    for name, content in convert(folder, images[:CALIBRATED_ON]).items():
        path = options.output / f"{name}.tflite"
        path.write_bytes(content)
        found = predict(path, test)
        report[name] = {
            "size_bytes": len(content),
            "accuracy": float((found == wanted).mean()),
            "same_as_keras": float((found == trained).mean()),
        }
    (options.output / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
