"""Loads kernel libraries. A process that finds them in the cache imports no compiler."""

import ctypes
import os
from collections.abc import Iterable

from jitlite.interpreter.codegen.index import remembered
from jitlite.schemas.errors import JitliteError


class Library:
    """A loaded kernel family: addresses of its kernels and, by kernel, the (name, storage) of each parameter in order."""

    def __init__(self, family: str, parameters: dict[str, list[tuple[str, str]]], addresses: dict[str, int], owner: object) -> None:
        self.family = family
        self.parameters = parameters
        self.addresses = addresses
        self._owner = owner


_loaded: dict[tuple[str, str], Library] = {}


def _open(family: str, path: str) -> Library:
    """Loads a library file; JitliteError where the file is damaged."""
    try:
        return _open_shared(family, path) if path.endswith(".so") else _open_object(family, path)
    except (OSError, ValueError, RuntimeError) as error:
        raise JitliteError(f"kernel library {path}: a file that loads is required, found: {error}; delete it to compile anew") from error


def _read_manifest(address: int) -> dict[str, list[tuple[str, str]]]:
    """Each kernel's parameters, from the text at an address; `frontend.MANIFEST` has its form."""
    parameters = {}
    for kernel in ctypes.string_at(address).decode().split(";"):
        name, declared = kernel.split(" ")
        parameters[name] = [(parameter, storage) for parameter, _, storage in (item.partition(":") for item in declared.split(",") if item)]
    return parameters


def _address(shared: ctypes.CDLL, symbol: str) -> int:
    return ctypes.addressof(ctypes.c_char.in_dll(shared, symbol))


def _open_shared(family: str, path: str) -> Library:
    shared = ctypes.CDLL(path)
    parameters = _read_manifest(_address(shared, "kernel_manifest"))
    return Library(family, parameters, {name: _address(shared, name) for name in parameters}, shared)


def _open_object(family: str, path: str) -> Library:
    """Loads object code in this process through llvmlite, where no shared library can be linked."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    compiler = llvm.create_lljit_compiler()
    with open(path, "rb") as file:
        code = file.read()
    builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process().export_symbol("kernel_manifest")
    tracker = builder.link(compiler, family)
    parameters = _read_manifest(tracker["kernel_manifest"])
    again = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
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
        found = remembered(absent)
        forgotten = [family for family in absent if family not in found]
        if forgotten:
            from jitlite.interpreter.codegen.cache import locate

            found |= locate(forgotten)
        for family in absent:
            _loaded[wanted[family]] = _open(family, found[family])
    return {family: _loaded[key] for family, key in wanted.items()}


def loaded(family: str) -> Library:
    """The library of one family."""
    found = _loaded.get((family, os.environ.get("JITLITE_TARGET", "")))
    return load([family])[family] if found is None else found
