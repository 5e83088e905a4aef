"""Merging what is there twice: equal constants and equal operators over equal operands."""

from collections.abc import Hashable

from jitlite.converter.graph import Graph, Value, digest


def share(graph: Graph) -> None:
    """Leaves one of each set of equal constants and of equal operators; graph outputs keep operators of their own."""
    constants: dict[Hashable, Value] = {}
    for node in graph.nodes:
        operands = [_shared(constants, value) for value in node.inputs]
        if any(new is not old for new, old in zip(operands, node.inputs)):
            graph.set_inputs(node, operands)
    made: dict[Hashable, tuple[Value, ...]] = {}
    for node in graph.nodes:
        key = (
            node.kind,
            tuple(id(value) for value in node.inputs),
            repr(node.options),
            tuple((value.dtype, value.grid) for value in node.outputs),
            tuple(id(body) for body in node.bodies),
        )
        earlier = made.setdefault(key, node.outputs)
        if earlier is not node.outputs and all(graph.can_redirect(old, new) for old, new in zip(node.outputs, earlier)):
            for old, new in zip(node.outputs, earlier):
                graph.redirect(old, new)
            graph.remove(node)


def _shared(known: dict[Hashable, Value], value: Value | None) -> Value | None:
    if value is None or value.data is None:
        return value
    return known.setdefault((value.data.dtype, value.data.shape, value.grid, digest(value.data)), value)
