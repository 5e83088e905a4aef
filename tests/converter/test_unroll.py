"""Short loops of known length and branches on constants, written out."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from jitlite.converter import ConvertOptions, convert_onnx
from tests.converter.agreement import Array, check, converted, floats, node, onnx_model, run_onnx, run_tflite

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


Infos = dict[str, tuple[int, Any]]
"""Element types and shapes by name."""


def body(nodes: list[onnx.NodeProto], inputs: Infos, outputs: Infos) -> onnx.GraphProto:
    infos = [[helper.make_tensor_value_info(name, *kind) for name, kind in side.items()] for side in (inputs, outputs)]
    return helper.make_graph(nodes, "body", *infos)


def loop_body(condition: str = "go") -> onnx.GraphProto:
    """total' = total · factor + turn, of which every turn's square is kept; `factor` is of the graph around it."""
    nodes = [
        node("Cast", ["turn"], ["place"], to=FLOAT),
        node("Mul", ["total", "factor"], ["scaled"]),
        node("Add", ["scaled", "place"], ["next"]),
        node("Mul", ["next", "next"], ["square"]),
        node("Identity", ["go"], ["kept"]),
        node("ReduceMax", ["next"], ["highest"], keepdims=0),
        node("Less", ["highest", "limit"], ["below"]),
    ]
    inputs = {"turn": (INT64, ()), "go": (BOOL, ()), "total": (FLOAT, (2, 3))}
    return body(nodes, inputs, {condition: (BOOL, ()), "next": (FLOAT, (2, 3)), "square": (FLOAT, (2, 3))})


def loop_model(condition: str = "kept") -> onnx.ModelProto:
    nodes = [node("Neg", ["x"], ["start"]), node("Loop", ["count", "", "start"], ["last", "squares"], body=loop_body(condition))]
    constants = {"factor": np.float32(0.5), "limit": np.float32(9)}
    return onnx_model(nodes, {"x": floats(2, 3), "count": ((), np.int64)}, ["last", "squares"], constants)


@pytest.mark.parametrize("count", [1, 4])
def test_a_loop_of_known_length_is_written_out(count: int) -> None:
    model, x = loop_model(), floats(2, 3)
    made = convert_onnx(model, ConvertOptions(values={"count": np.int64(count)}))
    for found, wanted in zip(run_tflite(made, {"x": x}), run_onnx(model, {"x": x, "count": np.array(count)}), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5)


def scan_body() -> onnx.GraphProto:
    nodes = [node("Mul", ["state", "decay"], ["less"]), node("Add", ["less", "item"], ["next"]), node("Tanh", ["next"], ["shown"])]
    inputs = {"state": (FLOAT, (2, 4)), "item": (FLOAT, (2, 4))}
    return body(nodes, inputs, {"next": (FLOAT, (2, 4)), "shown": (FLOAT, (2, 4))})


@pytest.mark.parametrize("attributes", [{}, {"scan_input_directions": [1]}, {"scan_output_directions": [1], "scan_output_axes": [1]}])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("opset", [11, 17])
def test_a_scan_is_written_out(axis: int, attributes: dict[str, Any], opset: int) -> None:
    items: Array = np.moveaxis(floats(5, 2, 4), 0, axis)
    scan = node("Scan", ["start", "items"], ["last", "all"], body=scan_body(), num_scan_inputs=1, scan_input_axes=[axis], **attributes)
    feeds = {"start": floats(2, 4, seed=1), "items": items}
    check(onnx_model([scan], feeds, ["last", "all"], {"decay": np.float32(0.8)}, opset), feeds)


def test_bodies_inside_bodies_see_what_is_around_them() -> None:
    """A branch inside a Scan reads the Scan's item, the graph's input and a constant that folding made."""
    taken = body([node("Add", ["item", "x"], ["a"]), node("Add", ["a", "sum"], ["b"])], {}, {"b": (FLOAT, (3,))})
    other = body([node("Neg", ["item"], ["b"])], {}, {"b": (FLOAT, (3,))})
    inner = node("If", ["yes"], ["chosen"], then_branch=taken, else_branch=other)
    scanned = body(
        [inner, node("Identity", ["state"], ["same"])],
        {"state": (FLOAT, (3,)), "item": (FLOAT, (3,))},
        {"same": (FLOAT, (3,)), "chosen": (FLOAT, (3,))},
    )
    nodes = [node("Add", ["c", "c"], ["sum"]), node("Scan", ["x", "items"], ["last", "all"], body=scanned, num_scan_inputs=1)]
    feeds = {"x": floats(3), "items": floats(4, 3, seed=1)}
    model = onnx_model(nodes, feeds, ["last", "all"], {"c": floats(3, seed=2), "yes": np.array(True)})
    assert len(converted(model).subgraphs) == 1
    check(model, feeds)
