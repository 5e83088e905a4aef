"""Memory for finding kernels that read or write where they must not: between pages nobody may touch.

JITLITE_GUARD=end puts every block before such a page, with the slack kernels may read; JITLITE_GUARD=begin right behind one. In either
case each tensor, constant and scratch memory is a block of its own, so a kernel that leaves one ends the process by a signal instead of
reading its neighbour. What lies between a block and the page behind it is filled, and `check_edges` says whether something wrote there.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import weakref

import numpy as np
from numpy.typing import NDArray

EDGE = 0xB7
"""Fills the bytes around a block that nobody may write."""

_PAGE = mmap.PAGESIZE
_NO_ACCESS = 0

_edges: list[tuple[weakref.ref[NDArray[np.uint8]], int, int]] = []
"""The blocks with the bytes they lie in: where the block starts, and its size."""


def mode() -> str:
    """Either "begin", "end" or empty; ValueError for anything else in JITLITE_GUARD."""
    found = os.environ.get("JITLITE_GUARD", "")
    if found not in ("", "begin", "end"):
        raise ValueError(f"JITLITE_GUARD: begin or end is required, found {found!r}")
    return found


def guarded_bytes(n_bytes: int, align: int, slack: int) -> NDArray[np.uint8]:
    """Zeroed bytes at a multiple of `align` between two pages that nobody may touch; `slack` bytes behind them may be read."""
    inner = -(-max(n_bytes + slack, 1) // _PAGE) * _PAGE
    pages = mmap.mmap(-1, inner + 2 * _PAGE)
    whole = np.frombuffer(pages, np.uint8)
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    for first in (0, _PAGE + inner):
        if protect(ctypes.c_void_p(whole.ctypes.data + first), ctypes.c_size_t(_PAGE), _NO_ACCESS):
            raise OSError(ctypes.get_errno(), "mprotect")
    between = whole[_PAGE : _PAGE + inner]
    start = (inner - n_bytes - slack) // align * align if mode() == "end" else 0
    between.fill(EDGE)
    block = between[start : start + n_bytes]
    block.fill(0)
    _edges.append((weakref.ref(whole), _PAGE + start, n_bytes))
    return block


def check_edges() -> None:
    """AssertionError where something wrote beside a block that still exists."""
    kept = []
    for reference, start, n_bytes in _edges:
        whole = reference()
        if whole is None:
            continue
        kept.append((reference, start, n_bytes))
        for name, edge in (("before", whole[_PAGE:start]), ("behind", whole[start + n_bytes : len(whole) - _PAGE])):
            written = np.flatnonzero(edge != EDGE)
            assert not written.size, f"a block of {n_bytes} bytes: {written.size} bytes {name} it were written, the first at {written[0]}"
    _edges[:] = kept
