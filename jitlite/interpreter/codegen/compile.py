"""Compiles kernel families into the cache, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from jitlite.interpreter.codegen.cache import PACKAGE, cache_folder, compiler_versions, file_name
from jitlite.interpreter.codegen.target import Target, requested_target
from jitlite.schemas.errors import JitliteError, UnsupportedError

_NUMBA_SETTINGS = {"NUMBA_OPT": "0", "NUMBA_BOUNDSCHECK": "0", "NUMBA_DISABLE_JIT": "0", "NUMBA_DEBUGINFO": "0"}


def compile_families(families: Sequence[str]) -> None:
    """Compiles families into the cache, as many at a time as there are processors; a progress bar shows on a terminal.

    UnsupportedError where Numba is missing; JitliteError with the compiler's own words where a kernel does not compile.
    """
    from concurrent.futures import ThreadPoolExecutor, as_completed

    if not compiler_versions():
        raise UnsupportedError(
            f"kernels {', '.join(families)}: Numba is required to compile them on this machine, found none; pip install 'jitlite[jit]'"
        )
    with (
        tempfile.TemporaryDirectory(dir=cache_folder()) as folder,
        _progress(len(families)) as advance,
        ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool,
    ):
        jobs = [pool.submit(_compile, family, Path(folder) / family) for family in families]
        try:
            for job in as_completed(jobs):
                advance(job.result())
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _compile(family: str, output: Path) -> str:
    """Compiles one family and moves it into its place in the cache; returns its name."""
    target = requested_target() or Target("host", "", "")
    command = [sys.executable, "-m", "jitlite.interpreter.codegen", family, str(output), target.triple, target.cpu, target.features]
    search = [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | _NUMBA_SETTINGS | {"PYTHONPATH": os.pathsep.join(search)}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        raise JitliteError(f"kernels {family}: compiling failed with exit status {done.returncode}:\n{said}")
    os.replace(output, cache_folder() / file_name(family))
    return family


@contextmanager
def _progress(total: int) -> Iterator[Callable[[str], None]]:
    """A function to call with each finished family: it moves a bar on a terminal and does nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda family: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("compiling kernels", total=total)
        yield lambda family: bar.update(task, advance=1, description=f"compiling kernels ({family})")
