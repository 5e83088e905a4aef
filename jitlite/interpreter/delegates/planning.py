"""Plans stages with delegates: asks them what they take, joins it to partitions, has these prepared and puts them among the CPU's steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from jitlite.interpreter.binding.registry import FUSIONS, DelegateStep
from jitlite.interpreter.custom import CustomOperator
from jitlite.interpreter.delegates.partition import Limits, Unit, overlapped, partition
from jitlite.interpreter.delegates.protocol import Boundary, Delegate, DelegateWarning, Partition
from jitlite.interpreter.delegates.running import PreparedPartition, close_all
from jitlite.interpreter.plan import PlannedStep, Planner, Resolved, Stage
from jitlite.schemas.errors import UnsupportedError
from jitlite.schemas.model import lasting_results
from jitlite.schemas.ops.spec import NeedsValue, TensorInfo
from jitlite.schemas.record import Record
from jitlite.schemas.tables import BuiltinOperator, TensorType

_HOST_TYPES = (TensorType.RESOURCE, TensorType.VARIANT, TensorType.STRING)


class Survey(Record, frozen=False):
    """What there is to delegate in a stage: operators by node, and for each delegate why it leaves those that it does not take.

    `failed` says of delegates, by their place, why none of their partitions runs.
    """

    stage: Stage
    operators: dict[int, Resolved]
    stateful: list[int]
    reasons: list[dict[int, str]]
    unsupported: list[UnsupportedError]
    failed: dict[int, str]


class Layout(Record):
    """A stage's units in the order they run, the partitions of each delegate by their first node, and why it has no more."""

    survey: Survey
    units: list[Unit]
    partitions: list[dict[int, Partition]]
    reasons: list[dict[int, str]]


