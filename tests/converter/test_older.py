"""Models for older runtimes: what is written out, what is refused, and that a runtime of the time loads what was made for it.

`JITLITE_TFLITE_RUNTIME` names a Python that has tflite-runtime 2.14 (it needs Python 3.11 at most and numpy below 2); without it, and where
the package is not installed here, its tests are skipped.
"""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

import jitlite
from jitlite.converter import ConvertOptions, convert_onnx
from jitlite.schemas import ConversionError, write_model
from jitlite.schemas.model import builtin_code
from jitlite.schemas.runtime_version import METADATA, first_runtime, parse_runtime
from tests.converter.agreement import check, converted, floats, kinds, node, onnx_model
from tests.converter.test_corpus import ROWS
from tests.converter.test_corpus import feeds as corpus_feeds
from tests.tools.network import fail, succeed

F32 = np.float32
X = floats(2, 6, 8, 8)
SPREAD = np.concatenate([np.array([0, -0.0, 1e-30, -1e-30, 5, -5], F32), floats(6)])
RUNTIME = os.environ.get("JITLITE_TFLITE_RUNTIME", sys.executable)

REPLACED = [
    ("GELU", "2.8", onnx_model([node("Gelu", "x", "y")], {"x": X}, ["y"], opset=20), {"x": X}),
    ("GELU", "2.8", onnx_model([node("Gelu", "x", "y", approximate="tanh")], {"x": X}, ["y"], opset=20), {"x": X}),
    ("SIGN", "2.10", onnx_model([node("Sign", "x", "y")], {"x": SPREAD}, ["y"]), {"x": SPREAD}),
    (
        "RELU_0_TO_1",
        "2.9",
        onnx_model([node("Clip", ["x", "low", "high"], "y")], {"x": X}, ["y"], {"low": np.array(0, F32), "high": np.array(1, F32)}),
        {"x": X},
    ),
    ("HARD_SWISH", "1.14", onnx_model([node("HardSwish", "x", "y")], {"x": X}, ["y"]), {"x": X}),
    (
        "BROADCAST_TO",
        "2.4",
        onnx_model([node("Expand", ["x", "shape"], "y")], {"x": X[:1, :, :1]}, ["y"], {"shape": np.array([3, 6, 5, 8])}),
        {"x": np.where(X[:1, :, :1] > 1, F32(np.inf), X[:1, :, :1])},
    ),
    (
        "BROADCAST_TO",
        "2.4",
        onnx_model([node("Expand", ["x", "shape"], "y")], {"x": (["n", 1, 4], F32)}, ["y"], {"shape": np.array([1, 3, 1])}),
        {"x": floats(5, 1, 4)},
    ),
    (
        "SLICE",
        "2.4",
        onnx_model(
            [node("Slice", ["x", "a", "b", "c"], "y")],
            {"x": X.reshape(2, 6, 4, 4, 4)},
            ["y"],
            {"a": np.array([1, 0]), "b": np.array([6, 2]), "c": np.array([1, 4])},
        ),
        {"x": X.reshape(2, 6, 4, 4, 4)},
    ),
    (
        "CONV_2D",
        "2.5",
        onnx_model(
            [node("Conv", ["x", "w", "b"], "c", group=3, pads=[1, 1, 1, 1]), node("Relu", "c", "y")],
            {"x": X},
            ["y"],
            {"w": floats(9, 2, 3, 3), "b": floats(9)},
        ),
        {"x": X},
    ),
    (
        "TRANSPOSE",
        "2.11",
        onnx_model([node("Transpose", "x", "y", perm=[4, 5, 0, 2, 1, 3])], {"x": X.reshape(2, 1, 6, 4, 4, 4)}, ["y"]),
        {"x": X.reshape(2, 1, 6, 4, 4, 4)},
    ),
    (
        "SELECT_V2",
        "2.4",
        onnx_model([node("Gather", ["table", "x"], "y")], {"x": (["n", 4], np.int64)}, ["y"], {"table": floats(9, 3)}),
        {"x": np.array([[0, -1, 8, -9], [3, -4, 5, 0]])},
    ),
    ("BATCH_MATMUL", "2.2", onnx_model([node("MatMul", "ab", "y")], {"a": X, "b": X}, ["y"]), {"a": X, "b": X}),
    ("BATCH_MATMUL", "2.2", onnx_model([node("MatMul", "ab", "y")], {"a": X, "b": X[0, 0]}, ["y"]), {"a": X, "b": X[0, 0]}),
]


@pytest.mark.parametrize(("operator", "target", "model", "feeds"), REPLACED)
def test_operators_are_written_out(operator: str, target: str, model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> None:
    assert operator in kinds(converted(model))
    made = converted(model, ConvertOptions(target_runtime=target))
    newest = max(first_runtime(builtin_code(code), code.version) for code in made.operator_codes)
    assert newest <= parse_runtime(target)
    (metadata,) = [entry for entry in made.metadata if entry.name == METADATA]
    assert bytes(made.buffers[metadata.buffer].data).rstrip(b"\0").decode() == ".".join(map(str, newest))
    check(model, feeds, options=ConvertOptions(target_runtime=target))


def test_a_runtime_that_has_an_operator_gets_it() -> None:
    found = kinds(converted(REPLACED[0][2], ConvertOptions(target_runtime="2.9")))
    assert found == Counter({"GELU": 1})


def test_what_is_too_new_is_named() -> None:
    nodes = [node("CumSum", ["x", "axis"], "a"), node("Atan", "a", "y")]
    model = onnx_model(nodes, {"x": X}, ["y"], {"axis": np.array(1)})
    with pytest.raises(ConversionError) as found:
        convert_onnx(model, ConvertOptions(target_runtime="2.3"))
    heading, *lines = str(found.value).splitlines()
    assert heading.startswith("runtime 2.3.0: ")
    assert any("CUMSUM version 1 needs runtime 2.4.0" in line and "'a'" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("2.4", (2, 4, 0)), ("1.14.0", (1, 14, 0)), ("2.14.4", (2, 14, 4)), ("litert-2.1", (2, 21, 0)), ("LiteRT 1.2.0", (2, 19, 0))],
)
def test_versions(text: str, wanted: tuple[int, ...]) -> None:
    assert parse_runtime(text) == wanted


