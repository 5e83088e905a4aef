"""Decides what runs: shapes, constants known before the first run, and the steps of each operator.

A subgraph is planned in stages. A stage ends where a shape depends on a run-time value, or behind an operator in Python whose output
shapes are not known; the next stage is planned when that value is there. An ordinary model is one stage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.registry import BINDINGS, FUSIONS, HostStep, Step
from jitlite.interpreter.budgets import WORK_LIMIT, MemoryBudget
from jitlite.interpreter.custom import CustomOperator, custom_call
from jitlite.interpreter.failures import located
from jitlite.interpreter.work import work_of
from jitlite.schemas.dtypes import INTEGER_RANGE, byte_size, numpy_dtype
from jitlite.schemas.errors import InvalidModelError, UnsupportedError
from jitlite.schemas.model import builtin_code, lasting_results, printable
from jitlite.schemas.ops.spec import Call, NeedsValue, OpSpec, TensorInfo, find_spec, infer
from jitlite.schemas.record import Record, replace
from jitlite.schemas.sparsity import block_scales, constant_data
from jitlite.schemas.tables import BuiltinOperator, Model, Operator, SubGraph, Tensor, TensorType
from jitlite.schemas.verify_tensor import MAX_RANK

if TYPE_CHECKING:
    from jitlite.interpreter.delegates.planning import Delegation
    from jitlite.interpreter.state import State

FOLD_LIMIT_BYTES = 1 << 28
"""Results of operators on constants are computed while planning as long as those still needed are no larger; the rest is run."""


_MOST_INLINED = 1 << 16
_MOST_ELEMENTS = INTEGER_RANGE[TensorType.INT32][1]


class PlannedStep(Record):
    """A step and the operator it belongs to; `inputs` are a Python operator's, a native step's arguments say what it reads."""

    node: int
    label: str
    step: Step | HostStep
    inputs: tuple[TensorInfo | None, ...]
    outputs: tuple[TensorInfo, ...]


class Stage:
    """The planned operators [start, stop) of a subgraph and what is known of its tensors behind them.

    `awaits` is the tensor whose value decides a shape of operator `stop`; None where the stage ends behind an operator in Python.
    `folded` has the bytes of each tensor that was computed while planning and is still needed, `folded_bytes` is their sum. `work` is that
    of all operators, without the rounds of loops.
    """

    def __init__(self, start: int, tensors: dict[int, TensorInfo]) -> None:
        self.start = self.stop = start
        self.tensors = tensors
        self.steps: list[PlannedStep] = []
        self.awaits: int | None = None
        self.is_last = True
        self.waiting: tuple[int, Call] | None = None
        self.readers: Mapping[int, int] = {}
        self.last_readers: Mapping[int, int] = {}
        self.folded: dict[int, int] = {}
        self.folded_bytes = 0
        self.work = 0

    def fold(self, index: int, info: TensorInfo) -> None:
        """Notes a tensor whose value was computed."""
        assert info.value is not None
        self.tensors[index] = info
        self.folded[index] = info.value.nbytes
        self.folded_bytes += info.value.nbytes

    def release(self, index: int) -> None:
        """Forgets the value of a folded tensor."""
        self.tensors[index] = replace(self.tensors[index], value=None)
        self.folded_bytes -= self.folded.pop(index)


class Resolved(Record):
    """An operator whose output shapes are known, or are known not to be; with its steps where finding that out took them."""

    node: int
    call: Call
    steps: Sequence[Step | PlannedStep] | HostStep | None

    @property
    def ends_stage(self) -> bool:
        """True when its output shapes are known only behind it."""
        return isinstance(self.steps, HostStep) and not self.steps.shapes_known


class Slots:
    """Hands out tensor numbers: the main subgraph's are its tensor indices, nested subgraphs get ranges behind them."""

    def __init__(self, first: int) -> None:
        self._first = self._next = first

    def take(self, count: int) -> int:
        """The first of `count` new numbers; UnsupportedError for subgraphs that call each other so often that there would be too many."""
        first = self._next
        self._next += count
        if self._next - self._first > _MOST_INLINED:
            raise UnsupportedError(f"calls of subgraphs: at most {_MOST_INLINED} tensors in all of them are supported, found more")
        return first


def _zero_point(tensor: Tensor) -> int:
    """The zero point, which 8-bit variables start from."""
    return tensor.quantization.zero_point[0] if tensor.quantization is not None and len(tensor.quantization.zero_point) == 1 else 0


