"""Plans of operators that stand for other subgraphs: STABLEHLO_COMPOSITE and STABLEHLO_CASE. `interpreter/control.py` has IF and WHILE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from jitlite.interpreter.binding.boxes import BOXES
from jitlite.interpreter.binding.registry import HostStep, Step, plans
from jitlite.interpreter.control import Inlined, Planned, Subprograms, result_like
from jitlite.interpreter.plan import PlannedStep
from jitlite.schemas.dtypes import byte_size
from jitlite.schemas.ops.control import STABLEHLO_CASE, STABLEHLO_COMPOSITE
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.record import replace
from jitlite.schemas.tables import TensorType

if TYPE_CHECKING:
    from jitlite.interpreter.plan import Planner
    from jitlite.interpreter.program import ProgramOptions


@plans(STABLEHLO_COMPOSITE)
def stablehlo_composite(planner: Planner, call: Call, options: ProgramOptions) -> Planned:
    """The steps of the subgraph a STABLEHLO_COMPOSITE stands for, among those of the operators around it."""
    return _called(planner, call, call.options.decomposition_subgraph_index, 0, options)


@plans(STABLEHLO_CASE)
def stablehlo_case(planner: Planner, call: Call, options: ProgramOptions) -> Planned:
    """The branch of a STABLEHLO_CASE that its first operand chooses: the last one where there is none of that number."""
    branches, index = call.options.branch_subgraph_indices, call.input(0).value
    if index is not None:
        return _called(planner, call, _branch(branches, index), 1, options)
    for branch in branches:
        _inlined(planner, call, branch, 1)
    subprograms = Subprograms(planner, options)

    def run(arrays: Sequence[NDArray[Any] | None]) -> list[NDArray[Any]]:
        index, *rest = [array for array in arrays if array is not None]
        return subprograms.run(_branch(branches, index), rest)

    return call, HostStep(run, shapes_known=False)


def _branch(branches: Sequence[int], index: NDArray[Any]) -> int:
    number = int(index.reshape(-1)[0])
    return branches[number] if 0 <= number < len(branches) else branches[-1]


def _inlined(planner: Planner, call: Call, subgraph: int, first: int) -> Inlined:
    """The subgraph with the call's operands from `first` on, which must be those it takes; its results must be the call's."""
    arguments = [call.input(index) for index in range(first, len(call.inputs))]
    graph = planner.model.subgraphs[subgraph]
    call.require(len(graph.outputs) == len(call.outputs), f"{len(graph.outputs)} outputs are required, found {len(call.outputs)}")
    for info, index in zip(call.outputs, graph.outputs):
        type = graph.tensors[index].type
        call.require(info.type is type, f"output '{info.name}' of the subgraph's type {type.name} is required, found {info.type.name}")
    return Inlined(planner, subgraph, call, arguments, True)


def _copy(call: Call, source: TensorInfo, target: TensorInfo) -> Step | PlannedStep:
    if target.type is TensorType.STRING:
        return PlannedStep(
            0, call.spec.name, HostStep(lambda arrays: [array for array in arrays if array is not None]), (source,), (target,)
        )
    return BOXES.copy_bytes(source, target, byte_size(target.type, target.shape))


def _called(planner: Planner, call: Call, subgraph: int, first: int, options: ProgramOptions) -> Planned:
    """The steps of a subgraph whose operands are those of the call from `first` on, or one that runs it as a program of its own."""
    graph, inner = planner.model.subgraphs[subgraph], _inlined(planner, call, subgraph, first)
    steps = [planned.step for planned in inner.stage.steps]
    if inner.stage.is_last and all(isinstance(step, Step) or step.shapes_known for step in steps):
        found = [inner.stage.tensors[index] for index in graph.outputs]
        planner.inlined_work += inner.stage.work
        results = tuple(result_like(info, source) for info, source in zip(call.outputs, found))
        pairs = [(source, target) for source, target in zip(found, results) if target.type is not TensorType.RESOURCE]
        copies = [_copy(call, source, target) for source, target in pairs]
        return replace(call, outputs=results), [*inner.stage.steps, *copies]
    subprograms = Subprograms(planner, options)

    def run(arrays: Sequence[NDArray[Any] | None]) -> list[NDArray[Any]]:
        return subprograms.run(subgraph, [array for array in arrays[first:] if array is not None])

    return call, HostStep(run, shapes_known=False)
