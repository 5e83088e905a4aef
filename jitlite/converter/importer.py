"""From an ONNX file to a `Graph` of ONNX nodes: parse, load external data, inline functions, check, bind input shapes."""

import os
from collections.abc import Iterable, Mapping
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
import onnx.inliner
import onnx.version_converter
from google.protobuf.message import DecodeError, EncodeError  # type: ignore[import-untyped]
from onnx import AttributeProto, TensorProto, numpy_helper
from onnx.defs import OpSchema
from onnx.helper import tensor_dtype_to_np_dtype

from jitlite.converter.dictionaries import dictionaries_as_tensors
from jitlite.converter.external import load_external_data
from jitlite.converter.graph import Graph, Node, OnnxOp, Shape, Value
from jitlite.converter.preconditions import check_model, check_names
from jitlite.converter.tidying import tidy
from jitlite.converter.weights import Array, check_without_weights, copy_without_weights, file_bytes, parse_without_weights, put_back
from jitlite.schemas.errors import ConversionError

OLDEST_OPSET = 7
MAX_MODEL_BYTES = (1 << 31) - 1
DEFAULT_DOMAINS = ("", "ai.onnx")
UNBOUNDED = frozenset({"Constant", "Clip", "Pad", "Imputer"})
"""Operators whose attributes may be infinite or no numbers."""
MOST_QUOTED = 300
"""Characters of other tools' messages that an error repeats."""
ONNX_ERRORS = (
    onnx.checker.ValidationError,
    onnx.shape_inference.InferenceError,
    onnx.version_converter.ConvertError,
    EncodeError,
    DecodeError,
    *(ValueError, RuntimeError, TypeError, LookupError),
)
"""What onnx's own tools raise for models they refuse."""


def load_model(source: str | os.PathLike[str] | onnx.ModelProto, weights: dict[str, Array] | None = None) -> onnx.ModelProto:
    """The checked model with its external data inside, its local functions inlined and tensors for dictionaries among its outputs; the
    source is left alone.

    Where `weights` is given the data of large initialisers go there, by name, in place of the model (see `weights`): they may have more
    bytes than a protobuf holds. Raises ConversionError for a file that is missing, broken, illegal, too large, or older than opset 7.
    """
    held: dict[str, Array] = {}
    model, folder = _parse(source, held)
    where = f"'{os.fspath(source)}'" if not isinstance(source, onnx.ModelProto) else "ONNX model"
    if not model.HasField("graph"):
        raise ConversionError(f"{where}: an ONNX model with a graph is required, found none")
    check_model(model, where)
    load_external_data(model, folder, held)
    tidy(model)
    model.graph.name = model.graph.name or "main"
    if weights is None:
        size = sum(data.nbytes for data in held.values())
        if size > MAX_MODEL_BYTES:
            raise ConversionError(f"{where}: at most {MAX_MODEL_BYTES} bytes are supported, found {size}")
        put_back(model, held)
    try:
        if model.ByteSize() > MAX_MODEL_BYTES:
            raise ConversionError(f"{where}: at most {MAX_MODEL_BYTES} bytes are supported, found {model.ByteSize()}")
        model = _brought_up(model, where, held)
        dictionaries_as_tensors(model)
    except ONNX_ERRORS as error:
        raise ConversionError(f"{where}: the ONNX checker says: {first_line(error)}") from error
    if weights is not None:
        weights.update(held)
    return model


def _brought_up(model: onnx.ModelProto, where: str, held: dict[str, Array]) -> onnx.ModelProto:
    """The model without functions, of an opset the converter knows, checked."""
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    opsets = opset_versions(model)
    newest = onnx.defs.onnx_opset_version()
    version = opsets.get("", 0)
    is_foreign = "" not in opsets and not any(node.domain in DEFAULT_DOMAINS for node in model.graph.node)
    if not is_foreign and not 1 <= version <= newest:
        raise ConversionError(f"{where}: opset 1 to {newest} is supported (onnx {onnx.__version__}), found {version}")
    if version < OLDEST_OPSET and not is_foreign:
        put_back(model, held)
        check_names(model, where)
        model = onnx.version_converter.convert_version(model, OLDEST_OPSET)
        opsets = opset_versions(model)
    if all(schema_of(node, opsets) is not None for node in model.graph.node if node.domain in DEFAULT_DOMAINS):
        check_without_weights(model, held)
    return model


