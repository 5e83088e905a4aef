"""Subgraphs written out among the nodes around them: the branch of an If on a constant, every turn of a short Scan or Loop."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import helper

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Graph, Node, OnnxOp, Value
from jitlite.converter.importer import decode_tensor
from jitlite.converter.passes.subgraphs import Scopes, goes_on
from jitlite.converter.problems import Unlowerable
from jitlite.schemas.errors import ConversionError

MOST_TURNS = 512
MOST_NODES = 20_000
"""Turns of a loop, and nodes all of them together, that are written out."""
FEW_NODES = 1000
"""Nodes that are written out even where a loop of the same turns would do."""


def unrolled(graph: Graph, node: Node, scopes: Scopes, most_nodes: int = MOST_NODES) -> list[Node]:
    """Replaces a node with subgraphs by nodes without, which are returned. Unlowerable says why it cannot be."""
    if node.kind == "If":
        return _take_branch(graph, node, scopes)
    if node.kind == "Scan":
        return _unroll_scan(graph, node, scopes, most_nodes)
    if node.kind == "Loop":
        return _unroll_loop(graph, node, scopes, most_nodes)
    raise Unlowerable(f"no lowering for operator {node.kind}")


def _opened(graph: Graph, node: Node, name: str, scopes: Scopes) -> tuple[Any, dict[str, Value]]:
    """A body and the names it sees, its own constants among them."""
    body = attribute(node, name)
    if body is None:
        raise ConversionError(f"node '{node.name}' ({node.kind}): a subgraph '{name}' is required")
    scope = scopes.seen_by(node)
    for tensor in body.initializer:
        scope[tensor.name] = graph.constant(decode_tensor(tensor), tensor.name)
    return body, scope


def _results(node: Node, body: Any, scope: dict[str, Value]) -> list[Value]:
    missing = [info.name for info in body.output if info.name not in scope]
    if missing:
        raise ConversionError(f"node '{node.name}' ({node.kind}): no node makes the subgraph's output '{missing[0]}'")
    return [scope[info.name] for info in body.output]


def put_results(graph: Graph, node: Node, results: Sequence[Value], scopes: Scopes) -> list[Node]:
    """Puts results in the place of a node's outputs and removes it; returns nodes that this took."""
    copies: list[Node] = []
    for value, found in zip(node.outputs, results, strict=True):
        if not graph.can_redirect(value, found):
            scope = {"x": found}
            copies += scopes.add(graph, [helper.make_node("Identity", ["x"], ["y"], name=f"{node.name};copy")], scope)
            found = scope["y"]
        scopes.replace(value, found)
        graph.redirect(value, found)
    graph.remove(node)
    return copies


def _take_branch(graph: Graph, node: Node, scopes: Scopes) -> list[Node]:
    condition = node.input(0)
    if condition.data is None:
        raise Unlowerable(f"operand 0 '{condition.name}' must be constant, found a value known only at run time", 0)
    body, scope = _opened(graph, node, "then_branch" if bool(condition.data.reshape(-1)[0]) else "else_branch", scopes)
    if len(body.output) != len(node.outputs):
        raise ConversionError(f"node '{node.name}' (If): a branch with {len(node.outputs)} outputs is required")
    added = scopes.add(graph, body.node, scope)
    return [*added, *put_results(graph, node, _results(node, body, scope), scopes)]


