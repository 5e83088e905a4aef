"""Where tensors live: the memory of a program and the placing of a stage's tensors in an arena."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.registry import Argument, HostStep, Nested, Scratch, Step
from jitlite.interpreter.memory import Lifetime, aligned_bytes, plan_arena
from jitlite.interpreter.plan import PlannedStep
from jitlite.schemas.dtypes import byte_size, has_numpy_dtype, numpy_dtype
from jitlite.schemas.errors import UnsupportedError
from jitlite.schemas.ops.spec import TensorInfo


class Memory:
    """Where tensors live: bytes by tensor number. Constants are views of the model, the rest lies in arenas."""

    def __init__(self) -> None:
        self.bytes: dict[int, NDArray[np.uint8]] = {}
        self.addresses: dict[int, int] = {}
        self.arenas: list[NDArray[np.uint8]] = []
        self.shapes: dict[int, tuple[int, ...]] = {}

    def place(self, number: int, data: NDArray[np.uint8]) -> None:
        self.bytes[number] = data
        self.addresses[number] = data.ctypes.data

    def place_constant(self, info: TensorInfo) -> None:
        """Makes a constant addressable; data at an address its elements must not have are copied."""
        assert info.value is not None
        value = np.ascontiguousarray(info.value)
        if value.ctypes.data % value.itemsize:
            value = value.copy()
        self.place(info.index, value.reshape(-1).view(np.uint8))

    def place_result(self, info: TensorInfo, value: NDArray[Any]) -> None:
        """Makes an array an operator in Python returned addressable; it decides the tensor's shape."""
        owned = aligned_bytes(value.nbytes)
        owned[:] = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        self.shapes[info.index] = value.shape
        self.place(info.index, owned)

    def array(self, info: TensorInfo) -> NDArray[Any]:
        """A tensor as a NumPy array over its own memory; types NumPy lacks come as bytes."""
        data = self.bytes[info.index]
        if not has_numpy_dtype(info.type):
            return data
        return data.view(numpy_dtype(info.type)).reshape(self.shapes.get(info.index, info.shape))

    @property
    def arena_bytes(self) -> int:
        return sum(arena.nbytes for arena in self.arenas)


def _tensors_of(arguments: Sequence[Argument]) -> Iterator[TensorInfo]:
    for argument in arguments:
        if isinstance(argument, TensorInfo):
            yield argument
        elif isinstance(argument, Nested):
            for step in argument.steps:
                yield from _tensors_of(list(step.arguments.values()))


def _scratches_of(step: Step) -> Iterator[Scratch]:
    for argument in step.arguments.values():
        if isinstance(argument, Scratch):
            yield argument
        elif isinstance(argument, Nested):
            for inner in argument.steps:
                yield from _scratches_of(inner)


def touched(step: PlannedStep) -> list[TensorInfo]:
    """The tensors a step reads or writes."""
    if isinstance(step.step, HostStep):
        return [info for info in (*step.inputs, *step.outputs) if info is not None]
    return list(_tensors_of(list(step.step.arguments.values())))


def allocate(
    memory: Memory, steps: Sequence[PlannedStep], lasting: Sequence[TensorInfo], limit_bytes: int, threads: int = 1
) -> dict[int, int]:
    """Gives every tensor of `steps` that has no memory yet a place in a new arena; returns scratch addresses by `id` of the Scratch.

    Tensors in `lasting` keep their contents as long as the arena. Scratch memory is for `threads` threads. UnsupportedError when the arena
    would pass `limit_bytes`.
    """
    known = memory.addresses
    spans: dict[int, tuple[TensorInfo, int, int]] = {}
    for info in lasting:
        if info.index not in known and info.value is None:
            spans[info.index] = (info, 0, len(steps))
    scratches: dict[int, tuple[Scratch, int, int]] = {}
    for position, planned in enumerate(steps):
        for info in touched(planned):
            if info.value is not None and not info.is_variable:
                if info.index not in known:
                    memory.place_constant(info)
            elif info.index not in known and not (
                isinstance(planned.step, HostStep) and not planned.step.shapes_known and info in planned.outputs
            ):
                _, first, last = spans.get(info.index, (info, position, position))
                whole = (0, len(steps)) if info.is_variable else (min(first, position), max(last, position))
                spans[info.index] = (info, *whole)
        if isinstance(planned.step, Step):
            for scratch in _scratches_of(planned.step):
                first = scratches.get(id(scratch), (scratch, position, position))[1]
                scratches[id(scratch)] = (scratch, first, position)
    lifetimes = [Lifetime(byte_size(info.type, info.shape), first, last) for info, first, last in spans.values()]
    lifetimes += [Lifetime(scratch.bytes_for(threads), first, last) for scratch, first, last in scratches.values()]
    needed = sum(life.n_bytes for life in lifetimes)
    layout = plan_arena(lifetimes)
    if layout.n_bytes > limit_bytes:
        raise UnsupportedError(f"tensor memory: at most {limit_bytes} bytes are allowed, found {layout.n_bytes} (of {needed} in all)")
    arena = aligned_bytes(layout.n_bytes)
    memory.arenas.append(arena)
    for (info, _, _), life, offset in zip(spans.values(), lifetimes, layout.offsets):
        memory.place(info.index, arena[offset : offset + life.n_bytes])
        if info.value is not None and info.is_variable:
            memory.bytes[info.index][:] = np.ascontiguousarray(info.value).reshape(-1).view(np.uint8)
    base = arena.ctypes.data
    return {number: base + offset for number, offset in zip(scratches, layout.offsets[len(spans) :])}
