"""The loop that walks a step table, and control flow over nested tables.

A step is three int64: the kernel's address, its argument block's address and the number of parts it is cut into. The driver of a team walks
all tables, nested ones too; `run` is the block of its plan's run.
"""

from jitlite.interpreter.kernels.abi import Status, i32, i64, i64p, inline, kernel, span, u8p
from jitlite.interpreter.kernels.cuts import note, now_ns
from jitlite.interpreter.kernels.intrinsics import advance, call_kernel, words_at
from jitlite.interpreter.kernels.team import give_back, lease, share
from jitlite.interpreter.kernels.team_blocks import CUTS, FAILED, NO_TEAM, POOL, TEAM, TRIED, WORK, WORK_LIMIT

_OK = int(Status.OK)
_SPENT = int(Status.STEP_BUDGET_SPENT)


@inline
def _run_alone(step: int, arguments: int, parts: int) -> int:
    """Runs all parts of a step, one after the other, up to one that fails."""
    for part in range(parts):
        status: int = call_kernel(step, arguments, part, parts)
        if status != _OK:
            return status
    return _OK


@inline
def _walk(steps: i64p, count: i64, run: i64p) -> int:
    for row in range(0, 3 * count, 3):
        step, arguments, parts = steps[row], steps[row + 1], steps[row + 2]
        if parts == 1:
            status: int = call_kernel(step, arguments, 0, 1)
        elif run[TEAM] != 0:
            status = share(run, step, arguments, parts)
        else:
            status = _run_alone(step, arguments, parts)
        if status != _OK:
            if run[FAILED] == 0:
                run[FAILED] = arguments
            return status
    return _OK


@kernel
def run_steps(steps: i64p, count: i64, run: i64p, thread: i64, threads: i64) -> i32:
    """Runs a table, or one of several, one for each way to cut its steps.

    As `thread` and `threads` are not used, this may be called with the argument block alone.
    """
    table, started_ns = steps, 0
    if run[WORK_LIMIT] != 0:
        words_at(run[WORK])[0] = run[WORK_LIMIT]
    if run[POOL] != 0:
        cut = run[TRIED]
        if run[CUTS] != 0:
            started_ns = now_ns(run)
            table = advance(steps, 3 * count * cut)
        if (run[CUTS] == 0 or cut > 0) and not lease(run):
            return NO_TEAM
    status: int = _walk(table, count, run)
    if run[POOL] != 0:
        give_back(run)
        if run[CUTS] != 0 and status == _OK:
            note(run, now_ns(run) - started_ns)
    return status


@kernel
def run_branch(
    condition: u8p, then_steps: i64p, then_count: i64, else_steps: i64p, else_count: i64, run: i64p, thread: i64, threads: i64
) -> i32:
    """Runs one of two tables; never cut into parts."""
    if condition[0] != 0:
        return _walk(then_steps, then_count, run)
    return _walk(else_steps, else_count, run)


@kernel
def run_loop(
    condition: u8p,
    test_steps: i64p,
    test_count: i64,
    body_steps: i64p,
    body_count: i64,
    run: i64p,
    test_work: i64,
    body_work: i64,
    thread: i64,
    threads: i64,
) -> i32:
    """Runs the test, then the body while the test's result holds; never cut into parts.

    Each round costs `test_work` and `body_work` of the work that is left in the run; the loop stops with a status when that is spent.
    """
    left = words_at(run[WORK])
    while left[0] >= test_work + body_work:
        left[0] -= test_work + body_work
        status = _walk(test_steps, test_count, run)
        if status != _OK:
            return status
        if condition[0] == 0:
            return _OK
        status = _walk(body_steps, body_count, run)
        if status != _OK:
            return status
    return _SPENT


@kernel
def copy_bytes(source: u8p, target: u8p, count: i64, thread: i64, threads: i64) -> None:
    start, stop = span(count, thread, threads)
    for i in range(start, stop):
        target[i] = source[i]
