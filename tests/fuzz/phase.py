"""Whose code a trial is in, for the process that watches it: what ends a reference is no fault of what is under test."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager

_AT = 8
"""The byte of a worker's shared memory."""
_told: list[mmap.mmap] = []


def tell(shared: mmap.mmap) -> None:
    """From now on this process says in `shared` when it is in a reference."""
    _told[:] = [shared]


@contextmanager
def in_reference() -> Iterator[None]:
    for shared in _told:
        shared[_AT] = 1
    yield
    for shared in _told:
        shared[_AT] = 0


def is_in_reference(shared: mmap.mmap) -> bool:
    return bool(shared[_AT])
