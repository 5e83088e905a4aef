"""A team of threads that share the steps of a plan.

One thread, the driver, walks the plan. A step that is cut into parts it puts on offer: whoever is there takes a part, runs the kernel on it
and looks for another. The driver takes parts too and waits only for those that others have begun, so a worker that sleeps, or that the
system does not let run, holds nobody up. What the parts of a step are does not depend on who runs them.

`kernels/team_blocks.py` describes the blocks this goes through.
"""

from jitlite.interpreter.kernels.abi import Status, i64, i64p, inline, kernel
from jitlite.interpreter.kernels.intrinsics import (
    address_of,
    atomic_add,
    atomic_exchange,
    atomic_load,
    atomic_store,
    call_foreign,
    call_kernel,
    compare_exchange,
    pause,
    words_at,
)
from jitlite.interpreter.kernels.team_blocks import (
    ACQUIRE,
    ARGUMENTS,
    ASLEEP,
    BED,
    BUSY,
    CREW,
    DONE,
    HELPED,
    KERNEL,
    LEAVE,
    LINE,
    LOCK,
    MOST_TEAMS,
    OFFER,
    PARTS,
    PATIENCE,
    POOL,
    RELEASE,
    STATUS,
    TEAM,
    WAITED,
    WORKERS,
    YIELD,
)

POLLS = 2000
"""Looks at memory before a thread lets others run between two looks: some 50 us."""
YIELDS = 3000
"""Looks of that kind before a worker sleeps: 1 to 2 ms on an idle machine."""
LONGEST_WAIT = 255

_OK = int(Status.OK)


@inline
def _left(offer: int) -> int:
    return (offer & 0xFFFF) - (offer >> 16 & 0xFFFF)


@inline
def _claim(team: i64p, number: int, from_end: bool) -> int:
    """Takes a part of offer `number`, the first left or the last; -1 where none is left."""
    while True:
        offer: int = atomic_load(team, OFFER)
        if offer >> 32 != number or _left(offer) == 0:
            return -1
        if from_end:
            if compare_exchange(team, OFFER, offer, offer - 1):
                return (offer & 0xFFFF) - 1
        elif compare_exchange(team, OFFER, offer, offer + 0x10000):
            return offer >> 16 & 0xFFFF


@inline
def _relax(team: i64p, looks: int) -> None:
    """What a thread does between two looks at memory."""
    if looks < POLLS:
        pause()
    else:
        call_foreign(team[YIELD], 0, 0)


@inline
def _wake(team: i64p) -> None:
    """Wakes the workers that sleep: releases a worker's lock once for each time it lies down."""
    for worker in range(team[CREW]):
        at = WORKERS + LINE * worker
        if atomic_exchange(team, at + BED, 0) != 0:
            atomic_add(team, ASLEEP, -1)
            call_foreign(team[RELEASE], team[at + LOCK], 0)


@inline
def _wake_patiently(team: i64p, run: i64p) -> None:
    """Wakes the workers that sleep; where that brought nothing, only after ever more offers."""
    if run[PATIENCE] > 0:
        run[PATIENCE] -= 1
        return
    run[WAITED] = 0 if run[HELPED] > 0 else min(2 * run[WAITED] + 1, LONGEST_WAIT)
    run[PATIENCE], run[HELPED] = run[WAITED], 0
    _wake(team)


@inline
def lease(run: i64p) -> bool:
    """Finds a team of the run's pool that is not busy; where there are MOST_TEAMS, all busy, the run goes without."""
    pool = words_at(run[POOL])
    count: int = atomic_load(pool, 0)
    for number in range(1, count + 1):
        team = words_at(pool[number])
        if atomic_load(team, BUSY) == 0 and compare_exchange(team, BUSY, 0, 1):
            run[TEAM] = pool[number]
            return True
    run[TEAM] = 0
    return count == MOST_TEAMS


