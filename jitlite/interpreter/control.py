"""IF, WHILE and CALL_ONCE: as native steps over nested tables where all shapes are known, in Python otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.registry import PLANS, HostStep, Nested, Run, Step, kernels
from jitlite.interpreter.homes import tensors_of
from jitlite.interpreter.plan import ControlPlanner, PlannedStep, Planner, Stage
from jitlite.interpreter.state import pending_info
from jitlite.schemas.dtypes import byte_size, stored_dtype, tensor_type
from jitlite.schemas.errors import ExecutionError
from jitlite.schemas.ops.control import IF
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.record import replace
from jitlite.schemas.tables import TensorType

if TYPE_CHECKING:
    from jitlite.interpreter.program import Program, ProgramOptions

K = kernels("executor")


Planned = tuple[Call, Sequence[Step | PlannedStep] | HostStep]
"""A call with its outputs as they turn out, and its steps."""


def plan_control(options: ProgramOptions) -> ControlPlanner:
    """The function that plans IF and WHILE, and other operators that are not `is_bound`, for a program with these options."""

    def plan(planner: Planner, call: Call) -> Planned:
        own = PLANS.get(call.spec)
        if own is not None:
            return own(planner, call, options)
        subgraphs = _subgraphs(call)
        for index in subgraphs:
            call.require(
                0 <= index < len(planner.model.subgraphs),
                f"a subgraph index below {len(planner.model.subgraphs)} is required, found {index}",
            )
        planned = _plan_if(planner, call) if call.spec is IF else _plan_while(planner, call)
        return planned or _host(planner, call, options)

    return plan


def _subgraphs(call: Call) -> tuple[int, int]:
    if call.spec is IF:
        return call.options.then_subgraph_index, call.options.else_subgraph_index
    return call.options.cond_subgraph_index, call.options.body_subgraph_index


class Inlined:
    """A subgraph planned as part of another's step: its steps with inputs and outputs, on tensor numbers of its own.

    Where it `borrows`, it reads its arguments where they lie, and knows the values of constant ones; otherwise it has copies of them.
    Handles of resources are borrowed always.
    """

    def __init__(self, planner: Planner, subgraph: int, call: Call, arguments: Sequence[TensorInfo], borrows: bool) -> None:
        graph = planner.model.subgraphs[subgraph]
        call.require(
            len(graph.inputs) == len(arguments),
            f"{len(graph.inputs)} operands for subgraph {subgraph} are required, found {len(arguments)}",
        )
        inner = replace(planner, subgraph=subgraph, base=planner.slots.take(len(graph.tensors)), delegation=None)
        self.inputs = []
        for index, argument in zip(graph.inputs, arguments):
            declared = inner.tensor(index)
            call.require(declared.type is argument.type, f"operand of type {declared.type.name} is required, found {argument.type.name}")
            if (borrows and not argument.is_variable) or argument.type is TensorType.RESOURCE:
                self.inputs.append(replace(declared, shape=argument.shape, value=argument.value, index=argument.index))
            else:
                self.inputs.append(replace(declared, shape=argument.shape, value=None))
        self.stage: Stage = inner.first_stage(dict(zip(graph.inputs, self.inputs)))
        outputs = [self.stage.tensors[index] for index in graph.outputs] if self.stage.is_last else []
        has_strings = any(info.type is TensorType.STRING for info in (*self.inputs, *outputs))
        self.is_native = self.stage.is_last and not has_strings and all(isinstance(planned.step, Step) for planned in self.stage.steps)
        self.outputs = outputs if self.is_native else []

    def steps(self, arguments: Sequence[TensorInfo], results: Sequence[TensorInfo]) -> tuple[Step, ...]:
        """Copies of the arguments it does not borrow in, the subgraph's own steps, copies of its outputs to `results`."""
        own = [planned.step for planned in self.stage.steps if isinstance(planned.step, Step)]
        return (*_copies(arguments, self.inputs), *own, *_copies(self.outputs, results))


def _copies(sources: Sequence[TensorInfo], targets: Sequence[TensorInfo]) -> list[Step]:
    """Copies of tensors into others where those are others; handles are not copied, as their values are known."""
    pairs = [(source, target) for source, target in zip(sources, targets) if source.index != target.index]
    return [
        K.step("copy_bytes", source=source, target=target, count=byte_size(target.type, target.shape))
        for source, target in pairs
        if target.type is not TensorType.RESOURCE
    ]


def _same(left: Sequence[TensorInfo], right: Sequence[TensorInfo]) -> bool:
    return [(info.shape, info.type) for info in left] == [(info.shape, info.type) for info in right]


