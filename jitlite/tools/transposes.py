"""The TRANSPOSE operators of a model: at its inputs, at its outputs, and inside between which operators."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from jitlite.schemas import Model
from jitlite.schemas.model import operator_name
from jitlite.schemas.tables import Operator, SubGraph

SHOWN = 4
"""Pairs of operators that are listed."""
FROM_INPUTS = frozenset(
    {"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "CAST", "QUANTIZE", "DEQUANTIZE", "PAD", "SLICE", "STRIDED_SLICE", "SPLIT", "SPLIT_V", "UNPACK"}
)
"""Operators behind which an input still counts as one."""
TO_OUTPUTS = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "CAST", "QUANTIZE", "DEQUANTIZE", "CONCATENATION", "PACK"})
"""Operators in front of which an output still counts as one."""


@dataclass(frozen=True, slots=True)
class LeftTranspose:
    """A TRANSPOSE of this many elements. `place` is "input", "output" or "inside"; `before` makes its operand, `behind` read its result."""

    subgraph: int
    operator: int
    tensor: str
    elements: int
    place: str
    before: str
    behind: tuple[str, ...]


def left_transposes(model: Model) -> list[LeftTranspose]:
    """Every TRANSPOSE, in order of execution; those of subgraphs that others call count as inside."""
    return [found for index, graph in enumerate(model.subgraphs) for found in _Edges(model, graph, index).transposes()]


class _Edges:
    """Who makes and who reads the tensors of a subgraph."""

    def __init__(self, model: Model, graph: SubGraph, index: int) -> None:
        self.model, self.graph, self.index = model, graph, index
        self.makers = {tensor: op for op in graph.operators for tensor in op.outputs}
        self.readers: dict[int, list[Operator]] = {}
        for op in graph.operators:
            for tensor in dict.fromkeys(op.inputs):
                self.readers.setdefault(tensor, []).append(op)

    def transposes(self) -> list[LeftTranspose]:
        return [self._left(number, op) for number, op in enumerate(self.graph.operators) if self._name(op) == "TRANSPOSE"]

    def _name(self, op: Operator) -> str:
        return operator_name(self.model, op)

    def _left(self, number: int, op: Operator) -> LeftTranspose:
        x, y = op.inputs[0], op.outputs[0]
        size = 1
        for dim in self.graph.tensors[x].shape:
            size *= dim
        behind = [self._name(reader) for reader in self.readers.get(y, [])] + ["output"] * (y in self.graph.outputs)
        before = self._name(self.makers[x]) if x in self.makers else "input" if x in self.graph.inputs else "constant"
        tensor = self.graph.tensors[y].name
        return LeftTranspose(self.index, number, tensor, size, self._place(x, y), before, tuple(dict.fromkeys(behind)))

    def _place(self, x: int, y: int) -> str:
        if self.index:
            return "inside"
        while x in self.makers and self._name(self.makers[x]) in FROM_INPUTS:
            x = next((tensor for tensor in self.makers[x].inputs if tensor in self.makers or tensor in self.graph.inputs), -1)
        if x in self.graph.inputs:
            return "input"
        waiting = [y]
        while waiting:
            tensor = waiting.pop()
            readers = self.readers.get(tensor, [])
            if tensor not in self.graph.outputs and not (readers and all(self._name(reader) in TO_OUTPUTS for reader in readers)):
                return "inside"
            waiting += [made for reader in readers if self._name(reader) in TO_OUTPUTS for made in reader.outputs]
        return "output"


def transposes_dict(found: Sequence[LeftTranspose]) -> dict[str, Any]:
    """How many there are at each place, and those inside."""
    counts = Counter(each.place for each in found)
    inside = [{key: value for key, value in asdict(each).items() if key != "place"} for each in found if each.place == "inside"]
    return {"inputs": counts["input"], "outputs": counts["output"], "inside": inside}


def transposes_text(found: Mapping[str, Any]) -> str:
    """What `transposes_dict` says in one line: how many there are where, and between which operators those inside stand."""
    inside = found["inside"]
    if not inside and not found["inputs"] and not found["outputs"]:
        return "transposes: none"
    between = Counter(f"{each['before']} → {', '.join(each['behind'])}" for each in inside).most_common()
    listed = [f"{count} {what}" for what, count in between[:SHOWN]]
    listed += [f"{sum(count for _, count in between[SHOWN:])} others"] if len(between) > SHOWN else []
    text = f"transposes: {found['inputs']} at inputs, {found['outputs']} at outputs, {len(inside)} inside"
    return f"{text} ({'; '.join(listed)})" if listed else text
