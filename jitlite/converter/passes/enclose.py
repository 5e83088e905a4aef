"""Control flow that the run decides: subgraphs closed over what they use.

The subgraphs of an ONNX If, Loop or Scan read values of the graphs around them by name; those of .tflite see their operands alone. A value
from around becomes an operand of the node and an input of the body, behind its own; a constant becomes a constant of the body. A Scan
becomes the Loop that it is, in which the turn's number picks the items.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, helper

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Graph, Node, OnnxOp, Shape, Value
from jitlite.converter.importer import add_nodes, decode_tensor
from jitlite.converter.passes.subgraphs import Scopes, goes_on, returns_as_given, seen_from_around
from jitlite.converter.problems import Illegal, Unlowerable
from jitlite.schemas.errors import ConversionError, ConversionWarning

Finish: TypeAlias = Callable[[Graph, dict[str, Value]], None]
"""Gives the values of a body, known by these names, their shapes and types."""

STATES, CHECKED = "states", "checked"
"""Attributes of an enclosed Loop: the number of its states, and whether a condition may end it.

Operands are limit, condition, states and what the body sees of the rest. The body takes the turn's number, the condition where there is
one, states and the rest; it returns the condition where there is one, states and items to be added up.
"""

BRANCHES = ("then_branch", "else_branch")
LOOP = OnnxOp("Loop", "", 13, 21)


def enclose(graph: Graph, node: Node, scopes: Scopes, finish: Finish) -> list[Node]:
    """Gives a node with subgraphs bodies of its own, and its results their shapes and types; returns the nodes added around it.

    Unlowerable says why it cannot be. Results added up over a number of turns that only the run tells have no shape.
    """
    names = scopes.seen_by(node)
    if node.kind == "If":
        return _enclose_if(graph, node, names, scopes.opsets, finish)
    if node.kind == "Scan":
        return _enclose_scan(graph, node, names, scopes, finish)
    if node.kind == "Loop":
        _Loop(graph, node, names, scopes).enclose(finish)
        return []
    raise Unlowerable(f"no lowering for operator {node.kind}")


def _operands(seen: Mapping[str, Value]) -> list[Value]:
    found = [value for value in dict.fromkeys(seen.values()) if value.data is None]
    _require_shapes(found)
    return found


def _require_shapes(values: Sequence[Value]) -> None:
    for value in values:
        if value.shape is None or value.dtype is None:
            raise Unlowerable(f"operand '{value.name}' must have a shape known before it runs")


def _opened(proto: onnx.GraphProto, given: Sequence[Value], seen: Mapping[str, Value]) -> tuple[Graph, dict[str, Value]]:
    """A body before its nodes, and the values its names stand for: inputs like the values given, then like the operands among `seen`."""
    body = Graph(proto.name or "body")
    own = [body.add_input(body.value(value.name, value.shape, value.dtype)) for value in given]
    inner = {value: body.add_input(body.value(value.name, value.shape, value.dtype)) for value in _operands(seen)}
    scope = {
        name: inner[value] if value.data is None else body.constant(value.data, value.name, value.grid) for name, value in seen.items()
    }
    scope.update((info.name, value) for info, value in zip(proto.input, own))
    scope.update((tensor.name, body.constant(decode_tensor(tensor), tensor.name)) for tensor in proto.initializer)
    return body, scope


def _fill(body: Graph, proto: onnx.GraphProto, scope: dict[str, Value], opsets: Mapping[str, int], finish: Finish) -> None:
    """Adds a body's nodes and outputs."""
    add_nodes(body, proto.node, scope, opsets)
    missing = [info.name for info in proto.output if info.name not in scope]
    if missing:
        raise ConversionError(f"subgraph '{proto.name}': no node makes its output '{missing[0]}'")
    body.outputs += [scope[info.name] for info in proto.output]
    finish(body, scope)
    for value in body.outputs:
        if value.shape is None or value.dtype is None:
            raise Unlowerable(f"results of a subgraph must have shapes known before it runs, found '{value.name}' without")


