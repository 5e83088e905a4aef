"""From an ONNX file to a `Graph` of ONNX nodes: parse, load external data, inline functions, check, bind input shapes."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.inliner
import onnx.version_converter
from google.protobuf.descriptor import FieldDescriptor  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError, EncodeError, Message  # type: ignore[import-untyped]
from onnx import AttributeProto, TensorProto, numpy_helper
from onnx.helper import tensor_dtype_to_np_dtype

from jitlite.converter.external import load_external_data
from jitlite.converter.graph import Graph, Node, OnnxOp, Shape, Value
from jitlite.schemas.errors import ConversionError

OLDEST_OPSET = 7
MAX_MODEL_BYTES = (1 << 31) - 1
DEFAULT_DOMAINS = ("", "ai.onnx")


def load_model(source: str | os.PathLike[str] | onnx.ModelProto) -> onnx.ModelProto:
    """The checked model with its external data inside and its local functions inlined; the source is left alone.

    Raises ConversionError for a file that is missing, broken, illegal, too large, or older than opset 7.
    """
    model, folder = _parse(source)
    where = f"'{os.fspath(source)}'" if not isinstance(source, onnx.ModelProto) else "ONNX model"
    if not model.HasField("graph"):
        raise ConversionError(f"{where}: an ONNX model with a graph is required, found none")
    _check_texts(model, where)
    load_external_data(model, folder)
    model.graph.name = model.graph.name or "main"
    try:
        if model.ByteSize() > MAX_MODEL_BYTES:
            raise ConversionError(f"{where}: at most {MAX_MODEL_BYTES} bytes are supported, found {model.ByteSize()}")
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
        opsets = opset_versions(model)
        newest = onnx.defs.onnx_opset_version()
        version = opsets.get("", 0)
        is_foreign = "" not in opsets and not any(node.domain in DEFAULT_DOMAINS for node in model.graph.node)
        if not is_foreign and not 1 <= version <= newest:
            raise ConversionError(f"{where}: opset 1 to {newest} is supported (onnx {onnx.__version__}), found {version}")
        if version < OLDEST_OPSET and not is_foreign:
            model = onnx.version_converter.convert_version(model, OLDEST_OPSET)
            opsets = opset_versions(model)
        if all(schema_of(node, opsets) is not None for node in model.graph.node if node.domain in DEFAULT_DOMAINS):
            onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, EncodeError, ValueError, RuntimeError, TypeError) as error:
        raise ConversionError(f"{where}: the ONNX checker says: {first_line(error)}") from error
    return model


def _parse(source: str | os.PathLike[str] | onnx.ModelProto) -> tuple[onnx.ModelProto, Path | None]:
    if isinstance(source, onnx.ModelProto):
        copy = onnx.ModelProto()
        copy.CopyFrom(source)
        return copy, None
    path = Path(source)
    try:
        if path.stat().st_size > MAX_MODEL_BYTES:
            raise ConversionError(f"'{path}': at most {MAX_MODEL_BYTES} bytes are supported, found {path.stat().st_size}")
        return onnx.ModelProto.FromString(path.read_bytes()), path.parent
    except (OSError, ValueError) as error:
        raise ConversionError(f"'{path}': cannot read the file: {getattr(error, 'strerror', None) or error}") from error
    except DecodeError as error:
        raise ConversionError(f"'{path}': an ONNX protobuf is required, found other or damaged bytes") from error


def _check_texts(message: Message, where: str) -> None:
    """ConversionError unless every text in the message is UTF-8; reading one that is not raises elsewhere."""
    try:
        for descriptor, value in message.ListFields():
            items = value if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else [value]
            if descriptor.message_type is not None:
                for item in items:
                    _check_texts(item, where)
            elif descriptor.type == FieldDescriptor.TYPE_STRING and not all(isinstance(item, str) for item in items):
                raise ConversionError(f"{where}: texts in UTF-8 are required, found other bytes in field '{descriptor.name}'")
    except UnicodeDecodeError as error:
        raise ConversionError(f"{where}: texts in UTF-8 are required, found {error.object[:20]!r}") from error


def first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def opset_versions(model: onnx.ModelProto) -> dict[str, int]:
    """Version by domain; the default domain is spelled ""."""
    return {"" if entry.domain in DEFAULT_DOMAINS else entry.domain: entry.version for entry in model.opset_import}


def schema_of(node: onnx.NodeProto, opsets: Mapping[str, int]) -> Any:
    domain = "" if node.domain in DEFAULT_DOMAINS else node.domain
    try:
        return onnx.defs.get_schema(node.op_type, opsets.get(domain, 0), domain)
    except onnx.defs.SchemaError:
        return None


def graph_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs a caller feeds: those without an initialiser."""
    stored = {tensor.name for tensor in model.graph.initializer} | {sparse.values.name for sparse in model.graph.sparse_initializer}
    return [value for value in model.graph.input if value.name not in stored]


