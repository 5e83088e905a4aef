"""The public conversion: an ONNX model in, a `Model` out."""

import os

import numpy as np
import onnx

from jitlite.converter.batch import merge_batches
from jitlite.converter.emit import emit
from jitlite.converter.functions import expand_functions
from jitlite.converter.graph import Graph, Shape, Value
from jitlite.converter.importer import graph_inputs, load_model
from jitlite.converter.lowerings.registry import LOWERINGS
from jitlite.converter.options import ConvertOptions
from jitlite.converter.passes.sizes import UnknownSizes, declared_outputs
from jitlite.converter.pipeline import to_tflite_graph
from jitlite.converter.problems import Problems
from jitlite.converter.rewrite import Trace
from jitlite.converter.symbols import PROBES, bind_inputs, check_channels_last, fix_inputs
from jitlite.schemas.errors import ConversionError
from jitlite.schemas.runtime_version import parse_runtime, require_runtime
from jitlite.schemas.tables import Model


def convert_onnx(
    model: str | os.PathLike[str] | onnx.ModelProto,
    options: ConvertOptions = ConvertOptions(),  # noqa: B008
    trace: Trace | None = None,
) -> Model:
    """The TFLite model of an ONNX model of opset 7 or later, given as a path or a ModelProto.

    It computes in float32, and on integers where the ONNX model is quantized (ADR 14).

    Tensors keep the names of the ONNX values they hold. A suffix marks one that holds the same numbers in another order or shape:
    ";nhwc", ";nwc" and ";perm…" (see `passes.layout`), ";flat" and ";reshaped"; ";int8" marks numbers of uint8 less 128; other suffixes
    mark steps within an ONNX node. The one signature, "serving_default", has the ONNX names of inputs and outputs.

    Raises ConversionError for a file that cannot be read, a dimension that needs a number, for the nodes that have no TFLite form, all of
    them in one message, and where memory does not suffice; likewise for the operators that the target runtime lacks. ValueError for a
    target that is no version. `trace` gets what happened on the way.
    """
    target = None if options.target_runtime is None else parse_runtime(options.target_runtime)
    try:
        with np.errstate(all="ignore"):
            loaded = fix_inputs(load_model(model), options.values)
            converted = _converted(expand_functions(loaded, LOWERINGS), options, Trace() if trace is None else trace)
    except MemoryError as error:
        raise ConversionError(f"ONNX model: more memory than there is would be required: {error}") from error
    if target is not None:
        require_runtime(converted, target)
    return converted


def _converted(model: onnx.ModelProto, options: ConvertOptions, trace: Trace) -> Model:
    shapes = bind_inputs(model, options)
    check_channels_last(model, options.channels_last)
    inputs, outputs = [info.name for info in graph_inputs(model)], [info.name for info in model.graph.output]
    if not shapes.is_dynamic:
        graph, signatures = _of_any_size(model, shapes.bound(0), options, trace)
        return emit(graph, inputs, outputs, signatures)
    try:
        graph = to_tflite_graph(model, shapes.bound(PROBES[0]), options, trace)
        other = to_tflite_graph(model, shapes.bound(PROBES[1]), options)
        problems = Problems()
        signatures = merge_batches(graph, other, PROBES, problems)
        problems.raise_any()
    except ConversionError as error:
        raise ConversionError(
            f"{error}\n  (the first dimension of {shapes.describe()} was left dynamic; {shapes.hint()} fixes it)",
            error.inputs_to_fix,
            error.nodes,
        ) from error
    return emit(graph, inputs, outputs, signatures)


def _of_any_size(
    model: onnx.ModelProto, shapes: dict[str, Shape], options: ConvertOptions, trace: Trace
) -> tuple[Graph, dict[Value, Shape]]:
    """The graph, and the shapes of its values with -1 in place of a size that depends on values, where there is one."""
    declared = declared_outputs(model)
    sizes = [UnknownSizes(declared, number) for number in PROBES]
    graph = to_tflite_graph(model, shapes, options, trace, sizes[0])
    if sizes[0].owner is None:
        return graph, {}
    problems = Problems()
    signatures = merge_batches(graph, to_tflite_graph(model, shapes, options, sizes=sizes[1]), PROBES, problems)
    problems.raise_any()
    return graph, signatures