def _enclose_if(graph: Graph, node: Node, names: dict[str, Value], opsets: Mapping[str, int], finish: Finish) -> list[Node]:
    branches = [attribute(node, name) for name in BRANCHES]
    for branch in branches:
        if branch is None or len(branch.output) != len(node.outputs):
            raise ConversionError(f"node '{node.name}' (If): two branches with {len(node.outputs)} outputs each are required")
    condition = node.input(0)
    if condition.shape is None or condition.size != 1:
        raise Unlowerable(f"a condition of one element is required, found shape {condition.shape}")
    seen = seen_from_around(branches, names)
    bodies: list[Graph] = []
    illegal: dict[int, Illegal] = {}
    for place, branch in enumerate(branches):
        body, scope = _opened(branch, [], seen)
        body.has_any_length = graph.has_any_length
        bodies.append(body)
        try:
            _fill(body, branch, scope, opsets, finish)
        except Illegal as reason:
            illegal[place] = reason
    if len(illegal) == len(bodies):
        raise illegal[0]
    operands = [condition, *_operands(seen)]
    for place, problem in illegal.items():
        sound = bodies[1 - place]
        sound.inputs.insert(0, sound.value(condition.name, condition.shape, condition.dtype))
        operands.insert(0, condition)
        bodies[place] = _failing(branches[place].name or BRANCHES[place], sound, opsets, finish)
        told = f"node '{node.name}' (If): its {BRANCHES[place]} is illegal for the sizes of the inputs, where it is taken the result fails"
        warnings.warn(f"{told}: {problem}", ConversionWarning, stacklevel=2)
    for first, second in zip(bodies[0].outputs, bodies[1].outputs):
        if (first.shape, first.dtype) != (second.shape, second.dtype):
            found = f"{first.dtype} {first.shape} and {second.dtype} {second.shape}"
            raise Unlowerable(f"branches with results of one type and shape, or a constant condition, are required, found {found}", 0)
    for value, result in zip(node.outputs, bodies[0].outputs):
        value.shape, value.dtype = result.shape, result.dtype
    graph.become(node, node.op, operands)
    node.bodies = tuple(bodies)
    return []


