"""Keeping the batch dynamic: one model is lowered for two batch sizes, and what differs between the two graphs depends on the batch.

Dimensions that differ become dynamic; a RESHAPE to a shape that differs in one place gets -1 there; other integers are computed from the
input's shape at run time; constants that only repeat along the batch are stored once. Everything must grow linearly with the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jitlite.converter.builder import Builder, call_of
from jitlite.converter.graph import Array, Graph, Node, Shape, Value
from jitlite.converter.passes.layout_rules import BROADCASTING
from jitlite.converter.problems import Problems
from jitlite.schemas.errors import InvalidModelError, UnsupportedError
from jitlite.schemas.ops.concat import CONCATENATION
from jitlite.schemas.ops.conversion import CAST
from jitlite.schemas.ops.elementwise import ADD, MUL
from jitlite.schemas.ops.pad import BROADCAST_TO
from jitlite.schemas.ops.reshape import RESHAPE, SHAPE
from jitlite.schemas.ops.slice import SLICE
from jitlite.schemas.ops.spec import NeedsValue, OpSpec, infer
from jitlite.schemas.tables import CastOptions, ConcatenationOptions, ShapeOptions, TensorType

MAX_COMPUTED = 64
_BROADCASTING = frozenset(spec.name for spec in BROADCASTING)


@dataclass(frozen=True, slots=True)
class Linear:
    """A whole number that is slope · batch + offset."""

    slope: int
    offset: int

    def at(self, batch: int) -> int:
        return self.slope * batch + self.offset


class _NotLinear(Exception):  # noqa: N818 - says why a value cannot follow the batch; collected, never seen by callers
    """Says what does not grow linearly with the batch."""


def merge_batches(graph: Graph, other: Graph, batches: tuple[int, int], problems: Problems) -> dict[Value, Shape]:
    """Turns `graph`, lowered for the first batch size, into one for every batch; `other` was lowered for the second.

    Returns the shapes of all values with -1 for dynamic dimensions; the values' own shapes become those of batch 1. Operators that cannot
    follow the batch are added to `problems`.
    """
    merge = _Merge(graph, batches)
    _merge(merge, other, problems)
    return {} if problems.lines else merge.settle(problems)


def _merge(merge: "_Merge", other: Graph, problems: Problems) -> None:
    """Pairs the graph of `merge` with its twin and makes constants that differ follow the batch, in its bodies first."""
    graph = merge.graph
    if len(graph.nodes) != len(other.nodes) or [node.kind for node in graph.nodes] != [node.kind for node in other.nodes]:
        merge.report_difference(graph.nodes, other.nodes, problems)
        return
    for value, twin in zip(graph.inputs, other.inputs, strict=True):
        merge.pair(value, twin)
    for node, twin_node in zip(graph.nodes, other.nodes, strict=True):
        try:
            merge.pair_node(node, twin_node)
        except _NotLinear as reason:
            problems.add(node, f"{reason}, so that the batch cannot stay dynamic")
            continue
        for body, twin_body in zip(node.bodies, twin_node.bodies, strict=True):
            inner = _Merge(body, merge.batches)
            merge.bodies.append(inner)
            _merge(inner, twin_body, problems)
    if not problems.lines:
        merge.replace_constants(problems)
        graph.sort()


class _Merge:
    def __init__(self, graph: Graph, batches: tuple[int, int]) -> None:
        self.graph = graph
        self.batches = batches
        self.dims: dict[Value, tuple[Linear, ...]] = {}
        self.twins: dict[Value, Value] = {}
        self.changed: list[tuple[Node, int, Array, Array]] = []
        self.batch: Value | None = None
        self.bodies: list[_Merge] = []

    def linear(self, first: int, second: int, what: str) -> Linear:
        low, high = self.batches
        slope, rest = divmod(second - first, high - low)
        if rest:
            raise _NotLinear(f"{what} is {first} for batch {low} and {second} for batch {high}")
        return Linear(slope, first - slope * low)

    def pair(self, value: Value, twin: Value) -> None:
        if len(value.dims) != len(twin.dims):
            raise _NotLinear(
                f"'{value.name}' has shape {value.dims} for batch {self.batches[0]} and {twin.dims} for batch {self.batches[1]}"
            )
        self.dims[value] = tuple(self.linear(a, b, f"a dimension of '{value.name}'") for a, b in zip(value.dims, twin.dims, strict=True))
        self.twins[value] = twin

    def pair_node(self, node: Node, twin: Node) -> None:
        if repr(node.options) != repr(twin.options) or len(node.inputs) != len(twin.inputs):
            raise _NotLinear(
                f"its options are {node.options!r} for batch {self.batches[0]} and {twin.options!r} for batch {self.batches[1]}"
            )
        for index, (value, other) in enumerate(zip(node.inputs, twin.inputs, strict=True)):
            if value is None or other is None or value.data is None or other.data is None:
                if value is not None and self.twins.get(value) is not other:
                    raise _NotLinear(f"operand {index} is '{value.name}' for one batch and another value for the other")
            elif not _equal(value.data, other.data):
                self.changed.append((node, index, value.data, other.data))
        for value, other in zip(node.outputs, twin.outputs, strict=True):
            self.pair(value, other)

    def report_difference(self, nodes: Sequence[Node], others: Sequence[Node], problems: Problems) -> None:
        for node, other in zip(nodes, others):
            if node.kind != other.kind:
                found = f"it is {node.kind} for batch {self.batches[0]} and {other.kind} for batch {self.batches[1]}"
                problems.add(node, f"{found}, so that the batch cannot stay dynamic")
                return
        longer = nodes if len(nodes) > len(others) else others
        problems.add(longer[min(len(nodes), len(others))], "it is there for one batch size alone, so that the batch cannot stay dynamic")

    def replace_constants(self, problems: Problems) -> None:
        for node, index, first, second in self.changed:
            try:
                self.graph.set_input(node, index, self.following(node, index, first, second))
            except _NotLinear as reason:
                problems.add(node, f"{reason}, so that the batch cannot stay dynamic")

    def following(self, node: Node, index: int, first: Array, second: Array) -> Value:
        """The operand for every batch, given the constants of two batches."""
        name = f"{node.outputs[0].name};batch"
        if first.shape != second.shape:
            return self.repeated(node, index, first, second)
        if first.dtype.kind != "i" or first.size > MAX_COMPUTED:
            raise _NotLinear(f"constant operand {index} has values that depend on the batch")
        entries = [self.linear(int(a), int(b), f"constant operand {index}") for a, b in zip(first.ravel(), second.ravel())]
        moving = [place for place, entry in enumerate(entries) if entry.slope]
        if node.kind == RESHAPE.name and index == 1 and len(moving) == 1 and all(entry.offset > 0 for entry in entries if not entry.slope):
            return self.graph.constant(np.array([-1 if entry.slope else entry.offset for entry in entries], np.int32), name)
        return self.computed(name, entries, first)

    def repeated(self, node: Node, index: int, first: Array, second: Array) -> Value:
        """A constant that is the same all along the axes that grow with the batch."""
        grown = [axis for axis, (a, b) in enumerate(zip(first.shape, second.shape)) if a != b]
        bases = []
        for data in (first, second):
            base = data[tuple(slice(0, 1) if axis in grown else slice(None) for axis in range(data.ndim))]
            if first.ndim != second.ndim or not np.array_equal(np.broadcast_to(base, data.shape), data):
                raise _NotLinear(f"constant operand {index} has values that depend on the batch")
            bases.append(base)
        if not _equal(*bases):
            raise _NotLinear(f"constant operand {index} has values that depend on the batch")
        stored = self.graph.constant(np.asarray(bases[0], order="C"), f"{node.outputs[0].name};batch")
        others = [value for place, value in enumerate(node.inputs) if place != index and value is not None]
        if node.kind in _BROADCASTING and any(value.dims == node.outputs[0].dims for value in others):
            return stored
        dims = [self.linear(a, b, f"constant operand {index}") for a, b in zip(first.shape, second.shape)]
        shape = self.computed(f"{node.outputs[0].name};shape", dims, np.zeros(len(dims), np.int32))
        return self.added(BROADCAST_TO, (stored, shape), dims, stored.dtype, f"{node.outputs[0].name};broadcast")

    def computed(self, name: str, entries: Sequence[Linear], like: Array) -> Value:
        """Integers computed from the batch at run time."""
        if like.dtype not in (np.int32, np.int64):
            raise _NotLinear(f"integers of type {like.dtype} depend on the batch")
        builder = Builder(self.graph, name)
        parts = []
        for entry in entries:
            part = self.batch_size() if entry.slope else builder.indices([entry.offset])
            if entry.slope not in (0, 1):
                part = self.known(builder.op(MUL, part, builder.indices([entry.slope])))
            if entry.slope and entry.offset:
                part = self.known(builder.op(ADD, part, builder.indices([entry.offset])))
            parts.append(part)
        joined = parts[0] if len(parts) == 1 else self.known(builder.op(CONCATENATION, *parts, options=ConcatenationOptions(axis=0)))
        if like.dtype == np.int64:
            options = CastOptions(in_data_type=TensorType.INT32, out_data_type=TensorType.INT64)
            joined = self.known(builder.op(CAST, joined, options=options))
        return joined if like.ndim == 1 else self.known(builder.reshape(joined, like.shape))

    def batch_size(self) -> Value:
        """The batch at run time, INT32 of shape (1,): of an input, or of the first result that has it for a dimension."""
        if self.batch is None:
            made = (value for node in self.graph.nodes for value in node.outputs)
            places = (
                (value, dims.index(Linear(1, 0))) for value in (*self.graph.inputs, *made) if Linear(1, 0) in (dims := self.dims[value])
            )
            source, axis = next(places, (None, 0))
            if source is None:
                raise _NotLinear("no value beside it has the batch for a dimension")
            builder = Builder(self.graph, "batch")
            shape = self.known(builder.op(SHAPE, source, options=ShapeOptions(out_type=TensorType.INT32)))
            self.batch = self.known(builder.op(SLICE, shape, builder.indices([axis]), builder.indices([1])))
        return self.batch

    def known(self, value: Value) -> Value:
        """Registers a value whose shape does not depend on the batch."""
        self.dims[value] = tuple(Linear(0, dim) for dim in value.dims)
        return value

    def added(self, spec: OpSpec, operands: tuple[Value, ...], dims: Sequence[Linear], dtype: np.dtype | None, name: str) -> Value:
        made = self.graph.value(name, tuple(dim.at(self.batches[0]) for dim in dims), dtype)
        self.graph.add_node(Node(spec, operands, (made,), name, options=None if spec.options is None else spec.options()))
        self.dims[made] = tuple(dims)
        return made

    def settle(self, problems: Problems) -> dict[Value, Shape]:
        """Gives every value its shape at batch 1, checked by the specifications, and says which dimensions are dynamic."""
        for value, dims in self.dims.items():
            value.shape = tuple(dim.at(1) for dim in dims)
        for node in self.graph.nodes:
            call = call_of(node)
            try:
                found = [shape for shape, _ in infer(call)]
            except NeedsValue:
                continue
            except (InvalidModelError, UnsupportedError) as error:
                problems.add(node, f"{error}, at batch 1")
                continue
            wanted = [value.dims for value in node.outputs]
            if found != wanted:
                problems.add(node, f"results of shape {wanted} are required at batch 1, found {found}")
        signatures = {value: tuple(-1 if dim.slope else dim.offset for dim in dims) for value, dims in self.dims.items()}
        for body in self.bodies:
            signatures.update(body.settle(problems))
        return signatures


def _equal(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
