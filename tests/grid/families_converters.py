"""Layers converted in ways few choose: the older quantizers, 32-bit biases of 16-bit activations, weights of 4 bits."""

from types import SimpleNamespace
from typing import Any

import numpy as np

import tests.grid.families_image
import tests.grid.families_products
import tests.grid.families_sequence
import tests.grid.families_weights  # noqa: F401 - registers what is converted here
from tests.grid.table import FAMILIES, Feed, Graph, family, grid

WAYS = {
    "int8_old": (
        "conv",
        "conv_bias_activation",
        "depthwiseconv",
        "transpose_conv",
        "dense",
        "add",
        "mul",
        "sub",
        "mean",
        "concat",
        "pad",
        "softmax",
    ),
    "int16x8_old": ("conv_bias_activation", "depthwiseconv", "dense", "add", "mul"),
    "int16x8_b32": ("conv_bias_activation", "depthwiseconv", "transpose_conv", "dense", "stored_dense"),
    "dynamic_old": ("stored_dense", "stored_conv", "stored_depthwise", "stored_lstm", "stored_embedding", "stored_batch_matmul"),
}
MORE = {
    "int8_old": (
        "avg_pool",
        "max_pool",
        "resize_bilinear",
        "unidirectional_sequence_lstm",
        "lstm_unrolled",
        "strided_slice",
        "prelu",
        "l2norm",
    )
}


def _rows(base: str, mode: str) -> list[dict[str, Any]]:
    """The floats of another family, once each, to be converted in this way."""
    rows = [{**row, "mode": mode} for row in FAMILIES[base].rows if row.get("dtype", "float32") == "float32" and row.get("constant", True)]
    return [row for number, row in enumerate(rows) if row not in rows[:number]]


for _ways in (WAYS, MORE):
    for _mode, _bases in _ways.items():
        for _base in _bases:
            family(f"{_base}_{_mode}", _rows(_base, _mode), take=8)(FAMILIES[_base].build)


@family("conv_4bit", grid(kind=["conv", "depthwise", "dense"], size=[1, 3], channels=[4, 16], mode=["dynamic", "int8"]), take=12)
def _four_bits(tf: Any, p: SimpleNamespace) -> Graph:
    shape = {"conv": (p.size, p.size, 8, p.channels), "depthwise": (p.size, p.size, 8, 1), "dense": (8, p.channels)}[p.kind]
    weights = np.round(np.random.uniform(-7, 7, shape)).astype(np.float32)

    def function(x: Any) -> Any:
        narrow = tf.quantization.fake_quant_with_min_max_vars(tf.constant(weights), -7, 7, 4, True)
        if p.kind == "dense":
            return tf.matmul(x, narrow)
        if p.kind == "conv":
            return tf.nn.conv2d(x, narrow, 1, "SAME")
        return tf.nn.depthwise_conv2d(x, narrow, (1, 1, 1, 1), "SAME")

    feed = Feed((3, 8) if p.kind == "dense" else (1, 5, 6, 8), low=-1, high=1)
    return Graph(function, [feed], flags={"_experimental_low_bit_qat": True})
