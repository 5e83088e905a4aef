"""SavedModel folders and concrete functions of TensorFlow."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jitlite
from jitlite import lite
from jitlite.schemas import ConversionError, Model, write_model
from jitlite.tools.runners import TfliteModel
from tests.engines.agreement import agree, needs, quantized
from tests.tools.network import fail, parsed

pytestmark = needs("tensorflow", "tf2onnx")

CODES = np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def autoencoder() -> Any:
    """A module of two signatures that share a matrix, trained to give back what it is given."""
    import tensorflow as tf

    class Autoencoder(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = tf.Variable(tf.random.stateless_normal((8, 8), (1, 2)) / 3)
            self.mean = tf.constant(CODES.mean(0))

        @tf.function(input_signature=[tf.TensorSpec([None, 8], tf.float32, name="sample")])
        def encode(self, sample: Any) -> Any:
            return {"code": (sample - self.mean) @ self.weights}

        @tf.function(input_signature=[tf.TensorSpec([None, 8], tf.float32, name="code"), tf.TensorSpec([8], tf.float32, name="added")])
        def decode(self, code: Any, added: Any) -> Any:
            return code @ self.weights + self.mean + added, tf.reduce_sum(tf.abs(code), 1)

    module = Autoencoder()
    for _ in range(50):
        with tf.GradientTape() as tape:
            back, _ = module.decode(module.encode(CODES)["code"], tf.zeros(8))
            loss = tf.reduce_mean((back - CODES) ** 2)
        module.weights.assign_sub(0.3 * tape.gradient(loss, module.weights))
    return module


@pytest.fixture(scope="module")
def folder(autoencoder: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import tensorflow as tf

    path = tmp_path_factory.mktemp("models") / "autoencoder"
    tf.saved_model.save(autoencoder, str(path), signatures={"encode": autoencoder.encode, "decode": autoencoder.decode})
    return path


def keys(model: Model) -> list[str]:
    return sorted(found.signature_key for found in model.signature_defs)


def test_both_signatures_survive(autoencoder: Any, folder: Path) -> None:
    model = jitlite.convert(folder)
    assert keys(model) == ["decode", "encode"]
    agree(model, {"sample": CODES}, autoencoder.encode(CODES), "encode")
    added = CODES[0]
    back, length = autoencoder.decode(CODES, added)
    agree(model, {"code": CODES, "added": added}, {"output_0": back, "output_1": length}, "decode")


def test_the_command(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.tflite"
    found = parsed("convert", folder, "-o", out)
    assert sorted(found["checks"]) == ["decode", "encode"]
    assert found["checks"]["decode"]["outputs"]["output_1"]["relative"] < 1e-4
    found = parsed("convert", folder, "-o", tmp_path / "one.tflite", "--signature", "encode")
    assert list(found["check"]["outputs"]) == ["code"]
    assert keys(jitlite.load(tmp_path / "one.tflite")) == ["encode"]
    text = fail("convert", folder, "-o", tmp_path / "none.tflite", "--signature", "missing")
    assert "signatures among 'encode', 'decode' are required, found 'missing'" in text or "'decode', 'encode'" in text


def test_calibration_data_by_signature(folder: Path, tmp_path: Path) -> None:
    out, samples = tmp_path / "int8.tflite", tmp_path / "samples"
    samples.mkdir()
    np.savez(samples / "encode.npz", sample=CODES)
    arguments = ("convert", folder, "-o", out, "--quantize", "int8", "--calibration", samples)
    assert "a folder with a .npz for each signature is required, found no decode.npz" in fail(*arguments)
    np.savez(samples / "decode.npz", code=CODES, added=np.zeros((len(CODES), 8), np.float32))
    found = parsed(*arguments)
    assert {check["data"] for check in found["checks"].values()} == {"calibration"}
    assert found["checks"]["encode"]["outputs"]["code"]["sqnr_db"] > 25


def test_integers_by_signature(autoencoder: Any, folder: Path) -> None:
    converter = lite.TFLiteConverter.from_saved_model(str(folder))
    converter.optimizations = [lite.Optimize.DEFAULT]
    added = np.zeros(8, np.float32)
    samples = [
        *(("encode", {"sample": code[np.newaxis]}) for code in CODES),
        *(("decode", {"code": code[np.newaxis], "added": added}) for code in CODES),
    ]
    converter.representative_dataset = samples
    content = converter.convert()
    found = quantized(content, "sample", CODES, "code", "encode")
    wanted = autoencoder.encode(CODES)["code"].numpy()
    assert 10 * np.log10((wanted**2).sum() / ((found - wanted) ** 2).sum()) > 25
    converter.representative_dataset = samples[: len(CODES)]
    with pytest.raises(jitlite.JitliteError, match="at least one sample for signature 'decode' is required"):
        converter.convert()


def test_signature_keys_and_tags(folder: Path) -> None:
    converter = lite.TFLiteConverter.from_saved_model(folder, signature_keys=["decode"], tags={"serve"})
    assert list(lite.Interpreter(model_content=converter.convert()).get_signature_list()) == ["decode"]
    with pytest.raises(ConversionError, match="TensorFlow cannot export the model"):
        lite.TFLiteConverter.from_saved_model(folder, tags={"train"}).convert()


def test_concrete_functions(autoencoder: Any) -> None:
    functions = [autoencoder.encode.get_concrete_function(), autoencoder.decode.get_concrete_function()]
    alone = lite.TFLiteConverter.from_concrete_functions(functions[:1], autoencoder).convert()
    agree(alone, {"sample": CODES}, autoencoder.encode(CODES), "serving_default")
    both = lite.TFLiteConverter.from_concrete_functions(functions, autoencoder).convert()
    assert len(lite.Interpreter(model_content=both).get_signature_list()) == 2
    agree(jitlite.convert(functions[0]), {"sample": CODES}, autoencoder.encode(CODES))


def test_inputs_that_nothing_reads_and_outputs_that_are_inputs(tmp_path: Path) -> None:
    import tensorflow as tf

    class Odd(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([4], tf.float32, name="x"), tf.TensorSpec([2], tf.float32, name="unused")])
        def __call__(self, x: Any, unused: Any) -> Any:
            return {"twice": x * 2.0, "same": x}

    module = Odd()
    tf.saved_model.save(module, str(tmp_path / "odd"), signatures=module.__call__)
    x = np.arange(4, dtype=np.float32)
    agree(jitlite.convert(tmp_path / "odd"), {"x": x, "unused": x[:2]}, {"twice": 2 * x, "same": x})


def test_control_flow_that_the_run_decides(tmp_path: Path) -> None:
    import tensorflow as tf

    class Controlled(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = tf.Variable(1.5)

        @tf.function(input_signature=[tf.TensorSpec([4], tf.float32, name="x"), tf.TensorSpec([], tf.int32, name="turns")])
        def __call__(self, x: Any, turns: Any) -> Any:
            def body(turn: Any, y: Any) -> Any:
                return turn + 1, tf.cond(tf.reduce_sum(y) > 3.0, lambda: y * 0.5 - 0.1, lambda: y * self.factor + 0.1)

            _, y = tf.while_loop(lambda turn, y: turn < turns, body, [0, x])
            return {"y": y, "doubled": tf.cond(turns > 2, lambda: y + y, lambda: y)}

    module = Controlled()
    tf.saved_model.save(module, str(tmp_path / "controlled"), signatures=module.__call__)
    model = jitlite.convert(tmp_path / "controlled")
    x = np.array([0.5, -0.25, 1, 0.75], np.float32)
    for turns in (0, 1, 2, 3, 9):
        feed = {"x": x, "turns": np.array(turns, np.int32)}
        found = agree(model, feed, module(**feed))
    assert found["WHILE"] == 1
    assert found["IF"] == 2


def test_a_counted_loop_of_autograph() -> None:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def counted(x: Any) -> Any:
        rows = tf.TensorArray(tf.float32, 5)
        for turn in tf.range(5):
            if turn % 2 == 0:
                x = tf.tanh(x * 1.25)
            else:
                x = x - 0.125 * tf.cast(turn, tf.float32)
            rows = rows.write(turn, x)
        return rows.stack()

    x = np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4)
    found = agree(jitlite.convert(counted.get_concrete_function()), {"x": x}, {"output_0": counted(x)})
    assert found["WHILE"] == 0


def test_a_folder_without_signatures(tmp_path: Path) -> None:
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(tmp_path / "none"))
    with pytest.raises(ConversionError, match="signatures among no signatures are required, found none"):
        jitlite.convert(tmp_path / "none")


def test_keras_exports_hold_one_signature(tmp_path: Path) -> None:
    import keras

    model = keras.Sequential([keras.Input((3,), name="x"), keras.layers.Dense(2)])
    model.export(tmp_path / "exported", verbose=False)
    found = jitlite.convert(tmp_path / "exported")
    assert keys(found) == ["serving_default"]
    assert TfliteModel(write_model(found)).inputs[0].names == ("x",)
