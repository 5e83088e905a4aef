"""What delegates would take of a model, and why not the rest: a dry run that prepares and runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from jitlite.interpreter.budgets import MemoryBudget
from jitlite.interpreter.control import plan_control
from jitlite.interpreter.custom import CustomOperator, chosen_operators
from jitlite.interpreter.delegates.planning import Delegation, Layout
from jitlite.interpreter.delegates.protocol import Boundary, Delegate, Partition
from jitlite.interpreter.plan import Planner, Slots, operator_kinds
from jitlite.interpreter.program import ProgramOptions, fold_constants
from jitlite.interpreter.registry import load_bindings
from jitlite.interpreter.state import State
from jitlite.schemas.dtypes import byte_size
from jitlite.schemas.model import printable
from jitlite.schemas.record import replace
from jitlite.schemas.tables import Model

BEHIND = "its shapes depend on values known only while the model runs"
KNOWN = "its result is computed while planning"


def explain(
    model: Model,
    delegates: Sequence[Delegate],
    shapes: Mapping[int, tuple[int, ...]] | None = None,
    custom: Mapping[str, CustomOperator] | None = None,
) -> dict[str, Any]:
    """How the main subgraph of a verified model would be divided at the shapes the file states, or inputs' `shapes` by tensor.

    `operators` counts them; `partitions` lists, in the order they run, delegate, operators and tensors that cross; `left` says for each
    other operator what each delegate says against it. JitliteError where the model cannot be planned.
    """
    kinds = operator_kinds(model)
    load_bindings(name for _, name in kinds)
    state = State(model)
    options = ProgramOptions(custom=chosen_operators(custom), state=state)
    graph, delegation = model.subgraphs[0], Delegation(tuple(delegates), is_dry=True)
    budget, slots = MemoryBudget(), Slots(len(graph.tensors))
    fold = partial(fold_constants, budget=budget)
    planner = Planner(model, 0, slots, options.custom, fold, plan_control(options), kinds, state, budget, delegation=delegation)
    inputs = {index: replace(planner.tensor(index), value=None) for index in graph.inputs}
    planner.first_stage({index: replace(info, shape=(shapes or {}).get(index, info.shape)) for index, info in inputs.items()})
    assert delegation.found is not None
    return _report(planner, delegates, delegation.found)


def _report(planner: Planner, delegates: Sequence[Delegate], layout: Layout) -> dict[str, Any]:
    graph, survey = planner.graph, layout.survey
    partitions = [
        _partition(planner, delegates[unit.owner], layout.partitions[unit.owner][unit.nodes[0]])
        for unit in layout.units
        if unit.owner is not None
    ]
    inside = {item["operator"] for partition in partitions for item in partition["operators"]}
    left = []
    for node, op in enumerate(graph.operators):
        if node in inside:
            continue
        is_known = node < survey.stage.stop and node not in survey.operators
        other = KNOWN if is_known else BEHIND
        reasons = {delegate.name: layout.reasons[place].get(node, other) for place, delegate in enumerate(delegates)}
        left.append({"operator": node, "op": printable(planner.label(op)), "reasons": reasons})
    return {
        "delegates": [{"name": delegate.name, "options": dict(delegate.options)} for delegate in delegates],
        "operators": len(graph.operators),
        "delegated": len(inside),
        "partitions": [{"number": number, **partition} for number, partition in enumerate(partitions)],
        "left": left,
    }


def _partition(planner: Planner, delegate: Delegate, partition: Partition) -> dict[str, Any]:
    operators = [
        {"operator": node, "op": printable(call.spec.name)} for node, call in zip(partition.nodes, partition.operators, strict=True)
    ]
    sides = {"inputs": [_tensor(item) for item in partition.inputs], "outputs": [_tensor(item) for item in partition.outputs]}
    copied = sum(item["bytes"] for items in sides.values() for item in items if item["in_host_memory"])
    return {"delegate": delegate.name, "operators": operators, **sides, "host_bytes": copied}


def _tensor(boundary: Boundary) -> dict[str, Any]:
    info = boundary.tensor
    return {
        "tensor": info.index,
        "name": printable(info.name),
        "shape": list(info.shape),
        "dtype": info.type.name,
        "bytes": byte_size(info.type, info.shape),
        "in_host_memory": boundary.is_in_host_memory,
    }
