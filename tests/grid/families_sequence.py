"""Recurrent layers and cells, fused and unrolled."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.grid.table import Feed, Graph, family, grid


def _layer(tf: Any, p: SimpleNamespace, layer: Any, steps: int | None = None) -> Graph:
    shape = (p.batch, steps or p.steps, p.inputs)
    layer.build(shape)
    return Graph(lambda x: layer(x), [Feed(shape, low=-1, high=1)], layer)


@family(
    "lstm_layer",
    grid(
        batch=[1, 2, 4],
        steps=[1, 3],
        inputs=[3, 4],
        units=[4, 5],
        sequences=[True, False],
        backwards=[False, True],
        mode=["float", "int8", "int16x8", "dynamic", "float16"],
    ),
    take=20,
)
def _lstm(tf: Any, p: SimpleNamespace) -> Graph:
    return _layer(tf, p, tf.keras.layers.LSTM(p.units, return_sequences=p.sequences, go_backwards=p.backwards))


@family(
    "gru_layer",
    grid(batch=[1, 2], steps=[1, 3], inputs=[3], units=[4], sequences=[True, False], reset=[True, False], mode=["float", "dynamic"]),
    take=10,
)
def _gru(tf: Any, p: SimpleNamespace) -> Graph:
    return _layer(tf, p, tf.keras.layers.GRU(p.units, return_sequences=p.sequences, reset_after=p.reset))


@family(
    "rnn_layer",
    grid(batch=[1, 2], steps=[1, 3], inputs=[3], units=[4], activation=["tanh", "relu"], unroll=[True, False], mode=["float", "dynamic"]),
    take=10,
)
def _rnn(tf: Any, p: SimpleNamespace) -> Graph:
    return _layer(tf, p, tf.keras.layers.SimpleRNN(p.units, activation=p.activation, unroll=p.unroll))


@family("bidirectional_lstm_layer", grid(batch=[1, 2], steps=[3], inputs=[3], units=[4], mode=["float", "dynamic"]), take=4)
def _bidirectional(tf: Any, p: SimpleNamespace) -> Graph:
    return _layer(tf, p, tf.keras.layers.Bidirectional(tf.keras.layers.LSTM(p.units, return_sequences=True)))


@family("lstm_unrolled", grid(batch=[1, 3], steps=[1, 2, 4], inputs=[3], units=[4], mode=["float", "int8", "dynamic"]), take=8)
def _lstm_unrolled(tf: Any, p: SimpleNamespace) -> Graph:
    return _layer(tf, p, tf.keras.layers.LSTM(p.units, unroll=True))


@family("lstm_cell", grid(batch=[1, 2], inputs=[3], units=[4], mode=["float", "int8"]), take=4)
def _lstm_cell(tf: Any, p: SimpleNamespace) -> Graph:
    cell = tf.keras.layers.LSTMCell(p.units)
    cell.build((p.batch, p.inputs))
    state = Feed((p.batch, p.units), low=-1, high=1)
    return Graph(lambda x, h, c: cell(x, [h, c])[0], [Feed((p.batch, p.inputs), low=-1, high=1), state, state], cell)


@family("gru_cell", grid(batch=[1, 2], inputs=[3], units=[4], mode=["float", "int8"]), take=4)
def _gru_cell(tf: Any, p: SimpleNamespace) -> Graph:
    cell = tf.keras.layers.GRUCell(p.units)
    cell.build((p.batch, p.inputs))
    return Graph(lambda x, h: cell(x, [h])[0], [Feed((p.batch, p.inputs), low=-1, high=1), Feed((p.batch, p.units), low=-1, high=1)], cell)


@family("embedding_lstm", grid(steps=[3, 7], mode=["float", "dynamic"]), take=3)
def _embedding_lstm(tf: Any, p: SimpleNamespace) -> Graph:
    table = tf.keras.layers.Embedding(20, 6)
    layer = tf.keras.layers.LSTM(5)
    table.build((1, p.steps))
    layer.build((1, p.steps, 6))
    owner = tf.Module()
    owner.layers = [table, layer]
    return Graph(lambda x: layer(table(x)), [Feed((1, p.steps), "int32", 0, 19)], owner)


def _standard_lstm(tf: Any, p: SimpleNamespace) -> Any:
    """An LSTM under the attribute that makes the converter write UNIDIRECTIONAL_SEQUENCE_LSTM."""
    attributes = {"api_implements": "lstm_grid", "api_preferred_device": "CPU", "go_backwards": p.backwards, "time_major": p.time_major}

    @tf.function(autograph=False, experimental_attributes=attributes)
    def standard_lstm(x: Any, h: Any, c: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
        steps = x if p.time_major else tf.transpose(x, [1, 0, 2])
        outputs = []
        for step in range(p.steps):
            i, f, g, o = tf.split(tf.matmul(steps[step], kernel) + tf.matmul(h, recurrent) + bias, 4, 1)
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
            h = tf.sigmoid(o) * tf.tanh(c)
            outputs.append(h)
        return h, tf.stack(outputs, 0 if p.time_major else 1), h, c, tf.constant(0.0)

    return standard_lstm


@family(
    "unidirectional_sequence_lstm",
    grid(
        batch=[1, 2, 4],
        steps=[1, 3],
        inputs=[4, 7],
        units=[4, 5],
        time_major=[False, True],
        backwards=[False, True],
        whole=[True, False],
        mode=["float", "int8", "int16x8", "dynamic", "float16"],
    ),
    take=30,
)
def sequence_lstm(tf: Any, p: SimpleNamespace) -> Graph:
    lstm = _standard_lstm(tf, p)
    kernel, recurrent, bias = (
        np.random.uniform(-1, 1, shape).astype(np.float32) for shape in ((p.inputs, 4 * p.units), (p.units, 4 * p.units), (4 * p.units,))
    )

    def function(x: Any) -> Any:
        zeros = tf.zeros((p.batch, p.units))
        return lstm(x, zeros, zeros, tf.constant(kernel), tf.constant(recurrent), tf.constant(bias))[int(p.whole)]

    return Graph(function, [Feed((p.steps, p.batch, p.inputs) if p.time_major else (p.batch, p.steps, p.inputs), low=-1, high=1)])