@pytest.mark.parametrize("text", ["", "2", "new", "1.13", "2.4-rc1", "litert-0.9", "v2.4", "2.4.0.0"])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="target_runtime: "):
        parse_runtime(text)
    with pytest.raises(ValueError, match="target_runtime: "):
        jitlite.convert(REPLACED[0][2], target_runtime=text)


def test_the_command_takes_a_target(tmp_path: Path) -> None:
    onnx.save(REPLACED[0][2], tmp_path / "m.onnx")
    out = tmp_path / "m.tflite"
    succeed("convert", tmp_path / "m.onnx", "-o", out, "--target-runtime", "2.4")
    assert "GELU" not in kinds(jitlite.load(out))
    assert "--target-runtime" in fail("convert", tmp_path / "m.onnx", "-o", out, "-f", "--target-runtime", "old", code=2)
    np.savez(tmp_path / "data.npz", x=np.stack([X, X]))
    quantized = ("--quantize", "int8", "--calibration", tmp_path / "data.npz")
    message = fail("convert", tmp_path / "m.onnx", "-o", out, "-f", "--target-runtime", "1.14", *quantized, "--no-check")
    assert "runtime 1.14.0: " in message


@pytest.fixture(scope="module")
def tflite_runtime() -> str:
    """A Python with tflite-runtime."""
    found = subprocess.run([RUNTIME, "-c", "import tflite_runtime"], capture_output=True, check=False)
    if found.returncode:
        pytest.skip("tflite-runtime is not installed; JITLITE_TFLITE_RUNTIME may name a Python that has it")
    return RUNTIME


RUN = """
import sys, numpy as np
from tflite_runtime.interpreter import Interpreter, OpResolverType
plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
for number in range(int(sys.argv[2])):
    feeds = np.load(f"{sys.argv[1]}/{number}.npz")
    engine = Interpreter(f"{sys.argv[1]}/{number}.tflite", experimental_op_resolver_type=plain, num_threads=1)
    for details in engine.get_input_details():
        engine.resize_tensor_input(details["index"], feeds[details["name"]].shape)
    engine.allocate_tensors()
    for details in engine.get_input_details():
        engine.set_tensor(details["index"], feeds[details["name"]])
    engine.invoke()
    np.save(f"{sys.argv[1]}/{number}.npy", engine.get_tensor(engine.get_output_details()[0]["index"]))
"""


def test_an_old_runtime_runs_what_is_made_for_it(tflite_runtime: str, tmp_path: Path) -> None:
    wanted = []
    for number, (_, _, model, feeds) in enumerate(REPLACED):
        made = convert_onnx(model, ConvertOptions(target_runtime="2.14"))
        (tmp_path / f"{number}.tflite").write_bytes(write_model(made))
        np.savez(tmp_path / f"{number}.npz", **feeds)
        wanted.append(jitlite.Interpreter(model_content=write_model(made)).get_signature_runner()(**feeds)["y"])
    subprocess.run([tflite_runtime, "-c", RUN, str(tmp_path), str(len(REPLACED))], check=True)
    for number, result in enumerate(wanted):
        np.testing.assert_allclose(np.load(tmp_path / f"{number}.npy"), result, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_an_old_runtime_runs_the_networks_made_for_it(tflite_runtime: str, corpus: Path, tmp_path: Path) -> None:
    """All the networks of the corpus; those that quantize as they run round a few numbers another way."""
    wanted = []
    for row in ROWS:
        path = corpus / "models" / f"{row.name}.onnx"
        if not path.exists():
            continue
        made = convert_onnx(path, ConvertOptions(shapes=row.shapes, target_runtime="2.14"))
        number = len(wanted)
        given = corpus_feeds(made, 2 if any(tensor.shape_signature for tensor in made.subgraphs[0].tensors) else 1)
        (tmp_path / f"{number}.tflite").write_bytes(write_model(made))
        graph, signature = made.subgraphs[0], made.signature_defs[0]
        tensors = {entry.name: graph.tensors[entry.tensor_index].name for entry in signature.inputs}
        np.savez(tmp_path / f"{number}.npz", **{tensors[name]: value for name, value in given.items()})
        results = jitlite.Interpreter(model_content=write_model(made)).get_signature_runner()(**given)
        wanted.append((row.name, results[next(entry.name for entry in signature.outputs if entry.tensor_index == graph.outputs[0])]))
    subprocess.run([tflite_runtime, "-c", RUN, str(tmp_path), str(len(wanted))], check=True)
    for number, (name, result) in enumerate(wanted):
        found = np.load(tmp_path / f"{number}.npy")
        assert np.abs(found - result).max() <= 5e-3 * max(np.abs(result).max(), 1e-3), name
