"""What a benchmark found, as sections that read the same on a terminal and in docs/benchmarks.md, and the JSON files that keep them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from jitlite.interpreter.codegen.target import machine_fingerprint
from jitlite.tools.benchmark import machine as machine_of
from jitlite.tools.console import plain, results, table

RESULTS = Path(__file__).parent / "results"
"""Where the runs that docs/benchmarks.md shows are kept, a JSON file for each part."""

FEATURES = ("avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "asimddp", "i8mm", "sve")
RIVALS = {"ai-edge-litert": "LiteRT", "onnxruntime": "ONNX Runtime", "numba": "Numba", "llvmlite": "llvmlite"}


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, sentences and a table of texts, of which the first `left` columns are words and the others numbers."""

    title: str
    text: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    left: int = 1

    def as_markdown(self) -> str:
        lines = [f"## {self.title}", "", self.text]
        if self.rows:
            cells = [self.columns, tuple("---" if place < self.left else "---:" for place in range(len(self.columns))), *self.rows]
            lines += ["", *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells)]
        return "\n".join(lines) + "\n"

    def print(self) -> None:
        console = results()
        if self.rows:
            console.print(table(self.title, self.columns, self.rows, left=self.left))
        else:
            console.print(self.title, style="bold")
        if self.text:
            console.print(self.text)
        console.print()


def machine() -> dict[str, Any]:
    """The processor, its features that kernels use, and the versions of everything compared; nothing that names the machine."""
    found = machine_of()
    lines = dict(line.split(":", 1) for line in machine_fingerprint().splitlines() if ":" in line)
    flags = {flag for key, value in lines.items() if key.strip() in ("flags", "Features") for flag in value.split()}
    versions = {}
    for package, title in RIVALS.items():
        try:
            versions[title] = version(package)
        except PackageNotFoundError:
            versions[title] = "none"
    return {
        "processor": found["processor"],
        "architecture": found["architecture"],
        "features": [feature for feature in FEATURES if feature in flags],
        "cpus": found["cpus"],
        "system": platform.system(),
        "python": found["python"],
        "jitlite": found["jitlite"],
        **versions,
    }


def machine_text(machine: Mapping[str, Any]) -> str:
    """The machine in one sentence."""
    features = ", ".join(machine["features"]) or "no vector features known"
    versions = ", ".join(f"{title} {machine[title]}" for title in RIVALS.values() if title in machine)
    return (
        f"{machine['processor']} ({machine['architecture']}; {features}), {machine['cpus']} CPUs, {machine['system']}; "
        f"jitlite {machine['jitlite']}, {versions}, Python {machine['python']}"
    )


def write_result(path: Path, part: str, sections: Sequence[Section], data: Mapping[str, Any]) -> None:
    """Writes one part's JSON file: its sections and the numbers behind them; the file appears complete or not at all."""
    content = {
        "part": part,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": machine(),
        "sections": [asdict(section) for section in sections],
        "data": plain(data),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_text(_as_lines(content) + "\n")
    os.replace(unfinished, path)


def _as_lines(value: Any, depth: int = 3) -> str:
    """JSON with a line for each entry down to `depth`, so that files stay small and can be read."""
    if depth and isinstance(value, (dict, list)) and value:
        if isinstance(value, dict):
            entries = [f"{json.dumps(key)}: {_as_lines(item, depth - 1)}" for key, item in value.items()]
        else:
            entries = [_as_lines(item, depth - 1) for item in value]
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        return f"{opening}\n" + ",\n".join(entries) + f"\n{closing}"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def read_result(path: Path) -> dict[str, Any]:
    """A part's JSON file with its sections as `Section`s."""
    found: dict[str, Any] = json.loads(path.read_text())
    found["sections"] = [
        Section(
            item["title"],
            item["text"],
            tuple(item.get("columns", ())),
            tuple(tuple(str(cell) for cell in row) for row in item.get("rows", ())),
            item.get("left", 1),
        )
        for item in found["sections"]
    ]
    return found
