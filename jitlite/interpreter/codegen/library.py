"""Finds, compiles and loads kernel libraries.

A library holds one kernel family for one machine. Its file name carries the digest of everything it depends on: the family's sources and
those they import, this package's sources, the target, and the compilers' versions. A process that finds its libraries imports no compiler.
"""

import ctypes
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from jitlite.interpreter.codegen.target import Target, machine_fingerprint, requested_target
from jitlite.schemas.errors import JitliteError, UnsupportedError

_PACKAGE = Path(__file__).resolve().parent.parent.parent
_IMPORT = re.compile(r"^\s*from jitlite\.(interpreter\.(?:kernels|codegen)[\w.]*) import ([^#\n]*)", re.MULTILINE)
_COMPILERS = ("numba", "llvmlite")
_QUIET = {"NUMBA_OPT": "0", "NUMBA_BOUNDSCHECK": "0", "NUMBA_DISABLE_JIT": "0", "NUMBA_DEBUGINFO": "0"}


class Library:
    """A loaded kernel family: addresses of its kernels and the order of their parameters."""

    def __init__(self, family: str, parameters: dict[str, list[tuple[str, str]]], addresses: dict[str, int], owner: object) -> None:
        self.family = family
        self.parameters = parameters
        self.addresses = addresses
        self._owner = owner


def cache_folder() -> Path:
    """The folder of compiled kernels, made if needed: JITLITE_CACHE_DIR, or `jitlite` in the user's cache folder; only its owner may write to it.

    Code is loaded from it, so a folder that belongs to or is writable by somebody else is refused with a JitliteError.
    """
    named = os.environ.get("JITLITE_CACHE_DIR")
    if named:
        folder = Path(named)
    elif sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "jitlite"
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Caches" / "jitlite"
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jitlite"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.stat()
    except OSError as error:
        raise JitliteError(f"kernel cache {folder}: a folder that can be written is required, found: {error.strerror}") from error
    if sys.platform != "win32" and (state.st_uid != os.getuid() or stat.S_IMODE(state.st_mode) & 0o022):
        raise JitliteError(f"kernel cache {folder}: a folder that only its owner can write (mode 0700) is required, found mode {stat.S_IMODE(state.st_mode):04o}")
    return folder


@cache
def _source(module: str) -> tuple[bytes, frozenset[str]]:
    """A module's source and the modules of kernels and codegen it imports."""
    path = _PACKAGE.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = path.read_text(encoding="utf-8")
    imported = set()
    for base, names in _IMPORT.findall(text):
        imported.add(base)
        folder = _PACKAGE.joinpath(*base.split("."))
        if folder.is_dir():
            imported |= {f"{base}.{name}" for name in re.findall(r"\w+", names) if (folder / f"{name}.py").exists()}
    return text.encode(), frozenset(imported)


def sources(family: str) -> list[str]:
    """The modules, relative to `jitlite`, whose text decides what a family compiles to."""
    found: set[str] = set()
    waiting = [f"interpreter.kernels.{family}"] + [f"interpreter.codegen.{name}" for name in ("frontend", "backend", "link")]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _source(module)[1]
    return sorted(found)


@cache
def _compiler_versions() -> str:
    """Installed compilers and their versions, read from folder names; empty where one is missing."""
    versions = []
    for name in _COMPILERS:
        found = find_spec(name)
        if found is None or found.origin is None:
            return ""
        site = Path(found.origin).parent.parent
        versions += [entry for entry in os.listdir(site) if entry.startswith(f"{name}-") and entry.endswith(".dist-info")]
    return " ".join(versions)


def _digest(*parts: bytes) -> str:
    digest = sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:20]


def _file_name(family: str) -> tuple[str, str]:
    """The library's file name for the installed compilers, and a pattern that any compilers' file matches."""
    target = requested_target()
    machine = repr(target) if target else machine_fingerprint()
    texts = [part for module in sources(family) for part in (module.encode(), _source(module)[0])]
    stem = f"{family}-{_digest(machine.encode(), *texts)}"
    suffix = "so" if sys.platform.startswith("linux") else "o"
    return f"{stem}-{_digest(_compiler_versions().encode())}.{suffix}", f"{stem}-*.{suffix}"


def find(family: str) -> Path | None:
    """The cached library file of a family, or None."""
    exact, pattern = _file_name(family)
    folder = cache_folder()
    if (folder / exact).exists():
        return folder / exact
    return None if _compiler_versions() else next(iter(sorted(folder.glob(pattern))), None)


