"""Models as text: one line an operand, in the order of the file, for people, error messages and diffs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from jitlite.schemas.choice import Choice
from jitlite.schemas.errors import JitliteError
from jitlite.schemas.model import builtin_code, operator_code_of, operator_name, options_of, printable
from jitlite.schemas.table import Table, is_default
from jitlite.schemas.tables import (
    ActivationFunctionType,
    BuiltinOperator,
    Model,
    Operator,
    QuantizationParameters,
    SignatureDef,
    SubGraph,
    Tensor,
)

MAX_LISTED = 8
"""Values of a list that are shown before it is cut."""

_EXTENTS = (
    ("stride", ("stride_d", "stride_h", "stride_w")),
    ("dilation", ("dilation_d_factor", "dilation_h_factor", "dilation_w_factor")),
    ("filter", ("filter_height", "filter_width")),
)
_EXTENT_OF = {field: (name, fields) for name, fields in _EXTENTS for field in fields}


def format_model(model: Model) -> str:
    """The whole model; constants appear as type, shape and size, and equal models give equal text."""
    return "\n".join(_model(model)) + "\n"


def format_operator(model: Model, subgraph_index: int, op_index: int) -> str:
    """One operator with its results and operands; indices that lead nowhere are shown as such."""
    subgraph = model.subgraphs[subgraph_index]
    return _operator(model, subgraph, subgraph.operators[op_index])


def format_tensor(subgraph: SubGraph, index: int) -> str:
    """A tensor's number, name, type, shape and quantization."""
    if not 0 <= index < len(subgraph.tensors):
        return "-" if index == -1 else f"%{index} ?"
    tensor = subgraph.tensors[index]
    name = f" {printable(tensor.name)}" if tensor.name else ""
    return f"%{index}{name} : {_type(tensor)}{_quantization(tensor.quantization)}"


def _model(model: Model) -> Iterator[str]:
    operators = sum(len(subgraph.operators) for subgraph in model.subgraphs)
    size = sum(len(buffer.data) for buffer in model.buffers)
    counts = f"{len(model.subgraphs)} subgraphs, {operators} operators, {len(model.buffers)} buffers of {size} bytes"
    yield f"model version {model.version}: {counts}"
    if model.description:
        yield f"description {model.description!r}"
    for metadata in model.metadata:
        yield f"metadata {printable(metadata.name)}: {_buffer_bytes(model, metadata.buffer)} bytes"
    for external in model.external_buffers:
        groups = model.external_buffer_groups
        name = groups[external.group].name if external.group < len(groups) else "?"
        yield f"external buffer {external.id}: {external.length} bytes at {external.offset} of {name!r}"
    for found in model.signature_defs:
        yield _signature(found)
    for index, subgraph in enumerate(model.subgraphs):
        yield ""
        yield from _subgraph(model, index, subgraph)


def _signature(found: SignatureDef) -> str:
    inputs, outputs = (
        ", ".join(f"{printable(entry.name)}=%{entry.tensor_index}" for entry in side) for side in (found.inputs, found.outputs)
    )
    return f"signature {printable(found.signature_key)} of subgraph {found.subgraph_index}: ({inputs}) -> ({outputs})"


def _subgraph(model: Model, index: int, subgraph: SubGraph) -> Iterator[str]:
    name = f" {printable(subgraph.name)}" if subgraph.name else ""
    yield f"subgraph {index}{name} ({_numbers(subgraph.inputs)}) -> ({_numbers(subgraph.outputs)})"
    inputs, results = set(subgraph.inputs), {result for op in subgraph.operators for result in op.outputs}
    for place, tensor in enumerate(subgraph.tensors):
        if place in results:
            continue
        size = _buffer_bytes(model, tensor.buffer)
        if tensor.external_buffer:
            kind = f"external buffer {tensor.external_buffer}"
        elif size:
            kind = f"constant of {size} bytes{' (sparse)' if tensor.sparsity else ''}"
        else:
            kind = "input" if place in inputs else "variable" if tensor.is_variable else "unused"
        yield f"  {format_tensor(subgraph, place)} = {kind}"
    for op in subgraph.operators:
        yield "  " + _operator(model, subgraph, op).replace("\n", "\n  ")


def _operator(model: Model, subgraph: SubGraph, op: Operator) -> str:
    results = ",\n".join(format_tensor(subgraph, index) for index in op.outputs)
    options = ", ".join(_options(options_of(op)))
    custom = f" {len(op.custom_options)} bytes of options" if len(op.custom_options) else ""
    return f"{results or '()'} = {_code(model, op)} ({_numbers(op.inputs)}){f' {{{options}}}' if options else ''}{custom}"


def _code(model: Model, op: Operator) -> str:
    try:
        code = operator_code_of(model, op)
        custom = builtin_code(code) is BuiltinOperator.CUSTOM
        return f"{'CUSTOM ' if custom else ''}{printable(operator_name(model, op))} v{code.version}"
    except JitliteError:
        return f"operator code {op.opcode_index} ?"


def _options(options: Table | None) -> Iterator[str]:
    """Fields that differ from their defaults, and padding always; the extents of one kind share an entry, depth x height x width."""
    if options is None:
        return
    shown: set[str] = set()
    for slot in options.SLOTS:
        value = getattr(options, slot.name)
        if slot.name in _EXTENT_OF:
            name, fields = _EXTENT_OF[slot.name]
            values = [getattr(options, field) for field in fields if hasattr(options, field)]
            if name not in shown and (name != "dilation" or set(values) != {1}):
                yield f"{name}={'x'.join(map(str, values))}"
            shown.add(name)
        elif slot.name == "fused_activation_function":
            if value is not ActivationFunctionType.NONE:
                yield f"activation={_value(value)}"
        elif slot.name == "padding" or not is_default(slot, value):
            yield f"{slot.name}={_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, Choice):
        return value.name
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    if isinstance(value, list):
        listed = ", ".join(_value(item) for item in value[:MAX_LISTED])
        return f"[{listed}{f', … {len(value)} values' if len(value) > MAX_LISTED else ''}]"
    return repr(value) if isinstance(value, str) else str(value)


def _type(tensor: Tensor) -> str:
    shape = tensor.shape_signature or tensor.shape
    return f"{tensor.type.name.lower()}[{','.join('?' if dim == -1 else str(dim) for dim in shape)}]"


def _quantization(parameters: QuantizationParameters | None) -> str:
    if parameters is None:
        return ""
    if parameters.details is not None:
        return f" ({type(parameters.details).__name__}: {', '.join(_options(parameters.details))})"
    if not parameters.scale:
        return ""
    points = sorted(set(parameters.zero_point))
    ranged = f"{points[0]}…{points[-1]}" if len(points) > 1 else f"{points[0]}" if points else "none"
    if len(parameters.scale) == 1:
        return f" (scale {parameters.scale[0]:.6g}, zero point {ranged})"
    low, high = min(parameters.scale), max(parameters.scale)
    return f" ({len(parameters.scale)} scales {low:.6g}…{high:.6g} along {parameters.quantized_dimension}, zero point {ranged})"


def _numbers(indices: Iterable[int]) -> str:
    return ", ".join("-" if index == -1 else f"%{index}" for index in indices)


def _buffer_bytes(model: Model, index: int) -> int:
    return len(model.buffers[index].data) if index < len(model.buffers) else 0
