"""Inner loops of kernels as assembly for any processor: `python -m benchmarks.inner_loops FAMILY...` prints that for JITLITE_TARGET."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass

from benchmarks.processes import ROOT
from jitlite.interpreter.codegen.compile import NUMBA_SETTINGS
from jitlite.interpreter.codegen.target import Target

_LABEL = re.compile(r"^(\.L\w+):")
_BRANCH = re.compile(r"^\t(?:b\.\w+|cbn?z|tbn?z|j\w+)\t(?:.*, )?(\.L\w+)$")
_INSTRUCTION = re.compile(r"^\t(?:\{\w+\}\s+)?([a-z]\w*(?:\.\w+)?)(?:\t|$)")
_STACK = re.compile(r"\[(?:sp|x29)\b|\(%[re][sb]p\b")
_FRAME_POINTER_SET = re.compile(r"^\t(?!ld|st)\w+\tx29,")
_COMMENT = re.compile(r"\s*//.*$|\s+# .*$")

MULTIPLIES = ("fmla", "sdot", "smull", "smull2", "vfmadd", "vpdpbusd", "vpmaddwd", "pmaddwd", "mulps")
"""How instructions start that multiply vectors of float32 or of bytes."""


@dataclass(frozen=True, slots=True)
class InnerLoop:
    """The instructions of a loop without branches in it, as lines of assembly."""

    lines: tuple[str, ...]

    @property
    def places_of_multiplies(self) -> tuple[int, ...]:
        """The numbers of the lines that multiply vectors."""
        return tuple(place for place, line in enumerate(self.lines) if _name(line).startswith(MULTIPLIES))

    @property
    def multiplies(self) -> tuple[str, ...]:
        """The names of the instructions that multiply vectors, in order."""
        return tuple(_name(self.lines[place]) for place in self.places_of_multiplies)

    @property
    def stack_accesses(self) -> int:
        """Instructions that read or write the stack, which in an inner loop are registers that did not suffice.

        A frame pointer that the loop itself sets holds some other address.
        """
        is_set = any(_FRAME_POINTER_SET.match(line) for line in self.lines)
        return sum(bool(found) and not (is_set and found[0].endswith("x29")) for found in map(_STACK.search, self.lines))


def _name(line: str) -> str:
    found = _INSTRUCTION.match(line)
    return found[1] if found else ""


def inner_loops(assembly: str) -> list[InnerLoop]:
    """The loops of AArch64 or x86-64 assembly (AT&T's syntax) that consist of one basic block."""
    found, label, lines = [], "", list[str]()
    for line in assembly.splitlines():
        line = _COMMENT.sub("", line)
        if start := _LABEL.match(line):
            label, lines = start[1], []
        elif _name(line):
            lines.append(line)
            if end := _BRANCH.match(line):
                if end[1] == label:
                    found.append(InnerLoop(tuple(lines)))
                label, lines = "", []
    return found


def widest(assembly: str) -> InnerLoop:
    """The inner loop that does most for its length: the one with most multiplies, of those the shortest."""
    return max(inner_loops(assembly), key=lambda loop: (len(loop.multiplies), -len(loop.lines)))


def assembly_of(families: tuple[str, ...], target: Target) -> dict[str, str]:
    """Assembly of kernel families, compiled for a target as the engine compiles them, in a process of its own."""
    settings = NUMBA_SETTINGS | {"JITLITE_TARGET": "/".join(target)}
    command = [sys.executable, "-m", "benchmarks.inner_loops", *families]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, check=True)
    return dict(zip(families, done.stdout.split("\f"), strict=True))


def main(families: list[str]) -> None:
    from jitlite.interpreter.codegen.backend import emit_assembly
    from jitlite.interpreter.codegen.frontend import lower_family
    from jitlite.interpreter.codegen.target import host_target, requested_target

    target = requested_target() or host_target()
    print("\f".join(emit_assembly(*lower_family(family), target) for family in families), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
