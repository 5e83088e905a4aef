"""Makes the constants of a model plain float32 again: float16, sparse and already quantized weights are unpacked where they are used."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.quantization.graph import MainGraph
from jitlite.quantization.parameters import params_of
from jitlite.schemas.dtypes import is_packed
from jitlite.schemas.model import builtin_code, new_operator_code
from jitlite.schemas.sparsity import dense_values
from jitlite.schemas.tables import Buffer, BuiltinOperator, Model, Tensor, TensorType

_UNPACKED = frozenset({BuiltinOperator.DEQUANTIZE, BuiltinOperator.DENSIFY})


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model whose main subgraph has float32 constants; tensors keep their indices, new ones come last.

    `operator_indices` gives for each remaining operator its index in the model it was made from.
    """

    model: Model
    operator_indices: tuple[int, ...]


def unpack_constants(model: Model, with_hybrid_weights: bool) -> Prepared:
    """A copy of the model without the DEQUANTIZE and DENSIFY operators that only turn constants into float32 ones.

    Operator codes get both of their code fields, which files older than 2.4 lack.
    `with_hybrid_weights` also unpacks the int8 weights of operators whose activations are float (dynamic-range models).
    """
    work = model.copy()
    work.operator_codes = [new_operator_code(builtin_code(code), code.version, code.custom_code) for code in work.operator_codes]
    graph = work.subgraphs[0]
    unpacker = _Unpacker(work)
    kept = [index for index in range(len(graph.operators)) if not unpacker.fold(index)]
    graph.operators = [graph.operators[index] for index in kept]
    if with_hybrid_weights:
        _unpack_hybrid_weights(work)
    return Prepared(work, tuple(kept))


class _Unpacker:
    def __init__(self, model: Model) -> None:
        self._model = model
        self._graph = model.subgraphs[0]
        self._view = MainGraph(model)
        self._values: dict[int, NDArray[Any]] = {}

    def fold(self, index: int) -> bool:
        """Turns the operator's result into a constant when its operand is one; False for every other operator."""
        op = self._graph.operators[index]
        code = builtin_code(self._model.operator_codes[op.opcode_index])
        if code not in _UNPACKED or len(op.inputs) != 1 or op.outputs[0] in self._graph.outputs:
            return False
        source, target = op.inputs[0], op.outputs[0]
        value = self._constant(source)
        if value is None:
            return False
        if code is BuiltinOperator.DEQUANTIZE:
            found = _dequantized(self._graph.tensors[source], value)
            if found is None:
                return False
            value = found
        self._values[target] = value
        _set_data(self._model, self._graph.tensors[target], value)
        return True

    def _constant(self, tensor: int) -> NDArray[Any] | None:
        if tensor in self._values:
            return self._values[tensor]
        found = self._graph.tensors[tensor]
        if found.sparsity is not None and tensor in self._view.constants and not found.external_buffer:
            return dense_values(found, self._model.buffers[found.buffer].data)
        return self._view.value(tensor)


def _dequantized(source: Tensor, value: NDArray[Any]) -> NDArray[np.float32] | None:
    if source.type is TensorType.FLOAT16:
        return value.astype(np.float32)
    params = params_of(source.quantization, source.type)
    return None if params is None or is_packed(source.type) else params.dequantize(value)


def _unpack_hybrid_weights(model: Model) -> None:
    view = MainGraph(model)
    unpacked: dict[int, int] = {}
    for op, spec in zip(view.operators, view.specs):
        place = None if spec is None else spec.quant.weight
        if place is None or place >= len(op.inputs) or not any(view.is_activation(tensor) for tensor in op.inputs):
            continue
        tensor = op.inputs[place]
        if tensor >= 0 and view.tensors[tensor].type is TensorType.INT8 and tensor not in unpacked:
            value, params = view.value(tensor), params_of(view.tensors[tensor].quantization, TensorType.INT8)
            if value is not None and params is not None:
                unpacked[tensor] = _add_constant(model, view.tensors[tensor].name, params.dequantize(value))
        op.inputs[place] = unpacked.get(tensor, tensor)


def _add_constant(model: Model, name: str, value: NDArray[Any]) -> int:
    tensors = model.subgraphs[0].tensors
    tensors.append(Tensor(name=name, type=TensorType.FLOAT32))
    _set_data(model, tensors[-1], value)
    return len(tensors) - 1


def _set_data(model: Model, tensor: Tensor, value: NDArray[Any]) -> None:
    tensor.shape = list(value.shape)
    tensor.shape_signature = []
    tensor.quantization = None
    tensor.sparsity = None
    tensor.buffer = len(model.buffers)
    model.buffers.append(Buffer(data=np.ascontiguousarray(value).tobytes()))
