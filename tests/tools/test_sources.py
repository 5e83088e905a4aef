"""What is recognised as a model, and what is said where its engine is missing; `tests/engines` exports real ones."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import jitlite
from jitlite.schemas import ConversionError
from jitlite.tools.sources import engines, keras_model, onnx_models
from jitlite.tools.sources.engines import exporting
from tests.tools.network import Files, fail, network, succeed


@pytest.fixture
def no_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {"keras", "onnxscript", "tensorflow", "tf2onnx", "torch"}
    for module in (engines, keras_model):
        monkeypatch.setattr(module, "find_spec", lambda name: None if name in absent else importlib.util.find_spec(name))


def saved_model(folder: Path) -> Path:
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("model.keras", "pip install 'keras>=3' tensorflow-cpu 'tf2onnx>=1.17'"),
        ("model.h5", "pip install 'keras>=3' tensorflow-cpu 'tf2onnx>=1.17'"),
        ("model.pt2", "pip install torch onnxscript"),
        ("folder", "pip install tensorflow-cpu 'tf2onnx>=1.17'"),
    ],
)
@pytest.mark.usefixtures("no_engines")
def test_says_what_to_install(name: str, command: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if path.suffix:
        path.write_bytes(b"")
    else:
        saved_model(path)
    text = fail("convert", path, "-o", tmp_path / "out.tflite")
    assert command in text
    assert text.count("\n") == 1
    assert not (tmp_path / "out.tflite").exists()


def engine_object(package: str, name: str) -> object:
    """An object of a class that looks like an engine's own, to whoever imports no engine."""
    base = type(name, (), {"__module__": f"{package}.src.somewhere"})
    return type("Net", (base,), {"__module__": "__main__"})()


@pytest.mark.parametrize(
    ("package", "name", "missing"),
    [
        ("keras", "Model", "a Keras model"),
        ("tensorflow", "ConcreteFunction", "a function of TensorFlow"),
        ("torch", "Module", "a program of PyTorch"),
        ("torch", "ExportedProgram", "a program of PyTorch"),
    ],
)
@pytest.mark.usefixtures("no_engines")
def test_objects_are_recognised_without_their_engines(package: str, name: str, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = engine_object(package, name)
    if package == "keras":
        monkeypatch.setitem(__import__("sys").modules, "keras", None)
        with pytest.raises(ConversionError, match="Keras cannot export the model"):
            jitlite.convert(found)
    else:
        with pytest.raises(ConversionError, match=f"required to export {missing}"):
            jitlite.convert(found, example_inputs=(1,) if name == "Module" else None)


@pytest.mark.parametrize("source", [3, None, b"bytes", np.zeros(3), object()])
def test_other_objects_are_refused(source: object) -> None:
    with pytest.raises(TypeError, match=r"convert: a path, an onnx.ModelProto, .* is required, found \w+\.\w+"):
        jitlite.convert(source)


def test_arguments_of_other_sources() -> None:
    with pytest.raises(TypeError, match=r"example_inputs: a torch.nn.Module is required as the source, found onnx"):
        jitlite.convert(network(), example_inputs=(1,))
    with pytest.raises(TypeError, match=r"signature_keys: a SavedModel folder is required as the source, found 'model.onnx'"):
        jitlite.convert("model.onnx", signature_keys=["a"])


def test_onnx_is_itself(files: Files) -> None:
    model = network()
    assert onnx_models(model) == {"serving_default": model}
    assert onnx_models(files.onnx) == {"serving_default": files.onnx}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "a SavedModel folder is required, found one without saved_model.pb"),
        ("weights.pt", r"torch\.export\.save"),
        ("weights.pth", r"torch\.export\.save"),
        ("absent.keras", "a file is required, found nothing there"),
        ("absent.pt2", "a file is required, found nothing there"),
        ("absent.onnx", "cannot read the file"),
    ],
)
def test_paths_without_a_model(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=message):
        jitlite.convert(tmp_path / name)


def test_signatures_are_for_folders(files: Files, tmp_path: Path) -> None:
    assert "--signature needs a SavedModel" in fail("convert", files.onnx, "-o", tmp_path / "a.tflite", "--signature", "a", code=2)


def test_failures_of_exporters_are_one_line() -> None:
    with pytest.raises(ConversionError) as caught, exporting("'model'", "an engine"):
        raise RuntimeError("in step 3") from ValueError("\n \x1b[96mfirst\x1b[0m reason\nsecond")
    assert str(caught.value) == "'model': an engine cannot export the model: first reason"


def test_help_names_the_sources() -> None:
    text = succeed("convert", "--help").stdout
    for word in (".keras", ".pt2", "SavedModel", "--signature"):
        assert word in text
