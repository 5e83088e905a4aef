"""Removes what nothing refers to any more: tensors, operator codes and buffers."""

from collections.abc import Collection, Iterator

from jitlite.schemas.runtime_version import record_minimum_runtime
from jitlite.schemas.tables import BlockwiseQuantization, Model, MultiAxisQuantization, SubGraph


def compact(model: Model, first_new_tensor: int) -> None:
    """Drops unused tensors, operator codes and buffers in place, and records the oldest runtime for those operators that stay.

    Main subgraph tensors from `first_new_tensor` on whose name another tensor has get a number behind it.
    """
    graph = model.subgraphs[0]
    kept = sorted(_used_tensors(graph))
    _rename(graph, kept, first_new_tensor)
    places = {old: new for new, old in enumerate(kept)}
    places[-1] = -1
    _renumber_tensors(model, places)
    graph.tensors = [graph.tensors[old] for old in kept]
    _drop_codes(model)
    record_minimum_runtime(model)
    _drop_buffers(model)


def _used_tensors(graph: SubGraph) -> set[int]:
    used = {*graph.inputs, *graph.outputs}
    for op in graph.operators:
        used.update(op.inputs, op.outputs, op.intermediates)
    used.discard(-1)
    waiting = list(used)
    while waiting:
        for index in _parameter_tensors(graph, waiting.pop()):
            if index not in used:
                used.add(index)
                waiting.append(index)
    return used


def _parameter_tensors(graph: SubGraph, tensor: int) -> Iterator[int]:
    """The tensors that hold another one's block-wise scales and zero points."""
    quantization = graph.tensors[tensor].quantization
    details = None if quantization is None else quantization.details
    if isinstance(details, (BlockwiseQuantization, MultiAxisQuantization)):
        yield from (index for index in (details.scales, details.zero_points) if index >= 0)


def _rename(graph: SubGraph, kept: list[int], first_new_tensor: int) -> None:
    names = {graph.tensors[index].name for index in kept if index < first_new_tensor}
    for index in kept:
        tensor = graph.tensors[index]
        if index < first_new_tensor or not tensor.name:
            continue
        base, number = tensor.name, 0
        while tensor.name in names:
            number += 1
            tensor.name = f"{base}_{number}"
        names.add(tensor.name)


def _renumber_tensors(model: Model, places: dict[int, int]) -> None:
    graph = model.subgraphs[0]
    for tensor in (graph.tensors[index] for index in places if index >= 0):
        details = None if tensor.quantization is None else tensor.quantization.details
        if isinstance(details, (BlockwiseQuantization, MultiAxisQuantization)):
            details.scales, details.zero_points = places[details.scales], places[details.zero_points]
    graph.inputs = [places[index] for index in graph.inputs]
    graph.outputs = [places[index] for index in graph.outputs]
    for op in graph.operators:
        op.inputs = [places[index] for index in op.inputs]
        op.outputs = [places[index] for index in op.outputs]
        op.intermediates = [places[index] for index in op.intermediates]
    for signature in model.signature_defs:
        if signature.subgraph_index == 0:
            for entry in (*signature.inputs, *signature.outputs):
                entry.tensor_index = places[entry.tensor_index]


def _drop_codes(model: Model) -> None:
    operators = [op for graph in model.subgraphs for op in graph.operators]
    places = _places({op.opcode_index for op in operators})
    model.operator_codes = [model.operator_codes[old] for old in places]
    for op in operators:
        op.opcode_index = places[op.opcode_index]


def _drop_buffers(model: Model) -> None:
    """Buffer 0, which is empty, always stays."""
    tensors = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    used = {0, *(tensor.buffer for tensor in tensors), *(entry.buffer for entry in model.metadata), *model.metadata_buffer}
    places = _places(used)
    model.buffers = [model.buffers[old] for old in places]
    for tensor in tensors:
        tensor.buffer = places[tensor.buffer]
    for entry in model.metadata:
        entry.buffer = places[entry.buffer]
    model.metadata_buffer = [places[index] for index in model.metadata_buffer]


def _places(used: Collection[int]) -> dict[int, int]:
    """New indices of the used old ones, in the old order."""
    return {old: new for new, old in enumerate(sorted(used))}
