"""What the graph of an ONNX model tells the tools: who makes a value, what depends on random numbers, which inputs are indices."""

from collections.abc import Collection, Iterator
from functools import cached_property
from typing import Any

RANDOM = frozenset({"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"})
QUANTIZED = frozenset({"QuantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger"})
HALVES = frozenset({10, 16})
"""The element types of ONNX that are float16 and bfloat16."""
PASSING = frozenset({"Cast", "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split", "Expand"})
"""Operators whose result has the numbers of their first operand."""


class OnnxSource:
    """The graph of a `ModelProto`, by the names of its values."""

    def __init__(self, model: Any) -> None:
        self.graph = model.graph
        self.makers = {name: node for node in self.graph.node for name in node.output if name}

    @cached_property
    def users(self) -> dict[str, list[Any]]:
        """The nodes that read each value, themselves or in a graph inside."""
        found: dict[str, list[Any]] = {}
        for node in self.graph.node:
            for name in operands(node):
                found.setdefault(name, []).append(node)
        return found

    @cached_property
    def user_places(self) -> dict[str, list[int]]:
        """The places of the nodes that read each value, themselves or in a graph inside."""
        found: dict[str, list[int]] = {}
        for place, node in enumerate(self.graph.node):
            for name in dict.fromkeys(operands(node)):
                found.setdefault(name, []).append(place)
        return found

    @cached_property
    def useful(self) -> frozenset[int]:
        """The places of the nodes that outputs depend on."""
        waiting, found = [info.name for info in self.graph.output], set[int]()
        places = {name: place for place, node in enumerate(self.graph.node) for name in node.output if name}
        while waiting:
            place = places.get(waiting.pop())
            if place is not None and place not in found:
                found.add(place)
                waiting += operands(self.graph.node[place])
        return frozenset(found)

    @property
    def is_quantized(self) -> bool:
        """True where the model itself rounds to quantized numbers."""
        return any(node.op_type in QUANTIZED or node.op_type.startswith("QLinear") for node in self.graph.node)

    @property
    def has_halves(self) -> bool:
        """True where the model computes with numbers of 16 bits."""
        kinds = [info.type.tensor_type.elem_type for info in (*self.graph.input, *self.graph.output)]
        kinds += [tensor.data_type for tensor in self.graph.initializer]
        kinds += [
            attribute.i for node in self.graph.node if node.op_type == "Cast" for attribute in node.attribute if attribute.name == "to"
        ]
        return not HALVES.isdisjoint(kinds)

    @cached_property
    def random(self) -> frozenset[str]:
        """The values that depend on random numbers."""
        found: set[str] = set()
        for node in self.graph.node:
            if _draws(node) or any(name in found for name in operands(node)):
                found.update(node.output)
        return frozenset(found - {""})

    @cached_property
    def index_limits(self) -> dict[str, int]:
        """The largest valid value of inputs that look up rows of tables of known size, such as token ids."""
        return {info.name: limit for info in self.graph.input if (limit := self._limit(info.name)) is not None}

    def _limit(self, name: str) -> int | None:
        waiting, seen, limits = [name], set(), []
        while waiting:
            value = waiting.pop()
            if value in seen:
                continue
            seen.add(value)
            for node in self.users.get(value, ()):
                if node.op_type in PASSING and node.input[0] == value:
                    waiting += node.output
                elif node.op_type == "Gather" and node.input[1] == value and node.input[0] in self._sizes:
                    dims = self._sizes[node.input[0]]
                    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
                    if -len(dims) <= axis < len(dims) and dims[axis] > 0:
                        limits.append(dims[axis] - 1)
        return min(limits, default=None)

    @cached_property
    def _sizes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of constants."""
        found = {tensor.name: tuple(tensor.dims) for tensor in self.graph.initializer}
        for node in self.graph.node:
            if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
                found[node.output[0]] = tuple(node.attribute[0].t.dims)
        return found

    @cached_property
    def owners(self) -> dict[str, int]:
        """The place of the node that makes each value, itself or in a graph inside."""
        found: dict[str, int] = {}
        for place, node in enumerate(self.graph.node):
            inner = (name for graph in graphs_of(node) for each in nodes_of(graph) for name in each.output if name)
            for name in (*node.output, *inner):
                if name:
                    found.setdefault(name, place)
        return found

    @property
    def inner_nodes(self) -> int:
        """How many nodes stand in graphs inside: bodies of loops and branches."""
        return sum(1 for node in self.graph.node for graph in graphs_of(node) for _ in nodes_of(graph))

    def nearest(self, name: str, among: Collection[str]) -> list[str]:
        """The values of `among` that a value is computed from, on each way back the first of them."""
        waiting, seen, found = [name], {name}, []
        while waiting:
            node = self.makers.get(waiting.pop())
            for operand in () if node is None else operands(node):
                if operand in seen:
                    continue
                seen.add(operand)
                if operand in among:
                    found.append(operand)
                else:
                    waiting.append(operand)
        return found


def graphs_of(node: Any) -> Iterator[Any]:
    """The graphs in a node's attributes."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def nodes_of(graph: Any) -> Iterator[Any]:
    """The nodes of a graph and of those inside."""
    for node in graph.node:
        yield node
        for inner in graphs_of(node):
            yield from nodes_of(inner)


def operands(node: Any) -> list[str]:
    """The names of values a node reads, itself or in a graph inside."""
    found = [name for name in node.input if name]
    for graph in graphs_of(node):
        made = {info.name for info in graph.input} | {tensor.name for tensor in graph.initializer}
        for inner in graph.node:
            found += [name for name in operands(inner) if name not in made]
            made.update(inner.output)
        found += [info.name for info in graph.output if info.name not in made]
    return found


def _draws(node: Any) -> bool:
    return node.op_type in RANDOM or any(inner.op_type in RANDOM for graph in graphs_of(node) for inner in nodes_of(graph))
