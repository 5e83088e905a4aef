"""Functions that the converter writes as several operators, and operators of STABLEHLO."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.grid.table import Feed, Graph, family, grid


@family("placeholder_with_default", grid(dtype=["float32", "int32", "int64", "bool"], shape=[(2,), (2, 3)]), take=5)
def _placeholder(tf: Any, p: SimpleNamespace) -> Graph:
    value = Feed(p.shape, p.dtype).array(np.random.default_rng(1), 0)
    return Graph(
        lambda x: tf.where(tf.raw_ops.PlaceholderWithDefault(input=tf.constant(value), shape=p.shape) == x, x, x), [Feed(p.shape, p.dtype)]
    )


@family(
    "global_batch_norm",
    grid(shape=[(1, 1, 6, 2), (3, 4, 5, 4)], epsilon=[0.1, 0.0001], scaled=[True, False], mode=["float", "int8"]),
    take=8,
)
def _global_batch_norm(tf: Any, p: SimpleNamespace) -> Graph:
    mean, variance, offset, scale = (np.random.uniform(low, 1, p.shape[3]).astype(np.float32) for low in (-1, 0.1, -1, -1))
    return Graph(
        lambda x: tf.nn.batch_normalization(x, mean, variance, offset, scale if p.scaled else None, p.epsilon),
        [Feed(p.shape, low=-1, high=1)],
    )


@family(
    "sort",
    grid(kind=["sort", "argsort"], dtype=["float32", "int32"], direction=["ASCENDING", "DESCENDING"], shape=[(7,), (3, 5), (None, 4)]),
    take=8,
)
def _sort(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: getattr(tf, p.kind)(x, direction=p.direction), [Feed(p.shape, p.dtype)])


@family("cumprod", grid(shape=[(3, 4)], axis=[0, 1], kind=["cumprod", "cumulative_logsumexp"]), take=3)
def _cumprod(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: getattr(tf.math, p.kind)(x, p.axis), [Feed(p.shape, low=-2, high=2)])


@family("logsumexp", grid(shape=[(3, 4), (2, 3, 5), (None, 4)], axis=[0, 1, None], keep=[True, False], mode=["float", "int8"]), take=8)
def _logsumexp(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.reduce_logsumexp(x, p.axis, p.keep), [Feed(p.shape, low=-2, high=2)])


@family("norm", grid(shape=[(3, 4), (2, 3, 5)], axis=[0, 1, None], order=["euclidean", 1, np.inf]), take=6)
def _norm(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.norm(x, p.order, p.axis), [Feed(p.shape, low=-2, high=2)])


@family("clip", grid(dtype=["float32", "int32"], shape=[(3, 4), (None, 2)], ends=[(-1, 1), (0, 6), (2, 3)], mode=["float"]), take=6)
def _clip(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.clip_by_value(x, *(np.asarray(end, p.dtype) for end in p.ends)), [Feed(p.shape, p.dtype, -8, 8)])


@family("clip_quantized", grid(shape=[(3, 4)], ends=[(-1, 1), (0, 6), (2, 3)], mode=["int8", "int16x8", "uint8_io"]), take=5)
def _clip_quantized(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.clip_by_value(x, *map(float, p.ends)), [Feed(p.shape, low=-8, high=8)])


@family("meshgrid", grid(indexing=["xy", "ij"], dtype=["float32", "int32"]), take=3)
def _meshgrid(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x, y: tuple(tf.meshgrid(x, y, indexing=p.indexing)), [Feed((3,), p.dtype), Feed((4,), p.dtype)])


@family("repeat", grid(dtype=["float32", "int32"], shape=[(3, 4), (5,)], axis=[0, -1], times=[2, 3]), take=5)
def _repeat(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.repeat(x, p.times, p.axis), [Feed(p.shape, p.dtype)])


@family(
    "image_layers",
    grid(
        kind=["global_avg", "global_max", "upsample", "zero_pad", "crop", "separable"],
        shape=[(1, 6, 8, 4), (2, 5, 5, 3)],
        mode=["float", "int8", "int8_io", "int16x8", "float16", "dynamic", "uint8"],
    ),
    take=36,
)
def _image_layers(tf: Any, p: SimpleNamespace) -> Graph:
    depthwise = np.random.uniform(-1, 1, (3, 3, p.shape[3], 1)).astype(np.float32)
    pointwise = np.random.uniform(-1, 1, (1, 1, p.shape[3], 7)).astype(np.float32)
    functions = {
        "global_avg": lambda x: tf.reduce_mean(x, [1, 2]),
        "global_max": lambda x: tf.reduce_max(x, [1, 2]),
        "upsample": lambda x: tf.image.resize(x, (2 * p.shape[1], 2 * p.shape[2])),
        "zero_pad": lambda x: tf.pad(x, [[0, 0], [1, 2], [2, 1], [0, 0]]),
        "crop": lambda x: x[:, 1:-1, 2:-1],
        "separable": lambda x: tf.nn.relu6(tf.nn.separable_conv2d(x, depthwise, pointwise, (1, 1, 1, 1), "SAME")),
    }
    return Graph(functions[p.kind], [Feed(p.shape, low=-1, high=1)])


@family("extract_patches", grid(shape=[(1, 6, 8, 3)], size=[2, 3], padding=["SAME", "VALID"]), take=3)
def _extract_patches(tf: Any, p: SimpleNamespace) -> Graph:
    window = [1, p.size, p.size, 1]
    return Graph(lambda x: tf.image.extract_patches(x, window, [1, 2, 2, 1], [1, 1, 1, 1], p.padding), [Feed(p.shape)])


@family(
    "residual_block",
    grid(shape=[(1, 6, 6, 4), (None, 5, 5, 4)], mode=["float", "int8", "int8_io", "int8_tensor", "int16x8", "uint8", "dynamic", "float16"]),
    take=16,
)
def _residual(tf: Any, p: SimpleNamespace) -> Graph:
    first, second = (np.random.uniform(-1, 1, (3, 3, 4, 4)).astype(np.float32) for _ in range(2))

    def function(x: Any) -> Any:
        y = tf.nn.conv2d(tf.nn.relu(tf.nn.conv2d(x, first, 1, "SAME")), second, 1, "SAME")
        return tf.concat([tf.nn.relu(x + y), tf.nn.max_pool2d(x, 3, 1, "SAME")], -1)

    return Graph(function, [Feed(p.shape, low=-1, high=1)])


_STABLE = {
    "add": lambda tf, x, y: tf.add(x, y),
    "multiply": lambda tf, x, y: tf.multiply(x, y),
    "maximum": lambda tf, x, y: tf.maximum(x, y),
    "minimum": lambda tf, x, y: tf.minimum(x, y),
    "and": lambda tf, x, y: tf.bitwise.bitwise_and(x, y),
    "shift_left": lambda tf, x, y: tf.bitwise.left_shift(x, y),
    "pad": lambda tf, x, y: tf.pad(x, [[1, 2], [0, 3]]) if len(x.shape) == 2 else tf.pad(x, [[1, 2]]),
    "gather": lambda tf, x, y: tf.gather(x, [1, 0, 1]),
    "scatter": lambda tf, x, y: tf.tensor_scatter_nd_add(x, [[1], [0]], y[:2]),
    "reduce_window": lambda tf, x, y: tf.cumsum(x, 0),
}


@family("stablehlo", grid(op=list(_STABLE), dtype=["float32", "int32", "int64", "int8"], shape=[(4,), (3, 4)], mode=["stablehlo"]), take=80)
def _stablehlo(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x, y: _STABLE[p.op](tf, x, y), [Feed(p.shape, p.dtype, -9, 9), Feed(p.shape, p.dtype, 0, 6)])
