"""The int8 form of every activation: tensors that must share scale and zero point form groups, each with one form."""

from collections.abc import Mapping

from jitlite.quantization.graph import MainGraph
from jitlite.quantization.observers import Range
from jitlite.quantization.parameters import TensorParams, activation_params
from jitlite.schemas.ops.spec import QuantKind
from jitlite.schemas.tables import BuiltinOperator, TensorType

_RECTIFIERS = frozenset({BuiltinOperator.RELU, BuiltinOperator.RELU6, BuiltinOperator.RELU_N1_TO_1, BuiltinOperator.RELU_0_TO_1})
_EXTREMA = frozenset({BuiltinOperator.MINIMUM, BuiltinOperator.MAXIMUM})


class ScaleGroups:
    """The forms of the float32 activations around a set of quantized operators.

    Operators that move data (SAME) unite their operands and results. A group with the result of a fixed-output operator (SOFTMAX …) takes
    that form if every other member fits into it; otherwise such results leave the groups of their readers, which read a requantized copy.
    """

    def __init__(self, graph: MainGraph, quantized: set[int], ranges: Mapping[int, Range]) -> None:
        self._graph = graph
        self._quantized = quantized
        self._ranges = ranges
        self._detached: set[int] = set()
        self._parents: dict[int, int] = {}
        self._forms: dict[int, TensorParams] = {}
        self._settle()

    def form(self, tensor: int) -> TensorParams:
        """The int8 form of an activation, whether or not anything reads it in that form."""
        root = self._root(tensor)
        if root not in self._forms:
            self._forms[root] = _covering(self._extent(tensor))
        return self._forms[root]

    def form_of_operator(self, index: int) -> TensorParams:
        """The one form of everything a data mover reads and writes."""
        return self.form(self._graph.real_outputs(index)[0])

    def clamped(self, tensor: int) -> bool:
        """True when the form covers only what is left of the tensor's range after the clamp that alone reads it."""
        own, kept = self._ranges.get(tensor), self._extent(tensor)
        return own is not None and (own.low < kept.low or own.high > kept.high)

    def _settle(self) -> None:
        pins = self._pins()
        while True:
            self._unite()
            conflicts = self._assign_forms(pins)
            if not conflicts:
                return
            self._detached |= conflicts

    def _pins(self) -> dict[int, TensorParams]:
        pins = {}
        for index in self._quantized:
            spec = self._graph.specs[index]
            if spec is not None and spec.quant.kind is QuantKind.FIXED:
                scale, zero_point = spec.quant.output[TensorType.INT8]
                for tensor in self._graph.real_outputs(index):
                    pins[tensor] = TensorParams(TensorType.INT8, (scale,), (zero_point,))
        return pins

    def _movers(self) -> list[int]:
        specs = self._graph.specs
        return sorted(index for index in self._quantized if (spec := specs[index]) is not None and spec.quant.kind is QuantKind.SAME)

    def _unite(self) -> None:
        self._parents = {}
        for index in self._movers():
            outputs = self._graph.real_outputs(index)
            for tensor in (*outputs[1:], *self._graph.activation_inputs(index)):
                if tensor not in self._detached:
                    self._join(tensor, outputs[0])

    def _assign_forms(self, pins: Mapping[int, TensorParams]) -> set[int]:
        """Gives every group its form; the pinned tensors that have to leave their groups, if any."""
        extents: dict[int, Range] = {}
        pinned: dict[int, dict[int, TensorParams]] = {}
        for tensor in self._members():
            root = self._root(tensor)
            if tensor in pins:
                pinned.setdefault(root, {})[tensor] = pins[tensor]
            else:
                _extend(extents, root, self._extent(tensor))
        for index in self._movers():
            for value in self._constant_extents(index):
                _extend(extents, self._root(self._graph.real_outputs(index)[0]), value)
        self._forms = {root: _covering(extent) for root, extent in extents.items()}
        conflicts: set[int] = set()
        for root, found in pinned.items():
            forms = set(found.values())
            if len(forms) == 1 and (root not in extents or _fits(extents[root], next(iter(forms)))):
                self._forms[root] = next(iter(forms))
            else:
                conflicts |= set(found)
        return conflicts

    def _members(self) -> list[int]:
        graph = self._graph
        found = [tensor for index in sorted(self._quantized) for tensor in (*graph.activation_inputs(index), *graph.real_outputs(index))]
        return list(dict.fromkeys(found))

    def _constant_extents(self, index: int) -> list[Range]:
        """Ranges of a data mover's constant operands; a constant that clamps saturates to the right effect, so it does not count."""
        graph, spec = self._graph, self._graph.specs[index]
        if spec is not None and spec.code in _EXTREMA:
            return []
        found = []
        for place in graph.roles(index).activations:
            value = graph.value(graph.operators[index].inputs[place])
            if value is not None and value.size:
                found.append(Range(float(value.min()), float(value.max())))
        return found

    def _extent(self, tensor: int) -> Range:
        """The range a form has to cover: the tensor's own, or that of what a clamp leaves of it when nothing else reads it."""
        current = tensor
        for _ in range(len(self._graph.operators)):
            clamped = self._clamped_to(current)
            if clamped is None:
                break
            current = clamped
        return self._ranges.get(current, Range(0.0, 0.0))

    def _clamped_to(self, tensor: int) -> int | None:
        graph = self._graph
        readers = graph.consumers.get(tensor, [])
        if len(readers) != 1 or tensor in graph.graph.outputs or tensor in graph.graph.inputs or readers[0] not in self._quantized:
            return None
        index = readers[0]
        spec, op = graph.specs[index], graph.operators[index]
        assert spec is not None
        others = [found for found in op.inputs if found != tensor]
        clamps = spec.code in _RECTIFIERS or (spec.code in _EXTREMA and len(others) == 1 and others[0] in graph.constants)
        return op.outputs[0] if clamps and op.outputs[0] in self._ranges else None

    def _root(self, tensor: int) -> int:
        while tensor in self._parents:
            tensor = self._parents[tensor]
        return tensor

    def _join(self, a: int, b: int) -> None:
        a, b = self._root(a), self._root(b)
        if a != b:
            self._parents[max(a, b)] = min(a, b)


def _extend(extents: dict[int, Range], root: int, extent: Range) -> None:
    extents[root] = extents[root].union(extent) if root in extents else extent


def _covering(extent: Range) -> TensorParams:
    return activation_params(extent.low, extent.high)


def _fits(extent: Range, form: TensorParams) -> bool:
    """True when values reach at most one step beyond the form's bounds."""
    low, high = form.bounds
    step = form.scale[0]
    return extent.low >= low - step and extent.high <= high + step
