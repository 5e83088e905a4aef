"""The names of values in an ONNX model."""

from collections.abc import Iterator, Mapping
from typing import Any


def rename_values(model: Any, names: Mapping[str, str]) -> None:
    """Renames values of an ONNX model in place, in subgraphs too; a value that has a new name already is renamed out of its way.

    ValueError where two values would get one name.
    """
    if len(set(names.values())) != len(names):
        raise ValueError(f"rename_values: different new names are required, found {', '.join(names.values())}")
    changes = {old: new for old, new in names.items() if old != new}
    graphs = list(_graphs(model.graph))
    known = {name for graph in graphs for name in _names_in(graph)}
    for new in set(changes.values()) & known - set(changes):
        number = 1
        while f"{new};{number}" in known:
            number += 1
        changes[new] = f"{new};{number}"
    for graph in graphs:
        for entry in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
            entry.name = changes.get(entry.name, entry.name)
        for node in graph.node:
            for found in (node.input, node.output):
                found[:] = [changes.get(name, name) for name in found]


def used_names(graph: Any) -> set[str]:
    """The names that the outputs and the nodes of a graph and of its subgraphs read."""
    found: set[str] = set()
    for body in _graphs(graph):
        found.update(entry.name for entry in body.output)
        found.update(name for node in body.node for name in node.input)
    return found


def _names_in(graph: Any) -> set[str]:
    declared = {entry.name for entry in (*graph.input, *graph.output, *graph.initializer)}
    return declared.union(*((*node.input, *node.output) for node in graph.node))


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph and the subgraphs of its nodes at every depth."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for body in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _graphs(body)
