"""The loop that walks a step table, and control flow over nested tables.

A step is two int64: the kernel's address and its argument block's address. `trace` is an int64 block: [0] the failing step's row address.
"""

from jitlite.interpreter.kernels.abi import Status, i32, i64, i64p, inline, kernel, u8p
from jitlite.interpreter.kernels.intrinsics import call_kernel

_OK = int(Status.OK)
_SPENT = int(Status.STEP_BUDGET_SPENT)


@inline
def _walk(steps: i64p, count: i64, trace: i64p, thread: i64, threads: i64) -> i32:
    for step in range(count):
        status: int = call_kernel(steps[2 * step], steps[2 * step + 1], thread, threads)
        if status != _OK:
            if trace[0] == 0:
                trace[0] = steps[2 * step + 1]
            return status
    return _OK


@kernel
def run_steps(steps: i64p, count: i64, trace: i64p, thread: i64, threads: i64) -> i32:
    return _walk(steps, count, trace, thread, threads)


@kernel
def run_branch(
    condition: u8p, then_steps: i64p, then_count: i64, else_steps: i64p, else_count: i64, trace: i64p, thread: i64, threads: i64
) -> i32:
    if condition[0] != 0:
        return _walk(then_steps, then_count, trace, thread, threads)
    return _walk(else_steps, else_count, trace, thread, threads)


@kernel
def run_loop(
    condition: u8p,
    test_steps: i64p,
    test_count: i64,
    body_steps: i64p,
    body_count: i64,
    trace: i64p,
    budget: i64,
    thread: i64,
    threads: i64,
) -> i32:
    """Runs the test, then the body while the test's result holds; stops with a status after `budget` rounds."""
    for _ in range(budget):
        status = _walk(test_steps, test_count, trace, thread, threads)
        if status != _OK:
            return status
        if condition[0] == 0:
            return _OK
        status = _walk(body_steps, body_count, trace, thread, threads)
        if status != _OK:
            return status
    return _SPENT


@kernel
def copy_bytes(source: u8p, target: u8p, count: i64, thread: i64, threads: i64) -> None:
    start, stop = count * thread // threads, count * (thread + 1) // threads
    for i in range(start, stop):
        target[i] = source[i]
