"""Kernels between pages that nobody may touch: a model of each kind runs, and a kernel that leaves its memory does not go unnoticed."""

import os
import subprocess
import sys

import pytest

from tests.fuzz.samples import samples

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="guard pages are made by mprotect")


def python(guard: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "faulthandler", *arguments]
    return subprocess.run(command, env=os.environ | {"JITLITE_GUARD": guard}, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.parametrize("guard", ["begin", "end"])
def test_kernels_stay_inside_their_memory(guard):
    done = python(guard, "-m", "tests.fuzz", "--undamaged")
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[0]) > len(samples()) * 3 // 4


COPY = """
import sys
from jitlite.interpreter.codegen.immediate import call_kernel
from jitlite.interpreter.guard import check_edges
from jitlite.interpreter.memory import aligned_bytes

size, count, target_size = map(int, sys.argv[1:])
source, target = aligned_bytes(size), aligned_bytes(target_size)
call_kernel("executor", "copy_bytes", source=source, target=target, count=count)
check_edges()
print("nothing noticed")
"""


@pytest.mark.parametrize(
    ("guard", "sizes", "complaint"),
    [
        ("end", (100, 100, 100), ""),
        ("begin", (100, 100, 100), ""),
        ("end", (100, 400, 400), "SIGSEGV"),
        ("end", (400, 400, 100), "SIGSEGV"),
        ("end", (101, 101, 100), "a block of 100 bytes: 1 bytes behind it were written"),
        ("begin", (101, 101, 100), "a block of 100 bytes: 1 bytes behind it were written"),
    ],
)
def test_a_kernel_that_leaves_its_memory_is_noticed(guard, sizes, complaint):
    done = python(guard, "-c", COPY, *map(str, sizes))
    if not complaint:
        assert done.stdout == "nothing noticed\n", done.stderr
    elif complaint == "SIGSEGV":
        assert done.returncode == -11, done.stderr
    else:
        assert complaint in done.stderr, done.stderr


def test_the_mode_has_a_name():
    done = python("middle", "-c", "from jitlite.interpreter.memory import aligned_bytes; aligned_bytes(1)")
    assert "JITLITE_GUARD: begin or end is required, found 'middle'" in done.stderr
