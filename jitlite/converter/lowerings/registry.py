"""Which function lowers which ONNX operator, by name and by the version its definition dates from."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from jitlite.converter.graph import Node, OnnxOp, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.problems import Unlowerable

Lowering: TypeAlias = Callable[[Context, Node], Value | Sequence[Value]]

LOWERINGS: dict[str, dict[int, Lowering]] = {}
"""By operator name, then by the first version of its definition the function understands."""


def lowers(*names: str, since: int = 1) -> Callable[[Lowering], Lowering]:
    """Registers a function for operators defined at version `since` or later (up to the next registered one)."""

    def register(function: Lowering) -> Lowering:
        for name in names:
            versions = LOWERINGS.setdefault(name, {})
            assert since not in versions, f"{name} since {since} is lowered twice"
            versions[since] = function
        return function

    return register


def lowering_for(op: OnnxOp) -> Lowering:
    """The function for this operator; Unlowerable says which operators and versions there are."""
    versions = LOWERINGS.get(str(op))
    if versions is None:
        known = "" if op.since else ", which the installed onnx package does not know either"
        raise Unlowerable(f"no lowering for operator {op}{known}")
    fitting = [since for since in versions if since <= op.since]
    if not fitting:
        raise Unlowerable(f"definitions since version {min(versions)} are supported, this one dates from version {op.since}")
    return versions[max(fitting)]
