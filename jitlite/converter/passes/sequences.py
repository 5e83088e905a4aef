"""Sequences of tensors whose lengths are known: every use is replaced by what it finds, so that none is left.

A node that makes a sequence stays until nothing refers to it; one that is used in any other way, or given to or by the model, has no form.
"""

from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import TypeAlias

import numpy as np
import onnx
from onnx import helper

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Graph, Node, Value
from jitlite.converter.passes.subgraphs import Scopes
from jitlite.converter.passes.unroll import put_results
from jitlite.converter.problems import Unlowerable

Sequences: TypeAlias = dict[Value, tuple[Value, ...]]
"""The elements of the sequences that are known."""
MOST_ELEMENTS = 4096
AXES_AS_OPERAND = 13
"""The opset since which Unsqueeze takes its axes as an operand."""


def resolve(graph: Graph, node: Node, scopes: Scopes, sequences: Sequences) -> list[Node]:
    """Notes the elements of a sequence that the node makes, or puts what it takes from one in its place; the nodes this added."""
    return _RESOLVED[node.kind](graph, node, scopes, sequences)


def _elements(node: Node, sequences: Sequences) -> tuple[Value, ...]:
    found = sequences.get(node.input(0))
    if found is None:
        raise Unlowerable(f"a sequence whose elements are known is required, found '{node.input(0).name}'")
    return found


def _place(node: Node, index: int, count: int, default: int, behind: int = 0) -> int:
    """A position in a sequence of `count`, counted from the front, or one of those `behind` its last."""
    given = node.optional(index)
    if given is None:
        return default
    if given.data is None:
        raise Unlowerable(f"operand {index} '{given.name}' must be constant, found a value known only at run time", index)
    place = int(given.data.reshape(-1)[0])
    if not -count <= place < count + behind:
        raise Unlowerable(f"a position in a sequence of {count} is required, found {place}")
    return place if place >= 0 else place + count


def _same(graph: Graph, node: Node, scopes: Scopes, sequences: Sequences) -> list[Node]:
    sequences[node.output] = _elements(node, sequences)
    return []


def _construct(graph: Graph, node: Node, scopes: Scopes, sequences: Sequences) -> list[Node]:
    sequences[node.output] = tuple(value for value in node.inputs if value is not None)
    return []


def _insert(graph: Graph, node: Node, scopes: Scopes, sequences: Sequences) -> list[Node]:
    before = _elements(node, sequences)
    place = _place(node, 2, len(before), len(before), behind=1)
    if len(before) >= MOST_ELEMENTS:
        raise Unlowerable(f"sequences of at most {MOST_ELEMENTS} are supported, found a longer one")
    sequences[node.output] = (*before[:place], node.input(1), *before[place:])
    return []


def _erase(graph: Graph, node: Node, scopes: Scopes, sequences: Sequences) -> list[Node]:
    before = _elements(node, sequences)
    place = _place(node, 1, len(before), len(before) - 1)
    sequences[node.output] = (*before[:place], *before[place + 1 :])
    return []


def _at(graph: Graph, node: Node, scopes: Scopes, sequences: Sequences) -> list[Node]:
    elements = _elements(node, sequences)
    return put_results(graph, node, [scopes.current(elements[_place(node, 1, len(elements), 0)])], scopes)


def _length(graph: Graph, node: Node, scopes: Scopes, sequences: Sequences) -> list[Node]:
    count = graph.constant(np.array(len(_elements(node, sequences)), np.int64), f"{node.output.name};length")
    return put_results(graph, node, [count], scopes)


