"""Decides a quantization: model and calibrated ranges → QuantPlan. Nothing is edited here."""

from collections.abc import Mapping

import numpy as np

from jitlite.quantization.domain import Domain
from jitlite.quantization.graph import Form, MainGraph
from jitlite.quantization.observers import Range
from jitlite.quantization.parameters import (
    TensorParams,
    activation_params,
    bias_params,
    smallest_weight_scale,
    weight_params,
)
from jitlite.quantization.plan import OperatorPlan, QuantPlan
from jitlite.quantization.prepare import Prepared
from jitlite.quantization.recipe import Recipe, is_selected
from jitlite.quantization.scales import ScaleGroups
from jitlite.schemas.errors import InvalidModelError, UnsupportedError
from jitlite.schemas.ops.spec import Call, NeedsValue, QuantKind, infer
from jitlite.schemas.tables import BuiltinOperator

Forms = tuple[tuple[TensorParams | None, ...], tuple[TensorParams | None, ...]]

PER_TENSOR_WEIGHTS = frozenset({BuiltinOperator.FULLY_CONNECTED})
"""Runtimes before 2.17 read the first scale of these weights only, and no operator version tells them otherwise."""

HYBRID_OPERATORS = frozenset(
    {
        BuiltinOperator.CONV_2D,
        BuiltinOperator.DEPTHWISE_CONV_2D,
        BuiltinOperator.FULLY_CONNECTED,
    }
)
"""Operators with kernels for float activations and int8 weights."""

_NEAR_ONE = 1.0 - 2.0**-10


def assign_int8(prepared: Prepared, ranges: Mapping[int, Range], recipe: Recipe) -> QuantPlan:
    """The plan that runs as many operators as possible on int8.

    An operator whose specification or kernel refuses the forms it would get stays in float, and the rest is decided anew.
    UnsupportedError, with every reason, when no operator can be quantized.
    """
    graph = MainGraph(prepared.model, {tensor: found.shape for tensor, found in ranges.items() if found.shape is not None})
    domain = Domain(graph, ranges, recipe, prepared.operator_indices)
    while True:
        domain.prune()
        assignment = _Assignment(graph, domain, ranges, recipe)
        refused = assignment.refused()
        if not refused:
            break
        for index, reason in refused.items():
            domain.keep_float(index, reason)
    if not domain.quantized:
        raise UnsupportedError(f"quantize: an operator with an int8 form is required, found none ({_summary(graph, domain.reasons)})")
    return assignment.plan(prepared.operator_indices)


def _summary(graph: MainGraph, reasons: Mapping[int, str]) -> str:
    """Each reason once, with the names of the operators it holds for."""
    names: dict[str, dict[str, None]] = {}
    for index, reason in sorted(reasons.items()):
        names.setdefault(reason, {})[graph.name(index)] = None
    return "; ".join(f"{', '.join(found)}: {reason}" for reason, found in names.items()) or "no operator computes on float32 tensors"


def assign_dynamic(prepared: Prepared, recipe: Recipe) -> QuantPlan:
    """The plan that stores the large weights of HYBRID_OPERATORS as int8 and computes activations in float."""
    graph = MainGraph(prepared.model)
    operators = []
    for index, source in enumerate(prepared.operator_indices):
        op = graph.operators[index]
        keep = (None,) * len(op.outputs)
        weights, reason = _hybrid_weights(graph, index, source, recipe)
        operands = tuple(weights if weights is not None and place == _weight(graph, index) else None for place in range(len(op.inputs)))
        if weights is not None:
            reason = _refusal(graph, index, (operands, keep))
            operands = (None,) * len(op.inputs) if reason else operands
        operators.append(OperatorPlan(source, graph.name(index), weights is not None and not reason, reason, operands, keep))
    if not any(op.is_quantized for op in operators):
        reasons = {index: op.reason for index, op in enumerate(operators) if op.reason}
        raise UnsupportedError(f"quantize: float weights with an int8 form are required, found none ({_summary(graph, reasons)})")
    return QuantPlan("dynamic", "float32", "float32", tuple(operators))


