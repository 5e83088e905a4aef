"""Which steps a run shares with a team, and native calls that a team takes part in.

A step is shared where that pays on this machine. Steps that move many bytes are shared from the first run on; what the others cost is
measured during the first runs, and then every step is cut into as many parts as its time is worth. What sharing costs depends on how far
apart the threads run, so there are up to three ways to cut a table's steps, and `kernels/cuts.py` chooses among them by timing runs.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence, Set
from functools import partial
from time import perf_counter_ns
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.kernels.team_blocks import (
    AVERAGE,
    CLOCK,
    CLOCK_ID,
    CUTS,
    FAILED,
    FIRST_HOLD,
    HOLD,
    KEPT,
    LEAST,
    LEFT,
    NO_TEAM,
    POOL,
    SECONDS,
    TRIAL,
    TRIAL_RUNS,
    TRIED,
    WORK_LIMIT,
)
from jitlite.schemas.record import Record

if TYPE_CHECKING:
    from jitlite.interpreter.team import TeamPool

SURE_BYTES = 1 << 18
"""A step on tensors of so many bytes is worth sharing on any machine."""
PART_NS = 400
"""The least time of a part: a few times what it costs to hand one over."""
FINE_PART_NS = 10_000
FINE_PARTS = 4
"""Steps whose parts would be long are cut finer, up to so many parts for each thread: who is held up leaves the rest to others."""
FAR_NS = 3000
FAR_BYTES_PER_NS = 8
"""Threads that share no cache pay for each step some time, and some for each byte another thread wrote."""
TRIALS = 4
"""Runs that are measured. The first, on cold caches, does not count."""

_Walk = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)
"""The type of `run_steps`, which reads nothing but its argument block; each further argument would cost some 100 ns here."""


def parts_for_bytes(n_bytes: int, threads: int) -> int:
    """How many parts a step on so many bytes is cut into before its time is known."""
    return threads if n_bytes >= SURE_BYTES else 1


def parts_for_time(time_ns: int, threads: int) -> int:
    """How many parts a step that takes one thread so long is cut into; 1 where sharing it would not pay."""
    shares = min(threads, time_ns // PART_NS)
    if shares < threads:
        return max(1, shares)
    return threads * max(1, min(FINE_PARTS, time_ns // (threads * FINE_PART_NS)))


def pays_afar(time_ns: int, n_bytes: int) -> bool:
    """True for a step of such a time, on tensors of so many bytes, that is worth sharing among threads without a common cache."""
    return time_ns >= FAR_NS + n_bytes // FAR_BYTES_PER_NS


class Sharing(Record):
    """How runs share their steps: `cut` says into how many parts for a step's bytes, `pool` lends the team that runs them.

    No step has more than `most_parts`. After `trials` runs steps are cut anew. Without a pool the calling thread runs all parts.
    """

    cut: Callable[[int], int]
    most_parts: int
    pool: TeamPool | None = None
    trials: int = 0


ALONE = Sharing(lambda n_bytes: 1, 1)


def sharing(num_threads: int) -> Sharing:
    """Runs on `num_threads` threads, at most as many as there are processors."""
    if num_threads == 1:
        return ALONE
    from jitlite.interpreter.team import team_pool

    pool = team_pool(num_threads)
    return ALONE if pool is None else Sharing(partial(parts_for_bytes, threads=pool.threads), FINE_PARTS * pool.threads, pool, TRIALS)


def _has_parts(table: NDArray[np.int64]) -> bool:
    return bool((table[:, 2] > 1).any())


class TableRun:
    """Native calls over a step table. `entry` is the address of `run_steps`, `run` the block of these runs.

    The rows in `driven`, whose steps walk the `nested` tables, are never cut into parts. A row's step works on `moved` bytes of tensors.
    """

    def __init__(
        self,
        entry: int,
        table: NDArray[np.int64],
        driven: Set[int],
        nested: Sequence[NDArray[np.int64]],
        run: NDArray[np.int64],
        sharing: Sharing,
        moved: Sequence[int],
    ) -> None:
        self.table, self._driven, self._nested, self._moved = table, driven, nested, moved
        self._tables = table[np.newaxis]
        self._run, self._pool, self._most_parts = run, sharing.pool, sharing.most_parts
        self._block = np.array([table.ctypes.data, len(table), run.ctypes.data], np.int64)
        self._walk: Callable[[], int] = partial(_Walk(entry), self._block.ctypes.data)
        self._trials = self._trials_left = sharing.trials
        self._least_ns = [sys.maxsize] * len(table)
        self._ask_for_team()

    def _ask_for_team(self) -> None:
        """Lets runs lease a team if steps have parts."""
        has_parts = any(_has_parts(table) for table in (self.table, *self._nested))
        self._run[POOL] = self._pool.address if self._pool is not None and has_parts else 0

    @property
    def call(self) -> Callable[[], int] | None:
        """Runs the table in one native call and returns the status, or NO_TEAM; None while steps are measured."""
        return None if self._trials_left else self._walk

    def run(self) -> int:
        """Runs the table and returns the status."""
        return self._try() if self._trials_left else self._start()

    def _start(self) -> int:
        status = self._walk()
        while status == NO_TEAM and self._pool is not None:
            self._pool.grow()
            status = self._walk()
        return status

    def run_rows(self, first: int, count: int) -> tuple[int, int]:
        """Runs `count` steps, cut as finely as they may be; returns the status and how long they took, in nanoseconds."""
        whole, cuts = self._block[:2].copy(), int(self._run[CUTS])
        self._block[:2], self._run[CUTS] = (self.table.ctypes.data + first * self.table.strides[0], count), 0
        try:
            started = perf_counter_ns()
            return self._start(), perf_counter_ns() - started
        finally:
            self._block[:2], self._run[CUTS] = whole, cuts

    def _try(self) -> int:
        """Runs the table step by step and notes the times; behind the last trial, cuts the steps anew."""
        for row, least_ns in enumerate(self._least_ns):
            status, spent_ns = self.run_rows(row, 1)
            if status:
                return status
            if self._trials_left < self._trials:
                self._least_ns[row] = min(least_ns, spent_ns)
        self._trials_left -= 1
        if self._trials_left == 0:
            self._settle()
        return 0

    def _settle(self) -> None:
        """Cuts the steps by their times: not at all, as pays among distant threads, and as pays among near ones."""
        assert self._pool is not None
        call_ns = min(self.run_rows(0, 0)[1] for _ in range(3))
        alone, afar, near = self.table.copy(), self.table.copy(), self.table.copy()
        alone_ns = 0
        for row, (least_ns, n_bytes) in enumerate(zip(self._least_ns, self._moved, strict=True)):
            time_ns = int(self.table[row, 2]) * (least_ns - call_ns)
            alone_ns += max(0, time_ns)
            if row not in self._driven:
                near[row, 2] = min(parts_for_time(time_ns, self._pool.threads), self._most_parts)
                afar[row, 2] = near[row, 2] if pays_afar(time_ns, n_bytes) else 1
                alone[row, 2] = 1
        has_middle = _has_parts(afar) and bool((afar != near).any())
        self._tables = np.stack([alone, *([afar] if has_middle else []), near])
        self.table = self._tables[-1]
        self._block[0] = self._tables.ctypes.data
        self._ask_for_team()
        self._question(alone_ns)

    def _question(self, alone_ns: int) -> None:
        """Lets runs find out which way to cut steps is best; they start with trying the finest against none, whose times are known."""
        assert self._pool is not None
        run, finest = self._run, len(self._tables) - 1
        address, first = self._pool.clock
        run[CUTS], run[CLOCK], run[CLOCK_ID] = len(self._tables), address, first or run.ctypes.data + run.itemsize * SECONDS
        run[KEPT], run[TRIED], run[TRIAL] = 0, finest, finest
        run[HOLD], run[LEFT], run[LEAST], run[AVERAGE] = FIRST_HOLD, TRIAL_RUNS, sys.maxsize, alone_ns

    def restart_work(self, limit: int) -> None:
        """Lets each run start with so much work that its loops may do, whatever runs before have left."""
        self._run[WORK_LIMIT] = limit

    def take_failed(self) -> int:
        """The address of the argument block of the step that failed."""
        failed = int(self._run[FAILED])
        self._run[FAILED] = 0
        return failed
