"""Checks every tensor and operator of a quantized model against the 8-bit specification."""

import numpy as np

from jitlite.schemas.dtypes import INTEGER_RANGE
from jitlite.schemas.model import builtin_code, constant_indices, operator_code_of, options_of, tensor_data
from jitlite.schemas.ops.spec import Call, NeedsValue, OpSpec, QuantKind, TensorInfo, infer, load_specs
from jitlite.schemas.read import read_model
from jitlite.schemas.tables import BuiltinOperator, Model, Operator, Tensor, TensorType
from jitlite.schemas.verify import verify
from jitlite.schemas.write import write_model

INT8 = TensorType.INT8
INTEGERS = (TensorType.INT8, TensorType.INT32)


def check(model: Model, has_known_shapes: bool = True) -> None:
    """Asserts that the model is legal, written and read alike, and follows the specification; works for every scheme."""
    verify(model)
    assert write_model(read_model(write_model(model))) == write_model(model)
    graph = model.subgraphs[0]
    constants = constant_indices(model, graph)
    for index, tensor in enumerate(graph.tensors):
        _check_tensor(tensor, index in constants)
    _check_nothing_is_dead(model)
    specs = load_specs()
    for op in graph.operators:
        code = operator_code_of(model, op)
        assert code.deprecated_builtin_code == min(int(code.builtin_code), 127)
        spec = specs.get(builtin_code(code))
        touched = [graph.tensors[index] for index in (*op.inputs, *op.outputs) if index >= 0]
        if spec is not None and any(tensor.quantization is not None and tensor.quantization.scale for tensor in touched):
            _check_operator(model, op, spec, has_known_shapes)


def _check_tensor(tensor: Tensor, is_constant: bool) -> None:
    found = tensor.quantization
    if found is None or not found.scale:
        assert tensor.type not in (INT8, TensorType.UINT8, TensorType.INT16), f"{tensor.name} has no scale"
        return
    low, high = INTEGER_RANGE[tensor.type]
    assert len(found.zero_point) == len(found.scale), tensor.name
    assert all(np.isfinite(scale) and scale > 0 and float(np.float32(scale)) == scale for scale in found.scale), tensor.name
    assert all(low <= zero_point <= high for zero_point in found.zero_point), tensor.name
    if len(found.scale) > 1:
        assert is_constant, f"{tensor.name}: activations have one scale"
        assert len(found.scale) == tensor.shape[found.quantized_dimension], tensor.name


def _check_nothing_is_dead(model: Model) -> None:
    graph = model.subgraphs[0]
    used = {*graph.inputs, *graph.outputs, *(index for op in graph.operators for index in (*op.inputs, *op.outputs, *op.intermediates))}
    assert used - {-1} == set(range(len(graph.tensors)))
    buffers = {tensor.buffer for found in model.subgraphs for tensor in found.tensors} | {entry.buffer for entry in model.metadata}
    buffers |= set(model.metadata_buffer)
    assert buffers | {0} == set(range(len(model.buffers)))
    assert {op.opcode_index for found in model.subgraphs for op in found.operators} == set(range(len(model.operator_codes)))
    conversions = [op for op in graph.operators if operator_code_of(model, op).builtin_code is BuiltinOperator.QUANTIZE]
    sources = {op.outputs[0] for op in graph.operators if operator_code_of(model, op).builtin_code is BuiltinOperator.DEQUANTIZE}
    assert not any(op.inputs[0] in sources for op in conversions), "a DEQUANTIZE feeds a QUANTIZE"


def _check_operator(model: Model, op: Operator, spec: OpSpec, has_known_shapes: bool) -> None:
    graph = model.subgraphs[0]
    call = _call(model, op, spec)
    if has_known_shapes:
        try:
            results = infer(call)
        except NeedsValue:
            results = []
        for (shape, kind), output in zip(results, op.outputs):
            assert (list(shape), kind) == (graph.tensors[output].shape, graph.tensors[output].type), spec.name
    assert call.version == spec.version(call), f"{spec.name}: version"
    real = [info for info in (*call.inputs, *call.outputs) if info is not None and info.type in (*INTEGERS, TensorType.FLOAT32)]
    if not any(info.type is INT8 for info in call.outputs):
        return
    forms = {(info.scale, info.zero_point) for info in real if info.type is INT8 and len(info.quantization.scale) == 1}
    if spec.quant.kind is QuantKind.SAME:
        assert len(forms) == 1, f"{spec.name}: {forms}"
    if spec.quant.kind is QuantKind.FIXED:
        assert (call.outputs[0].scale, call.outputs[0].zero_point) == spec.quant.output[INT8], spec.name
    if spec.quant.weight is not None:
        _check_weights(call, spec)


def _check_weights(call: Call, spec: OpSpec) -> None:
    weights = call.input(spec.quant.weight)
    bias = call.optional_input(spec.quant.bias)
    x = call.input(spec.quant.activations[0])
    assert weights.type is INT8
    assert not any(weights.quantization.zero_point) or weights.value is None
    if weights.value is not None:
        assert weights.value.min() >= -127
    if len(weights.quantization.scale) > 1:
        assert weights.quantization.quantized_dimension == spec.quant.axis
        assert spec.code is not BuiltinOperator.FULLY_CONNECTED
    if bias is not None:
        assert bias.type is TensorType.INT32
        expected = [float(np.float32(x.scale * scale)) for scale in weights.quantization.scale]
        assert bias.quantization.scale == expected
        assert not any(bias.quantization.zero_point)
        assert np.abs(bias.value.astype(np.int64)).max(initial=0) <= 2**30


def _call(model: Model, op: Operator, spec: OpSpec) -> Call:
    tensors = model.subgraphs[0].tensors
    infos = [None if index < 0 else _info(model, tensors[index]) for index in op.inputs]
    outputs = tuple(_info(model, tensors[index]) for index in op.outputs)
    return Call(spec, options_of(op), tuple(infos), outputs, operator_code_of(model, op).version, spec.name)


def _info(model: Model, tensor: Tensor) -> TensorInfo:
    value = tensor_data(model, tensor)
    return TensorInfo(tuple(tensor.shape), tensor.type, value, tensor.quantization, name=tensor.name)
