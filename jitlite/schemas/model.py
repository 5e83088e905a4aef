"""What readers of a model keep asking: operator codes and options, constant data, called subgraphs, signatures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

import numpy as np
from numpy.typing import NDArray

from jitlite.schemas import dtypes
from jitlite.schemas.errors import InvalidModelError, UnsupportedError
from jitlite.schemas.table import Table
from jitlite.schemas.tables import (
    BuiltinOperator,
    CallOnceOptions,
    CallOptions,
    IfOptions,
    Model,
    Operator,
    OperatorCode,
    SignatureDef,
    StablehloCaseOptions,
    StableHLOCompositeOptions,
    StablehloCustomCallOptions,
    StablehloReduceOptions,
    StablehloReduceWindowOptions,
    StablehloScatterOptions,
    StablehloSortOptions,
    StablehloWhileOptions,
    SubGraph,
    Tensor,
    TensorType,
    WhileOptions,
)

SUBGRAPH_FIELDS: Mapping[type[Table], tuple[str, ...]] = {
    IfOptions: ("then_subgraph_index", "else_subgraph_index"),
    WhileOptions: ("cond_subgraph_index", "body_subgraph_index"),
    CallOptions: ("subgraph",),
    CallOnceOptions: ("init_subgraph_index",),
    StableHLOCompositeOptions: ("decomposition_subgraph_index",),
    StablehloCaseOptions: ("branch_subgraph_indices",),
    StablehloWhileOptions: ("cond_subgraph_index", "body_subgraph_index"),
    StablehloReduceOptions: ("body_subgraph_index",),
    StablehloReduceWindowOptions: ("body_subgraph_index",),
    StablehloSortOptions: ("comparator_subgraph_index",),
    StablehloScatterOptions: ("update_computation_subgraph_index",),
    StablehloCustomCallOptions: ("called_computations",),
}
"""The option fields that name subgraphs."""

_LAST_OLD_CODE = int(BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)


def broken_rule(where: str, required: object, found: object) -> InvalidModelError:
    """The error for a rule of the format, in the order every message keeps."""
    return InvalidModelError(f"{where}: {required} required, found {found}")


def printable(name: str) -> str:
    """A name from a file with everything escaped that would break a line or steer a terminal."""
    return name if name.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def builtin_code(code: OperatorCode) -> BuiltinOperator:
    """The code in force: the larger of the byte field of old files and the full field."""
    value = max(int(code.builtin_code), code.deprecated_builtin_code)
    try:
        return BuiltinOperator(value)
    except ValueError:
        raise broken_rule("builtin_code", f"a code from 0 to {max(BuiltinOperator)}", value) from None


def new_operator_code(builtin: BuiltinOperator, version: int = 1, custom_code: str = "") -> OperatorCode:
    """An operator code with both code fields filled, so that old and new readers understand it."""
    return OperatorCode(
        builtin_code=builtin,
        deprecated_builtin_code=min(int(builtin), _LAST_OLD_CODE),
        version=version,
        custom_code=custom_code,
    )


def operator_code_of(model: Model, op: Operator) -> OperatorCode:
    """The operator code an operator refers to; InvalidModelError when there is none."""
    if op.opcode_index >= len(model.operator_codes):
        raise broken_rule("opcode_index", f"an index below {len(model.operator_codes)}", op.opcode_index)
    return model.operator_codes[op.opcode_index]


def operator_name(model: Model, op: Operator) -> str:
    """The builtin's name, or the custom code of a custom operator."""
    code = operator_code_of(model, op)
    builtin = builtin_code(code)
    return code.custom_code if builtin is BuiltinOperator.CUSTOM else builtin.name


def options_of(op: Operator) -> Table | None:
    """The option table of an operator, whichever of the two unions holds it."""
    return op.builtin_options if op.builtin_options is not None else op.builtin_options_2


def called_subgraphs(op: Operator) -> Iterator[tuple[str, int]]:
    """The subgraphs a control-flow operator names, as (option field, subgraph index)."""
    for options in (op.builtin_options, op.builtin_options_2):
        for name in () if options is None else SUBGRAPH_FIELDS.get(type(options), ()):
            value = getattr(options, name)
            if isinstance(value, list):
                yield from ((f"{name}[{place}]", index) for place, index in enumerate(value))
            else:
                yield name, value


def tensor_data(model: Model, tensor: Tensor) -> NDArray[np.generic] | None:
    """The constant data of a tensor as a read-only view with its shape, or None when the file holds no data for it.

    Types of which several elements share a byte stay packed: one-dimensional uint8. Other types NumPy lacks come as the unsigned integers
    of their bits. Raises UnsupportedError for strings and handles, and for sparse tensors, whose data do not have the tensor's shape.
    """
    if tensor.buffer >= len(model.buffers):
        raise broken_rule(f"tensor '{tensor.name}'", f"a buffer below {len(model.buffers)}", tensor.buffer)
    data = model.buffers[tensor.buffer].data
    if len(data) == 0:
        return None
    if tensor.sparsity is not None:
        raise UnsupportedError(f"tensor '{tensor.name}': dense data required, found sparse data")
    packed = dtypes.is_packed(tensor.type)
    dtype = np.dtype(np.uint8) if packed else dtypes.stored_dtype(tensor.type) or dtypes.numpy_dtype(tensor.type)
    expected = dtypes.byte_size(tensor.type, tensor.shape)
    if len(data) != expected:
        raise broken_rule(f"tensor '{tensor.name}'", f"{expected} bytes of data", len(data))
    flat = np.frombuffer(data, dtype)
    values = flat if packed else flat.reshape(tensor.shape)
    values.flags.writeable = False
    return values


def constant_indices(model: Model, subgraph: SubGraph) -> frozenset[int]:
    """The tensors of a subgraph whose values the file fixes.

    Besides tensors with data these are tensors without elements that nothing produces: their value is the empty array.
    """
    written = {index for op in subgraph.operators for index in op.outputs} | set(subgraph.inputs)
    return frozenset(
        index
        for index, tensor in enumerate(subgraph.tensors)
        if len(model.buffers[tensor.buffer].data)
        or tensor.external_buffer
        or (index not in written and not tensor.is_variable and is_empty(tensor))
    )


def is_empty(tensor: Tensor) -> bool:
    """True for a tensor with a dimension of 0, whose value is known without data; resources and variants hold no elements."""
    return prod(tensor.shape) == 0 and tensor.type not in (TensorType.RESOURCE, TensorType.VARIANT)


def lasting_results(model: Model, subgraph: int) -> list[int]:
    """The tensors people read after a run: the subgraph's outputs, and what signatures call so (the converter's older quantizer adds a
    DEQUANTIZE behind a signature's output).
    """
    named = [entry.tensor_index for found in model.signature_defs if found.subgraph_index == subgraph for entry in found.outputs]
    return list(dict.fromkeys([*model.subgraphs[subgraph].outputs, *named]))


def signature(model: Model, key: str) -> SignatureDef:
    """The signature with a key; ValueError names the keys there are."""
    for found in model.signature_defs:
        if found.signature_key == key:
            return found
    known = ", ".join(repr(found.signature_key) for found in model.signature_defs)
    raise ValueError(f"signature: one of {known or 'no signatures'} required, found {key!r}")
