"""Writes docs/benchmarks.md from benchmarks/results: `python -m benchmarks.report` (with --check: only says whether it is up to date)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.processes import ROOT
from benchmarks.sections import RESULTS, machine_text, read_result

TARGET = ROOT / "docs" / "benchmarks.md"
PICTURE = ROOT / "docs" / "benchmarks.svg"
ORDER = ("models", "layers", "calls", "starts", "arm")
"""The parts in the order they are shown; others follow by name."""

HEADER = """# Benchmarks

Measured by `make bench` and written from `benchmarks/results/` by `python -m benchmarks.report`; do not edit. Engines take turns on the
same machine, and every number is a median over the turns; a run on another day or machine will differ. A ratio above 1 means that jitlite
is faster.
"""


def result_files(folder: Path) -> list[Path]:
    """The parts' files in the order they are shown."""
    return sorted(folder.glob("*.json"), key=lambda path: (ORDER.index(path.stem) if path.stem in ORDER else len(ORDER), path.stem))


def text_of(files: Sequence[Path], picture: str | None) -> str:
    """The page: where and when it was measured, the picture, and every part's sections."""
    results = [read_result(path) for path in files]
    where: dict[str, list[str]] = {}
    for result in results:
        where.setdefault(f"{machine_text(result['machine'])}; {result['date']}.", []).append(result["part"])
    lines = [HEADER]
    for machine, parts in where.items():
        lines.append(machine if len(where) == 1 else f"{', '.join(parts).capitalize()}: {machine}")
        lines.append("")
    if picture is not None:
        lines += [f"![Ratios of all models]({picture})", ""]
    for result in results:
        lines += [section.as_markdown() for section in result["sections"]]
    return "\n".join(lines)


def main() -> None:
    wanted = text_of(result_files(RESULTS), PICTURE.name if PICTURE.exists() else None)
    if "--check" not in sys.argv:
        TARGET.write_text(wanted)
    elif not TARGET.exists() or TARGET.read_text() != wanted:
        sys.exit("docs/benchmarks.md does not match benchmarks/results: run python -m benchmarks.report")


if __name__ == "__main__":
    main()
