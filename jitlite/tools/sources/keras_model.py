"""Keras 3 models and their files, exported by Keras."""

from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jitlite.tools.sources.engines import exporting, require_engines
from jitlite.tools.sources.saved_model import DEFAULT_ENDPOINT, ENGINES, export_folder


def export_file(path: Path) -> Any:
    """The ONNX model of a .keras or .h5 file."""
    where = f"'{path}'"
    if find_spec("keras") is None:
        require_engines(where, "a Keras model", ("keras", *ENGINES))
    with exporting(where, "Keras"):
        import keras

        model = keras.models.load_model(path, compile=False)
    return export_model(model, where)


def export_model(model: Any, where: str = "Keras model") -> Any:
    """The ONNX model of a Sequential, functional or subclassed model; the last must have been built or called.

    On TensorFlow it goes through a SavedModel, so that inputs and outputs have the names TensorFlow gives to them; on other backends
    through Keras's own export to ONNX, with outputs named output_0, output_1 and so on.
    """
    with exporting(where, "Keras"):
        import keras

        on_tensorflow = keras.backend.backend() == "tensorflow"
    if on_tensorflow:
        require_engines(where, "a Keras model on TensorFlow", ENGINES)
    with TemporaryDirectory() as folder:
        if on_tensorflow:
            with exporting(where, "Keras"):
                model.export(folder, format="tf_saved_model", verbose=False)
            return export_folder(Path(folder), [DEFAULT_ENDPOINT])[DEFAULT_ENDPOINT]
        import onnx

        exported = Path(folder) / "model.onnx"
        with exporting(where, "Keras"):
            declared = getattr(model, "inputs", None) or ()
            zeros = [keras.ops.zeros([1 if dim is None else dim for dim in found.shape], found.dtype) for found in declared]
            if zeros:
                model(zeros if len(zeros) > 1 else zeros[0])  # Keras exports models that have been called
            model.export(exported, format="onnx", verbose=False)
        found = onnx.load(exported)
        for place, info in enumerate(found.graph.output):
            found.graph.node.append(onnx.helper.make_node("Identity", [info.name], [f"output_{place}"]))
            info.name = f"output_{place}"
        return found
