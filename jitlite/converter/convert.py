"""The public conversion: an ONNX model in, a `Model` out."""

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from jitlite.converter.dynamic import lowered_for_all, merge_probes
from jitlite.converter.emit import emit
from jitlite.converter.functions import expand_functions
from jitlite.converter.graph import Array, Graph, Shape, Value
from jitlite.converter.importer import graph_inputs, load_model
from jitlite.converter.lowerings.registry import LOWERINGS
from jitlite.converter.options import ConvertOptions
from jitlite.converter.passes.sizes import FOUND, FOUND_SIZES, UnknownSizes, declared_outputs
from jitlite.converter.pipeline import to_tflite_graph
from jitlite.converter.problems import Problems
from jitlite.converter.rewrite import Trace
from jitlite.converter.symbols import BATCH, InputShapes, Symbol, bind_inputs, check_channels_last, fix_inputs
from jitlite.schemas.errors import ConversionError, ConversionWarning
from jitlite.schemas.runtime_version import parse_runtime, require_runtime
from jitlite.schemas.tables import Model


@dataclass(frozen=True, slots=True)
class Source:
    """A model and the data of those of its initialisers that are not in it."""

    model: onnx.ModelProto
    weights: Mapping[str, Array]


def convert_onnx(
    model: str | os.PathLike[str] | onnx.ModelProto,
    options: ConvertOptions = ConvertOptions(),  # noqa: B008 - frozen
    trace: Trace | None = None,
) -> Model:
    """The TFLite model of an ONNX model, given as a path or a ModelProto.

    It computes in float32, and on integers where the ONNX model is quantized (ADR 14).

    Tensors keep the names of the ONNX values they hold. A suffix marks one that holds the same numbers in another order or shape:
    ";nhwc", ";nwc" and ";perm…" (see `passes.layout`), ";flat" and ";reshaped"; ";int8" marks numbers of uint8 less 128; other suffixes
    mark steps within an ONNX node. The one signature, "serving_default", has the ONNX names of inputs and outputs.

    A batch that the model leaves open and that cannot stay so is 1 in the result; a branch that ONNX forbids for the sizes given fails
    where it is taken. A ConversionWarning says which and why.

    Raises ConversionError for a file that cannot be read, a dimension that needs a number, for the nodes that have no TFLite form, all of
    them in one message, and where memory does not suffice; likewise for the operators that the target runtime lacks. ValueError for a
    target that is no version. `trace` gets what happened on the way.
    """
    target = None if options.target_runtime is None else parse_runtime(options.target_runtime)
    try:
        with np.errstate(all="ignore"):
            weights: dict[str, Array] = {}
            loaded = fix_inputs(load_model(model, weights), options.values)
            converted = _converted(Source(expand_functions(loaded, LOWERINGS), weights), options, Trace() if trace is None else trace)
    except MemoryError as error:
        raise ConversionError(f"ONNX model: more memory than there is would be required: {error}") from error
    if target is not None:
        require_runtime(converted, target)
    return converted


def _converted(source: Source, options: ConvertOptions, trace: Trace) -> Model:
    model = source.model
    shapes = bind_inputs(model, options)
    check_channels_last(model, options.channels_last)
    inputs, outputs = [info.name for info in graph_inputs(model)], [info.name for info in model.graph.output]
    try:
        graph, signatures = _of_any_size(source, shapes, options, trace)
    except ConversionError as error:
        if not shapes.unknown:
            raise
        told = ConversionError(f"{error}\n  ({shapes.describe()})", error.inputs_to_fix, error.nodes)
        if BATCH not in shapes.unknown:
            raise told from error
        try:
            graph, signatures = _of_any_size(source, shapes.of_one(), options, trace)
        except ConversionError:
            raise told from error
        warnings.warn(f"the batch is fixed at 1, for it cannot stay dynamic: {error}", ConversionWarning, stacklevel=4)
    return emit(graph, inputs, outputs, signatures)


def _of_any_size(source: Source, shapes: InputShapes, options: ConvertOptions, trace: Trace) -> tuple[Graph, dict[Value, Shape]]:
    """The graph, and the shapes of its values with -1 in place of dynamic dimensions.

    Sizes are tried in place of unknown ones, those of the inputs and one that depends on values where there is one. Other sizes are tried
    where the model does not suit them, not where its graphs differ: what is emitted must hold for every size the model suits.
    """
    failed: ConversionError | None = None
    for symbols, any_length in _tries(shapes):
        try:
            graphs, tried = _lowered(source, shapes, symbols, any_length, (options, trace))
        except ConversionError as error:
            failed = error
            continue
        problems = Problems()
        signatures = merge_probes(graphs, tried, problems) if tried else {}
        if any_length or not symbols:
            problems.raise_any()
        if not problems.lines:
            return graphs[0], signatures
    assert failed is not None
    raise failed


def _tries(shapes: InputShapes) -> list[tuple[list[Symbol], bool]]:
    """The sizes to try, and whether sequences and images of any length follow; where the batch alone is unknown at first they do not."""
    if shapes.unknown in ([], [BATCH]):
        symbols = shapes.symbols(0)
        return [(symbols, any_length) for any_length in ((False, True) if symbols else (False,))]
    return [(shapes.symbols(attempt), True) for attempt in range(shapes.attempts)]


def _lowered(
    source: Source, shapes: InputShapes, symbols: list[Symbol], any_length: bool, asked: tuple[ConvertOptions, Trace]
) -> tuple[list[Graph], list[Symbol]]:
    """The graphs for all sizes tried in the place of the symbols, to which one is added for a size that depends on values."""
    declared = declared_outputs(source.model)
    options, first_trace = asked

    def lowered(sizes: Mapping[str, int], trace: Trace | None = None) -> tuple[Graph, UnknownSizes]:
        unknown = UnknownSizes(declared, sizes.get(FOUND, FOUND_SIZES[0]), bool(symbols), any_length)
        return to_tflite_graph(source.model, shapes.bound(sizes), options, trace, unknown, source.weights), unknown

    first, unknown = lowered({symbol.name: symbol.first for symbol in symbols}, first_trace)
    if unknown.owner is not None:
        symbols = [*symbols, Symbol(FOUND, *FOUND_SIZES, 1)]
    if not symbols:
        return [first], symbols
    return lowered_for_all(symbols, first, lambda sizes: lowered(sizes)[0]), symbols
