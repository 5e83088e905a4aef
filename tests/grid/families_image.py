"""Convolutions, poolings and resizings of images and volumes."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.grid.table import QUANTIZED, Feed, Graph, family, grid

MODES = [*QUANTIZED, "dynamic", "float16"]
IMAGES = [(1, 3, 4, 3), (4, 6, 6, 1)]
ACTIVATIONS = [None, "relu", "relu6", "relu1", "tanh"]


def _values(shape: Any, low: float = -1, high: float = 1) -> Any:
    return np.random.uniform(low, high, shape).astype(np.float32)


def _activated(tf: Any, name: str | None, x: Any) -> Any:
    if name is None:
        return x
    return tf.minimum(1.0, tf.maximum(x, -1.0)) if name == "relu1" else getattr(tf.nn, name, getattr(tf, name, None))(x)


@family(
    "conv",
    grid(
        shape=IMAGES,
        size=[(1, 1), (2, 3), (3, 3)],
        strides=[1, (2, 3)],
        dilations=[1, (3, 2), 2],
        padding=["SAME", "VALID"],
        constant=[True, False],
        channels=[1, 2],
    ),
    grid(
        shape=IMAGES,
        size=[(1, 1), (2, 3), (3, 3)],
        strides=[1, (2, 3)],
        dilations=[1, (3, 2), 2],
        padding=["SAME", "VALID"],
        constant=[True],
        channels=[1, 2, 9],
        mode=MODES,
    ),
    grid(
        shape=[(None, 5, 6, 3), (None, None, None, 2)],
        size=[(3, 3)],
        strides=[1, 2],
        dilations=[1],
        padding=["SAME", "VALID"],
        constant=[True],
        channels=[4],
        mode=["float", "int8", "int8_io", "dynamic"],
    ),
    take=64,
)
def _conv(tf: Any, p: SimpleNamespace) -> Graph:
    shape = (*p.size, p.shape[3], p.channels)
    dilations = 1 if p.strides != 1 else p.dilations
    feeds = [Feed(p.shape, low=-1, high=1, sizes=(6, 7))]
    if p.constant:
        weights = _values(shape)
        return Graph(lambda x: tf.nn.conv2d(x, weights, p.strides, p.padding, dilations=dilations), feeds)
    return Graph(lambda x, w: tf.nn.conv2d(x, w, p.strides, p.padding, dilations=dilations), [*feeds, Feed(shape, low=-1, high=1)])


@family(
    "conv_bias_activation",
    grid(
        shape=IMAGES, size=[(1, 1), (3, 3)], strides=[1, (2, 3)], padding=["SAME", "VALID"], activation=ACTIVATIONS, mode=["float", *MODES]
    ),
    take=36,
)
def _conv_bias(tf: Any, p: SimpleNamespace) -> Graph:
    weights, bias = _values((*p.size, p.shape[3], 5)), _values((5,))
    return Graph(
        lambda x: _activated(tf, p.activation, tf.nn.bias_add(tf.nn.conv2d(x, weights, p.strides, p.padding), bias)),
        [Feed(p.shape, low=-1, high=1)],
    )


@family(
    "conv_grouped",
    grid(
        shape=[(1, 5, 6, 4), (2, 4, 4, 8)],
        groups=[2, 4],
        size=[(1, 1), (3, 3)],
        padding=["SAME", "VALID"],
        mode=["float", "int8", "dynamic"],
    ),
    take=10,
)
def _conv_grouped(tf: Any, p: SimpleNamespace) -> Graph:
    weights = _values((*p.size, p.shape[3] // p.groups, 2 * p.groups))
    return Graph(lambda x: tf.nn.conv2d(x, weights, 1, p.padding), [Feed(p.shape, low=-1, high=1)])


@family("conv_shared_weights", grid(shape=[(1, 3, 4, 3)], mode=["float", "int8", "int8_io"]), take=3)
def _conv_shared(tf: Any, p: SimpleNamespace) -> Graph:
    weights = _values((2, 3, 3, 4))
    return Graph(
        lambda x: tf.nn.conv2d(x, weights, 1, "SAME") + tf.nn.bias_add(tf.nn.conv2d(x, weights, 1, "SAME"), _values((4,))),
        [Feed(p.shape, low=-1, high=1)],
    )


@family(
    "identify_dilated_conv",
    grid(
        shape=IMAGES, size=[(1, 1), (2, 3), (3, 3)], dilations=[(3, 2), (2, 2), (2, 1)], padding=["VALID", "SAME"], constant=[True, False]
    ),
    take=14,
)
def _dilated(tf: Any, p: SimpleNamespace) -> Graph:
    shape = (*p.size, p.shape[3], 2)
    weights = _values(shape)
    if p.constant:
        return Graph(lambda x: tf.nn.convolution(x, weights, dilations=p.dilations, padding=p.padding), [Feed(p.shape, low=-1, high=1)])
    return Graph(
        lambda x, w: tf.nn.convolution(x, w, dilations=p.dilations, padding=p.padding),
        [Feed(p.shape, low=-1, high=1), Feed(shape, low=-1, high=1)],
    )


@family(
    "conv1d",
    grid(
        shape=[(1, 8, 3), (4, 9, 1), (None, 8, 2)],
        size=[1, 2, 3],
        dilations=[1, 2, 3],
        padding=["VALID", "SAME"],
        mode=["float", "int8", "dynamic"],
    ),
    take=14,
)
def _conv1d(tf: Any, p: SimpleNamespace) -> Graph:
    weights = _values((p.size, p.shape[2], 4))
    return Graph(lambda x: tf.nn.conv1d(x, weights, 1, p.padding, dilations=p.dilations), [Feed(p.shape, low=-1, high=1)])


@family(
    "depthwiseconv",
    grid(
        shape=[(1, 3, 4, 3), (1, 10, 10, 3), (2, 5, 5, 1)],
        size=[(1, 1), (1, 2), (3, 3)],
        strides=[1, 3],
        dilations=[1, (3, 2), 2],
        multiplier=[1, 2, 4],
        padding=["SAME", "VALID"],
        constant=[True, False],
    ),
    grid(
        shape=[(1, 10, 10, 3), (None, 6, 5, 8)],
        size=[(1, 2), (3, 3)],
        strides=[1, 2],
        dilations=[1, 2],
        multiplier=[1, 2],
        padding=["SAME", "VALID"],
        constant=[True],
        mode=MODES,
    ),
    take=48,
)
def _depthwise(tf: Any, p: SimpleNamespace) -> Graph:
    shape = (*p.size, p.shape[3], p.multiplier)
    dilations = p.dilations if p.strides == 1 else 1
    rate = dilations if isinstance(dilations, tuple) else (dilations, dilations)
    feeds = [Feed(p.shape, low=-1, high=1)]
    if p.constant:
        weights, bias = _values(shape), _values((p.shape[3] * p.multiplier,))
        return Graph(
            lambda x: tf.nn.bias_add(tf.nn.depthwise_conv2d(x, weights, (1, p.strides, p.strides, 1), p.padding, dilations=rate), bias),
            feeds,
        )
    return Graph(
        lambda x, w: tf.nn.depthwise_conv2d(x, w, (1, p.strides, p.strides, 1), p.padding, dilations=rate),
        [*feeds, Feed(shape, low=-1, high=1)],
    )


_TRANSPOSED = [
    ((1, 3, 3, 1), (3, 3), 1),
    ((1, 3, 3, 1), (3, 3), 2),
    ((1, 4, 3, 2), (3, 3), 2),
    ((3, 10, 10, 3), (1, 2), 1),
    ((1, 3, 4, 1), (1, 1), 3),
    ((2, 5, 4, 2), (2, 3), 2),
]


@family(
    "transpose_conv",
    grid(case=_TRANSPOSED, padding=["SAME", "VALID"], has_bias=[True, False], variable=[None, "weights", "shape"]),
    grid(case=_TRANSPOSED, padding=["SAME", "VALID"], has_bias=[True, False], mode=MODES),
    take=36,
)
def _transpose_conv(tf: Any, p: SimpleNamespace) -> Graph:
    (n, h, w, c), (fh, fw), s = p.case
    same = p.padding == "SAME"
    output = (n, h * s if same else (h - 1) * s + fh, w * s if same else (w - 1) * s + fw, 2)
    weights, bias = _values((fh, fw, 2, c)), _values((2,))
    feeds = [Feed((n, h, w, c), low=-1, high=1)]
    variable = getattr(p, "variable", None)
    if variable == "weights":
        return Graph(lambda x, f: tf.nn.conv2d_transpose(x, f, output, s, p.padding), [*feeds, Feed(weights.shape, low=-1, high=1)])
    if variable == "shape":
        return Graph(lambda x, o: tf.nn.conv2d_transpose(x, weights, o, s, p.padding), [*feeds, Feed((4,), "int32", value=output)])

    def function(x: Any) -> Any:
        y = tf.nn.conv2d_transpose(x, weights, output, s, p.padding)
        return tf.nn.bias_add(y, bias) if p.has_bias else y

    return Graph(function, feeds)


_VOLUMES = [((2, 3, 4, 5, 3), (2, 2, 2, 3, 2)), ((2, 5, 6, 8, 3), (1, 2, 2, 3, 2))]
_STEPS = [(1, 1, 1, 1, 1), (1, 1, 1, 2, 1), (1, 1, 2, 2, 1), (1, 2, 1, 2, 1), (1, 2, 2, 2, 1)]


@family(
    "conv3d", grid(case=_VOLUMES, strides=_STEPS, padding=["SAME", "VALID"], constant=[True, False], activation=[None, "relu6"]), take=14
)
def _conv3d(tf: Any, p: SimpleNamespace) -> Graph:
    shape, weights = p.case
    if p.constant:
        value = _values(weights)
        return Graph(lambda x: _activated(tf, p.activation, tf.nn.conv3d(x, value, p.strides, p.padding) + _values((2,))), [Feed(shape)])
    return Graph(lambda x, w: tf.nn.conv3d(x, w, p.strides, p.padding), [Feed(shape, low=-100, high=9), Feed(weights, low=-3, high=3)])


@family(
    "conv3d_transpose",
    grid(
        index=["int32", "int64"],
        shape=[(2, 3, 4, 5, 2), (2, 5, 6, 8, 2)],
        size=[(2, 2, 2), (1, 2, 2)],
        strides=_STEPS,
        padding=["SAME", "VALID"],
    ),
    take=12,
)
def _conv3d_transpose(tf: Any, p: SimpleNamespace) -> Graph:
    extra = [0] * 3 if p.padding == "SAME" else [size - 1 for size in p.size]
    spatial = [(p.shape[axis] - 1) * p.strides[axis] + 1 + extra[axis - 1] for axis in (1, 2, 3)]
    output = [p.shape[0], *spatial, 3]
    feeds = [Feed(p.shape, low=-100, high=9), Feed((*p.size, 3, 2), low=-3, high=3), Feed((5,), p.index, value=output)]
    return Graph(lambda x, w, o: tf.nn.conv3d_transpose(x, w, o, p.strides, p.padding), feeds)


_POOLS = [(1, 1), (1, 2), (2, 2), (10, 11)]
for _kind in ("avg_pool", "max_pool", "l2_pool"):

    @family(
        _kind,
        grid(
            kind=[_kind],
            size=_POOLS,
            strides=_POOLS,
            shape=[(1, 1, 1, 1), (1, 15, 14, 1), (3, 15, 14, 3), (None, 12, 13, 2)],
            padding=["SAME", "VALID"],
            activation=[None, "relu6"],
        ),
        grid(
            kind=[_kind],
            size=_POOLS,
            strides=_POOLS,
            shape=[(1, 15, 14, 1), (3, 15, 14, 3)],
            padding=["SAME", "VALID"],
            activation=[None],
            mode=QUANTIZED,
        )
        if _kind != "l2_pool"
        else [],
        take=28 if _kind != "l2_pool" else 12,
    )
    def _pool(tf: Any, p: SimpleNamespace) -> Graph:
        def function(x: Any) -> Any:
            if p.kind == "l2_pool":
                return tf.sqrt(tf.nn.avg_pool2d(tf.square(x), p.size, p.strides, p.padding))
            return _activated(tf, p.activation, getattr(tf.nn, f"{p.kind}2d")(x, p.size, p.strides, p.padding))

        return Graph(function, [Feed(p.shape, low=-1, high=1)])


@family(
    "pool3d",
    grid(
        kind=["avg_pool3d", "max_pool3d"],
        size=[1, (2, 2, 2), (2, 3, 4)],
        strides=[1, (2, 1, 2), (2, 2, 4)],
        shape=[(1, 1, 1, 1, 1), (1, 16, 15, 14, 1), (3, 6, 5, 4, 3)],
        padding=["SAME", "VALID"],
    ),
    take=8,
    has_custom=True,
)
def _pool3d(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: getattr(tf.nn, p.kind)(x, p.size, p.strides, p.padding), [Feed(p.shape)])


@family(
    "max_pool_with_argmax",
    grid(shape=[(2, 4, 2, 2), (2, 4, 3, 2)], size=[(2, 2), (2, 1)], strides=[(2, 2)], padding=["SAME", "VALID"]),
    grid(shape=[(2, 4, 10, 2), (2, 4, 11, 2)], size=[(2, 2)], strides=[(2, 3)], padding=["SAME", "VALID"]),
    take=10,
    has_custom=True,
)
def _max_pool_argmax(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(
        lambda x: tuple(tf.nn.max_pool_with_argmax(x, p.size, p.strides, p.padding, output_dtype=tf.int32)),
        [Feed(p.shape, low=-10, high=10)],
    )


_SCALES = [(1, 1), (4, 3), (2, 2), (5, 6), (8, 12)]
for _kind in ("bilinear", "nearest_neighbor"):

    @family(
        f"resize_{_kind}",
        grid(
            kind=[_kind],
            dtype=["float32"] if _kind == "bilinear" else ["float32", "int32"],
            shape=[(1, 3, 4, 3), (1, 10, 2, 1), (2, 16, 24, 3), (None, 5, 5, 2)],
            size=_SCALES,
            align=[True, False],
            half=[False, True],
            constant=[True, False],
        ),
        grid(
            kind=[_kind],
            dtype=["float32"],
            shape=[(1, 3, 4, 3), (1, 12, 18, 3)],
            size=_SCALES,
            align=[True, False],
            half=[False, True],
            constant=[True],
            mode=QUANTIZED,
        ),
        take=28,
    )
    def _resize(tf: Any, p: SimpleNamespace) -> Graph:
        function = getattr(tf.compat.v1.image, f"resize_{p.kind}")
        half = p.half and not p.align
        feeds = [Feed(p.shape, p.dtype, -1, 1)]
        if p.constant:
            return Graph(lambda x: function(x, p.size, align_corners=p.align, half_pixel_centers=half), feeds)
        return Graph(
            lambda x, s: function(x, s, align_corners=p.align, half_pixel_centers=half), [*feeds, Feed((2,), "int32", value=p.size)]
        )


@family("resize_int", grid(kind=["nearest_neighbor"], dtype=["int8", "uint8", "int16"], shape=[(1, 3, 4, 3)], size=_SCALES), take=5)
def _resize_int(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.compat.v1.image.resize_nearest_neighbor(x, p.size), [Feed(p.shape, p.dtype)])


@family("nearest_upsample", grid(shape=[(1, 10, 10, 64), (3, 8, 7, 5)], scale=[(2, 2), (1, 3), (4, 1)], mode=["float", "int8"]), take=8)
def _upsample(tf: Any, p: SimpleNamespace) -> Graph:
    n, h, w, c = p.shape

    def function(x: Any) -> Any:
        return tf.reshape(
            tf.tile(tf.reshape(x, (n, h, 1, w, 1, c)), (1, 1, p.scale[0], 1, p.scale[1], 1)), (n, h * p.scale[0], w * p.scale[1], c)
        )

    return Graph(function, [Feed(p.shape)])


@family("crop_and_resize_like", grid(shape=[(1, 8, 8, 3)], size=[(4, 4), (12, 6)], mode=["float", "int8", "float16"]), take=4)
def _crop(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.image.resize(x[:, 1:7, 2:8, :], p.size), [Feed(p.shape, low=0, high=1)])


@family(
    "fused_batch_norm",
    grid(
        shape=[(1, 1, 6, 2), (3, 4, 5, 3), (None, 4, 4, 2)],
        epsilon=[0.1, 0.0001],
        mode=["float", "int8", "float16"],
        has_conv=[True, False],
    ),
    take=12,
)
def _batch_norm(tf: Any, p: SimpleNamespace) -> Graph:
    c = p.shape[3]
    scale, offset, mean, variance = _values(c), _values(c), _values(c), _values(c, 0.1, 1)
    weights = _values((1, 1, c, c))

    def function(x: Any) -> Any:
        x = tf.nn.conv2d(x, weights, 1, "SAME") if p.has_conv else x
        return tf.compat.v1.nn.fused_batch_norm(x, scale, offset, mean, variance, epsilon=p.epsilon, is_training=False)[0]

    return Graph(function, [Feed(p.shape, low=-1, high=1)])
