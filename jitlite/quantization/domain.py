"""Which operators run on integers: every operator that can, less the data movers between float operators."""

from collections.abc import Mapping

from jitlite.quantization.graph import MainGraph, is_comparison
from jitlite.quantization.observers import Range, is_real_number
from jitlite.quantization.recipe import Recipe, is_selected
from jitlite.schemas.ops.spec import OpSpec, QuantKind
from jitlite.schemas.tables import BuiltinOperator, TensorType

_DYNAMIC_WEIGHTS = frozenset({BuiltinOperator.FULLY_CONNECTED})
"""Operators whose int8 kernels honour the zero point of weights that are computed at run time."""


class Domain:
    """The operators of the integer domain, and for every other operator that touches float32 tensors the reason why it stays in float.

    Operators that only read the shape or the order of one tensor (INDEX) take it in whichever form it is: they are `followers`, in
    neither set.
    """

    def __init__(self, graph: MainGraph, ranges: Mapping[int, Range], recipe: Recipe, operator_indices: tuple[int, ...]) -> None:
        self._graph = graph
        self._ranges = ranges
        self._recipe = recipe
        self.reasons: dict[int, str] = {}
        self.followers: set[int] = set()
        self.quantized: set[int] = set()
        for index, source in enumerate(operator_indices):
            if not self._touches_reals(index):
                continue
            reason = self._obstacle(index, source)
            spec = graph.specs[index]
            if reason:
                self.reasons[index] = reason
            elif spec is not None and spec.quant.kind is QuantKind.INDEX:
                self.followers.add(index)
            else:
                self.quantized.add(index)

    def keep_float(self, index: int, reason: str) -> None:
        """Takes an operator out of the integer domain."""
        self.quantized.discard(index)
        self.followers.discard(index)
        self.reasons[index] = reason

    def prune(self) -> None:
        """Leaves in float the connected data movers that border on more float tensors than integer ones."""
        done: set[int] = set()
        for start in sorted(self.quantized):
            if start in done or not self._moves_data(start):
                continue
            island = self._island(start)
            done |= island
            floats, integers = self._border(island)
            if floats > integers:
                for index in island:
                    self.keep_float(index, "it only moves data between operators that stay float")

    def _touches_reals(self, index: int) -> bool:
        op = self._graph.operators[index]
        return any(self._graph.is_real(tensor) for tensor in (*op.inputs, *op.outputs))

    def _obstacle(self, index: int, source: int) -> str:
        """Why the operator cannot run on integers whatever its neighbours do; "" when it can."""
        graph = self._graph
        op, spec = graph.operators[index], graph.specs[index]
        if spec is None:
            return "jitlite has no specification of it"
        if spec.quant.kind is QuantKind.FLOAT:
            return "it has no int8 form"
        if is_comparison(spec):
            return "int8 comparisons work in steps of 1/256 whatever the scales"
        touched = [tensor for tensor in dict.fromkeys((*op.inputs, *op.outputs)) if graph.is_real(tensor)]
        names = tuple(graph.tensors[tensor].name for tensor in op.outputs)
        if is_selected(self._recipe.float_nodes, source, (graph.name(index), *names)):
            return "float_nodes of the recipe name it"
        for tensor in touched:
            name = graph.tensors[tensor].name
            if is_selected(self._recipe.float_tensors, tensor, (name,)):
                return f"float_tensors of the recipe name '{name}'"
        return self._operand_obstacle(index, spec) or next((fault for fault in map(self._tensor_obstacle, touched) if fault), "")

    def _operand_obstacle(self, index: int, spec: OpSpec) -> str:
        graph, op, roles = self._graph, self._graph.operators[index], self._graph.roles(index)
        if roles.others:
            return f"operand '{spec.operand_name(roles.others[0])}' has no int8 form"
        if roles.weight is None and spec.quant.weight is not None and self._is_present(op.inputs, spec.quant.weight):
            found = graph.tensors[op.inputs[spec.quant.weight]].type
            return f"its weights are {found.name}"
        if roles.weight is not None and op.inputs[roles.weight] not in graph.constants and spec.code not in _DYNAMIC_WEIGHTS:
            return "its weights are computed at run time"
        if roles.bias is not None and op.inputs[roles.bias] not in graph.constants:
            return "its bias is computed at run time"
        if spec.quant.kind is not QuantKind.INDEX and not graph.real_outputs(index):
            return "it has no float32 result"
        if spec.quant.kind is QuantKind.FIXED and TensorType.INT8 not in spec.quant.output:
            return "it has no int8 form"
        return ""

    @staticmethod
    def _is_present(inputs: list[int], place: int) -> bool:
        return place < len(inputs) and inputs[place] >= 0

    def _tensor_obstacle(self, tensor: int) -> str:
        graph, found = self._graph, self._graph.tensors[tensor]
        if found.is_variable:
            return f"tensor '{found.name}' is a variable"
        if tensor in graph.constants:
            value = graph.value(tensor)
            if value is None:
                return f"the data of '{found.name}' lie outside the model or are sparse"
            return "" if is_real_number(value).all() else f"'{found.name}' holds infinite values or such that stand for them"
        if tensor not in self._ranges or self._ranges[tensor].is_finite:
            return ""
        return f"'{found.name}' takes infinite values or such that stand for them"

    def _moves_data(self, index: int) -> bool:
        spec = self._graph.specs[index]
        return index in self.quantized and spec is not None and spec.quant.kind is QuantKind.SAME

    def _neighbours(self, index: int) -> list[int]:
        graph = self._graph
        around = [graph.producers[tensor] for tensor in graph.activation_inputs(index) if tensor in graph.producers]
        return around + [reader for tensor in graph.real_outputs(index) for reader in graph.consumers.get(tensor, ())]

    def _island(self, start: int) -> set[int]:
        island, stack = {start}, [start]
        while stack:
            for index in self._neighbours(stack.pop()):
                if index not in island and self._moves_data(index):
                    island.add(index)
                    stack.append(index)
        return island

    def _border(self, island: set[int]) -> tuple[int, int]:
        """Tensors the island shares with float operators, and with integer ones; the model's edges count as what they become."""
        graph = self._graph
        borders: dict[tuple[int, bool], None] = {}
        for index in island:
            for tensor in graph.activation_inputs(index):
                producer = graph.producers.get(tensor)
                if producer is None:
                    borders[tensor, self._recipe.io_type != "float32"] = None
                elif producer not in island:
                    borders[tensor, producer in self.quantized] = None
            for tensor in graph.real_outputs(index):
                for reader in graph.consumers.get(tensor, ()):
                    if reader not in island and reader not in self.followers:
                        borders[tensor, reader in self.quantized] = None
                if tensor in graph.graph.outputs:
                    borders[tensor, self._recipe.output_type != "float32"] = None
        integers = sum(is_integer for _, is_integer in borders)
        return len(borders) - integers, integers
