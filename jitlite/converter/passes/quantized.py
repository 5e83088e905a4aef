"""ONNX operators on quantized operands, written as the operators on real numbers they stand for.

They stand between DequantizeLinear and QuantizeLinear, so that models in ONNX Runtime's operator-oriented format (QLinearConv,
com.microsoft.QLinearAdd …) and those with pairs of quantizations become one, which `passes.integer` turns into integer operators.
Operators that move quantized numbers (MaxPool, Transpose, Reshape …) are treated alike, their results keeping the grid of their operand.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import helper

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Graph, Node, OnnxOp, Value

OPSET = 21
"""The opset whose definitions the new nodes follow."""
MICROSOFT = "com.microsoft"
RENAMED = frozenset({"QuantizeLinear", "DequantizeLinear", "QLinearConv"})
"""Operators of com.microsoft that are the standard's of the same name."""
MOVERS = frozenset(
    {
        *("MaxPool", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Split", "Gather", "GatherND", "Expand", "Tile"),
        *("Pad", "DepthToSpace", "SpaceToDepth", "Identity", "Resize", "Upsample", "ArgMax", "ArgMin"),
    }
)
"""Operators whose results are elements of their first operand, or places of such."""


class Expander:
    """Adds the nodes that stand for one quantized node."""

    def __init__(self, graph: Graph, node: Node) -> None:
        self.graph = graph
        self.node = node

    def add(self, name: str, *operands: Value | None, opset: int = OPSET, **attributes: Any) -> Value:
        given = {key: helper.make_attribute(key, value) for key, value in attributes.items() if value is not None}
        made = self.graph.value(f"{self.node.outputs[0].name};{name.lower()}")
        op = OnnxOp(name, "", min(opset, 13), opset)
        self.graph.add_node(Node(op, operands, (made,), f"{self.node.name};{name.lower()}", given))
        return made

    def kept(self, name: str, *operands: Value | None) -> Value:
        """An operator with the node's own attributes."""
        return self.add(name, *operands, **{key: attribute(self.node, key) for key in self.node.attributes if key != "channels_last"})

    def real(self, place: int, axis: int = 1) -> Value:
        """The real numbers of the operand at `place`, which its scale and zero point follow."""
        return self.add("DequantizeLinear", self.node.input(place), self.node.input(place + 1), self.node.optional(place + 2), axis=axis)

    def shift(self, place: int, *scales: Value) -> Value | None:
        """A bias of whole numbers in steps of the product of these scales."""
        bias = self.node.optional(place)
        return None if bias is None else self.add("DequantizeLinear", bias, self.add("Mul", *scales), axis=0)

    def become(self, name: str, *operands: Value | None) -> None:
        self.graph.become(self.node, OnnxOp(name, "", 13, OPSET), operands)

    def quantize(self, reals: Value, place: int) -> None:
        """Makes the node the quantization of the result, to the scale and zero point at `place`."""
        self.become("QuantizeLinear", reals, self.node.input(place), self.node.optional(place + 1))


EXPANDERS: dict[str, Callable[[Expander], None]] = {}


def _expands(*names: str) -> Callable[[Callable[[Expander], None]], Callable[[Expander], None]]:
    def register(function: Callable[[Expander], None]) -> Callable[[Expander], None]:
        EXPANDERS.update(dict.fromkeys(names, function))
        return function

    return register


@_expands("QLinearConv")
def _conv(made: Expander) -> None:
    shift = made.shift(8, made.node.input(1), made.node.input(4))
    made.quantize(made.kept("Conv", made.real(0), made.real(3, axis=0), shift), 6)


@_expands("QLinearMatMul")
def _matmul(made: Expander) -> None:
    made.quantize(made.add("MatMul", made.real(0, axis=-2), made.real(3, axis=-1)), 6)


@_expands(f"{MICROSOFT}.QLinearAdd", f"{MICROSOFT}.QLinearMul")
def _binary(made: Expander) -> None:
    made.quantize(made.add("Add" if made.node.kind.endswith("Add") else "Mul", made.real(0), made.real(3)), 6)


@_expands(f"{MICROSOFT}.QLinearLeakyRelu", f"{MICROSOFT}.QLinearSigmoid")
def _unary(made: Expander) -> None:
    made.quantize(made.kept("LeakyRelu" if made.node.kind.endswith("Relu") else "Sigmoid", made.real(0)), 3)


@_expands(f"{MICROSOFT}.QLinearSoftmax")
def _softmax(made: Expander) -> None:
    opset = attribute(made.node, "opset", 13)
    axis = attribute(made.node, "axis", -1 if opset >= 13 else 1)
    made.quantize(made.add("Softmax", made.real(0), opset=OPSET if opset >= 13 else 11, axis=axis), 3)


@_expands(f"{MICROSOFT}.QLinearGlobalAveragePool", f"{MICROSOFT}.QLinearAveragePool")
def _pool(made: Expander) -> None:
    made.quantize(made.kept("GlobalAveragePool" if "Global" in made.node.kind else "AveragePool", made.real(0)), 3)


@_expands(f"{MICROSOFT}.QLinearReduceMean")
def _mean(made: Expander) -> None:
    axes = attribute(made.node, "axes")
    places = None if axes is None else made.graph.constant(np.asarray(axes, np.int64), f"{made.node.outputs[0].name};axes")
    made.quantize(made.add("ReduceMean", made.real(0), places, keepdims=attribute(made.node, "keepdims", 1)), 3)


@_expands(f"{MICROSOFT}.QLinearConcat")
def _concat(made: Expander) -> None:
    made.quantize(made.kept("Concat", *(made.real(place) for place in range(2, len(made.node.inputs), 3))), 0)


@_expands(f"{MICROSOFT}.QLinearWhere")
def _where(made: Expander) -> None:
    made.quantize(made.add("Where", made.node.input(0), made.real(1), made.real(4)), 7)


@_expands(f"{MICROSOFT}.QGemm")
def _gemm(made: Expander) -> None:
    """The bias counts in steps of alpha · a_scale · b_scale. Without a scale for it the result is real."""
    node = made.node
    turned, alpha = attribute(node, "transB", 0), attribute(node, "alpha", 1.0)
    shift = made.shift(6, node.input(1), node.input(4))
    operands = made.real(0), made.real(3, axis=0 if turned else 1), shift
    product = made.add("Gemm", *operands, alpha=alpha, beta=alpha, transA=attribute(node, "transA", 0), transB=turned)
    if node.optional(7) is None:
        made.become("Identity", product)
    else:
        made.quantize(product, 7)


@_expands(f"{MICROSOFT}.MatMulIntegerToFloat")
def _matmul_to_float(made: Expander) -> None:
    node = made.node
    left = made.add("DequantizeLinear", node.input(0), node.input(2), node.optional(4), axis=-2)
    right = made.add("DequantizeLinear", node.input(1), node.input(3), node.optional(5), axis=-1)
    _become_sum(made, made.add("MatMul", left, right), node.optional(6))


@_expands(f"{MICROSOFT}.DynamicQuantizeMatMul")
def _dynamic_matmul(made: Expander) -> None:
    node = made.node
    right = made.add("DequantizeLinear", node.input(1), node.input(2), node.optional(3), axis=-1)
    _become_sum(made, made.add("MatMul", rounded_to_own_grid(made, node.input(0)), right), node.optional(4))


def rounded_to_own_grid(made: Expander, x: Value) -> Value:
    """The real numbers rounded to the grid of uint8 that just covers them, as DynamicQuantizeLinear does."""
    name = f"{made.node.outputs[0].name};dynamic"
    results = tuple(made.graph.value(f"{name}{part}") for part in ("", "_scale", "_zero_point"))
    made.graph.add_node(Node(OnnxOp("DynamicQuantizeLinear", "", 11, OPSET), (x,), results, name))
    return made.add("DequantizeLinear", *results)


def _become_sum(made: Expander, product: Value, bias: Value | None) -> None:
    if bias is None:
        made.become("Identity", product)
    else:
        made.become("Add", product, bias)


def expand_quantized(graph: Graph) -> None:
    """Expands every quantized node, in place. Those whose channels come last stay."""
    quantizations: dict[Value, Node] = {}
    before = graph.nodes
    for node in before:
        assert isinstance(node.op, OnnxOp)
        if attribute(node, "channels_last", 0):
            continue
        if node.op.domain == MICROSOFT and node.op.name in RENAMED:
            kept = {key: value for key, value in node.attributes.items() if key != "channels_last"}
            graph.become(node, OnnxOp(node.op.name, "", 13, OPSET), node.inputs, kept)
        if node.kind in EXPANDERS:
            EXPANDERS[node.kind](Expander(graph, node))
        elif node.kind in MOVERS and node.optional(0) in quantizations:
            node = _move_reals(graph, node, quantizations[node.input(0)])
        if node.kind == "QuantizeLinear" and not attribute(node, "block_size", 0):
            quantizations |= dict.fromkeys(node.outputs, node)
    if len(graph.nodes) != len(before):
        graph.sort()


def _move_reals(graph: Graph, node: Node, quantization: Node) -> Node:
    """Makes a node move real numbers, its results quantized as its operand was; the node that quantizes the last of them.

    Per-axis grids may not survive the move, so such operands are left alone.
    """
    scale, zero_point = quantization.input(1), quantization.optional(2)
    if scale.data is None or scale.size != 1 or (node.kind in ("Resize", "Upsample") and attribute(node, "mode", "nearest") != "nearest"):
        return node
    reals = Expander(graph, node)
    operands = [reals.add("DequantizeLinear", node.input(0), scale, zero_point), *node.inputs[1:]]
    if node.kind == "Pad" and node.optional(2) is not None:
        operands[2] = reals.add("DequantizeLinear", node.input(2), scale, zero_point)
    graph.set_inputs(node, operands)
    if node.kind in ("ArgMax", "ArgMin"):
        return node
    results = node.outputs[:1] if node.kind == "MaxPool" else node.outputs
    for old, new in zip(results, graph.renew_outputs(node, len(results)), strict=True):
        last = graph.add_node(Node(OnnxOp("QuantizeLinear", "", 13, OPSET), (new, scale, zero_point), (old,), f"{node.name};quantized"))
    return last
