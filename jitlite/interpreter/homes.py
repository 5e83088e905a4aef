"""Which tensors live inside others, so that steps that only copy need not run.

A step that copies a run of bytes from x to y is left out where the two can share memory: y lies inside x (a reshape, a part of a split), or
x lies inside y and is written there at once (a part of a concatenation). ADR 6 says when that is safe.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from jitlite.interpreter.binding.registry import Argument, HostStep, Nested, Step
from jitlite.interpreter.plan import PlannedStep
from jitlite.schemas.dtypes import byte_size
from jitlite.schemas.ops.spec import TensorInfo
from jitlite.schemas.record import Record


class _Run(Record):
    """A run of bytes that a step copies, and nothing else."""

    x: TensorInfo
    y: TensorInfo
    x_offset: int
    y_offset: int
    n_bytes: int


def _run_of(planned: PlannedStep) -> _Run | None:
    """What a step copies from tensor to tensor; None for other steps."""
    step = planned.step
    if not isinstance(step, Step) or (step.family, step.kernel) != ("boxes", "copy_run"):
        return None
    arguments: Mapping[str, Any] = step.arguments
    if not (isinstance(arguments["x"], TensorInfo) and isinstance(arguments["y"], TensorInfo)):
        return None
    return _Run(arguments["x"], arguments["y"], arguments["x_offset"], arguments["y_offset"], arguments["count"])


def tensors_of(arguments: Iterable[Argument]) -> Iterator[TensorInfo]:
    """The tensors among the arguments of a step and of those nested in it."""
    for argument in arguments:
        if isinstance(argument, TensorInfo):
            yield argument
        elif isinstance(argument, Nested):
            for step in argument.steps:
                yield from tensors_of(step.arguments.values())


Touched = tuple[PlannedStep, list[TensorInfo]]
"""A step and the tensors it reads or writes."""


def touched(planned: PlannedStep) -> Touched:
    """A step with its tensors."""
    if isinstance(planned.step, HostStep):
        return planned, [info for info in (*planned.inputs, *planned.outputs) if info is not None]
    return planned, list(tensors_of(planned.step.arguments.values()))


class _Writers:
    """Which steps write each tensor, and which tensors may share memory at all."""

    def __init__(self, steps: Sequence[Touched], movable: Collection[int]) -> None:
        self.positions: dict[int, list[int]] = {}
        self.nodes: dict[int, set[int]] = {}
        self.movable = set(movable)
        for position, (planned, tensors) in enumerate(steps):
            results = {info.index for info in planned.outputs}
            for info in tensors:
                if info.index in results:
                    self.positions.setdefault(info.index, []).append(position)
                    self.nodes.setdefault(info.index, set()).add(planned.node)
                if info.is_variable:
                    self.movable.discard(info.index)
            nested = [] if isinstance(planned.step, HostStep) else [a for a in planned.step.arguments.values() if isinstance(a, Nested)]
            self.movable.difference_update(info.index for info in tensors_of(nested))

    def end_before(self, index: int, position: int) -> bool:
        return all(writer < position for writer in self.positions.get(index, ()))


class Homes:
    """Steps that must run, and where tensors live; filled copy by copy by `find_homes`, whose arguments these are."""

    def __init__(self, steps: Sequence[Touched], lasting: Collection[TensorInfo], movable: Collection[int], parts: bool) -> None:
        self.steps: list[Touched] = []
        self.has_parts = False
        self._takes_parts = parts
        self._places: dict[int, tuple[int, int]] = {}
        self._writers = _Writers(steps, movable)
        self._sizes: dict[int, int] = {}
        self._lasting: dict[int, set[int]] = {info.index: {info.index} for info in lasting}
        self._given = {index for index in self._lasting if index not in self._writers.positions}

    def of(self, index: int) -> tuple[int, int]:
        """The tensor that owns the memory of tensor `index`, which may be itself, and the offset there in bytes."""
        offset = 0
        while index in self._places:
            index, inner = self._places[index]
            offset += inner
        return index, offset

    def _size(self, info: TensorInfo) -> int:
        if info.index not in self._sizes:
            self._sizes[info.index] = byte_size(info.type, info.shape)
        return self._sizes[info.index]

    def replaces(self, run: _Run, position: int) -> bool:
        """Lets the two tensors of a run that step `position` copies share memory; False where they must not."""
        x, y, writers = run.x, run.y, self._writers
        if not {x.index, y.index} <= writers.movable or not writers.end_before(x.index, position):
            return False
        is_all_of_x, is_all_of_y = run.n_bytes == self._size(x), run.n_bytes == self._size(y)
        is_part = not (is_all_of_x and is_all_of_y)
        if is_part and not self._takes_parts:
            return False
        owner, start = self.of(x.index)
        if is_all_of_y and writers.positions[y.index] == [position]:
            return self._join(y.index, owner, start + run.x_offset, is_part)
        owns_no_more = is_all_of_x and start == 0 and self._sizes[owner] == run.n_bytes
        if not owns_no_more or owner in self._given or len(writers.nodes[y.index]) > 1:
            return False
        return self._join(owner, y.index, run.y_offset, is_part)

    def _join(self, index: int, owner: int, offset: int, is_part: bool) -> bool:
        """Lets a tensor that owns its memory live in another, unless an input's memory would become a result's too."""
        target = self.of(owner)[0]
        lasting = self._lasting.get(index, set()) | self._lasting.get(target, set())
        if index == target or (lasting & self._given and len(lasting) > 1):
            return False
        self._places[index] = owner, offset
        self._lasting[target] = lasting
        self.has_parts |= is_part
        return True


def find_homes(steps: Sequence[Touched], lasting: Collection[TensorInfo], movable: Collection[int], parts: bool = True) -> Homes:
    """Leaves out the copies between `movable` tensors that can share memory; without `parts` they share all of it or none.

    `lasting` tensors keep their contents behind the last step.
    """
    homes = Homes(steps, lasting, movable, parts)
    for position, step in enumerate(steps):
        run = _run_of(step[0])
        if run is None or (run.n_bytes and not homes.replaces(run, position)):
            homes.steps.append(step)
    return homes
