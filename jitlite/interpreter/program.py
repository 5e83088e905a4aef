"""A subgraph ready to run at given input shapes: its stages, their memory and their segments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.registry import HostStep, Step
from jitlite.interpreter.budgets import PROGRAM_WORK, MemoryBudget, WorkBudget
from jitlite.interpreter.codegen.immediate import run_kernel
from jitlite.interpreter.control import plan_control
from jitlite.interpreter.custom import CustomOperator
from jitlite.interpreter.placement import Memory, allocate
from jitlite.interpreter.plan import PlannedStep, Planner, Slots, Stage, operator_kinds
from jitlite.interpreter.plan_cache import PlanCache
from jitlite.interpreter.registry import load_bindings
from jitlite.interpreter.segments import HostSegment, NativeSegment, Observer, StageRunner
from jitlite.interpreter.sharing import ALONE, Sharing
from jitlite.interpreter.state import State
from jitlite.schemas.dtypes import byte_size
from jitlite.schemas.errors import ExecutionError, UnsupportedError
from jitlite.schemas.model import lasting_results
from jitlite.schemas.ops.spec import TensorInfo
from jitlite.schemas.record import Record, replace
from jitlite.schemas.tables import Model, TensorType

if TYPE_CHECKING:
    from jitlite.interpreter.delegates.planning import Delegation
    from jitlite.interpreter.delegates.running import PreparedPartition


class ProgramOptions(Record):
    """What a program may use: operators in Python by name, tensor memory, work, threads.

    `preserve_all` gives every tensor memory of its own for the whole run. `state` has the variables. Of budgets and state that are not
    given the program has its own. One that `is_nested` runs as part of another's run. `delegation`
    has the delegates; the subgraphs that operators run do without. `is_reference` asks for the reference kernels' faults too.
    """

    custom: Mapping[str, CustomOperator] = MappingProxyType({})
    memory: MemoryBudget | None = None
    work: WorkBudget | None = None
    preserve_all: bool = False
    sharing: Sharing = ALONE
    state: State | None = None
    delegation: Delegation | None = None
    is_nested: bool = False
    is_reference: bool = False


def fold_constants(steps: Sequence[Step], outputs: Sequence[TensorInfo], budget: MemoryBudget) -> list[NDArray[Any]]:
    """Runs steps whose inputs are all constants; returns the outputs' values, each in memory of its own."""
    memory = Memory(budget)
    for info in outputs:
        memory.place(info.index, budget.allocate(byte_size(info.type, info.shape)))
    if len(steps) != 1 or not _runs_at_once(steps[0], memory):
        planned = [PlannedStep(0, step.kernel, step, (), tuple(outputs)) for step in steps]
        planned, scratches = allocate(memory, planned, outputs)
        StageRunner(memory, planned, scratches).run()
    return [memory.array(info) for info in outputs]


def _runs_at_once(step: Step, memory: Memory) -> bool:
    """Runs a step without laying out memory for it, where it needs none of its own; False where it does, or fails."""
    arguments: dict[str, NDArray[Any] | int | float] = {}
    for name, argument in step.arguments.items():
        if isinstance(argument, TensorInfo):
            if argument.index not in memory.bytes:
                memory.place_constant(argument)
            arguments[name] = memory.bytes[argument.index]
        elif isinstance(argument, (np.ndarray, int, float)):
            arguments[name] = argument
        else:
            return False
    return run_kernel(step.family, step.kernel, arguments) == 0


class _Prepared(Record, frozen=False):
    """A stage ready to run.

    `values` are those it was planned with, `key` tells them from others; `arenas` and `partitions` count the program's up to its own.
    """

    stage: Stage
    runner: StageRunner
    values: dict[int, NDArray[Any]]
    key: bytes
    arenas: int
    partitions: int
    following: _Prepared | None = None


