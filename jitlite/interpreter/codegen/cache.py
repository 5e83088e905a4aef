"""Where compiled kernels are kept, and the file name that says all a library depends on.

A library holds one kernel family for one machine. Its name carries the digest of the family's sources and those they import, of the code
generator's own sources, of the target and of the compilers' versions.
"""

import os
import re
import stat
import sys
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from jitlite.interpreter.codegen.target import Target, machine_fingerprint, requested_target
from jitlite.schemas.errors import JitliteError

PACKAGE = Path(__file__).resolve().parent.parent.parent
"""The folder of the jitlite package."""

_IMPORT = re.compile(r"^\s*from jitlite\.(interpreter\.(?:kernels|codegen)[\w.]*) import (\([^)]*\)|[^#\n]*)", re.MULTILINE)
_GENERATOR = ("frontend", "backend", "isa", "link")
_COMPILERS = ("numba", "llvmlite")


def _default_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "jitlite"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "jitlite"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jitlite"


def cache_folder() -> Path:
    """The folder of compiled kernels, made if needed: JITLITE_CACHE_DIR, or `jitlite` in the user's cache folder.

    Code is loaded from it, so a folder that belongs to somebody else, or that others may write to, is refused with a JitliteError.
    """
    named = os.environ.get("JITLITE_CACHE_DIR")
    folder = Path(named) if named else _default_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.stat()
    except OSError as error:
        raise JitliteError(f"kernel cache {folder}: a folder that can be written is required, found: {error.strerror}") from error
    mode = stat.S_IMODE(state.st_mode)
    if sys.platform != "win32" and (state.st_uid != os.getuid() or mode & 0o022):
        raise JitliteError(f"kernel cache {folder}: a folder only its owner can write to (mode 0700) is required, found mode {mode:04o}")
    return folder


@cache
def _source(module: str) -> tuple[bytes, frozenset[str]]:
    """A module's source and the modules of kernels and codegen it imports."""
    path = PACKAGE.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = path.read_text(encoding="utf-8")
    imported = set()
    for base, names in _IMPORT.findall(text):
        imported.add(base)
        folder = PACKAGE.joinpath(*base.split("."))
        if folder.is_dir():
            imported |= {f"{base}.{name}" for name in re.findall(r"\w+", names) if (folder / f"{name}.py").exists()}
    return text.encode(), frozenset(imported)


def sources(family: str) -> list[str]:
    """The modules, relative to `jitlite`, whose text decides what a family compiles to."""
    found: set[str] = set()
    waiting = [f"interpreter.kernels.{family}", *(f"interpreter.codegen.{name}" for name in _GENERATOR)]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _source(module)[1]
    return sorted(found)


def source_bytes(family: str) -> int:
    """The size of a family's own source: a guess at how long it takes to compile."""
    return len(_source(f"interpreter.kernels.{family}")[0])


@cache
def compiler_versions() -> str:
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


def _stem(family: str, target: Target | None = None) -> str:
    target = target or requested_target()
    machine = repr(target) if target else machine_fingerprint()
    texts = [part for module in sources(family) for part in (module.encode(), _source(module)[0])]
    return f"{family}-{_digest(machine.encode(), *texts)}"


def _suffix() -> str:
    return "so" if sys.platform.startswith("linux") else "o"


def file_name(family: str, target: Target | None = None) -> str:
    """The name of the library the installed compilers make of a family: a shared library on Linux, object code elsewhere.

    `target` is by default the one in effect.
    """
    return f"{_stem(family, target)}-{_digest(compiler_versions().encode())}.{_suffix()}"


def find(family: str) -> Path | None:
    """The cached library of a family, or None; without compilers here, one that any compilers made will do."""
    folder = cache_folder()
    if compiler_versions():
        exact = folder / file_name(family)
        return exact if exact.exists() else None
    return next(iter(sorted(folder.glob(f"{_stem(family)}-*.{_suffix()}"))), None)
