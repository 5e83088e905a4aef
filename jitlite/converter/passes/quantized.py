"""ONNX operators on quantized operands, written as the operators on real numbers they stand for.

They stand between DequantizeLinear and QuantizeLinear, so that models in ONNX Runtime's operator-oriented format (QLinearConv,
com.microsoft.QLinearAdd …) and those with pairs of quantizations become one, which `passes.integer` turns into integer operators.
Operators that move quantized numbers (MaxPool, Transpose, Reshape …) are treated alike, their results keeping the grid of their operand.
Operators whose channels come last, as ONNX Runtime's optimiser writes them, get Transposes around them, which the layout pass drops.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import helper

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Graph, Node, OnnxOp, Value, constants
from jitlite.converter.problems import Problems, Unlowerable

IMAGE_RANK = 4
OPSET = 21
"""The opset whose definitions the new nodes follow."""
MICROSOFT = "com.microsoft"
RENAMED = frozenset({"QuantizeLinear", "DequantizeLinear", "QLinearConv"})
"""Operators of com.microsoft that are the standard's of the same name."""
PLACES = frozenset({"ArgMax", "ArgMin"})
MOVED_TYPES = ("int8", "uint8", "int16", "uint16")
MOVERS = frozenset(
    {
        *("MaxPool", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Split", "Gather", "GatherND", "Expand", "Tile"),
        *("Pad", "DepthToSpace", "SpaceToDepth", "Identity", "Resize", "Upsample", "Clip"),
        *PLACES,
    }
)
"""Operators whose results are elements of their first operand, or places of such, or elements no further than bounds."""
NUMBERS = {"Pad": (2,), "Clip": (1, 2)}
"""The operands after the first of such operators that are quantized as the first is."""


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

    def input(self, place: int) -> Value:
        """An operand that must be there."""
        found = self.node.optional(place)
        if found is None:
            raise Unlowerable(f"operand {place} is required, found none")
        return found

    def kept(self, name: str, *operands: Value | None) -> Value:
        """An operator with the node's own attributes."""
        return self.add(name, *operands, **{key: attribute(self.node, key) for key in self.node.attributes if key != "channels_last"})

    def real(self, place: int, axis: int = 1) -> Value:
        """The real numbers of the operand at `place`, which its scale and zero point follow."""
        return self.add("DequantizeLinear", self.input(place), self.input(place + 1), self.node.optional(place + 2), axis=axis)

    def channels_first(self, function: Callable[[Value], Value], x: Value) -> Value:
        """The function of a value in ONNX's order; where the node's channels come last, they do before and after it."""
        if not attribute(self.node, "channels_last", 0):
            return function(x)
        rank = self.rank()
        turned = self.add("Transpose", x, perm=[0, rank - 1, *range(1, rank - 1)])
        return self.add("Transpose", function(turned), perm=[0, *range(2, rank), 1])

    def rank(self) -> int:
        """The rank of the operand, which for convolutions and pools with last channels its weights or window say."""
        window = attribute(self.node, "kernel_shape")
        if window is not None:
            return len(window) + 2
        weight = self.node.optional(3) if self.node.kind == "QLinearConv" else None
        return IMAGE_RANK if weight is None or weight.shape is None else len(weight.shape)

    def shift(self, place: int, *scales: Value) -> Value | None:
        """A bias of whole numbers in steps of the product of these scales."""
        bias = self.node.optional(place)
        return None if bias is None else self.add("DequantizeLinear", bias, self.add("Mul", *scales), axis=0)

    def become(self, name: str, *operands: Value | None, **attributes: Any) -> None:
        given = {key: helper.make_attribute(key, value) for key, value in attributes.items()}
        self.graph.become(self.node, OnnxOp(name, "", 13, OPSET), operands, given)

    def quantize(self, reals: Value, place: int) -> None:
        """Makes the node the quantization of the result, to the scale and zero point at `place`."""
        self.become("QuantizeLinear", reals, self.input(place), self.node.optional(place + 1))


EXPANDERS: dict[str, Callable[[Expander], None]] = {}


def _expands(*names: str) -> Callable[[Callable[[Expander], None]], Callable[[Expander], None]]:
    def register(function: Callable[[Expander], None]) -> Callable[[Expander], None]:
        EXPANDERS.update(dict.fromkeys(names, function))
        return function

    return register


@_expands("QLinearConv")
def _conv(made: Expander) -> None:
    shift = made.shift(8, made.input(1), made.input(4))
    weight = made.real(3, axis=0)
    made.quantize(made.channels_first(lambda x: made.kept("Conv", x, weight, shift), made.real(0)), 6)


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
    name = "GlobalAveragePool" if "Global" in made.node.kind else "AveragePool"
    made.quantize(made.channels_first(lambda x: made.kept(name, x), made.real(0)), 3)


@_expands(f"{MICROSOFT}.NhwcMaxPool")
def _max_pool(made: Expander) -> None:
    """The greatest whole numbers, of which those next to it say what they stand for."""
    last = made.rank() - 1
    turned = made.add("Transpose", made.input(0), perm=[0, last, *range(1, last)])
    made.become("Transpose", made.kept("MaxPool", turned), perm=[0, *range(2, last + 1), 1])


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
    made.quantize(made.add("Where", made.input(0), made.real(1), made.real(4)), 7)


@_expands(f"{MICROSOFT}.QGemm")
def _gemm(made: Expander) -> None:
    """The bias counts in steps of alpha · a_scale · b_scale. Without a scale for it the result is real."""
    node = made.node
    turned, alpha = attribute(node, "transB", 0), attribute(node, "alpha", 1.0)
    shift = made.shift(6, made.input(1), made.input(4))
    operands = made.real(0), made.real(3, axis=0 if turned else 1), shift
    product = made.add("Gemm", *operands, alpha=alpha, beta=alpha, transA=attribute(node, "transA", 0), transB=turned)
    if node.optional(7) is None:
        made.become("Identity", product)
    else:
        made.quantize(product, 7)


@_expands(f"{MICROSOFT}.MatMulIntegerToFloat")
def _matmul_to_float(made: Expander) -> None:
    node = made.node
    left = made.add("DequantizeLinear", made.input(0), made.input(2), node.optional(4), axis=-2)
    right = made.add("DequantizeLinear", made.input(1), made.input(3), node.optional(5), axis=-1)
    _become_sum(made, made.add("MatMul", left, right), node.optional(6))


@_expands(f"{MICROSOFT}.DynamicQuantizeMatMul")
def _dynamic_matmul(made: Expander) -> None:
    node = made.node
    right = made.add("DequantizeLinear", made.input(1), made.input(2), node.optional(3), axis=-1)
    _become_sum(made, made.add("MatMul", rounded_to_own_grid(made, made.input(0)), right), node.optional(4))


def rounded_to_own_grid(made: Expander, x: Value) -> Value:
    """The real numbers rounded to the grid of uint8 that just covers them, as DynamicQuantizeLinear does."""
    name = f"{made.node.outputs[0].name};dynamic"
    results = tuple(made.graph.value(f"{name}{part}") for part in ("", "_scale", "_zero_point"))
    made.graph.add_node(Node(OnnxOp("DynamicQuantizeLinear", "", 11, OPSET), (x,), results, name))
    return made.add("DequantizeLinear", *results)


@_expands(f"{MICROSOFT}.MatMulNBits")
def _matmul_of_packed(made: Expander) -> None:
    """Constant weights of 2, 4 or 8 bits with a scale for each block become real numbers, once."""
    count, depth, block, bits = (attribute(made.node, *given) for given in (("N", 0), ("K", 0), ("block_size", 0), ("bits", 4)))
    if bits not in (2, 4, 8) or min(count, depth) <= 0 or block <= 0 or block * bits % 8:
        raise Unlowerable(f"2, 4 or 8 bits and whole blocks are required, found N {count}, K {depth}, block_size {block}, bits {bits}")
    blocks = -(-depth // block)
    data = _numbers(made, 1, count * blocks * block * bits // 8)
    numbers = _unpacked(data.reshape(count, -1), bits)[:, :depth].astype(np.float32)
    steps = _numbers(made, 2, count * blocks).reshape(count, blocks).astype(np.float32)
    middle: Array = np.full((count, blocks), 1 << (bits - 1))
    zeros = made.node.optional(3)
    if zeros is not None:
        is_packed = zeros.dtype == np.uint8
        found = _numbers(made, 3, count * (-(-blocks * bits // 8) if is_packed else blocks)).reshape(count, -1)
        middle = (_unpacked(found, bits) if is_packed else found)[:, :blocks]
    places = np.arange(depth) // block if made.node.optional(4) is None else _numbers(made, 4, depth).astype(np.int64)
    if not np.all((places >= 0) & (places < blocks)):
        raise Unlowerable(f"blocks from 0 to {blocks - 1} are required, found {places.min()} to {places.max()}")
    weight = (numbers - middle.astype(np.float32)[:, places]) * steps[:, places]
    held = made.graph.constant(np.ascontiguousarray(weight.T), f"{made.node.outputs[0].name};weights")
    _become_sum(made, made.add("MatMul", made.input(0), held), made.node.optional(5))


def _numbers(made: Expander, place: int, count: int) -> Array:
    """The data of an operand that must be constant and have so many elements."""
    found = made.input(place)
    if found.data is None:
        raise Unlowerable(f"operand {place} '{found.name}' must be constant, found a value known only at run time", place)
    if found.data.size != count:
        raise Unlowerable(f"operand {place} '{found.name}' must have {count} elements, found {found.data.size}")
    return found.data


def _unpacked(data: Array, bits: int) -> Array:
    """The numbers of so many bits that each row of bytes holds, the lowest bits first."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    parts = (data.astype(np.uint8)[..., None] >> shifts) & np.uint8((1 << bits) - 1)
    return np.asarray(parts.reshape(*data.shape[:-1], -1))


def _become_sum(made: Expander, product: Value, bias: Value | None) -> None:
    if bias is None:
        made.become("Identity", product)
    else:
        made.become("Add", product, bias)


def expand_quantized(graph: Graph, problems: Problems) -> None:
    """Expands every quantized node, in place, and puts what moves quantized numbers between a pair of quantizations.

    Nodes that lack an operand are added to `problems`.
    """
    before = graph.nodes
    for node in before:
        assert isinstance(node.op, OnnxOp)
        if node.op.domain == MICROSOFT and node.op.name in RENAMED:
            graph.become(node, OnnxOp(node.op.name, "", 13, OPSET), node.inputs, node.attributes)
        if node.kind in EXPANDERS:
            try:
                EXPANDERS[node.kind](Expander(graph, node))
            except Unlowerable as reason:
                problems.add(node, str(reason), [] if reason.operand is None else [node.optional(reason.operand)])
    if len(graph.nodes) != len(before):
        graph.sort()
    before = graph.nodes
    known = _grids_in_front(graph)
    for node in before:
        x = node.optional(0)
        grid = None if x is None or constants(node.inputs) else known.get(x)
        if node.kind == "QuantizeLinear":
            known |= dict.fromkeys(node.outputs, _one_grid(node))
        elif node.kind in MOVERS and grid is not None:
            known |= dict.fromkeys(_move_reals(graph, node, grid), grid)
    if len(graph.nodes) != len(before):
        graph.sort()


@dataclass(frozen=True, slots=True)
class _OneGrid:
    """One constant scale, and the zero point that says the type of the numbers (uint8 without one)."""

    scale: Value
    zero_point: Value | None
    dtype: np.dtype[Any]


def _one_grid(node: Node) -> _OneGrid | None:
    """The grid of a node that quantizes to or from whole numbers of 8 or 16 bits; None where it has several scales or computes them."""
    scale, zero_point = node.optional(1), node.optional(2)
    found, zero = _constant(scale), _constant(zero_point)
    if scale is None or found is None or found.size != 1 or attribute(node, "block_size", 0):
        return None
    if zero_point is None:
        is_sure = node.kind == "QuantizeLinear" and not attribute(node, "output_dtype", 0)
        return _OneGrid(scale, None, np.dtype(np.uint8)) if is_sure else None
    return None if zero is None or zero.dtype.name not in MOVED_TYPES else _OneGrid(scale, zero_point, zero.dtype)


def _constant(value: Value | None) -> Array | None:
    """The data of a constant, also where a node Constant or Identity gives it."""
    while value is not None and value.producer is not None and value.producer.kind == "Identity":
        value = value.producer.input(0)
    if value is not None and value.producer is not None and value.producer.kind == "Constant":
        held = value.producer.attributes
        return np.asarray(attribute(value.producer, next(iter(held)))) if set(held) <= {"value", "value_float"} else None
    return None if value is None else value.data


def _is_moving(node: Node) -> bool:
    return node.kind in MOVERS and (node.kind not in ("Resize", "Upsample") or attribute(node, "mode", "nearest") == "nearest")


def _grids_in_front(graph: Graph) -> dict[Value, _OneGrid | None]:
    """The grids of whole numbers that become real ones, or do after nothing but moving."""
    found: dict[Value, _OneGrid | None] = {}
    for node in reversed(graph.nodes):
        x = node.optional(0)
        if x is None:
            continue
        if node.kind == "DequantizeLinear":
            found[x] = _one_grid(node)
        elif _is_moving(node) and node.kind not in PLACES and node.outputs[0] in found:
            found.setdefault(x, found[node.outputs[0]])
    return found


def _move_reals(graph: Graph, node: Node, grid: _OneGrid) -> tuple[Value, ...]:
    """Makes a node move real numbers, its results quantized as its operand was; the results that now are."""
    if not _is_moving(node):
        return ()
    reals = Expander(graph, node)
    operands = [reals.add("DequantizeLinear", node.input(0), grid.scale, grid.zero_point), *node.inputs[1:]]
    if node.kind == "Pad" and node.optional(2) is None and len(operands) > 1:
        operands[2:3] = [graph.constant(np.zeros((), grid.dtype), f"{node.outputs[0].name};padding")]
    for place in NUMBERS.get(node.kind, ()):
        if place < len(operands) and operands[place] is not None:
            operands[place] = reals.add("DequantizeLinear", operands[place], grid.scale, grid.zero_point)
    graph.set_inputs(node, operands)
    if node.kind in PLACES:
        return ()
    results = node.outputs[:1] if node.kind == "MaxPool" else node.outputs
    for old, new in zip(results, graph.renew_outputs(node, len(results)), strict=True):
        operator = OnnxOp("QuantizeLinear", "", 13, OPSET)
        graph.add_node(Node(operator, (new, grid.scale, grid.zero_point), (old,), f"{node.name};quantized"))
    return results
