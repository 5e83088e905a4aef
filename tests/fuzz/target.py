"""What the fuzzer damages and what it asks of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.fuzz.samples import ONNX_ARCHIVE, samples

Sample = tuple[str, bytes]


@dataclass(frozen=True)
class Target:
    """The files to damage; `damage(samples, seed, case)` gives a sample's name, the file made of it and a source of numbers, from which
    `outcome` says how the file ends, raising what must not happen.
    """

    suffix: str
    samples: Sequence[Sample]
    damage: Callable[[Sequence[Sample], int, int], tuple[str, bytes, Random]]
    outcome: Callable[[bytes, Random], str]

    def damaged(self, seed: int, case: int) -> tuple[str, bytes, Random]:
        return self.damage(self.samples, seed, case)


def tflite_target(folders: Sequence[Path] = ()) -> Target:
    """The interpreter and .tflite files."""
    from tests.fuzz.trial import damaged, outcome

    return Target(".tflite", samples(folders), damaged, outcome)


def onnx_target(folders: Sequence[Path] = ()) -> Target:
    """The converter and ONNX files."""
    from tests.fuzz.onnx_trial import damaged, outcome

    return Target(".onnx", samples(folders, ONNX_ARCHIVE, ".onnx"), damaged, outcome)


TARGETS = {"tflite": tflite_target, "onnx": onnx_target}
