"""The benchmark programs run and say what they should; how long anything takes is no test's business."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest

from benchmarks import calls, layers, models, report, starts
from benchmarks.engines import LITERT, OURS, REFERENCE, difference, open_session, reason_of
from benchmarks.layer_models import CONNECTED, DEPTHWISE, POINTWISE, SPATIAL, Layer, build
from benchmarks.model_tables import Measured, Timing, as_data, pairs_of, sections_of
from benchmarks.operators import measure_operators
from benchmarks.peak import float_probe, int8_dot, int8_probe, read_probe
from benchmarks.processes import WorkerError, WorkerProcess
from benchmarks.sections import Section, machine, machine_text, read_result, write_result
from benchmarks.subjects import Subject, network_of, precision_of, prepare
from jitlite.schemas.read import read_model


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.tflite"
    path.write_bytes(build(Layer(POINTWISE, 4, 3, 5), is_int8=False)[0])
    return path


def subject(name: str, precision: str, network: str = "one", origin: str = "tflite", counts: bool = True) -> Subject:
    return Subject(name, network, precision, origin, {}, counts=counts)


def measured(name: str, precision: str, ours: float, litert: float | None, threads: int = 1, **more: str) -> Measured:
    timings = {OURS: Timing((ours, ours * 1.1), 10)}
    if litert is not None:
        timings[LITERT] = Timing((litert, litert * 1.1), 10)
    return Measured(subject(name, precision, **more), threads, timings, {} if litert else {LITERT: "SVDF"})


@pytest.mark.slow
def test_models_are_measured_in_one_process_and_in_several(tiny: Path, tmp_path: Path) -> None:
    found, picture, work = tmp_path / "models.json", tmp_path / "models.svg", tmp_path / "work"
    where = ["--json", str(found), "--plot", str(picture), "--work", str(work)]
    models.main([str(tiny), "--threads", "1", "2", "--seconds", "0.01", *where])
    result = read_result(found)
    entries = [entry for entry in result["data"]["models"] if entry["counts"]]
    assert [(entry["model"], entry["precision"], entry["threads"]) for entry in entries] == [("tiny", "float32", 1), ("tiny", "float32", 2)]
    for entry in entries:
        assert entry["us"].keys() == {OURS, LITERT}
        median, low, high = entry["ratio"][LITERT]
        assert 0 < low <= median <= high
        assert "left_out" not in entry
    assert entries[0]["difference"][OURS] < 1e-5
    assert {(pair["float32"], pair["int8"], pair["threads"]) for pair in result["data"]["pairs"]} == {
        ("tiny", "tiny as int8", threads) for threads in (1, 2)
    }
    assert picture.read_text().startswith("<?xml")
    assert str(tmp_path) not in found.read_text()
    page = report.text_of([found], "benchmarks.svg")
    assert "## Models: float32" in page
    assert "| tiny |" in page
    assert result["machine"]["processor"] in page


def test_a_crash_is_an_error_and_the_next_request_starts_afresh() -> None:
    worker = WorkerProcess()
    assert worker.ask("close") == {}
    assert worker._process is not None
    worker._process.send_signal(signal.SIGKILL)
    with pytest.raises(WorkerError, match="SIGKILL"):
        worker.ask("close")
    assert worker.ask("close") == {}
    worker.pause()
    worker.resume()
    assert worker.ask("close") == {}
    worker.close()


def test_what_cannot_run_is_left_out_with_its_reason(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"\0\0\0\0TFL3")
    (found,) = prepare(broken, tmp_path, {})
    assert not found.candidates
    assert found.problems[OURS]
    (section,) = [part for part in sections_of([Measured(found, 1, {}, dict(found.problems))]) if part.title == "Left out"]
    assert section.rows[0][:2] == ("broken", "jitlite")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("subgraph 0, operator 1 (SVDF ''): operator SVDF version 3 is not supported", "SVDF: operator SVDF version 3 is not supported"),
        ("subgraph 0, operator 0 (VAR_HANDLE 'a'): x\nsubgraph 0, operator 1 (CONV_2D 'b'): y", "VAR_HANDLE, CONV_2D"),
        ("Encountered unresolved custom op: MaxUnpooling2D.\nSee instructions", "MaxUnpooling2D."),
        ("the model: 1 node cannot be converted\n  node 'a' (LSTM, opset 14): no", "node 'a' (LSTM, opset 14): no"),
        ("/a/secret/folder/x.onnx is damaged", "x.onnx is damaged"),
        ("tensor 'model_1/model/conv2d_1': dense data required", "tensor 'model_1/model/conv2d_1': dense data required"),
    ],
)
def test_reasons_name_operators_and_no_paths(message: str, reason: str) -> None:
    assert reason_of(ValueError(message)) == reason


def test_ratios_means_and_pairs() -> None:
    items = [
        measured("slow", "float32", 100.0, 50.0),
        measured("fast", "float32", 100.0, 200.0, network="two"),
        measured("quantized", "int8", 50.0, 200.0),
        measured("beside", "int8", 200.0, None, counts=False),
    ]
    data = as_data(items)
    means = {(row["kind"], row["origin"]): (row["mean"], row["models"], row["below"]) for row in data["means"]}
    assert means["float", "all"] == (1.0, 2, 1)
    assert means["int8", "all"] == (4.0, 1, 0)
    assert [(pair.int8.subject.name, round(pair.ratio.median, 6)) for pair in pairs_of(items)] == [("quantized", 2.0), ("beside", 0.5)]
    by_title = {section.title: section for section in sections_of(items)}
    assert [row[0] for row in by_title["Models: float32 and float16 weights"].rows] == ["slow", "fast"]
    assert [row[-1] for row in by_title["Models: float32 and float16 weights"].rows] == ["below 0.8", ""]
    assert [row[-1] for row in by_title["int8 beside float32"].rows] == ["int8 is slower", ""]
    assert "Left out" not in by_title


@pytest.mark.parametrize("is_int8", [False, True])
@pytest.mark.parametrize(
    "layer", [Layer(POINTWISE, 5, 7, 3), Layer(SPATIAL, 6, 3, 8, 2), Layer(DEPTHWISE, 5, 19, 19), Layer(CONNECTED, 2, 33, 5)], ids=str
)
def test_layers_are_right(layer: Layer, is_int8: bool) -> None:
    content, data = build(layer, is_int8)
    ours, theirs = (open_session(engine, content, [data], 1).outputs() for engine in (OURS, REFERENCE))
    assert difference(ours, theirs) <= (0 if is_int8 else 1e-5)
    assert float(np.std(ours[0])) > 0
    model = read_model(content)
    assert precision_of(model) == ("int8" if is_int8 else "float32")
    assert network_of(model) == network_of(read_model(build(layer, not is_int8)[0]))


def test_layer_tables_and_peaks() -> None:
    results, peaks = layers.measure_layers([Layer(POINTWISE, 4, 3, 5, study=(0.5, None))], 0.001)
    sections = layers.sections_of(results, peaks)
    assert [section.title for section in sections] == ["Layers", "Layers: float32", "Layers: int8"]
    assert sections[1].rows[0][:2] == ("pointwise", "4×4, 3 → 5")
    assert json.dumps(layers.as_data(results, peaks))
    assert results[0].of_study == pytest.approx(results[0].of_peak / 0.5)
    dot = int8_dot()
    probes = [float_probe(), read_probe(10_000), *([] if dot is None else [int8_probe(dot)])]
    assert all(probe.rate() > 0 for probe in probes)


def test_call_tables() -> None:
    chains = calls.time_calls(calls.chain_calls(), 0.001)
    table = {"40 B": calls.time_calls(calls.calls_of(calls.SMALL), 0.001)}
    titles = [section.title for section in calls.sections_of(chains, table)]
    assert titles == ["Calls: what a run costs", "Calls: the Python interface"]
    assert {entry["call"] for entry in calls.as_data(chains, table)["calls"]} >= {"set_tensor", "invoke", "get_tensor"}


def test_operators_are_measured_alone(tiny: Path) -> None:
    (time,), problems = measure_operators(tiny, 0.001)
    assert (time.op, time.count) == ("CONV_2D", 1)
    assert not problems


def test_results_survive_the_file(tmp_path: Path) -> None:
    section = Section("Title", "Text.", ("name", "number"), (("a|b", "1"), ("c", "2")))
    write_result(tmp_path / "part.json", "part", [section], {"numbers": [1.5, float("nan")]})
    found = read_result(tmp_path / "part.json")
    assert found["sections"] == [section]
    assert found["data"] == {"numbers": [1.5, None]}
    assert section.as_markdown().splitlines()[4:] == ["| name | number |", "| --- | ---: |", "| a\\|b | 1 |", "| c | 2 |"]
    assert machine()["processor"] in machine_text(machine())


@pytest.mark.slow
def test_starts_are_measured(tiny: Path, tmp_path: Path) -> None:
    starts.main([str(tiny), "--rounds", "1", "--json", str(tmp_path / "starts.json")])
    found = read_result(tmp_path / "starts.json")
    assert [row[0] for row in found["sections"][0].rows] == ["tiny.tflite", "geometric mean"]
    assert found["data"]["models"][0]["memory_ratio"] > 0


def test_the_page_shows_the_results_that_are_kept() -> None:
    picture = report.PICTURE.name if report.PICTURE.exists() else None
    assert report.TARGET.read_text() == report.text_of(report.result_files(report.RESULTS), picture)
