"""Operators that move elements or make them of sizes: shapes, joins, parts, paddings, permutations, fillings."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.grid.table import QUANTIZED, Feed, Graph, family, grid

TYPES = ["float32", "int32", "int64", "int16", "int8", "uint8", "bool"]
MODES = ["float", *QUANTIZED]


def _modes(**columns: Any) -> list[dict[str, Any]]:
    """A grid of floats in the quantized modes."""
    return grid(dtype=["float32"], mode=QUANTIZED, **columns)


@family(
    "reshape",
    grid(
        dtype=[*TYPES, "string"],
        case=[((3, 4, 5, 7), (15, 28)), ((1, 105), (5, -1, 7)), ((1,), ()), ((), (1, 1)), ((0, 3), (3, 0))],
        constant=[True, False],
    ),
    _modes(case=[((3, 4, 5, 7), (15, 28))], constant=[True]),
)
def _reshape(tf: Any, p: SimpleNamespace) -> Graph:
    shape, target = p.case
    if p.constant:
        return Graph(lambda x: tf.reshape(x, target), [Feed(shape, p.dtype)])
    return Graph(lambda x, s: tf.reshape(x, s), [Feed(shape, p.dtype), Feed((len(target),), "int32", value=target)])


@family("reshape_unknown", grid(dtype=["float32", "int32"], shape=[(None, 6), (2, None, 3)], target=[(-1, 3), (6, -1), (-1,)]), take=5)
def _reshape_unknown(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.reshape(x, p.target), [Feed(p.shape, p.dtype)])


@family(
    "transpose",
    grid(
        dtype=[*TYPES, "string"],
        case=[
            ((2, 2, 3), (0, 1, 2)),
            ((2, 2, 3), (0, 2, 1)),
            ((1, 2, 3, 4), (3, 0, 1, 2)),
            ((1, 2, 3, 4, 5), (4, 3, 2, 1, 0)),
            ((2, 3, 1, 2, 3, 2), (5, 1, 0, 3, 2, 4)),
        ],
        constant=[True, False],
    ),
    _modes(case=[((1, 2, 3, 4), (3, 0, 1, 2)), ((1, 2, 3, 4, 5), (4, 3, 2, 1, 0))], constant=[True]),
    grid(dtype=["float32"], case=[((None, 2, 3), (0, 2, 1)), ((1, None, 3, 4), (3, 0, 1, 2))], constant=[True, False]),
    take=24,
)
def _transpose(tf: Any, p: SimpleNamespace) -> Graph:
    shape, order = p.case
    if p.constant:
        return Graph(lambda x: tf.transpose(x, order), [Feed(shape, p.dtype)])
    return Graph(lambda x, o: tf.transpose(x, o), [Feed(shape, p.dtype), Feed((len(order),), "int32", value=order)])


@family("expand_dims", grid(dtype=TYPES, shape=[(5, 4), (), (None, 3)], axis=[0, -1, 1], constant=[True, False]))
def _expand_dims(tf: Any, p: SimpleNamespace) -> Graph:
    axis = min(p.axis, len(p.shape))
    if p.constant:
        return Graph(lambda x: tf.expand_dims(x, axis), [Feed(p.shape, p.dtype)])
    return Graph(lambda x, a: tf.expand_dims(x, a), [Feed(p.shape, p.dtype), Feed((1,), "int32", value=[axis])])


@family(
    "squeeze",
    grid(
        dtype=[*TYPES, "string"],
        case=[((1, 2, 1, 3, 1, 4, 1, 1), None), ((1, 2, 1, 3), [0]), ((1, 2, 1, 3, 1), [-1, 0]), ((1,), [0]), ((None, 1, 3), [1])],
    ),
    _modes(case=[((1, 2, 1, 3), [0, 2])]),
)
def _squeeze(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.squeeze(x, p.case[1]), [Feed(p.case[0], p.dtype)])


@family("squeeze_transpose", grid(dtype=["int32", "float32", "int64"], shape=[(1, 4, 10, 1)], axis=[[-1], [3], None]), take=4)
def _squeeze_transpose(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.squeeze(tf.transpose(x, [0, 2, 1, 3]), axis=p.axis), [Feed(p.shape, p.dtype)])


@family(
    "pack",
    grid(dtype=[*TYPES, "uint32"], shape=[(3, 4, 3), (3,), (), (None, 2)], count=[1, 2, 5], axis=[0, -1, 1]),
    _modes(shape=[(3, 4, 3)], count=[2, 3], axis=[0, 2]),
    take=20,
)
def _pack(tf: Any, p: SimpleNamespace) -> Graph:
    axis = min(p.axis, len(p.shape))
    return Graph(lambda *x: tf.stack(list(x), axis), [Feed(p.shape, p.dtype)] * p.count)


@family(
    "unpack", grid(dtype=TYPES, shape=[(3, 4, 3), (2, 2), (1, 3), (2, 3, 4, 5)], axis=[0, 1, -1]), _modes(shape=[(3, 4, 3)], axis=[0, 1])
)
def _unpack(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tuple(tf.unstack(x, axis=p.axis)), [Feed(p.shape, p.dtype)])


@family(
    "split",
    grid(dtype=TYPES, shape=[(1, 3, 4, 6), (2, 4, 1), (6, 4), (8,)], count=[1, 2, 3], axis=[0, 1, 3, -1]),
    _modes(shape=[(1, 3, 4, 6)], count=[2, 3], axis=[3]),
    take=24,
)
def _split(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tuple(tf.split(x, p.count, p.axis)), [Feed(p.shape, p.dtype)])


@family(
    "splitv",
    grid(dtype=TYPES, shape=[(1, 3, 4, 6), (4, 6)], sizes=[[2, 2], [1, 3], [4, 2], [5, 1], [1, 1, 1], [-1, 1]], axis=[0, 1, 3, -1]),
    take=20,
)
def _splitv(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tuple(tf.split(x, p.sizes, p.axis)), [Feed(p.shape, p.dtype)])


@family(
    "concat",
    grid(dtype=[*TYPES, "uint32"], shape=[(1, 3, 4, 3), (3, 4), (None, 2, 3)], count=[1, 2, 3, 6], axis=[0, 1, -1, -2]),
    _modes(shape=[(1, 3, 4, 3)], count=[2, 3, 6], axis=[0, 1, 3]),
    take=32,
)
def _concat(tf: Any, p: SimpleNamespace) -> Graph:
    feeds = [Feed(p.shape, p.dtype, -1 - number, 1 + number) for number in range(p.count)]
    return Graph(lambda *x: tf.concat(list(x), p.axis), feeds)


@family("concat_constant", grid(dtype=["float32", "int32", "int8"], axis=[0, 1]), _modes(axis=[0, 1]), take=6)
def _concat_constant(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.concat([x, tf.ones((3, 3), p.dtype)], p.axis), [Feed((3, 3), p.dtype)])


@family(
    "tile", grid(dtype=[*TYPES, "string"], shape=[(2, 1), (1, 2, 3), (5,), (None, 2)], times=[1, 2, 3], constant=[True, False]), take=20
)
def _tile(tf: Any, p: SimpleNamespace) -> Graph:
    times = [p.times] + [2] * (len(p.shape) - 1)
    if p.constant:
        return Graph(lambda x: tf.tile(x, times), [Feed(p.shape, p.dtype)])
    return Graph(lambda x, t: tf.tile(x, t), [Feed(p.shape, p.dtype), Feed((len(times),), "int32", value=times)])


_PADS = [
    ((1, 1, 2, 1), [[0, 0], [0, 1], [2, 3], [0, 0]]),
    ((2, 1, 1, 1), [[0, 1], [0, 0], [0, 0], [2, 3]]),
    ((1, 2), [[0, 1], [2, 1]]),
    ((3,), [[1, 2]]),
    ((1, 2, 3, 2, 2), [[1, 0], [0, 1], [0, 0], [2, 0], [1, 1]]),
    ((None, 2), [[0, 1], [2, 1]]),
]


@family(
    "pad", grid(dtype=TYPES, case=_PADS, index=["int32", "int64"], constant=[True, False]), _modes(case=_PADS[:3], constant=[True]), take=28
)
def _pad(tf: Any, p: SimpleNamespace) -> Graph:
    shape, widths = p.case
    index = getattr(p, "index", "int32")
    if p.constant:
        return Graph(lambda x: tf.pad(x, tf.constant(widths, index)), [Feed(shape, p.dtype, -1, 1)])
    return Graph(lambda x, w: tf.pad(x, w), [Feed(shape, p.dtype), Feed((len(widths), 2), index, value=widths)])


@family(
    "padv2",
    grid(dtype=TYPES[:6], case=_PADS, constant=[True, False], filler=[0, 2]),
    _modes(case=_PADS[:3], constant=[True], filler=[0, 2]),
    take=24,
)
def _padv2(tf: Any, p: SimpleNamespace) -> Graph:
    shape, widths = p.case
    if p.constant:
        return Graph(lambda x: tf.pad(x, widths, constant_values=p.filler), [Feed(shape, p.dtype, -1, 1)])
    feeds = [Feed(shape, p.dtype), Feed((len(widths), 2), "int32", value=widths)]
    return Graph(lambda x, w: tf.pad(x, w, constant_values=tf.constant(p.filler, p.dtype)), feeds)


_MIRRORS = [
    ((2, 3), [[1, 1], [2, 1]]),
    ((2, 3), [[1, 1], [1, 1]]),
    ((3, 4, 2, 5), [[1, 0], [2, 2], [1, 1], [0, 3]]),
    ((3,), [[0, 2]]),
    ((None, 3), [[1, 1], [2, 1]]),
]


@family(
    "mirror_pad",
    grid(
        dtype=["float32", "int32", "int64", "uint8", "int8", "int16"], case=_MIRRORS, kind=["REFLECT", "SYMMETRIC"], constant=[True, False]
    ),
    _modes(case=_MIRRORS[:2], kind=["REFLECT", "SYMMETRIC"], constant=[True]),
    take=24,
)
def _mirror_pad(tf: Any, p: SimpleNamespace) -> Graph:
    shape, widths = p.case
    if p.kind == "REFLECT" and shape == (2, 3):
        widths = [[1, 1], [2, 1]]
    if p.constant:
        return Graph(lambda x: tf.pad(x, widths, p.kind), [Feed(shape, p.dtype, -1, 1)])
    return Graph(lambda x, w: tf.pad(x, w, p.kind), [Feed(shape, p.dtype), Feed((len(widths), 2), "int32", value=widths)])


@family(
    "reverse_v2",
    grid(
        dtype=TYPES, case=[((3, 4, 3), [0]), ((3, 4, 3), [-1]), ((3, 4, 3), [0, 1]), ((5, 6, 7, 8), [2, 3]), ((None, 3), [1]), ((4,), [0])]
    ),
    take=14,
)
def _reverse_v2(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.reverse(x, p.case[1]), [Feed(p.case[0], p.dtype)])


@family(
    "reverse_sequence",
    grid(
        dtype=["float32", "int32", "int64", "int16", "uint8"],
        case=[((8, 4, 5, 5, 6), (0, 3)), ((8, 4, 5, 5, 6), (3, 1)), ((4, 3, 2), (0, 1)), ((5, 4), (1, 0))],
        index=["int32", "int64"],
    ),
    take=12,
)
def _reverse_sequence(tf: Any, p: SimpleNamespace) -> Graph:
    shape, (batch, axis) = p.case
    feeds = [Feed(shape, p.dtype), Feed((shape[batch],), p.index, low=0, high=shape[axis])]
    return Graph(lambda x, n: tf.reverse_sequence(x, n, axis, batch), feeds)


_ROLLS = [
    ((2, 4, 5), 1, 0),
    ((2, 4, 5), -3, 1),
    ((2, 4, 5), [1, 2], [0, -1]),
    ((3, 8, 4), [-3, 5, 10], [0, 1, 2]),
    ((6,), 2, 0),
    ((None, 4), 1, 1),
]


@family("roll", grid(dtype=["float32", "int32", "int64"], case=_ROLLS, constant=[True, False]), take=14)
def _roll(tf: Any, p: SimpleNamespace) -> Graph:
    shape, shift, axis = p.case
    if p.constant:
        return Graph(lambda x: tf.roll(x, shift, axis), [Feed(shape, p.dtype)])
    return Graph(lambda x, s: tf.roll(x, s, axis), [Feed(shape, p.dtype), Feed(np.shape(shift), "int32", value=shift)])


@family(
    "depth_to_space",
    grid(dtype=["float32", "int32", "uint8", "int64", "int8"], shape=[(1, 2, 2, 16), (2, 3, 4, 4), (None, 2, 2, 8)], block=[2]),
    _modes(shape=[(1, 2, 2, 16)], block=[2, 4]),
)
def _depth_to_space(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.nn.depth_to_space(x, p.block), [Feed(p.shape, p.dtype)])


@family(
    "space_to_depth",
    grid(dtype=["float32", "int32", "uint8", "int64", "int8"], shape=[(2, 12, 24, 1), (1, 4, 4, 3), (None, 2, 2, 2)], block=[2]),
    _modes(shape=[(2, 12, 24, 1)], block=[2, 3, 4]),
)
def _space_to_depth(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.nn.space_to_depth(x, p.block), [Feed(p.shape, p.dtype)])


_BLOCKS = [
    ((1, 2, 2, 3), [2, 2], [[0, 0], [0, 0]]),
    ((2, 2, 4, 1), [1, 3], [[0, 0], [2, 0]]),
    ((2, 3, 7, 3), [2, 2], [[1, 0], [1, 0]]),
    ((1, 4, 4), [2], [[0, 0]]),
]


@family(
    "space_to_batch_nd",
    grid(
        dtype=["float32", "int32", "int64", "int8", "uint8"],
        case=_BLOCKS,
        constant=[(True, True), (True, False), (False, True), (False, False)],
    ),
    _modes(case=_BLOCKS[:1] + _BLOCKS[3:], constant=[(True, True)]),
    take=24,
)
def _space_to_batch(tf: Any, p: SimpleNamespace) -> Graph:
    shape, block, widths = p.case
    feeds, picks = [Feed(shape, p.dtype, -1, 1)], []
    for value, is_constant in zip((block, widths), p.constant):
        picks.append(None if is_constant else len(feeds))
        if not is_constant:
            feeds.append(Feed(np.shape(value), "int32", value=value))

    def function(*x: Any) -> Any:
        chosen = [value if pick is None else x[pick] for value, pick in zip((block, widths), picks)]
        return tf.space_to_batch(x[0], *chosen)

    return Graph(function, feeds)


_CROPS = [
    ((12, 3, 3, 1), [2, 2], [[0, 0], [0, 0]]),
    ((12, 3, 3, 1), [1, 4], [[0, 0], [1, 2]]),
    ((8, 3, 4, 2), [2, 2], [[1, 1], [0, 1]]),
    ((4, 3, 2), [2], [[0, 1]]),
]


@family(
    "batch_to_space_nd",
    grid(dtype=["float32", "int32", "int64", "int8", "uint8"], case=_CROPS, constant=[True, False]),
    _modes(case=_CROPS[:1] + _CROPS[3:], constant=[True]),
    take=20,
)
def _batch_to_space(tf: Any, p: SimpleNamespace) -> Graph:
    shape, block, crops = p.case
    if p.constant:
        return Graph(lambda x: tf.batch_to_space(x, block, crops), [Feed(shape, p.dtype)])
    feeds = [Feed(shape, p.dtype), Feed((len(block),), "int32", value=block), Feed((len(crops), 2), "int32", value=crops)]
    return Graph(lambda x, b, c: tf.batch_to_space(x, b, c), feeds)


@family(
    "fill",
    grid(
        dtype=["float32", "int32", "int64", "bool", "string", "int8", "int16", "float16"],
        shape=[(), (3,), (1, 2), (5, 6, 7, 8)],
        index=["int32", "int64"],
    ),
)
def _fill(tf: Any, p: SimpleNamespace) -> Graph:
    feeds = [Feed((len(p.shape),), p.index, value=p.shape), Feed((), p.dtype)]
    return Graph(lambda s, v: tf.fill(s, v), feeds)


@family("range", grid(dtype=["int32", "float32", "int64"], offset=[10, 100, 0], delta=[1, 2, 3, -1, -2], constant=[False]), take=14)
def _range(tf: Any, p: SimpleNamespace) -> Graph:
    limit = p.offset + 17 * (1 if p.delta > 0 else -1)
    feeds = [Feed((), p.dtype, value=value) for value in (p.offset, limit, p.delta)]
    return Graph(lambda a, b, c: tf.range(a, b, c), feeds)


@family("shape", grid(dtype=["float32", "int32", "string"], shape=[(), (3,), (1, 4, None), (None, None), None], output=["int32", "int64"]))
def _shape(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.shape(x, out_type=p.output), [Feed(p.shape, p.dtype)])


@family("rank", grid(dtype=["float32", "int32"], shape=[(), (0,), (1, 1, 1, 3), (None, 3), None]), take=7)
def _rank(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.rank(x), [Feed(p.shape, p.dtype)])


@family("size", grid(dtype=["float32", "int32"], shape=[(2, 3), (None, 3), None]), take=4)
def _size(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.size(x), [Feed(p.shape, p.dtype)])


@family(
    "constant",
    grid(dtype=["float32", "int32", "int64", "int16", "bool", "string"], shape=[(), (1,), (2,), (2, 2, 2, 2)], is_input_too=[True, False]),
)
def _constant(tf: Any, p: SimpleNamespace) -> Graph:
    value = Feed(p.shape, p.dtype).array(np.random.default_rng(3), 0)
    if p.is_input_too and p.dtype not in ("bool", "string"):
        return Graph(lambda x: (tf.constant(value), x + tf.constant(value)), [Feed(p.shape, p.dtype)])
    return Graph(lambda x: (tf.constant(value), tf.identity(x)), [Feed(p.shape, p.dtype)])


@family(
    "eye", grid(dtype=["float32", "int32", "int64"], rows=[3, 5], columns=[None, 4], batch=[(), (2, 3)], constant=[True, False]), take=12
)
def _eye(tf: Any, p: SimpleNamespace) -> Graph:
    feeds = [Feed((), "int32", value=p.rows)]
    return Graph(lambda n: tf.eye(p.rows if p.constant else n, p.columns, list(p.batch) or None, p.dtype), feeds)


@family(
    "one_hot",
    grid(
        shape=[(3,), (4, 4), (1, 5), (5, 1), (None, 2)],
        index=["int32", "int64"],
        dtype=["float32", "int32", "int64", "bool", "int8", "uint8"],
        axis=[-1, 0, 1],
        constant=[True, False],
    ),
    take=24,
)
def _one_hot(tf: Any, p: SimpleNamespace) -> Graph:
    on, off = (True, False) if p.dtype == "bool" else (3, -1) if not p.dtype.startswith("u") else (3, 1)
    feeds = [Feed(p.shape, p.index, -1, 10)]
    if p.constant:
        return Graph(lambda x: tf.one_hot(x, 8, tf.constant(on, p.dtype), tf.constant(off, p.dtype), p.axis), feeds)
    feeds += [Feed((), "int32", value=8), Feed((), p.dtype, value=on), Feed((), p.dtype, value=off)]
    return Graph(lambda x, d, a, b: tf.one_hot(x, d, a, b, p.axis), feeds)


@family(
    "matrix_diag",
    grid(dtype=["float32", "int32", "int64", "int8", "uint8", "int16"], shape=[(3,), (2, 3), (2, 4, 4), (None, 3)], kind=["matrix_diag"]),
    take=10,
)
def _matrix_diag(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.raw_ops.MatrixDiag(diagonal=x), [Feed(p.shape, p.dtype)])


@family("matrix_diag_v3", grid(dtype=["float32", "int32"], shape=[(3,), (2, 3)]), take=3)
def _matrix_diag_v3(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.linalg.diag(x), [Feed(p.shape, p.dtype)])


@family(
    "matrix_set_diag",
    grid(
        dtype=["float32", "int32", "uint8", "int64", "int8", "int16"],
        case=[((3, 3), (3,)), ((2, 3), (2,)), ((2, 4, 4), (2, 4)), ((3, 4, 5, 6), (3, 4, 5))],
    ),
    take=10,
)
def _matrix_set_diag(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x, d: tf.raw_ops.MatrixSetDiag(input=x, diagonal=d), [Feed(p.case[0], p.dtype), Feed(p.case[1], p.dtype)])


@family(
    "matrix_band_part",
    grid(shape=[(1, 2), (3, 4, 5), (6, 7, 8, 9), (None, None), (10, None), (3, None, 10)], ends=[(-1, 1), (2, 0), (0, -1), (1, 3)]),
    take=10,
)
def _matrix_band_part(tf: Any, p: SimpleNamespace) -> Graph:
    feeds = [Feed(p.shape, sizes=(6, 8)), *(Feed((), "int32", value=end) for end in p.ends)]
    return Graph(lambda x, a, b: tf.linalg.band_part(x, a, b), feeds)
