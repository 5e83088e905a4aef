"""Collecting what stands in the way of a conversion, so that one error lists all of it."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from jitlite.converter.graph import Node, OnnxOp, Value
from jitlite.schemas.errors import ConversionError, NodeProblem

MOST_NAMES = 64
"""Values named for each problem, see `NodeProblem`."""


class Unlowerable(Exception):  # noqa: N818 - the reason why one node stays, collected and never seen by callers
    """Says why a node has no TFLite form: what is required, what was found; `operand` is the one that would have to be constant."""

    def __init__(self, reason: str, operand: int | None = None) -> None:
        super().__init__(reason)
        self.operand = operand


class Illegal(Unlowerable):
    """Says why ONNX itself forbids a subgraph for the shapes it is given."""


@dataclass(slots=True)
class Problems:
    """The nodes that cannot be converted, with reasons; values behind them are `tainted`, so that only root causes are listed."""

    lines: dict[str, None] = field(default_factory=dict)
    tainted: set[Value] = field(default_factory=set)
    reported: set[Node] = field(default_factory=set)
    inputs: dict[str, None] = field(default_factory=dict)
    """Graph inputs whose values would have to be known."""
    nodes: list[NodeProblem] = field(default_factory=list)

    def add(self, node: Node, reason: str, constants: Iterable[Value | None] = ()) -> None:
        """Adds a node that cannot be converted because of `reason`, for one because `constants` are not constant."""
        op = node.op
        opset = f"opset {op.opset}" if isinstance(op, OnnxOp) else "TFLite"
        name = node.name or (node.outputs[0].name if node.outputs else "")
        self.lines[f"node '{name}' ({node.kind}, {opset}): {reason}"] = None
        self.nodes.append(NodeProblem(name, node.kind, reason, tuple(_names_behind(node))))
        self.tainted.update(node.outputs)
        self.reported.add(node)
        self.inputs.update(dict.fromkeys(_inputs_behind(constants)))

    def is_tainted(self, values: Iterable[Value | None]) -> bool:
        return any(value in self.tainted for value in values)

    def raise_any(self, where: str = "the model") -> None:
        """ConversionError with every line, if there is one."""
        if self.lines:
            count = len(self.lines)
            heading = f"{where}: {count} node{'s' if count > 1 else ''} cannot be converted"
            raise ConversionError("\n  ".join([heading, *self.lines]), tuple(self.inputs), self.nodes)


def _names_behind(node: Node) -> Iterator[str]:
    """The names of a node's results, and of the values computed from them, the nearest first."""
    waiting, seen = deque(node.outputs), set(node.outputs)
    for _ in range(MOST_NAMES):
        if not waiting:
            return
        value = waiting.popleft()
        yield value.name
        made = [result for user in value.users for result in user.outputs if result not in seen]
        seen.update(made)
        waiting.extend(made)


def _inputs_behind(values: Iterable[Value | None]) -> Iterator[str]:
    """The names of the graph inputs these values are computed from."""
    waiting, seen = [value for value in values if value is not None], set()
    while waiting:
        value = waiting.pop()
        if value in seen or value.is_constant:
            continue
        seen.add(value)
        if value.producer is None:
            yield value.name
        else:
            waiting += [operand for operand in value.producer.inputs if operand is not None]
