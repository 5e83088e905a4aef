import numpy as np
import onnx
import pytest

from tests.tools.network import Files, images, network, succeed


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("network")
    found = Files(folder / "model.onnx", folder / "float32.tflite", folder / "int8.tflite", folder / "samples.npz")
    onnx.save(network(), found.onnx)
    np.savez(found.samples, image=images(12))
    succeed("convert", found.onnx, "-o", found.float32)
    succeed("quantize", found.float32, "-o", found.int8, "--calibration", found.samples, "--io", "int8")
    return found
