"""Metadata: recorded by `jitlite convert` and `jitlite.save`, read by `jitlite inspect` and, as files, by everything else."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter as LiteRT
from click.testing import CliRunner

import jitlite
from jitlite.converter import convert_onnx
from jitlite.schemas import Model, read_model
from jitlite.schemas.metadata import IDENTIFIER, metadata_of
from jitlite.schemas.metadata_tables import AssociatedFileType, ColorSpaceType
from jitlite.tools.cli import main
from jitlite.tools.errors import ToolError
from tests.converter.agreement import floats, node, onnx_model

LABELS = ["cat", "dog", "Fuß"]


def classifier() -> onnx.ModelProto:
    nodes = [node("GlobalAveragePool", "x", "p"), node("Reshape", "ps", "f"), node("MatMul", "fw", "y")]
    constants = {"s": np.array([1, 3], np.int64), "w": floats(3, 3)}
    return onnx_model(nodes, {"x": floats(1, 3, 8, 8)}, ["y"], constants)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("metadata")
    onnx.save(classifier(), folder / "model.onnx")
    (folder / "labels.txt").write_text("\n".join(LABELS), encoding="utf-8")
    target = folder / "model.tflite"
    told = run(
        *("convert", str(folder / "model.onnx"), "-o", str(target), "--labels", str(folder / "labels.txt"), "--mean", "123.7,116.8,103.9"),
        *("--std", "58.4", "--color-space", "rgb", "--author", "A. Maker", "--license", "Apache-2.0", "--description", "Tells pets apart."),
    )
    assert told.exit_code == 0, told.output
    return target


def test_the_file_runs_as_before(made: Path) -> None:
    x = floats(1, 3, 8, 8, seed=4)
    plain = jitlite.Interpreter(model_content=jitlite.schemas.write_model(convert_onnx(classifier())))  # type: ignore[attr-defined]
    wanted = plain.get_signature_runner()(x=x)["y"]
    for engine in (LiteRT(model_path=str(made)), LiteRT(model_content=made.read_bytes()), jitlite.Interpreter(model_path=made)):
        np.testing.assert_allclose(engine.get_signature_runner()(x=x)["y"], wanted, rtol=1e-5, atol=1e-6)


def test_what_is_recorded(made: Path) -> None:
    model = read_model(made)
    found = metadata_of(model)
    assert found is not None
    assert (found.author, found.license, found.description) == ("A. Maker", "Apache-2.0", "Tells pets apart.")
    (graph,) = found.subgraph_metadata
    (x,), (y,) = graph.input_tensor_metadata, graph.output_tensor_metadata
    assert (x.name, y.name) == ("x", "y")
    assert x.content is not None
    assert x.content.content_properties is not None
    assert x.content.content_properties.color_space is ColorSpaceType.RGB  # type: ignore[attr-defined]
    options = x.process_units[0].options
    assert options is not None
    np.testing.assert_allclose(options.mean, [123.7, 116.8, 103.9], rtol=1e-6)  # type: ignore[attr-defined]
    np.testing.assert_allclose(options.std, [58.4] * 3, rtol=1e-6)  # type: ignore[attr-defined]
    assert [(file.name, file.type) for file in y.associated_files] == [("labels.txt", AssociatedFileType.TENSOR_AXIS_LABELS)]
    held = next(model.buffers[entry.buffer].data for entry in model.metadata if entry.name == "TFLITE_METADATA")
    assert bytes(held[4:8]) == IDENTIFIER


def test_labels_lie_behind_the_model_as_any_archiver_reads_them(made: Path) -> None:
    with zipfile.ZipFile(made) as archive:
        assert archive.testzip() is None
        assert archive.read("labels.txt").decode().splitlines() == LABELS
        assert archive.infolist()[0].header_offset > 1000


def test_inspect_shows_it(made: Path) -> None:
    notes = json.loads(run("inspect", str(made), "--json").output)["notes"]
    assert notes["labels"] == {"y": LABELS}
    assert notes["normalization"]["x"]["std"] == pytest.approx([58.4] * 3)
    shown = run("inspect", str(made)).output
    assert "author: A. Maker" in shown
    assert "labels of y: cat, dog, Fuß" in shown


def test_from_python(tmp_path: Path) -> None:
    model, path = convert_onnx(classifier()), tmp_path / "model.tflite"
    jitlite.save(model, path, jitlite.MetadataOptions(author="B", labels={"y": LABELS}))
    found = metadata_of(jitlite.load(path))
    assert found is not None
    assert found.author == "B"
    assert metadata_of(model) is None
    jitlite.save(model, path)
    assert metadata_of(jitlite.load(path)) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": {"y": ["a", "b"]}}, "one for each of output 'y'"),
        ({"labels": {"z": LABELS}}, "the model has y"),
        ({"mean": {"": [1.0, 2.0]}}, "one number or one a channel of input 'x' is required"),
        ({"std": {"x": [0.0]}}, "other than 0"),
        ({"color_space": "cmyk"}, "one of rgb, grayscale is required"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    model: Model = convert_onnx(classifier())
    with pytest.raises(ToolError, match=message):
        jitlite.save(model, tmp_path / "model.tflite", jitlite.MetadataOptions(**options))
    assert not (tmp_path / "model.tflite").exists()


def test_damaged_metadata_are_shown_or_refused(made: Path, tmp_path: Path) -> None:
    content, damaged, ends = made.read_bytes(), tmp_path / "damaged.tflite", set()
    start = content.index(IDENTIFIER) - 4
    for place in range(start, start + 400, 5):
        damaged.write_bytes(content[:place] + bytes([content[place] ^ 0x5A]) + content[place + 1 :])
        ends.add(run("inspect", str(damaged), "--json").exit_code)
    damaged.write_bytes(content[:-30])
    assert json.loads(run("inspect", str(damaged), "--json").output)["notes"]["labels"] == {}
    assert ends == {0, 1}
