"""Memory for finding kernels that read or write where they must not: between pages nobody may touch, or known to checked kernels.

JITLITE_GUARD=end puts every block before such a page, with the slack kernels may read; JITLITE_GUARD=begin right behind one. In either
case each tensor, constant and scratch memory is a block of its own, so a kernel that leaves one ends the process by a signal instead of
reading its neighbour. What lies between a block and the page behind it is filled, and `check_edges` says whether something wrote there.

JITLITE_CHECKS=bounds runs kernels that look up every address they load from or store to in a table of these blocks
(`codegen/bounds.py`); `check_accesses` says whether one was outside.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import weakref
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

EDGE = 0xB7
"""Fills the bytes around a block that nobody may write."""

IS_CHECKED = os.environ.get("JITLITE_CHECKS", "") == "bounds"

TABLE_ADDRESS = 1 << 44
"""Where the table of legal ranges lies. Its words: [COUNT] of the ranges, [FOUND] the first address outside with its size, what may be
read behind and the family's code; from TABLE_START on start and end of each range, in their order."""
COUNT, FOUND, TABLE_START = 0, 1, 8
_TABLE_BYTES = 1 << 24
_FIXED = 0x100000 | 0x20 | 0x02  # MAP_FIXED_NOREPLACE, MAP_ANONYMOUS, MAP_PRIVATE

_starts: list[int] = []
_ends: list[int] = []

_PAGE = mmap.PAGESIZE
_NO_ACCESS = 0

_edges: list[tuple[weakref.ref[NDArray[np.uint8]], int, int]] = []
"""The blocks with the bytes they lie in: where the block starts, and its size."""


def mode() -> str:
    """Either "begin", "end" or empty; ValueError for anything else in JITLITE_GUARD."""
    found = os.environ.get("JITLITE_GUARD", "end" if IS_CHECKED else "")
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
    if IS_CHECKED:
        _allow(block.ctypes.data, n_bytes)
        weakref.finalize(whole, _forbid, block.ctypes.data)
    return block


@cache
def _table() -> NDArray[np.int64]:
    """The table of ranges, at its address."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    words = [ctypes.c_void_p(TABLE_ADDRESS), ctypes.c_size_t(_TABLE_BYTES), mmap.PROT_READ | mmap.PROT_WRITE, _FIXED, -1, ctypes.c_long(0)]
    if libc.mmap(*words) != TABLE_ADDRESS:
        raise OSError(ctypes.get_errno(), "mmap")
    return np.ctypeslib.as_array((ctypes.c_int64 * (_TABLE_BYTES // 8)).from_address(TABLE_ADDRESS))


def _allow(start: int, n_bytes: int) -> None:
    place = bisect_left(_starts, start)
    if place < len(_starts) and _starts[place] == start:
        _ends[place] = max(_ends[place], start + n_bytes)
    else:
        _starts.insert(place, start)
        _ends.insert(place, start + n_bytes)
    _write()


def _forbid(start: int) -> None:
    place = bisect_left(_starts, start)
    if place < len(_starts) and _starts[place] == start:
        del _starts[place], _ends[place]
        _write()


def _write() -> None:
    table, count = _table(), len(_starts)
    table[TABLE_START : TABLE_START + 2 * count : 2] = _starts
    table[TABLE_START + 1 : TABLE_START + 2 * count : 2] = _ends
    table[COUNT] = count


@contextmanager
def allowed(arrays: list[NDArray[np.generic]]) -> Iterator[None]:
    """Lets checked kernels touch these arrays meanwhile, wherever they lie."""
    known = [array for array in arrays if array.ctypes.data not in _starts]
    for array in known:
        _allow(array.ctypes.data, array.nbytes)
    try:
        yield
    finally:
        for array in known:
            _forbid(array.ctypes.data)


def check_accesses() -> None:
    """AssertionError where a checked kernel has loaded from or stored to an address outside of all blocks since the last call."""
    if not IS_CHECKED:
        return
    address, n_bytes, _, code = (int(word) for word in _table()[FOUND : FOUND + 4])
    _table()[FOUND : FOUND + 4] = 0
    if address:
        from jitlite.interpreter.codegen.library import _loaded

        family = next((name for name, _ in _loaded if crc32(name.encode()) == code), "?")
        place = bisect_left(_starts, address + 1) - 1
        beside = "outside of all blocks"
        if place >= 0:
            beside = f"at byte {address - _starts[place]} of a block of {_ends[place] - _starts[place]}"
        raise AssertionError(f"kernels {family}: an access to {n_bytes} bytes {beside}")


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
