"""Rules that recognise activation functions written out in ONNX arithmetic.

A product is taken apart into a number and its other factors first, so that the order in which an exporter multiplies does not matter.
"""

from math import isclose, pi, sqrt

import numpy as np
from onnx import helper

from jitlite.converter.attributes import attribute, scalar
from jitlite.converter.graph import Graph, Node, OnnxOp, Value
from jitlite.converter.problems import Unlowerable
from jitlite.converter.rewrite import rule

MAX_FACTORS = 8
TOLERANCE = 1e-4


def _number(value: Value) -> float | None:
    """The value of a floating-point constant of one element."""
    if value.data is None or value.data.size != 1 or value.data.dtype.kind != "f":
        return None
    return float(value.data.reshape(()))


def factors(value: Value) -> tuple[float, list[Value]]:
    """The value as a number times other values, through multiplications and divisions by numbers."""
    number = _number(value)
    if number is not None:
        return number, []
    node = value.producer
    if node is not None and node.kind == "Mul":
        (a, left), (b, right) = factors(node.input(0)), factors(node.input(1))
        if len(left) + len(right) <= MAX_FACTORS:
            return a * b, left + right
    if node is not None and node.kind == "Div":
        divisor = _number(node.input(1))
        if divisor:
            a, left = factors(node.input(0))
            return a / divisor, left
    if node is not None and node.kind == "Neg":
        a, left = factors(node.input(0))
        return -a, left
    if node is not None and node.kind == "Pow":
        exponent = node.input(1).data
        if exponent is not None and exponent.size == 1 and float(exponent.reshape(())) in (2.0, 3.0):
            return 1.0, [node.input(0)] * int(exponent.reshape(()))
    return 1.0, [value]


def _sum_with_number(value: Value) -> tuple[float, Value] | None:
    """(number, other) of an addition of a number."""
    node = value.producer
    if node is None or node.kind != "Add":
        return None
    for index in (0, 1):
        number = _number(node.input(index))
        if number is not None:
            return number, node.input(1 - index)
    return None


def _is(value: float | None, wanted: float) -> bool:
    return value is not None and isclose(value, wanted, rel_tol=TOLERANCE, abs_tol=1e-9)


def _pairs(found: list[Value]) -> list[tuple[Value, Value]]:
    return [(found[0], found[1]), (found[1], found[0])] if len(found) == 2 else []


def _is_gate(gate: Value, x: Value, number: float) -> bool:
    """True for clip(x + 3, 0, 6) with a factor of 1/6, or HardSigmoid(x) of slope 1/6 with a factor of 1."""
    node = gate.producer
    if node is None:
        return False
    if node.kind == "HardSigmoid":
        slope, shift = attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5)
        return node.input(0) is x and _is(number * slope, 1 / 6) and _is(number * shift, 0.5) and _is(number, 1.0)
    if node.kind != "Clip" or not _is(number, 1 / 6):
        return False
    try:
        bounds = scalar(node, "min", 1), scalar(node, "max", 2)
    except Unlowerable:
        return False
    shifted = _sum_with_number(node.input(0))
    return bounds[0] == 0.0 and bounds[1] == 6.0 and shifted is not None and _is(shifted[0], 3.0) and shifted[1] is x


def _replace(graph: Graph, node: Node, name: str, since: int, x: Value, approximate: str = "") -> None:
    assert isinstance(node.op, OnnxOp)
    attributes = {"approximate": helper.make_attribute("approximate", approximate)} if approximate else {}
    graph.become(node, OnnxOp(name, "", since, node.op.opset), [x], attributes)


@rule("hard swish", "Mul", "Div")
def hard_swish(graph: Graph, node: Node) -> str | None:
    """X · clip(x + 3, 0, 6) / 6."""
    number, found = factors(node.output)
    for x, gate in _pairs(found):
        if x.dtype == np.float32 and x.shape == node.output.shape and _is_gate(gate, x, number):
            _replace(graph, node, "HardSwish", 14, x)
            return None
    return "a product of x and clip(x + 3, 0, 6) / 6 is required"


@rule("gelu", "Mul", "Div")
def gelu(graph: Graph, node: Node) -> str | None:
    """X / 2 · (1 + erf(x / √2)), or x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 · x³)))."""
    number, found = factors(node.output)
    if not _is(number, 0.5):
        return "a product with the number 1/2 is required"
    for x, gate in _pairs(found):
        shifted = _sum_with_number(gate)
        if shifted is None or not _is(shifted[0], 1.0) or x.dtype != np.float32 or x.shape != node.output.shape:
            continue
        inner = shifted[1].producer
        if inner is not None and inner.kind == "Erf" and _is_scaled(inner.input(0), x, sqrt(0.5)):
            _replace(graph, node, "Gelu", 20, x, "none")
            return None
        if inner is not None and inner.kind == "Tanh" and _is_cubic(inner.input(0), x):
            _replace(graph, node, "Gelu", 20, x, "tanh")
            return None
    return "a product of x and 1 + erf(x / √2) or 1 + tanh(…) is required"


def _is_scaled(value: Value, x: Value, wanted: float, power: int = 1) -> bool:
    number, found = factors(value)
    return _is(number, wanted) and len(found) == power and all(factor is x for factor in found)


def _is_cubic(value: Value, x: Value) -> bool:
    """True for √(2/π) · (x + 0.044715 · x³), also written √(2/π) · x · (1 + 0.044715 · x²)."""
    number, found = factors(value)
    if not _is(number, sqrt(2 / pi)):
        return False
    if len(found) == 1 and found[0].producer is not None and found[0].producer.kind == "Add":
        a, b = found[0].producer.input(0), found[0].producer.input(1)
        return (a is x and _is_scaled(b, x, 0.044715, 3)) or (b is x and _is_scaled(a, x, 0.044715, 3))
    for other, gate in _pairs(found):
        shifted = _sum_with_number(gate)
        if other is x and shifted is not None and _is(shifted[0], 1.0) and _is_scaled(shifted[1], x, 0.044715, 2):
            return True
    return False
