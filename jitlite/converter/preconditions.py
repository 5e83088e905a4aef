"""What onnx's own tools take for granted of a model, and do not check: where it does not hold they end the process or never come back."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import onnx
from google.protobuf.descriptor import FieldDescriptor  # type: ignore[import-untyped]
from google.protobuf.message import Message  # type: ignore[import-untyped]
from onnx import AttributeProto

from jitlite.converter.messages import graphs_in, subgraphs_of
from jitlite.schemas.errors import ConversionError

MOST_DEPTH = 100
"""How deep messages may lie inside each other: what protobuf itself reads."""
MOST_EXPANDED = 200_000
"""Nodes that a model may have once its functions are written out."""
MOST_AXES = 64
EINSUM_TERM = r" *[A-Za-z ]*(\.\.\.)?[A-Za-z ]*"
EINSUM_EQUATION = re.compile(rf"{EINSUM_TERM}(,{EINSUM_TERM})*(->{EINSUM_TERM})?")

FLAGS = frozenset(
    {
        *(
            "allowzero",
            "align_corners",
            "antialias",
            "batch_axis",
            "broadcast",
            "ceil_mode",
            "time_axis",
            "center_point_box",
            "count_include_pad",
            "detect_negative",
        ),
        *("detect_positive", "exclude_outside", "exclusive", "fmod", "input_forget", "interleaved", "inverse", "is_causal", "keepdims"),
        *("largest", "layout", "linear_before_reset", "noop_with_empty_axes", "onesided", "output_sequence", "periodic", "reverse"),
        *("batch_axis", "time_axis"),
        *("saturate", "select_last_index", "sorted", "storage_order", "training_mode", "transA", "transB", "upper"),
    }
)
"""Attributes that are 0 or 1; for other numbers each runtime has a meaning of its own."""

FunctionKey = tuple[str, str, str]


def check_messages(message: Message, where: str, depth: int = 0) -> None:
    """ConversionError unless messages lie at most `MOST_DEPTH` deep and every text is UTF-8; reading one that is not raises elsewhere."""
    if depth > MOST_DEPTH:
        raise ConversionError(f"{where}: messages at most {MOST_DEPTH} deep are supported, found deeper ones")
    try:
        for descriptor, value in message.ListFields():
            items = value if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else [value]
            if descriptor.message_type is not None:
                for item in items:
                    check_messages(item, where, depth + 1)
            elif descriptor.type == FieldDescriptor.TYPE_STRING and not all(isinstance(item, str) for item in items):
                raise ConversionError(f"{where}: texts in UTF-8 are required, found other bytes in field '{descriptor.name}'")
    except UnicodeDecodeError as error:
        raise ConversionError(f"{where}: texts in UTF-8 are required, found {error.object[:20]!r}") from error


def check_model(model: onnx.ModelProto, where: str) -> None:
    """ConversionError unless onnx's tools can be given the model. Dimensions below 0, which stand for unknown ones, become such."""
    check_messages(model, where)
    for owner in graphs_in(model.graph, *model.functions):
        for node in owner.node:
            check_node(node)
        ports = (*owner.input, *owner.output) if isinstance(owner, onnx.GraphProto) else ()
        for info in (*ports, *owner.value_info):
            _clear_unknown(info.type)
    if model.functions:
        _check_functions(model, where)


def check_names(model: onnx.ModelProto, where: str) -> None:
    """ConversionError unless operands of the main graph are there before they are used, as onnx's version converter takes for granted."""
    known = {*(info.name for info in model.graph.input), *(tensor.name for tensor in model.graph.initializer)}
    known.update(sparse.values.name for sparse in model.graph.sparse_initializer)
    if "" in known:
        raise ConversionError(f"{where}: inputs and stored tensors with names are required, found one without")
    for node in model.graph.node:
        missing = [name for name in node.input if name and name not in known]
        if missing:
            raise _refused(node, f"operand '{missing[0]}' is not made before it is used")
        known.update(node.output)
    for info in model.graph.output:
        if info.name not in known:
            raise ConversionError(f"output '{info.name}': no node makes it")


