"""Compiles kernel families into the cache, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from jitlite.interpreter.codegen.cache import PACKAGE, cache_folder, compiler_versions, file_name, source_bytes
from jitlite.interpreter.codegen.isa import isa_of
from jitlite.interpreter.codegen.target import Target, requested_target
from jitlite.schemas.errors import JitliteError, UnsupportedError

NUMBA_SETTINGS = {"NUMBA_OPT": "0", "NUMBA_BOUNDSCHECK": "0", "NUMBA_DISABLE_JIT": "0", "NUMBA_DEBUGINFO": "0"}
"""Environment variables of a process that lowers kernels."""


def compile_families(families: Sequence[str], targets: Sequence[Target] = ()) -> None:
    """Compiles families into the cache with as many processes as there are processors; a progress bar shows on a terminal.

    They are compiled for each of `targets`, by default for the one in effect: JITLITE_TARGET or this machine. UnsupportedError where
    Numba is missing; JitliteError with the compiler's own words where a kernel does not compile.
    """
    from concurrent.futures import ThreadPoolExecutor

    if not compiler_versions():
        raise UnsupportedError(
            f"kernels {', '.join(families)}: Numba is required to compile them on this machine, found none; pip install 'jitlite[jit]'"
        )
    count = min(len(families), os.cpu_count() or 1)
    for chosen in _alike(targets) if targets else [[requested_target()]]:
        waiting = deque(sorted(families, key=source_bytes, reverse=True))
        with (
            tempfile.TemporaryDirectory(dir=cache_folder()) as folder,
            _progress(len(families)) as advance,
            ThreadPoolExecutor(count) as pool,
        ):
            for job in [pool.submit(_work, waiting, Path(folder) / str(number), advance, chosen) for number in range(count)]:
                job.result()


def _alike(targets: Sequence[Target]) -> Iterator[list[Target]]:
    """Targets that share the sizes of register tiles, which one process lowers kernels for."""
    sizes = [isa_of(target) for target in targets]
    for size in dict.fromkeys(sizes):
        yield [target for target, own in zip(targets, sizes) if own == size]


def _next(waiting: deque[str]) -> str | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None


def _work(waiting: deque[str], scratch: Path, advance: Callable[[str], None], targets: Sequence[Target | None]) -> None:
    """Compiles waiting families one after the other in one process, which keeps what they share; after an error none waits any more."""
    names = ["host" if target is None else f"{target.triple}/{target.cpu}/{target.features}" for target in targets]
    outputs = [f"{scratch}.{number}" for number in range(len(targets))]
    search = [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | NUMBA_SETTINGS | {"PYTHONPATH": os.pathsep.join(search)}
    command = [sys.executable, "-m", "jitlite.interpreter.codegen", *names]
    with (
        open(f"{scratch}.log", "w+", errors="replace") as log,
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            while (family := _next(waiting)) is not None:
                process.stdin.write("\t".join([family, *outputs]) + "\n")
                process.stdin.flush()
                if process.stdout.readline().strip() != family:
                    log.seek(0)
                    raise JitliteError(f"kernels {family}: compiling failed with exit status {process.wait()}:\n{log.read().strip()}")
                for target, output in zip(targets, outputs):
                    os.replace(output, cache_folder() / file_name(family, target))
                advance(family)
            process.stdin.close()
        except BaseException:
            waiting.clear()
            process.kill()
            raise


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