def operator_kinds(model: Model) -> list[tuple[BuiltinOperator, str]]:
    """For each operator code of a model the operator and its name, a custom operator's own."""
    codes = [(builtin_code(code), code.custom_code) for code in model.operator_codes]
    return [(builtin, custom if builtin is BuiltinOperator.CUSTOM else builtin.name) for builtin, custom in codes]


Folder = Callable[[Sequence[Step], Sequence[TensorInfo]], list[NDArray[Any]]]
ControlPlanner = Callable[["Planner", Call], "tuple[Call, Sequence[Step | PlannedStep] | HostStep]"]


class Planner(Record, frozen=False):
    """Plans one subgraph of a model; `base` is added to its tensor indices to number them.

    `fold` runs steps whose inputs are constants and returns the values of their outputs. `control` plans operators that are not `is_bound`,
    `state` has the variables, `memory` counts values that are made while planning. `kinds` are the model's `operator_kinds`. With
    `keeps_folded` every constant stays in memory for those who look at tensors, and no operators are fused. No stage has more work than
    `work_limit`; `inlined_work` is that of subgraphs that `control` has planned as part of an operator. `delegation` decides which
    operators delegates run. With `is_reference` operators also do what LiteRT's reference kernels do wrong.
    """

    model: Model
    subgraph: int
    slots: Slots
    custom: Mapping[str, CustomOperator]
    fold: Folder
    control: ControlPlanner
    kinds: Sequence[tuple[BuiltinOperator, str]]
    state: State
    memory: MemoryBudget
    keeps_folded: bool = False
    base: int = 0
    work_limit: int = WORK_LIMIT
    inlined_work: int = 0
    delegation: Delegation | None = None
    is_reference: bool = False

    @property
    def graph(self) -> SubGraph:
        return self.model.subgraphs[self.subgraph]

    def tensor(self, index: int) -> TensorInfo:
        """What the file says of a tensor, with its value when it is a constant."""
        found = self.graph.tensors[index]
        makes_value = found.sparsity is not None or (found.is_variable and found.type is TensorType.INT8)
        if makes_value:
            self.memory.require(byte_size(found.type, found.shape))
        value = self.state.strings.of(found) if found.type is TensorType.STRING else constant_data(self.model, found)
        if found.is_variable and value is None and found.type is TensorType.INT8:
            value = np.full(found.shape, _zero_point(found), np.int8)
        if makes_value and value is not None:
            self.memory.hold(value)
        parts = found.quantization, self.base + index, found.name, found.is_variable, block_scales(self.model, self.graph, found)
        return TensorInfo(tuple(found.shape), found.type, value, *parts)

    def where(self, node: int) -> str:
        op = self.graph.operators[node]
        output = self.graph.tensors[op.outputs[0]].name if op.outputs else ""
        return f"subgraph {self.subgraph}, operator {node} ({printable(self.label(op))} '{printable(output)}')"

    def label(self, op: Operator) -> str:
        return self.kinds[op.opcode_index][1]

    def operators_of(self, subgraph: int) -> list[str]:
        """The names of a subgraph's operators."""
        return [self.label(op) for op in self.model.subgraphs[subgraph].operators]

    def spec(self, op: Operator) -> OpSpec | None:
        return find_spec(*self.kinds[op.opcode_index])

    def first_stage(self, inputs: Mapping[int, TensorInfo]) -> Stage:
        """The stage that starts at the first operator; `inputs` describes the subgraph's input tensors by index."""
        tensors = {}
        for index, tensor in enumerate(self.graph.tensors):
            if index in inputs:
                tensors[index] = inputs[index]
            elif tensor.is_variable or self.model.buffers[tensor.buffer].data:
                tensors[index] = self.tensor(index)
        produced = {index for op in self.graph.operators for index in op.outputs}
        for index in (*(index for op in self.graph.operators for index in op.inputs), *self.graph.outputs):
            if index >= 0 and index not in tensors and index not in produced:
                tensors[index] = self._empty_constant(index)
        return self.next_stage(0, tensors)

    def _empty_constant(self, index: int) -> TensorInfo:
        """A tensor without data that nothing produces: legal only when it has no elements."""
        info = self.tensor(index)
        if prod(info.shape):
            raise InvalidModelError(
                f"subgraph {self.subgraph}, tensor {index} '{info.name}': a producer or data are required, found neither"
            )
        return replace(info, value=np.zeros(info.shape, np.object_ if info.type is TensorType.STRING else numpy_dtype(info.type)))

    def next_stage(self, start: int, tensors: dict[int, TensorInfo], values: Mapping[int, NDArray[Any]] | None = None) -> Stage:
        """The stage that starts at operator `start`; `values` are run-time values of tensors that operator `start` asked for."""
        last_readers = {index: node for node, op in enumerate(self.graph.operators) for index in op.inputs}
        results = lasting_results(self.model, self.subgraph)
        last_readers |= dict.fromkeys(results, len(self.graph.operators))
        readers = Counter([*(index for op in self.graph.operators for index in op.inputs), *results])

        def begin() -> Stage:
            stage = Stage(start, dict(tensors))
            stage.readers, stage.last_readers = readers, last_readers
            for index in (index for op in self.graph.operators[:start] for index in op.outputs):
                if tensors[index].value is not None and not tensors[index].is_variable:
                    stage.fold(index, tensors[index])
            return stage

        if self.delegation is None:
            stage, unsupported = self._planned_in_order(begin(), values)
        else:
            stage, unsupported = self.delegation.plan(self, begin, values)
        if unsupported or start == 0:
            self._report([*unsupported, *(self._unknown(range(stage.stop, len(self.graph.operators))) if not stage.is_last else ())])
        return stage

    def _planned_in_order(self, stage: Stage, values: Mapping[int, NDArray[Any]] | None) -> tuple[Stage, list[UnsupportedError]]:
        """The stage with the operators' steps in the operators' order, and what is not supported of them."""
        unsupported: list[UnsupportedError] = []
        for node in range(stage.start, len(self.graph.operators)):
            try:
                with self.located(node):
                    found = self.resolve(stage, node, values if node == stage.start else None)
                    if found is not None:
                        self.emit(stage, found)
                        self.note(stage, found)
            except NeedsValue as request:
                self.await_value(stage, node, request)
                break
            except UnsupportedError as error:
                unsupported.append(error)
                self.assume_declared(stage, node)
                continue
            except InvalidModelError:
                if not unsupported:
                    raise
                # Behind an unsupported operator shapes are only what the file declares.
                stage.is_last = False
                break
            stage.stop = node + 1
            self.release_read(stage, node)
            if found is not None and found.ends_stage:
                stage.is_last = node + 1 == len(self.graph.operators)
                break
        try:
            self.bind_waiting(stage)
        except UnsupportedError as error:
            unsupported.append(error)
        return stage, unsupported

    def await_value(self, stage: Stage, node: int, request: NeedsValue) -> None:
        """Ends a stage before an operator that needs a run-time value."""
        stage.awaits = self.graph.operators[node].inputs[request.index]
        stage.is_last = False

    def _unknown(self, nodes: Sequence[int]) -> Iterator[UnsupportedError]:
        """The errors for those of the operators, which are not planned yet, that nobody knows."""
        for node in nodes:
            try:
                if self._custom(self.graph.operators[node]) is None:
                    self._known_spec(node)
            except UnsupportedError as error:
                yield error

    def _report(self, errors: Sequence[UnsupportedError]) -> None:
        """Raises all errors as one; custom operators that nobody knows are named at its start."""
        if not errors:
            return
        lines = list(dict.fromkeys(str(error) for error in errors))
        custom = sorted({name for builtin, name in self.kinds if builtin is BuiltinOperator.CUSTOM and name not in self.custom})
        missing = [printable(name) for name in custom if find_spec(BuiltinOperator.CUSTOM, name) is None]
        if missing:
            lines.append(f"custom operators {', '.join(missing)} are required in custom_operators (docs/custom-operators.md), found none")
        cause = errors[0] if len(lines) == 1 else None
        raise UnsupportedError("\n".join(lines)) from (cause.__cause__ if cause is not None else None)

    def release_read(self, stage: Stage, node: int) -> None:
        """Forgets the values of folded tensors that no operator behind this one reads: steps hold what they need, packed or as it is."""
        for index in self.graph.operators[node].inputs if not self.keeps_folded else ():
            if stage.last_readers[index] == node and index in stage.folded:
                stage.release(index)

    def assume_declared(self, stage: Stage, node: int) -> None:
        """Takes an unsupported operator's outputs as the file declares them, so that the rest can be looked at too."""
        for index in self.graph.operators[node].outputs:
            stage.tensors[index] = self.tensor(index)
        stage.stop = node + 1

    def _known_spec(self, node: int) -> OpSpec:
        """An operator's spec; UnsupportedError for operators and versions that are not known."""
        op = self.graph.operators[node]
        spec, version = self.spec(op), self.model.operator_codes[op.opcode_index].version
        if spec is not None and version <= spec.max_version:
            return spec
        known = "" if spec is None else f"; versions up to {spec.max_version} are supported"
        raise UnsupportedError(f"{self.where(node)}: operator {printable(self.label(op))} version {version} is not supported{known}")

    def _call(self, stage: Stage, node: int, values: Mapping[int, NDArray[Any]] | None) -> Call:
        op = self.graph.operators[node]
        code = self.model.operator_codes[op.opcode_index]
        custom = self._custom(op)
        spec = None if custom is not None else self._known_spec(node)
        inputs = []
        for index in op.inputs:
            info = stage.tensors.get(index) if index >= 0 else None
            if index >= 0 and info is None:
                raise InvalidModelError(f"{self.where(node)}: inputs that are produced before are required, found tensor {index}")
            if info is not None and values is not None and index in values:
                info = replace(info, value=values[index])
            inputs.append(info)
        outputs = tuple(self.tensor(index) for index in op.outputs)
        if spec is None:
            fields = {"version": code.version, "where": self.where(node), "custom_options": bytes(op.custom_options)}
            return custom_call(self.label(op), inputs=tuple(inputs), outputs=outputs, **fields)
        options = op.builtin_options or op.builtin_options_2
        if options is None and spec.options is not None:
            options = spec.options()
        between = tuple(self.tensor(index) for index in op.intermediates if index >= 0)
        return Call(
            spec, options, tuple(inputs), outputs, code.version, self.where(node), bytes(op.custom_options), between, self.is_reference
        )

    def resolve(self, stage: Stage, node: int, values: Mapping[int, NDArray[Any]] | None) -> Resolved | None:
        """Finds out what an operator's outputs are. None where they are known by value: then there is nothing to run."""
        op = self.graph.operators[node]
        found = Resolved(node, self._call(stage, node, values), None)
        custom = self._custom(op)
        if custom is not None:
            found = self._custom_resolved(node, custom, found.call)
        else:
            call = replace(found.call, outputs=self._resolved(found.call, infer(found.call)))
            found = Resolved(node, call, None)
            self._spend(stage, call, work_of(call))
            if call.spec.value is not None:
                stage.tensors[op.outputs[0]] = replace(call.outputs[0], value=call.spec.value(call))
                return None
            if not call.spec.is_bound:
                self.inlined_work = 0
                found = Resolved(node, *self.control(self, call))
                self._spend(stage, call, self.inlined_work)
            elif self._is_constant(stage, call):
                steps = self.bind(call)
                if not isinstance(steps, HostStep):
                    for index, info, value in zip(op.outputs, call.outputs, self.fold(steps, call.outputs)):
                        if info.is_variable:
                            stage.tensors[index] = replace(info, value=value)
                        else:
                            stage.fold(index, replace(info, value=value))
                    return None
                found = Resolved(node, call, steps)
            elif call.spec.is_sized_by_run:
                found = Resolved(node, call, self.bind(call))
            if call.spec.is_bound and any(info.is_variable for info in call.outputs):
                raise UnsupportedError(f"{call.where}: variables with at most {FOLD_LIMIT_BYTES} bytes of initial values are supported")
        return found

    def located(self, node: int) -> AbstractContextManager[None]:
        """Errors raised inside name the operator."""
        return located(lambda: self.where(node))

    def _spend(self, stage: Stage, call: Call, work: int) -> None:
        """Adds to a stage's work; UnsupportedError for the operator with which it passes the limit."""
        stage.work += work
        if stage.work - work <= self.work_limit < stage.work:
            raise call.unsupported(f"at most {self.work_limit} units of work in a run are allowed, found {stage.work} up to here")

    def note(self, stage: Stage, found: Resolved) -> None:
        """Notes what an operator's outputs are, for those that read them."""
        stage.tensors.update(zip(self.graph.operators[found.node].outputs, found.call.outputs))

    def emit(self, stage: Stage, found: Resolved) -> None:
        """Adds the steps of an operator, or has it wait for the next one to fuse with."""
        if found.steps is None and self._fuse(stage, found.node, found.call):
            return
        self.bind_waiting(stage)
        if found.steps is None and self._is_fusible(stage, found.node, found.call):
            stage.waiting = found.node, found.call
        else:
            self._add(stage, found.node, found.call, self.bind(found.call) if found.steps is None else found.steps)

    def bind(self, call: Call) -> list[Step] | HostStep:
        binding = BINDINGS.get(call.spec)
        if binding is None:
            raise UnsupportedError(f"{call.where}: operator {call.spec.name} has no kernels")
        bound = binding(call)
        return bound if isinstance(bound, HostStep) else [bound] if isinstance(bound, Step) else list(bound)

    def _is_fusible(self, stage: Stage, node: int, call: Call) -> bool:
        """True for an operator whose only reader is the next one, when the two may be fused."""
        if self.keeps_folded or node + 1 == len(self.graph.operators) or len(call.outputs) != 1 or self._is_constant(stage, call):
            return False
        output, following = self.graph.operators[node].outputs[0], self.graph.operators[node + 1]
        pair = call.spec.code, self.kinds[following.opcode_index][0]
        return pair in FUSIONS and stage.readers[output] == 1 and output in following.inputs

    def _fuse(self, stage: Stage, node: int, call: Call) -> bool:
        """Adds the steps of the waiting operator and this one together, if they fuse."""
        if stage.waiting is None:
            return False
        first, waiting = stage.waiting
        fusion = FUSIONS.get((waiting.spec.code, call.spec.code))
        bound = fusion(waiting, call) if fusion is not None and first + 1 == node else None
        if bound is None or isinstance(bound, HostStep):
            return False
        stage.waiting = None
        label = f"{self.label(self.graph.operators[first])}+{self.label(self.graph.operators[node])}"
        steps = [bound] if isinstance(bound, Step) else bound
        stage.steps += [PlannedStep(node, label, step, (), call.outputs) for step in steps]
        return True

    def bind_waiting(self, stage: Stage) -> None:
        """Adds the steps of the operator that waits for the next one to fuse with, by itself."""
        if stage.waiting is not None:
            node, call = stage.waiting
            stage.waiting = None
            with self.located(node):
                self._add(stage, node, call, self.bind(call))

    def _is_constant(self, stage: Stage, call: Call) -> bool:
        """True for an operator on constants whose results still fit the stage's allowance; strings are not computed while planning."""
        if any(info.type is TensorType.STRING for info in call.outputs):
            return False
        size = sum(byte_size(info.type, info.shape) for info in call.outputs)
        known = all(info is None or (info.value is not None and not info.is_variable) for info in call.inputs)
        limit = FOLD_LIMIT_BYTES if self.delegation is None else self.memory.limit_bytes
        return known and stage.folded_bytes + size <= limit

    def _resolved(self, call: Call, results: Sequence[tuple[tuple[int, ...], TensorType]]) -> tuple[TensorInfo, ...]:
        call.require(len(results) == len(call.outputs), f"{len(results)} outputs are required, found {len(call.outputs)}")
        outputs = []
        for position, (info, (shape, type)) in enumerate(zip(call.outputs, results, strict=True)):
            if info.type is not type and not call.spec.sets_type:
                raise call.invalid(f"output {position} of type {type.name} is required, found {info.type.name}")
            if len(shape) > MAX_RANK:
                raise call.invalid(f"at most {MAX_RANK} dimensions are required, found {len(shape)} in output {position}")
            if prod(shape) > _MOST_ELEMENTS:
                raise call.invalid(f"at most {_MOST_ELEMENTS} elements are required, found {prod(shape)} in output {position}")
            outputs.append(replace(info, shape=tuple(shape), type=type))
        return tuple(outputs)

    def _custom(self, op: Operator) -> CustomOperator | None:
        """What a user brought for this operator, or what a delegate says of it where nobody else knows it."""
        builtin, name = self.kinds[op.opcode_index]
        if builtin is not BuiltinOperator.CUSTOM:
            return None
        found = self.custom.get(name)
        if found is None and self.delegation is not None and find_spec(builtin, name) is None:
            found = self.delegation.custom.get(name)
        return found

    def _custom_resolved(self, node: int, custom: CustomOperator, call: Call) -> Resolved:
        call, results = custom.resolve(call)
        if results is not None:
            call = replace(call, outputs=self._resolved(call, results))
        step = custom.step(call) if custom.runs_on_cpu else None
        return Resolved(node, call, [step] if isinstance(step, Step) else step)

    def _add(self, stage: Stage, node: int, call: Call, steps: Sequence[Step | PlannedStep] | HostStep) -> None:
        """Adds an operator's steps, or those of a subgraph as they are."""
        label = self.label(self.graph.operators[node])
        planned = [steps] if isinstance(steps, HostStep) else steps
        inputs = call.inputs if isinstance(steps, HostStep) else ()
        stage.steps += [
            replace(step, node=node) if isinstance(step, PlannedStep) else PlannedStep(node, label, step, inputs, call.outputs)
            for step in planned
        ]
