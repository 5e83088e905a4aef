"""Loads kernel libraries. A process that finds them in the cache imports no compiler."""

import ctypes
import json
import os
from collections.abc import Iterable
from pathlib import Path

from jitlite.interpreter.codegen.cache import find
from jitlite.schemas.errors import JitliteError


class Library:
    """A loaded kernel family: addresses of its kernels and, by kernel, the (name, storage) of each parameter in order."""

    def __init__(self, family: str, parameters: dict[str, list[tuple[str, str]]], addresses: dict[str, int], owner: object) -> None:
        self.family = family
        self.parameters = parameters
        self.addresses = addresses
        self._owner = owner


_loaded: dict[tuple[str, str], Library] = {}


def _open(family: str, path: Path) -> Library:
    """Loads a library file; JitliteError where the file is damaged."""
    try:
        return _open_shared(family, path) if path.suffix == ".so" else _open_object(family, path)
    except (OSError, ValueError, RuntimeError) as error:
        raise JitliteError(f"kernel library {path}: a file that loads is required, found: {error}; delete it to compile anew") from error


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
    """The libraries of the named families; those missing from the cache are compiled first, all together.

    A family stays loaded for the life of the process.
    """
    wanted = {family: (family, os.environ.get("JITLITE_TARGET", "")) for family in families}
    absent = [family for family, key in wanted.items() if key not in _loaded]
    if absent:
        missing = [family for family in absent if find(family) is None]
        if missing:
            from jitlite.interpreter.codegen.compile import compile_families

            compile_families(missing)
        for family in absent:
            path = find(family)
            assert path is not None, f"kernels {family} were compiled but are not in the cache"
            _loaded[wanted[family]] = _open(family, path)
    return {family: _loaded[key] for family, key in wanted.items()}
