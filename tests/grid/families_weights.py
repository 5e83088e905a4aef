"""Layers with enough weights that the converter stores them in bytes, half floats or sparsely (it leaves fewer than 1024 alone)."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.grid.table import QUANTIZED, Feed, Graph, family, grid

STORED = ["dynamic", "dynamic_tensor", "float16", "sparse", "sparse_dynamic", "int8", "int16x8"]


def _weights(shape: Any, zeros: str) -> Any:
    """Uniform values, of which four fifths are zero singly, or in blocks of four along the first axis."""
    values = np.random.uniform(-1, 1, shape).astype(np.float32)
    if zeros == "none":
        return values
    size = 4 if zeros == "blocks" else 1
    kept = np.random.random((shape[0] // size, *shape[1:])) < 0.2
    return values * np.repeat(kept, size, 0)


@family(
    "stored_dense",
    grid(
        shape=[(1, 64), (5, 64), (None, 64), (2, 3, 64)],
        units=[17, 48],
        zeros=["none", "single", "blocks"],
        has_bias=[True, False],
        activation=[None, "relu", "relu6"],
        mode=STORED,
    ),
    take=48,
)
def _dense(tf: Any, p: SimpleNamespace) -> Graph:
    weights, bias = _weights((64, p.units), p.zeros), _weights((p.units,), "none")

    def function(x: Any) -> Any:
        y = tf.tensordot(x, weights, 1) if len(p.shape) > 2 else tf.matmul(x, weights)
        y = tf.nn.bias_add(y, bias) if p.has_bias else y
        return y if p.activation is None else getattr(tf.nn, p.activation)(y)

    return Graph(function, [Feed(p.shape, low=-2, high=3)])


@family(
    "stored_conv",
    grid(
        shape=[(1, 6, 5, 16), (3, 4, 4, 16), (None, 5, 5, 16)],
        size=[(1, 1), (3, 3), (2, 3)],
        channels=[65, 72],
        padding=["SAME", "VALID"],
        strides=[1, 2],
        dilations=[1, 2],
        zeros=["none", "single"],
        activation=[None, "relu6"],
        mode=STORED,
    ),
    take=48,
)
def _conv(tf: Any, p: SimpleNamespace) -> Graph:
    weights, bias = _weights((*p.size, 16, p.channels), p.zeros), _weights((p.channels,), "none")
    dilations = p.dilations if p.strides == 1 and p.padding == "SAME" else 1

    def function(x: Any) -> Any:
        y = tf.nn.bias_add(tf.nn.conv2d(x, weights, p.strides, p.padding, dilations=dilations), bias)
        return y if p.activation is None else getattr(tf.nn, p.activation)(y)

    return Graph(function, [Feed(p.shape, low=-2, high=3)])


@family("stored_conv_grouped", grid(groups=[2, 4], size=[(1, 1), (3, 3)], batch=[1, 2], mode=STORED[:3]), take=8)
def _grouped(tf: Any, p: SimpleNamespace) -> Graph:
    weights = _weights((*p.size, 64 // p.groups, 64), "none")
    return Graph(lambda x: tf.nn.conv2d(x, weights, 1, "SAME"), [Feed((p.batch, 5, 5, 64), low=-2, high=3)])


@family(
    "stored_depthwise",
    grid(
        shape=[(1, 6, 5, 128), (2, 5, 5, 130)],
        multiplier=[1, 2],
        strides=[1, 2],
        padding=["SAME", "VALID"],
        mode=[mode for mode in STORED if mode != "dynamic_tensor"],
    ),
    take=28,
)
def _depthwise(tf: Any, p: SimpleNamespace) -> Graph:
    """Without one scale for all channels, behind which the reference would read on."""
    channels = p.shape[3]
    weights, bias = _weights((3, 3, channels, p.multiplier), "none"), _weights((channels * p.multiplier,), "none")
    strides = (1, p.strides, p.strides, 1)
    return Graph(lambda x: tf.nn.bias_add(tf.nn.depthwise_conv2d(x, weights, strides, p.padding), bias), [Feed(p.shape, low=-2, high=3)])


@family("stored_transpose_conv", grid(strides=[1, 2], padding=["SAME", "VALID"], batch=[1, 2], mode=STORED), take=20)
def _transpose_conv(tf: Any, p: SimpleNamespace) -> Graph:
    weights = _weights((3, 3, 24, 16), "none")
    size = 5 * p.strides if p.padding == "SAME" else 4 * p.strides + 3
    output = (p.batch, size, size, 24)
    return Graph(lambda x: tf.nn.conv2d_transpose(x, weights, output, p.strides, p.padding), [Feed((p.batch, 5, 5, 16), low=-2, high=3)])


@family("stored_conv3d", grid(strides=[1, 2], padding=["SAME", "VALID"], mode=["dynamic", "float16"]), take=6)
def _conv3d(tf: Any, p: SimpleNamespace) -> Graph:
    weights = _weights((2, 3, 3, 8, 12), "none")
    return Graph(lambda x: tf.nn.conv3d(x, weights, [1] + [p.strides] * 3 + [1], p.padding), [Feed((1, 4, 5, 6, 8), low=-2, high=3)])


@family(
    "stored_batch_matmul",
    grid(
        case=[((2, 5, 32), (2, 32, 20)), ((3, 4, 32), (32, 40)), ((1, 32), (2, 32, 20))], turned=[True, False], mode=STORED[:3] + STORED[5:]
    ),
    take=16,
)
def _batch_matmul(tf: Any, p: SimpleNamespace) -> Graph:
    left, right = p.case
    weights = _weights((*right[:-2], right[-1], right[-2]) if p.turned else right, "none")
    return Graph(lambda x: tf.matmul(x, weights, transpose_b=p.turned), [Feed(left, low=-2, high=3)])


@family("stored_embedding", grid(shape=[(40, 32), (600, 7)], ids=[(3,), (2, 4)], mode=["dynamic", "float16"]), take=6)
def _embedding(tf: Any, p: SimpleNamespace) -> Graph:
    table = _weights(p.shape, "none")
    return Graph(lambda i: tf.nn.embedding_lookup(tf.constant(table), i), [Feed(p.ids, "int32", 0, p.shape[0] - 1)])


@family(
    "stored_lstm",
    grid(
        batch=[1, 3],
        steps=[1, 4],
        inputs=[20, 33],
        units=[24],
        time_major=[False, True],
        backwards=[False, True],
        whole=[True, False],
        mode=STORED[:3],
    ),
    take=16,
)
def _lstm(tf: Any, p: SimpleNamespace) -> Graph:
    from tests.grid.families_sequence import sequence_lstm

    return sequence_lstm(tf, p)


@family("stored_gru", grid(batch=[1, 2], steps=[3], inputs=[20], units=[24], mode=STORED[:3]), take=5)
def _gru(tf: Any, p: SimpleNamespace) -> Graph:
    layer = tf.keras.layers.GRU(p.units, return_sequences=True)
    layer.build((p.batch, p.steps, p.inputs))
    return Graph(lambda x: layer(x), [Feed((p.batch, p.steps, p.inputs), low=-1, high=1)], layer)


@family("stored_attention", grid(heads=[1, 4], mode=[*STORED[:3], *QUANTIZED[:5]]), take=12)
def _attention(tf: Any, p: SimpleNamespace) -> Graph:
    width, steps = 32, 6
    queries, keys, values = (_weights((width, width), "none") for _ in range(3))

    def heads(x: Any, weights: Any) -> Any:
        return tf.transpose(tf.reshape(tf.matmul(x, weights), (steps, p.heads, width // p.heads)), (1, 0, 2))

    def function(x: Any) -> Any:
        scores = tf.matmul(heads(x, queries), heads(x, keys), transpose_b=True) / np.float32(np.sqrt(width // p.heads))
        return tf.reshape(tf.transpose(tf.matmul(tf.nn.softmax(scores), heads(x, values)), (1, 0, 2)), (steps, width))

    return Graph(function, [Feed((steps, width), low=-1, high=1)])
