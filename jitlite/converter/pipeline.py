"""The order of everything: what happens to a model between its file and the TFLite graph, and the rules tried on the way."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import onnx

from jitlite.converter.graph import Array, Graph, Shape, Value
from jitlite.converter.importer import import_graph, opset_versions
from jitlite.converter.lower import lower_graph
from jitlite.converter.options import ConvertOptions
from jitlite.converter.passes import layout_reshape, layout_rules
from jitlite.converter.passes.blocks import depth_to_space, group_normalization, space_to_depth
from jitlite.converter.passes.fold import fold_constants
from jitlite.converter.passes.fuse import (
    channel_order_into_next_weights,
    channel_order_into_weights,
    divide_by_multiplying,
    drop_broadcast,
    drop_neutral_operand,
    drop_reshape,
    fuse_activation,
    interleave_by_packing,
    merge_pads,
    merge_reshapes,
    merge_scales,
    pad_maxima_with_zeros,
    pad_to_same,
    pad_to_same_at_any_size,
    reshape_after_elements,
    scale_into_weights,
    shift_into_bias,
)
from jitlite.converter.passes.halves import compute_halves_as_floats
from jitlite.converter.passes.integer import CLOSING_RULES, INTEGER_RULES
from jitlite.converter.passes.layout import RULES, lay_out
from jitlite.converter.passes.older import rules_for
from jitlite.converter.passes.patterns import gelu, hard_swish
from jitlite.converter.passes.quantized import expand_quantized
from jitlite.converter.passes.share import share
from jitlite.converter.passes.sizes import UnknownSizes
from jitlite.converter.passes.transposes import (
    drop_transpose,
    join_around_reshape,
    transpose_before_growth,
    transpose_before_joining,
    transpose_into_product,
    transpose_into_weights,
)
from jitlite.converter.problems import Problems
from jitlite.converter.rewrite import Rule, Trace, rewrite
from jitlite.converter.symbols import require_channels
from jitlite.schemas.ops.conversion import DEQUANTIZE, QUANTIZE
from jitlite.schemas.runtime_version import parse_runtime

assert {layout_reshape.reshape, layout_rules.unary} <= set(RULES.values()), "importing these modules registers their rules"

ONNX_RULES: tuple[Rule, ...] = (hard_swish, gelu, group_normalization, space_to_depth, depth_to_space)
"""Rules on ONNX nodes, before lowering."""

TFLITE_RULES: tuple[Rule, ...] = (
    reshape_after_elements,
    merge_reshapes,
    drop_reshape,
    divide_by_multiplying,
    drop_transpose,
    join_around_reshape,
    transpose_before_growth,
    transpose_before_joining,
    transpose_into_product,
    transpose_into_weights,
    drop_neutral_operand,
    drop_broadcast,
    pad_maxima_with_zeros,
    merge_pads,
    pad_to_same,
    channel_order_into_weights,
    channel_order_into_next_weights,
    interleave_by_packing,
    merge_scales,
    scale_into_weights,
    shift_into_bias,
    fuse_activation,
)
"""Rules on TFLite operators, after the layout pass."""

ANY_SIZE_RULES = tuple(pad_to_same_at_any_size if rule is pad_to_same else rule for rule in TFLITE_RULES)
"""The same where sizes stand for others."""


def to_tflite_graph(
    model: onnx.ModelProto,
    shapes: dict[str, Shape],
    options: ConvertOptions,
    trace: Trace | None = None,
    sizes: UnknownSizes | None = None,
    weights: Mapping[str, Array] = MappingProxyType({}),
) -> Graph:
    """The model as a graph of TFLite operators for inputs of these shapes. ConversionError lists every node that has no TFLite form.

    `sizes` says what stands for a size that only the run tells, `weights` has the data of initialisers that are not in the model.
    """
    trace = Trace() if trace is None else trace
    problems = Problems()
    graph, names = import_graph(model, shapes, weights)
    graph.has_any_length = sizes is not None and sizes.are_lengths_tried
    expand_quantized(graph, problems)
    fold_constants(graph, names, opset_versions(model), options.fold_limit_bytes, problems, sizes)
    trace.folded.update(name for name, value in names.items() if value.producer is None and value not in graph.inputs)
    graph.verify()
    compute_halves_as_floats(graph)
    for inner in graph.nested():
        rewrite(inner, ONNX_RULES, trace)
    lowered = lower_graph(graph, problems)
    lowered.verify()
    rules = ANY_SIZE_RULES if lowered.has_any_length else TFLITE_RULES
    finished = _simplified(lowered, rules, trace, _channels_last(lowered, options))
    if options.target_runtime is not None:
        for inner in finished.nested():
            rewrite(inner, rules_for(parse_runtime(options.target_runtime)), trace)
    finished.verify()
    if any(node.kind == QUANTIZE.name for node in finished.nodes):
        _explain_floats(finished, trace)
    return finished


def _explain_floats(graph: Graph, trace: Trace) -> None:
    """Collects what the integer rules said of the operators that compute on real numbers next to whole ones."""
    for node in graph.nodes:
        reasons = [trace.declined[key] for each in INTEGER_RULES if (key := (each.name, node.name)) in trace.declined]
        if node.kind not in (QUANTIZE.name, DEQUANTIZE.name) and node.outputs[0].dtype == np.float32:
            told = "; ".join(dict.fromkeys(reasons)) or f"an operator with a form over whole numbers is required, found {node.kind}"
            trace.float_reasons[node.outputs[0].name] = told


def _channels_last(graph: Graph, options: ConvertOptions) -> set[Value]:
    """The inputs and outputs that are asked to be channels-last."""
    asked = [value for value in (*graph.inputs, *graph.outputs) if value.name in options.channels_last]
    for value in asked:
        require_channels(value.name, value.rank)
    return {*asked, *(value for value in graph.inputs if options.nhwc_inputs and value.rank == 4)}


def _simplified(graph: Graph, rules: Sequence[Rule], trace: Trace, channels_last: Collection[Value] = ()) -> Graph:
    """The graph and its bodies after layout and rules."""
    for node in graph.nodes:
        node.bodies = tuple(_simplified(body, rules, trace) for body in node.bodies)
    laid_out = lay_out(graph, channels_last)
    laid_out.verify()
    rewrite(laid_out, rules, trace)
    share(laid_out)
    rewrite(laid_out, rules, trace)
    if any(node.kind == QUANTIZE.name for node in laid_out.nodes):
        _work_on_integers(laid_out, rules, trace)
    return laid_out


def _work_on_integers(graph: Graph, rules: Sequence[Rule], trace: Trace) -> None:
    rewrite(graph, INTEGER_RULES, trace)
    rewrite(graph, CLOSING_RULES, trace)
    share(graph)
    rewrite(graph, rules, trace)
