import platform
from pathlib import Path

import numpy as np
import pytest

from jitlite.tools.benchmark import Measurement, verdict
from jitlite.tools.latency import RunOptions, Timings, measure, speedup
from tests.tools.network import Files, fail, parsed, succeed

QUICK = ("--num-runs", 20, "--min-secs", 0.05)


def test_measures_everything(files: Files) -> None:
    found = parsed("benchmark", files.float32, files.int8, *QUICK)
    assert found["machine"]["python"] == platform.python_version()
    for model, path in zip(found["models"], (files.float32, files.int8), strict=True):
        latency = model["latency_us"]
        assert 0 < latency["min"] <= latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["max"]
        assert latency["min"] <= latency["mean"] <= latency["max"]
        assert latency["runs"] >= 20
        assert model["size_bytes"] == path.stat().st_size
        assert model["init_us"] > 0
        assert model["first_inference_us"] > 0
        assert model["arena_bytes"] > 0
        assert model["peak_memory_bytes"] > 10_000_000 > model["model_memory_bytes"] > 0
    assert len(found["verdicts"]) == 1


def test_prints_a_table_and_a_verdict(files: Files) -> None:
    text = succeed("benchmark", files.float32, files.int8, *QUICK).stdout
    assert "p50" in text
    assert text.splitlines()[-1].startswith("int8.tflite is ")
    assert "smaller" in text.splitlines()[-1]


def test_profile_sums_to_the_whole(files: Files) -> None:
    (model,) = parsed("benchmark", files.float32, *QUICK, "--profile")["models"]
    assert {name for group in model["profile"]["by_type"] for name in group["op"].split("+")} >= {"CONV_2D", "FULLY_CONNECTED"}
    assert sum(group["share"] for group in model["profile"]["by_type"]) == pytest.approx(1)
    assert [node["node"] for node in model["profile"]["nodes"]] == sorted(node["node"] for node in model["profile"]["nodes"])
    assert "time by operator type" in succeed("benchmark", files.float32, *QUICK, "--profile").stdout


def test_random_inputs_of_benchmarks_are_checked(files: Files) -> None:
    assert "ONNX" in fail("benchmark", files.onnx)
    fail("benchmark", files.float32, "--min-secs", "-1", code=2)


def turns(*medians: float) -> Timings:
    return Timings(tuple(np.full(5, median, np.int64) for median in medians))


def measurement(name: str, size: int, timings: Timings) -> Measurement:
    return Measurement(Path(name), size, {}, timings)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (turns(200, 220, 180), turns(100, 110, 90), "b is 2.00x faster than a and 4.00x smaller."),
        (turns(100, 110, 90), turns(200, 220, 180), "b is 2.00x slower than a and 4.00x smaller."),
        (
            turns(100, 101, 99, 100),
            turns(101, 99, 100, 100),
            "b is about as fast as a (ratio 1.00, turns from 0.99 to 1.01) and 4.00x smaller.",
        ),
    ],
)
def test_verdict_says_what_was_measured(first: Timings, second: Timings, expected: str) -> None:
    assert verdict(measurement("a", 4000, first), measurement("b", 1000, second)) == expected


@pytest.mark.parametrize(("size", "expected"), [(1000, "as large"), (2000, "2.00x larger"), (500, "2.00x smaller")])
def test_verdict_on_size(size: int, expected: str) -> None:
    assert verdict(measurement("a", 1000, turns(1000)), measurement("b", size, turns(500))).endswith(f" and {expected}.")


def test_speedup_is_unclear_when_turns_contradict() -> None:
    assert not speedup(turns(100, 100, 100), turns(90, 110, 100)).is_clear
    assert speedup(turns(100, 100, 100), turns(90, 91, 92)).is_clear


def test_functions_take_turns_and_all_get_their_runs() -> None:
    calls: list[str] = []
    found = measure([lambda: calls.append("a"), lambda: calls.append("b")], RunOptions(warmup_runs=2, num_runs=30, min_secs=0))
    assert [timings.latency.runs >= 30 for timings in found] == [True, True]
    assert calls[:4] == ["a", "a", "b", "b"]
    timed = calls[4:]
    assert timed.count("a") == timed.count("b")
    assert all(len(timings.turns) >= 1 for timings in found)


def test_percentiles_are_those_of_the_runs() -> None:
    latency = Timings((np.arange(1, 51), np.arange(51, 102))).latency
    assert (latency.runs, latency.p50, latency.p90, latency.p99, latency.min, latency.max) == (101, 51, 91, 100, 1, 101)


def test_time_limit_ends_a_slow_measurement() -> None:
    import time

    found = measure([lambda: time.sleep(0.01)], RunOptions(warmup_runs=1, num_runs=1000, min_secs=10, max_secs=0.05))
    assert found[0].latency.runs < 50