def _plan_if(planner: Planner, call: Call) -> tuple[Call, list[Step]] | None:
    arguments = [call.input(i) for i in range(1, len(call.inputs))]
    taken, other = (Inlined(planner, index, call, arguments, True) for index in _subgraphs(call))
    if not (taken.is_native and other.is_native and _same(taken.outputs, other.outputs)):
        return None
    call.require(len(taken.outputs) == len(call.outputs), f"{len(call.outputs)} branch outputs are required, found {len(taken.outputs)}")
    for info, found in zip(call.outputs, taken.outputs):
        call.require(info.type is found.type, f"branch outputs of type {info.type.name} are required, found {found.type.name}")
    _require_same_handles(call, taken.outputs, other.outputs)
    planner.inlined_work += max(taken.stage.work, other.stage.work)
    results = tuple(result_like(info, found) for info, found in zip(call.outputs, taken.outputs))
    first, second = taken.steps(arguments, results), other.steps(arguments, results)
    step = K.step(
        "run_branch",
        condition=call.input(0),
        then_steps=Nested(first),
        then_count=len(first),
        else_steps=Nested(second),
        else_count=len(second),
        run=Run(),
    )
    return replace(call, outputs=results), [step]


def _plan_while(planner: Planner, call: Call) -> tuple[Call, list[Step]] | None:
    arguments = [call.input(i) for i in range(len(call.inputs))]
    _require_condition(planner, call)
    state = tuple(result_like(info, argument) for info, argument in zip(call.outputs, arguments))
    first, second = _subgraphs(call)
    test, body = Inlined(planner, first, call, state, True), Inlined(planner, second, call, state, True)
    if _crosses(body.outputs, state):
        body = Inlined(planner, second, call, state, False)
    if not (test.is_native and body.is_native and _same(body.outputs, state)):
        return None
    call.require(test.outputs[0].size == 1, f"a condition with one element is required, found shape {test.outputs[0].shape}")
    _require_same_handles(call, arguments, body.outputs)
    test_steps, body_steps = test.steps(state, ()), _changing_in_place(body.steps(state, state), state)
    step = K.step(
        "run_loop",
        condition=test.outputs[0],
        test_steps=Nested(test_steps),
        test_count=len(test_steps),
        body_steps=Nested(body_steps),
        body_count=len(body_steps),
        run=Run(),
        test_work=test.stage.work,
        body_work=body.stage.work,
    )
    return replace(call, outputs=state), [*_copies(arguments, state), step]


def _crosses(outputs: Sequence[TensorInfo], state: Sequence[TensorInfo]) -> bool:
    """True where a turn gives a part of the state in the place of another, which copies one after the other would overwrite."""
    places = {info.index: place for place, info in enumerate(state)}
    return any(places.get(info.index, place) != place for place, info in enumerate(outputs))


def _changing_in_place(steps: Sequence[Step], state: Sequence[TensorInfo]) -> tuple[Step, ...]:
    """The steps of a turn where slices are written into tensors of the state that nothing else looks at, not into copies of them."""
    from jitlite.interpreter.binding.scatter import in_place

    users: dict[int, list[Step]] = {}
    for step in steps:
        for info in tensors_of(step.arguments.values()):
            users.setdefault(info.index, []).append(step)
    changed: dict[int, Step | None] = {}
    for info in state:
        if len(users.get(info.index, ())) != 2:
            continue
        update, copy = users[info.index]
        written, x, y = in_place(update), update.arguments.get("x"), update.arguments.get("y")
        if written is None or not (isinstance(x, TensorInfo) and isinstance(y, TensorInfo)) or x.index != info.index:
            continue
        is_back = (copy.family, copy.kernel) == (K.family, "copy_bytes") and copy.arguments["target"] is info
        if is_back and len(users[y.index]) == 2 and users[y.index][0] is update and users[y.index][1] is copy:
            changed |= {id(update): written, id(copy): None}
    kept = (changed.get(id(step), step) for step in steps)
    return tuple(step for step in kept if step is not None)


def result_like(info: TensorInfo, found: TensorInfo) -> TensorInfo:
    """An operator's output with the shape found for it, and the value if it is a handle."""
    return replace(info, shape=found.shape, value=found.value if found.type is TensorType.RESOURCE else None)


def _require_same_handles(call: Call, left: Sequence[TensorInfo], right: Sequence[TensorInfo]) -> None:
    """UnsupportedError where a handle differs from branch to branch or from round to round."""
    for one, other in zip(left, right):
        is_known = one.value is not None and other.value is not None and np.array_equal(one.value, other.value)
        if one.type is TensorType.RESOURCE and not is_known:
            raise call.unsupported(f"handles that no branch and no round changes are supported, found '{one.name}', which one does")


def _require_condition(planner: Planner, call: Call) -> None:
    """InvalidModelError unless the subgraph that tests a WHILE returns one tensor of truth values."""
    graph = planner.model.subgraphs[call.options.cond_subgraph_index]
    types = [graph.tensors[index].type.name for index in graph.outputs]
    call.require(types == [TensorType.BOOL.name], f"one output of type BOOL is required of the condition, found {types}")


def _require_body(planner: Planner, call: Call) -> None:
    """InvalidModelError unless the body of a WHILE returns what it takes."""
    graph = planner.model.subgraphs[call.options.body_subgraph_index]
    taken, found = ([graph.tensors[index].type.name for index in ends] for ends in (graph.inputs, graph.outputs))
    call.require(found == taken, f"results of types {taken} are required of the body, found {found}")


