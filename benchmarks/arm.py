"""What the inner loops of matrix products cost on processors other than this one, as llvm-mca predicts it.

    python -m benchmarks.arm [--json FILE]

Where llvm-mca is missing the numbers of the last run are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.inner_loops import InnerLoop, assembly_of, widest
from benchmarks.sections import RESULTS, Section, write_result
from jitlite.interpreter.codegen.target import Target
from jitlite.tools.console import note, progress

ITERATIONS = 1000

KERNELS = {"product_f32": "float32", "product_q8": "int8"}
"""Families of matrix products, which convolutions use too, and what they multiply."""


@dataclass(frozen=True, slots=True)
class Processor:
    """A processor to compile for, and the one of llvm-mca's models that describes its pipelines."""

    target: Target
    model: str


_ARM, _X86 = "aarch64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"
PROCESSORS = (
    Processor(Target(_ARM, "cortex-a72"), "cortex-a72"),
    Processor(Target(_ARM, "cortex-a76"), "neoverse-n1"),
    Processor(Target(_X86, "haswell", "+avx,+avx2,+fma"), "haswell"),
    Processor(Target(_X86, "skylake-avx512", "+avx2,+fma,+avx512f,+avx512bw,+avx512dq,+avx512vl"), "skylake-avx512"),
    Processor(Target(_X86, "znver4", "+avx2,+fma,+avx512f,+avx512bw,+avx512dq,+avx512vl,+avx512vnni"), "znver4"),
)

TEXT = (
    "Cycles of one iteration of the widest inner loop of matrix products, which convolutions run too, as llvm-mca of LLVM {version} "
    "predicts them from the assembly; nothing is measured. `ideal` is what the multiply instructions alone take on their pipes: "
    "the sum of their reciprocal throughputs in the same model. `stack` counts accesses to the stack, for want of registers. Cortex-A76 is "
    "modelled as Neoverse N1, which has the same pipelines; under its own name llvm-mca takes those of Cortex-A57."
)

MISSING = "llvm-mca was not found when the other numbers of this page were taken"


@dataclass(frozen=True, slots=True)
class Mca:
    """An installed llvm-mca and its version."""

    command: str
    version: str

    def analyse(self, loop: InnerLoop, processor: Processor) -> tuple[float, float]:
        """Cycles of an iteration, and those that its multiplies alone take."""
        text = "\n".join(loop.lines) + "\n"
        options = [f"-mtriple={processor.target.triple}", f"-mcpu={processor.model}", f"-iterations={ITERATIONS}", "-json"]
        done = subprocess.run([self.command, *options], input=text, capture_output=True, text=True, check=True)
        region = json.loads(done.stdout)["CodeRegions"][0]
        instructions = region["InstructionInfoView"]["InstructionList"]
        ideal = sum(float(instructions[place]["RThroughput"]) for place in loop.places_of_multiplies)
        return float(region["SummaryView"]["TotalCycles"]) / ITERATIONS, ideal


def find_mca() -> Mca | None:
    """The newest llvm-mca among the programs that can be called; None where there is none."""
    names = {entry for folder in os.get_exec_path() if Path(folder).is_dir() for entry in os.listdir(folder)}
    found = []
    for name in sorted(name for name in names if re.fullmatch(r"llvm-mca(-\d+)?", name)):
        command = shutil.which(name)
        done = command and subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
        if done and command and (version := re.search(r"LLVM version (\d+)([.\d]*)", done.stdout)):
            found.append((int(version[1]), Mca(command, version[1] + version[2])))
    return max(found, key=lambda pair: pair[0])[1] if found else None


def analyse(mca: Mca, processors: Sequence[Processor]) -> list[dict[str, Any]]:
    """An entry for each processor and kernel."""
    found = []
    with progress("compiling inner loops", len(processors)) as advance:
        for processor in processors:
            for family, assembly in assembly_of(tuple(KERNELS), processor.target).items():
                loop = widest(assembly)
                cycles, ideal = mca.analyse(loop, processor)
                found.append(
                    {
                        "processor": processor.target.cpu,
                        "numbers": KERNELS[family],
                        "multiply": "/".join(dict.fromkeys(loop.multiplies)),
                        "multiplies": len(loop.multiplies),
                        "instructions": len(loop.lines),
                        "stack": loop.stack_accesses,
                        "cycles": cycles,
                        "ideal": ideal,
                    }
                )
            advance(1)
    return found


COLUMNS = ("processor", "numbers", "multiply", "multiplies", "instructions", "stack", "cycles", "ideal", "ideal/cycles")


def sections_of(loops: Sequence[Mapping[str, Any]], version: str, is_old: bool) -> list[Section]:
    """A row for each loop; with `is_old` the text says that they are those of an earlier run."""
    text = TEXT.format(version=version)
    if is_old:
        text = f"{MISSING}: these are from an earlier run. {text}" if loops else f"{MISSING}."
    rows = [
        (
            *(str(loop[column]) for column in COLUMNS[:6]),
            *(f"{loop[column]:.1f}" for column in ("cycles", "ideal")),
            f"{loop['ideal'] / loop['cycles']:.2f}",
        )
        for loop in loops
    ]
    return [Section("Inner loops on other processors", text, COLUMNS if rows else (), tuple(rows), left=3)]


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arm", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, default=None, help="file for the results")
    options = parser.parse_args(None if arguments is None else list(arguments))
    mca, kept = find_mca(), options.json or RESULTS / "arm.json"
    if mca is not None:
        data: dict[str, Any] = {"llvm": mca.version, "loops": analyse(mca, PROCESSORS)}
    else:
        note("llvm-mca is required, found none; the last numbers are kept")
        data = json.loads(kept.read_text())["data"] if kept.exists() else {"llvm": "", "loops": []}
    sections = sections_of(data["loops"], data["llvm"], is_old=mca is None)
    for section in sections:
        section.print()
    if options.json is not None:
        write_result(options.json, "arm", sections, data)


if __name__ == "__main__":
    main()