class Delegation(Record, frozen=False):
    """The delegates of an interpreter, in their order: each is asked for what those before it left.

    Without `joins` each delegated operator is a partition, and so it is for those who look at all tensors. Without `gathers` partitions
    have only operators that follow each other.
    """

    delegates: Sequence[Delegate]
    gathers: bool = True
    joins: bool = True
    is_dry: bool = False
    """True where nothing is prepared: `found` has the layout then, and the stage no steps."""
    found: Layout | None = None

    @property
    def custom(self) -> dict[str, CustomOperator]:
        """The custom operators that delegates know."""
        inferences = {name: infer for delegate in reversed(self.delegates) for name, infer in delegate.CUSTOM_OPERATORS.items()}
        return {name: CustomOperator(name, _not_on_the_cpu, infer, runs_on_cpu=False) for name, infer in inferences.items()}

    def plan(
        self, planner: Planner, begin: Callable[[], Stage], values: Mapping[int, NDArray[Any]] | None
    ) -> tuple[Stage, list[UnsupportedError]]:
        """The stage that `begin` starts, and what is not supported of it."""
        on_cpu: set[int] = set()
        while True:
            survey = self._survey(planner, begin(), values, on_cpu)
            self._ask(survey)
            if self.is_dry:
                self.found = self._layout(planner, survey)
                return survey.stage, []
            try:
                self._bind_unwanted(planner, survey)
                self._emit(planner, survey)
            except _Late as late:
                if late.node in on_cpu:
                    raise UnsupportedError(f"{planner.where(late.node)}: steps that need no run-time value are required") from late
                on_cpu.add(late.node)
                continue
            return survey.stage, survey.unsupported

    def _survey(self, planner: Planner, stage: Stage, values: Mapping[int, NDArray[Any]] | None, on_cpu: set[int]) -> Survey:
        """Resolves the operators of a stage; makes the steps of those `on_cpu`, which need a value or end the stage."""
        survey = Survey(stage, {}, [], [{} for _ in self.delegates], [], {})
        for node in range(stage.start, len(planner.graph.operators)):
            try:
                with planner.located(node):
                    found = planner.resolve(stage, node, values if node == stage.start else None)
                    if found is not None and node in on_cpu:
                        found = Resolved(node, found.call, planner.bind(found.call))
                if found is not None:
                    survey.operators[node] = found
                    planner.note(stage, found)
            except NeedsValue as request:
                planner.await_value(stage, node, request)
                break
            except UnsupportedError as error:
                survey.unsupported.append(error)
                for reasons in survey.reasons:
                    reasons[node] = f"jitlite does not support it: {str(error).removeprefix(planner.where(node)).removeprefix(': ')}"
                planner.assume_declared(stage, node)
                continue
            stage.stop = node + 1
            if found is not None and found.ends_stage:
                stage.is_last = node + 1 == len(planner.graph.operators)
                break
        return survey

    def _ask(self, survey: Survey) -> None:
        """Notes what the delegates say of the operators."""
        asked = []
        for node, found in survey.operators.items():
            kept = _host_reason(found)
            if kept or found.call.spec.code is BuiltinOperator.CUSTOM:
                survey.stateful.append(node)
            if kept:
                for reasons in survey.reasons:
                    reasons[node] = kept
            else:
                asked.append(node)
        for place, delegate in enumerate(self.delegates):
            if delegate.needs_fixed_shapes and survey.stage.start > 0:
                survey.reasons[place] |= dict.fromkeys(asked, "its shapes depend on values known only while the model runs")
                continue
            try:
                said = list(delegate.decline_each([survey.operators[node].call for node in asked]))
                if len(said) != len(asked):
                    raise ValueError(f"{len(asked)} answers are required, found {len(said)}")
            except Exception as error:
                self._drop(survey, place, f"asking it for operators failed: {error!r}")
            else:
                survey.reasons[place] |= {node: reason for node, reason in zip(asked, said) if reason}

    def _bind_unwanted(self, planner: Planner, survey: Survey) -> None:
        """Makes the steps of operators that no delegate wants, before anything is prepared, as they may need a value or end the stage."""
        for node, found in list(survey.operators.items()):
            is_wanted = any(place not in survey.failed and node not in reasons for place, reasons in enumerate(survey.reasons))
            if found.steps is not None or is_wanted or _may_fuse(found.call.spec.code):
                continue
            try:
                with planner.located(node):
                    survey.operators[node] = bound = Resolved(node, found.call, planner.bind(found.call))
            except UnsupportedError as error:
                survey.unsupported.append(error)
            except NeedsValue as request:
                raise _Late(node) from request
            else:
                if bound.ends_stage:
                    raise _Late(node)

    def _emit(self, planner: Planner, survey: Survey) -> None:
        """Adds the steps of the CPU and of the partitions; none where something is not supported."""
        if survey.unsupported:
            return
        layout, prepared = self._prepared(planner, survey)
        try:
            _Emission(planner, layout, prepared).emit()
        except BaseException:
            close_all(prepared)
            raise
        if survey.unsupported:
            close_all(prepared)

    def _drop(self, survey: Survey, place: int, problem: str) -> None:
        """Takes a delegate out of the plan."""
        survey.failed[place] = problem
        warnings.warn(f"delegate {self.delegates[place].name}: {problem}; the CPU runs its operators", DelegateWarning, stacklevel=2)

    def _layout(self, planner: Planner, survey: Survey) -> Layout:
        """Gives each delegate its partitions, one delegate after the other."""
        units, found = _single_units(survey), [dict(reasons) for reasons in survey.reasons]
        for place, delegate in enumerate(self.delegates):
            reasons = found[place]
            for node in survey.operators if place in survey.failed else ():
                reasons.setdefault(node, survey.failed[place])
            gathers, joins = self.gathers, self.joins and not planner.keeps_folded
            limits = Limits(delegate.max_delegated_partitions, delegate.min_nodes_per_partition, gathers, joins)
            taken = {node for node in survey.operators if node not in reasons}
            left_out: list[tuple[tuple[int, ...], str]] = []
            units = partition(units, taken, place, limits, lambda nodes, reason: left_out.append((nodes, reason)))  # noqa: B023 - called before the next turn
            reasons.update({node: reason for nodes, reason in left_out for node in nodes})
        return Layout(survey, units, _partitions(planner, survey, units, len(self.delegates)), found)

    def _prepared(self, planner: Planner, survey: Survey) -> tuple[Layout, list[PreparedPartition]]:
        """The layout with its partitions prepared; without the delegates that could not."""
        while True:
            layout, prepared, failed = self._layout(planner, survey), list[PreparedPartition](), False
            for place, delegate in enumerate(self.delegates):
                wanted = list(layout.partitions[place].values())
                try:
                    kernels = list(delegate.prepare(wanted)) if wanted else []
                    if len(kernels) != len(wanted):
                        close_all([PreparedPartition(delegate.name, wanted[0], kernel) for kernel in kernels])
                        raise ValueError(f"{len(wanted)} kernels are required, found {len(kernels)}")
                except Exception as error:
                    self._drop(survey, place, f"preparing {len(wanted)} partitions failed: {error!r}")
                    failed = True
                    break
                prepared += [PreparedPartition(delegate.name, item, kernel) for item, kernel in zip(wanted, kernels)]
            if not failed:
                return layout, prepared
            close_all(prepared)


