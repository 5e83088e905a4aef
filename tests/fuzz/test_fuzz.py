"""A bounded campaign with a fixed seed: what CI can afford of `python -m tests.fuzz`."""

import os
import sys

import pytest

from tests.fuzz.campaign import Campaign
from tests.fuzz.target import TARGETS, onnx_target, tflite_target

COUNT, ONNX_COUNT, SEED = 4000, 600, 4


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the fuzzer forks and reads /proc")
def test_damaged_models_run_or_are_refused():
    report = Campaign(tflite_target(), SEED, min(2, os.cpu_count() or 1), lambda failure: None).run(0, COUNT)
    assert not report.failures, "\n".join(map(str, report.failures))
    assert report.ends.total() == COUNT
    assert report.ends["ran"] > COUNT // 5, report.ends
    assert report.ends["ExecutionError"] > COUNT // 100, report.ends


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the fuzzer forks and reads /proc")
def test_damaged_onnx_models_are_converted_or_refused():
    report = Campaign(onnx_target(), SEED, min(2, os.cpu_count() or 1), lambda failure: None).run(0, ONNX_COUNT)
    assert not report.failures, "\n".join(map(str, report.failures))
    assert report.ends.total() == ONNX_COUNT
    assert report.ends["same"] > ONNX_COUNT // 10, report.ends


@pytest.mark.parametrize("name", TARGETS)
def test_a_trial_follows_from_its_seed_and_number(name):
    target = TARGETS[name]()
    for case in range(40):
        first, second = target.damaged(1, case), target.damaged(1, case)
        assert first[:2] == second[:2]
        assert target.outcome(first[1], first[2]) == target.outcome(second[1], second[2])
    assert len({target.damaged(1, case)[1] for case in range(40)}) > 30
