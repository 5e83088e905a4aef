"""The main subgraph as quantization sees it: who writes and reads a tensor, what is constant, which operands carry real numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.schemas.model import builtin_code, constant_indices, operator_name, options_of, tensor_data
from jitlite.schemas.ops.spec import Call, OpSpec, TensorInfo, load_specs
from jitlite.schemas.tables import BuiltinOperator, Model, QuantizationParameters, TensorType

Form = tuple[TensorType, QuantizationParameters | None]


@dataclass(frozen=True, slots=True)
class Roles:
    """The operand positions of one operator that hold float32 tensors, by what quantization does with them."""

    activations: tuple[int, ...]
    weight: int | None = None
    bias: int | None = None
    others: tuple[int, ...] = ()


class MainGraph:
    """Lookups over the main subgraph of a model that is not edited meanwhile.

    `shapes` are known shapes of activations; those a file declares are only hints where a dimension is decided at run time.
    """

    def __init__(self, model: Model, shapes: Mapping[int, tuple[int, ...]] | None = None) -> None:
        self.model = model
        self._shapes = shapes or {}
        self.graph = model.subgraphs[0]
        self.operators = self.graph.operators
        self.tensors = self.graph.tensors
        self.constants = constant_indices(model, self.graph)
        known = load_specs()
        self.specs = tuple(known.get(builtin_code(model.operator_codes[op.opcode_index])) for op in self.operators)
        self.producers = {tensor: index for index, op in enumerate(self.operators) for tensor in op.outputs}
        self.consumers: dict[int, list[int]] = {}
        for index, op in enumerate(self.operators):
            for tensor in dict.fromkeys(op.inputs):
                if tensor >= 0:
                    self.consumers.setdefault(tensor, []).append(index)

    def name(self, index: int) -> str:
        return operator_name(self.model, self.operators[index])

    def describe(self, index: int) -> str:
        """The operator's name and place, for messages."""
        return f"operator {index} {self.name(index)}"

    def is_real(self, tensor: int) -> bool:
        """True for a float32 tensor; -1, an operand left out, is none."""
        return tensor >= 0 and self.tensors[tensor].type is TensorType.FLOAT32

    def is_activation(self, tensor: int) -> bool:
        """True for a float32 tensor whose value is computed or fed."""
        return self.is_real(tensor) and tensor not in self.constants

    def value(self, tensor: int) -> NDArray[Any] | None:
        """The data of a constant; None for others, for text, for empty ones without data and for data outside the file."""
        if tensor not in self.constants:
            return None
        found = self.tensors[tensor]
        if found.external_buffer or found.sparsity is not None or found.type is TensorType.STRING:
            return None
        data = tensor_data(self.model, found)
        return np.zeros(found.shape, np.float32) if data is None and self.is_real(tensor) else data

    def roles(self, index: int) -> Roles:
        """Which operands of an operator carry real numbers; only positions that hold a float32 tensor count."""
        op, spec = self.operators[index], self.specs[index]
        real = [place for place, tensor in enumerate(op.inputs) if self.is_real(tensor)]
        if spec is None:
            return Roles((), others=tuple(real))
        rule = spec.quant
        weight = rule.weight if rule.weight in real else None
        bias = rule.bias if rule.bias in real else None
        parameters = (rule.weight, rule.bias)
        if rule.activations is None:
            activations = tuple(place for place in real if place not in parameters)
        else:
            activations = tuple(place for place in real if place in rule.activations)
        others = tuple(place for place in real if place not in (*activations, weight, bias))
        return Roles(activations, weight, bias, others)

    def real_outputs(self, index: int) -> list[int]:
        return [tensor for tensor in self.operators[index].outputs if self.is_real(tensor)]

    def activation_inputs(self, index: int) -> list[int]:
        """The computed or fed float32 operands, each once."""
        return [tensor for tensor in dict.fromkeys(self.operators[index].inputs) if self.is_activation(tensor)]

    def call(
        self,
        index: int,
        inputs: Sequence[Form | None],
        outputs: Sequence[Form | None],
        values: Callable[[int], NDArray[Any] | None] | None = None,
    ) -> Call:
        """The operator as shape inference and version rules see it, with some operands in other forms (None: as they are).

        `values` gives the new value of an operand position whose form changes; constants of other positions keep theirs.
        """
        op, spec = self.operators[index], self.specs[index]
        assert spec is not None
        infos: list[TensorInfo | None] = []
        for place, (tensor, form) in enumerate(zip(op.inputs, inputs)):
            if tensor < 0:
                infos.append(None)
            else:
                value = values(place) if form is not None and values is not None else self.value(tensor)
                infos.append(self._info(tensor, form, value))
        results = tuple(self._info(tensor, form, None) for tensor, form in zip(op.outputs, outputs))
        version = self.model.operator_codes[op.opcode_index].version
        return Call(spec, options_of(op), tuple(infos), results, version, self.describe(index), bytes(op.custom_options))

    def _info(self, index: int, form: Form | None, value: NDArray[Any] | None) -> TensorInfo:
        tensor = self.tensors[index]
        kind, quantization = form or (tensor.type, tensor.quantization)
        return TensorInfo(self._shapes.get(index, tuple(tensor.shape)), kind, value, quantization, index, tensor.name, tensor.is_variable)


def observed_tensors(model: Model) -> tuple[int, ...]:
    """The float32 tensors of the main subgraph that calibration observes: inputs and results that some operator or caller reads."""
    graph = MainGraph(model)
    found = [tensor for tensor in graph.graph.inputs if graph.is_activation(tensor)]
    found += [tensor for index in range(len(graph.operators)) for tensor in graph.real_outputs(index)]
    used = set(graph.consumers) | set(graph.graph.outputs) | set(graph.graph.inputs)
    return tuple(tensor for tensor in dict.fromkeys(found) if tensor in used)


def is_comparison(spec: OpSpec) -> bool:
    return spec.code in _COMPARISONS


_COMPARISONS = frozenset(
    {
        BuiltinOperator.EQUAL,
        BuiltinOperator.NOT_EQUAL,
        BuiltinOperator.GREATER,
        BuiltinOperator.GREATER_EQUAL,
        BuiltinOperator.LESS,
        BuiltinOperator.LESS_EQUAL,
    }
)
