"""The converter's own graph: values in single-assignment form, nodes of either language, and the only mutators.

One class serves both languages: a node's `op` is an `OnnxOp` before lowering and an `OpSpec` after it. Every edge is recorded on both ends;
the mutators of `Graph` keep them equal and `Graph.verify` checks it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jitlite.converter.grids import Grid
from jitlite.schemas.ops.spec import OpSpec
from jitlite.schemas.table import Table

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OnnxOp:
    """An operator of an ONNX model: `since` is the version of its definition, `opset` the model's version of its domain.

    `since` is 0 when the installed onnx package does not know the operator.
    """

    name: str
    domain: str
    since: int
    opset: int

    def __str__(self) -> str:
        return f"{self.domain}.{self.name}" if self.domain else self.name


@dataclass(eq=False, slots=True)
class Value:
    """A tensor: made by a node, given to the graph, or constant.

    `shape` and `dtype` are None while unknown. Graph inputs have neither producer nor data.
    """

    name: str
    shape: Shape | None = None
    dtype: np.dtype[Any] | None = None
    data: Array | None = None
    producer: "Node | None" = None
    uses: "dict[Node, int]" = field(default_factory=dict, repr=False)
    """How many operands of each node refer to this value; kept by `Graph`."""
    grid: Grid | None = None
    """Of whole numbers: the real numbers they stand for. Of a constant of real numbers: the grid they all lie on, if that is known."""

    @property
    def is_constant(self) -> bool:
        return self.data is not None

    @property
    def dims(self) -> Shape:
        """The shape, which must be known."""
        assert self.shape is not None, f"the shape of '{self.name}' is not known"
        return self.shape

    @property
    def rank(self) -> int:
        return len(self.dims)

    @property
    def size(self) -> int:
        count = 1
        for dim in self.dims:
            count *= dim
        return count

    @property
    def users(self) -> "list[Node]":
        return list(self.uses)


@dataclass(eq=False, slots=True)
class Node:
    """One operator. ONNX nodes carry `attributes`, TFLite nodes `options`.

    The `bodies` of control flow are graphs that see nothing outside: what they need is given to them as operands. Options number them
    from 1.
    """

    op: OnnxOp | OpSpec
    inputs: tuple[Value | None, ...]
    outputs: tuple[Value, ...]
    name: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    options: Table | None = None
    bodies: "tuple[Graph, ...]" = ()

    @property
    def kind(self) -> str:
        """The operator's name; ONNX operators outside the default domain are written domain.Name."""
        return self.op.name if isinstance(self.op, OpSpec) else str(self.op)

    @property
    def output(self) -> Value:
        """The only output."""
        assert len(self.outputs) == 1, f"{self.kind} '{self.name}' has {len(self.outputs)} outputs"
        return self.outputs[0]

    def input(self, index: int) -> Value:
        """An operand that must be there; LookupError where it is not."""
        value = self.optional(index)
        if value is None:
            raise LookupError(f"operand {index} is required, found none")
        return value

    def optional(self, index: int) -> Value | None:
        return self.inputs[index] if index < len(self.inputs) else None

    def __repr__(self) -> str:
        made = ", ".join(value.name for value in self.outputs)
        return f"Node({self.kind} '{self.name}' -> {made})"


