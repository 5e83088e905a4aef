"""Walking the messages of an ONNX model."""

from collections.abc import Iterator

import onnx


def subgraphs_of(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The subgraphs among a node's attributes."""
    for held in node.attribute:
        yield from held.graphs
        if held.HasField("g"):
            yield held.g


def graphs_in(*owners: onnx.GraphProto | onnx.FunctionProto) -> Iterator[onnx.GraphProto | onnx.FunctionProto]:
    """Graphs and functions and the subgraphs of their nodes, however deep."""
    waiting = list(owners)[::-1]
    while waiting:
        owner = waiting.pop()
        yield owner
        for node in owner.node:
            waiting += subgraphs_of(node)
