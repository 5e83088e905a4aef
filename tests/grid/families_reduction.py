"""Operators that make one value of many: reductions, arguments of extremes, sums over segments, norms."""

from types import SimpleNamespace
from typing import Any

from tests.grid.table import QUANTIZED, Feed, Graph, family, grid

AXES_4D = [0, 1, 2, 3, [0, 1], [0, 2], [1, 2], [0, 1, 2], [2, 1, 0], -1, -2, [1, -1], [-1, -2, -3], [0, 1, 2, 3], [3, -4]]
SHAPES = [(3, 3, 2, 4), (1, 8, 8, 3), (None, 3, 2, 4)]


def _reduce(name: str, path: str, dtypes: Any, modes: Any = (), low: float = -1, high: float = 1, take: int = 24) -> None:
    """Registers a reduction: over constant and variable axes, with and without keeping them, over none and over all.

    Not among the rows are sums of INT16, of which the reference leaves a half unwritten.
    """
    plain = grid(dtype=dtypes, shape=SHAPES, axis=AXES_4D, constant=[True, False], keep=[True, False])
    empty = grid(dtype=dtypes[:1], shape=[(), (1, 8, 8, 3), (3, 2, 4)], axis=[[]], constant=[False], keep=[True, False])
    whole = grid(dtype=dtypes[:1], shape=[(), (1, 8, 8, 3), (3, 2, 4), None], axis=[None], constant=[True], keep=[True, False])
    quantized = grid(dtype=["float32"], shape=SHAPES, axis=AXES_4D, constant=[True], keep=[True, False], mode=modes) if modes else []

    @family(name, plain, empty, whole, quantized, take=take, least=2)
    def build(tf: Any, p: SimpleNamespace) -> Graph:
        function = getattr(tf, path)
        feeds = [Feed(p.shape, p.dtype, low, high)]
        if p.constant:
            return Graph(lambda x: function(x, axis=p.axis, keepdims=p.keep), feeds)
        axes = [len(p.axis)] if isinstance(p.axis, list) else []
        return Graph(lambda x, a: function(x, axis=a, keepdims=p.keep), [*feeds, Feed(axes, "int32", value=p.axis)])


_reduce("mean", "reduce_mean", ["float32", "int32", "int64"], QUANTIZED, take=32)
_reduce("sum", "reduce_sum", ["float32", "int32", "int64"], [mode for mode in QUANTIZED if "16" not in mode], take=32)
_reduce("reduce_prod", "reduce_prod", ["float32", "int32", "int64"], ["int8", "int16x8"], -2, 2)
_reduce("reduce_max", "reduce_max", ["float32", "int32", "int64"], QUANTIZED, take=28)
_reduce("reduce_min", "reduce_min", ["float32", "int32", "int64"], QUANTIZED, take=28)
_reduce("reduce_max_small", "reduce_max", ["int8", "uint8", "int16"], low=-100, high=100, take=8)
_reduce("reduce_any", "reduce_any", ["bool"], take=14)
_reduce("reduce_all", "reduce_all", ["bool"], take=14)


@family("reduce_variance", grid(shape=SHAPES, axis=[0, [1, 2], -1], keep=[True, False], mode=["float", "int8"]), take=8)
def _variance(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.math.reduce_variance(x, axis=p.axis, keepdims=p.keep), [Feed(p.shape)])


@family(
    "arg_min_max",
    grid(
        dtype=["float32", "int32", "int8", "uint8", "bool"],
        output=["int32", "int64"],
        shape=[(), (1, 1, 1, 3), (2, 3, 4, 5), (2, 3, 3), (5, 5), (10,), (None, 7)],
        is_max=[True, False],
        axis=[0, -1, 1],
    ),
    grid(
        dtype=["float32"],
        output=["int32"],
        shape=[(1, 3, 4, 3), (None, 5)],
        is_max=[True, False],
        axis=[-1, 1],
        mode=["int8", "int8_io", "uint8_io"],
    ),
    take=30,
)
def _arg_min_max(tf: Any, p: SimpleNamespace) -> Graph:
    function = tf.argmax if p.is_max else tf.argmin
    return Graph(lambda x: function(x, axis=p.axis, output_type=p.output), [Feed(p.shape, p.dtype, -3, 3)])


