"""Places buffers in one arena so that buffers alive at the same time never overlap."""

from bisect import insort
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from jitlite.schemas.record import Record

ALIGNMENT = 64
SLACK = 64


class Lifetime(Record):
    """A buffer of `n_bytes`, needed from step `first` to step `last`, both included."""

    n_bytes: int
    first: int
    last: int


class Layout(Record):
    """Byte offsets of the buffers, in the order they were asked for, and the arena's size in bytes."""

    offsets: tuple[int, ...]
    n_bytes: int


def plan_arena(lifetimes: Sequence[Lifetime], align: int = ALIGNMENT) -> Layout:
    """Offsets, multiples of `align`, at which buffers alive at the same step never overlap.

    Greedy by size, largest first, into the lowest gap that fits; optimal placement is NP-hard.
    """
    if not lifetimes:
        return Layout((), 0)
    sizes = [max(1, -(-life.n_bytes // align)) * align for life in lifetimes]
    offsets = [0] * len(sizes)
    placed: list[_Placed] = []
    lasting: list[_Placed] = []
    by_step: dict[int, set[_Placed]] = {}
    for i in sorted(range(len(sizes)), key=lambda i: (-sizes[i], lifetimes[i].first, i)):
        first, last = lifetimes[i].first, lifetimes[i].last
        is_lasting = last - first > _FEW_STEPS
        alive = [other for other in (placed if is_lasting else lasting) if other[2] <= last and other[3] >= first]
        if not is_lasting:
            alive = sorted(set().union(alive, *(by_step.get(step, ()) for step in range(first, last + 1))))
        offsets[i] = _lowest_gap(alive, sizes[i])
        place = offsets[i], offsets[i] + sizes[i], first, last
        insort(placed, place)
        if is_lasting:
            insort(lasting, place)
        else:
            for step in range(first, last + 1):
                by_step.setdefault(step, set()).add(place)
    return Layout(tuple(offsets), max(map(sum, zip(offsets, sizes))))


_Placed = tuple[int, int, int, int]
"""Where a buffer starts and ends, and its first and last step."""

_FEW_STEPS = 16


def _lowest_gap(alive: Sequence[_Placed], size: int) -> int:
    """Where the lowest gap between buffers, in the order of their offsets, starts that is large enough."""
    reached = 0
    for start, end, _, _ in alive:
        if start - reached >= size:
            break
        reached = max(reached, end)
    return reached


def lower_bound(lifetimes: Sequence[Lifetime], align: int = ALIGNMENT) -> int:
    """The most bytes alive at one step: no arena can be smaller."""
    changes: dict[int, int] = {}
    for life in lifetimes:
        size = max(1, -(-life.n_bytes // align)) * align
        changes[life.first] = changes.get(life.first, 0) + size
        changes[life.last + 1] = changes.get(life.last + 1, 0) - size
    alive = most = 0
    for step in sorted(changes):
        alive += changes[step]
        most = max(most, alive)
    return most


def aligned_zeros(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """A zeroed array at a multiple of ALIGNMENT."""
    kind: np.dtype[Any] = np.dtype(dtype)
    return aligned_bytes(prod(shape) * kind.itemsize).view(kind).reshape(shape)


def aligned_bytes(n_bytes: int, align: int = ALIGNMENT) -> NDArray[np.uint8]:
    """Zeroed bytes whose address is a multiple of `align`; kernels may read up to SLACK bytes behind them."""
    raw = np.zeros(n_bytes + align + SLACK, np.uint8)
    shift = -raw.ctypes.data % align
    return raw[shift : shift + n_bytes]


def aligned(values: NDArray[Any], align: int = ALIGNMENT) -> NDArray[Any]:
    """The values, or a copy of them, at a multiple of `align`: vectors that straddle cache lines take twice the time to load."""
    if values.ctypes.data % align == 0:
        return values
    copy: NDArray[Any] = aligned_bytes(values.nbytes, align).view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy
