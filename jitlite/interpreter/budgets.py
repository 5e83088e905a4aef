"""What an interpreter may use: bytes of tensor memory, and work in one run.

Both are bounded whatever a file says. Memory is counted before it is allocated. Work is counted in units of about a multiply-add: that of
the operators while planning, and that of loops, whose rounds nobody knows before, while they run.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.memory import aligned_bytes, aligned_zeros
from jitlite.schemas.errors import ExecutionError, UnsupportedError

ARENA_LIMIT_BYTES = 2 << 30
WORK_LIMIT = 1 << 44
"""Some minutes of one thread: more than any known model needs, less than a loop without end."""

MOST_WORK = 1 << 62

PROGRAM_WORK = 30_000_000
"""What a run of a program costs by itself, beside its steps: it is walked in Python."""


class MemoryBudget:
    """Bytes of tensor memory that may be in use at once: arenas, variables and results that operators in Python bring."""

    def __init__(self, limit_bytes: int = ARENA_LIMIT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self._held: list[weakref.ref[NDArray[Any]]] = []

    @property
    def used_bytes(self) -> int:
        """Bytes of allocated memory that something still refers to."""
        owners = [(reference, reference()) for reference in self._held]
        self._held = [reference for reference, owner in owners if owner is not None]
        return sum(owner.nbytes for _, owner in owners if owner is not None)

    def require(self, n_bytes: int) -> None:
        """UnsupportedError where so many bytes more would pass the limit."""
        used_bytes = self.used_bytes
        if used_bytes + n_bytes > self.limit_bytes and used_bytes:
            gc.collect()
            used_bytes = self.used_bytes
        if used_bytes + n_bytes > self.limit_bytes:
            found = f"{used_bytes + n_bytes}" + (f" ({used_bytes} in use)" if used_bytes else "")
            raise UnsupportedError(f"tensor memory: at most {self.limit_bytes} bytes are allowed, found {found}")

    def hold(self, data: NDArray[Any]) -> None:
        """Counts the array that owns the memory of `data` for as long as it lives."""
        owner = data
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        self._held.append(weakref.ref(owner))

    def allocate(self, n_bytes: int) -> NDArray[np.uint8]:
        """Zeroed, aligned memory. UnsupportedError where it would pass the limit, or where the system has none."""
        self.require(n_bytes)
        try:
            data = aligned_bytes(n_bytes)
        except MemoryError:
            raise UnsupportedError(f"tensor memory: {n_bytes} bytes are required, found less in this system") from None
        self.hold(data)
        return data


class WorkBudget:
    """The work of one run: `cell` has what is left of it, for native loops too."""

    def __init__(self, limit: int = WORK_LIMIT) -> None:
        if not 0 < limit <= MOST_WORK:
            raise ValueError(f"work_limit: a number from 1 to 2^62 is required, found {limit}")
        self.limit = limit
        self.cell = aligned_zeros((1,), np.int64)
        self.restart()

    def restart(self) -> None:
        """Makes the whole limit available again."""
        self.cell[0] = self.limit

    def spend(self, work: int, where: str) -> None:
        """ExecutionError when what is left is less."""
        if work > self.cell[0]:
            raise ExecutionError(f"{where}: a run within {self.limit} units of work is required, found one that needs more")
        self.cell[0] -= work
