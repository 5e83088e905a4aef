"""Named rewrite rules and the engine that applies an ordered list of them until none fires."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from jitlite.converter.graph import Graph, Node

Rewrite: TypeAlias = Callable[[Graph, Node], str | None]
"""Changes the graph around the node and returns None, or leaves it alone and says why."""

MAX_ROUNDS = 100


@dataclass(frozen=True, slots=True)
class Rule:
    """A rewrite tried on every node of the given kinds."""

    name: str
    kinds: frozenset[str]
    apply: Rewrite


def rule(name: str, *kinds: str) -> Callable[[Rewrite], Rule]:
    """Makes a rule of the decorated function."""
    return lambda function: Rule(name, frozenset(kinds), function)


@dataclass(slots=True)
class Trace:
    """What happened on the way: how often each rule fired, and the last reason each gave for leaving a node alone.

    `folded` names the ONNX values that became constants; `float_reasons` says, by the first result's name, why operators of a quantized
    model compute on real numbers.
    """

    fired: dict[str, int] = field(default_factory=dict)
    declined: dict[tuple[str, str], str] = field(default_factory=dict)
    folded: set[str] = field(default_factory=set)
    float_reasons: dict[str, str] = field(default_factory=dict)


def rewrite(graph: Graph, rules: Sequence[Rule], trace: Trace) -> None:
    """Applies the rules in order, round after round, until a round changes nothing; leaves the graph sorted and without dead nodes."""
    for _ in range(MAX_ROUNDS):
        changed = False
        for each in rules:
            for node in graph.nodes:
                if node.kind not in each.kinds or node not in graph:
                    continue
                reason = each.apply(graph, node)
                if reason is None:
                    trace.fired[each.name] = trace.fired.get(each.name, 0) + 1
                    changed = True
                else:
                    trace.declined[each.name, node.name] = reason
            graph.remove_dead()
            graph.sort()
        graph.verify()
        if not changed:
            return
    raise AssertionError(f"rules {', '.join(each.name for each in rules)} do not come to rest")
