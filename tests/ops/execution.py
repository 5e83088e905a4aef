"""Runs models in jitlite and compares results with those expected. It needs no LiteRT, so that it works on every target."""

import os
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.codegen import library
from jitlite.interpreter.guard import check_accesses, check_edges
from jitlite.interpreter.memory import IS_GUARDED
from jitlite.interpreter.program import Program, ProgramOptions
from jitlite.interpreter.sharing import Sharing
from jitlite.schemas.ops.spec import TensorInfo
from jitlite.schemas.read import read_model
from jitlite.schemas.verify import verify

Array = NDArray[Any]

POISONS = (0xA5, 0xFF, 0x7F)
"""Fill memory before runs, each a different one, so that an element which no thread writes shows: results must not differ."""

RECORDING = "JITLITE_RECORD_CASES"
"""The environment variable that names the folder in which checked cases are recorded."""


def run(model: bytes, feeds: Sequence[Array], threads: int = 1, poison: int = POISONS[0]) -> list[Array]:
    """jitlite's results; with `threads` > 1 kernels run in so many parts, one after the other. Memory was filled with `poison` before."""
    decoded = verify(read_model(model))
    graph = decoded.subgraphs[0]
    infos = {}
    for index in graph.inputs:
        tensor = graph.tensors[index]
        infos[index] = TensorInfo(tuple(tensor.shape), tensor.type, None, tensor.quantization, index, tensor.name)
    program = Program(decoded, 0, infos, ProgramOptions(sharing=Sharing(lambda n_bytes: threads, threads)))
    variables = [index for index, tensor in enumerate(graph.tensors) if tensor.is_variable and program.array(index) is not None]
    initial = [np.array(program.array(index)) for index in variables]
    for arena in program.memory.arenas:
        arena.fill(poison)
    for index, value in zip(variables, initial):
        np.asarray(program.array(index))[...] = value
    for index, value in zip(graph.inputs, feeds, strict=True):
        found = program.array(index)
        if found is not None:
            found[...] = value
    program.run()
    if IS_GUARDED:
        check_edges()
        check_accesses()
    results = [program.array(index) for index in graph.outputs]
    return [np.array(result) for result in results]


def assert_close(found: Array, expected: Array, tolerance: float, floor: float = 1e-3) -> None:
    """Floats: |found - expected| ≤ tolerance · max(|expected|, floor), infinities and NaNs alike; everything else: equality."""
    assert found.shape == expected.shape, f"shape {expected.shape} is required, found {found.shape}"
    assert found.dtype == expected.dtype, f"dtype {expected.dtype} is required, found {found.dtype}"
    if expected.dtype.kind in "fc":
        finite = np.isfinite(expected)
        same = (found == expected) | (np.isnan(found) & np.isnan(expected))
        with np.errstate(invalid="ignore", over="ignore"):
            near = np.abs(found - expected) <= tolerance * np.maximum(np.abs(expected), floor)
        right = np.where(finite, near, same)
    else:
        right = found == expected
    if not right.all():
        wrong = np.argwhere(~np.atleast_1d(right))
        place = tuple(wrong[0]) if found.ndim else ()
        raise AssertionError(
            f"{len(wrong)} of {found.size} elements differ; at {place}: {expected[place]!r} is required, found {found[place]!r}"
        )


@dataclass(frozen=True)
class Case:
    """A model of one operator, its inputs and what LiteRT makes of them.

    A recorded one has the name of its test and the kernel families that were loaded when it had been checked, its own among them.
    """

    model: bytes
    feeds: list[Array]
    expected: list[Array]
    tolerance: float
    floor: float
    threads: tuple[int, ...]
    name: str = ""
    families: frozenset[str] = frozenset()

    def check(self) -> list[Array]:
        """Asserts that jitlite computes what is expected, with every number of threads alike; returns jitlite's results."""
        first: list[Array] = []
        for place, count in enumerate(self.threads):
            found = run(self.model, self.feeds, count, POISONS[place % len(POISONS)])
            for result, wanted in zip(found, self.expected, strict=True):
                assert_close(result, wanted, self.tolerance, self.floor)
            first = first or found
            for result, once in zip(found, first, strict=True):
                assert _bytes(result) == _bytes(once), f"{count} threads give other results than {self.threads[0]}"
        return first


def _bytes(array: Array) -> object:
    return array.tolist() if array.dtype == np.object_ else array.tobytes()


def labelled(case: Case, name: str) -> Case:
    """The checked case as recordings hold it."""
    return replace(case, name=name, families=frozenset(family for family, _ in library._loaded))


def record(case: Case) -> None:
    """Appends a checked case to the recording if there is one."""
    folder = os.environ.get(RECORDING)
    if folder:
        with open(Path(folder) / f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')}.cases", "ab") as file:
            pickle.dump(labelled(case, os.environ.get("PYTEST_CURRENT_TEST", "").rsplit(" ", 1)[0]), file)


def recorded(file: Path) -> Iterator[Case]:
    """The cases of a recording's file, in the order in which they were checked."""
    with open(file, "rb") as stream:
        while stream.peek(1):
            yield pickle.load(stream)
