"""Sequences of tensors inside a model, which are gone from the result."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from jitlite.converter import convert_onnx
from jitlite.schemas.errors import ConversionError
from tests.converter.agreement import Array, check, floats, node, onnx_model

I64 = np.int64
X = floats(4, 3, 5)


def scalar(number: int) -> Array:
    return np.array(number, I64)


def ints(*numbers: int) -> Array:
    return np.array(numbers, I64)


PARTS = [node("SequenceAt", "si", "a"), node("SequenceAt", "sj", "b"), node("Concat", "ab", "y", axis=1)]
PLACES = {"i": scalar(1), "j": scalar(-1)}
STACKED = [node("Neg", "x", "b"), node("SequenceConstruct", "xb", "s"), node("ConcatFromSequence", "s", "y", axis=-1, new_axis=1)]

CASES: dict[str, tuple[list[onnx.NodeProto], dict[str, Array]]] = {
    "unbind": ([node("SplitToSequence", "x", "s", axis=1, keepdims=0), *PARTS], PLACES),
    "parts of one element": ([node("SplitToSequence", "x", "s", axis=-1), *PARTS], PLACES),
    "parts of a size": ([node("SplitToSequence", "xn", "s", axis=0), *PARTS], {"n": scalar(2), **PLACES}),
    "a smaller part last": ([node("SplitToSequence", "xn", "s", axis=2), node("SequenceAt", "si", "y")], {"n": scalar(2), "i": scalar(2)}),
    "parts of sizes": ([node("SplitToSequence", "xn", "s", axis=2), node("SequenceAt", "si", "y")], {"n": ints(1, 3, 1), "i": scalar(1)}),
    "concatenated": ([node("Exp", "x", "b"), node("SequenceConstruct", "xb", "s"), node("ConcatFromSequence", "s", "y", axis=2)], {}),
    "stacked": (STACKED, {}),
    "stacked in front": ([*STACKED[:2], node("ConcatFromSequence", "s", "y", axis=0, new_axis=1)], {}),
    "inserted and erased": (
        [
            node("Neg", "x", "b"),
            node("SequenceEmpty", "", "e"),
            node("SequenceInsert", "ex", "f"),
            node("SequenceInsert", "fbz", "g"),
            node("SequenceInsert", "gx", "h"),
            node("SequenceErase", "hm", "k"),
            node("ConcatFromSequence", "k", "y", axis=0),
        ],
        {"z": scalar(0), "m": scalar(1)},
    ),
    "counted": (
        [node("SplitToSequence", "x", "s", axis=2), node("SequenceLength", "s", "n"), node("Cast", "n", "c", to=1), node("Mul", "xc", "y")],
        {},
    ),
    "the element is an output": ([node("SequenceConstruct", "xx", "s"), node("SequenceAt", "si", "y")], {"i": scalar(0)}),
}


@pytest.mark.parametrize("opset", [11, 17])
@pytest.mark.parametrize("name", CASES)
def test_sequences_of_known_length(name: str, opset: int) -> None:
    nodes, constants = CASES[name]
    check(onnx_model(nodes, {"x": X}, ["y"], constants, opset), {"x": X})


def test_what_a_loop_gathers() -> None:
    """A list that a scripted loop of known length appends to."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["goes"]),
            helper.make_node("Gather", ["x", "turn"], ["row"], axis=0),
            helper.make_node("Mul", ["row", "row"], ["square"]),
            helper.make_node("SequenceInsert", ["list", "square"], ["longer"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", onnx.TensorProto.INT64, []),
            helper.make_tensor_value_info("go", onnx.TensorProto.BOOL, []),
            helper.make_tensor_sequence_value_info("list", onnx.TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("goes", onnx.TensorProto.BOOL, []),
            helper.make_tensor_sequence_value_info("longer", onnx.TensorProto.FLOAT, None),
        ],
    )
    nodes = [
        node("Constant", "", "n", value=numpy_helper.from_array(scalar(4))),
        node("Constant", "", "t", value=numpy_helper.from_array(np.array(True))),
        node("SequenceEmpty", "", "e"),
        node("Loop", "nte", "s", body=body),
        node("ConcatFromSequence", "s", "y", axis=0, new_axis=1),
    ]
    check(onnx_model(nodes, {"x": X}, ["y"]), {"x": X})


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("SequenceConstruct", "xx", "y")], "no lowering for operator SequenceConstruct"),
        ([node("SequenceConstruct", "xx", "s"), node("SequenceAt", "si", "y")], "a position in a sequence of 2 is required, found 7"),
        ([node("SequenceConstruct", "xx", "s"), node("Shape", "x", "n"), node("SequenceInsert", "sxk", "y")], "must be constant"),
    ],
)
def test_what_cannot_be_told(nodes: list[onnx.NodeProto], message: str) -> None:
    inputs: dict[str, Any] = {"x": X, "k": ((), I64)} if nodes[-1].op_type == "SequenceInsert" else {"x": X}
    model = onnx_model(nodes, inputs, [], {"i": scalar(7)})
    make = helper.make_tensor_value_info if nodes[-1].op_type == "SequenceAt" else helper.make_tensor_sequence_value_info
    model.graph.output.append(make("y", onnx.TensorProto.FLOAT, X.shape))
    with pytest.raises(ConversionError, match=message):
        convert_onnx(model)


@pytest.mark.parametrize("place", [-2, -1, 0, 2])
def test_positions_counted_from_the_back(place: int) -> None:
    """-1 is the place before the last element, not behind it."""
    nodes = [
        node("SequenceConstruct", "xx", "s"),
        node("Neg", "x", "n"),
        node("SequenceInsert", "snp", "t"),
        node("ConcatFromSequence", "t", "y", axis=0),
    ]
    x = floats(2, 3)
    check(onnx_model(nodes, {"x": x}, ["y"], {"p": np.array(place, np.int64)}), {"x": x})
