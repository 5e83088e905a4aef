"""Chooses, among several ways to cut the steps of a plan into parts, the one with which runs take least time.

What a shared step costs depends on where the system lets threads run, and changes. So runs are timed. They go on in bouts: a long one with
the way that is kept, then a short one that tries another; of the two the better is kept. A bout's first runs do not count, since data have
to move and workers to wake up, for which a trial waits a while. The more often a way has proved itself, the longer it is kept before the
next trial.

Ways are numbered by how much they share; number 0 shares nothing. Of two that take about as long, the one that shares less is kept.
"""

from jitlite.interpreter.kernels.abi import i64p, inline
from jitlite.interpreter.kernels.intrinsics import address_of, call_foreign
from jitlite.interpreter.kernels.team_blocks import (
    AVERAGE,
    CLOCK,
    CLOCK_ID,
    COUNTED,
    COUNTED_RUNS,
    CUTS,
    ELAPSED,
    FIRST_HOLD,
    HELPED,
    HOLD,
    KEPT,
    LEAST,
    LEFT,
    LONGEST_HOLD,
    PATIENCE,
    SECONDS,
    SPENT,
    TRIAL,
    TRIAL_RUNS,
    TRIED,
    WAITED,
)

LONG_NS = 200_000
"""A trial with runs of that time ends behind LONG_RUNS more."""
LONG_RUNS = 2
IDLE_NS = 20_000_000
"""How long a trial waits for workers."""
MS = 1_000_000
GAIN = 32
"""Sharing more has to save one part in GAIN of the time."""

_NEVER = 1 << 62


@inline
def now_ns(run: i64p) -> int:
    call_foreign(run[CLOCK], run[CLOCK_ID], address_of(run) + 8 * SECONDS)
    return run[SECONDS] * 1_000_000_000 + run[SECONDS + 1]


@inline
def _start(run: i64p, cut: int, runs: int) -> None:
    """Starts a bout."""
    run[TRIED], run[LEFT], run[SPENT], run[COUNTED], run[LEAST], run[ELAPSED] = cut, runs, 0, 0, _NEVER, 0


@inline
def _end(run: i64p) -> None:
    """Ends a bout and starts the next."""
    kept, tried = run[KEPT], run[TRIED]
    run[AVERAGE + tried] = run[SPENT] // run[COUNTED]
    if tried == kept:
        trial = (run[TRIAL] + 1) % run[CUTS]
        if trial == kept:
            trial = (trial + 1) % run[CUTS]
        run[TRIAL], run[PATIENCE], run[WAITED], run[HELPED] = trial, 0, 0, 0
        _start(run, trial, TRIAL_RUNS)
        return
    less, more = min(kept, tried), max(kept, tried)
    better = more if run[AVERAGE + more] * GAIN < run[AVERAGE + less] * (GAIN - 1) else less
    run[HOLD] = min(2 * run[HOLD], LONGEST_HOLD) if better == kept else FIRST_HOLD
    run[KEPT] = better
    _start(run, better, run[HOLD])


@inline
def _goes_on(run: i64p) -> bool:
    """True where a bout is not long enough yet for its last runs, or waits for workers to help in the first one that shares steps."""
    if run[TRIED] == run[KEPT]:
        return run[LEFT] == COUNTED_RUNS + 1 and run[ELAPSED] < MS * run[HOLD]
    return run[LEFT] == TRIAL_RUNS and run[TRIED] > 0 and run[HELPED] == 0 and run[ELAPSED] < IDLE_NS


@inline
def note(run: i64p, spent_ns: int) -> None:
    """Notes how long a run took that was cut in the way numbered run[TRIED]; changes that where another is to be tried or kept."""
    run[ELAPSED] += spent_ns
    if _goes_on(run):
        return
    if run[LEFT] <= COUNTED_RUNS:
        run[LEAST] = min(run[LEAST], spent_ns)
        run[SPENT] += min(spent_ns, 2 * run[LEAST])
        run[COUNTED] += 1
    elif run[TRIED] != run[KEPT] and spent_ns >= LONG_NS:
        run[LEFT] = LONG_RUNS + 1
    run[LEFT] -= 1
    if run[LEFT] <= 0:
        _end(run)
