"""What runtimes accept in a model file though onnx's checker does not: put in order, without a change of meaning."""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import onnx

CONSTANTS_WITHOUT_INPUTS = 4
"""The first version of the format in which a stored tensor need not be an input, too."""


def tidy(model: onnx.ModelProto) -> None:
    """Sorts nodes so that each stands behind those it depends on, drops notes on values that state no type, and names a version of the
    format that allows stored tensors that are no inputs; all in place. Nodes on a cycle stay where they are.
    """
    if model.ir_version < CONSTANTS_WITHOUT_INPUTS:
        inputs = {info.name for info in model.graph.input}
        if any(tensor.name not in inputs for tensor in model.graph.initializer):
            model.ir_version = CONSTANTS_WITHOUT_INPUTS
    for graph in _graphs(model.graph):
        typed = [info for info in graph.value_info if info.HasField("type")]
        if len(typed) < len(graph.value_info):
            del graph.value_info[:]
            graph.value_info.extend(typed)
        _sort(graph)


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    waiting = [graph]
    while waiting:
        found = waiting.pop()
        yield found
        for node in found.node:
            waiting += _bodies(node)


def _bodies(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    return [body for attribute in node.attribute for body in ([attribute.g] if attribute.HasField("g") else attribute.graphs)]


def _read(node: onnx.NodeProto) -> set[str]:
    """The names a node needs, those that its subgraphs take from around them among them."""
    return set(node.input).union(*(_read(inner) for body in _bodies(node) for inner in body.node))


def _sort(graph: onnx.GraphProto) -> None:
    made = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    needs = {index: {made[name] for name in _read(node) if name in made} for index, node in enumerate(graph.node)}
    if all(place < index for index, places in needs.items() for place in places):
        return
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError:
        return
    nodes = [graph.node[index] for index in order]
    del graph.node[:]
    graph.node.extend(nodes)
