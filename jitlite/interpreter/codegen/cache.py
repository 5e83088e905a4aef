"""Where compiled kernels are kept, and the file name that says all a library depends on.

A library holds one kernel family for one machine. Its name carries the digest of the family's sources and those they import, of the code
generator's own sources, of the target and of the compilers' versions.
"""

import os
import re
import sys
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from jitlite.interpreter.codegen import index
from jitlite.interpreter.codegen.target import Target, machine_fingerprint, requested_target

PACKAGE = Path(index.PACKAGE)

_IMPORT = re.compile(r"^\s*from jitlite\.(interpreter\.(?:kernels|codegen)[\w.]*) import (\([^)]*\)|[^#\n]*)", re.MULTILINE)
_GENERATOR = ("frontend", "backend", "isa", "link")
_COMPILERS = ("numba", "llvmlite")


def cache_folder() -> Path:
    """The folder of compiled kernels; see `index.library_folder`."""
    return Path(index.library_folder())


_states: dict[str, index.State | None] = {}
"""What this process has read to name libraries: files and folders, in the states they had before."""


@cache
def _source(module: str) -> tuple[bytes, frozenset[str]]:
    """A module's source and the modules of kernels and codegen it imports."""
    path = _path(module)
    _states[str(path)] = index.state_of(str(path))
    text = path.read_text(encoding="utf-8")
    imported = set()
    for base, names in _IMPORT.findall(text):
        imported.add(base)
        folder = PACKAGE.joinpath(*base.split("."))
        if folder.is_dir():
            imported |= {f"{base}.{name}" for name in re.findall(r"\w+", names) if (folder / f"{name}.py").exists()}
    return text.encode(), frozenset(imported)


def _path(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


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


def _compiler_folders() -> dict[str, str]:
    """The folders the compilers found here are installed in."""
    found = {name: find_spec(name) for name in _COMPILERS}
    return {name: str(Path(spec.origin).parent.parent) for name, spec in found.items() if spec is not None and spec.origin is not None}


@cache
def compiler_versions() -> str:
    """Installed compilers and their versions, read from folder names; empty where one is missing."""
    folders = _compiler_folders()
    if len(folders) < len(_COMPILERS):
        return ""
    versions = []
    for name, site in folders.items():
        _states[site] = index.state_of(site)
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


def locate(families: Sequence[str]) -> dict[str, str]:
    """Paths of the libraries of families, which the index remembers from then on; those missing from the cache are compiled first."""
    missing = [family for family in families if find(family) is None]
    if missing:
        from jitlite.interpreter.codegen.compile import compile_families

        compile_families(missing)
    found = {family: path for family in families if (path := find(family)) is not None}
    assert len(found) == len(families), f"kernels {sorted(set(families) - set(found))} were compiled but are not in the cache"
    index.remember({family: (path.name, _depends(family)) for family, path in found.items()})
    return {family: str(path) for family, path in found.items()}


def _depends(family: str) -> dict[str, index.State | None]:
    """The files and folders a family's library is named after, in the states they had before they were read."""
    folders = _compiler_folders().values() if compiler_versions() else ()
    return {path: _states[path] for path in (*(str(_path(module)) for module in sources(family)), *folders)}
