"""Start-up of a fresh process on models of several sizes, as a part of the whole benchmark; `benchmarks.startup` measures one model.

    python -m benchmarks.starts [MODEL.tflite...] [--rounds N] [--json FILE]

Without models some of the corpus are taken, or both of the demo's where there is none.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.engines import OURS
from benchmarks.model_tables import geometric_mean
from benchmarks.models import CORPUS, DEMO
from benchmarks.sections import Section, write_result
from benchmarks.startup import compare
from benchmarks.subjects import prepare
from jitlite.tools.console import note, progress

CHOSEN = (
    "t0353_micro_speech_quantized",
    "t0552_pretrainedresnet",
    "t0566_mobilenet_v1_0_25_128_quant",
    "t0629_basemodel",
    "t0732_tf2_mobilenet_v2_1_0_224_ptq",
    "t0746_pose_landmark_full",
)
"""From 19 kB to 6 MB, in every precision."""

RATIOS = ("time_ratio", "memory_ratio")


def default_models(folder: Path) -> list[Path]:
    """The chosen models of the corpus, else the demo's network in both precisions, written to `folder`."""
    found = [path for path in (CORPUS / "models" / f"{name}.tflite" for name in CHOSEN) if path.exists()]
    return found or [subject.candidates[OURS].model for subject in prepare(DEMO, folder, {}) if OURS in subject.candidates]


def sections_of(found: Sequence[Mapping[str, Any]]) -> list[Section]:
    """A row for each model, and the geometric means."""
    rows = [
        (
            str(entry["model"]),
            *(f"{entry[engine]['wall_ms']:.0f} ms" for engine in ("jitlite", "litert")),
            f"{entry['time_ratio']:.2f}",
            *(f"{entry[engine]['peak_kib'] / 1024:.1f} MiB" for engine in ("jitlite", "litert")),
            f"{entry['memory_ratio']:.2f}",
        )
        for entry in found
    ]
    if rows:
        means = [f"{geometric_mean([float(entry[ratio]) for entry in found]):.2f}" for ratio in RATIOS]
        rows.append(("geometric mean", "", "", means[0], "", "", means[1]))
    text = (
        "From the start of a process to its first result, and its peak memory; one thread, kernels and byte code cached, the engines' "
        "processes in turns. These ratios are jitlite's over LiteRT's: below 1, jitlite is better."
    )
    columns = ("model", "jitlite", "LiteRT", "jitlite/LiteRT", "memory", "LiteRT's", "jitlite/LiteRT")
    return [Section("Start-up", text, columns, tuple(rows))]


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.starts", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", type=Path, nargs="*", metavar="MODEL.tflite")
    parser.add_argument("--rounds", type=int, default=7, help="processes of each engine and model (default: 7)")
    parser.add_argument("--json", type=Path, default=None, help="file for the results")
    options = parser.parse_args(None if arguments is None else list(arguments))
    found = []
    with tempfile.TemporaryDirectory() as folder:
        models = options.models or default_models(Path(folder))
        with progress("starting processes", len(models)) as advance:
            for model in models:
                try:
                    found.append(compare(str(model), options.rounds))
                except RuntimeError as error:
                    note(f"not measured: {error}")
                advance(1)
    sections = sections_of(found)
    for section in sections:
        section.print()
    if options.json is not None:
        write_result(options.json, "starts", sections, {"models": found})


if __name__ == "__main__":
    main()
