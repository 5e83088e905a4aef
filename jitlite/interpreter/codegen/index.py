"""Which library holds a kernel family, remembered: a process that finds its sources unchanged neither reads nor hashes them.

An index belongs to one copy of the package, one Python environment and one machine or target. It states sizes and modification times of
the sources its libraries were made of and of the folders the compilers are installed in; what differs is looked up anew in the cache.
This module is imported before every first inference and therefore imports little itself.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress

from jitlite.interpreter.codegen.target import machine_fingerprint
from jitlite.schemas.errors import JitliteError

PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
"""The folder of the jitlite package."""

_SETTLED_NS = 2_000_000_000
"""Files changed less than this ago may change again without their times showing it."""


def _default_folder() -> str:
    if sys.platform == "win32":
        return os.path.join(os.environ.get("LOCALAPPDATA") or os.path.expanduser(r"~\AppData\Local"), "jitlite")
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Caches/jitlite")
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "jitlite")


def library_folder() -> str:
    """The folder of compiled kernels, made if needed: JITLITE_CACHE_DIR, or `jitlite` in the user's cache folder.

    Code is loaded from it, so a folder that belongs to somebody else, or that others may write to, is refused with a JitliteError.
    """
    folder = os.environ.get("JITLITE_CACHE_DIR") or _default_folder()
    if os.environ.get("JITLITE_CHECKS"):
        folder = os.path.join(folder, "checked")
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        state = os.stat(folder)
    except OSError as error:
        raise JitliteError(f"kernel cache {folder}: a folder that can be written is required, found: {error.strerror}") from error
    mode = stat.S_IMODE(state.st_mode)
    if sys.platform != "win32" and (state.st_uid != os.getuid() or mode & 0o022):
        raise JitliteError(f"kernel cache {folder}: a folder only its owner can write to (mode 0700) is required, found mode {mode:04o}")
    return folder


State = tuple[int, int]
"""A file's or folder's size and modification time in nanoseconds."""


def state_of(path: str) -> State | None:
    """The present state of a file or folder, or None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def short_number(text: str) -> int:
    """A number below 2^61 for a text, the same in every process."""
    return int.from_bytes(text.encode(), "big") % (2**61 - 1)


def environment_key() -> str:
    """Text that differs between copies of the package, Python environments and machines or targets."""
    return repr((PACKAGE, sys.prefix, os.environ.get("JITLITE_TARGET") or machine_fingerprint()))


class Index:
    """The index of this process: `files` has the state each path had, `families` a library's name and the paths it depends on."""

    def __init__(self) -> None:
        self.folder = library_folder()
        self.key = environment_key()
        self.path = os.path.join(self.folder, f"index-{short_number(self.key):015x}.txt")
        self.files: dict[str, State] = {}
        self.families: dict[str, tuple[str, list[str]]] = {}
        self._checked: dict[str, bool] = {}
        try:
            with open(self.path, encoding="utf-8") as file:
                key, *lines = file.read().split("\n")
        except FileNotFoundError:
            return
        if key == self.key:
            self._parse(lines)

    def _parse(self, lines: Iterable[str]) -> None:
        paths: list[str] = []
        for line in lines:
            kind, first, second, third = line.split("\t")
            if kind == "file":
                self.files[third] = int(first), int(second)
                paths.append(third)
            else:
                self.families[first] = second, [paths[int(number)] for number in third.split(",")]

    def _is_unchanged(self, path: str) -> bool:
        found = self._checked.get(path)
        if found is None:
            found = self._checked[path] = state_of(path) == self.files[path]
        return found

    def library(self, family: str) -> str | None:
        """The path of a family's library where nothing it depends on has changed and the library is there, else None."""
        if family not in self.families:
            return None
        name, paths = self.families[family]
        library = os.path.join(self.folder, name)
        return library if all(map(self._is_unchanged, paths)) and os.path.exists(library) else None


def remembered(families: Iterable[str]) -> dict[str, str]:
    """Paths of the libraries of those families that the index knows and for which nothing has changed since."""
    index = Index()
    found = ((family, index.library(family)) for family in families)
    return {family: path for family, path in found if path is not None}


def remember(found: Mapping[str, tuple[str, Mapping[str, State | None]]]) -> None:
    """Adds families, each with its library's name and the paths it depends on in the states they had before they were read.

    A family is left out while a file of its has just been written. An index that cannot be written costs later processes time, no more.
    """
    index, newest = Index(), time.time_ns() - _SETTLED_NS
    kept = {name: entry for name, entry in index.families.items() if index.library(name) is not None}
    files = {path: index.files[path] for _, paths in kept.values() for path in paths}
    for family, (library, states) in found.items():
        settled = {path: state for path, state in states.items() if state is not None and state[1] < newest and path.isprintable()}
        if len(settled) == len(states):
            kept[family] = library, list(states)
            files |= settled
    numbers = {path: str(number) for number, path in enumerate(files)}
    lines = [index.key, *(f"file\t{size}\t{time_ns}\t{path}" for path, (size, time_ns) in files.items())]
    lines += [f"family\t{name}\t{library}\t{','.join(numbers[path] for path in paths)}" for name, (library, paths) in kept.items()]
    temporary = f"{index.path}.{os.getpid()}"
    with suppress(OSError):
        with open(temporary, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
        os.replace(temporary, index.path)
