"""Where tensors live: the memory of a program and the placing of a stage's tensors in an arena."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.registry import HostStep, Nested, Scratch, Step
from jitlite.interpreter.budgets import MemoryBudget
from jitlite.interpreter.homes import Homes, Touched, find_homes, touched
from jitlite.interpreter.memory import IS_GUARDED, Layout, Lifetime, aligned, lower_bound, plan_arena
from jitlite.interpreter.plan import PlannedStep
from jitlite.schemas.dtypes import byte_size, stored_dtype
from jitlite.schemas.ops.spec import TensorInfo
from jitlite.schemas.record import Record
from jitlite.schemas.strings import STRING_BYTES, Strings
from jitlite.schemas.tables import TensorType

_LITTLE_BYTES = 1 << 20
"""Memory not worth looking for a way to need less."""


class Memory:
    """Where tensors live: bytes by tensor number. Constants are views of the model, the rest comes out of `budget`.

    Tensors of strings have no bytes but arrays of objects, which only operators in Python see.
    """

    def __init__(self, budget: MemoryBudget) -> None:
        self.budget = budget
        self.bytes: dict[int, NDArray[np.uint8]] = {}
        self.addresses: dict[int, int] = {}
        self.strings: dict[int, Strings] = {}
        self.arenas: list[NDArray[np.uint8]] = []
        self.shapes: dict[int, tuple[int, ...]] = {}

    def place(self, number: int, data: NDArray[np.uint8]) -> None:
        self.bytes[number] = data
        self.addresses[number] = data.ctypes.data

    def has(self, number: int) -> bool:
        return number in self.addresses or number in self.strings

    def forget(self, number: int) -> None:
        """Drops a tensor's place, if it has one."""
        self.bytes.pop(number, None)
        self.addresses.pop(number, None)
        self.strings.pop(number, None)

    def place_strings(self, info: TensorInfo) -> None:
        """Gives a tensor of strings its value if it is constant, and empty strings if it is not."""
        if info.value is not None:
            self.strings[info.index] = info.value
            return
        self.budget.require(STRING_BYTES * info.size)
        self.strings[info.index] = np.full(info.shape, b"", np.object_)
        self.budget.hold(self.strings[info.index])

    def place_constant(self, info: TensorInfo) -> None:
        """Makes a constant addressable; data at an address its elements must not have are copied."""
        assert info.value is not None
        if info.type is TensorType.STRING:
            self.place_strings(info)
            return
        value = np.ascontiguousarray(info.value)
        if IS_GUARDED:
            value = aligned(value)
        if value.ctypes.data % value.itemsize:
            value = value.copy()
        self.place(info.index, value.reshape(-1).view(np.uint8))

    def place_result(self, info: TensorInfo, value: NDArray[Any]) -> None:
        """Makes an array an operator in Python returned addressable; it decides the tensor's shape."""
        self.shapes[info.index] = value.shape
        if info.type is TensorType.STRING:
            self.strings.pop(info.index, None)
            self.budget.require(STRING_BYTES * value.size)
            self.strings[info.index] = value
            self.budget.hold(value)
            return
        owned = self.budget.allocate(value.nbytes)
        owned[:] = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        self.place(info.index, owned)

    def array(self, info: TensorInfo) -> NDArray[Any]:
        """A tensor as a NumPy array over its own memory; strings as `bytes` objects, other types NumPy lacks as integers of their bits.

        Elements of which several share a byte stay packed.
        """
        if info.type is TensorType.STRING:
            return self.strings[info.index]
        data, dtype = self.bytes[info.index], stored_dtype(info.type)
        if dtype is None:
            return data
        return data.view(dtype).reshape(self.shapes.get(info.index, info.shape))

    @property
    def arena_bytes(self) -> int:
        return sum(arena.nbytes for arena in self.arenas)


def _scratches_of(step: Step) -> Iterator[Scratch]:
    for argument in step.arguments.values():
        if isinstance(argument, Scratch):
            yield argument
        elif isinstance(argument, Nested):
            for inner in argument.steps:
                yield from _scratches_of(inner)


class _Needs(Record):
    """What an arena must hold: `lifetimes` are those of the tensors that own memory, by number, then of scratch memory, by `id`.

    `homes` has the steps that must run and says where tensors live that own no memory.
    """

    homes: Homes
    owners: list[int]
    scratches: list[int]
    lifetimes: list[Lifetime]