def _failing(name: str, other: Graph, opsets: Mapping[str, int], finish: Finish) -> Graph:
    """A branch with the inputs and results of the other one, at which a runtime stops: it asks for an element that is not there.

    The first input is the condition, so that nothing can be computed beforehand.
    """
    body = Graph(name)
    for value in other.inputs:
        body.add_input(body.value(value.name, value.shape, value.dtype))
    scope = {"condition": body.inputs[0], "scalar": body.constant(np.zeros(0, np.int64)), "behind": body.constant(np.array(2))}
    nodes = [
        helper.make_node("Cast", ["condition"], ["number"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["number", "scalar"], ["one"]),
        helper.make_node("Add", ["one", "behind"], ["place"]),
    ]
    for count, value in enumerate(other.outputs):
        scope[f"row{count}"] = body.constant(np.zeros((1, *value.dims), value.dtype))
        nodes.append(helper.make_node("Gather", [f"row{count}", "place"], [f"{name} is illegal {count}"], axis=0))
    add_nodes(body, nodes, scope, opsets)
    body.outputs += [scope[f"{name} is illegal {count}"] for count in range(len(other.outputs))]
    finish(body, scope)
    return body


class _Loop:
    """A Loop on its way to a node with a body of its own."""

    def __init__(self, graph: Graph, node: Node, names: dict[str, Value], scopes: Scopes) -> None:
        self.graph, self.node, self.names, self.scopes = graph, node, names, scopes
        self.body: onnx.GraphProto = attribute(node, "body")
        count = len(node.inputs) - 2
        fits = self.body is not None and len(self.body.input) == count + 2 and 1 + count <= len(self.body.output) == len(node.outputs) + 1
        if count < 0 or not fits:
            raise ConversionError(f"node '{node.name}' (Loop): a body with the states of the node is required")
        self.states = [node.input(place) for place in range(2, len(node.inputs))]

    def enclose(self, finish: Finish) -> None:
        steady = [place for place in range(len(self.states)) if self._is_steady(place)]
        changing = [value for place, value in enumerate(self.states) if place not in steady]
        seen = seen_from_around([self.body], self.names)
        proto = onnx.GraphProto()
        proto.CopyFrom(self.body)
        for place in reversed(steady):
            seen[proto.input[place + 2].name] = self.states[place]
            del proto.input[place + 2], proto.output[place + 1]
        given = [self._single(0, np.int64), self._single(1, np.bool_), *changing]
        _require_shapes(given)
        body, scope = _opened(proto, given, seen)
        body.has_any_length = self.graph.has_any_length
        is_checked = not self._always_goes_on()
        if not is_checked:
            scope[proto.input[1].name] = body.constant(np.ones(given[1].dims, np.bool_), f"{self.node.name};true")
            del body.inputs[1]
        _fill(body, proto, scope, self.scopes.opsets, finish)
        if not is_checked:
            del body.outputs[0]
        _check_states(changing, body.outputs[is_checked:])
        self._drop(steady)
        self._set_results(body.outputs[is_checked:], len(changing), is_checked)
        operands = [self.node.optional(0), self.node.optional(1), *changing, *_operands(seen)]
        self.graph.become(
            self.node,
            self.node.op,
            operands,
            {name: helper.make_attribute(name, int(value)) for name, value in ((STATES, len(changing)), (CHECKED, is_checked))},
        )
        self.node.bodies = (body,)

    def _is_steady(self, place: int) -> bool:
        """True for a state that every turn returns as it was given."""
        return returns_as_given(self.body, place + 1, place + 2) and self.node.outputs[place] not in self.graph.outputs

    def _single(self, place: int, dtype: Any) -> Value:
        """What the body takes for the turn's number or the condition: one element, in the shape it declares."""
        declared = self.body.input[place]
        shape: Shape = (1,) if len(declared.type.tensor_type.shape.dim) == 1 else ()
        return Value(declared.name, shape, np.dtype(dtype))

    def _always_goes_on(self) -> bool:
        condition = self.node.optional(1)
        return goes_on(self.body) and (condition is None or (condition.data is not None and bool(np.all(condition.data))))

    def _drop(self, steady: Sequence[int]) -> None:
        """Steady states are after the loop what they were before."""
        outputs = [self.node.outputs[place] for place in steady]
        for value, place in zip(outputs, steady):
            self.scopes.replace(value, self.states[place])
            self.graph.replace_uses(value, self.states[place])
        self.graph.drop_outputs(self.node, outputs)

    def _set_results(self, results: Sequence[Value], states: int, is_checked: bool) -> None:
        limit = self.node.optional(0)
        counted = limit is not None and limit.data is not None and not is_checked
        for place, (value, found) in enumerate(zip(self.node.outputs, results, strict=True)):
            value.dtype = found.dtype
            if place < states:
                value.shape = found.shape
            elif counted:
                assert limit is not None
                assert limit.data is not None
                value.shape = (max(int(limit.data.reshape(-1)[0]), 0), *found.dims)


def _check_states(before: Sequence[Value], after: Sequence[Value]) -> None:
    for value, found in zip(before, after):
        if (value.shape, value.dtype) != (found.shape, found.dtype):
            raise Unlowerable(
                f"states that keep their type and shape are required, found {value.dtype} {value.shape} for '{value.name}' "
                f"and {found.dtype} {found.shape} after a turn"
            )


def _enclose_scan(graph: Graph, node: Node, names: dict[str, Value], scopes: Scopes, finish: Finish) -> list[Node]:
    if isinstance(node.op, OnnxOp) and node.op.since < 9:
        raise Unlowerable("definitions since version 9 are supported, this one dates from version 8")
    count = attribute(node, "num_scan_inputs")
    states, items = node.inputs[:-count], [node.input(place) for place in range(len(node.inputs) - count, len(node.inputs))]
    _require_shapes(items)
    axes = [axis % max(value.rank, 1) for axis, value in zip(attribute(node, "scan_input_axes", [0] * count), items)]
    lengths = {value.dims[axis] for value, axis in zip(items, axes) if value.rank}
    if len(lengths) != 1 or any(value.rank == 0 for value in items):
        raise Unlowerable(f"scanned operands of one length are required, found {[value.dims for value in items]}")
    turns = lengths.pop()
    backward = attribute(node, "scan_input_directions", [0] * count)
    proto = _looped(node, turns, axes, backward)
    names = {**names, **{_item(node, place): value for place, value in enumerate(items)}}
    stacked = node.outputs[len(states) :]
    forms = list(zip(stacked, *(attribute(node, f"scan_output_{what}", [0] * len(stacked)) for what in ("axes", "directions"))))
    limit = graph.constant(np.array(turns, np.int64), f"{node.name};turns")
    graph.become(node, LOOP, [limit, None, *states], {"body": helper.make_attribute("body", proto)})
    _Loop(graph, node, names, scopes).enclose(finish)
    return [added for value, axis, back in forms for added in _formed(graph, node, value, axis, bool(back))]


def _formed(graph: Graph, node: Node, value: Value, axis: int, back: bool) -> list[Node]:
    """The nodes that turn what a loop adds up along its first axis into the result of a Scan."""
    rank = value.rank
    order = [place + 1 if place < axis % rank else place for place in range(rank)]
    order[axis % rank] = 0
    turned = axis % rank != 0
    if not back and not turned:
        return []
    (made,) = graph.renew_outputs(node, 1, node.outputs.index(value))
    made.shape, made.dtype, value.shape = value.shape, value.dtype, None
    added = []
    if back:
        places = graph.constant(np.arange(made.dims[0])[::-1].copy(), f"{value.name};backward")
        result = graph.value(f"{value.name};forward") if turned else value
        added.append(_added(graph, "Gather", (made, places), result, axis=0))
        made = result
    if turned:
        added.append(_added(graph, "Transpose", (made,), value, perm=order))
    return added


def _added(graph: Graph, kind: str, operands: tuple[Value, ...], result: Value, **attributes: Any) -> Node:
    held = {name: helper.make_attribute(name, content) for name, content in attributes.items()}
    return graph.add_node(Node(OnnxOp(kind, "", 13, 21), operands, (result,), f"{result.name};{kind.lower()}", held))


def _item(node: Node, place: int) -> str:
    return f"{node.name};items{place}"


def _looped(node: Node, turns: int, axes: Sequence[int], backward: Sequence[int]) -> onnx.GraphProto:
    """A Scan's body as that of a Loop."""
    proto = onnx.GraphProto()
    proto.CopyFrom(attribute(node, "body"))
    turn, go = f"{node.name};turn", f"{node.name};go"
    picks = []
    states = len(proto.input) - len(axes)
    for place, (axis, back) in enumerate(zip(axes, backward)):
        index = turn
        if back:
            index = f"{turn}{place}"
            last = helper.make_tensor(f"{index};last", TensorProto.INT64, (), [turns - 1])
            proto.initializer.append(last)
            picks.append(helper.make_node("Sub", [last.name, turn], [index], name=index))
        picks.append(
            helper.make_node("Gather", [_item(node, place), index], [proto.input[states + place].name], name=f"{index};pick", axis=axis)
        )
    nodes = [*picks, *proto.node]
    own = [helper.make_tensor_value_info(turn, TensorProto.INT64, ()), helper.make_tensor_value_info(go, TensorProto.BOOL, ())]
    inputs, outputs = [*own, *proto.input[:states]], [own[1], *proto.output]
    for field, content in ((proto.node, nodes), (proto.input, inputs), (proto.output, outputs)):
        kept = list(content)
        del field[:]
        field.extend(kept)
    return proto