class Program:
    """Plans a subgraph for `inputs` (infos by tensor index), allocates its memory and runs it.

    The plan is taken from `kept` if it is there, and kept there if not.
    """

    def __init__(
        self,
        model: Model,
        subgraph: int,
        inputs: Mapping[int, TensorInfo],
        options: ProgramOptions,
        kept: PlanCache | None = None,
    ) -> None:
        self.state = options.state or State(model)
        budget, self._work = options.memory or MemoryBudget(), options.work or WorkBudget()
        self.options = options = replace(options, state=self.state, memory=budget, work=self._work)
        self.memory = Memory(budget)
        self._where = f"subgraph {subgraph}"
        self._graph, self._results = model.subgraphs[subgraph], lasting_results(model, subgraph)
        slots = Slots(len(self._graph.tensors))
        kinds = operator_kinds(model)
        control, keeps_folded = plan_control(replace(options, delegation=None)), options.preserve_all
        fold, limit = partial(fold_constants, budget=budget), self._work.limit
        asked: dict[str, Any] = {"work_limit": limit, "delegation": options.delegation, "is_reference": options.is_reference}
        self._planner = Planner(model, subgraph, slots, options.custom, fold, control, kinds, self.state, budget, keeps_folded, **asked)
        self._partitions: list[PreparedPartition] = []
        self._first = self._prepare(self._first_stage(inputs, kept), {}, b"")
        self._last = self._first
        if not options.is_nested and self._only_segment is not None:
            self._only_segment.table.restart_work(limit)

    def _first_stage(self, inputs: Mapping[int, TensorInfo], kept: PlanCache | None) -> Stage:
        stage = kept.recall() if kept is not None else None
        if stage is None:
            load_bindings(name for _, name in self._planner.kinds)
            stage = self._planner.first_stage(inputs)
            if kept is not None:
                kept.remember(stage, self._graph)
        elif stage.work > self._work.limit:
            raise UnsupportedError(f"{self._where}: at most {self._work.limit} units of work in a run are allowed, found {stage.work}")
        return stage

    def _lasting(self, stage: Stage) -> list[TensorInfo]:
        """Tensors that must outlive the stage's own steps: the subgraph's inputs and outputs, variables, and what later stages read."""
        numbers = {*self._graph.inputs, *self._results}
        for op in self._graph.operators[stage.stop :]:
            numbers.update(index for index in op.inputs if index >= 0)
        if self.options.preserve_all:
            numbers.update(stage.tensors)
        numbers.update(index for index, info in stage.tensors.items() if info.is_variable)
        return [stage.tensors[index] for index in sorted(numbers) if index in stage.tensors]

    def _prepare(self, stage: Stage, values: dict[int, NDArray[Any]], key: bytes) -> _Prepared:
        lasting = [info for info in self._lasting(stage) if not self._comes_from_host(stage, info)]
        options = self.options
        shares = not options.preserve_all
        self.state.place(self.memory, [planned.step for planned in stage.steps], self.memory.budget)
        partitions = self._opened(stage)
        stage.steps, scratches = allocate(self.memory, stage.steps, lasting, options.sharing.most_parts, shares)
        for info in lasting:
            if info.value is not None and not self.memory.has(info.index):
                self.memory.place_constant(info)
        for partition in partitions:
            partition.bind(self.memory)
        runner = StageRunner(self.memory, stage.steps, scratches, options.sharing, self._work)
        return _Prepared(stage, runner, values, key, len(self.memory.arenas), len(self._partitions))

    def _comes_from_host(self, stage: Stage, info: TensorInfo) -> bool:
        """True for a result whose memory the last step, an operator in Python, brings itself."""
        last = stage.steps[-1] if stage.steps else None
        return (
            last is not None
            and isinstance(last.step, HostStep)
            and not last.step.shapes_known
            and any(info is output for output in last.outputs)
        )

    def _continue(self, prepared: _Prepared) -> _Prepared:
        """The stage behind `prepared`, planned anew unless what it depends on is unchanged."""
        stage, tensors = prepared.stage, dict(prepared.stage.tensors)
        values = dict(prepared.values) if stage.start == stage.stop else {}
        if stage.awaits is not None:
            info = tensors[stage.awaits]
            values[stage.awaits] = self.memory.array(info).copy()
            key = repr(values[stage.awaits].shape).encode() + values[stage.awaits].tobytes()
        else:
            found = [info for info in stage.steps[-1].outputs if info.value is None]
            for info in found:
                tensors[info.index] = replace(info, shape=self.memory.shapes[info.index])
            key = repr([self.memory.shapes[info.index] for info in found]).encode()
        following = prepared.following
        if following is not None and following.key == key and stage.awaits is not None:
            return following
        self._forget(stage)
        self._close(prepared.partitions)
        del self.memory.arenas[prepared.arenas :]
        prepared.following = self._prepare(self._planner.next_stage(stage.stop, tensors, values), values, key)
        return prepared.following

    def _opened(self, stage: Stage) -> list[PreparedPartition]:
        """The partitions of a stage, with the memory they bring; they are closed when the program is gone, if not earlier."""
        if self.options.delegation is None:
            return []
        from jitlite.interpreter.delegates.running import close_all, partitions_of

        if not self._partitions:
            finalize(self, close_all, self._partitions)
        opened = list(partitions_of(stage.steps))
        self._partitions += opened
        for partition in opened:
            partition.place(self.memory)
        return opened

    def _close(self, first: int) -> None:
        """Closes the partitions from the one at place `first` on."""
        while len(self._partitions) > first:
            self._partitions.pop().close()

    def close(self) -> None:
        """Gives back what delegates hold for this program, which cannot run any more. It happens by itself when the program is gone."""
        self._close(0)

    def _forget(self, stage: Stage) -> None:
        """Drops the memory of tensors that later stages produce, before they are planned again."""
        for op in self._graph.operators[stage.stop :]:
            for index in op.outputs:
                self.memory.forget(index)

    def run(self, observe: Observer | None = None) -> None:
        """Runs all stages; ExecutionError names an operator that fails."""
        prepared, work = self._first, self._work
        if self.options.is_nested:
            work.spend(PROGRAM_WORK, self._where)
        else:
            work.restart()
        while True:
            work.spend(prepared.stage.work, self._where)
            if observe is None:
                prepared.runner.run()
            else:
                prepared.runner.run_observed(observe)
            if prepared.stage.is_last:
                break
            prepared = self._continue(prepared)
        self._last = prepared

    def reset_variables(self) -> None:
        """Sets variable tensors to zero (their zero point, if INT8), as LiteRT does, and makes operators in Python forget."""
        for planned in self.steps:
            if isinstance(planned.step, HostStep) and planned.step.reset is not None:
                planned.step.reset()
        for index, tensor in enumerate(self._graph.tensors):
            array = self.array(index) if tensor.is_variable else None
            if array is not None:
                info = self.info(index)
                initial = b"" if tensor.type is TensorType.STRING else 0
                array[...] = info.value if info is not None and info.value is not None and tensor.type is TensorType.INT8 else initial

    @property
    def is_settled(self) -> bool:
        """True where no run changes what tensors there are, their shapes and their places."""
        hosts = [segment.planned.step for segment in self._first.runner.segments if isinstance(segment, HostSegment)]
        return self._first.stage.is_last and all(isinstance(step, HostStep) and step.shapes_known for step in hosts)

    @property
    def _only_segment(self) -> NativeSegment | None:
        segments = self._first.runner.segments
        return segments[0] if self.is_settled and len(segments) == 1 and isinstance(segments[0], NativeSegment) else None

    @property
    def call(self) -> Callable[[], int] | None:
        """The native call that is the whole run, or None. It returns a status: for NO_TEAM `run` is required, others are failures."""
        only = self._only_segment
        return only.table.call if only is not None else None

    def failure(self, status: int) -> ExecutionError:
        """The error for a status of `call`."""
        assert self._only_segment is not None
        return self._first.runner.failure(self._only_segment, status)

    def info(self, index: int) -> TensorInfo | None:
        """What is known of a tensor of this subgraph after planning (and, for run-time shapes, after the last run)."""
        found = self._last.stage.tensors.get(index)
        if found is not None and index in self.memory.shapes:
            return replace(found, shape=self.memory.shapes[index])
        return found

    def array(self, index: int) -> NDArray[Any] | None:
        """A tensor's memory as an array, or None where it has none (yet)."""
        info = self.info(index)
        if info is None or not self.memory.has(index):
            return None
        return self.memory.array(info)

    @property
    def steps(self) -> list[PlannedStep]:
        """The steps of the stages planned so far."""
        found, prepared = list(self._first.stage.steps), self._first
        while prepared.following is not None:
            prepared = prepared.following
            found += prepared.stage.steps
        return found