class Subprograms:
    """Runs subgraphs as programs of their own, planned for the arrays they get; of each the last program is kept.

    So is what its operators remember from run to run.
    """

    def __init__(self, planner: Planner, options: ProgramOptions) -> None:
        self._planner = planner
        self._options = options
        self._kept: dict[int, tuple[list[Any], Program]] = {}

    def _program(self, index: int, arrays: Sequence[NDArray[Any]]) -> Program:
        from jitlite.interpreter.program import Program

        graph = self._planner.model.subgraphs[index]
        is_handle = [graph.tensors[number].type is TensorType.RESOURCE for number in graph.inputs]
        key = [(array.shape, array.dtype, handle and array.tobytes()) for array, handle in zip(arrays, is_handle)]
        kept = self._kept.get(index)
        if kept is not None and kept[0] == key:
            return kept[1]
        own = replace(self._planner, subgraph=index, base=0)
        inputs = {number: _described(own.tensor(number), array) for number, array in zip(graph.inputs, arrays)}
        program = Program(own.model, index, inputs, replace(self._options, is_nested=True))
        self._kept[index] = key, program
        return program

    def run(self, index: int, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """The results of a subgraph."""
        graph, program = self._planner.model.subgraphs[index], self._program(index, arrays)
        for number, array in zip(graph.inputs, arrays):
            target = program.array(number)
            assert target is not None
            if graph.tensors[number].type is not TensorType.RESOURCE:
                target[...] = array
        program.run()
        return [np.array(program.array(number)) for number in graph.outputs]


def _described(declared: TensorInfo, array: NDArray[Any]) -> TensorInfo:
    """A subgraph's input for the array it gets. Handles are values that are known while planning."""
    if declared.type is TensorType.RESOURCE:
        return replace(declared, shape=(array.nbytes // 4,), value=array.view(np.int32).reshape(-1))
    stored = stored_dtype(declared.type)
    if stored is not None and array.dtype == stored:
        return replace(declared, shape=array.shape, value=None)
    type = TensorType.STRING if array.dtype == np.object_ else tensor_type(array.dtype)
    return replace(declared, shape=array.shape, type=type, value=None)


def _host(planner: Planner, call: Call, options: ProgramOptions) -> Planned:
    """Runs the subgraphs as programs of their own, planned for the shapes each run brings. A loop hands its handles through."""
    if call.spec is IF and any(info.type is TensorType.RESOURCE for info in call.outputs):
        raise call.unsupported("branches that return handles are supported where all shapes are known")
    first, second = _subgraphs(call)
    if call.spec is not IF:
        _require_body(planner, call)
    subprograms = Subprograms(planner, options)

    def run_if(arrays: Sequence[NDArray[Any] | None]) -> list[NDArray[Any]]:
        condition, *rest = [array for array in arrays if array is not None]
        return subprograms.run(first if condition.reshape(-1)[0] else second, rest)

    def run_while(arrays: Sequence[NDArray[Any] | None]) -> list[NDArray[Any]]:
        state = [array for array in arrays if array is not None]
        while True:
            (condition,) = subprograms.run(first, state)
            if condition.size != 1:
                raise ExecutionError(f"{call.where}: a condition with one element is required, found shape {condition.shape}")
            if not condition.item():
                return state
            state = subprograms.run(second, state)

    step = HostStep(run_if if call.spec is IF else run_while, shapes_known=False)
    if call.spec is IF:
        return call, step
    handles = [result_like(info, call.input(i)) if info.type is TensorType.RESOURCE else info for i, info in enumerate(call.outputs)]
    return replace(call, outputs=tuple(handles)), step


def call_once(planner: Planner, call: Call, options: ProgramOptions) -> tuple[Call, list[Step] | HostStep]:
    """Runs a subgraph in the first run that comes to it, of whichever subgraph of the interpreter; never again."""
    number = call.options.init_subgraph_index
    call.require(number != planner.subgraph, f"another subgraph than the operator's own is required, found {number}")
    graph = planner.model.subgraphs[number]
    found = len(graph.inputs), len(graph.outputs)
    call.require(found == (0, 0), f"a subgraph without inputs and outputs is required, found {found[0]} and {found[1]}")
    inner = Inlined(planner, number, call, (), True)
    if not inner.is_native:
        return call, _host_once(planner, number, options)
    planner.inlined_work += inner.stage.work
    pending = pending_info(number)
    steps = (*inner.steps((), ()), kernels("variables").step("clear", flag=pending))
    step = K.step(
        "run_branch", condition=pending, then_steps=Nested(steps), then_count=len(steps), else_steps=Nested(()), else_count=0, run=Run()
    )
    return call, [step]


def _host_once(planner: Planner, number: int, options: ProgramOptions) -> HostStep:
    def run(arrays: Sequence[NDArray[Any] | None]) -> list[NDArray[Any]]:
        from jitlite.interpreter.program import Program

        if planner.state.is_pending(number):
            Program(planner.model, number, {}, replace(options, is_nested=True)).run()
            planner.state.set_done(number)
        return []

    return HostStep(run)
