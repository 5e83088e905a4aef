"""The rules a model keeps as a whole; those of single operators belong to their specs in `jitlite.schemas.ops`."""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

from jitlite.schemas.model import broken_rule, builtin_code, called_subgraphs, is_empty, operator_name, printable
from jitlite.schemas.tables import BuiltinOperator, Model, Operator, SubGraph, TensorMap
from jitlite.schemas.verify_tensor import TensorRules

VERSION = 3
"""The only version of the format there is."""


def verify(model: Model) -> Model:
    """The model itself, or InvalidModelError for the first rule it breaks: where, what is required, what was found."""
    if model.version != VERSION:
        raise broken_rule("version", VERSION, model.version)
    if not model.subgraphs:
        raise broken_rule("subgraphs", "at least 1 subgraph", "none")
    _operator_codes(model)
    _buffers(model)
    rules = TensorRules(model)
    for index, subgraph in enumerate(model.subgraphs):
        where = f"subgraphs[{index}]"
        for place, tensor in enumerate(subgraph.tensors):
            rules.verify(subgraph, tensor, f"{where}.tensors[{place}]{_quoted(tensor.name)}")
        _Graph(model, subgraph, where).verify()
    _calls(model)
    _signatures(model)
    return model


def _operator_codes(model: Model) -> None:
    for index, code in enumerate(model.operator_codes):
        where = f"operator_codes[{index}]"
        builtin = builtin_code(code)
        if builtin is BuiltinOperator.CUSTOM and not code.custom_code:
            raise broken_rule(f"{where}.custom_code", "the name of a custom operator", "none")
        if code.version < 1:
            raise broken_rule(f"{where}.version", f"1 or more for {builtin.name}", code.version)


def _buffers(model: Model) -> None:
    if not model.buffers:
        raise broken_rule("buffers", "an empty buffer in place 0", "none")
    if len(model.buffers[0].data):
        raise broken_rule("buffers[0]", "an empty buffer", f"{len(model.buffers[0].data)} bytes")
    count = len(model.buffers)
    for index, metadata in enumerate(model.metadata):
        if metadata.buffer >= count:
            raise broken_rule(f"metadata[{index}]{_quoted(metadata.name)}.buffer", f"an index below {count}", metadata.buffer)
    for index, buffer in enumerate(model.metadata_buffer):
        if not 0 <= buffer < count:
            raise broken_rule(f"metadata_buffer[{index}]", f"an index below {count}", buffer)
    for index, group in enumerate(model.external_buffer_groups):
        parts = group.name.split("/")
        if not parts[0] or ".." in parts or "\\" in group.name or "\0" in group.name:
            raise broken_rule(f"external_buffer_groups[{index}].name", "a path below the model's folder", repr(group.name))
    for index, external in enumerate(model.external_buffers):
        if external.group >= len(model.external_buffer_groups):
            raise broken_rule(f"external_buffers[{index}].group", f"an index below {len(model.external_buffer_groups)}", external.group)


