"""The targets kernels are tested for besides the machine they run on, and how cases are recorded here and checked there."""

import os
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from jitlite.interpreter.codegen.cache import PACKAGE, cache_folder, file_name
from jitlite.interpreter.codegen.compile import compile_families
from jitlite.interpreter.codegen.target import Target
from tests.ops.execution import RECORDING, Case, recorded
from tests.targets.userland import Userland

ROOT = PACKAGE.parent
X86 = {
    "baseline": Target("x86_64-unknown-linux-gnu", "x86-64"),
    "avx2": Target("x86_64-unknown-linux-gnu", "haswell", "+ssse3,+sse4.1,+avx,+avx2,+fma,+f16c"),
    "avx512": Target("x86_64-unknown-linux-gnu", "skylake-avx512", "+ssse3,+avx2,+fma,+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl"),
}
"""Processors without AVX, with AVX2 and FMA, and with AVX-512 but none of its dot products."""

ARM = {name: Target("aarch64-unknown-linux-gnu", name) for name in ("cortex-a72", "cortex-a76")}
"""Processors without and with the dot product of NEON."""

TARGETS = X86 | ARM
_NEEDS = {"baseline": "sse2", "avx2": "fma", "avx512": "avx512vl"}


def runs_here(name: str) -> bool:
    """True for an x86-64 target whose code this machine executes itself."""
    cpuinfo = Path("/proc/cpuinfo")
    return name in X86 and os.uname().machine == "x86_64" and cpuinfo.exists() and f" {_NEEDS[name]} " in cpuinfo.read_text()


def record(tests: Sequence[str], folder: Path) -> Path:
    """Runs tests on this machine and records what they check in `folder`; AssertionError when a test fails."""
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", *tests]
    settings = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(command, cwd=ROOT, env=settings | {RECORDING: str(folder)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-4000:]}{done.stderr[-1000:]}"
    return folder / "main.cases"


def save_cases(cases: Iterable[Case], file: Path) -> Path:
    """Writes a recording."""
    with open(file, "wb") as stream:
        for case in cases:
            pickle.dump(case, stream)
    return file


def thin(cases: Iterable[Case], limit: int) -> Iterator[Case]:
    """No more than the first `limit` cases of each test."""
    seen: Counter[str] = Counter()
    for case in cases:
        seen[case.name] += 1
        if seen[case.name] <= limit:
            yield case


def compile_for(names: Sequence[str], files: Sequence[Path]) -> None:
    """Compiles the kernels that recordings need for targets, all together: each family is lowered once."""
    families = sorted(frozenset().union(*(case.families for case in chain.from_iterable(map(recorded, files)))))
    targets = [TARGETS[name] for name in names]
    missing = [family for family in families if not all((cache_folder() / file_name(family, target)).exists() for target in targets)]
    if missing:
        compile_families(missing, targets)


def replay(name: str, files: Sequence[Path], userland: Userland | None) -> subprocess.CompletedProcess[str]:
    """Checks recordings on a target; the userland is needed for those that do not run here."""
    target = TARGETS[name]
    arguments = ["-m", "tests.targets.replay", *map(str, files)]
    settings = {"JITLITE_TARGET": f"{target.triple}/{target.cpu}/{target.features}", "JITLITE_CACHE_DIR": str(cache_folder())}
    if runs_here(name):
        command, environment = [sys.executable, *arguments], os.environ | settings
    else:
        assert userland is not None, f"{name}: an emulator is required"
        command, environment = userland.command(target.cpu, *arguments), userland.environment(ROOT) | settings
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
