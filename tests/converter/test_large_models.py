"""Models whose weights lie outside of the protobuf and of the flatbuffer: where their bytes go, and how often."""

import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter as LiteRT
from onnx import TensorProto, helper

from jitlite.converter import convert_onnx
from jitlite.converter.importer import load_model
from jitlite.converter.weights import parse_without_weights
from jitlite.interpreter import Interpreter
from jitlite.schemas import ConversionError, read_model, save_model
from jitlite.schemas import write as writing
from tests.converter.agreement import Array, assert_close, check, floats, node, onnx_model, run_onnx

WIDE = 64
GIGABYTE = 1 << 30


def network(opset: int = 17) -> onnx.ModelProto:
    """Weights of 16 KiB, apart from the protobuf, and small ones in it."""
    constants = {"w": floats(WIDE, WIDE), "b": floats(WIDE), "s": np.array([1, WIDE], np.int64), "v": floats(WIDE, WIDE, seed=1)}
    nodes = [node("MatMul", "xw", "a"), node("Add", "ab", "c"), node("Reshape", "cs", "d"), node("MatMul", "dv", "y")]
    return onnx_model(nodes, {"x": floats(1, WIDE)}, ["y"], constants, opset)


@pytest.mark.parametrize("opset", [7, 17])
def test_large_initialisers_stay_views(tmp_path: Path, opset: int) -> None:
    path, weights = tmp_path / "model.onnx", dict[str, Array]()
    onnx.save(network(opset), path)
    model = load_model(path, weights)
    assert set(weights) == {"w", "v"}
    assert all(data.base is not None for data in weights.values())
    assert [len(tensor.raw_data) for tensor in model.graph.initializer] == [0, 4 * WIDE, 16, 0]
    assert [tuple(tensor.dims) for tensor in load_model(path).graph.initializer] == [(WIDE, WIDE), (WIDE,), (2,), (WIDE, WIDE)]
    check(network(opset), {"x": floats(1, WIDE, seed=2)})


def test_what_no_writer_makes_is_left_to_protobuf() -> None:
    content, weights = network().SerializeToString(), dict[str, Array]()
    for damaged in (content + content, content[:-1], content + b"\x0b", b"\x08\x01"):
        weights.clear()
        try:
            wanted = onnx.ModelProto.FromString(damaged)
        except Exception as error:
            with pytest.raises(type(error)):
                parse_without_weights(np.frombuffer(damaged, np.uint8), weights)
        else:
            assert parse_without_weights(np.frombuffer(damaged, np.uint8), weights) == wanted


def test_weights_that_do_not_fit_their_shape_are_named(tmp_path: Path) -> None:
    model = network()
    model.graph.initializer[0].raw_data += bytes(4)
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(ConversionError, match="tensor 'w'"):
        convert_onnx(tmp_path / "model.onnx")


def test_litert_and_jitlite_read_buffers_behind_the_flatbuffer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    x, path = floats(1, WIDE, seed=3), tmp_path / "model.tflite"
    monkeypatch.setattr(writing, "MAX_FILE_BYTES", 8000)
    save_model(convert_onnx(network()), path)
    assert path.stat().st_size > 8000
    for engine in (LiteRT(model_path=str(path)), LiteRT(model_content=path.read_bytes()), Interpreter(model_path=path)):
        assert_close([engine.get_signature_runner()(x=x)["y"]], run_onnx(network(), {"x": x}))


@pytest.mark.slow
def test_a_model_above_two_gibibytes(tmp_path: Path) -> None:
    """Weights in sparse files, most of them zeros, so that only the conversion writes them."""
    if shutil.disk_usage(tmp_path).free < 8 * GIGABYTE or os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") < 10 * GIGABYTE:
        pytest.skip("8 GiB of disk and 10 GiB of memory are required")
    rows, columns = 16384, 10240
    path, data = tmp_path / "model.onnx", tmp_path / "model.data"
    nodes, stored = [], []
    for place in range(4):
        tensor = TensorProto(name=f"w{place}", data_type=TensorProto.FLOAT, dims=[rows, columns], data_location=TensorProto.EXTERNAL)
        size = 4 * rows * columns
        for key, value in (("location", data.name), ("offset", str(place * size)), ("length", str(size))):
            tensor.external_data.add(key=key, value=value)
        stored.append(tensor)
        nodes.append(helper.make_node("MatMul", ["x", f"w{place}"], [f"y{place}"]))
        with open(data, "r+b" if place else "w+b") as file:
            file.truncate((place + 1) * size)
            file.seek(place * size)
            file.write(floats(columns, seed=place).tobytes())
    outputs = [helper.make_tensor_value_info(f"y{place}", TensorProto.FLOAT, [1, columns]) for place in range(4)]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, rows])], outputs, stored)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    target = tmp_path / "model.tflite"
    save_model(convert_onnx(path), target)
    data.unlink()
    assert target.stat().st_size > 2 * GIGABYTE
    assert all(buffer.offset == 0 for buffer in read_model(target).buffers)
    x = np.zeros((1, rows), np.float32)
    x[0, 0] = 1
    engine = LiteRT(model_path=str(target), num_threads=1)
    found = engine.get_signature_runner()(x=x)
    for place in range(4):
        np.testing.assert_allclose(found[f"y{place}"][0], floats(columns, seed=place), rtol=1e-6)
    del engine
