"""SavedModel folders and concrete functions of TensorFlow, exported by tf2onnx."""

import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jitlite.schemas.errors import ConversionError
from jitlite.tools.sources.engines import exporting, require_engines
from jitlite.tools.sources.names import rename_values, used_names

ENGINES = ("tensorflow", "tf2onnx")
KERAS_ENDPOINT, DEFAULT_ENDPOINT = "serve", "serving_default"


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

        model, _ = tf2onnx.convert.from_function(_Traced(function), input_signature=(), custom_op_handlers={"Erfc": (_erfc, [])})
    _drop_captures(model, where, _input_names(function))
    found, wanted = [info.name for info in model.graph.output], _output_names(function)
    if len(found) != len(wanted):
        raise ConversionError(f"{where}: {len(wanted)} outputs ({', '.join(wanted)}) are required, found {', '.join(found)}")
    rename_values(model, dict(zip(found, wanted)))
    return model


class _Traced:
    """A concrete function in the form of the function that tf2onnx traces."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def get_concrete_function(self, *signature: Any) -> Any:
        return self._function


def _input_names(function: Any) -> list[str]:
    import tensorflow as tf

    return [spec.name for spec in tf.nest.flatten(function.structured_input_signature) if isinstance(spec, tf.TensorSpec)]


def _drop_captures(model: Any, where: str, names: Collection[str]) -> None:
    """Removes the inputs that tf2onnx leaves for captured constants, whose values it has stored already."""
    captured = [info for info in model.graph.input if info.name not in names]
    used = sorted(used_names(model.graph) & {info.name for info in captured})
    if used:
        raise ConversionError(f"{where}: inputs {', '.join(names)} are required, found others for captured values: {', '.join(used)}")
    for info in captured:
        model.graph.input.remove(info)


def _output_names(function: Any) -> list[str]:
    """The keys of a dict of outputs, in the order TensorFlow flattens it, else output_0, output_1 and so on."""
    outputs = function.structured_outputs
    return sorted(outputs) if isinstance(outputs, dict) else [f"output_{index}" for index in range(len(function.outputs))]


def _erfc(context: Any, node: Any, name: str, arguments: Any) -> None:
    """erfc(x) = 1 + erf(-x), which tf2onnx does not know; Keras writes its exact GELU so."""
    import numpy as np

    operand, result, dtype = node.input[0], node.output[0], context.get_dtype(node.output[0])
    shape = context.get_shape(result)
    context.remove_node(node.name)
    one = context.make_const(f"{name}_one", np.ones((), {1: np.float32, 10: np.float16, 11: np.float64}[dtype])).output[0]
    turned = context.make_node("Neg", [operand], shapes=[shape], dtypes=[dtype]).output[0]
    error = context.make_node("Erf", [turned], shapes=[shape], dtypes=[dtype]).output[0]
    context.make_node("Add", [error, one], name=name, outputs=[result], shapes=[shape], dtypes=[dtype])