def _needs(tensors: Mapping[int, TensorInfo], homes: Homes, lasting: Sequence[TensorInfo], made: Set[int], threads: int) -> _Needs:
    """What `tensors` need; `made` are those that steps write, in contrast to inputs."""
    end = len(homes.steps)
    spans: dict[int, list[int]] = {}

    def extend(index: int, first: int, last: int) -> None:
        span = spans.setdefault(homes.of(index)[0], [first, last])
        span[:] = min(span[0], first), max(span[1], last)

    scratches: dict[int, tuple[Scratch, int, int]] = {}
    for position, (planned, found) in enumerate(homes.steps):
        for info in found:
            if info.index in tensors:
                extend(info.index, position, position)
        for scratch in _scratches_of(planned.step) if isinstance(planned.step, Step) else ():
            first = scratches.get(id(scratch), (scratch, position, position))[1]
            scratches[id(scratch)] = (scratch, first, position)
    for info in lasting:
        if info.index in tensors:
            extend(info.index, end if info.index in made and not info.is_variable else 0, end)
    for index, info in tensors.items():
        if info.is_variable:
            extend(index, 0, end)
    owned = [(tensors[index], first, last) for index, (first, last) in spans.items()]
    lifetimes = [Lifetime(byte_size(info.type, info.shape), first, last) for info, first, last in owned]
    lifetimes += [Lifetime(scratch.bytes_for(threads), first, last) for scratch, first, last in scratches.values()]
    return _Needs(homes, list(spans), list(scratches), lifetimes)


def _without_memory(memory: Memory, steps: Sequence[Touched], lasting: Sequence[TensorInfo]) -> dict[int, TensorInfo]:
    """The tensors that need a place in a new arena; makes constants addressable."""
    found = {info.index: info for info in lasting if not memory.has(info.index) and (info.value is None or info.is_variable)}
    for planned, tensors in steps:
        brings = planned.outputs if isinstance(planned.step, HostStep) and not planned.step.shapes_known else ()
        for info in tensors:
            if memory.has(info.index) or info in brings:
                continue
            if info.value is not None and not info.is_variable:
                memory.place_constant(info)
            else:
                found[info.index] = info
    return found


def _place_strings(memory: Memory, tensors: dict[int, TensorInfo]) -> None:
    """Takes the tensors of strings out of those that need a place in an arena."""
    strings = [info for info in tensors.values() if info.type is TensorType.STRING]
    memory.budget.require(STRING_BYTES * sum(info.size for info in strings))
    for info in strings:
        memory.place_strings(tensors.pop(info.index))


def _smallest(
    tensors: Mapping[int, TensorInfo], steps: Sequence[Touched], lasting: Sequence[TensorInfo], threads: int, shares: bool
) -> tuple[_Needs, Layout]:
    """What `tensors` need and where it lies; parts of tensors share memory unless a tensor kept for one costs more than the copy."""
    made = {info.index for planned, _ in steps for info in planned.outputs}
    needs = _needs(tensors, find_homes(steps, lasting, tensors if shares else ()), lasting, made, threads)
    layout = plan_arena(needs.lifetimes)
    if needs.homes.has_parts and layout.n_bytes > _LITTLE_BYTES:
        whole = _needs(tensors, find_homes(steps, lasting, tensors, parts=False), lasting, made, threads)
        if lower_bound(whole.lifetimes) < layout.n_bytes:
            other = plan_arena(whole.lifetimes)
            return (whole, other) if other.n_bytes < layout.n_bytes else (needs, layout)
    return needs, layout


def allocate(
    memory: Memory, steps: Sequence[PlannedStep], lasting: Sequence[TensorInfo], threads: int = 1, shares: bool = True
) -> tuple[list[PlannedStep], dict[int, int]]:
    """Gives every tensor of `steps` that has no memory yet a place in a new arena, where it `shares` memory within another's.

    Returns the steps that must run, without copies between tensors that share memory, and scratch addresses by `id` of the Scratch.
    Tensors in `lasting` keep their contents as long as the arena. Scratch memory is for `threads` threads. UnsupportedError when the arena
    would pass the memory's budget.
    """
    touches = [touched(planned) for planned in steps]
    tensors = _without_memory(memory, touches, lasting)
    _place_strings(memory, tensors)
    needs, layout = _smallest(tensors, touches, lasting, threads, shares)
    blocks = _blocks(memory, needs, layout)
    owned = dict(zip(needs.owners, blocks))
    for index, info in tensors.items():
        owner, inner = needs.homes.of(index)
        if owner not in owned:
            continue
        memory.place(index, owned[owner][inner : inner + byte_size(info.type, info.shape)])
        if info.value is not None and info.is_variable:
            memory.bytes[index][:] = np.ascontiguousarray(info.value).reshape(-1).view(np.uint8)
    kept = [planned for planned, _ in needs.homes.steps]
    return kept, {number: block.ctypes.data for number, block in zip(needs.scratches, blocks[len(needs.owners) :])}


def _blocks(memory: Memory, needs: _Needs, layout: Layout) -> list[NDArray[np.uint8]]:
    """The memory of each lifetime: parts of a new arena, or blocks of their own in guarded memory."""
    if IS_GUARDED:
        blocks = [memory.budget.allocate(life.n_bytes) for life in needs.lifetimes]
        memory.arenas += blocks
        return blocks
    arena = memory.budget.allocate(layout.n_bytes)
    memory.arenas.append(arena)
    return [arena[offset : offset + life.n_bytes] for offset, life in zip(layout.offsets, needs.lifetimes)]
