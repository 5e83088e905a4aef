"""Carries out a plan: float model + QuantPlan → a new model with integer tensors, QUANTIZE and DEQUANTIZE operators and new versions."""

from typing import Any

from numpy.typing import NDArray

from jitlite.quantization.compact import compact
from jitlite.quantization.graph import Form, MainGraph
from jitlite.quantization.parameters import TensorParams
from jitlite.quantization.plan import OperatorPlan, QuantPlan
from jitlite.quantization.prepare import Prepared, unpack_constants
from jitlite.schemas.errors import UnsupportedError
from jitlite.schemas.model import new_operator_code
from jitlite.schemas.ops.conversion import DEQUANTIZE, QUANTIZE
from jitlite.schemas.ops.spec import Call, OpSpec, TensorInfo
from jitlite.schemas.tables import Buffer, DequantizeOptions, Model, Operator, QuantizeOptions, Tensor, TensorType
from jitlite.schemas.verify import verify

FLOAT_SUFFIX = "_float32"
"""What follows a tensor's name in the name of its float copy."""
INTEGER_SUFFIX = "_int8"
"""What follows a tensor's name in the name of its integer copy, where the name itself belongs to the float tensor."""


def apply_plan(model: Model, plan: QuantPlan) -> Model:
    """A new, verified model that follows the plan; `model` is the one the plan was made for and stays as it is.

    Tensors keep their names. Where a tensor exists both in float and as integers, the name belongs to the form the model's caller sees,
    otherwise to the form its operator makes; the other one gets FLOAT_SUFFIX or INTEGER_SUFFIX. Signatures, subgraphs other than
    the main one and metadata are unchanged, but for metadata that state versions.
    """
    return apply_prepared(unpack_constants(model, with_hybrid_weights=plan.scheme == "int8"), plan)


def apply_prepared(prepared: Prepared, plan: QuantPlan) -> Model:
    """`apply_plan` for a model that has been prepared already."""
    if tuple(op.index for op in plan.operators) != prepared.operator_indices:
        raise ValueError("apply_plan: the model the plan was made for is required, found one with other operators")
    editor = _Editor(prepared.model, plan)
    compact(editor.run(), first_new_tensor=len(prepared.model.subgraphs[0].tensors))
    return verify(editor.model)


