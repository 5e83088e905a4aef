"""Where a model's time goes, operator by operator."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from jitlite.interpreter import Interpreter


@dataclass(frozen=True, slots=True)
class NodeTime:
    """An operator of the main subgraph: its index and type, name and shape of its first result, nanoseconds (median of runs)."""

    node: int
    op: str
    name: str
    shape: tuple[int, ...]
    nanoseconds: float


@dataclass(frozen=True, slots=True)
class TypeTime:
    """All operators of a type: how many there are, their nanoseconds together and their share of the whole."""

    op: str
    count: int
    nanoseconds: float
    share: float


def profile_nodes(interpreter: Interpreter, seconds: float = 0.5, least_runs: int = 5) -> list[NodeTime]:
    """Times each operator of an allocated model in the order they run, over runs of `seconds` altogether."""
    runs: list[dict[int, int]] = []
    labels: dict[int, str] = {}
    end = perf_counter() + seconds
    while len(runs) < least_runs or perf_counter() < end:
        sums: dict[int, int] = {}
        for node, op, time_ns in interpreter.profile():
            labels.setdefault(node, op)
            sums[node] = sums.get(node, 0) + time_ns
        runs.append(sums)
    details = interpreter.get_tensor_details()
    operators = interpreter.model.subgraphs[0].operators
    found = []
    for node, op in labels.items():
        result = details[operators[node].outputs[0]] if operators[node].outputs else None
        found.append(
            NodeTime(
                node,
                op,
                "" if result is None else result["name"],
                () if result is None else tuple(int(dim) for dim in result["shape"]),
                float(np.median([sums.get(node, 0) for sums in runs])),
            )
        )
    return sorted(found, key=lambda node: node.node)


def by_type(nodes: Sequence[NodeTime]) -> list[TypeTime]:
    """The nodes' times by operator type, the largest first."""
    total = sum(node.nanoseconds for node in nodes) or 1.0
    groups: dict[str, list[float]] = {}
    for node in nodes:
        groups.setdefault(node.op, []).append(node.nanoseconds)
    found = [TypeTime(op, len(times), sum(times), sum(times) / total) for op, times in groups.items()]
    return sorted(found, key=lambda group: -group.nanoseconds)
