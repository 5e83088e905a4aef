"""Kernels between pages that nobody may touch: a model of each kind runs, and a kernel that leaves its memory does not go unnoticed."""

import os
import subprocess
import sys

import pytest

from tests.fuzz.samples import samples

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="guard pages are made by mprotect")


def python(value: str, *arguments: str, mode: str = "JITLITE_GUARD") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "faulthandler", *arguments]
    return subprocess.run(command, env=os.environ | {mode: value}, capture_output=True, text=True, timeout=3000, check=False)


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


SAMPLE = "add_n,conv_2d-,fully_connected-,gather-,lstm,scatter_nd,softmax-"
"""What CI has the time to compile."""


@pytest.mark.slow
def test_checked_kernels_find_no_access_outside():
    """Compiles some families anew, with a check before each access."""
    done = python("bounds", "-m", "tests.fuzz", "--undamaged", "--only", SAMPLE, mode="JITLITE_CHECKS")
    assert done.returncode == 0, done.stderr[-3000:]


LEAK = """
import sys
import numpy as np
from jitlite.interpreter.codegen.immediate import call_kernel
from jitlite.interpreter.guard import check_accesses

x, y = (np.zeros(4000, np.float32)[1000 : 1000 + int(size)] for size in sys.argv[1:3])
call_kernel("activation", "leaky_relu_f32", x=x, y=y, count=int(sys.argv[3]), alpha=0.5)
check_accesses()
print("nothing noticed")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sizes", "complaint"),
    [
        ((1000, 1000, 1000), ""),
        ((100, 100, 100), ""),
        ((1000, 1000, 1001), "kernels activation: an access to 36 bytes"),
        ((100, 1000, 150), "kernels activation: an access to 64 bytes"),
        ((1000, 100, 101), "kernels activation: an access to 20 bytes"),
    ],
)
def test_a_checked_kernel_notes_an_access_outside(sizes, complaint):
    done = python("bounds", "-c", LEAK, *map(str, sizes), mode="JITLITE_CHECKS")
    assert (complaint in done.stderr) if complaint else (done.stdout == "nothing noticed\n"), done.stderr


@pytest.mark.parametrize(
    ("type", "size"),
    [("i1", 1), ("i8", 1), ("i64", 8), ("float", 4), ("ptr", 8), ("<16 x float>", 64), ("<16 x i1>", 2), ("[3 x <4 x i16>]", 24)],
)
def test_sizes_of_types(type, size):
    from jitlite.interpreter.codegen.bounds import type_bytes

    assert type_bytes(type) == size
