"""A bounded campaign with a fixed seed: what CI can afford of `python -m tests.fuzz`."""

import os
import sys

import pytest

from tests.fuzz.campaign import Campaign
from tests.fuzz.samples import samples
from tests.fuzz.trial import damaged, outcome

COUNT, SEED = 4000, 4


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the fuzzer forks and reads /proc")
def test_damaged_models_run_or_are_refused():
    report = Campaign(samples(), SEED, min(2, os.cpu_count() or 1), lambda failure: None).run(0, COUNT)
    assert not report.failures, "\n".join(map(str, report.failures))
    assert report.ends.total() == COUNT
    assert report.ends["ran"] > COUNT // 5, report.ends
    assert report.ends["ExecutionError"] > COUNT // 100, report.ends


def test_a_trial_follows_from_its_seed_and_number():
    found = samples()
    for case in range(40):
        first, second = damaged(found, 1, case), damaged(found, 1, case)
        assert first[:2] == second[:2]
        assert outcome(first[1], first[2]) == outcome(second[1], second[2])
    assert len({damaged(found, 1, case)[1] for case in range(40)}) > 30
