"""Turns a planned stage into segments: native step tables that one call walks, and host steps between them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.registry import Argument, DelegateStep, HostStep, Nested, Run, Scratch, Step, UserStep
from jitlite.interpreter.budgets import WorkBudget
from jitlite.interpreter.codegen.library import Library, load, loaded
from jitlite.interpreter.kernels.team_blocks import RUN_WORDS, WORK
from jitlite.interpreter.memory import aligned
from jitlite.interpreter.placement import Memory
from jitlite.interpreter.plan import PlannedStep
from jitlite.interpreter.sharing import ALONE, Sharing, TableRun
from jitlite.schemas.dtypes import byte_size, numpy_dtype, stored_dtype
from jitlite.schemas.errors import ExecutionError, JitliteError
from jitlite.schemas.ops.spec import TensorInfo
from jitlite.schemas.record import Record
from jitlite.schemas.strings import Strings, as_strings
from jitlite.schemas.tables import TensorType

STATUS_TEXT = {
    1: "an index inside its bound is required, found one outside",
    2: "a divisor other than 0 is required, found 0",
    3: "a loop that ends within the run's limit of work is required, found one that does not",
    4: "an operand's run-time value is out of its range",
    5: "a variable that was assigned a value of the result's type and size is required, found one that was not",
}


class TableBuilder:
    """Lays out argument blocks and step tables; keeps everything they point to alive."""

    def __init__(self, memory: Memory, scratches: dict[int, int], sharing: Sharing, work: WorkBudget) -> None:
        self._memory = memory
        self._scratches = scratches
        self._sharing = sharing
        self._work = work
        self._kept: list[Any] = []
        self.labels: dict[int, tuple[PlannedStep, Step]] = {}
        self._tables: list[NDArray[np.int64]] = []
        self._run = np.zeros(RUN_WORDS, np.int64)

    def run_of(self, entry: int, owners: Sequence[PlannedStep]) -> TableRun:
        """What runs the table of the owners' steps; `entry` is the address of `run_steps`."""
        steps = [owner.step for owner in owners if isinstance(owner.step, Step)]
        self._tables, self._run = [], np.zeros(RUN_WORDS, np.int64)
        self._run[WORK] = self._work.cell.ctypes.data
        table = self._table(steps, owners)
        driven = {row for row, step in enumerate(steps) if _nested(step)}
        moved = [_tensor_bytes(step) for step in steps]
        return TableRun(entry, table, driven, self._tables[:-1], self._run, self._sharing, moved)

    def _table(self, steps: Sequence[Step], owners: Sequence[PlannedStep]) -> NDArray[np.int64]:
        """The step table, rows of (kernel address, argument block address, parts)."""
        rows = np.zeros((len(steps), 3), np.int64)
        for row, (step, owner) in enumerate(zip(steps, owners, strict=True)):
            library = _library(step)
            declared = library.parameters.get(step.kernel)
            assert declared is not None, f"{step.family}.{step.kernel}: no such kernel"
            names = [name for name, _ in declared]
            assert set(names) == set(step.arguments), f"{step.family}.{step.kernel}: parameters {names}, arguments {list(step.arguments)}"
            block = np.zeros(max(1, len(declared)), np.int64)
            for i, (name, storage) in enumerate(declared):
                block[i] = self._word(step.arguments[name], storage, owner)
            self._kept.append(block)
            rows[row] = library.addresses[step.kernel], block.ctypes.data, self._parts(step)
            self.labels[block.ctypes.data] = owner, step
        self._tables.append(rows)
        return rows

    def _parts(self, step: Step) -> int:
        """Into how many parts a step is cut for a start; those over nested tables belong to the driver."""
        if self._sharing.most_parts == 1 or _nested(step):
            return 1
        constants = sum(value.nbytes for value in step.arguments.values() if isinstance(value, np.ndarray))
        return min(self._sharing.cut(_tensor_bytes(step) + constants), self._sharing.most_parts)

    def _word(self, argument: Argument, storage: str, owner: PlannedStep) -> int:
        """What an argument block stores for an argument: an address, an integer or the bits of a float64."""
        if isinstance(argument, TensorInfo):
            return self._memory.addresses[argument.index]
        if isinstance(argument, np.ndarray):
            assert argument.flags.c_contiguous, "constants in arguments are contiguous"
            constant = aligned(argument)
            self._kept.append(constant)
            return constant.ctypes.data
        if isinstance(argument, Scratch):
            return self._scratches[id(argument)]
        if isinstance(argument, Nested):
            return self._table(argument.steps, [owner] * len(argument.steps)).ctypes.data
        if isinstance(argument, Run):
            return self._run.ctypes.data
        if storage == "float":
            return int(struct.unpack("<q", struct.pack("<d", float(argument)))[0])
        return int(argument)