def _command(family: str, output: Path) -> list[str]:
    target = requested_target() or Target("host", "", "")
    return [sys.executable, "-m", "jitlite.interpreter.codegen", family, str(output), target.triple, target.cpu, target.features]


def compile_families(families: Sequence[str]) -> None:
    """Compiles families into the cache, one process each, as many at a time as there are processors; a progress bar shows on a terminal.

    UnsupportedError where Numba is missing; JitliteError with the compiler's own words where a kernel does not compile.
    """
    if not _compiler_versions():
        raise UnsupportedError(f"kernels {', '.join(families)}: Numba is required to compile them on this machine, found none; pip install 'jitlite[jit]'")
    environment = os.environ | _QUIET | {"PYTHONPATH": os.pathsep.join([str(_PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])}
    progress = _progress(len(families))
    with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
        waiting, running = list(reversed(families)), {}
        while waiting or running:
            while waiting and len(running) < max(1, os.cpu_count() or 1):
                family = waiting.pop()
                output = Path(folder) / family
                errors = open(f"{output}.log", "w+b")  # noqa: SIM115 - closed when the process ends
                running[family] = subprocess.Popen(_command(family, output), env=environment, stdout=errors, stderr=errors, stdin=subprocess.DEVNULL), errors
            family = _first_done(running)
            process, errors = running.pop(family)
            errors.seek(0)
            said = errors.read().decode(errors="replace")
            errors.close()
            if process.returncode != 0:
                for other, log in running.values():
                    other.kill()
                    other.wait()
                    log.close()
                raise JitliteError(f"kernels {family}: compiling failed with exit status {process.returncode}:\n{said.strip()}")
            os.replace(Path(folder) / family, cache_folder() / _file_name(family)[0])
            progress(family)


def _first_done(running: dict[str, tuple["subprocess.Popen[bytes]", object]]) -> str:
    while True:
        for family, (process, _) in running.items():
            try:
                process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            return family


class _progress:  # noqa: N801 - used as a function
    """Counts finished families on a terminal; silent elsewhere."""

    def __init__(self, total: int) -> None:
        self._bar = None
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("compiling kernels", total=total)
            self._bar.start()
        self._left = total

    def __call__(self, family: str) -> None:
        self._left -= 1
        if self._bar is not None:
            self._bar.update(self._task, advance=1, description=f"compiling kernels ({family} done)")
            if not self._left:
                self._bar.stop()

    def __del__(self) -> None:
        if self._bar is not None:
            self._bar.stop()


_loaded: dict[Path, Library] = {}


def _open(family: str, path: Path) -> Library:
    from_file = _open_shared if path.suffix == ".so" else _open_object
    return from_file(family, path)


def _read_manifest(text: bytes) -> dict[str, list[tuple[str, str]]]:
    return {name: [(n, storage) for n, storage in declared] for name, declared in json.loads(text).items()}


def _open_shared(family: str, path: Path) -> Library:
    shared = ctypes.CDLL(str(path))
    parameters = _read_manifest(ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(shared, "kernel_manifest"))))
    addresses = {name: ctypes.cast(getattr(shared, name), ctypes.c_void_p).value or 0 for name in parameters}
    return Library(family, parameters, addresses, shared)


def _open_object(family: str, path: Path) -> Library:
    """Loads object code in this process through llvmlite, where no shared library can be linked."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    compiler = llvm.create_lljit_compiler()
    builder = llvm.JITLibraryBuilder().add_object_img(path.read_bytes()).add_current_process().export_symbol("kernel_manifest")
    tracker = builder.link(compiler, family)
    parameters = _read_manifest(ctypes.string_at(tracker["kernel_manifest"]))
    again = llvm.JITLibraryBuilder().add_object_img(path.read_bytes()).add_current_process()
    for name in parameters:
        again.export_symbol(name)
    kernels = again.link(compiler, f"{family}-kernels")
    return Library(family, parameters, {name: kernels[name] for name in parameters}, (compiler, tracker, kernels))


def load(families: Iterable[str]) -> dict[str, Library]:
    """The libraries of the named families; those missing from the cache are compiled first."""
    wanted = sorted(set(families))
    paths = {family: find(family) for family in wanted}
    missing = [family for family in wanted if paths[family] is None]
    if missing:
        compile_families(missing)
        paths |= {family: find(family) for family in missing}
    found = {}
    for family in wanted:
        path = paths[family]
        assert path is not None, f"kernels {family} were compiled but are not in the cache"
        if path not in _loaded:
            _loaded[path] = _open(family, path)
        found[family] = _loaded[path]
    return found
