"""Matrix products: fully connected layers, batches of matrices, einsum."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.grid.table import QUANTIZED, Feed, Graph, family, grid

MODES = [*QUANTIZED, "dynamic", "float16"]


def _values(shape: Any, low: float = -1, high: float = 1) -> Any:
    return np.random.uniform(low, high, shape).astype(np.float32)


def _product(tf: Any, p: SimpleNamespace) -> Graph:
    left, right = p.case
    flags = {"transpose_a": getattr(p, "left_turned", False), "transpose_b": getattr(p, "right_turned", False)}
    feeds = [Feed(left, getattr(p, "dtype", "float32"), -1 if p.mode != "float" else -3, 3)]
    if p.constant:
        weights = _values(right)
        return Graph(lambda x: tf.matmul(x, weights, **flags), feeds)
    return Graph(lambda x, y: tf.matmul(x, y, **flags), [*feeds, Feed(right, getattr(p, "dtype", "float32"), -3, 3)])


family(
    "fully_connected",
    grid(case=[((3, 3), (3, 3))], left_turned=[True, False], right_turned=[True, False], constant=[True, False]),
    grid(case=[((4, 4), (4, 4)), ((1, 4), (4, 1)), ((40, 37), (37, 40)), ((None, 4), (4, 3)), ((0, 3), (3, 3))], constant=[True, False]),
    grid(case=[((40, 37), (40, 37))], right_turned=[True], constant=[True, False]),
    grid(case=[((5, 3), (5, 3))], left_turned=[True], constant=[True, False]),
    grid(
        case=[((1, 3), (3, 3)), ((1, 4), (4, 4)), ((2, 37), (37, 40)), ((2, 3), (3, 5)), ((None, 64), (64, 9))], constant=[True], mode=MODES
    ),
    take=40,
)(_product)


@family(
    "dense",
    grid(
        shape=[(1, 8), (4, 33), (None, 16), (2, 5, 8)], units=[1, 3, 40], activation=[None, "relu", "relu6", "tanh"], mode=["float", *MODES]
    ),
    take=36,
)
def _dense(tf: Any, p: SimpleNamespace) -> Graph:
    weights, bias = _values((p.shape[-1], p.units)), _values((p.units,))

    def function(x: Any) -> Any:
        y = tf.nn.bias_add(tf.tensordot(x, weights, 1) if len(p.shape) > 2 else tf.matmul(x, weights), bias)
        return y if p.activation is None else getattr(tf.nn, p.activation)(y)

    return Graph(function, [Feed(p.shape, low=-1, high=1)])


@family("fully_connected_4bit", grid(case=[((3, 3), (3, 3)), ((40, 42), (42, 40)), ((1, 40), (40, 3))], mode=["dynamic"]), take=3)
def _four_bits(tf: Any, p: SimpleNamespace) -> Graph:
    left, right = p.case
    weights = np.round(_values(right) * 7).astype(np.float32)

    def function(x: Any) -> Any:
        return tf.matmul(x, tf.quantization.fake_quant_with_min_max_vars(tf.constant(weights), -7, 7, 4, True))

    return Graph(function, [Feed(left, low=0, high=1)], flags={"_experimental_low_bit_qat": True})


_BATCHES = [
    ((1, 2, 3), (1, 3, 4)),
    ((2, 3, 4), (2, 4, 5)),
    ((3, 1, 2, 4), (1, 5, 4, 3)),
    ((2, 4, 6), (6, 3)),
    ((None, 3, 4), (None, 4, 2)),
    ((1, 30, 17), (2, 17, 9)),
    ((2, 1, 3, 2, 4), (1, 4, 3)),
]
family(
    "batch_matmul",
    grid(case=_BATCHES, constant=[True, False], left_turned=[False], right_turned=[False]),
    grid(case=[((2, 4, 3), (2, 4, 5))], constant=[True, False], left_turned=[True], right_turned=[False]),
    grid(case=[((2, 3, 4), (2, 5, 4))], constant=[True, False], left_turned=[False], right_turned=[True]),
    grid(case=_BATCHES[:2], constant=[True, False], mode=[*QUANTIZED, "dynamic", "float16"]),
    grid(case=_BATCHES[:3], constant=[False], dtype=["int32", "int8", "int16"]),
    take=40,
)(
    lambda tf, p: (
        _product(tf, p) if None not in p.case[1] or not p.constant else _product(tf, SimpleNamespace(**{**vars(p), "constant": False}))
    )
)

_EQUATIONS = [
    ((None, None, 8, 64), (4, None, 8, 64), "BQNH,BTNH->BQNT"),
    ((1, None, 8, None), (1, None, 8, 64), "BQNT,BTNH->BQNH"),
    ((None, None, 8, 64), (8, 8, 64), "ABNH,NDH->ABD"),
    ((3, 4, 5), (3, 5, 6), "ijk,ikm->ijm"),
    ((3, 4, 5), (5, 6), "ijk,km->ijm"),
    ((2, 5, 7), (5, 2), "LBH,BL->BH"),
    ((2, 5, 7), (5, 3, 2), "LBH,BKL->BKH"),
    ((2, 5, 7, 3), (2, 4, 7, 3), "BFNH,BTNH->BNFT"),
    ((2, 5, 7, 3), (7, 3, 4), "BFND,NDH->BFH"),
    ((3, 4, 5), (5, 6, 2), "BFD,DNH->BFNH"),
    ((7, 11, 13), (7, 11, 13, 5), "BIN,BINJ->BIJ"),
    ((7, 11, 19), (7, 11, 13, 19), "BIJ,BINJ->BIN"),
    ((5, 13, 3, 11), (5, 11, 13, 8), "ACBE,AECD->ABCD"),
    ((5, 4, 3), (3, 2, 1), "...ij,j...->i..."),
    ((4, 3, 2, 5), (3, 6, 1), "ij...,jk...->ik..."),
]


@family("einsum", grid(case=_EQUATIONS, dtype=["float32"]), take=15)
def _einsum(tf: Any, p: SimpleNamespace) -> Graph:
    left, right, equation = p.case
    return Graph(lambda x, y: tf.einsum(equation, x, y), [Feed(left, p.dtype, sizes=(4, 4)), Feed(right, p.dtype, sizes=(4, 4))])


@family("tensordot", grid(case=[((2, 3, 4), (4, 5), 1), ((2, 3, 4), (3, 4, 5), 2)], mode=["float", "int8"]), take=4)
def _tensordot(tf: Any, p: SimpleNamespace) -> Graph:
    left, right, axes = p.case
    weights = _values(right)
    return Graph(lambda x: tf.tensordot(x, weights, axes), [Feed(left, low=-1, high=1)])


@family("attention", grid(shape=[(1, 6, 8), (2, 5, 12)], mode=["float", "int8", "dynamic", "float16"]), take=8)
def _attention(tf: Any, p: SimpleNamespace) -> Graph:
    width = p.shape[-1]
    queries, keys, values = (_values((width, width)) for _ in range(3))

    def function(x: Any) -> Any:
        scores = tf.matmul(tf.tensordot(x, queries, 1), tf.tensordot(x, keys, 1), transpose_b=True)
        return tf.matmul(tf.nn.softmax(scores / np.float32(np.sqrt(width))), tf.tensordot(x, values, 1))

    return Graph(function, [Feed(p.shape, low=-1, high=1)])


@family("layer_norm", grid(shape=[(2, 7), (1, 4, 8)], mode=["float", "int8", "int16x8"]), take=6)
def _layer_norm(tf: Any, p: SimpleNamespace) -> Graph:
    gain = _values((p.shape[-1],))

    def function(x: Any) -> Any:
        mean = tf.reduce_mean(x, -1, keepdims=True)
        spread = tf.reduce_mean(tf.math.squared_difference(x, mean), -1, keepdims=True)
        return (x - mean) * tf.math.rsqrt(spread + 1e-3) * gain

    return Graph(function, [Feed(p.shape, low=-2, high=2)])
