"""Trained Keras 3 models of all three kinds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jitlite
from jitlite import lite
from jitlite.schemas import ConversionError, write_model
from jitlite.tools.runners import TfliteModel
from tests.engines import data
from tests.engines.agreement import agree, needs, operators, quantized
from tests.tools.network import fail, parsed

pytestmark = needs("tensorflow", "keras", "tf2onnx")

PICTURES, DIRECTIONS = data.stripes(512)
TEST, TEST_DIRECTIONS = data.stripes(200, seed=1)
WAVES, SPEEDS = data.waves(512)


def trained(model: Any, inputs: Any, targets: Any, epochs: int = 6, **losses: Any) -> Any:
    import keras

    loss = losses or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss=loss)
    model.fit(inputs, targets, epochs=epochs, batch_size=32, verbose=0)
    return model


@pytest.fixture(scope="module")
def sequential() -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((16, 16, 1), name="picture"),
            layers.Conv2D(8, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.SeparableConv2D(16, 3, strides=2, padding="same", activation="swish"),
            layers.MaxPooling2D(),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(24, activation="gelu"),
            layers.Dense(data.CLASSES, name="scores"),
        ]
    )
    return trained(model, PICTURES, DIRECTIONS)


@pytest.fixture(scope="module")
def functional() -> Any:
    """A MobileNet-like network of two inputs, skips and two outputs."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    picture, extra = keras.Input((16, 16, 3), name="picture"), keras.Input((4,), name="extra")
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(picture)
    for _ in range(2):
        y = layers.Conv2D(24, 1, use_bias=False)(x)
        y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
        y = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(y)
        y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
        gate = layers.Dense(24, activation="sigmoid")(layers.GlobalAveragePooling2D()(y))
        y = layers.Conv2D(8, 1)(layers.Multiply()([y, layers.Reshape((1, 1, 24))(gate)]))
        x = layers.Add()([x, layers.BatchNormalization()(y)])
    up = layers.Conv2DTranspose(4, 3, strides=2, padding="same")(layers.ZeroPadding2D(1)(x))
    mask = layers.Conv2D(1, 1, activation="sigmoid", name="mask")(layers.Cropping2D(2)(up))
    features = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.Dense(8, activation="tanh")(extra)])
    model = keras.Model([picture, extra], {"label": layers.Dense(data.CLASSES, name="label")(features), "mask": mask})
    pictures, labels = data.stripes(256, channels=3)
    extras = np.random.default_rng(0).normal(size=(256, 4)).astype(np.float32)
    losses = {"label": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "mask": "mse"}
    return trained(model, [pictures, extras], {"label": labels, "mask": (pictures[..., :1] > 0).astype(np.float32)}, 3, **losses)