class _Editor:
    """Rebuilds the main subgraph operator by operator, converting operands to the forms the plan wants when they are first needed."""

    def __init__(self, source: Model, plan: QuantPlan) -> None:
        self.model = source.copy()
        self._plan = plan
        self._view = MainGraph(source)
        self._graph = self.model.subgraphs[0]
        self._placed: list[Operator] = []
        self._written: set[int] = set()
        self._made: dict[int, TensorParams | None] = {}
        self._copies: dict[tuple[int, TensorParams | None], int] = {}
        self._codes = {(code.builtin_code, code.version, code.custom_code): place for place, code in enumerate(self.model.operator_codes)}

    def run(self) -> Model:
        view, graph = self._view, self._graph
        faces = self._faces()
        made = {tensor: form for plan, op in zip(self._plan.operators, view.operators) for tensor, form in zip(op.outputs, plan.results)}
        for tensor in range(len(view.tensors)):
            if view.is_activation(tensor):
                self._name_forms(tensor, made.get(tensor, faces.get(tensor)), faces)
        for index, plan in enumerate(self._plan.operators):
            self._place(index, plan)
        for tensor in dict.fromkeys(graph.outputs):
            if tensor in faces:
                self._in_form(tensor, faces[tensor])
        graph.operators = self._placed
        return self.model

    def _faces(self) -> dict[int, TensorParams | None]:
        """The forms in which the model's caller sees its float inputs and outputs."""
        plan, graph = self._plan, self._graph
        faces: dict[int, TensorParams | None] = {}
        for edge, io_type in ((graph.inputs, plan.io_type), (graph.outputs, plan.output_type)):
            for tensor in filter(self._view.is_activation, edge):
                form = None if io_type == "float32" else plan.tensors.get(tensor)
                face = form.as_uint8 if form is not None and io_type == "uint8" else form
                if faces.setdefault(tensor, face) != face:
                    name, required = self._view.tensors[tensor].name, "one type of inputs and outputs is required for one that is both"
                    raise UnsupportedError(f"tensor '{name}': {required}, found {plan.io_type} and {plan.output_type}")
        return faces

    def _name_forms(self, tensor: int, made: TensorParams | None, faces: dict[int, TensorParams | None]) -> None:
        """Gives the tensor's index and name to the form the caller sees, else to the form it is made in."""
        face = faces.get(tensor, made)
        self._made[tensor] = made
        _restate(self._graph.tensors[tensor], face)
        self._copies[tensor, face] = tensor
        if face != made:
            self._copies[tensor, made] = self._new_tensor(tensor, made)

    def _place(self, index: int, plan: OperatorPlan) -> None:
        view = self._view
        op = view.operators[index].copy()
        op.inputs = [self._operand(tensor, form) for tensor, form in zip(op.inputs, plan.operands)]
        op.outputs = [
            self._copies[tensor, form] if view.is_activation(tensor) else tensor for tensor, form in zip(op.outputs, plan.results)
        ]
        if plan.is_quantized:
            call = view.call(index, [_stored(form) for form in plan.operands], [_stored(form) for form in plan.results])
            op.opcode_index = self._code(call.spec, call.spec.version(call))
        self._placed.append(op)

    def _operand(self, tensor: int, form: TensorParams | None) -> int:
        if self._view.is_activation(tensor):
            return self._in_form(tensor, form)
        return tensor if form is None else self._constant(tensor, form)

    def _constant(self, tensor: int, form: TensorParams) -> int:
        """The constant in an integer form; operators that need the same form share it."""
        key = (tensor, form)
        if key not in self._copies:
            value = self._view.value(tensor)
            assert value is not None
            self._copies[key] = self._new_tensor(tensor, form, form.quantize(value))
        return self._copies[key]

    def _in_form(self, tensor: int, form: TensorParams | None) -> int:
        """The tensor in a form, converted from the form it is made in unless that has been done before."""
        made = self._made[tensor]
        key = (tensor, form)
        if key not in self._copies:
            self._copies[key] = self._new_tensor(tensor, form)
        target = self._copies[key]
        if form != made and target not in self._written:
            self._written.add(target)
            self._convert(self._copies[tensor, made], target, form)
        return target

    def _convert(self, source: int, target: int, form: TensorParams | None) -> None:
        spec = DEQUANTIZE if form is None else QUANTIZE
        options = DequantizeOptions() if form is None else QuantizeOptions()
        infos = [_info(self._graph.tensors[index], index) for index in (source, target)]
        call = Call(spec, options, (infos[0],), (infos[1],), where=spec.name)
        code = self._code(spec, spec.version(call))
        self._placed.append(Operator(opcode_index=code, inputs=[source], outputs=[target], builtin_options=options))

    def _code(self, spec: OpSpec, version: int) -> int:
        key = (spec.code, version, "")
        if key not in self._codes:
            self._codes[key] = len(self.model.operator_codes)
            self.model.operator_codes.append(new_operator_code(spec.code, version))
        return self._codes[key]

    def _new_tensor(self, like: int, form: TensorParams | None, value: NDArray[Any] | None = None) -> int:
        base = self._view.tensors[like]
        suffix = "" if value is not None else FLOAT_SUFFIX if form is None else INTEGER_SUFFIX
        tensor = Tensor(
            name=f"{base.name}{suffix}", shape=list(base.shape), shape_signature=list(base.shape_signature), has_rank=base.has_rank
        )
        _restate(tensor, form)
        if value is not None:
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(Buffer(data=value.tobytes()))
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1


def _restate(tensor: Tensor, form: TensorParams | None) -> None:
    tensor.type = TensorType.FLOAT32 if form is None else form.type
    tensor.quantization = None if form is None else form.table()


def _stored(form: TensorParams | None) -> Form | None:
    return None if form is None else (form.type, form.table())


def _info(tensor: Tensor, index: int) -> TensorInfo:
    return TensorInfo(tuple(tensor.shape), tensor.type, None, tensor.quantization, index, tensor.name)
