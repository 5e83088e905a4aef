"""Whole models: jitlite beside LiteRT (XNNPACK) and ONNX Runtime.

    python -m benchmarks.models [MODEL...] [--shape NAME=1x3x224x224] [--threads N...] [--seconds S] [--json FILE] [--plot FILE]

Without models the corpus beside the checkout is measured, or the demo's network where there is none. With one thread all engines and
precisions of a network take turns in one process; with more each engine has a process of its own, and all but one stand still, since an
idle team of threads that spins would slow its rival. A ratio is the rival's time over jitlite's, the median over the turns.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from benchmarks.engines import LITERT, ONNXRUNTIME, OURS
from benchmarks.model_tables import Measured, Timing, as_data, sections_of
from benchmarks.processes import ROOT, WorkerError, WorkerProcess
from benchmarks.sections import write_result
from benchmarks.subjects import Subject, find_models, prepare
from jitlite.tools.console import note, progress

CORPUS = ROOT.parent / "shared" / "corpus"
DEMO = ROOT / "examples" / "fashion_mnist" / "model.onnx"
ENGINES = (OURS, LITERT, ONNXRUNTIME)


@dataclass
class Pace:
    """Seconds for each session so that all of them end by the deadline; loading takes about as long as measuring."""

    deadline: float
    most_seconds: float
    sessions_left: int = 0

    def seconds(self) -> float:
        share = 0.5 * (self.deadline - monotonic()) / max(1, self.sessions_left)
        return min(self.most_seconds, max(0.02, share))


@dataclass
class Bench:
    """Measures the subjects of one network with one number of threads."""

    threads: int
    workers: Mapping[str, WorkerProcess]
    opened: dict[tuple[int, str], str] = field(default_factory=dict)
    problems: dict[tuple[int, str], str] = field(default_factory=dict)

    def open(self, subjects: Sequence[Subject]) -> None:
        """Opens every candidate in its worker; an engine that fails, or whose process ends, leaves its reason."""
        self.opened, self.problems = {}, {}
        for number, subject in enumerate(subjects):
            self.problems.update({(number, engine): reason for engine, reason in subject.problems.items()})
        waiting = [(number, engine) for number, subject in enumerate(subjects) for engine in ENGINES if engine in subject.candidates]
        while waiting:
            waiting = self._open_all(subjects, waiting)

    def _open_all(self, subjects: Sequence[Subject], waiting: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
        """Opens candidates one after the other; after a crash, those to open again in the process that follows."""
        for place, (number, engine) in enumerate(waiting):
            candidate, key = subjects[number].candidates[engine], f"{number} {engine}"
            worker = self.workers[engine]
            worker.resume()
            try:
                arguments = {"model": str(candidate.model), "feeds": str(candidate.feeds)}
                reply = worker.ask("open", key=key, engine=engine, threads=self.threads, **arguments)
            except WorkerError as error:
                self.problems[number, engine] = str(error)
                lost = [session for session in self.opened if self.workers[session[1]] is worker]
                for session in lost:
                    del self.opened[session]
                return [*lost, *waiting[place + 1 :]]
            if "problem" in reply:
                self.problems[number, engine] = reply["problem"]
            else:
                self.opened[number, engine] = key
            self._rest(worker)
        return []

    def _rest(self, worker: WorkerProcess) -> None:
        if len(set(self.workers.values())) > 1:
            worker.pause()

    def measure(self, seconds: float) -> dict[tuple[int, str], Timing]:
        """Timings of all open sessions; none where a process ends."""
        if not self.opened:
            return {}
        try:
            turns, runs = self._in_one_process(seconds) if self.threads == 1 else self._in_turns(seconds)
        except WorkerError as error:
            self.problems.update(dict.fromkeys(self.opened, f"while measuring: {error}"))
            return {}
        return {session: Timing(tuple(turns[key]), runs[key]) for session, key in self.opened.items()}

    def _in_one_process(self, seconds: float) -> tuple[dict[str, list[float]], dict[str, int]]:
        reply = self.workers[OURS].ask("measure", keys=list(self.opened.values()), seconds=seconds)
        return reply["turns"], reply["runs"]

    def _in_turns(self, seconds: float) -> tuple[dict[str, list[float]], dict[str, int]]:
        sessions = list(self.opened.items())
        turns: dict[str, list[float]] = {key: [] for _, key in sessions}
        runs, end, count = dict.fromkeys(turns, 0), monotonic() + seconds * len(sessions), 0
        while count < 5 or monotonic() < end:
            for (_, engine), key in sessions if count % 2 else reversed(sessions):
                worker = self.workers[engine]
                worker.resume()
                reply = worker.ask("turn", key=key)
                worker.pause()
                turns[key].append(reply["turn"])
                runs[key] += reply["runs"]
            count += 1
        return turns, runs

    def differences(self, subjects: Sequence[Subject], number: int) -> dict[str, float]:
        """How far the outputs of engines that share a process are from LiteRT's reference kernels', relative to their largest."""
        keys = {engine: self.opened[number, engine] for engine in (OURS, LITERT) if (number, engine) in self.opened}
        if self.threads > 1 or OURS not in keys:
            return {}
        candidate = subjects[number].candidates[OURS]
        try:
            files = {"model": str(candidate.model), "feeds": str(candidate.feeds)}
            reply = self.workers[OURS].ask("differences", keys=list(keys.values()), **files)
        except WorkerError as error:
            note(f"while comparing outputs of {subjects[number].name}: {error}")
            return {}
        return dict(zip(keys, reply.get("differences", ())))

    def close(self) -> None:
        for worker in dict.fromkeys(self.workers[engine] for _, engine in self.opened):
            worker.resume()
            try:
                worker.ask("close")
            except WorkerError as error:
                note(f"while closing models: {error}")
            self._rest(worker)
        self.opened = {}


def start_workers(threads: int) -> dict[str, WorkerProcess]:
    """One process for all engines with one thread, one for each with more."""
    if threads == 1:
        return dict.fromkeys(ENGINES, WorkerProcess())
    return {engine: WorkerProcess() for engine in ENGINES}


def measure_subjects(subjects: Sequence[Subject], threads: Sequence[int], pace: Pace) -> list[Measured]:
    """All subjects, network by network, with every number of threads."""
    networks: dict[str, list[Subject]] = {}
    for subject in subjects:
        networks.setdefault(subject.network, []).append(subject)
    pace.sessions_left = len(threads) * sum(len(subject.candidates) for subject in subjects)
    found = []
    with progress("measuring models", len(networks) * len(threads)) as advance:
        for count in threads:
            workers = start_workers(count)
            for members in networks.values():
                found += list(_measure_network(Bench(count, workers), members, pace))
                advance(1)
            for worker in workers.values():
                worker.resume()
                worker.close()
    return found


def _measure_network(bench: Bench, subjects: Sequence[Subject], pace: Pace) -> Iterator[Measured]:
    bench.open(subjects)
    timings = bench.measure(pace.seconds())
    for number, subject in enumerate(subjects):
        pace.sessions_left -= len(subject.candidates)
        mine = {engine: timings[number, engine] for engine in ENGINES if (number, engine) in timings}
        problems = {engine: reason for (place, engine), reason in bench.problems.items() if place == number}
        yield Measured(subject, bench.threads, mine, problems, bench.differences(subjects, number) if mine else {})
    bench.close()


def prepare_all(models: Mapping[Path, str], folder: Path, shapes: Mapping[str, Any]) -> list[Subject]:
    """The subjects of all model files, with the precision stated for each."""
    subjects: list[Subject] = []
    folder.mkdir(parents=True, exist_ok=True)
    with progress("converting and quantizing", len(models)) as advance:
        for path, precision in models.items():
            subjects += prepare(path, folder, shapes, precision)
            advance(1)
    return subjects


def shape_of(text: str) -> tuple[str, tuple[int, ...]]:
    """The name and the sizes in NAME=1x3x224x224."""
    name, _, sizes = text.rpartition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"NAME=1x3x224x224 is required, found {text!r}")
    return name, tuple(int(size) for size in sizes.split("x"))


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.models", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", type=Path, nargs="*", help=".tflite and .onnx files (default: the corpus, else the demo's network)")
    parser.add_argument("--shape", type=shape_of, action="append", default=[], metavar="NAME=1x3x224x224", help="sizes of an ONNX input")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads (default: 1 2)")
    parser.add_argument("--seconds", type=float, default=0.3, help="most time for each engine, model and number of threads (default: 0.3)")
    parser.add_argument("--minutes", type=float, default=7.0, help="most time altogether; each model gets less when time is short")
    parser.add_argument("--work", type=Path, default=None, help="folder for converted models, kept (default: a temporary one)")
    parser.add_argument("--json", type=Path, default=None, help="file for the results")
    parser.add_argument("--plot", type=Path, default=None, help="file for a picture of the ratios (.svg or .png)")
    options = parser.parse_args(None if arguments is None else list(arguments))
    pace = Pace(monotonic() + 60 * options.minutes, options.seconds)
    models = dict.fromkeys(options.models, "") or find_models(CORPUS) or {DEMO: ""}
    with tempfile.TemporaryDirectory() as temporary:
        subjects = prepare_all(models, options.work or Path(temporary), dict(options.shape))
        measured = measure_subjects(subjects, options.threads, pace)
    sections = sections_of(measured)
    for section in sections:
        section.print()
    if options.json is not None:
        write_result(options.json, "models", sections, as_data(measured))
    if options.plot is not None:
        from benchmarks.plot import draw_ratios

        draw_ratios(options.plot, as_data(measured)["models"], min(options.threads))


if __name__ == "__main__":
    main()
