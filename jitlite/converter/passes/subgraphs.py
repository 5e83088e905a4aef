"""Subgraphs of ONNX nodes: the names they see, and what can be said of a loop's body before its nodes are looked at.

A body's nodes find values by name: those of the body, else those of the graphs around it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx

from jitlite.converter.graph import Graph, Node, Value
from jitlite.converter.importer import add_nodes, decode_tensor
from jitlite.converter.messages import subgraphs_of
from jitlite.converter.problems import Unlowerable
from jitlite.schemas.errors import ConversionError

MOST_WRITTEN = 20_000
"""Nodes that all subgraphs of a model together may be written out as."""
SUBGRAPH_OPS = frozenset({"If", "Loop", "Scan", "SequenceMap"})
IMPURE = frozenset({"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli", "Dropout"})
"""Operators that are never computed ahead."""


@dataclass(frozen=True, slots=True)
class Scopes:
    """The values that names stand for, in the main graph and in bodies that are written out."""

    names: dict[str, Value]
    opsets: dict[str, int]
    inner: dict[Node, dict[str, Value]] = field(default_factory=dict)
    """The names that nodes with subgraphs of their own see, where they are not in the main graph."""
    replaced: dict[Value, Value] = field(default_factory=dict)
    written: list[int] = field(default_factory=lambda: [0])
    """How many nodes of bodies have been written out."""

    def seen_by(self, node: Node) -> dict[str, Value]:
        """The names the subgraphs of a node may use, those of values that were replaced among them."""
        return {name: self.current(value) for name, value in self.inner.get(node, self.names).items()}

    def current(self, value: Value) -> Value:
        while value in self.replaced:
            value = self.replaced[value]
        return value

    def replace(self, old: Value, new: Value) -> None:
        self.replaced[old] = new

    def add(self, graph: Graph, nodes: Sequence[onnx.NodeProto], scope: dict[str, Value]) -> list[Node]:
        """Appends nodes of a body whose names `scope` holds, to which theirs are added."""
        self.written[0] += len(nodes)
        if self.written[0] > MOST_WRITTEN:
            raise Unlowerable(f"at most {MOST_WRITTEN} nodes are written out for the subgraphs of a model, found more")
        added = add_nodes(graph, nodes, scope, self.opsets)
        self.inner.update((node, scope) for node in added if node.kind in SUBGRAPH_OPS)
        return added


def free_names(body: onnx.GraphProto) -> dict[str, None]:
    """The names that a subgraph uses and does not make."""
    made = {"", *(info.name for info in body.input), *(tensor.name for tensor in body.initializer)}
    free: dict[str, None] = {}
    for node in body.node:
        used = (*node.input, *(name for inner in subgraphs_of(node) for name in free_names(inner)))
        free.update((name, None) for name in used if name not in made)
        made.update(node.output)
    free.update((info.name, None) for info in body.output if info.name not in made)
    return free


def seen_from_around(bodies: Sequence[onnx.GraphProto], names: dict[str, Value]) -> dict[str, Value]:
    """The values of the graphs around that subgraphs use, by name. ConversionError for a name that stands for nothing."""
    found = {}
    for name in (name for body in bodies for name in free_names(body)):
        if name not in names:
            raise ConversionError(f"a subgraph uses '{name}', which nothing makes")
        found[name] = names[name]
    return found


def _origin(body: onnx.GraphProto, name: str) -> str:
    """The name of the value that copies of it come from."""
    makers = {made: node for node in body.node for made in node.output}
    for _ in range(len(body.node)):
        if name not in makers or makers[name].op_type != "Identity":
            break
        name = makers[name].input[0]
    return name


def returns_as_given(body: onnx.GraphProto, output: int, given: int) -> bool:
    """True where the output is the input at the place `given` or a copy of it."""
    return str(body.input[given].name) == _origin(body, body.output[output].name)


def goes_on(body: Any) -> bool:
    """True when a Loop's condition stays what it was or is constantly true."""
    wanted, given = _origin(body, body.output[0].name), body.input[1].name
    makers = {name: node for node in body.node for name in node.output}
    if wanted == given:
        return True
    stored = [decode_tensor(tensor) for tensor in body.initializer if tensor.name == wanted]
    if wanted in makers and makers[wanted].op_type == "Constant":
        stored = [decode_tensor(item.t) for item in makers[wanted].attribute if item.name == "value"]
    return bool(stored) and bool(np.all(stored[0]))