@pytest.fixture(scope="module")
def subclassed() -> Any:
    import keras
    from keras import layers

    class Attentive(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.patches = layers.Conv2D(12, 4, strides=4)
            self.first, self.second = layers.LayerNormalization(), layers.LayerNormalization()
            self.attention = layers.MultiHeadAttention(3, 4)
            self.inner, self.outer = layers.Dense(24, activation="gelu"), layers.Dense(12)
            self.scores = layers.Dense(data.CLASSES)

        def call(self, pictures: Any, training: bool = False) -> Any:
            x = keras.ops.reshape(self.patches(pictures), (-1, 16, 12))
            y = self.first(x)
            x = x + self.attention(y, y)
            x = x + self.outer(self.inner(self.second(x)))
            return self.scores(keras.ops.mean(x, axis=1))

    keras.utils.set_random_seed(2)
    return trained(Attentive(), PICTURES, DIRECTIONS, 3)


def test_a_sequential_model(sequential: Any) -> None:
    wanted = sequential.predict(TEST, verbose=0)
    assert (wanted.argmax(1) == TEST_DIRECTIONS).mean() > 0.8
    model = jitlite.convert(sequential)
    found = agree(model, {"picture": TEST}, {"output_0": wanted})
    assert found["CONV_2D"] == 2
    assert found["TRANSPOSE"] == found["MUL"] - 1 == 0, "batch normalization is folded, swish is one product, layouts fit"
    assert TfliteModel(write_model(model)).inputs[0].shape == (-1, 16, 16, 1)


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_its_files(name: str, sequential: Any, tmp_path: Path) -> None:
    path, out = tmp_path / name, tmp_path / "out.tflite"
    sequential.save(path)
    found = parsed("convert", path, "-o", out)
    assert found["check"]["outputs"]["output_0"]["relative"] < 1e-4
    feed = TfliteModel(out).inputs[0].name
    agree(out.read_bytes(), {feed: TEST}, {"output_0": sequential.predict(TEST, verbose=0)})


def test_a_functional_model(functional: Any) -> None:
    pictures, _ = data.stripes(5, channels=3, seed=3)
    feed = {"picture": pictures, "extra": np.ones((5, 4), np.float32)}
    wanted = functional.predict([feed["picture"], feed["extra"]], verbose=0)
    found = agree(jitlite.convert(functional), feed, wanted)
    assert found["TRANSPOSE"] == 0
    assert found["DEPTHWISE_CONV_2D"] == 2


def test_a_subclassed_model(subclassed: Any) -> None:
    found = agree(jitlite.convert(subclassed), {"args_0": TEST}, {"output_0": subclassed.predict(TEST, verbose=0)})
    assert found["GELU"] == 1


def test_a_model_that_was_never_called() -> None:
    import keras

    class Empty(keras.Model):
        pass

    with pytest.raises(ConversionError, match="Keras model: Keras cannot export the model: "):
        jitlite.convert(Empty())


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN", "Bidirectional"])
def test_recurrent_models(kind: str) -> None:
    import keras
    from keras import layers

    keras.utils.set_random_seed(4)
    first = (
        layers.Bidirectional(layers.LSTM(6, return_sequences=True))
        if kind == "Bidirectional"
        else getattr(layers, kind)(10, return_sequences=True)
    )
    second = layers.GRU(8, reset_after=False, go_backwards=True) if kind == "GRU" else layers.LSTM(8)
    model = trained(keras.Sequential([keras.Input((12, 5), name="wave"), first, second, layers.Dense(data.CLASSES)]), WAVES, SPEEDS, 2)
    waves, _ = data.waves(6, seed=5)
    agree(jitlite.convert(model), {"wave": waves}, {"output_0": model.predict(waves, verbose=0)})


LAYERS: dict[str, tuple[tuple[int, ...], Callable[[Any], list[Any]]]] = {
    "grouped": ((8, 8, 4), lambda layers: [layers.Conv2D(8, 3, groups=2, padding="same")]),
    "causal": ((6, 5), lambda layers: [layers.Conv1D(4, 3, padding="causal"), layers.BatchNormalization(), layers.MaxPooling1D(2)]),
    "volume": ((4, 6, 6, 2), lambda layers: [layers.Conv3D(4, 3, padding="same"), layers.MaxPooling3D(2)]),
    "resized": (
        (8, 8, 4),
        lambda layers: [layers.Resizing(5, 11), layers.UpSampling2D(2), layers.UpSampling2D(2, interpolation="bilinear")],
    ),
    "prepared": (
        (8, 8, 3),
        lambda layers: [layers.Rescaling(1 / 127.5, -1), layers.CenterCrop(6, 6), layers.Normalization(mean=[1, 2, 3], variance=[1, 4, 9])],
    ),
    "every step": (
        (3, 8, 8, 2),
        lambda layers: [layers.TimeDistributed(layers.Conv2D(3, 3)), layers.TimeDistributed(layers.Flatten()), layers.LSTM(4)],
    ),
    "convolutional recurrence": ((3, 6, 6, 2), lambda layers: [layers.ConvLSTM2D(3, 3, padding="same")]),
    "activations": ((5,), lambda layers: [layers.Activation(name) for name in ("celu", "mish", "hard_swish", "log_sigmoid", "softsign")]),
    "norms": ((8, 8, 4), lambda layers: [layers.GroupNormalization(2), layers.LayerNormalization(), layers.UnitNormalization()]),
    "products": ((6, 5), lambda layers: [layers.EinsumDense("abc,cd->abd", output_shape=(None, 7), bias_axes="d"), layers.Softmax(axis=1)]),
    "transposed": ((8, 8, 4), lambda layers: [layers.Conv2DTranspose(3, 3, strides=2), layers.PReLU()]),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    import keras
    from keras import layers

    keras.utils.set_random_seed(5)
    shape, make = LAYERS[name]
    model = keras.Sequential([keras.Input(shape, name="x"), *make(layers)])
    for weights in model.weights:
        if "moving" in weights.path:
            weights.assign(np.linspace(0.5, 1.5, weights.shape[0]))
    x = np.random.default_rng(6).normal(size=(2, *shape)).astype(np.float32)
    agree(jitlite.convert(model), {"x": x}, {"output_0": model.predict(x, verbose=0)})


def test_masked_words_and_causal_attention() -> None:
    import keras
    from keras import layers

    keras.utils.set_random_seed(7)
    words = keras.Input((7,), dtype="int32", name="words")
    x = layers.LSTM(8, return_sequences=True)(layers.Embedding(20, 8, mask_zero=True)(words))
    x = x + layers.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True)
    model = keras.Model(words, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))
    tokens = np.random.default_rng(8).integers(0, 20, (4, 7)).astype(np.int32)
    tokens[:, 5:] = 0
    agree(jitlite.convert(model), {"words": tokens}, {"output_0": model.predict(tokens, verbose=0)})


