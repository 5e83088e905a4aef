"""SavedModel folders and concrete functions of TensorFlow, exported by tf2onnx."""

import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jitlite.schemas.errors import ConversionError
from jitlite.tools.sources.engines import exporting, require_engines
from jitlite.tools.sources.tensorflow_operators import HANDLERS

ENGINES = ("tensorflow", "tf2onnx")
KERAS_ENDPOINT, DEFAULT_ENDPOINT = "serve", "serving_default"
KEPT_APART = ("_XlaMustCompile", "_noinline")
"""Attributes of functions and calls that keep a function from being inlined."""


def export_folder(path: Path, signature_keys: Sequence[str] | None = None, tags: Collection[str] | None = None) -> dict[str, Any]:
    """The ONNX models of a SavedModel's signatures, of all of them unless `signature_keys` names some.

    Of a folder that Keras exported, which holds one function as "serve" and "serving_default", it is the latter, as in TensorFlow's own
    converter. ConversionError names the signatures there are where others are asked for.
    """
    where = f"'{path}'"
    require_engines(where, "a SavedModel", ENGINES)
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with exporting(where, "TensorFlow"):
        import tensorflow as tf

        loaded = tf.saved_model.load(str(path), tags=None if tags is None else list(tags))
    keys = list(signature_keys) if signature_keys else list(loaded.signatures)
    unknown = [key for key in keys if key not in loaded.signatures]
    if unknown or not keys:
        known = ", ".join(repr(key) for key in loaded.signatures) or "no signatures"
        raise ConversionError(f"{where}: signatures among {known} are required, found {', '.join(map(repr, unknown)) or 'none'}")
    if not signature_keys and set(keys) == {KERAS_ENDPOINT, DEFAULT_ENDPOINT}:
        keys = [DEFAULT_ENDPOINT]
    return {key: _export_signature(loaded.signatures[key], f"{where} signature '{key}'") for key in keys}


def export_function(function: Any, where: str = "concrete function") -> Any:
    """The ONNX model of a concrete function, by way of a SavedModel: inputs and outputs have the names TensorFlow gives to them there."""
    require_engines(where, "a function of TensorFlow", ENGINES)
    with TemporaryDirectory() as folder:
        with exporting(where, "TensorFlow"):
            import tensorflow as tf

            holder = tf.Module()
            holder.held = list(function.variables)
            tf.saved_model.save(holder, folder, signatures={DEFAULT_ENDPOINT: function})
        return export_folder(Path(folder), [DEFAULT_ENDPOINT])[DEFAULT_ENDPOINT]


def _export_signature(function: Any, where: str) -> Any:
    with exporting(where, "tf2onnx"):
        import tf2onnx
        from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

        frozen = convert_variables_to_constants_v2(function, lower_control_flow=False, aggressive_inlining=True)
        inputs, outputs = [tensor.name for tensor in frozen.inputs], [tensor.name for tensor in frozen.outputs]
        wanted = [*_input_names(function), *_output_names(function)]
        if len(wanted) != len(inputs) + len(outputs):
            raise ConversionError(f"{where}: the inputs and outputs {', '.join(wanted)} are required, found {', '.join(inputs + outputs)}")
        model, _ = tf2onnx.convert.from_graph_def(
            _inlinable(frozen.graph.as_graph_def(add_shapes=True)),
            name=function.name,
            input_names=inputs,
            output_names=outputs,
            tensors_to_rename=dict(zip(inputs + outputs, wanted)),
            custom_op_handlers=dict(HANDLERS),
        )
    return model


def _inlinable(graph_def: Any) -> Any:
    """The graph, changed in place so that every function can be inlined, those too that Keras has compiled (grouped convolutions)."""
    nodes = [*graph_def.node, *(node for function in graph_def.library.function for node in function.node_def)]
    for place in (*graph_def.library.function, *nodes):
        for name in KEPT_APART:
            place.attr.pop(name, None)
    return graph_def


def _input_names(function: Any) -> list[str]:
    import tensorflow as tf

    return [spec.name for spec in tf.nest.flatten(function.structured_input_signature) if isinstance(spec, tf.TensorSpec)]


def _output_names(function: Any) -> list[str]:
    """The keys of a dict of outputs, in the order TensorFlow flattens it, else output_0, output_1 and so on."""
    outputs = function.structured_outputs
    return sorted(outputs) if isinstance(outputs, dict) else [f"output_{index}" for index in range(len(function.outputs))]
