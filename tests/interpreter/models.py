"""Small models made tensor by tensor, for tests of the planner and the interpreter."""

from typing import Any

import numpy as np

from jitlite.schemas.dtypes import tensor_type
from jitlite.schemas.model import new_operator_code
from jitlite.schemas.ops.spec import OpSpec
from jitlite.schemas.tables import BUILTIN_OPTIONS_2, Buffer, BuiltinOperator, Model, Operator, OperatorCode, SubGraph, Tensor, TensorType
from jitlite.schemas.write import write_model


class GraphBuilder:
    """One subgraph under construction; tensors are named by their index."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.graph = SubGraph(name=f"g{len(model.subgraphs)}")
        model.subgraphs.append(self.graph)

    def tensor(self, shape: tuple[int, ...], type: TensorType = TensorType.FLOAT32, **fields: Any) -> int:
        self.graph.tensors.append(Tensor(shape=list(shape), type=type, name=f"t{len(self.graph.tensors)}", **fields))
        return len(self.graph.tensors) - 1

    def input(self, shape: tuple[int, ...], type: TensorType = TensorType.FLOAT32) -> int:
        index = self.tensor(shape, type)
        self.graph.inputs.append(index)
        return index

    def constant(self, value: Any, dtype: type = np.float32) -> int:
        array = np.asarray(value, dtype)
        self.model.buffers.append(Buffer(data=array.tobytes()))
        return self.tensor(array.shape, tensor_type(array.dtype), buffer=len(self.model.buffers) - 1)

    def op(self, spec: OpSpec | str, inputs: list[int], outputs: list[int], options: Any = None) -> int:
        """Adds an operator, custom when `spec` is a name; returns its first output."""
        code = (
            OperatorCode(deprecated_builtin_code=32, builtin_code=BuiltinOperator.CUSTOM, custom_code=spec)
            if isinstance(spec, str)
            else new_operator_code(spec.code, 1)
        )
        self.model.operator_codes.append(code)
        field = "builtin_options_2" if type(options) in BUILTIN_OPTIONS_2.values() else "builtin_options"
        op = Operator(opcode_index=len(self.model.operator_codes) - 1, inputs=inputs, outputs=outputs)
        setattr(op, field, options)
        self.graph.operators.append(op)
        return outputs[0]

    def finish(self, *outputs: int) -> None:
        self.graph.outputs = list(outputs)


def new_model() -> Model:
    return Model(version=3, buffers=[Buffer()])


def content(model: Model) -> bytes:
    return write_model(model)
