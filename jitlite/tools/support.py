"""What of a model the interpreter does not support, found without compiling or running anything."""

from contextlib import suppress
from dataclasses import dataclass

from jitlite.interpreter.binding.registry import BINDINGS
from jitlite.interpreter.custom import CUSTOM_OPERATORS, custom_call
from jitlite.interpreter.registry import load_bindings
from jitlite.schemas import Model, UnsupportedError
from jitlite.schemas.model import builtin_code, operator_name, options_of, printable
from jitlite.schemas.ops.spec import Call, NeedsValue, TensorInfo, find_spec, infer
from jitlite.schemas.record import replace
from jitlite.schemas.sparsity import block_scales, constant_data
from jitlite.schemas.strings import StringConstants
from jitlite.schemas.tables import BuiltinOperator, Operator, TensorType


@dataclass(frozen=True, slots=True)
class Unsupported:
    """An operator the interpreter has no kernels for, by its subgraph and place, and what would be supported."""

    subgraph: int
    operator: int
    op: str
    reason: str


def unsupported_operators(model: Model) -> list[Unsupported]:
    """The operators without kernels. InvalidModelError when an operator breaks a rule.

    Operators behind a shape that is only known at run time are looked up by name and version alone.
    """
    load_bindings()
    strings = StringConstants(model)
    return [item for number in range(len(model.subgraphs)) for item in _Subgraph(model, number, strings).look()]


class _Subgraph:
    def __init__(self, model: Model, number: int, strings: StringConstants) -> None:
        self.strings = strings
        self.model, self.number, self.graph = model, number, model.subgraphs[number]
        self.infos: dict[int, TensorInfo | None] = {}

    def look(self) -> list[Unsupported]:
        found = []
        for node, op in enumerate(self.graph.operators):
            name = operator_name(self.model, op)
            where = f"subgraph {self.number}, operator {node} ({printable(name)})"
            results: list[TensorInfo | None] = [None] * len(op.outputs)
            try:
                results = self._plan(op, where)
            except UnsupportedError as error:
                found.append(Unsupported(self.number, node, printable(name), printable(str(error).removeprefix(f"{where}: "))))
            except NeedsValue:
                pass
            self.infos.update(zip(op.outputs, results))
        return found

    def _plan(self, op: Operator, where: str) -> list[TensorInfo | None]:
        """The operator's results, None where their shapes are not known yet."""
        code = self.model.operator_codes[op.opcode_index]
        if builtin_code(code) is BuiltinOperator.CUSTOM and code.custom_code in CUSTOM_OPERATORS:
            return self._custom(op, where)
        spec = find_spec(builtin_code(code), operator_name(self.model, op))
        if spec is None:
            raise UnsupportedError(f"{where}: the operator is not supported")
        if code.version > spec.max_version:
            raise UnsupportedError(f"{where}: versions up to {spec.max_version} are supported, found {code.version}")
        if not spec.is_bound:
            return [None] * len(op.outputs)
        inputs = tuple(None if index < 0 else self._info(index) for index in op.inputs)
        if any(info is None and index >= 0 for info, index in zip(inputs, op.inputs)):
            if spec not in BINDINGS and spec.value is None:
                raise UnsupportedError(f"{where}: the operator has no kernels")
            return [None] * len(op.outputs)
        declared = [self._declared(index) for index in op.outputs]
        options = options_of(op) or (spec.options() if spec.options is not None else None)
        between = tuple(self._declared(index) for index in op.intermediates if index >= 0)
        call = Call(spec, options, inputs, tuple(declared), code.version, where, bytes(op.custom_options), between)
        outputs = [replace(info, shape=tuple(shape)) for info, (shape, _) in zip(declared, infer(call))]
        call = replace(call, outputs=tuple(outputs))
        if spec.value is not None:
            return [replace(outputs[0], value=spec.value(call))]
        if spec not in BINDINGS:
            raise UnsupportedError(f"{where}: the operator has no kernels")
        with suppress(NeedsValue):
            BINDINGS[spec](call)
        is_folded = all(info is None or info.value is not None for info in inputs)
        return [None] * len(outputs) if is_folded else list(outputs)

    def _custom(self, op: Operator, where: str) -> list[TensorInfo | None]:
        """The results of an operator that a user registered."""
        code = self.model.operator_codes[op.opcode_index]
        inputs = tuple(None if index < 0 else self._info(index) for index in op.inputs)
        declared = tuple(self._declared(index) for index in op.outputs)
        if any(info is None and index >= 0 for info, index in zip(inputs, op.inputs)):
            return [None] * len(declared)
        fields = {"version": code.version, "where": where, "custom_options": bytes(op.custom_options)}
        _, shapes = CUSTOM_OPERATORS[code.custom_code].resolve(custom_call(code.custom_code, inputs=inputs, outputs=declared, **fields))
        return [None] * len(declared) if shapes is None else [replace(info, shape=shape) for info, (shape, _) in zip(declared, shapes)]

    def _info(self, index: int) -> TensorInfo | None:
        if index not in self.infos:
            self.infos[index] = self._declared(index)
        return self.infos[index]

    def _declared(self, index: int) -> TensorInfo:
        tensor = self.graph.tensors[index]
        value = self.strings.of(tensor) if tensor.type is TensorType.STRING else constant_data(self.model, tensor)
        parts = tensor.quantization, index, tensor.name, tensor.is_variable, block_scales(self.model, self.graph, tensor)
        return TensorInfo(tuple(tensor.shape), tensor.type, value, *parts)
