"""What people bring to a conversion, as ONNX models: their files, and the objects of the engines that train models.

An engine is imported when something of its own is to be exported, and recognised without: objects by the modules their classes come from.
"""

import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from jitlite.schemas.errors import ConversionError

DEFAULT_SIGNATURE = "serving_default"

KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")
TORCH_SUFFIXES = (".pt2",)
OTHER_TORCH_SUFFIXES = (".pt", ".pth")

_CLASSES: Mapping[tuple[str, str], str] = {
    ("onnx", "ModelProto"): "onnx",
    ("keras", "Model"): "keras",
    ("tensorflow", "ConcreteFunction"): "function",
    ("torch", "ExportedProgram"): "torch",
    ("torch", "Module"): "torch",
}
"""What an object is, by the package and the name of one of its classes."""


def onnx_models(
    source: str | os.PathLike[str] | Any,
    *,
    example_inputs: Sequence[Any] | None = None,
    signature_keys: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The ONNX models of a source by signature, each a ModelProto or the path of an ONNX file.

    A source is a path (of an ONNX, .keras, .h5 or .pt2 file, or a SavedModel folder), an onnx.ModelProto, a Keras model, a concrete
    function of TensorFlow, a torch.nn.Module, which needs `example_inputs`, or a torch.export.ExportedProgram. `signature_keys` chooses
    among the signatures of a SavedModel. ConversionError where the engine is not installed or cannot export the model; TypeError for
    other objects.
    """
    path = Path(source) if isinstance(source, (str, os.PathLike)) else None
    kind = _kind_of_path(path) if path is not None else _kind_of_object(source)
    if example_inputs is not None and (path is not None or kind != "torch"):
        raise TypeError(f"example_inputs: a torch.nn.Module is required as the source, found {_described(source)}")
    if signature_keys is not None and kind != "saved_model":
        raise TypeError(f"signature_keys: a SavedModel folder is required as the source, found {_described(source)}")
    if kind == "onnx":
        return {DEFAULT_SIGNATURE: source}
    if kind == "saved_model":
        found: dict[str, Any] = _frontend("saved_model").export_folder(path, signature_keys)
        return found
    if kind == "function":
        return {DEFAULT_SIGNATURE: _frontend("saved_model").export_function(source)}
    if kind == "keras":
        keras = _frontend("keras_model")
        return {DEFAULT_SIGNATURE: keras.export_file(path) if path is not None else keras.export_model(source)}
    torch = _frontend("torch_program")
    return {DEFAULT_SIGNATURE: torch.export_file(path) if path is not None else torch.export_model(source, example_inputs)}


def _frontend(name: str) -> Any:
    return import_module(f"{__name__}.{name}")


def _kind_of_path(path: Path) -> str:
    suffix = path.suffix.lower()
    if path.is_dir():
        if not any((path / name).is_file() for name in ("saved_model.pb", "saved_model.pbtxt")):
            raise ConversionError(f"'{path}': a SavedModel folder is required, found one without saved_model.pb")
        return "saved_model"
    if suffix in OTHER_TORCH_SUFFIXES:
        raise ConversionError(
            f"'{path}': weights or a pickled module of PyTorch say nothing about the network or run code; "
            "torch.export.save(torch.export.export(module, example_inputs), 'model.pt2') makes a file that is required"
        )
    kind = "keras" if suffix in KERAS_SUFFIXES else "torch" if suffix in TORCH_SUFFIXES else "onnx"
    if kind != "onnx" and not path.is_file():
        raise ConversionError(f"'{path}': a file is required, found nothing there")
    return kind


def _kind_of_object(source: object) -> str:
    classes = [(kind.__module__.partition(".")[0], kind.__name__) for kind in type(source).__mro__]
    for place, kind in _CLASSES.items():
        if place in classes:
            return kind
    raise TypeError(
        "convert: a path, an onnx.ModelProto, a Keras 3 model, a concrete function of TensorFlow, a torch.nn.Module or a "
        f"torch.export.ExportedProgram is required, found {_described(source)}"
    )


def _described(source: object) -> str:
    if isinstance(source, (str, os.PathLike)):
        return f"'{os.fspath(source)}'"
    return f"{type(source).__module__}.{type(source).__qualname__}"
