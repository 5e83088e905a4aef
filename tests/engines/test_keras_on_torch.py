"""Keras on another backend than TensorFlow, in a process of its own: Keras chooses its backend once."""

import os
import subprocess
import sys

from tests.engines.agreement import needs

pytestmark = needs("keras", "torch", "onnxscript")

SCRIPT = """
import keras
import numpy as np
from keras import layers
import jitlite
from tests.engines.agreement import agree

class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3)

    def call(self, x):
        return self.dense(x)

keras.utils.set_random_seed(0)
convolutional = keras.Sequential(
    [keras.Input((8, 8, 3), name="x"), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU(), layers.Flatten(), layers.Dense(3)]
)
a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
functional = keras.Model([a, b], [layers.Dense(2)(a + b), a * 2.0])
subclassed = Subclassed()
subclassed(np.ones((1, 4), np.float32))
picture, row = np.linspace(-1, 1, 384, dtype=np.float32).reshape(2, 8, 8, 3), np.arange(8, dtype=np.float32).reshape(2, 4)
agree(jitlite.convert(convolutional), {"x": picture}, {"output_0": convolutional.predict(picture, verbose=0)})
first, second = functional.predict([row, -2 * row], verbose=0)
agree(jitlite.convert(functional), {"a": row, "b": -2 * row}, {"output_0": first, "output_1": second})
agree(jitlite.convert(subclassed), {"input_0": row}, {"output_0": subclassed.predict(row, verbose=0)})
assert keras.backend.backend() == "torch"
"""


def test_models_of_all_kinds() -> None:
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