def _weight(graph: MainGraph, index: int) -> int | None:
    spec = graph.specs[index]
    return None if spec is None else spec.quant.weight


def _hybrid_weights(graph: MainGraph, index: int, source: int, recipe: Recipe) -> tuple[TensorParams | None, str]:
    """The int8 form of an operator's weights, or why they stay float."""
    spec, op, place = graph.specs[index], graph.operators[index], graph.roles(index).weight
    if spec is None or spec.quant.weight is None:
        return None, ""
    if place is None:
        return None, "its weights are not float32"
    if spec.code not in HYBRID_OPERATORS:
        return None, "it has no kernel for float activations and int8 weights"
    names = tuple(graph.tensors[tensor].name for tensor in op.outputs)
    if is_selected(recipe.float_nodes, source, (graph.name(index), *names)):
        return None, "float_nodes of the recipe name it"
    touched = [tensor for tensor in (*op.inputs, *op.outputs) if tensor >= 0]
    if any(is_selected(recipe.float_tensors, tensor, (graph.tensors[tensor].name,)) for tensor in touched):
        return None, "float_tensors of the recipe name a tensor of it"
    value = graph.value(op.inputs[place])
    if value is None:
        return None, "its weights are not constants of the model"
    if value.size < recipe.min_weight_elements:
        return None, f"its weights have fewer than {recipe.min_weight_elements} elements"
    if not np.isfinite(value).all():
        return None, "its weights are not finite"
    return weight_params(value, _channel_axis(graph, index, recipe)), ""


def _channel_axis(graph: MainGraph, index: int, recipe: Recipe) -> int | None:
    spec = graph.specs[index]
    assert spec is not None
    return spec.quant.axis if recipe.per_channel and spec.code not in PER_TENSOR_WEIGHTS else None


class _Assignment:
    """The forms of every tensor and operand for one choice of quantized operators."""

    def __init__(self, graph: MainGraph, domain: Domain, ranges: Mapping[int, Range], recipe: Recipe) -> None:
        self._graph = graph
        self._domain = domain
        self._ranges = ranges
        self._recipe = recipe
        self._groups = ScaleGroups(graph, domain.quantized, ranges)
        self._homes = self._integer_tensors()
        self._forms = {index: self._operator_forms(index) for index in sorted(domain.quantized)}
        self._forms |= {index: self._follower_forms(index) for index in sorted(domain.followers)}

    def refused(self) -> dict[int, str]:
        """The operators that cannot take their forms, and why."""
        found = {index: _refusal(self._graph, index, forms) for index, forms in self._forms.items()}
        return {index: reason for index, reason in found.items() if reason}

    def plan(self, operator_indices: tuple[int, ...]) -> QuantPlan:
        graph = self._graph
        operators = []
        for index, source in enumerate(operator_indices):
            op = graph.operators[index]
            operands, results = self._forms.get(index, ((None,) * len(op.inputs), (None,) * len(op.outputs)))
            changed = any(form is not None for form in (*operands, *results))
            reason = self._domain.reasons.get(index, "")
            operators.append(OperatorPlan(source, graph.name(index), changed, reason, operands, results))
        clamped = {tensor: form.bounds for tensor, form in self._homes.items() if self._groups.clamped(tensor)}
        recipe = self._recipe
        return QuantPlan("int8", recipe.io_type, recipe.output_type, tuple(operators), self._homes, clamped, dict(self._ranges))

    def _integer_tensors(self) -> dict[int, TensorParams]:
        """The activations that are int8 where they are made: results of quantized operators, and edges of integers."""
        graph = self._graph
        found = [tensor for index in sorted(self._domain.quantized) for tensor in graph.real_outputs(index)]
        for edge, io_type in ((graph.graph.inputs, self._recipe.io_type), (graph.graph.outputs, self._recipe.output_type)):
            if io_type != "float32":
                found += [tensor for tensor in edge if graph.is_activation(tensor)]
        return {tensor: self._groups.form(tensor) for tensor in dict.fromkeys(found)}

    def _operator_forms(self, index: int) -> Forms:
        graph, spec = self._graph, self._graph.specs[index]
        assert spec is not None
        op, roles = graph.operators[index], graph.roles(index)
        operands: list[TensorParams | None] = [None] * len(op.inputs)
        shared = self._groups.form_of_operator(index) if spec.quant.kind is QuantKind.SAME else None
        for place in roles.activations:
            operands[place] = shared or self._activation_form(op.inputs[place])
        if roles.weight is not None:
            operands[roles.weight] = self._weight_form(index, operands)
        if roles.bias is not None:
            weights = operands[roles.weight] if roles.weight is not None else None
            source = operands[roles.activations[0]]
            assert weights is not None
            assert source is not None
            operands[roles.bias] = bias_params(source.scale[0], weights)
        results = tuple(self._groups.form(tensor) if graph.is_real(tensor) else None for tensor in op.outputs)
        return tuple(operands), results

    def _follower_forms(self, index: int) -> Forms:
        op, roles = self._graph.operators[index], self._graph.roles(index)
        operands = tuple(self._homes.get(tensor) if place in roles.activations else None for place, tensor in enumerate(op.inputs))
        return operands, (None,) * len(op.outputs)

    def _activation_form(self, tensor: int) -> TensorParams:
        value = self._graph.value(tensor)
        if value is None:
            return self._groups.form(tensor)
        return activation_params(float(value.min(initial=0.0)), float(value.max(initial=0.0)))

    def _weight_form(self, index: int, operands: list[TensorParams | None]) -> TensorParams:
        """Symmetric weights, with scales large enough for the bias to fit in int32."""
        graph, roles = self._graph, self._graph.roles(index)
        op = graph.operators[index]
        assert roles.weight is not None
        value = graph.value(op.inputs[roles.weight])
        if value is None:
            return self._groups.form(op.inputs[roles.weight])
        source = operands[roles.activations[0]]
        bias = graph.value(op.inputs[roles.bias]) if roles.bias is not None else None
        floor = smallest_weight_scale(bias, source.scale[0]) if bias is not None and source is not None else 0.0
        return weight_params(value, _channel_axis(graph, index, self._recipe), floor)


