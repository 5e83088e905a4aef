"""python -m tests.fuzz: damages models until told to stop, and keeps those that end badly."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from jitlite.interpreter.guard import check_accesses, check_edges
from jitlite.interpreter.memory import IS_GUARDED
from tests.fuzz.campaign import Campaign, Failure, Report
from tests.fuzz.target import TARGETS, tflite_target
from tests.fuzz.trial import outcome


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", choices=sorted(TARGETS), default="tflite", help="what is damaged (default: tflite)")
    parser.add_argument("--count", type=int, default=10_000, help="trials to run")
    parser.add_argument("--seed", type=int, default=0, help="a trial follows from the models, the seed and its number")
    parser.add_argument("--first", type=int, default=0, help="number of the first trial")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--models", type=Path, action="append", default=[], help="a folder with further models to damage")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="folder for the models that fail")
    parser.add_argument("--undamaged", action="store_true", help="run the models as they are, in this process: see JITLITE_GUARD")
    parser.add_argument("--only", default="", help="with --undamaged: models whose names start with one of these, separated by commas")
    parser.add_argument("--case", type=int, help="run this trial alone, in this process, and say what becomes of it")
    return parser.parse_args()


def run_undamaged(found: Sequence[tuple[str, bytes]], seed: int) -> int:
    """Runs each model on a few random inputs, and says which before: the last one said did not end well. Returns how many ran."""
    ran = 0
    for name, content in found:
        print(name, file=sys.stderr, flush=True)
        ends = [outcome(content, Random(f"{seed}:{name}:{number}")) for number in range(3)]
        ran += "ran" in ends
        if IS_GUARDED:
            check_edges()
            check_accesses()
    return ran


def main() -> int:
    arguments = _arguments()
    if arguments.undamaged:
        starts = tuple(arguments.only.split(","))
        found = tflite_target(arguments.models).samples
        print(run_undamaged([item for item in found if item[0].startswith(starts)], arguments.seed), "models ran")
        return 0
    target = TARGETS[arguments.target](arguments.models)
    if arguments.case is not None:
        name, content, rng = target.damaged(arguments.seed, arguments.case)
        print(f"{name}: {len(content)} bytes")
        print(target.outcome(content, rng))
        return 0
    arguments.keep.mkdir(parents=True, exist_ok=True)
    started_s = last_s = time.monotonic()

    def keep(failure: Failure) -> None:
        path = arguments.keep / f"{arguments.seed}-{failure.case}{target.suffix}"
        path.write_bytes(target.damaged(arguments.seed, failure.case)[1])
        print(failure, flush=True)

    def progress(report: Report) -> None:
        nonlocal last_s
        now_s = time.monotonic()
        if now_s - last_s > 10:
            last_s = now_s
            done = report.ends.total() + len(report.failures)
            print(f"{done} trials, {done / (now_s - started_s):.0f} a second, {len(report.failures)} failures", file=sys.stderr, flush=True)

    report = Campaign(target, arguments.seed, arguments.jobs, keep).run(arguments.first, arguments.count, progress)
    print(", ".join(f"{count} {end}" for end, count in report.ends.most_common()), f"- {len(report.failures)} failures")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