class _Graph:
    """One subgraph: every operand is defined before it is read and written at most once."""

    def __init__(self, model: Model, subgraph: SubGraph, where: str) -> None:
        self.model = model
        self.subgraph = subgraph
        self.where = where
        self.fixed: dict[int, str] = {}
        self.written: dict[int, int] = {}

    def verify(self) -> None:
        subgraph = self.subgraph
        self._in_range(subgraph.inputs, f"{self.where}.inputs")
        self._in_range(subgraph.outputs, f"{self.where}.outputs")
        self._fix()
        for index, op in enumerate(subgraph.operators):
            self._operator(index, op)
        for place, index in enumerate(subgraph.outputs):
            if not self._is_defined(index):
                raise broken_rule(f"{self.where}.outputs[{place}]", "a tensor with a value", f"%{index}, which nothing writes")

    def _fix(self) -> None:
        """Notes the tensors that have a value before any operator runs."""
        for index, tensor in enumerate(self.subgraph.tensors):
            if len(self.model.buffers[tensor.buffer].data) or tensor.external_buffer:
                self.fixed[index] = "a constant"
            elif tensor.is_variable:
                self.fixed[index] = "a variable"
        results = {index for op in self.subgraph.operators for index in op.outputs}
        for index, tensor in enumerate(self.subgraph.tensors):
            if is_empty(tensor) and index not in results:
                self.fixed.setdefault(index, "a constant")
        for index in self.subgraph.inputs:
            self.fixed.setdefault(index, "an input of the subgraph")

    def _is_defined(self, index: int) -> bool:
        return index in self.fixed or index in self.written

    def _sets_variable(self, op: Operator, result: int) -> bool:
        """True for a DEQUANTIZE that gives a variable its first value: models of half floats have that before recurrent operators."""
        is_dequantize = operator_name(self.model, op) == "DEQUANTIZE"
        return is_dequantize and self.fixed[result] == "a variable" and self.fixed.get(op.inputs[0] if op.inputs else -1) == "a constant"

    def _operator(self, index: int, op: Operator) -> None:
        where = f"{self.where}.operators[{index}]"
        if op.opcode_index >= len(self.model.operator_codes):
            raise broken_rule(f"{where}.opcode_index", f"an index below {len(self.model.operator_codes)}", op.opcode_index)
        where = f"{where} ({printable(operator_name(self.model, op))})"
        self._in_range(op.inputs, f"{where}.inputs", optional=True)
        self._in_range(op.intermediates, f"{where}.intermediates", optional=True)
        self._in_range(op.outputs, f"{where}.outputs")
        for place, operand in enumerate(op.inputs):
            if operand != -1 and not self._is_defined(operand):
                found = f"%{operand}, which nothing before writes"
                raise broken_rule(f"{where}.inputs[{place}]", "a constant, a variable, an input or an earlier result", found)
        for place, result in enumerate(op.outputs):
            if result in self.fixed and not self._sets_variable(op, result):
                raise broken_rule(f"{where}.outputs[{place}]", "a tensor without a value", f"%{result}, {self.fixed[result]}")
            if result in self.written:
                found = f"%{result}, which operator {self.written[result]} writes"
                raise broken_rule(f"{where}.outputs[{place}]", "a tensor without a value", found)
            self.written[result] = index
        for field, called in called_subgraphs(op):
            if not 0 <= called < len(self.model.subgraphs):
                raise broken_rule(f"{where}.{field}", f"a subgraph below {len(self.model.subgraphs)}", called)

    def _in_range(self, indices: Sequence[int], where: str, optional: bool = False) -> None:
        count = len(self.subgraph.tensors)
        lowest = -1 if optional else 0
        for place, index in enumerate(indices):
            if not lowest <= index < count:
                required = f"a tensor index below {count}{', or -1 for none,' if optional else ''}"
                raise broken_rule(f"{where}[{place}]", required, index)


def _calls(model: Model) -> None:
    calls = {
        index: {called for op in subgraph.operators for _, called in called_subgraphs(op)} for index, subgraph in enumerate(model.subgraphs)
    }
    try:
        TopologicalSorter(calls).prepare()
    except CycleError as error:
        found = " calls ".join(str(index) for index in reversed(error.args[1]))
        raise broken_rule("subgraphs", "calls that never come back to their subgraph", found) from None


def _signatures(model: Model) -> None:
    for index, found in enumerate(model.signature_defs):
        where = f"signature_defs[{index}]{_quoted(found.signature_key)}"
        if found.subgraph_index >= len(model.subgraphs):
            raise broken_rule(f"{where}.subgraph_index", f"a subgraph below {len(model.subgraphs)}", found.subgraph_index)
        subgraph = model.subgraphs[found.subgraph_index]
        _members(found.inputs, subgraph.inputs, f"{where}.inputs", f"an input of subgraph {found.subgraph_index}")
        results = [*subgraph.outputs, *(result for op in subgraph.operators for result in op.outputs)]
        _members(found.outputs, results, f"{where}.outputs", f"an output or a result in subgraph {found.subgraph_index}")


def _members(maps: Sequence[TensorMap], allowed: Sequence[int], where: str, required: str) -> None:
    known = frozenset(allowed)
    for place, entry in enumerate(maps):
        if entry.tensor_index not in known:
            raise broken_rule(f"{where}[{place}]{_quoted(entry.name)}", required, f"%{entry.tensor_index}")


def _quoted(name: str) -> str:
    return f" ({printable(name)})" if name else ""
