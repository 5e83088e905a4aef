"""Operators of two or more operands of the same shape, or of shapes that broadcast."""

from types import SimpleNamespace
from typing import Any

from tests.grid.table import FULL, QUANTIZED, Feed, Graph, family, grid

HIGH_RANK = grid(
    dtype=["float32"],
    left=[(8, 7, 6, 5, 4, 3, 2, 1), (8, 7, 6, 5, None, 3, 2, 1), (2, None)],
    right=[(4, 3, 2, 1), (None, 3, 2, 1)],
    sizes=[(4, 1)],
)
EVERY_SHAPE = [((1, 3, 4, 3), (1, 3, 4, 3)), ((5,), (5,)), ((1, 3, 4, 3), (3,)), ((3,), (1, 3, 4, 3)), ((), ()), ((2, 1, 4), (3, 1))]


def pairs(**columns: Any) -> list[dict[str, Any]]:
    """A grid with the shapes of two operands in its rows."""
    return [{**row, "left": left, "right": right} for row in grid(**columns) for left, right in EVERY_SHAPE]


def _binary(name: str, path: str, *grids: Any, low: float = -100, high: float = 100, take: int = 20) -> None:
    """Registers TensorFlow's function at `path` as a family; `activation` rows have a RELU behind it."""

    @family(name, *grids, take=take)
    def build(tf: Any, p: SimpleNamespace) -> Graph:
        function = tf
        for part in path.split("."):
            function = getattr(function, part)
        sizes = getattr(p, "sizes", (4, 2))
        near = p.mode != "float" and low == -100
        ends = (-1.0, 1.0) if near else (low, high)
        feeds = [
            Feed(p.left, p.dtype, *ends, sizes=sizes),
            Feed(p.right, p.dtype, *(1.0 if end == 0 else end for end in ends), sizes=sizes),
        ]
        if getattr(p, "constant", False):
            import numpy as np

            value = feeds.pop().array(np.random.default_rng(5), 0)
            return Graph(lambda x: function(x, tf.constant(value)), feeds)
        if getattr(p, "activation", None):
            activation = getattr(tf.nn, p.activation)
            return Graph(lambda x, y: activation(function(x, y)), feeds)
        return Graph(lambda x, y: function(x, y), feeds)


_FLOATS = pairs(dtype=["float32"], activation=["relu", "relu6", None])
_MODES = pairs(dtype=["float32"], mode=[*QUANTIZED, "dynamic"])
_INTEGERS = pairs(dtype=["int32", "int64"])
_CONSTANT = pairs(dtype=["float32"], mode=["float", *QUANTIZED], constant=[True])

_binary("add", "add", _FLOATS, _MODES, _INTEGERS, _CONSTANT, HIGH_RANK, pairs(dtype=["uint32", "int16"]), take=32)
_binary("sub", "subtract", _FLOATS, _MODES, _INTEGERS, _CONSTANT, HIGH_RANK, take=28)
_binary("mul", "multiply", _FLOATS, _MODES, _INTEGERS, _CONSTANT, HIGH_RANK, pairs(dtype=["uint32", "int16", "complex64"]), take=32)
_binary("div", "divide", _FLOATS, HIGH_RANK, pairs(dtype=["float32"], mode=["dynamic"]), low=1)
_binary("div_int", "compat.v1.div", pairs(dtype=["int32"]), low=1, take=5)
_binary("truncate_div", "truncatediv", pairs(dtype=["int32"]), low=1, take=4)
_binary("pow", "pow", _FLOATS, HIGH_RANK, pairs(dtype=["int32"]), low=0, high=4)
_binary("floor_div", "math.floordiv", _FLOATS, pairs(dtype=["int32", "int16", "int8"]), HIGH_RANK, low=1)
_binary("floor_mod", "math.floormod", _FLOATS, pairs(dtype=["int32", "int64", "int16", "int8"]), HIGH_RANK, low=1)
_binary("squared_difference", "math.squared_difference", _FLOATS, _MODES, pairs(dtype=["int32"]), HIGH_RANK)
_binary("maximum", "maximum", _FLOATS, _MODES, pairs(dtype=["int32", "int64"]), _CONSTANT, HIGH_RANK, take=28)
_binary("minimum", "minimum", _FLOATS, _MODES, pairs(dtype=["int32", "int64"]), _CONSTANT, HIGH_RANK, take=28)
_binary("atan2", "atan2", [row for row in pairs(dtype=["float32", "float64"]) if row["left"] == row["right"]], take=6)

