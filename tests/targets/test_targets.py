"""Kernels of the vector families on processors other than this one: what the families' tests check, and LiteRT's results."""

from pathlib import Path

import pytest

from tests.targets.userland import Userland, UserlandError
from tests.targets.variants import ARM, X86, replay, runs_here

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", X86)
def test_kernels_on_x86_64(name: str, recording: Path) -> None:
    if not runs_here(name):
        pytest.skip(f"this machine does not execute code for {name}")
    done = replay(name, [recording], None)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


@pytest.mark.parametrize("name", ARM)
def test_kernels_on_aarch64(name: str, recording: Path, userland: Userland | UserlandError) -> None:
    if isinstance(userland, UserlandError):
        pytest.skip(str(userland))
    done = replay(name, [recording], userland)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