def _parse(source: str | os.PathLike[str] | onnx.ModelProto, weights: dict[str, Array]) -> tuple[onnx.ModelProto, Path | None]:
    if isinstance(source, onnx.ModelProto):
        try:
            return copy_without_weights(source, weights), None
        except DecodeError as error:
            raise ConversionError(f"ONNX model: messages that protobuf can copy are required: {first_line(error)}") from error
        except UnicodeDecodeError as error:
            raise ConversionError(f"ONNX model: texts in UTF-8 are required, found {error.object[:20]!r}") from error
    path = Path(source)
    try:
        if path.stat().st_size > MAX_MODEL_BYTES:
            raise ConversionError(f"'{path}': at most {MAX_MODEL_BYTES} bytes are supported, found {path.stat().st_size}")
        with open(path, "rb") as file:
            content = file_bytes(file)
        return parse_without_weights(content, weights), path.parent
    except (OSError, ValueError) as error:
        raise ConversionError(f"'{path}': cannot read the file: {getattr(error, 'strerror', None) or error}") from error
    except DecodeError as error:
        raise ConversionError(f"'{path}': an ONNX protobuf is required, found other or damaged bytes") from error


def first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:MOST_QUOTED] if text else type(error).__name__


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


def import_graph(
    model: onnx.ModelProto, shapes: Mapping[str, Shape], weights: Mapping[str, Array] = MappingProxyType({})
) -> tuple[Graph, dict[str, Value]]:
    """The model's nodes over values whose input shapes are the given ones, and its values by name; other shapes are not known yet.

    `weights` has the data of initialisers that are not in the model. Raises ConversionError for tensors that cannot be decoded and for
    values no node makes.
    """
    graph = Graph(model.graph.name)
    known: dict[str, Value] = {}
    for tensor in model.graph.initializer:
        data = weights[tensor.name] if tensor.name in weights else decode_tensor(tensor)
        known[tensor.name] = graph.constant(data, tensor.name)
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
        _check_node(proto, schema)
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


def _check_node(node: onnx.NodeProto, schema: Any) -> None:
    """ConversionError unless the node has the operands, results and attributes that its definition asks for."""
    if not node.output:
        raise ConversionError(f"node '{node.name}' ({node.op_type}): results are required, found none")
    if schema is not None:
        _check_ports(node, schema)
    declared = {} if schema is None else schema.attributes
    found = {attribute.name: attribute for attribute in node.attribute}
    if len(found) != len(node.attribute):
        raise ConversionError(f"node '{node.name}' ({node.op_type}): attributes of different names are required, found two of one name")
    references = [attribute.name for attribute in node.attribute if attribute.ref_attr_name]
    if references:
        raise ConversionError(f"node '{node.name}' ({node.op_type}): attribute '{references[0]}' refers to one of a function it is not in")
    missing = [name for name, wanted in declared.items() if wanted.required and name not in found]
    if missing:
        raise ConversionError(f"node '{node.name}' ({node.op_type}): attribute '{missing[0]}' is required")
    for name, attribute in found.items():
        if node.op_type not in UNBOUNDED and not all(map(isfinite, (attribute.f, *attribute.floats))):
            raise ConversionError(f"node '{node.name}' ({node.op_type}): finite numbers are required in attribute '{name}', found others")
        if name in declared and attribute.type != declared[name].type.value:
            kind = (
                AttributeProto.AttributeType.Name(attribute.type)
                if attribute.type in AttributeProto.AttributeType.values()
                else attribute.type
            )
            raise ConversionError(
                f"node '{node.name}' ({node.op_type}): attribute '{name}' of type {declared[name].type.name} is required, found {kind}"
            )


def _check_ports(node: onnx.NodeProto, schema: Any) -> None:
    for what, names, least, most in (
        ("operands", node.input, schema.min_input, schema.max_input),
        ("results", node.output, schema.min_output, schema.max_output),
    ):
        if not least <= len(names) <= most:
            limits = f"{least} to {most}" if least < most else f"{least}"
            raise ConversionError(f"node '{node.name}' ({node.op_type}): {limits} {what} are required, found {len(names)}")
    for name, wanted in zip(node.input, schema.inputs):
        if not name and wanted.option == OpSchema.FormalParameterOption.Single:
            raise ConversionError(f"node '{node.name}' ({node.op_type}): operand '{wanted.name}' is required, found none")


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
    if tensor.data_type not in TensorProto.DataType.values():
        raise ConversionError(f"tensor '{tensor.name}': a known element type is required, found {tensor.data_type}")
    if tensor.data_location == TensorProto.EXTERNAL:
        raise ConversionError(f"tensor '{tensor.name}': data inside the model are required, found external data")
    if any(dim < 0 for dim in tensor.dims):
        raise ConversionError(f"tensor '{tensor.name}': dimensions of at least 0 are required, found {list(tensor.dims)}")
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