def import_graph(model: onnx.ModelProto, shapes: Mapping[str, Shape]) -> tuple[Graph, dict[str, Value]]:
    """The model's nodes over values whose input shapes are the given ones, and its values by name; other shapes are not known yet.

    Raises ConversionError for tensors that cannot be decoded and for values no node makes.
    """
    graph = Graph(model.graph.name)
    known: dict[str, Value] = {}
    for tensor in model.graph.initializer:
        known[tensor.name] = graph.constant(decode_tensor(tensor), tensor.name)
    for sparse in model.graph.sparse_initializer:
        known[sparse.values.name] = graph.constant(_densify(sparse), sparse.values.name)
    for info in graph_inputs(model):
        dtype = element_dtype(info.type.tensor_type.elem_type, f"input '{info.name}'")
        known[info.name] = graph.add_input(graph.value(info.name, shapes[info.name], dtype))
    add_nodes(graph, model.graph.node, known, opset_versions(model))
    for info in model.graph.output:
        if info.name not in known:
            raise ConversionError(f"output '{info.name}': no node makes it")
        graph.outputs.append(known[info.name])
    return graph, known


def add_nodes(graph: Graph, nodes: Iterable[onnx.NodeProto], known: dict[str, Value], opsets: Mapping[str, int]) -> list[Node]:
    """Appends nodes, looking their operands up in `known` and adding their results to it; empty names are absent operands."""
    added = []
    for proto in nodes:
        domain = "" if proto.domain in DEFAULT_DOMAINS else proto.domain
        schema = schema_of(proto, opsets)
        op = OnnxOp(proto.op_type, domain, schema.since_version if schema is not None else 0, opsets.get(domain, 0))
        _check_attributes(proto, schema)
        operands: list[Value | None] = []
        for name in proto.input:
            if name and name not in known:
                raise ConversionError(f"node '{proto.name}' ({op}): operand '{name}' is not made before it is used")
            operands.append(known[name] if name else None)
        outputs = tuple(graph.value(name or f"{proto.name or op.name};unused") for name in proto.output)
        for name, value in zip(proto.output, outputs, strict=True):
            if name and name in known:
                raise ConversionError(f"node '{proto.name}' ({op}): output '{name}' is made twice")
            known[name] = value
        known.pop("", None)
        attributes = {attribute.name: attribute for attribute in proto.attribute}
        added.append(graph.add_node(Node(op, tuple(operands), outputs, proto.name, attributes)))
    return added


def _check_attributes(node: onnx.NodeProto, schema: Any) -> None:
    """ConversionError unless the attributes have the types their definition gives and none is missing."""
    declared = {} if schema is None else schema.attributes
    found = {attribute.name: attribute for attribute in node.attribute}
    missing = [name for name, wanted in declared.items() if wanted.required and name not in found]
    if missing:
        raise ConversionError(f"node '{node.name}' ({node.op_type}): attribute '{missing[0]}' is required")
    for name, attribute in found.items():
        if name in declared and attribute.type != declared[name].type.value:
            kind = (
                AttributeProto.AttributeType.Name(attribute.type)
                if attribute.type in AttributeProto.AttributeType.values()
                else attribute.type
            )
            raise ConversionError(
                f"node '{node.name}' ({node.op_type}): attribute '{name}' of type {declared[name].type.name} is required, found {kind}"
            )


def element_dtype(elem_type: int, where: str) -> np.dtype[Any]:
    """The NumPy dtype of an ONNX element type; ConversionError for text and unknown types."""
    try:
        dtype: np.dtype[Any] = np.dtype(tensor_dtype_to_np_dtype(elem_type))
    except (KeyError, TypeError, ValueError) as error:
        raise ConversionError(f"{where}: a known element type is required, found {elem_type}") from error
    if dtype.kind == "O":
        raise ConversionError(f"{where}: a numeric element type is required, found {TensorProto.DataType.Name(elem_type)}")
    return dtype


def decode_tensor(tensor: TensorProto) -> np.ndarray[Any, Any]:
    """The array of a stored tensor; ConversionError names the tensor when its bytes do not fit its shape."""
    try:
        return np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError, KeyError, NotImplementedError, OverflowError, UnicodeDecodeError) as error:
        raise ConversionError(f"tensor '{tensor.name}': {first_line(error)}") from error


def _densify(sparse: onnx.SparseTensorProto) -> np.ndarray[Any, Any]:
    values, indices = decode_tensor(sparse.values), decode_tensor(sparse.indices)
    dims = tuple(sparse.dims)
    where = f"sparse tensor '{sparse.values.name}'"
    if any(dim < 0 for dim in dims) or int(np.prod(dims, dtype=object)) * values.itemsize > MAX_MODEL_BYTES:
        raise ConversionError(f"{where}: a shape of at most {MAX_MODEL_BYTES} bytes is required, found {dims}")
    flat = np.zeros(int(np.prod(dims, dtype=object)), values.dtype)
    try:
        places = indices if indices.ndim == 1 else np.ravel_multi_index(tuple(indices.T), dims)
        flat[places] = values
    except (ValueError, IndexError) as error:
        raise ConversionError(f"{where}: indices inside {dims} are required: {first_line(error)}") from error
    return flat.reshape(dims)