def _split(graph: Graph, node: Node, scopes: Scopes, sequences: Sequences) -> list[Node]:
    """Parts of one element each, which lose the axis without `keepdims`, or of the sizes given; a size for all leaves the rest last."""
    x, given, keeps = node.input(0), node.optional(1), bool(attribute(node, "keepdims", 1))
    if x.shape is None:
        raise Unlowerable(f"operand '{x.name}' must have a shape known before it runs")
    axis = attribute(node, "axis", 0) % len(x.shape)
    if given is not None and given.data is None:
        raise Unlowerable(f"operand 1 '{given.name}' must be constant, found a value known only at run time", 1)
    count = x.shape[axis]
    if given is None or given.data is None:
        sizes = [1] * count
    elif given.data.ndim == 0:
        size = int(given.data)
        if size <= 0:
            raise Unlowerable(f"parts of at least one element are required, found {size}")
        sizes = [min(size, count - start) for start in range(0, count, size)]
    else:
        sizes = [int(size) for size in given.data]
    if sum(sizes) != count or len(sizes) > MOST_ELEMENTS:
        raise Unlowerable(f"at most {MOST_ELEMENTS} parts of {count} elements together are required, found {len(sizes)} of {sum(sizes)}")
    scope, protos, names = {"x": x}, [], []
    for index, (start, end) in enumerate(pairwise(accumulate(sizes, initial=0))):
        names.append(f"part_{index}")
        for name, number in (("start", start), ("end", end), ("axis", axis)):
            scope[f"{name}_{index}"] = graph.constant(np.array([number], np.int64), f"{node.output.name};{name}")
        scope[f"place_{index}"] = graph.constant(np.array(start, np.int64), f"{node.output.name};place")
        if given is None and not keeps:
            protos.append(helper.make_node("Gather", ["x", f"place_{index}"], [names[-1]], axis=axis))
        else:
            protos.append(helper.make_node("Slice", ["x", f"start_{index}", f"end_{index}", f"axis_{index}"], [names[-1]]))
    added = scopes.add(graph, protos, scope)
    sequences[node.output] = tuple(scope[name] for name in names)
    return added


def _concat(graph: Graph, node: Node, scopes: Scopes, sequences: Sequences) -> list[Node]:
    """The elements one behind the other, or along a new axis."""
    elements = [scopes.current(value) for value in _elements(node, sequences)]
    if not elements:
        raise Unlowerable("a sequence with elements is required, found none")
    axis, operands, added = attribute(node, "axis"), list(elements), list[Node]()
    if attribute(node, "new_axis", 0):
        ranks = {None if value.shape is None else len(value.shape) for value in elements}
        rank = ranks.pop()
        if ranks or rank is None:
            raise Unlowerable("elements of one rank known before they run are required, found others")
        scope = {f"x_{index}": value for index, value in enumerate(elements)}
        scope["axes"] = graph.constant(np.array([axis % (rank + 1)], np.int64), f"{node.output.name};axes")
        names = [f"y_{index}" for index in range(len(elements))]
        added += scopes.add(graph, [_unsqueeze(scopes, f"x_{index}", axis % (rank + 1), name) for index, name in enumerate(names)], scope)
        operands = [scope[name] for name in names]
    scope = {f"x_{index}": value for index, value in enumerate(operands)}
    added += scopes.add(graph, [helper.make_node("Concat", list(scope), ["y"], axis=axis)], scope)
    return added + put_results(graph, node, [scope["y"]], scopes)


def _unsqueeze(scopes: Scopes, x: str, axis: int, y: str) -> onnx.NodeProto:
    if scopes.opsets.get("", 0) >= AXES_AS_OPERAND:
        return helper.make_node("Unsqueeze", [x, "axes"], [y])
    return helper.make_node("Unsqueeze", [x], [y], axes=[axis])


_RESOLVED: dict[str, Callable[[Graph, Node, Scopes, Sequences], list[Node]]] = {
    "ConcatFromSequence": _concat,
    "Identity": _same,
    "SequenceAt": _at,
    "SequenceConstruct": _construct,
    "SequenceEmpty": _construct,
    "SequenceErase": _erase,
    "SequenceInsert": _insert,
    "SequenceLength": _length,
    "SplitToSequence": _split,
}


def concerns_sequences(node: Node, sequences: Sequences) -> bool:
    return node.kind in _RESOLVED and (node.kind != "Identity" or node.inputs[0] in sequences)