def _not_on_the_cpu(*arrays: Any) -> Any:
    raise NotImplementedError


class _Late(Exception):  # noqa: N818 - a signal to plan anew
    """An operator that a delegate left after all needs a run-time value to be bound."""

    def __init__(self, node: int) -> None:
        super().__init__(node)
        self.node = node


def _may_fuse(code: BuiltinOperator) -> bool:
    """True for operators whose steps may be made together with a neighbour's; none of these needs a value for that."""
    return any(code in pair for pair in FUSIONS)


def _host_reason(found: Resolved) -> str:
    """Why no delegate is asked for an operator."""
    if found.ends_stage:
        return "its output shapes are known only behind it"
    if not found.call.spec.is_bound:
        return "it runs subgraphs or has variables"
    tensors = [info for info in (*found.call.inputs, *found.call.outputs) if info is not None]
    if any(info.is_variable or info.type in _HOST_TYPES for info in tensors):
        return "it has variables, handles or strings"
    return ""


def _single_units(survey: Survey) -> list[Unit]:
    """A unit for every operator; those with effects beside their outputs keep their order, one that ends the stage stays last."""
    units, earlier = [], dict(zip(survey.stateful[1:], survey.stateful))
    for node, found in survey.operators.items():
        reads = frozenset(info.index for info in found.call.inputs if info is not None and (info.value is None or info.is_variable))
        after = frozenset(survey.operators.keys() - {node}) if found.ends_stage else frozenset({earlier[node]} if node in earlier else ())
        units.append(Unit((node,), reads, frozenset(info.index for info in found.call.outputs), after))
    return units


def _partitions(planner: Planner, survey: Survey, units: Sequence[Unit], count: int) -> list[dict[int, Partition]]:
    """The partitions of each of `count` delegates, by first node."""
    graph, stage = planner.graph, survey.stage
    lasting = {*lasting_results(planner.model, planner.subgraph), *(index for op in graph.operators[stage.stop :] for index in op.inputs)}
    numbers: dict[int, tuple[int, int]] = {}
    counts = [0] * count
    for place, unit in enumerate(units):
        if unit.owner is not None:
            numbers[place] = unit.owner, counts[unit.owner]
            counts[unit.owner] += 1
    makers = {tensor: place for place, unit in enumerate(units) for tensor in unit.writes}
    readers: dict[int, list[int]] = {}
    for place, unit in enumerate(units):
        for tensor in unit.reads - unit.writes:
            readers.setdefault(tensor, []).append(place)
    found: list[dict[int, Partition]] = [{} for _ in range(count)]
    for place, (owner, number) in numbers.items():
        unit, inputs, outputs = units[place], [], []
        for tensor in sorted(unit.reads - unit.writes):
            maker = numbers.get(makers.get(tensor, -1), (None, 0))
            is_own = maker[0] == owner
            inputs.append(Boundary(stage.tensors[tensor], (maker[1],) if is_own else (), not is_own))
        for tensor in sorted(unit.writes):
            others = [numbers.get(reader, (None, 0)) for reader in readers.get(tensor, ())]
            own = tuple(number for reader, number in others if reader == owner)
            is_read = len(own) < len(others) or tensor in lasting or planner.keeps_folded
            if is_read or own:
                outputs.append(Boundary(stage.tensors[tensor], own, is_read))
        calls = tuple(survey.operators[node].call for node in unit.nodes)
        found[owner][unit.nodes[0]] = Partition(number, unit.nodes, calls, tuple(inputs), tuple(outputs), planner.memory)
    return found


