import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import jitlite
from jitlite.schemas import ConversionError
from tests.tools.network import Files, images, network, unsupported_network


def test_the_way_from_onnx_to_int8(files: Files, tmp_path: Path) -> None:
    model = jitlite.convert(files.onnx)
    small = jitlite.quantize(model, files.samples)
    jitlite.save(small, tmp_path / "int8.tflite")
    interpreter = jitlite.Interpreter(model_path=tmp_path / "int8.tflite")
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images(1))
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert found.shape == (1, 5)
    assert jitlite.compare(files.onnx, small, files.samples).outputs["scores"].sqnr_db > 20


def test_models_files_and_protos_are_all_taken(files: Files) -> None:
    model = jitlite.load(files.float32)
    assert jitlite.compare(model, jitlite.convert(network())).outputs["scores"].relative < 1e-6
    feeds = [{"image": image[np.newaxis]} for image in images(3)]
    assert jitlite.compare(files.float32, files.onnx, feeds, layers=True).samples == 3
    assert jitlite.compare(files.onnx, files.onnx, limit=2).samples == 2


@pytest.mark.parametrize("samples", [list(images(4)), [images(4)], [{"image": images(4)}], [[images(1)[0]] for _ in range(4)]])
def test_calibration_from_python_objects(samples: list[object], files: Files) -> None:
    found = jitlite.quantize(files.float32, samples, jitlite.Recipe("int8", io_type="int8"))
    assert found.subgraphs[0].tensors[found.subgraphs[0].inputs[0]].type.name == "INT8"


def test_int8_needs_samples(files: Files) -> None:
    with pytest.raises(ValueError, match="calibration samples are required"):
        jitlite.quantize(files.float32)
    assert jitlite.quantize(files.float32, recipe="dynamic").subgraphs


def test_errors_are_jitlites() -> None:
    with pytest.raises(ConversionError, match="second_culprit"):
        jitlite.convert(unsupported_network())
    assert issubclass(ConversionError, jitlite.JitliteError)


def test_benchmark(files: Files) -> None:
    (found,) = jitlite.benchmark([files.float32], num_runs=5, min_secs=0.01)
    assert found.timings.latency.p50 > 0


def test_public_names_are_there_and_others_are_not() -> None:
    assert all(getattr(jitlite, name) is not None and name in dir(jitlite) for name in jitlite.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        jitlite.no_such_name  # noqa: B018 - the access is the test


def test_running_a_model_imports_neither_compiler_nor_onnx(files: Files) -> None:
    code = (
        "import sys, jitlite\n"
        f"interpreter = jitlite.Interpreter(model_path={str(files.float32)!r}); interpreter.allocate_tensors(); interpreter.invoke()\n"
        "print(sorted({'onnx', 'onnxruntime', 'numba', 'llvmlite', 'matplotlib', 'rich', 'click', 'flatbuffers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