@inline
def give_back(run: i64p) -> None:
    """Lets others have the team."""
    if run[TEAM] != 0:
        atomic_store(words_at(run[TEAM]), BUSY, 0)
        run[TEAM] = 0


@inline
def share(run: i64p, step: int, arguments: int, parts: int) -> int:
    """Runs all parts of a step on the run's team; the first status other than OK the driver meets, or one that a worker met."""
    team = words_at(run[TEAM])
    done: int = atomic_load(team, DONE)
    number = (atomic_load(team, OFFER) >> 32) + 1 & 0x7FFFFFFF
    atomic_store(team, KERNEL, step)
    atomic_store(team, ARGUMENTS, arguments)
    atomic_store(team, PARTS, parts)
    atomic_exchange(team, OFFER, number << 32 | 0x10000 | parts)
    if atomic_load(team, ASLEEP) > 0:
        _wake_patiently(team, run)
    status, own, part = _OK, 0, 0
    while part >= 0:
        found = call_kernel(step, arguments, part, parts)
        if status == _OK:
            status = found
        own += 1
        part = _claim(team, number, False)
    looks = 0
    while atomic_load(team, DONE) != done + parts - own:
        _relax(team, looks)
        looks += 1
    run[HELPED] += parts - own
    met: int = atomic_load(team, STATUS)
    if met != _OK:
        atomic_store(team, STATUS, _OK)
    return status if status != _OK else met


@inline
def _help(team: i64p, offer: int, from_end: bool) -> None:
    """Runs parts of an offer as long as some are left."""
    number = offer >> 32
    step, arguments, parts = atomic_load(team, KERNEL), atomic_load(team, ARGUMENTS), atomic_load(team, PARTS)
    part = _claim(team, number, from_end)
    while part >= 0:
        status = call_kernel(step, arguments, part, parts)
        if status != _OK:
            atomic_store(team, STATUS, status)
        atomic_add(team, DONE, 1)
        part = _claim(team, number, from_end)


@inline
def _sleep(team: i64p, at: int) -> None:
    """Sleeps until woken, unless there is something to do by now."""
    atomic_add(team, ASLEEP, 1)
    atomic_exchange(team, at + BED, 1)
    if (_left(atomic_load(team, OFFER)) > 0 or atomic_load(team, LEAVE) != 0) and atomic_exchange(team, at + BED, 0) != 0:
        atomic_add(team, ASLEEP, -1)
    else:
        call_foreign(team[ACQUIRE], team[at + LOCK], 1)


@kernel
def serve(team: i64p, worker: i64, thread: i64, threads: i64) -> None:
    """The life of worker number `worker`."""
    looks = 0
    while atomic_load(team, LEAVE) == 0:
        offer = atomic_load(team, OFFER)
        if _left(offer) > 0:
            _help(team, offer, worker % 2 == 0)
            looks = 0
        elif looks < POLLS + YIELDS:
            _relax(team, looks)
            looks += 1
        else:
            _sleep(team, WORKERS + LINE * worker)
            looks = 0


@kernel
def dismiss(team: i64p, thread: i64, threads: i64) -> None:
    """Lets the workers return from `serve`."""
    atomic_exchange(team, LEAVE, 1)
    _wake(team)


@kernel
def assemble(team: i64p, locks: i64p, workers: i64, pass_on: i64, sleep: i64, wake: i64, thread: i64, threads: i64) -> None:
    """Fills in a zeroed block of WORKERS + LINE · workers words; each worker has a lock that is held."""
    team[CREW], team[YIELD], team[ACQUIRE], team[RELEASE] = workers, pass_on, sleep, wake
    for worker in range(workers):
        team[WORKERS + LINE * worker + LOCK] = locks[worker]


@kernel
def enlist(pool: i64p, team: i64p, thread: i64, threads: i64) -> None:
    """Adds a team to a pool of fewer than MOST_TEAMS."""
    count = pool[0] + 1
    atomic_store(pool, count, address_of(team))
    atomic_store(pool, 0, count)
