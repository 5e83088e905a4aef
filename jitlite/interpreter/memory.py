"""Places buffers in one arena so that buffers alive at the same time never overlap."""

import os
from bisect import insort
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from jitlite.schemas.record import Record

IS_GUARDED = bool(os.environ.get("JITLITE_GUARD") or os.environ.get("JITLITE_CHECKS"))
"""True where each block of memory lies between pages that nobody may touch (`interpreter/guard.py`): for tests, slow."""

ALIGNMENT = 64
SLACK = 64

_MOST_MOVES = 8
_MOST_PLACED = 4000
"""How long a better placement is looked for: so many orders, and so many buffers placed in all."""


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

    Optimal placement is NP-hard. Buffers go in some order, each into the lowest gap that fits: the largest first, the longest-lived first,
    or as they are needed. From each of these on, the buffer at the arena's end is put first, a few times over. The search ends where the
    lower bound is reached.
    """
    if not lifetimes:
        return Layout((), 0)
    sizes = [max(1, -(-life.n_bytes // align)) * align for life in lifetimes]
    least, moves = lower_bound(lifetimes, align), min(_MOST_MOVES, _MOST_PLACED // len(sizes))
    best: Layout | None = None
    for order in _searched(lifetimes, sizes, moves):
        found = _packed(lifetimes, sizes, order)
        best = found if best is None or found.n_bytes < best.n_bytes else best
        if best.n_bytes == least:
            break
    assert best is not None
    return best


def _searched(lifetimes: Sequence[Lifetime], sizes: Sequence[int], moves: int) -> Iterator[list[int]]:
    """Orders to place buffers in: three to begin with, then each of them changed `moves` times."""
    orders = [
        sorted(range(len(sizes)), key=key)
        for key in (
            lambda i: (-sizes[i], lifetimes[i].first, i),
            lambda i: (lifetimes[i].first - lifetimes[i].last, -sizes[i], i),
            lambda i: (lifetimes[i].first, -sizes[i], i),
        )
    ]
    yield from orders
    for order in orders:
        for _ in range(moves):
            offsets = _packed(lifetimes, sizes, order).offsets
            last = max(order, key=lambda i: offsets[i] + sizes[i])
            order = [last, *(i for i in order if i != last)]
            yield order


_Placed = tuple[int, int, int, int]
"""Where a buffer starts and ends, and its first and last step."""

_FEW_STEPS = 16


def _packed(lifetimes: Sequence[Lifetime], sizes: Sequence[int], order: Sequence[int]) -> Layout:
    """Puts buffers, in this order, each into the lowest gap that fits."""
    offsets = [0] * len(sizes)
    placed: list[_Placed] = []
    lasting: list[_Placed] = []
    by_step: dict[int, list[_Placed]] = {}
    for i in order:
        first, last = lifetimes[i].first, lifetimes[i].last
        is_lasting = last - first > _FEW_STEPS
        alive = [other for other in (placed if is_lasting else lasting) if other[2] <= last and other[3] >= first]
        if not is_lasting:
            for step in range(first, last + 1):
                alive += by_step.get(step, ())
            alive.sort()
        offsets[i] = _lowest_gap(alive, sizes[i])
        place = offsets[i], offsets[i] + sizes[i], first, last
        insort(placed, place)
        if is_lasting:
            insort(lasting, place)
        else:
            for step in range(first, last + 1):
                by_step.setdefault(step, []).append(place)
    return Layout(tuple(offsets), max(map(sum, zip(offsets, sizes))))


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
    if IS_GUARDED:
        from jitlite.interpreter.guard import guarded_bytes

        return guarded_bytes(n_bytes, align, SLACK)
    raw = np.zeros(n_bytes + align + SLACK, np.uint8)
    shift = -raw.ctypes.data % align
    return raw[shift : shift + n_bytes]


def aligned(values: NDArray[Any], align: int = ALIGNMENT) -> NDArray[Any]:
    """The values, or a copy of them, at a multiple of `align`: vectors that straddle cache lines take twice the time to load."""
    if values.ctypes.data % align == 0 and not IS_GUARDED:
        return values
    copy: NDArray[Any] = aligned_bytes(values.nbytes, align).view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy
