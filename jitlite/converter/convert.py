"""The public conversion: an ONNX model in, a `Model` out."""

import os

import onnx

from jitlite.converter.emit import emit
from jitlite.converter.importer import graph_inputs, load_model
from jitlite.converter.options import ConvertOptions
from jitlite.converter.pipeline import to_tflite_graph
from jitlite.converter.symbols import PROBES, bind_inputs
from jitlite.schemas.tables import Model


def convert_onnx(source: str | os.PathLike[str] | onnx.ModelProto, options: ConvertOptions = ConvertOptions()) -> Model:  # noqa: B008
    """The float32 TFLite model of an ONNX model of opset 7 or later, given as a path or a ModelProto.

    Raises ConversionError for a file that cannot be read, a dimension that needs a number, and for the nodes that have no TFLite form, all of
    them in one message.
    """
    model = load_model(source)
    shapes = bind_inputs(model, options)
    graph = to_tflite_graph(model, shapes.bound(PROBES[0]), options)
    names = [info.name for info in graph_inputs(model)]
    return emit(graph, names, [info.name for info in model.graph.output], {})
