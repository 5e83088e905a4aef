"""Operators that take or put elements at positions: slices, gathers, scatters, lookups."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.grid.table import QUANTIZED, Feed, Graph, family, grid

TYPES = ["float32", "int32", "int64", "int16", "int8", "uint8", "bool"]
BEGINS = [
    ((12, 2, 2, 5), (0, 0, 0, 0), (8, 2, 2, 3)),
    ((12, 2, 2, 5), (1, 0, 1, 0), (11, 2, 1, 5)),
    ((6, 2, 2, 2, 5), (0, 1, 0, 1, 0), (5, 1, 2, 1, 5)),
    ((2, 3), (0, 0), (2, 3)),
    ((2, 3), (1, 0), (1, 2)),
]
RESTS = [
    ((4, 4, 4, 4), (0, 1, 0, 0), (1, -1, 1, 1)),
    ((4, 4, 4, 4), (0, 0, 0, 1), (1, 1, 1, -1)),
    ((4, 4, 4), (3, 3, 4), (-1, -1, -1)),
    ((None, 4), (1, 1), (-1, 2)),
]


@family(
    "slice",
    grid(dtype=[*TYPES, "string", "uint32"], case=BEGINS, index=["int32", "int64"], constant=[False]),
    grid(dtype=["float32"], case=RESTS, index=["int32"], constant=[True, False]),
    grid(dtype=["float32"], case=BEGINS + RESTS[:2], index=["int32"], constant=[True], mode=QUANTIZED),
    take=36,
)
def _slice(tf: Any, p: SimpleNamespace) -> Graph:
    shape, begin, size = p.case
    if p.constant:
        return Graph(lambda x: tf.slice(x, np.array(begin, p.index), np.array(size, p.index)), [Feed(shape, p.dtype, -1, 1)])
    feeds = [Feed(shape, p.dtype, -1, 1), *(Feed((len(shape),), p.index, value=value) for value in (begin, size))]
    return Graph(lambda x, b, s: tf.slice(x, b, s), feeds)


def _strided(tf: Any, p: SimpleNamespace) -> Graph:
    masks = {"begin_mask": getattr(p, "begin_mask", 0), "end_mask": getattr(p, "end_mask", 0), "shrink_axis_mask": getattr(p, "shrink", 0)}
    masks["ellipsis_mask"], masks["new_axis_mask"] = getattr(p, "ellipsis", 0), getattr(p, "new_axis", 0)
    strides = p.strides or [1] * len(p.begin)
    feeds = [Feed(p.shape, p.dtype, -1, 1)]
    if p.constant:
        return Graph(lambda x: tf.strided_slice(x, p.begin, p.end, strides, **masks), feeds)
    feeds += [Feed((len(p.begin),), getattr(p, "index", "int32"), value=value) for value in (p.begin, p.end, strides)]
    return Graph(lambda x, b, e, s: tf.strided_slice(x, b, e, s, **masks), feeds)


family(
    "strided_slice",
    grid(
        dtype=[*TYPES, "string", "uint32"],
        shape=[(12, 2, 2, 5)],
        strides=[None, [2, 1, 3, 1]],
        begin=[[0, 0, 0, 0]],
        end=[[12, 2, 2, 5]],
        constant=[False, True],
    ),
    grid(
        dtype=["float32"],
        shape=[(12, 2, 2, 5)],
        begin=[[0, 0, 0, 0], [1, 0, 1, 0]],
        end=[[8, 2, 2, 3], [12, 2, 2, 5]],
        strides=[None, [2, 1, 3, 1]],
        begin_mask=[0, 8],
        end_mask=[0, 3],
        shrink=[0, 15],
        constant=[True],
    ),
    grid(
        dtype=["float32"],
        shape=[(12, 2, 2, 5)],
        begin=[[0]],
        end=[[1]],
        strides=[None],
        shrink=[1],
        constant=[True, False],
        mode=["float", "int8", "int16x8", "int8_io"],
    ),
    grid(
        dtype=["float32"],
        shape=[(2, 3)],
        begin=[[0, 0]],
        end=[[2, 2]],
        strides=[None, [2, 2]],
        begin_mask=[0, 1, 2],
        end_mask=[0, 1, 2],
        shrink=[0, 1, 2, 3],
        constant=[False, True],
    ),
    grid(
        dtype=["float32"],
        shape=[(2, 3)],
        begin=[[0, -1]],
        end=[[2, -3]],
        strides=[[1, -1]],
        begin_mask=[0, 1, 2],
        end_mask=[0, 1, 2],
        shrink=[0, 1],
        constant=[False],
    ),
    grid(
        dtype=["float32"],
        shape=[(1, 2, 2, 5)],
        begin=[[0, 0, 0, 0], [0, 1, 1, 3]],
        end=[[1, 2, 2, 5], [1, 2, 2, 4]],
        strides=[None],
        constant=[True],
        mode=QUANTIZED,
    ),
    grid(dtype=["float32"], shape=[(1, 1, 2)], begin=[[1]], end=[[0]], strides=[[1]], end_mask=[1], constant=[True, False]),
    take=48,
)(_strided)
family(
    "strided_slice_1d",
    grid(
        dtype=["float32"],
        shape=[(3,)],
        begin=[[-2], [-1], [0], [1], [2]],
        end=[[-2], [-1], [0], [1], [2]],
        strides=[[-2], [-1], [1], [2]],
        begin_mask=[0, 1],
        end_mask=[0, 1],
        constant=[False],
    ),
    take=32,
)(_strided)

_FULL = slice(None)
_STYLES: list[tuple[tuple[int | None, ...], list[Any]]] = [
    ((12, 7), [slice(3, 7, 2), _FULL]),
    ((33, 1), [None, slice(3, 7, 1), None, _FULL]),
    ((44,), [slice(3, 7, 2)]),
    ((44,), [None, _FULL]),
    ((21, 15, 7), [slice(3, 7, 2), _FULL, 2]),
    ((21, 15, 7), [Ellipsis, slice(3, 7, 2)]),
    ((21, 15, 7, 9), [slice(1, 11, 3), Ellipsis, slice(3, 7, 2)]),
    ((11, 21, 15, 7, 9), [Ellipsis, slice(3, 7, 2)]),
    ((22, 15, 7), [2, Ellipsis]),
    ((22, 15, 7), [Ellipsis, 2]),
    ((23, 15, 7), [None, slice(3, 7, 2), _FULL, Ellipsis, None]),
    ((None, 15, 7), [slice(0, 2), Ellipsis, slice(None, None, -1)]),
    ((None, None, 3), [slice(-2, None), 1]),
]


@family("strided_slice_np_style", grid(case=_STYLES, dtype=["float32", "int32"]), take=20)
def _np_style(tf: Any, p: SimpleNamespace) -> Graph:
    shape, spec = p.case
    return Graph(lambda x: x[tuple(tf.newaxis if item is None else item for item in spec)], [Feed(shape, p.dtype)])


@family(
    "shape_to_strided_slice", grid(shape=[(2, 4, None), (None, None, 3)], begin=[[0], [1]], end=[[2], [3], [-1]], stride=[[1], [2]]), take=6
)
def _shape_to_strided(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.strided_slice(tf.shape(x), p.begin, p.end, p.stride), [Feed(p.shape)])


@family(
    "gather",
    grid(
        dtype=[*TYPES, "uint32"],
        shape=[(3, 4, 20), (5, 6)],
        index=["int32", "int64"],
        where=[(3,), (5,), (2, 2), ()],
        axis=[-1, 0, 1],
        constant=[False, True],
    ),
    grid(dtype=["string"], shape=[(8,)], index=["int32"], where=[(3,), (3, 2)], axis=[0], constant=[False, True]),
    grid(dtype=["float32"], shape=[(3, 4, 20)], index=["int32"], where=[(3,)], axis=[-1, 0, 1], constant=[False], mode=QUANTIZED),
    grid(
        dtype=["float32", "int32"], shape=[(2, 2, 3, 5)], index=["int32"], where=[(2, 2, 2)], axis=[2], batch=[1, 2], constant=[False, True]
    ),
    grid(dtype=["float32", "int8"], shape=[(None, 4, 3)], index=["int32"], where=[(3,), (None,)], axis=[1, 2], constant=[False]),
    take=40,
)
def _gather(tf: Any, p: SimpleNamespace) -> Graph:
    x = Feed(p.shape, p.dtype, -10, 10)
    bound = p.shape[p.axis] or 2
    batch = getattr(p, "batch", 0)
    where = Feed(p.where, p.index, 0, bound - 1)
    if p.constant:
        value = x.array(np.random.default_rng(2), 0)
        return Graph(lambda i: tf.gather(tf.constant(value), i, axis=p.axis, batch_dims=batch), [where])
    if p.mode != "float":
        fixed = where.array(np.random.default_rng(2), 0)
        return Graph(lambda x: tf.gather(x, fixed, axis=p.axis), [x])
    return Graph(lambda x, i: tf.gather(x, i, axis=p.axis, batch_dims=batch), [x, where])


@family(
    "gather_nd",
    grid(
        dtype=[*TYPES, "string"],
        index=["int32", "int64", "int16"],
        case=[((5, 1), (1, 1), 1), ((5, 4), (3, 2), 2), ((3, 4, 2), (2, 2), 2), ((2, 3, 2, 2), (2, 3, 1), 1), ((3, 4, 2), (3,), 3)],
        mode=["float"],
    ),
    grid(dtype=["float32"], index=["int32"], case=[((5, 4), (3, 2), 2)], mode=QUANTIZED),
    take=24,
)
def _gather_nd(tf: Any, p: SimpleNamespace) -> Graph:
    shape, where, _ = p.case
    feeds = [Feed(shape, p.dtype, -10, 10)]
    bound = min(shape[: where[-1]]) - 1
    if p.mode != "float":
        fixed = Feed(where, p.index, 0, bound).array(np.random.default_rng(2), 0)
        return Graph(lambda x: tf.gather_nd(x, fixed), feeds)
    return Graph(lambda x, i: tf.gather_nd(x, i), [*feeds, Feed(where, p.index, 0, bound)])


@family(
    "embedding_lookup",
    grid(dtype=["float32", "int32", "int8"], shape=[(10,), (10, 10), (5, 3, 4)], ids=[(3,), (5, 2)]),
    grid(dtype=["float32"], shape=[(600, 10)], ids=[(3,)], mode=["dynamic", "float16"]),
    take=10,
)
def _embedding_lookup(tf: Any, p: SimpleNamespace) -> Graph:
    value = Feed(p.shape, p.dtype, -10, 10).array(np.random.default_rng(2), 0)
    return Graph(lambda i: tf.nn.embedding_lookup(tf.constant(value), i), [Feed(p.ids, "int32", 0, p.shape[0] - 1)])


_SCATTERS = [([[4], [3], [1], [7]], (4,), (8,)), ([[0, 0], [1, 0], [0, 2], [1, 2]], (4, 5), (2, 3, 5)), ([[1], [1], [2]], (3, 2), (4, 2))]


@family(
    "scatter_nd",
    grid(dtype=["int32", "int64", "float32", "int8", "uint8", "bool", "int16"], case=_SCATTERS, constant=[True, False]),
    take=16,
)
def _scatter_nd(tf: Any, p: SimpleNamespace) -> Graph:
    where, updates, shape = p.case
    feeds = [Feed(updates, p.dtype), Feed(np.shape(where), "int32", value=where)]
    if p.constant:
        return Graph(lambda u, i: tf.scatter_nd(i, u, list(shape)), feeds)
    return Graph(lambda u, i, s: tf.scatter_nd(i, u, s), [*feeds, Feed((len(shape),), "int32", value=shape)])


for _kind in ("tensor_scatter_nd_update", "tensor_scatter_nd_add", "tensor_scatter_nd_sub", "tensor_scatter_nd_max"):

    @family(_kind, grid(kind=[_kind], dtype=["float32", "int32", "int64"], case=_SCATTERS[:2]), take=5)
    def _tensor_scatter(tf: Any, p: SimpleNamespace) -> Graph:
        where, updates, shape = p.case
        feeds = [Feed(shape, p.dtype), Feed(np.shape(where), "int32", value=where), Feed(updates, p.dtype)]
        return Graph(lambda x, i, u: getattr(tf, p.kind)(x, i, u), feeds)


@family(
    "where_indices",
    grid(dtype=["bool", "float32", "int32", "int64", "int8", "uint8"], shape=[(7,), (3, 4), (2, 3, 2), (None, 3), (2, 2, 2, 2)]),
    take=14,
)
def _where_indices(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.where(x), [Feed(p.shape, p.dtype, -1, 1)])


@family("boolean_mask", grid(dtype=["float32", "int32"], shape=[(7,), (4, 3)]), take=3)
def _boolean_mask(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x, m: tf.boolean_mask(x, m), [Feed(p.shape, p.dtype), Feed(p.shape[:1], "bool")])


_SPARSE = [
    ((), 5, (8,)),
    ((3,), [1, 3, 6], (8,)),
    ((3, 2), [[0, 1], [1, 2], [3, 0]], (4, 4)),
    ((2, 4), [[0, 0, 0, 1], [1, 1, 2, 3]], (2, 2, 3, 4)),
]


@family(
    "sparse_to_dense",
    grid(
        dtype=["float32", "int32", "int64", "uint8", "int8"],
        index=["int32", "int64"],
        case=_SPARSE,
        is_scalar=[True, False],
        default=[0, -1],
        constant=[True, False],
    ),
    take=24,
)
def _sparse_to_dense(tf: Any, p: SimpleNamespace) -> Graph:
    _, where, shape = p.case
    default = abs(p.default) if p.dtype == "uint8" else p.default
    values = () if p.is_scalar or not np.ndim(where) else (len(where),)
    feeds = [Feed(values, p.dtype, 0, 10)]
    if p.constant:
        return Graph(
            lambda v: tf.compat.v1.sparse_to_dense(
                tf.constant(where, p.index), tf.constant(shape, p.index), v, tf.constant(default, p.dtype)
            ),
            feeds,
        )
    feeds.append(Feed(np.shape(where), p.index, value=where))
    return Graph(lambda v, i: tf.compat.v1.sparse_to_dense(i, tf.constant(shape, p.index), v, tf.constant(default, p.dtype)), feeds)


@family(
    "dynamic_update_slice",
    grid(
        dtype=["float32", "int32", "bool", "int64", "int8"], shape=[(6,), (6, 5), (6, 3, 3)], index=["int32", "int64"], at=[0, 2, 5, 9, -3]
    ),
    take=16,
)
def _dynamic_update_slice(tf: Any, p: SimpleNamespace) -> Graph:
    update = (2, *p.shape[1:])
    feeds = [Feed(p.shape, p.dtype), Feed(update, p.dtype), Feed((len(p.shape),), p.index, value=[p.at] + [0] * (len(p.shape) - 1))]
    return Graph(lambda x, u, i: tf.raw_ops.XlaDynamicUpdateSlice(input=x, update=u, indices=i), feeds)


@family("dynamic_slice", grid(dtype=["float32", "int32"], shape=[(6,), (6, 5)], at=[0, 2, 9]), take=4)
def _dynamic_slice(tf: Any, p: SimpleNamespace) -> Graph:
    size = [2, *p.shape[1:]]
    feeds = [Feed(p.shape, p.dtype), Feed((len(p.shape),), "int32", value=[p.at] + [0] * (len(p.shape) - 1))]
    return Graph(lambda x, i: tf.raw_ops.XlaDynamicSlice(input=x, start_indices=i, size_indices=size), feeds)


@family(
    "non_max_suppression",
    grid(kind=["v4", "v5"], count=[10, 30], most=[4, 12], overlap=[0.1, 0.5, 0.9], score=[-1.0, 0.3], padded=[True]),
    take=12,
)
def _nms(tf: Any, p: SimpleNamespace) -> Graph:
    def function(b: Any, s: Any) -> Any:
        corners = tf.concat([b[:, :2], b[:, :2] + b[:, 2:]], 1)
        if p.kind == "v4":
            return tf.image.non_max_suppression_padded(corners, s, p.most, p.overlap, p.score, pad_to_max_output_size=True)
        return tf.raw_ops.NonMaxSuppressionV5(
            boxes=corners,
            scores=s,
            max_output_size=p.most,
            iou_threshold=p.overlap,
            score_threshold=p.score,
            soft_nms_sigma=0.5,
            pad_to_max_output_size=True,
        )

    return Graph(function, [Feed((p.count, 4), low=0.05, high=1), Feed((p.count,), low=0, high=1)])
