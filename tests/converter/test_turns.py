"""Loops whose condition only counts have as many turns as they count."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from jitlite.converter import convert_onnx
from tests.converter.agreement import check, converted, floats, kinds, node, onnx_model

FLOAT, INT64, INT32, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL


def counting(condition: list[onnx.NodeProto], step: int = 1) -> onnx.GraphProto:
    """total' = total · 1.5 + x, number' = number + step; a row of every turn is kept. `condition` makes `below`."""
    nodes = [
        node("Mul", ["total", "growth"], ["scaled"]),
        node("Add", ["scaled", "x"], ["next"]),
        node("Add", ["number", "step"], ["following"]),
        node("Identity", ["next"], ["row"]),
        *condition,
    ]
    inputs = {"turn": (INT64, ()), "go": (BOOL, ()), "number": (INT32, ()), "total": (FLOAT, (2, 3))}
    outputs = {"below": (BOOL, ()), "following": (INT32, ()), "next": (FLOAT, (2, 3)), "row": (FLOAT, (2, 3))}
    infos = [[helper.make_tensor_value_info(name, *kind) for name, kind in side.items()] for side in (inputs, outputs)]
    stored = [helper.make_tensor("step", INT32, (), [step])]
    return helper.make_graph(nodes, "body", *infos, stored)


LESS = [node("Less", ["following", "end"], ["below"])]
BY_TURN = [node("Cast", ["turn"], ["place"], to=INT32), node("Less", ["place", "end"], ["below"])]
BOTH = [node("Less", ["number", "end"], ["a"]), node("Less", ["turn", "last"], ["b"]), node("And", ["a", "b"], ["below"])]


def looping(body: onnx.GraphProto, end: int, limit: int | None = None, entry: bool | None = True, **inputs: Any) -> onnx.ModelProto:
    operands = ["" if limit is None else "limit", "" if entry is None else "entry", "zero", "x"]
    constants: dict[str, Any] = {"growth": np.float32(1.5), "end": np.int32(end), "last": np.int64(40), "zero": np.int32(0)}
    constants |= {"limit": np.int64(limit or 0), "entry": np.array(bool(entry))}
    used = {name: np.asarray(value) for name, value in constants.items() if name not in inputs}
    nodes = [node("Loop", operands, ["count", "last_total", "rows"], body=body)]
    return onnx_model(nodes, {"x": floats(2, 3), **inputs}, ["count", "last_total", "rows"], used)


@pytest.mark.parametrize(
    ("body", "end", "limit", "entry", "turns"),
    [
        (counting(LESS), 5, None, True, 5),
        (counting(LESS, 2), 5, None, None, 3),
        (counting(LESS), 5, 3, True, 3),
        (counting(LESS), -1, None, True, 1),
        (counting(BY_TURN), 5, None, True, 6),
        (counting(BOTH), 5, 100, True, 6),
        (counting(BOTH), 900, None, True, 41),
    ],
    ids=["counter", "steps of two", "limit", "once", "turn", "either", "other"],
)
def test_counted_loops_are_written_out(body: onnx.GraphProto, end: int, limit: int | None, entry: bool | None, turns: int) -> None:
    model = looping(body, end, limit, entry)
    check(model, {"x": floats(2, 3)})
    made = converted(model)
    assert kinds(made)["WHILE"] == 0
    assert made.subgraphs[0].tensors[made.subgraphs[0].outputs[2]].shape == [turns, 2, 3]


def test_long_counted_loops_are_loops_of_known_length() -> None:
    model = looping(counting(LESS), 700)
    shrinking = onnx.ModelProto()
    shrinking.CopyFrom(model)
    for tensor in shrinking.graph.initializer:
        if tensor.name == "growth":
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.float32(0.5), "growth"))
    check(shrinking, {"x": floats(2, 3)})
    assert kinds(converted(shrinking))["WHILE"] == 1


def test_the_batch_stays_dynamic() -> None:
    body = counting(LESS)
    for info in (body.input[3], body.output[2], body.output[3]):
        info.type.tensor_type.shape.dim[0].dim_param = "n"
    model = looping(body, 4, x=(("n", 3), np.float32))
    for batch in (1, 4):
        check(model, {"x": floats(batch, 3)})


@pytest.mark.parametrize(
    "condition",
    [
        [node("ReduceMax", ["next"], ["highest"], keepdims=0), node("Less", ["highest", "most"], ["below"])],
        [node("RandomUniform", [], ["chance"], shape=[1]), node("Squeeze", ["chance"], ["one"]), node("Less", ["one", "most"], ["below"])],
    ],
    ids=["data", "chance"],
)
def test_other_conditions_are_left_to_the_run(condition: list[onnx.NodeProto]) -> None:
    body = counting(condition)
    body.initializer.append(helper.make_tensor("most", FLOAT, (), [20.0]))
    del body.output[3]
    nodes = [node("Loop", ["limit", "", "zero", "x"], ["count", "last_total"], body=body)]
    constants = {"growth": np.float32(1.5), "limit": np.int64(2000), "zero": np.int32(0)}
    model = onnx_model(nodes, {"x": floats(2, 3)}, ["count", "last_total"], constants)
    assert kinds(convert_onnx(model))["WHILE"] == 1


def test_an_end_that_is_an_input_is_left_to_the_run() -> None:
    body = counting(LESS)
    del body.output[3]
    nodes = [node("Loop", ["", "", "zero", "x"], ["count", "last_total"], body=body)]
    model = onnx_model(
        nodes, {"x": floats(2, 3), "end": ((), np.int32)}, ["count", "last_total"], {"growth": np.float32(1.5), "zero": np.int32(0)}
    )
    check(model, {"x": floats(2, 3), "end": np.array(4, np.int32)})
    assert kinds(convert_onnx(model))["WHILE"] == 1
