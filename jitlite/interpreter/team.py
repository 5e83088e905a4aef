"""Teams of threads, which share the steps of a plan, and the pools that interpreters lease them from.

Interpreters with the same number of threads share a pool. A run leases a team for one native call, so interpreters that take turns use the
same threads, and those that run at the same time get teams of their own. Workers spin for a millisecond or two behind a run, then sleep.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import time
from threading import Lock, Thread, current_thread
from weakref import WeakSet, WeakValueDictionary, finalize

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.codegen.immediate import call_kernel
from jitlite.interpreter.kernels.team_blocks import LINE, MOST_TEAMS, WORKERS
from jitlite.interpreter.memory import aligned_bytes


def _address(function: object) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0  # type: ignore[arg-type]  # any C function has an address


def _sched_yield() -> int:
    if sys.platform == "win32":
        return _address(ctypes.WinDLL("kernel32").SwitchToThread)
    return _address(ctypes.CDLL(None).sched_yield)


def _clock() -> tuple[int, int]:
    """The address of a function that writes two words of time, at most the second of nanoseconds, and its first argument; 0: the words."""
    if sys.platform == "win32":
        return _address(ctypes.WinDLL("kernel32").QueryPerformanceCounter), 0
    return _address(ctypes.CDLL(None).clock_gettime), time.CLOCK_MONOTONIC


_allocate_lock = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyThread_allocate_lock", ctypes.pythonapi))
_acquire_lock = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)(("PyThread_acquire_lock", ctypes.pythonapi))
_free_lock = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(("PyThread_free_lock", ctypes.pythonapi))


def _serve(memory: NDArray[np.int64], lock: int, worker: int) -> None:
    """A worker's thread: one native call, which keeps the team's memory alive and frees the worker's lock when it returns."""
    call_kernel("team", "serve", team=memory, worker=worker)
    _free_lock(lock)


def _dismiss(memory: NDArray[np.int64]) -> None:
    call_kernel("team", "dismiss", team=memory)


class Team:
    """Threads that wait in native code for parts of a step; `address` is that of the block, `memory`, through which they get them.

    They leave when the team is no longer referred to.
    """

    def __init__(self, threads: int) -> None:
        self.memory = memory = aligned_bytes(8 * (WORKERS + LINE * (threads - 1)), 8 * LINE).view(np.int64)
        self.address: int = memory.ctypes.data
        locks = np.array([_allocate_lock() for _ in range(threads - 1)], np.int64)
        for lock in locks.tolist():
            _acquire_lock(lock, 1)
        sleep, wake = (_address(getattr(ctypes.pythonapi, f"PyThread_{verb}_lock")) for verb in ("acquire", "release"))
        call_kernel("team", "assemble", team=memory, locks=locks, workers=threads - 1, pass_on=_sched_yield(), sleep=sleep, wake=wake)
        self.workers = [
            Thread(target=_serve, args=(memory, lock, worker), name=f"jitlite-{worker}", daemon=True)
            for worker, lock in enumerate(locks.tolist())
        ]
        finalize(self, _dismiss, memory).atexit = False
        _TEAMS.add(self)
        for worker in self.workers:
            worker.start()


class TeamPool:
    """Teams of one size; `address` is that of the block from which runs lease them, `clock` what they measure time with."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.teams: list[Team] = []
        self._block = np.zeros(1 + MOST_TEAMS, np.int64)
        self._growing = Lock()
        self.address: int = self._block.ctypes.data
        self.clock = _clock()

    def grow(self) -> None:
        """Adds a team; for runs that found all teams busy."""
        self.add(Team(self.threads))

    def add(self, team: Team) -> None:
        with self._growing:
            if len(self.teams) < MOST_TEAMS:
                self.teams.append(team)
                call_kernel("team", "enlist", pool=self._block, team=team.memory)

    def forget(self) -> None:
        """Lets go of all teams."""
        self._growing = Lock()
        self._block[0] = 0
        self.teams.clear()


_TEAMS: WeakSet[Team] = WeakSet()
_POOLS: WeakValueDictionary[int, TeamPool] = WeakValueDictionary()


def usable_processors() -> int:
    """The number of processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def team_pool(num_threads: int) -> TeamPool | None:
    """The pool of teams of `num_threads` threads, at most as many as there are processors; None for one thread."""
    threads = min(num_threads, usable_processors())
    return _POOLS.setdefault(threads, TeamPool(threads)) if threads > 1 else None


def _leave() -> None:
    """Ends all workers before the interpreter takes its modules apart."""
    for team in list(_TEAMS):
        _dismiss(team.memory)
        for worker in team.workers:
            if worker is not current_thread():
                worker.join()


def _forget_in_child() -> None:
    """A forked process has none of its parent's workers."""
    _TEAMS.clear()
    for pool in list(_POOLS.values()):
        pool.forget()


atexit.register(_leave)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