def test_what_is_left_of_an_export_is_named() -> None:
    import keras
    from keras import layers

    model = keras.Sequential([keras.Input((5,), name="x"), layers.Discretization([-0.5, 0, 0.5], output_mode="one_hot")])
    with pytest.raises(ConversionError, match="no lowering for operator Bucketize"):
        jitlite.convert(model)


@pytest.mark.parametrize("name", ["MobileNetV2", "MobileNetV3Small"])
def test_backbones_keep_no_transpose(name: str) -> None:
    import keras

    keras.utils.set_random_seed(9)
    model = getattr(keras.applications, name)((64, 64, 3), weights=None, alpha=0.35 if name == "MobileNetV2" else 1.0)
    pictures = np.random.default_rng(10).uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)
    found = agree(jitlite.convert(model), {model.inputs[0].name: pictures}, {"output_0": model.predict(pictures, verbose=0)})
    assert found["TRANSPOSE"] == 0


@pytest.mark.parametrize("io_type", [np.float32, np.int8, np.uint8])
def test_integers(io_type: type, sequential: Any) -> None:
    converter = lite.TFLiteConverter.from_keras_model(sequential)
    converter.optimizations = [lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([picture[np.newaxis]] for picture in PICTURES[:100])
    converter.target_spec.supported_ops = [lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = io_type
    content = converter.convert()
    wanted = sequential.predict(TEST, verbose=0)
    found = quantized(content, "picture", TEST, "output_0")
    assert (found.argmax(1) == wanted.argmax(1)).mean() >= 0.98
    assert 10 * np.log10((wanted**2).sum() / ((found - wanted) ** 2).sum()) > 25
    assert operators(content)["DEQUANTIZE"] == (io_type is np.float32)


def test_calibration_by_tf_data(sequential: Any) -> None:
    import tensorflow as tf

    found = []
    for dataset in (PICTURES[:20], tf.data.Dataset.from_tensor_slices(PICTURES[:20]).batch(5)):
        converter = lite.TFLiteConverter.from_keras_model(sequential)
        converter.optimizations, converter.representative_dataset = [tf.lite.Optimize.DEFAULT], dataset
        found.append(quantized(converter.convert(), "picture", TEST, "output_0"))
    np.testing.assert_array_equal(found[0], found[1])


def test_what_keras_cannot_read(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(b"no archive")
    assert f"'{path}': Keras cannot export the model: " in fail("convert", path, "-o", tmp_path / "out.tflite")