class _Turns:
    """A loop's body written out turn after turn, and what the turns give."""

    def __init__(self, graph: Graph, node: Node, scopes: Scopes, count: int, most_nodes: int) -> None:
        self.graph, self.node, self.scopes, self.count = graph, node, scopes, count
        self.body, self.outer = _opened(graph, node, "body", scopes)
        if not 1 <= count <= MOST_TURNS or count * len(self.body.node) > most_nodes:
            raise Unlowerable(f"1 to {MOST_TURNS} turns of {most_nodes} nodes altogether are supported, found {count} turns")
        self.added: list[Node] = []

    def emit(self, kind: str, operands: Sequence[Value], **attributes: Any) -> Value:
        """The result of one more node around the bodies."""
        scope = {f"x{index}": value for index, value in enumerate(operands)}
        proto = helper.make_node(kind, list(scope), ["y"], name=f"{self.node.name};{kind.lower()}", **attributes)
        self.added += self.scopes.add(self.graph, [proto], scope)
        return scope["y"]

    def integers(self, *numbers: int) -> Value:
        return self.graph.constant(np.array(numbers, np.int64), f"{self.node.name};constant")

    def turn(self, operands: Sequence[Value]) -> list[Value]:
        """Writes the body out for these operands and returns its results."""
        if len(operands) != len(self.body.input):
            raise ConversionError(
                f"node '{self.node.name}' ({self.node.kind}): a body with {len(operands)} inputs is required, found {len(self.body.input)}"
            )
        scope = dict(self.outer)
        scope.update((info.name, value) for info, value in zip(self.body.input, operands))
        self.added += self.scopes.add(self.graph, self.body.node, scope)
        return _results(self.node, self.body, scope)

    def stacked(self, parts: Sequence[Value], axis: int) -> Value:
        """The parts along a new axis."""
        old = self.scopes.opsets[""] < 13
        raised = [
            self.emit("Unsqueeze", [part], axes=[axis]) if old else self.emit("Unsqueeze", [part, self.integers(axis)]) for part in parts
        ]
        return raised[0] if len(raised) == 1 else self.emit("Concat", raised, axis=axis)

    def become(self, results: Sequence[Value]) -> list[Node]:
        return [*self.added, *put_results(self.graph, self.node, results, self.scopes)]


def _unroll_scan(graph: Graph, node: Node, scopes: Scopes, most_nodes: int) -> list[Node]:
    if isinstance(node.op, OnnxOp) and node.op.since < 9:
        raise Unlowerable("definitions since version 9 are supported, this one dates from version 8")
    count = attribute(node, "num_scan_inputs")
    states = [node.input(index) for index in range(len(node.inputs) - count)]
    scanned = [node.input(index) for index in range(len(states), len(node.inputs))]
    if any(value.shape is None for value in scanned):
        raise Unlowerable("scanned operands of known shape are required, found one whose shape depends on run-time values")
    axes = [axis % len(value.dims) for axis, value in zip(attribute(node, "scan_input_axes", [0] * count), scanned)]
    backward = attribute(node, "scan_input_directions", [0] * count)
    lengths = {value.dims[axis] for value, axis in zip(scanned, axes)}
    if len(lengths) != 1:
        raise Unlowerable(f"scanned operands of one length are required, found {sorted(lengths)}")
    turns = _Turns(graph, node, scopes, lengths.pop(), most_nodes)
    made: list[list[Value]] = [[] for _ in node.outputs[len(states) :]]
    for turn in range(turns.count):
        places = [turns.count - 1 - turn if back else turn for back in backward]
        slices = [
            turns.emit("Gather", [value, graph.constant(np.array(place), "place")], axis=axis)
            for value, axis, place in zip(scanned, axes, places)
        ]
        results = turns.turn([*states, *slices])
        states = results[: len(states)]
        for own, value in zip(made, results[len(states) :], strict=True):
            own.append(value)
    out_axes = attribute(node, "scan_output_axes", [0] * len(made))
    prepended = attribute(node, "scan_output_directions", [0] * len(made))
    stacks = [turns.stacked(parts[::-1] if back else parts, axis) for parts, axis, back in zip(made, out_axes, prepended)]
    return turns.become([*states, *stacks])


def _unroll_loop(graph: Graph, node: Node, scopes: Scopes, most_nodes: int) -> list[Node]:
    limit, condition = node.optional(0), node.optional(1)
    if limit is None:
        raise Unlowerable("a number of turns is required, found a loop on a condition alone")
    for index, value in ((0, limit), (1, condition)):
        if value is not None and value.data is None:
            raise Unlowerable(f"operand {index} '{value.name}' must be constant, found a value known only at run time", index)
    is_entered = condition is None or (condition.data is not None and bool(np.all(condition.data)))
    assert limit.data is not None
    turns = _Turns(graph, node, scopes, int(limit.data.reshape(-1)[0]) if is_entered else 0, most_nodes)
    if not goes_on(turns.body):
        raise Unlowerable("a body whose condition is constant is required, found one that decides at run time")
    states = [node.input(index) for index in range(2, len(node.inputs))]
    made: list[list[Value]] = [[] for _ in node.outputs[len(states) :]]
    true = graph.constant(np.array(True), f"{node.name};true")
    for turn in range(turns.count):
        results = turns.turn([graph.constant(np.array(turn, np.int64), f"{node.name};turn"), true, *states])[1:]
        states = results[: len(states)]
        for own, value in zip(made, results[len(states) :], strict=True):
            own.append(value)
    return turns.become([*states, *(turns.stacked(parts, 0) for parts in made)])