@family(
    "cumsum",
    grid(
        shape=[(3, 6), (8, 9, 7), (None, 4)],
        dtype=["int32", "int64", "float32"],
        axis=[0, 1, -1],
        exclusive=[True, False],
        reverse=[True, False],
    ),
)
def _cumsum(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.cumsum(x, axis=p.axis, exclusive=p.exclusive, reverse=p.reverse), [Feed(p.shape, p.dtype)])


@family(
    "topk",
    grid(
        dtype=["float32", "int32", "int8", "uint8", "int64", "int16"],
        shape=[(10,), (5, 20), (None, 9), (2, 3, 8)],
        k=[None, 1, 3],
        mode=["float"],
    ),
)
def _topk(tf: Any, p: SimpleNamespace) -> Graph:
    feeds = [Feed(p.shape, p.dtype)]
    if p.k is None:
        return Graph(lambda x: tf.nn.top_k(x, 3), feeds)
    return Graph(lambda x, k: tf.nn.top_k(x, k), [*feeds, Feed((), "int32", value=p.k)])


@family("topk_quantized", grid(shape=[(10,), (5, 20)], k=[1, 3], mode=["int8", "int8_io", "uint8_io", "int16x8"]), take=6)
def _topk_quantized(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.nn.top_k(x, p.k), [Feed(p.shape)])


@family("topk_short_indices", grid(shape=[(10,), (5, 20)], k_type=["int32", "int16"], index=["int32", "int16"]), take=6)
def _topk_short(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.raw_ops.TopKV2(input=x, k=tf.constant(3, p.k_type), index_type=getattr(tf, p.index)), [Feed(p.shape)])


@family(
    "segment_sum",
    grid(shape=[(5,), (5, 2), (5, 3, 4)], ids=[[0, 0, 1, 1, 4], [0, 1, 2, 3, 4], [2, 2, 2, 2, 2]], dtype=["int32", "float32"]),
    take=12,
)
def _segment_sum(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x, i: tf.math.segment_sum(x, i), [Feed(p.shape, p.dtype), Feed((5,), "int32", value=p.ids)])


_UNSORTED = [
    ((5,), [0, 1, 1, 0, 1], 2),
    ((2, 3, 4), [0, 1], 2),
    ((4,), [0, 0, 1, 8], 9),
    ((3,), [-1, -2, -1], 1),
    ((3, 2), [-1, 0, 0], 1),
    ((2, 2, 3), [[1, 2], [3, 4]], 10),
    ((2, 0, 3), [1, 1], 2),
]
for _kind in ("max", "min", "prod", "sum"):

    @family(f"unsorted_segment_{_kind}", grid(kind=[_kind], case=_UNSORTED, dtype=["int32", "float32"], constant=[True, False]), take=14)
    def _unsorted(tf: Any, p: SimpleNamespace) -> Graph:
        function = getattr(tf.math, f"unsorted_segment_{p.kind}")
        shape, ids, count = p.case
        if p.constant:
            return Graph(lambda x: function(x, tf.constant(ids), count), [Feed(shape, p.dtype)])
        import numpy as np

        feeds = [Feed(shape, p.dtype), Feed(np.shape(ids), "int32", value=ids), Feed((), "int32", value=count)]
        return Graph(lambda x, i, n: function(x, i, n), feeds)


@family(
    "unique",
    grid(
        values=[[3], [3, 2, 1, 2, 3], [1] * 7, [3, 2, 1, 0, -1]],
        index=["int32", "int64"],
        dtype=["int32", "int64", "float32", "int8", "int16", "uint8"],
    ),
)
def _unique(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.unique(x, p.index), [Feed((len(p.values),), p.dtype, -2, 2)])


@family(
    "l2norm",
    grid(
        shape=[(5, 7), (1, 1, 1, 1), (1, 3, 4, 3), (3, 15, 14, 3), (None, 6)],
        dim=[-1, 1, 3, (1, 2)],
        epsilon=[1e-12, 1e-3],
        mode=["float", *QUANTIZED],
    ),
    take=18,
)
def _l2norm(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.nn.l2_normalize(x, p.dim, epsilon=p.epsilon), [Feed(p.shape, low=-2, high=2)])


@family(
    "local_response_norm",
    grid(shape=[(1, 1, 1, 1), (1, 3, 4, 3), (3, 15, 14, 3)], radius=[5, 1], bias=[1.0, 0.1], alpha=[1.0, 2.0, 0.1], beta=[0.5, 0.25, 0.75]),
)
def _lrn(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.nn.local_response_normalization(x, p.radius, p.bias, p.alpha, p.beta), [Feed(p.shape, low=-4, high=10)])