class _Emission:
    """Adds a layout's steps to its stage: the CPU's and the partitions', and waits where the first one comes that needs it."""

    def __init__(self, planner: Planner, layout: Layout, prepared: Sequence[PreparedPartition]) -> None:
        self._planner, self._survey = planner, layout.survey
        self._stage = layout.survey.stage
        self._prepared = {item.partition.nodes[0]: item for item in prepared}
        late = {item.partition.nodes[0] for item in prepared if item.kernel.is_asynchronous}
        places = {place for place, unit in enumerate(layout.units) if unit.owner is not None and unit.nodes[0] in late}
        self._units = overlapped(layout.units, places) if places else layout.units
        self._pending: list[PreparedPartition] = []

    def emit(self) -> None:
        for unit in self._units:
            if unit.owner is None:
                self._emit_on_cpu(unit)
            else:
                self._guarded(unit.nodes[0], lambda: self._planner.bind_waiting(self._stage))
                self._start(self._prepared[unit.nodes[0]])
        self._guarded(self._stage.stop - 1, lambda: self._planner.bind_waiting(self._stage))
        self._settle(lambda item: True)
        for node in range(self._stage.start, self._stage.stop):
            self._planner.release_read(self._stage, node)

    def _emit_on_cpu(self, unit: Unit) -> None:
        found = self._survey.operators[unit.nodes[0]]
        self._settle(lambda item: found.ends_stage or bool(unit.reads & {info.index for info in item.host_outputs}))
        self._guarded(found.node, lambda: self._planner.emit(self._stage, found))

    def _guarded(self, node: int, add: Callable[[], None]) -> None:
        try:
            with self._planner.located(node):
                add()
        except UnsupportedError as error:
            self._survey.unsupported.append(error)
        except NeedsValue as request:
            raise _Late(node) from request

    def _start(self, prepared: PreparedPartition) -> None:
        inputs = {info.index for info in prepared.host_inputs}
        self._settle(lambda item: bool(inputs & {info.index for info in item.host_outputs}))
        self._add(prepared, f"{len(prepared.partition.nodes)} operators", prepared.start, prepared.host_inputs, prepared.host_outputs)
        if prepared.kernel.is_asynchronous:
            self._pending.append(prepared)

    def _settle(self, is_due: Callable[[PreparedPartition], bool]) -> None:
        """Adds the waits that are due; what a partition reads and writes stays untouched until its wait."""
        for item in [item for item in self._pending if is_due(item)]:
            self._pending.remove(item)
            self._add(item, "wait", item.wait, (*item.host_inputs, *item.host_outputs), ())

    def _add(
        self,
        prepared: PreparedPartition,
        what: str,
        act: Callable[[], None],
        inputs: tuple[TensorInfo, ...],
        outputs: tuple[TensorInfo, ...],
    ) -> None:
        step = DelegateStep(lambda arrays: (), True, lambda inputs, outputs: act(), delegate=prepared.name, partition=prepared)
        label = f"DELEGATE {prepared.name}, {what}"
        self._stage.steps.append(PlannedStep(prepared.partition.nodes[0], label, step, inputs, outputs))
