"""Loops that count: a Loop whose condition depends on numbers alone takes a number of turns that is known.

TensorFlow's loops over a fixed number of steps arrive so, with a counter among the states and a comparison in the body.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Graph, Node, Value
from jitlite.converter.messages import subgraphs_of
from jitlite.converter.passes.subgraphs import IMPURE, Scopes, goes_on

MOST_COUNTED = 4096
"""Turns that are counted; loops with more of them stay loops on a condition."""


def fix_turns(graph: Graph, node: Node, scopes: Scopes) -> None:
    """Gives a Loop that counts its number of turns as a constant, and no condition; leaves all other nodes as they are."""
    if node.kind != "Loop":
        return
    body, limit, condition = attribute(node, "body"), node.optional(0), node.optional(1)
    if body is None or goes_on(body) or any(value is not None and value.data is None for value in (limit, condition)):
        return
    most = MOST_COUNTED + 1 if limit is None or limit.data is None else int(limit.data.reshape(-1)[0])
    is_entered = condition is None or (condition.data is not None and bool(np.all(condition.data)))
    turns = _counted(node, body, scopes, most) if is_entered else 0
    if turns is None:
        return
    proto = onnx.GraphProto()
    proto.CopyFrom(body)
    proto.output[0].CopyFrom(proto.input[1])
    count = graph.constant(np.array(turns, np.int64), f"{node.name};turns")
    graph.become(node, node.op, [count, None, *node.inputs[2:]], {"body": helper.make_attribute("body", proto)})


@dataclass(frozen=True, slots=True)
class _Control:
    """What decides whether a loop goes on: nodes of the body, the places of states, and the names of values from around."""

    nodes: tuple[onnx.NodeProto, ...]
    states: tuple[int, ...]
    outer: tuple[str, ...]


def _control(body: onnx.GraphProto) -> _Control | None:
    """None where an operator among them is random, not one of ONNX, or has subgraphs."""
    makers = {name: place for place, node in enumerate(body.node) for name in node.output}
    places = {info.name: place for place, info in enumerate(body.input)}
    stored = {tensor.name for tensor in body.initializer}
    nodes: set[int] = set()
    states: set[int] = set()
    seen: dict[str, None] = {}
    waiting = [body.output[0].name]
    while waiting:
        name = waiting.pop()
        if not name or name in seen:
            continue
        seen[name] = None
        if name in makers:
            node = body.node[makers[name]]
            if node.domain or node.op_type in IMPURE or any(subgraphs_of(node)):
                return None
            nodes.add(makers[name])
            waiting += node.input
        elif places.get(name, 0) >= 2:
            states.add(places[name] - 2)
            waiting.append(body.output[places[name] - 1].name)
    outer = tuple(name for name in seen if name not in makers and name not in places and name not in stored)
    return _Control(tuple(body.node[place] for place in sorted(nodes)), tuple(sorted(states)), outer)


def _counted(node: Node, body: onnx.GraphProto, scopes: Scopes, most: int) -> int | None:
    """The turns of a loop that is entered, at most `most`; None where they depend on more than numbers, or are too many."""
    control = _control(body)
    if control is None:
        return None
    names = scopes.seen_by(node)
    first = [_number(node.inputs[place + 2]) for place in control.states]
    around = {name: _number(names.get(name)) for name in control.outer}
    states = [value for value in first if value is not None]
    known = {name: value for name, value in around.items() if value is not None}
    if len(states) < len(first) or len(known) < len(around):
        return None
    try:
        for turn, goes in enumerate(_conditions(body, control, states, known, scopes.opsets), start=1):
            if not goes or turn >= most:
                return turn
            if turn > MOST_COUNTED:
                return None
    except Exception:  # the evaluator raises whatever its operators do; the loop then stays one on a condition
        return None
    raise AssertionError("conditions never end")


def _number(value: Value | None) -> Array | None:
    return None if value is None else value.data


def _conditions(
    body: onnx.GraphProto, control: _Control, states: list[Array], around: Mapping[str, Array], opsets: Mapping[str, int]
) -> Iterator[bool]:
    """The condition after each turn, without end."""
    inputs = [body.input[place].name for place in (0, 1, *(place + 2 for place in control.states))]
    outputs = [body.output[place].name for place in (0, *(place + 1 for place in control.states))]
    stored = [*body.initializer, *(numpy_helper.from_array(value, name) for name, value in around.items())]
    infos = [[helper.make_empty_tensor_value_info(name) for name in found] for found in (inputs, dict.fromkeys(outputs))]
    evaluator: Any = ReferenceEvaluator(helper.make_graph(control.nodes, "turns", *infos, stored), opsets=dict(opsets))
    turn = 0
    while True:
        with np.errstate(all="ignore"):
            goes, *states = evaluator.run(outputs, dict(zip(inputs, [np.array(turn, np.int64), np.array(True), *states])))
        yield bool(np.all(goes))
        turn += 1
