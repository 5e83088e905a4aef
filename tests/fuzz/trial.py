"""One trial: a damaged file made from a seed and a number, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter import Interpreter
from jitlite.schemas.errors import JitliteError
from jitlite.schemas.model import builtin_code
from jitlite.schemas.read import read_model
from tests.fuzz.byte_edits import damaged_bytes
from tests.fuzz.field_edits import FLOATS, damaged_fields, number

ARENA_BYTES = 64 << 20
WORK = 20_000_000_000
"""Budgets of a trial: much smaller than a user's, so that a trial is short and what passes a budget shows."""


STRINGS = (b"", b"a", b"the quick brown fox", b"\0\xff\xfe", b"-1", b"x" * 300)

FAULTS = ("found less in this system", "found one that fails: ", "the Python operator failed: ")
"""What errors say that stand for a fault of jitlite, not of the file."""


class FaultError(Exception):
    """A JitliteError that hides another exception."""


class DirtyError(Exception):
    """A result from memory nobody wrote."""


class VagueError(Exception):
    """A refusal that says too little."""


def damaged(samples: Sequence[tuple[str, bytes]], seed: int, case: int) -> tuple[str, bytes, Random]:
    """The file of a case, the sample it is made of and the source of its inputs; the same for the same samples, seed and number."""
    rng = Random(f"{seed}:{case}")
    name, content = rng.choice(samples)
    found = None
    if rng.random() < 0.75:
        try:
            model = read_model(content)
        except JitliteError:
            model = None
        found = damaged_fields(model, rng) if model is not None else None
    return name, damaged_bytes(content, rng) if found is None else found, rng


def random_input(dtype: np.dtype[Any], shape: Sequence[int], rng: Random) -> NDArray[Any]:
    """Values of an input: ordinary ones, small integers, boundaries."""
    numbers = np.random.default_rng(rng.getrandbits(32))
    kind = rng.randrange(4)
    if dtype.kind == "b":
        return numbers.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if kind < 2:
            return numbers.integers(max(limits.min, -1 if kind else 0), 4, shape).astype(dtype)
        if kind == 2:
            return numbers.integers(limits.min, limits.max, shape, dtype, endpoint=True)
        format = {1: "b", 2: "h", 4: "i", 8: "q"}[dtype.itemsize]
        pool = [number(rng, format if dtype.kind == "i" else format.upper()) for _ in range(8)]
        return numbers.choice(np.array(pool, dtype), shape)
    with np.errstate(all="ignore"):
        if kind == 3 and dtype.kind in "fc":
            return numbers.choice(np.array(FLOATS).astype(dtype), shape)
        return np.asarray(numbers.normal(0, 10 ** rng.randrange(-1, 4), shape)).astype(dtype)


def random_strings(shape: Sequence[int], rng: Random) -> NDArray[Any]:
    found = np.empty(shape, object)
    found.reshape(-1)[:] = [rng.choice(STRINGS) for _ in range(found.size)]
    return found


def _set_inputs(interpreter: Interpreter, rng: Random) -> None:
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], _random_value(detail, rng))


def _random_value(detail: Mapping[str, Any], rng: Random) -> NDArray[Any]:
    dtype, shape = np.dtype(detail["dtype"]), tuple(map(int, detail["shape"]))
    if prod(shape) * dtype.itemsize > ARENA_BYTES:
        return np.broadcast_to(np.zeros((), dtype), shape)
    return random_input(dtype, shape, rng) if dtype.itemsize else random_strings(shape, rng)


def _use(content: bytes, rng: Random) -> None:
    interpreter = Interpreter(
        model_content=content,
        arena_limit_bytes=ARENA_BYTES,
        work_limit=WORK,
        experimental_preserve_all_tensors=rng.random() < 0.1,
    )
    if rng.random() < 0.1:
        for detail in interpreter.get_input_details():
            if rng.random() < 0.5:
                interpreter.resize_tensor_input(detail["index"], [rng.choice((0, 1, 2, 3, 7)) for _ in detail["shape"]])
    interpreter.allocate_tensors()
    for _ in range(2):
        _set_inputs(interpreter, rng)
        interpreter.invoke()
        for detail in interpreter.get_output_details():
            interpreter.get_tensor(detail["index"])
    interpreter.get_tensor_details()
    interpreter.reset_all_variables()
    for key in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(key)
        runner(**{name: _random_value(detail, rng) for name, detail in runner.get_input_details().items()})
        runner.get_output_details()


def _is_repeatable(interpreter: Interpreter) -> bool:
    """True for a model without random numbers."""
    codes = [(builtin_code(code).name, code.custom_code) for code in interpreter.model.operator_codes]
    return not any("RANDOM" in name or "MULTINOMIAL" in name or "RNG" in name for name, _ in codes)


def _compare_memory(content: bytes, seed: int) -> None:
    """Runs a model in memory filled with one byte, then with another; DirtyError where that changes a result."""
    results = []
    for poison in (0xA5, 0x7F):
        rng = Random(seed)
        interpreter = Interpreter(model_content=content, arena_limit_bytes=ARENA_BYTES, work_limit=WORK)
        interpreter.allocate_tensors()
        program = interpreter._main.required_program()
        if not _is_repeatable(interpreter) or any(tensor.is_variable for tensor in interpreter.model.subgraphs[0].tensors):
            return
        for arena in program.memory.arenas:
            arena.fill(poison)
        _set_inputs(interpreter, rng)
        interpreter.invoke()
        results.append([interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()])
    for first, second in zip(*results, strict=True):
        is_same = first.tolist() == second.tolist() if first.dtype == object else first.tobytes() == second.tobytes()
        if first.shape != second.shape or not is_same:
            raise DirtyError(f"results that do not depend on what was in memory are required, found {first} and {second}")


def outcome(content: bytes, rng: Random) -> str:
    """How a file ends: "ran" or the refusal, with its class; anything else is raised."""
    try:
        _use(content, rng)
        if rng.random() < 0.2:
            _compare_memory(content, rng.getrandbits(32))
    except JitliteError as error:
        text = str(error)
        if any(sign in text for sign in FAULTS):
            raise FaultError(text) from error
        if ": " not in text or len(text) < 20:
            raise VagueError(text) from error
        return f"{type(error).__name__}: {text}"
    return "ran"