class Graph:
    """Nodes in execution order. Change edges only through its methods."""

    def __init__(self, name: str = "main") -> None:
        self.name = name
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []
        self.has_any_length = False
        """True where the sizes of dimensions beside the batch stand for others, on which nothing may depend."""
        self._nodes: dict[Node, None] = {}
        self._names: set[str] = set()
        self._counts: dict[str, int] = {}

    @property
    def nodes(self) -> list[Node]:
        return list(self._nodes)

    def __contains__(self, node: object) -> bool:
        return node in self._nodes

    def nested(self) -> "Iterator[Graph]":
        """The graph itself and the bodies inside it, however deep, each behind what it contains."""
        for node in self._nodes:
            for body in node.bodies:
                yield from body.nested()
        yield self

    def fresh_name(self, wanted: str) -> str:
        """`wanted`, or `wanted_2`, `wanted_3` … where it is taken; the name counts as taken from now on."""
        name = wanted
        while name in self._names:
            self._counts[wanted] = self._counts.get(wanted, 1) + 1
            name = f"{wanted}_{self._counts[wanted]}"
        self._names.add(name)
        return name

    def rename(self, value: Value, wanted: str) -> None:
        """Gives the value the name `wanted`, or one like it where that is taken."""
        self._names.discard(value.name)
        value.name = self.fresh_name(wanted)

    def value(self, name: str, shape: Shape | None = None, dtype: np.dtype[Any] | None = None, grid: Grid | None = None) -> Value:
        return Value(self.fresh_name(name), shape, dtype, grid=grid)

    def constant(self, data: Array, name: str = "constant", grid: Grid | None = None) -> Value:
        held = np.asarray(data)
        return Value(self.fresh_name(name), tuple(held.shape), held.dtype, held, grid=grid)

    def add_input(self, value: Value) -> Value:
        self.inputs.append(value)
        return value

    def add_node(self, node: Node) -> Node:
        """Appends a node whose outputs no other node makes."""
        for value in node.outputs:
            assert value.producer is None, f"'{value.name}' is made twice"
            assert value.data is None, f"'{value.name}' is constant"
            value.producer = node
        self._nodes[node] = None
        for operand in node.inputs:
            _link(operand, node)
        return node

    def set_inputs(self, node: Node, inputs: Sequence[Value | None]) -> None:
        for operand in node.inputs:
            _unlink(operand, node)
        node.inputs = tuple(inputs)
        for operand in node.inputs:
            _link(operand, node)

    def set_input(self, node: Node, index: int, value: Value | None) -> None:
        self.set_inputs(node, [*node.inputs[:index], value, *node.inputs[index + 1 :]])

    def replace_uses(self, old: Value, new: Value) -> None:
        """Makes every operand that is `old` refer to `new`; graph outputs keep theirs (see `redirect`)."""
        for node in old.users:
            self.set_inputs(node, [new if operand is old else operand for operand in node.inputs])

    def can_redirect(self, old: Value, new: Value) -> bool:
        """False when `old` is a graph output and `new` cannot carry its name."""
        return old not in self.outputs or (new.producer is not None and new not in self.outputs)

    def redirect(self, old: Value, new: Value) -> None:
        """Replaces `old` by `new` everywhere; as a graph output, `new` takes the name of `old`."""
        assert self.can_redirect(old, new), f"'{new.name}' cannot become the graph output '{old.name}'"
        self.replace_uses(old, new)
        if old in self.outputs:
            self.outputs = [new if value is old else value for value in self.outputs]
            old.name, new.name = new.name, old.name

    def absorb(self, old: Value, new: Value) -> None:
        """Replaces `old` by `new`, which from now on computes what `old` stood for: it takes the name and the place among the outputs."""
        assert new.producer is not None, f"'{new.name}' cannot become '{old.name}'"
        assert new not in self.outputs, f"'{new.name}' cannot become '{old.name}'"
        self.replace_uses(old, new)
        self.outputs = [new if value is old else value for value in self.outputs]
        self.take_name(old, new)

    def take_name(self, old: Value, new: Value) -> None:
        """Exchanges the names of two values, so that `new` carries the name under which `old` was known."""
        old.name, new.name = new.name, old.name

    def renew_outputs(self, node: Node, count: int, start: int = 0) -> tuple[Value, ...]:
        """Gives the node fresh values as `count` of its results; nothing makes the old ones until a node that does is added."""
        old = node.outputs[start : start + count]
        new = tuple(self.value(f"{value.name};{node.kind.lower()}") for value in old)
        for before, after in zip(old, new, strict=True):
            before.producer, after.producer = None, node
        node.outputs = (*node.outputs[:start], *new, *node.outputs[start + count :])
        return new

    def drop_outputs(self, node: Node, values: Sequence[Value]) -> None:
        """Takes results that nothing uses off a node."""
        for value in values:
            assert not value.uses, f"'{value.name}' is still used"
            assert value not in self.outputs, f"'{value.name}' is still a graph output"
            value.producer = None
        node.outputs = tuple(value for value in node.outputs if value not in values)

    def become(
        self,
        node: Node,
        op: OnnxOp | OpSpec,
        inputs: Sequence[Value | None],
        attributes: Mapping[str, Any] | None = None,
        options: Table | None = None,
    ) -> None:
        """Makes the node another operator that computes the same results."""
        self.set_inputs(node, inputs)
        node.op, node.attributes, node.options = op, attributes or {}, options

    def remove(self, node: Node) -> None:
        """Removes a node none of whose outputs is used; their names are free from then on."""
        for value in node.outputs:
            assert not value.uses, f"'{value.name}' is still used"
            assert value not in self.outputs, f"'{value.name}' is still a graph output"
            value.producer = None
            self._names.discard(value.name)
        del self._nodes[node]
        for operand in node.inputs:
            _unlink(operand, node)

    def remove_dead(self) -> int:
        """Removes every node that does not reach a graph output; how many there were."""
        removed = 0
        for node in reversed(self.nodes):
            if not any(value.uses or value in self.outputs for value in node.outputs):
                self.remove(node)
                removed += 1
        return removed

    def sort(self) -> None:
        """Puts producers before their users, otherwise keeping the order; ValueError names a node on a cycle."""
        order: dict[Node, None] = {}
        missing = {node: len({operand.producer for operand in node.inputs if operand and operand.producer}) for node in self._nodes}
        rank = {node: index for index, node in enumerate(self._nodes)}
        ready = sorted((node for node, count in missing.items() if count == 0), key=rank.__getitem__, reverse=True)
        while ready:
            node = ready.pop()
            order[node] = None
            followers: dict[Node, None] = {}
            for value in node.outputs:
                followers.update(dict.fromkeys(value.uses))
            freed = []
            for user in followers:
                missing[user] -= 1
                if missing[user] == 0:
                    freed.append(user)
            ready.extend(sorted(freed, key=rank.__getitem__, reverse=True))
        if len(order) != len(self._nodes):
            stuck = next(node for node in self._nodes if node not in order)
            raise ValueError(f"node '{stuck.name}' ({stuck.kind}) is on a cycle or behind one")
        self._nodes = order

    def verify(self) -> None:
        """Asserts the invariants: both ends of each edge agree, values are made once and before they are used, names are unique.

        Those of the bodies inside are asserted as well.
        """
        for body in (body for node in self._nodes for body in node.bodies):
            body.verify()
        known: set[Value] = set(self.inputs)
        names: dict[str, Value] = {}
        for value in self.inputs:
            assert value.producer is None, f"graph input '{value.name}' has a producer"
            assert value.data is None, f"graph input '{value.name}' has data"
        for node in self._nodes:
            for operand in node.inputs:
                if operand is None:
                    continue
                assert operand.data is not None or operand in known, f"{node!r} uses '{operand.name}' before it is made"
                count = sum(other is operand for other in node.inputs)
                assert operand.uses.get(node) == count, f"'{operand.name}' does not know its user {node!r}"
                assert names.setdefault(operand.name, operand) is operand, f"two values are named '{operand.name}'"
            for value in node.outputs:
                assert value.producer is node, f"'{value.name}' does not know its producer {node!r}"
                assert value.data is None, f"'{value.name}' is constant and made by {node!r}"
                assert value not in known, f"'{value.name}' is made twice"
                assert names.setdefault(value.name, value) is value, f"two values are named '{value.name}'"
                assert all(user in self._nodes for user in value.uses), f"'{value.name}' has a user outside the graph"
                known.add(value)
        for value in self.outputs:
            assert value in known or value.data is not None, f"graph output '{value.name}' is never made"

    def __repr__(self) -> str:
        return f"Graph({self.name!r}, {len(self._nodes)} nodes)"


def _link(value: Value | None, node: Node) -> None:
    if value is not None:
        value.uses[node] = value.uses.get(node, 0) + 1


def _unlink(value: Value | None, node: Node) -> None:
    if value is not None:
        value.uses[node] -= 1
        if not value.uses[node]:
            del value.uses[node]


def constants(values: Iterable[Value | None]) -> bool:
    """True when every value that is there is constant."""
    return all(value is None or value.is_constant for value in values)


def data_bytes(data: Array) -> memoryview:
    """The elements in row order, as they lie in memory where they lie in that order."""
    return np.ascontiguousarray(data).reshape(-1).view(np.uint8).data


def digest(data: Array) -> bytes:
    """What stands for the elements in row order where equal constants are looked for: 32 bytes, however large they are."""
    return blake2b(data_bytes(data), digest_size=32).digest()
