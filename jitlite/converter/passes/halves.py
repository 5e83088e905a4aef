"""Models of float16 and bfloat16 compute in float32: halves stay at the inputs and outputs alone.

.tflite has next to no arithmetic on halves, and a pair of CASTs around every operator would cost more than the operators. Results are at
least as precise; numbers between 65504 and the largest float32 do not become infinite on the way.
"""

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from jitlite.converter.element_types import BFLOAT16
from jitlite.converter.graph import Graph, Node, OnnxOp, Value

FLOAT = np.dtype(np.float32)
HALVES = {np.dtype(np.float16): TensorProto.FLOAT16, BFLOAT16: TensorProto.BFLOAT16}
TYPES = ("to", "dtype", "output_dtype")
"""Attributes that name an element type."""
BITWISE = frozenset({"BitCast"})
"""Operators to which the type of a value beside them matters on account of its bits."""


def compute_halves_as_floats(graph: Graph) -> None:
    """Makes float32 of every value of halves in place, but for inputs and outputs of the model; models with operators on bits stay."""
    if any(node.kind in BITWISE for inner in graph.nested() for node in inner.nodes):
        return
    for inner in graph.nested():
        _compute_in_floats(inner, is_body=inner is not graph)


def _compute_in_floats(graph: Graph, is_body: bool) -> None:
    floats: dict[Value, Value] = {}
    for value in graph.inputs if is_body else ():
        value.dtype = FLOAT if value.dtype in HALVES else value.dtype
    for node in graph.nodes:
        if any(value is not None and value.dtype in HALVES for value in (*node.inputs, *node.outputs)):
            graph.set_inputs(node, [_as_float(graph, value, floats) for value in node.inputs])
            node.attributes = {name: _for_floats(held) for name, held in node.attributes.items()}
            for value in node.outputs:
                if value.dtype in HALVES and value in graph.outputs and not is_body:
                    _end_in_half(graph, node, value)
                elif value.dtype in HALVES:
                    value.dtype = FLOAT
    if is_body:
        graph.outputs = [value if value.data is None else _as_float(graph, value, floats) or value for value in graph.outputs]
    graph.sort()


def _cast(source: Value, target: Value, kind: int) -> Node:
    attributes = {"to": helper.make_attribute("to", kind)}
    return Node(OnnxOp("Cast", "", 13, 21), (source,), (target,), f"{target.name};cast", attributes)


def _as_float(graph: Graph, value: Value | None, floats: dict[Value, Value]) -> Value | None:
    if value is None or value.dtype not in HALVES:
        return value
    if value not in floats:
        if value.data is not None:
            floats[value] = graph.constant(value.data.astype(FLOAT), value.name, value.grid)
        else:
            floats[value] = graph.value(f"{value.name};float", value.shape, FLOAT)
            graph.add_node(_cast(value, floats[value], TensorProto.FLOAT))
    return floats[value]


def _for_floats(held: Any) -> Any:
    """The attribute with float32 in place of halves."""
    if held.name in TYPES and held.i in HALVES.values():
        return helper.make_attribute(held.name, TensorProto.FLOAT)
    if held.HasField("t") and held.t.data_type in HALVES.values():
        return helper.make_attribute(held.name, numpy_helper.from_array(numpy_helper.to_array(held.t).astype(FLOAT)))
    return held


def _end_in_half(graph: Graph, node: Node, value: Value) -> None:
    """Makes the output a cast of the node's result."""
    (made,) = graph.renew_outputs(node, 1, node.outputs.index(value))
    made.shape, made.dtype = value.shape, FLOAT
    graph.replace_uses(value, made)
    assert value.dtype is not None
    graph.add_node(_cast(made, value, HALVES[value.dtype]))