def _nested(step: Step) -> list[Nested]:
    return [argument for argument in step.arguments.values() if isinstance(argument, Nested)]


def _library(step: Step) -> Library | Any:
    """Where a step's kernel is."""
    return step.library if isinstance(step, UserStep) else loaded(step.family)


def _families(steps: Sequence[Step]) -> Iterator[str]:
    """The kernel families of steps and of those nested in them."""
    for step in steps:
        if not isinstance(step, UserStep):
            yield step.family
        for argument in _nested(step):
            yield from _families(argument.steps)


class NativeSegment(Record):
    """Steps one native call runs."""

    table: TableRun
    steps: list[PlannedStep]


class HostSegment(Record):
    """One step that runs in Python."""

    planned: PlannedStep


Observer = Callable[[PlannedStep, int], None]


class StageRunner:
    """Runs the steps of one stage in their places."""

    def __init__(
        self,
        memory: Memory,
        steps: Sequence[PlannedStep],
        scratches: dict[int, int],
        sharing: Sharing = ALONE,
        work: WorkBudget | None = None,
    ) -> None:
        self._memory = memory
        self._sharing = sharing
        self._builder = TableBuilder(memory, scratches, sharing, work or WorkBudget())
        native = [planned.step for planned in steps if isinstance(planned.step, Step)]
        self._entry = load({"executor", *_families(native)})["executor"].addresses["run_steps"]
        self.segments: list[NativeSegment | HostSegment] = []
        waiting: list[PlannedStep] = []
        for planned in steps:
            if isinstance(planned.step, HostStep):
                self._close(waiting)
                waiting = []
                self.segments.append(HostSegment(planned))
            else:
                waiting.append(planned)
        self._close(waiting)

    def _close(self, planned: list[PlannedStep]) -> None:
        """Makes a native segment of the steps."""
        if planned:
            self.segments.append(NativeSegment(self._builder.run_of(self._entry, planned), planned))

    def run(self) -> None:
        """Runs every segment; ExecutionError names the operator that failed."""
        try:
            for segment in self.segments:
                if isinstance(segment, HostSegment):
                    self._run_host(segment.planned)
                else:
                    status = segment.table.run()
                    if status:
                        raise self.failure(segment, status)
        except BaseException:
            self._abandon()
            raise

    def _abandon(self) -> None:
        """Waits for what delegates have under way when a run ends early: it uses the memory of the next one."""
        for segment in self.segments:
            if isinstance(segment, HostSegment) and isinstance(segment.planned.step, DelegateStep):
                segment.planned.step.partition.abandon()

    def run_observed(self, observe: Observer) -> None:
        """Runs the same kernels step by step and tells `observe` each step's time in nanoseconds."""
        try:
            self._run_observed(observe)
        except BaseException:
            self._abandon()
            raise

    def _run_observed(self, observe: Observer) -> None:
        for segment in self.segments:
            if isinstance(segment, HostSegment):
                started = perf_counter_ns()
                self._run_host(segment.planned)
                observe(segment.planned, perf_counter_ns() - started)
                continue
            for row, planned in enumerate(segment.steps):
                status, spent_ns = segment.table.run_rows(row, 1)
                observe(planned, spent_ns)
                if status:
                    raise self.failure(segment, status)

    def failure(self, segment: NativeSegment, status: int) -> ExecutionError:
        """The error for a segment's status; names the operator."""
        planned, step = self._builder.labels.get(segment.table.take_failed(), (None, None))
        where = _where(planned) if planned is not None else "a nested operator"
        if isinstance(step, UserStep):
            return self._raised(where, step)
        return ExecutionError(f"{where}: {STATUS_TEXT.get(status, f'status 0 is required, found {status}')}")

    def _raised(self, where: str, step: UserStep) -> ExecutionError:
        """The error for a user's kernel that raised an exception, with that as its cause."""
        cause = step.library.exception([self._memory.array(x) for x in step.arguments.values() if isinstance(x, TensorInfo)], step.options)
        error = ExecutionError(f"{where}: the custom kernel failed{f': {cause!r}' if cause is not None else ''}")
        error.__cause__ = cause
        return error

    def _run_host(self, planned: PlannedStep) -> None:
        assert isinstance(planned.step, HostStep)
        where = _where(planned)
        inputs = [None if info is None else self._memory.array(info) for info in planned.inputs]
        try:
            with np.errstate(all="ignore"):
                if planned.step.write is not None:
                    self._write_host(where, planned.step.write, inputs, planned.outputs)
                    return
                results = tuple(planned.step.run(inputs))
        except JitliteError:
            raise
        except Exception as error:
            what = "the delegate" if isinstance(planned.step, DelegateStep) else "the Python operator"
            raise ExecutionError(f"{where}: {what} failed: {error!r}") from error
        if len(results) != len(planned.outputs):
            raise ExecutionError(f"{where}: {len(planned.outputs)} output arrays are required, found {len(results)}")
        for info, result in zip(planned.outputs, results):
            self._store(where, planned.step, info, np.asarray(result))

    def _write_host(self, where: str, write: Callable[..., None], inputs: Sequence[Any], outputs: Sequence[TensorInfo]) -> None:
        results = [self._memory.array(info) for info in outputs]
        write(inputs, results)
        for info, result in zip(outputs, results):
            if info.type is TensorType.STRING:
                result[...] = _strings(where, info, result)

    def _store(self, where: str, step: HostStep, info: TensorInfo, result: NDArray[Any]) -> None:
        if info.value is not None:
            _require_same_handle(where, info, result)
            return
        if info.type is TensorType.STRING:
            result = _strings(where, info, result)
        required = result.dtype if info.type is TensorType.STRING else stored_dtype(info.type) or numpy_dtype(info.type)
        if result.dtype != required:
            raise ExecutionError(f"{where}: output '{info.name}' of dtype {required} is required, found {result.dtype}")
        if not step.shapes_known:
            self._memory.place_result(info, result)
            return
        if result.shape != info.shape:
            raise ExecutionError(f"{where}: output '{info.name}' of shape {info.shape} is required, found {result.shape}")
        self._memory.array(info)[...] = result


def _where(planned: PlannedStep) -> str:
    return f"operator {planned.node} ({planned.label})"


def _require_same_handle(where: str, info: TensorInfo, result: NDArray[Any]) -> None:
    assert info.value is not None
    if result.tobytes() != info.value.tobytes():
        raise ExecutionError(f"{where}: the handle '{info.name}' that was known before the run is required, found another")


def _strings(where: str, info: TensorInfo, result: NDArray[Any]) -> Strings:
    try:
        return as_strings(result)
    except ValueError as error:
        raise ExecutionError(f"{where}: output '{info.name}': {error}") from error


def _tensor_bytes(step: Step) -> int:
    return sum(byte_size(value.type, value.shape) for value in step.arguments.values() if isinstance(value, TensorInfo))
