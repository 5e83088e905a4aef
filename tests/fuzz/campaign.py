"""Trials by the thousand, in processes that may die of them."""

from __future__ import annotations

import mmap
import os
import resource
import signal
import struct
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.phase import is_in_reference, tell
from tests.fuzz.target import Target

MEMORY_BYTES = 2 << 30
"""Address space of a worker beyond what it starts with."""
TRIAL_S = 20.0
"""Processor time of a trial."""
_NONE = -1
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Failure:
    """A trial that ended in something else than a run or a JitliteError."""

    case: int
    sample: str
    reason: str

    def __str__(self) -> str:
        return f"case {self.case} ({self.sample}): {self.reason}"


@dataclass
class Report:
    """What became of the trials: how many ended how, and the failures."""

    ends: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)


class Worker:
    """A process that runs the cases `first`, `first + step`, … below `stop`; it says in shared memory which one it is at."""

    def __init__(self, target: Target, seed: int, cases: range) -> None:
        self.target, self.seed, self.cases = target, seed, cases
        self.shared = mmap.mmap(-1, 16)
        self.started_s = 0.0
        self.seen = _NONE
        self.log, theirs = os.pipe()
        struct.pack_into("<q", self.shared, 0, _NONE)
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.log)
            self._work(theirs)
        os.close(theirs)
        os.set_blocking(self.log, False)
        self.rest = b""

    def _work(self, log: int) -> None:
        """Runs the trials; never returns."""
        _limit_memory()
        tell(self.shared)
        warnings.simplefilter("error")
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        status = 1
        try:
            for case in self.cases:
                struct.pack_into("<q", self.shared, 0, case)
                os.write(log, f"{case}\t{_tried(self.target, self.seed, case)}\n".encode("utf-8", "replace"))
            status = 0
        finally:
            os._exit(status)

    @property
    def case(self) -> int:
        """The case it is at."""
        return int(struct.unpack_from("<q", self.shared, 0)[0])

    def spent_s(self) -> float:
        """Processor time of the process so far."""
        try:
            with open(f"/proc/{self.pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def is_stuck(self) -> bool:
        """True when the present case takes too long."""
        case, spent_s = self.case, self.spent_s()
        if case != self.seen:
            self.seen, self.started_s = case, spent_s
        return spent_s - self.started_s > TRIAL_S

    def ends(self) -> Iterator[tuple[int, str]]:
        """Cases finished since the last call, with what became of them."""
        while True:
            try:
                data = os.read(self.log, 1 << 16)
            except BlockingIOError:
                break
            if not data:
                break
            self.rest += data
        *lines, self.rest = self.rest.split(b"\n")
        for line in lines:
            case, _, text = line.decode("utf-8", "replace").partition("\t")
            yield int(case), text

    def end(self) -> None:
        self.shared.close()
        os.close(self.log)


def _limit_memory() -> None:
    with open("/proc/self/statm") as file:
        present = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (present + MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _tried(target: Target, seed: int, case: int) -> str:
    """How a case ends, in one line; "FAILED …" for what must not happen."""
    _, content, rng = target.damaged(seed, case)
    try:
        return target.outcome(content, rng).partition(":")[0]
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-6:]
        frames = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(last))
        return f"FAILED {type(error).__name__}: {error} at {frames}".replace("\n", " | ")[:3000]


class Campaign:
    """The cases `first` to `first + count` of a seed, on `jobs` processes; `keep` gets each failure when it is found."""

    def __init__(self, target: Target, seed: int, jobs: int, keep: Callable[[Failure], None]) -> None:
        self.target, self.seed, self.jobs, self.keep = target, seed, jobs, keep
        self.report = Report()

    def run(self, first: int, count: int, progress: Callable[[Report], None] = lambda report: None) -> Report:
        workers = [self._start(range(first + job, first + count, self.jobs)) for job in range(self.jobs)]
        while workers:
            time.sleep(0.02)
            workers = [after for worker in workers if (after := self._looked_after(worker)) is not None]
            progress(self.report)
        return self.report

    def _start(self, cases: range) -> Worker:
        return Worker(self.target, self.seed, cases)

    def _looked_after(self, worker: Worker) -> Worker | None:
        """The worker, one that goes on behind the case that ended it, or None when there is nothing left."""
        pid, status = os.waitpid(worker.pid, os.WNOHANG)
        reason = ""
        if pid == 0:
            if not worker.is_stuck():
                self._note(worker)
                return worker
            os.kill(worker.pid, signal.SIGKILL)
            os.waitpid(worker.pid, 0)
            reason = f"hang: {TRIAL_S:.0f} s of processor time"
        elif os.WIFSIGNALED(status):
            reason = f"signal {signal.Signals(os.WTERMSIG(status)).name}"
        elif os.WEXITSTATUS(status):
            reason = f"the process ended with status {os.WEXITSTATUS(status)}"
        self._note(worker)
        case, in_reference = worker.case, is_in_reference(worker.shared)
        worker.end()
        if not reason:
            return None
        if in_reference:
            self.report.ends["ended the reference"] += 1
        else:
            self._fail(case, reason)
        rest = worker.cases[worker.cases.index(case) + 1 :] if case != _NONE else range(0)
        return self._start(rest) if rest else None

    def _note(self, worker: Worker) -> None:
        for case, text in worker.ends():
            if text.startswith("FAILED "):
                self._fail(case, text.removeprefix("FAILED "))
            else:
                self.report.ends[text] += 1

    def _fail(self, case: int, reason: str) -> None:
        name, _, _ = self.target.damaged(self.seed, case)
        failure = Failure(case, name, reason)
        self.report.failures.append(failure)
        self.keep(failure)
