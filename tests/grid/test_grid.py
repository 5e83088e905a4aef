"""The grid, a family at a time: jitlite computes what LiteRT's reference kernels do."""

import os
import subprocess
import sys

import pytest

from tests.grid import run
from tests.grid.table import FAMILIES, load_families

load_families()

TENSORFLOW = os.environ.get("JITLITE_TENSORFLOW", sys.executable)
"""A Python that has TensorFlow, by default this one; with another one the grid needs no TensorFlow beside LiteRT and Numba."""


@pytest.fixture(scope="session")
def tensorflow() -> str:
    """A Python that imports TensorFlow."""
    code = "import importlib.util, sys; sys.exit(importlib.util.find_spec('tensorflow') is None)"
    if subprocess.run([TENSORFLOW, "-c", code], check=False).returncode:
        pytest.skip("TensorFlow is not installed; JITLITE_TENSORFLOW may name a Python that has it")
    return TENSORFLOW


@pytest.mark.slow
@pytest.mark.grid
@pytest.mark.parametrize("family", FAMILIES)
def test_family(family, tensorflow, tmp_path):
    command = [tensorflow, "-m", "tests.grid.generate", str(tmp_path), family]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
    judged = [entry for entry in run.run(tmp_path, [family]) if entry["oracle"]["status"] != "none"]
    verdicts = [(entry, entry[side]) for entry in judged for side in ("jitlite", "resized") if side in entry]
    wrong = [f"{entry['name']} ({entry['label']}): {verdict}" for entry, verdict in verdicts if verdict["status"] != "pass"]
    assert not wrong, "\n".join(wrong)