def _clear_unknown(info: onnx.TypeProto) -> None:
    for dim in info.tensor_type.shape.dim:
        if dim.HasField("dim_value") and dim.dim_value < 0:
            dim.ClearField("dim_value")


def check_node(node: onnx.NodeProto) -> None:
    """ConversionError for attributes that onnx's shape inference does not survive, and for flags other than 0 and 1."""
    for attribute in node.attribute:
        if attribute.name in FLAGS and attribute.type == AttributeProto.INT and attribute.i not in (0, 1):
            raise _refused(node, f"attribute '{attribute.name}' of 0 or 1 is required, found {attribute.i}")
        if attribute.name == "axis" and not -MOST_AXES <= attribute.i <= MOST_AXES:
            raise _refused(node, f"an axis from {-MOST_AXES} to {MOST_AXES} is required, found {attribute.i}")
    rule = RULES.get(node.op_type)
    if rule is not None:
        rule(node, {attribute.name: attribute for attribute in node.attribute})


def _einsum(node: onnx.NodeProto, attributes: Mapping[str, AttributeProto]) -> None:
    equation = attributes["equation"].s.decode("utf-8", "replace") if "equation" in attributes else ""
    if not EINSUM_EQUATION.fullmatch(equation):
        raise _refused(node, f"an equation of letters, commas, '...' and '->' is required, found {equation[:40]!r}")


def _gather_nd(node: onnx.NodeProto, attributes: Mapping[str, AttributeProto]) -> None:
    if "batch_dims" in attributes and attributes["batch_dims"].i < 0:
        raise _refused(node, f"batch_dims of at least 0 is required, found {attributes['batch_dims'].i}")


def _split(node: onnx.NodeProto, attributes: Mapping[str, AttributeProto]) -> None:
    if "num_outputs" in attributes and attributes["num_outputs"].i != len(node.output):
        raise _refused(node, f"num_outputs {len(node.output)} like the node's outputs is required, found {attributes['num_outputs'].i}")


def _scan(node: onnx.NodeProto, attributes: Mapping[str, AttributeProto]) -> None:
    if "num_scan_inputs" in attributes and not 1 <= attributes["num_scan_inputs"].i <= len(node.input):
        raise _refused(node, f"1 to {len(node.input)} scanned operands are required, found {attributes['num_scan_inputs'].i}")


RULES: dict[str, Callable[[onnx.NodeProto, Mapping[str, AttributeProto]], None]] = {
    "Einsum": _einsum,
    "GatherND": _gather_nd,
    "Scan": _scan,
    "Split": _split,
}


def _refused(node: onnx.NodeProto, message: str) -> ConversionError:
    return ConversionError(f"node '{node.name}' ({node.op_type}): {message}")


def _check_functions(model: onnx.ModelProto, where: str) -> None:
    """ConversionError for functions that come back to themselves and for more nodes than `MOST_EXPANDED` once all are written out."""
    functions = {(function.domain, function.name, function.overload): function for function in model.functions}
    if len(functions) != len(model.functions):
        raise ConversionError(f"{where}: functions of different names are required, found two of one name")
    sizes: dict[FunctionKey, int] = {}
    open_calls: set[FunctionKey] = set()

    def size_of(nodes: Iterable[onnx.NodeProto]) -> int:
        count = 0
        for node in nodes:
            key = node.domain, node.op_type, node.overload
            count += function_size(key) if key in functions else 1
            count += sum(size_of(graph.node) for graph in subgraphs_of(node))
        if count > MOST_EXPANDED:
            raise ConversionError(f"{where}: at most {MOST_EXPANDED} nodes are supported once functions are written out, found more")
        return count

    def function_size(key: FunctionKey) -> int:
        if key in open_calls:
            raise ConversionError(f"{where}: functions that do not call themselves are required, found '{key[1]}' of domain '{key[0]}'")
        if key not in sizes:
            if len(open_calls) >= MOST_DEPTH:
                raise ConversionError(f"{where}: calls at most {MOST_DEPTH} deep are supported, found deeper ones")
            open_calls.add(key)
            sizes[key] = size_of(functions[key].node)
            open_calls.discard(key)
        return sizes[key]

    size_of(model.graph.node)
    for key in functions:
        function_size(key)
