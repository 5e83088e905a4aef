"""Transposes that move, join and vanish, and operators on groups and blocks written out as reshapes and transposes."""

from math import prod
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitlite.converter.passes.groups import joined, order_before, refinement
from tests.converter.agreement import Array, check, floats, node, onnx_model

I64 = np.int64
X = floats(2, 8, 6, 10)
WEIGHTS: dict[str, Array] = {
    "w": floats(8, 8, 3, 3, seed=1, low=-0.3, high=0.3),
    "v": floats(8, 8, 1, 1, seed=2, low=-0.3, high=0.3),
    "deep": floats(8, 32, 1, 1, seed=3, low=-0.3, high=0.3),
    "up": floats(32, 8, 1, 1, seed=4, low=-0.3, high=0.3),
    "qkv": floats(24, 8, 1, 1, seed=5, low=-0.3, high=0.3),
    "back": floats(8, 8, 2, 2, seed=6, low=-0.3, high=0.3),
    "dense": floats(20, 8 * 6, seed=7, low=-0.3, high=0.3),
    "ones": np.ones(4, np.float32),
    "zeros": np.zeros(4, np.float32),
    "gamma": floats(8, 1, 1, seed=8),
}


def integers(*numbers: int) -> Array:
    return np.array(numbers, I64)


def first(made: str = "a") -> onnx.NodeProto:
    return node("Conv", ["x", "w"], [made], pads=[1, 1, 1, 1])


def last(x: str) -> onnx.NodeProto:
    return node("Conv", [x, "v"], ["y"])


def regrouped(
    x: str, parts: tuple[int, ...], order: list[int], shape: tuple[int, ...], y: str
) -> tuple[list[onnx.NodeProto], dict[str, Array]]:
    """Reshape, Transpose, Reshape."""
    nodes = [
        node("Reshape", [x, f"{y}1"], [f"{y}s"]),
        node("Transpose", [f"{y}s"], [f"{y}t"], perm=order),
        node("Reshape", [f"{y}t", f"{y}2"], [y]),
    ]
    return nodes, {f"{y}1": integers(*parts), f"{y}2": integers(*shape)}


SHUFFLE, SHUFFLED = regrouped("a", (2, 2, 4, 6, 10), [0, 2, 1, 3, 4], (2, 8, 6, 10), "s")
INTERLEAVE, INTERLEAVED = regrouped("c", (2, 2, 8, 6, 10), [0, 2, 1, 3, 4], (2, 16, 6, 10), "s")
TO_DEPTH, DEEP = regrouped("a", (2, 8, 3, 2, 5, 2), [0, 1, 3, 5, 2, 4], (2, 32, 3, 5), "s")
TO_DEPTH_BLOCKS_FIRST, DEEP_BLOCKS_FIRST = regrouped("a", (2, 8, 3, 2, 5, 2), [0, 5, 3, 1, 2, 4], (2, 32, 3, 5), "s")
FROM_DEPTH, WIDE = regrouped("u", (2, 8, 2, 2, 6, 10), [0, 1, 4, 2, 5, 3], (2, 8, 12, 20), "s")
HEADS: list[onnx.NodeProto] = [
    node("Conv", ["x", "qkv"], ["a"]),
    node("Reshape", ["a", "split"], ["b"]),
    node("Split", ["b"], ["q", "k", "p"], axis=2),
    node("Transpose", ["q"], ["t"], perm=[0, 1, 3, 2]),
    node("MatMul", ["t", "k"], ["m"]),
    node("Softmax", ["m"], ["n"], axis=-1),
    node("Transpose", ["n"], ["o"], perm=[0, 1, 3, 2]),
    node("MatMul", ["p", "o"], ["r"]),
    node("Reshape", ["r", "whole"], ["s"]),
    last("s"),
]

