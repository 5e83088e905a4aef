"""Operators that ONNX defines as functions of others, replaced by these."""

from collections.abc import Collection, Mapping

import onnx
import onnx.inliner
from onnx import AttributeProto

from jitlite.converter.importer import DEFAULT_DOMAINS, ONNX_ERRORS, first_line, opset_versions, schema_of
from jitlite.converter.messages import graphs_in
from jitlite.schemas.errors import ConversionError

NOT_EXPANDED = frozenset({"Range", "Bernoulli", "SequenceMap", "DynamicQuantizeLinear"})
"""Operators whose definition as a function is no use: random, a loop, or in integers."""
EXPANDED_DOMAINS = (*DEFAULT_DOMAINS, "ai.onnx.preview")
DOMAIN = "jitlite.expanded"
MOST_ROUNDS = 8
"""How deep definitions refer to each other at most."""


def expand_functions(model: onnx.ModelProto, kept: Collection[str]) -> onnx.ModelProto:
    """The model with operators that ONNX defines as functions of others replaced by these, but for those named in `kept`."""
    for _ in range(MOST_ROUNDS):
        opsets = opset_versions(model)
        wanted = [node for graph in graphs_in(model.graph) for node in graph.node if _is_expanded(node, opsets, kept)]
        if not wanted:
            break
        types = _types(model)
        for number, node in enumerate(wanted):
            function = _definition(node, opsets, types)
            function.name, function.domain = f"{node.op_type}_{number}", DOMAIN
            node.op_type, node.domain = function.name, DOMAIN
            model.functions.append(function)
        model.opset_import.append(onnx.helper.make_opsetid(DOMAIN, 1))
        try:
            model = onnx.inliner.inline_local_functions(model)
        except ONNX_ERRORS as error:
            names = ", ".join(sorted({node.op_type.rpartition("_")[0] for node in wanted}))
            raise ConversionError(f"ONNX model: cannot expand {names}: {first_line(error)}") from error
        kept_imports = [entry for entry in model.opset_import if entry.domain != DOMAIN]
        del model.opset_import[:]
        model.opset_import.extend(kept_imports)
    return model


def _is_expanded(node: onnx.NodeProto, opsets: Mapping[str, int], kept: Collection[str]) -> bool:
    if node.domain not in EXPANDED_DOMAINS or node.op_type in kept or node.op_type in NOT_EXPANDED:
        return False
    schema = schema_of(node, opsets)
    return schema is not None and (schema.has_function or schema.has_context_dependent_function)


def _types(model: onnx.ModelProto) -> dict[str, onnx.TypeProto]:
    """The types of the graph's values as far as onnx can tell them."""
    try:
        main = onnx.shape_inference.infer_shapes(model).graph
    except ONNX_ERRORS:
        main = model.graph
    types: dict[str, onnx.TypeProto] = {}
    for graph in graphs_in(main):
        types.update((info.name, info.type) for info in (*graph.input, *graph.value_info, *graph.output))
        for tensor in graph.initializer:
            types[tensor.name] = onnx.helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
    return types


def _definition(node: onnx.NodeProto, opsets: Mapping[str, int], types: Mapping[str, onnx.TypeProto]) -> onnx.FunctionProto:
    """The function that defines the node, of the newest version that its model's opset knows; the node gets its default attributes."""
    schema, opset = schema_of(node, opsets), opsets.get("", 0)
    given = {attribute.name for attribute in node.attribute}
    for name, declared in schema.attributes.items():
        if name not in given and declared.default_value.type != AttributeProto.UNDEFINED:
            node.attribute.append(declared.default_value)
    is_dependent = schema.has_context_dependent_function
    versions = schema.context_dependent_function_opset_versions if is_dependent else schema.function_opset_versions
    fitting = [version for version in versions if version <= opset]
    if not fitting:
        raise ConversionError(f"node '{node.name}' ({node.op_type}): a definition for opset {opset} is required, found none")
    try:
        if is_dependent:
            operands = [types.get(name, onnx.TypeProto()).SerializeToString() for name in node.input]
            content = schema.get_context_dependent_function_with_opset_version(max(fitting), node.SerializeToString(), operands)
        else:
            content = schema.get_function_with_opset_version(max(fitting))
    except ONNX_ERRORS as error:
        raise ConversionError(f"node '{node.name}' ({node.op_type}): onnx cannot define it: {first_line(error)}") from error
    return onnx.FunctionProto.FromString(content)