for _name, _path in {
    "equal": "equal",
    "not_equal": "not_equal",
    "greater": "greater",
    "greater_equal": "greater_equal",
    "less": "less",
    "less_equal": "less_equal",
}.items():
    _binary(
        _name,
        _path,
        pairs(dtype=["float32", "int32", "int64"]),
        pairs(dtype=["float32"], mode=["int8", "int8_io"]),
        HIGH_RANK,
        low=-3,
        high=3,
    )
_binary("equal_others", "equal", pairs(dtype=["bool", "string"]), take=8)
_binary("not_equal_others", "not_equal", pairs(dtype=["bool", "string"]), take=8)
_binary("logical_and", "logical_and", pairs(dtype=["bool"]), take=6)
_binary("logical_or", "logical_or", pairs(dtype=["bool"]), take=6)
_binary("logical_xor", "math.logical_xor", pairs(dtype=["bool"]), take=6)
_binary("bitwise_xor", "bitwise.bitwise_xor", pairs(dtype=["int8", "uint8", "int16", "uint16", "int32", "uint32"]), low=-2000, high=2000)
_binary("right_shift", "bitwise.right_shift", pairs(dtype=["int8", "uint8", "int16", "uint16", "int32", "uint32"]), low=0, high=7)


@family("add_n", grid(dtype=["float32", "int32"], shape=[(2, 5, 3, 1), (3,), ()], count=[1, 2, 3, 4, 5], dynamic=[False, True]), take=14)
def _add_n(tf: Any, p: SimpleNamespace) -> Graph:
    shape = (None, *p.shape[1:]) if p.dynamic and p.shape else p.shape
    return Graph(lambda *x: tf.add_n(list(x)), [Feed(shape, p.dtype)] * p.count)


@family("broadcast_to", grid(dtype=["float32", "int32", "int64", "bool", "int8", "int16", "uint8"], case=range(6), constant=[True, False]))
def _broadcast_to(tf: Any, p: SimpleNamespace) -> Graph:
    shape, target = [
        ((1,), (3,)),
        ((2, 1, 3), (4, 2, 5, 3)),
        ((), (2, 2)),
        ((3, 1), (3, 4)),
        ((1, 2), (1, 2)),
        ((2,) * 6, (3,) + (2,) * 6),
    ][p.case]
    if p.constant:
        return Graph(lambda x: tf.broadcast_to(x, target), [Feed(shape, p.dtype)])
    return Graph(lambda x, y: tf.broadcast_to(x, y), [Feed(shape, p.dtype), Feed((len(target),), "int32", value=target)])


@family("broadcast_args", grid(dtype=["int32", "int64"], case=range(5)), take=8)
def _broadcast_args(tf: Any, p: SimpleNamespace) -> Graph:
    left, right = [([1, 3], [4, 1]), ([2, 4, 1, 3], [2, 1, 1, 3]), ([], [3]), ([5], [2, 5]), ([2, 4], [2, 4])][p.case]
    feeds = [Feed((len(item),), p.dtype, value=item) for item in (left, right)]
    return Graph(lambda x, y: tf.broadcast_dynamic_shape(x, y), feeds)


@family(
    "where_v2",
    pairs(dtype=["float32", "int32", "int64", "int16", "int8", "bool", "uint32"]),
    pairs(dtype=["float32"], mode=["int8", "int8_io", "int16x8"]),
    HIGH_RANK,
    take=24,
)
def _where_v2(tf: Any, p: SimpleNamespace) -> Graph:
    sizes = getattr(p, "sizes", (4, 2))
    shape = p.left if len(p.left) >= len(p.right) else p.right
    feeds = [Feed(shape, "bool", sizes=sizes), Feed(p.left, p.dtype, -1, 1, sizes=sizes), Feed(p.right, p.dtype, -1, 1, sizes=sizes)]
    return Graph(lambda c, x, y: tf.where(c, x, y), feeds)


@family("where_v1", grid(dtype=["float32", "int32"], shape=[(1, 2, 3, 4), (), (1,)], mode=["float", *FULL]), take=12)
def _where_v1(tf: Any, p: SimpleNamespace) -> Graph:
    mode = {} if p.dtype == "float32" else {"mode": "float"}
    vars(p).update(mode)
    return Graph(lambda x, y: tf.compat.v1.where(tf.less(x, y), x, y), [Feed(p.shape, p.dtype, -1, 1)] * 2)


@family("where_vector", grid(dtype=["float32", "int32", "int8"], shape=[(4, 3), (2, 2, 5)]), take=4)
def _where_vector(tf: Any, p: SimpleNamespace) -> Graph:
    feeds = [Feed(p.shape[:1], "bool"), Feed(p.shape, p.dtype), Feed(p.shape, p.dtype)]
    return Graph(lambda c, x, y: tf.compat.v1.where(c, x, y), feeds)
