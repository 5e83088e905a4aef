"""What the targets' tests share: one recording, one compilation and one userland for all worker processes."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ops.execution import recorded
from tests.targets.userland import Userland, UserlandError, build_userland
from tests.targets.variants import ARM, ROOT, X86, compile_for, record, runs_here, save_cases, thin

TESTS = [f"tests/ops/test_{family}.py" for family in ("conv", "matmul", "pool", "activation", "elementwise", "conversion")]
CHOICE = """test_conv.py or test_matmul or test_pool or test_activation
    or (test_elementwise and (int8 or bytes) and not FLOOR_DIV) or (test_conversion and quantize)"""
"""Tests of the kernels that are vector code; `python -m tests.targets` takes all tests of operators."""

CASES_PER_TEST = 2


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Holds a lock against the other processes of this test run and of others."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def userland() -> Userland | UserlandError:
    """The AArch64 userland, or why there is none."""
    with _alone(ROOT / "build" / "arm.lock"):
        try:
            return build_userland(ROOT / "build" / "arm")
        except UserlandError as error:
            return error


@pytest.fixture(scope="session")
def recording(userland: Userland | UserlandError, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bounded recording of the vector families' tests, their kernels compiled for every target that can be run."""
    here = tmp_path_factory.getbasetemp()
    folder = (here.parent if "PYTEST_XDIST_WORKER" in os.environ else here) / "targets"
    cases = folder / "bounded.cases"
    with _alone(folder.with_suffix(".lock")):
        if not cases.exists():
            file = record([*TESTS, "-k", " ".join(CHOICE.split())], folder)
            names = [name for name in X86 if runs_here(name)] + ([] if isinstance(userland, UserlandError) else list(ARM))
            compile_for(names, [file])
            save_cases(thin(recorded(file), CASES_PER_TEST), cases)
    return cases