CASES: dict[str, tuple[list[onnx.NodeProto], dict[str, Array], dict[str, int]]] = {
    "channel shuffle into weights": ([first(), *SHUFFLE, last("s")], SHUFFLED, {"TRANSPOSE": 2, "GATHER": 0}),
    "channel shuffle": (
        [first(), *SHUFFLE, node("Add", ["s", "a"], ["b"]), last("b")],
        SHUFFLED,
        {"TRANSPOSE": 2, "GATHER": 1},
    ),
    "parts interleaved": (
        [first(), node("Relu", ["a"], ["b"]), node("Concat", ["a", "b"], ["c"], axis=1), *INTERLEAVE, node("Relu", ["s"], ["y"])],
        INTERLEAVED,
        {"TRANSPOSE": 2, "GATHER": 0, "PACK": 1, "CONCATENATION": 0},
    ),
    "space to depth": ([first(), *TO_DEPTH, node("Conv", ["s", "deep"], ["y"])], DEEP, {"TRANSPOSE": 2, "SPACE_TO_DEPTH": 1, "GATHER": 0}),
    "space to depth, blocks first": (
        [first(), *TO_DEPTH_BLOCKS_FIRST, node("Conv", ["s", "deep"], ["y"])],
        DEEP_BLOCKS_FIRST,
        {"TRANSPOSE": 2, "SPACE_TO_DEPTH": 1, "GATHER": 0},
    ),
    "depth to space": (
        [first(), node("Conv", ["a", "up"], ["u"]), *FROM_DEPTH, last("s")],
        WIDE,
        {"TRANSPOSE": 2, "DEPTH_TO_SPACE": 1, "GATHER": 0},
    ),
    "group normalization": (
        [
            first(),
            node("Reshape", ["a", "groups"], ["b"]),
            node("InstanceNormalization", ["b", "ones", "zeros"], ["c"]),
            node("Reshape", ["c", "whole"], ["d"]),
            node("Mul", ["d", "gamma"], ["e"]),
            last("e"),
        ],
        {"groups": integers(2, 4, -1), "whole": integers(2, 8, 6, 10)},
        {"TRANSPOSE": 2},
    ),
    "attention on a feature map": (HEADS, {"split": integers(2, 2, 12, 60), "whole": integers(2, 8, 6, 10)}, {"TRANSPOSE": 4}),
    "attention scores, queries last": (
        [
            node("Reshape", ["x", "tokens"], ["a"]),
            node("Transpose", ["a"], ["b"], perm=[0, 2, 1]),
            node("MatMul", ["a", "b"], ["c"]),
            node("Transpose", ["c"], ["d"], perm=[0, 2, 1]),
            node("Softmax", ["d"], ["y"], axis=-1),
        ],
        {"tokens": integers(2, 8, 60)},
        {"TRANSPOSE": 0, "BATCH_MATMUL": 1},
    ),
    "channel attention, twice used": (
        [
            first(),
            node("Reshape", ["a", "tokens"], ["b"]),
            node("Transpose", ["b"], ["c"], perm=[0, 2, 1]),
            node("MatMul", ["b", "c"], ["d"]),
            node("MatMul", ["d", "b"], ["e"]),
            node("Reshape", ["e", "whole"], ["f"]),
            node("Mul", ["f", "gamma"], ["g"]),
            node("Add", ["g", "a"], ["h"]),
            node("Concat", ["f", "h"], ["i"], axis=1),
            node("Relu", ["i"], ["j"]),
            node("Conv", ["j", "wide"], ["y"]),
        ],
        {"tokens": integers(2, 8, 60), "whole": integers(2, 8, 6, 10), "wide": floats(3, 16, 1, 1)},
        {"TRANSPOSE": 2, "BATCH_MATMUL": 2},
    ),
    "heads split along the depth": (
        [
            node("Reshape", ["x", "heads"], ["a"]),
            node("Split", ["a"], ["q", "k", "p"], axis=3),
            node("Transpose", ["q"], ["b"], perm=[0, 2, 1, 3]),
            node("Transpose", ["k"], ["c"], perm=[0, 2, 3, 1]),
            node("Transpose", ["p"], ["d"], perm=[0, 2, 1, 3]),
            node("MatMul", ["b", "c"], ["e"]),
            node("Softmax", ["e"], ["f"], axis=-1),
            node("MatMul", ["f", "d"], ["y"]),
        ],
        {"heads": integers(2, 20, 4, 6)},
        {"TRANSPOSE": 1, "BATCH_MATMUL": 2},
    ),
    "tokens of channels, normalized": (
        [
            node("Reshape", ["x", "tokens"], ["a"]),
            node("Transpose", ["a"], ["b"], perm=[0, 2, 1]),
            node("LayerNormalization", ["b", "scale", "shift"], ["c"]),
            node("MatMul", ["c", "square"], ["d"]),
            node("Add", ["b", "d"], ["e"]),
            node("LayerNormalization", ["e", "scale", "shift"], ["f"]),
            node("MatMul", ["f", "square"], ["g"]),
            node("Add", ["e", "g"], ["y"]),
        ],
        {"tokens": integers(2, 8, 60), "scale": floats(8, seed=10), "shift": floats(8, seed=11), "square": floats(8, 8, seed=12)},
        {"TRANSPOSE": 2},
    ),
    "expanded beside the whole": (
        [
            first(),
            node("ReduceMean", ["x"], ["g"], axes=[2, 3], keepdims=1),
            node("Expand", ["g", "whole"], ["e"]),
            node("Mul", ["a", "e"], ["m"]),
            last("m"),
        ],
        {"whole": integers(2, 8, 6, 10)},
        {"BROADCAST_TO": 0},
    ),
    "generator": (
        [
            node("Reshape", ["x", "rows"], ["r"]),
            node("MatMul", ["r", "dense"], ["a"]),
            node("Relu", ["a"], ["b"]),
            node("Reshape", ["b", "image"], ["c"]),
            node("ConvTranspose", ["c", "back"], ["y"], strides=[2, 2]),
        ],
        {"rows": integers(48, 20), "image": integers(48, 8, 3, 2)},
        {"TRANSPOSE": 1},
    ),
    "sequence before padding": (
        [
            node("Reshape", ["x", "signal"], ["a"]),
            node("Conv", ["a", "taps"], ["y"], pads=[1, 1]),
        ],
        {"signal": integers(2, 8, 60), "taps": floats(4, 8, 3, seed=9)},
        {"PAD": 0, "TRANSPOSE": 2},
    ),
    "transposes around a reshape": (
        [
            node("Transpose", ["x"], ["a"], perm=[0, 2, 3, 1]),
            node("Reshape", ["a", "parts"], ["b"]),
            node("Transpose", ["b"], ["c"], perm=[2, 1, 0, 3]),
            node("Reshape", ["c", "flat"], ["y"]),
        ],
        {"parts": integers(2, 30, 4, 4), "flat": integers(4, -1)},
        {"TRANSPOSE": 1},
    ),
    "rows picked by score": (
        [
            node("Reshape", ["x", "rows"], ["r"]),
            node("ReduceMax", ["r"], ["s"], axes=[2], keepdims=0),
            node("TopK", ["s", "few"], ["best", "where"]),
            node("Unsqueeze", ["where", "end"], ["u"]),
            node("Expand", ["u", "wide"], ["e"]),
            node("GatherElements", ["r", "e"], ["y"], axis=1),
        ],
        {"rows": integers(2, 48, 10), "few": integers(5), "end": integers(2), "wide": integers(2, 5, 10)},
        {"TRANSPOSE": 0, "GATHER": 1},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_left(name: str) -> None:
    nodes, constants, wanted = CASES[name]
    used = {operand for each in nodes for operand in each.input}
    stored = {key: data for key, data in {**WEIGHTS, **constants}.items() if key in used}
    found = check(onnx_model(nodes, {"x": X}, ["y"], stored, 11 if any(each.op_type == "Split" for each in nodes) else 17), {"x": X})
    assert {kind: found[kind] for kind in wanted} == wanted


def test_both_directions_of_a_recurrence_join_without_transposes() -> None:
    x = floats(5, 2, 4)
    weights = {"w": floats(2, 12, 4, seed=1), "r": floats(2, 12, 3, seed=2), "shape": integers(5, 2, 6)}
    nodes = [
        node("RNN", ["x", "w3", "r3"], ["h"], hidden_size=3, direction="bidirectional"),
        node("Transpose", ["h"], ["t"], perm=[0, 2, 1, 3]),
        node("Reshape", ["t", "shape"], ["y"]),
    ]
    stored = {"w3": weights["w"][:, :3], "r3": weights["r"][:, :3], "shape": weights["shape"]}
    assert check(onnx_model(nodes, {"x": x}, ["y"], stored), {"x": x})["TRANSPOSE"] == 0


SHAPES = st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=1, max_size=4)


@st.composite
def reshapes(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes whose axes are products of the same parts."""
    parts = draw(SHAPES)
    shapes = []
    for _ in range(2):
        dims = [1]
        for part in parts:
            if draw(st.booleans()):
                dims.append(part)
            else:
                dims[-1] *= part
        shapes.append(tuple(dims))
    return shapes[0], shapes[1]


@given(shapes=reshapes(), data=st.data())
def test_a_transpose_behind_a_reshape_equals_one_in_front(shapes: tuple[tuple[int, ...], tuple[int, ...]], data: Any) -> None:
    before, after = shapes
    order = tuple(data.draw(st.permutations(range(len(after)))))
    found = order_before(before, after, order)
    if found is not None:
        x = np.arange(prod(before)).reshape(before)
        np.testing.assert_array_equal(x.reshape(after).transpose(order).reshape(-1), x.transpose(found).reshape(-1))


@given(shapes=reshapes(), data=st.data())
def test_parts_make_up_the_axes(shapes: tuple[tuple[int, ...], tuple[int, ...]], data: Any) -> None:
    found = refinement(*shapes)
    assert found is not None
    sizes, *held = found
    for dims, parts in zip(shapes, held, strict=True):
        assert [prod(sizes[part] for part in each) for each in parts] == list(dims)
        assert [part for each in parts for part in each] == list(range(len(sizes)))
    order = data.draw(st.permutations(range(len(sizes))))
    dims, turned = joined(sizes, order)
    x = np.arange(prod(sizes))
    np.testing.assert_array_equal(x.reshape(sizes).transpose(order).reshape(-1), x.reshape(dims).transpose(turned).reshape(-1))
    assert len(dims) <= max(len(sizes), 1)


def test_axes_that_do_not_split_alike_have_no_parts() -> None:
    assert refinement((2, 3), (3, 2)) is None
    assert order_before((2, 3), (3, 2), (1, 0)) is None
