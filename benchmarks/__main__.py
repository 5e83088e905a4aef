"""Runs all benchmarks, keeps their results in benchmarks/results and writes docs/benchmarks.md: `python -m benchmarks [PART...]`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from time import perf_counter

from benchmarks.processes import ROOT
from benchmarks.report import PICTURE, TARGET
from benchmarks.report import main as write_report
from benchmarks.sections import RESULTS

PARTS = {
    "calls": [],
    "layers": [],
    "starts": [],
    "conversion": [],
    "models": ["--plot", str(PICTURE), "--work", str(ROOT / "build" / "benchmarks")],
    "arm": [],
}
"""Each is a program of its own, `python -m benchmarks.PART`, here with its options besides --json."""

MEASURED = tuple(part for part in PARTS if part != "arm")
"""The parts that depend on the machine they run on."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "parts", nargs="*", choices=[[], *PARTS], metavar="PART", help=f"which of {', '.join(PARTS)} (default: {', '.join(MEASURED)})"
    )
    options = parser.parse_args()
    started, failed = perf_counter(), []
    for part in options.parts or MEASURED:
        command = [sys.executable, "-m", f"benchmarks.{part}", "--json", str(RESULTS / f"{part}.json"), *PARTS[part]]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(part)
    write_report()
    print(f"Written: {TARGET.relative_to(ROOT)}, {RESULTS.relative_to(ROOT)}. {perf_counter() - started:.0f} s.")
    if failed:
        print(f"Failed: {', '.join(failed)}; the page shows their last results.", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