def _refusal(graph: MainGraph, index: int, forms: Forms) -> str:
    """Why the operator's specification or its int8 kernels refuse the forms; "" when they take them."""
    call = graph.call(index, [_stored(form) for form in forms[0]], [_stored(form) for form in forms[1]])
    try:
        infer(call)
    except NeedsValue:
        pass
    except (InvalidModelError, UnsupportedError) as error:
        return str(error).removeprefix(f"{call.where}: ")
    return _kernel_limit(call)


def _stored(form: TensorParams | None) -> Form | None:
    return None if form is None else (form.type, form.table())


def _kernel_limit(call: Call) -> str:
    """Ratios of scales that LiteRT's int8 kernels abort on: multipliers they take must lie below, or above, one."""
    infos = [info for info in (*call.inputs, *call.outputs) if info is not None and info.is_quantized]
    if not infos or any(len(info.quantization.scale) != 1 for info in infos if info.quantization is not None):
        return ""
    code, largest, result = call.spec.code, max(info.scale for info in infos[:2]), infos[-1].scale
    if code is BuiltinOperator.ADD and 2 * largest >= _NEAR_ONE * 2**20 * result:
        return "its results are too small beside its operands for int8 addition"
    if code is BuiltinOperator.SQUARED_DIFFERENCE and (2 * largest) ** 2 >= _NEAR_ONE * 2**14 * result:
        return "its results are too small beside its operands for int8 differences"
    if code is BuiltinOperator.SOFTMAX and infos[0].scale * call.options.beta * 2**26 <= 1 / _NEAR_ONE:
        return "its operand's range is too small for an int8 softmax"
    if code is BuiltinOperator.LOG_SOFTMAX and infos[0].scale * 2**26 <= 1 / _NEAR_ONE:
        return "its operand's range is too small for an int8 softmax"
    return ""
