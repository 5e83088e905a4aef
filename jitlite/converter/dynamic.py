"""Keeping dimensions dynamic: one model is lowered for several sizes of what is unknown, and what differs between the graphs depends on it.

Dimensions that differ become dynamic; a RESHAPE to a shape that differs in one place gets -1 there; other integers are computed at run time
from the dimension of a tensor that they follow in all of the graphs; constants that only repeat along such a dimension are stored once.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from jitlite.converter.builder import Builder, call_of
from jitlite.converter.element_types import type_of
from jitlite.converter.graph import Array, Graph, Node, Shape, Value, data_bytes
from jitlite.converter.passes.layout_rules import BROADCASTING
from jitlite.converter.problems import Problems
from jitlite.converter.symbols import Symbol
from jitlite.schemas.errors import ConversionError, InvalidModelError, UnsupportedError
from jitlite.schemas.ops.concat import CONCATENATION
from jitlite.schemas.ops.conversion import CAST
from jitlite.schemas.ops.elementwise import ADD, MUL
from jitlite.schemas.ops.pad import TILE
from jitlite.schemas.ops.reshape import RESHAPE, SHAPE
from jitlite.schemas.ops.slice import SLICE
from jitlite.schemas.ops.spec import NeedsValue, OpSpec, infer
from jitlite.schemas.tables import CastOptions, ConcatenationOptions, ShapeOptions, TensorType

MAX_COMPUTED = 64
COMPUTED_TYPES = (np.dtype(np.int32), np.dtype(np.int64), np.dtype(np.float32))
_BROADCASTING = frozenset(spec.name for spec in BROADCASTING)

Sizes: TypeAlias = tuple[int, ...]
"""A whole number in each of the graphs."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A whole number that is slope times a dimension of a value, plus offset."""

    source: Value
    axis: int
    slope: int
    offset: int


class _Fixed(Exception):  # noqa: N818 - says why something cannot be dynamic; collected, never seen by callers
    """Says what depends on a size in a way that has no form."""


def lowered_for_all(symbols: Sequence[Symbol], first: Graph, lowered: Callable[[Mapping[str, int]], Graph]) -> list[Graph]:
    """The graphs to merge: that of the first sizes, those of the second size of each symbol, and that of the third sizes of all.

    The last tells lines from curves, and steps from what stays the same. ConversionError where the model does not suit the sizes.
    """
    sizes = {symbol.name: symbol.first for symbol in symbols}
    graphs = [first, *(lowered({**sizes, symbol.name: symbol.second}) for symbol in symbols)]
    choices = max(len(symbol.thirds) for symbol in symbols)
    for choice in range(choices):
        try:
            return [*graphs, lowered({symbol.name: symbol.thirds[min(choice, len(symbol.thirds) - 1)] for symbol in symbols})]
        except ConversionError:
            if choice == choices - 1:
                raise
    raise AssertionError("a symbol has a third size")


def merge_probes(graphs: Sequence[Graph], symbols: Sequence[Symbol], problems: Problems) -> dict[Value, Shape]:
    """Turns the first graph into one for every size, given those of `lowered_for_all`.

    Returns the shapes of all values with -1 for dynamic dimensions; the values' own shapes become those of the symbols' default sizes.
    Operators that cannot follow are added to `problems`.
    """
    merge = _Merge(graphs, symbols)
    merge.join(problems)
    return {} if problems.lines else merge.settle(problems)


class _Merge:
    def __init__(self, graphs: Sequence[Graph], symbols: Sequence[Symbol]) -> None:
        self.graph, self.others = graphs[0], graphs[1:]
        self.symbols = symbols
        self.dims: dict[Value, tuple[Sizes, ...]] = {}
        self.twins: dict[Value, tuple[Value, ...]] = {}
        self.changed: list[tuple[Node, int, list[Array]]] = []
        self.shapes: dict[Value, Value] = {}
        self.parts: dict[tuple[Value, int], Value] = {}
        self.bodies: list[_Merge] = []
        self.ranks: dict[Node, int] = {}

    @property
    def subject(self) -> str:
        names = ", ".join(symbol.name for symbol in self.symbols)
        return f"so that {'the batch' if len(self.symbols) == 1 and self.symbols[0].is_batch else names} cannot stay dynamic"

    def join(self, problems: Problems) -> None:
        """Pairs the nodes of all graphs and makes constants that differ follow the sizes, in bodies first."""
        nodes = self.graph.nodes
        for other in self.others:
            if [node.kind for node in nodes] != [node.kind for node in other.nodes]:
                self.report_difference(nodes, other.nodes, problems)
                return
        for values in zip(self.graph.inputs, *(other.inputs for other in self.others), strict=True):
            self.pair(values)
        self.ranks = {node: rank for rank, node in enumerate(nodes)}
        for twins in zip(nodes, *(other.nodes for other in self.others), strict=True):
            try:
                self.pair_nodes(twins)
            except _Fixed as reason:
                problems.add(twins[0], f"{reason}, {self.subject}")
                continue
            for bodies in zip(*(node.bodies for node in twins), strict=True):
                inner = _Merge(bodies, self.symbols)
                self.bodies.append(inner)
                inner.join(problems)
        if not problems.lines:
            self.replace_constants(problems)
            self.graph.sort()

    def report_difference(self, nodes: Sequence[Node], others: Sequence[Node], problems: Problems) -> None:
        for node, other in zip(nodes, others):
            if node.kind != other.kind:
                problems.add(node, f"it is {node.kind} for one size and {other.kind} for another, {self.subject}")
                return
        longer = nodes if len(nodes) > len(others) else others
        problems.add(longer[min(len(nodes), len(others))], f"it is there for some sizes alone, {self.subject}")

    def pair(self, values: Sequence[Value]) -> None:
        value = values[0]
        if len({len(each.dims) for each in values}) != 1:
            raise _Fixed(f"'{value.name}' has shapes {', '.join(str(each.dims) for each in values)} for sizes that are tried")
        self.dims[value] = tuple(zip(*(each.dims for each in values), strict=True))
        self.twins[value] = tuple(values[1:])

    def pair_nodes(self, twins: Sequence[Node]) -> None:
        node, others = twins[0], twins[1:]
        for other in others:
            if repr(node.options) != repr(other.options) or len(node.inputs) != len(other.inputs):
                raise _Fixed(f"its options are {node.options!r} for one size and {other.options!r} for another")
        for index, value in enumerate(node.inputs):
            given = [other.inputs[index] for other in others]
            if value is None or value.data is None or any(each is None or each.data is None for each in given):
                if value is not None and self.twins.get(value) != tuple(given):
                    raise _Fixed(f"operand {index} is '{value.name}' for one size and another value for another")
            else:
                arrays = [value.data, *(each.data for each in given if each is not None and each.data is not None)]
                if not all(_equal(arrays[0], array) for array in arrays[1:]):
                    self.changed.append((node, index, arrays))
        for values in zip(node.outputs, *(other.outputs for other in others), strict=True):
            self.pair(values)

    def replace_constants(self, problems: Problems) -> None:
        for node, index, arrays in self.changed:
            try:
                self.graph.set_input(node, index, self.following(node, index, arrays))
            except _Fixed as reason:
                problems.add(node, f"{reason}, {self.subject}")

    def following(self, node: Node, index: int, arrays: Sequence[Array]) -> Value:
        """The operand for every size, given the constants of those tried."""
        name = f"{node.outputs[0].name};size"
        first = arrays[0]
        if any(array.shape != first.shape for array in arrays):
            return self.repeated(node, index, arrays)
        if first.size > MAX_COMPUTED or any(not np.array_equal(array, np.floor(array)) for array in arrays):
            raise _Fixed(f"constant operand {index} has values that depend on it")
        entries: list[Sizes] = [tuple(int(array.flat[place]) for array in arrays) for place in range(first.size)]
        if node.kind == RESHAPE.name and index == 1 and all(entry[0] > 0 for entry in entries if not _varies(entry)):
            return self.target_shape(node, entries, first)
        return self.computed(name, node, entries, first)

    def target_shape(self, node: Node, entries: list[Sizes], first: Array) -> Value:
        """The shape of a RESHAPE: -1 for one size that varies, which is the one that follows no dimension where there is such a one."""
        moving = [place for place, entry in enumerate(entries) if _varies(entry)]
        lost = [place for place in moving if self.source(node, entries[place]) is None] if len(moving) > 1 else moving
        if len(lost) == 1:
            entries[lost[0]] = (-1,) * len(entries[lost[0]])
        name = f"{node.outputs[0].name};shape"
        if any(_varies(entry) for entry in entries):
            return self.computed(name, node, entries, first)
        return self.graph.constant(np.array([entry[0] for entry in entries], np.int32), name)

    def repeated(self, node: Node, index: int, arrays: Sequence[Array]) -> Value:
        """A constant that is the same all along the axes that grow."""
        first = arrays[0]
        if len({array.ndim for array in arrays}) != 1:
            raise _Fixed(f"constant operand {index} has values that depend on it")
        dims: list[Sizes] = list(zip(*(array.shape for array in arrays), strict=True))
        grown = [_varies(sizes) for sizes in dims]
        bases = []
        for data in arrays:
            base = data[tuple(slice(0, 1) if moves else slice(None) for moves in grown)]
            if not np.array_equal(np.broadcast_to(base, data.shape), data):
                raise _Fixed(f"constant operand {index} has values that depend on it")
            bases.append(base)
        if not all(_equal(bases[0], base) for base in bases[1:]):
            raise _Fixed(f"constant operand {index} has values that depend on it")
        stored = self.graph.constant(np.asarray(bases[0], order="C"), f"{node.outputs[0].name};size")
        others = [value for place, value in enumerate(node.inputs) if place != index and value is not None]
        if node.kind in _BROADCASTING and any(value.dims == node.outputs[0].dims for value in others):
            return stored
        counts = [sizes if moves else (1,) * len(sizes) for sizes, moves in zip(dims, grown, strict=True)]
        repeats = self.computed(f"{node.outputs[0].name};repeats", node, counts, np.zeros(len(dims), np.int32))
        return self.added(TILE, (stored, repeats), first.shape, dims, f"{node.outputs[0].name};repeated")

    def source(self, node: Node, entry: Sizes) -> Linear | None:
        """A dimension known where the node runs that the number follows: one equal to it, else a part of it, else one at a distance."""
        found = None
        for value in self.values_before(node):
            for axis, sizes in enumerate(self.dims[value]):
                linear = _fit(entry, sizes, value, axis) if _varies(sizes) else None
                if linear is not None and (linear.slope, linear.offset) == (1, 0):
                    return linear
                if linear is not None and (found is None or (found.offset and not linear.offset)):
                    found = linear
        return found

    def values_before(self, node: Node) -> Iterable[Value]:
        """What a node can look at: its operands, the graph's inputs, then what nodes before it made."""
        yield from (value for value in node.inputs if value in self.dims)
        yield from self.graph.inputs
        for earlier in self.graph.nodes:
            if self.ranks.get(earlier, len(self.ranks)) < self.ranks[node]:
                yield from (value for value in earlier.outputs if value in self.dims)

    def computed(self, name: str, node: Node, entries: Sequence[Sizes], like: Array) -> Value:
        """Integers computed at run time."""
        if like.dtype not in COMPUTED_TYPES:
            raise _Fixed(f"numbers of type {like.dtype} depend on it")
        builder = Builder(self.graph, name)
        parts = [self.number(builder, node, entry) if _varies(entry) else builder.indices([entry[0]]) for entry in entries]
        joined = parts[0] if len(parts) == 1 else self.known(builder.op(CONCATENATION, *parts, options=ConcatenationOptions(axis=0)))
        if like.dtype != np.int32:
            options = CastOptions(in_data_type=TensorType.INT32, out_data_type=type_of(like.dtype))
            joined = self.known(builder.op(CAST, joined, options=options))
        return joined if like.ndim == 1 else self.known(builder.reshape(joined, like.shape))

    def number(self, builder: Builder, node: Node, entry: Sizes) -> Value:
        """INT32 of shape (1,)."""
        linear = self.source(node, entry)
        if linear is None:
            raise _Fixed(f"a number is {', '.join(map(str, entry))} for sizes that are tried, and follows no dimension")
        part = self.dimension(linear.source, linear.axis)
        if linear.slope != 1:
            part = self.known(builder.op(MUL, part, builder.indices([linear.slope])))
        if linear.offset:
            part = self.known(builder.op(ADD, part, builder.indices([linear.offset])))
        return part

    def dimension(self, value: Value, axis: int) -> Value:
        if value not in self.shapes:
            self.shapes[value] = self.known(
                Builder(self.graph, value.name).op(SHAPE, value, options=ShapeOptions(out_type=TensorType.INT32))
            )
        if (value, axis) not in self.parts:
            builder = Builder(self.graph, f"{value.name};dimension{axis}")
            self.parts[value, axis] = self.known(builder.op(SLICE, self.shapes[value], builder.indices([axis]), builder.indices([1])))
        return self.parts[value, axis]

    def known(self, value: Value) -> Value:
        """Registers a value whose shape never varies."""
        self.dims[value] = tuple((dim,) * (1 + len(self.others)) for dim in value.dims)
        return value

    def added(self, spec: OpSpec, operands: tuple[Value, ...], shape: Shape, dims: Sequence[Sizes], name: str) -> Value:
        made = self.graph.value(name, shape, operands[0].dtype)
        self.graph.add_node(Node(spec, operands, (made,), name, options=None if spec.options is None else spec.options()))
        self.dims[made] = tuple(dims)
        return made

    def default(self, sizes: Sizes, value: Value) -> int:
        """The dimension at the symbols' default sizes."""
        total = sizes[0]
        for place, symbol in enumerate(self.symbols):
            steps, rest = divmod((sizes[place + 1] - sizes[0]) * (symbol.default - symbol.first), symbol.second - symbol.first)
            if rest:
                raise _Fixed(f"a dimension of '{value.name}' is {', '.join(map(str, sizes))} for sizes that are tried")
            total += steps
        return total

    def settle(self, problems: Problems) -> dict[Value, Shape]:
        """Gives every value its shape at the default sizes, checked by the specifications, and says which dimensions are dynamic."""
        signatures = {value: tuple(-1 if _varies(sizes) else sizes[0] for sizes in dims) for value, dims in self.dims.items()}
        for value, dims in self.dims.items():
            try:
                value.shape = tuple(self.default(sizes, value) for sizes in dims)
            except _Fixed as reason:
                if value.producer is not None:
                    problems.add(value.producer, f"{reason}, {self.subject}")
        if problems.lines:
            return {}
        for node in self.graph.nodes:
            self.check_shapes(node, problems)
        for body in self.bodies:
            signatures.update(body.settle(problems))
        return signatures

    def check_shapes(self, node: Node, problems: Problems) -> None:
        try:
            found = [shape for shape, _ in infer(call_of(node))]
        except NeedsValue:
            return
        except (InvalidModelError, UnsupportedError) as error:
            problems.add(node, f"{error}, at the default sizes")
            return
        wanted = [value.dims for value in node.outputs]
        if found != wanted:
            problems.add(node, f"results of shape {wanted} are required at the default sizes, found {found}")


def _varies(sizes: Sizes) -> bool:
    return any(size != sizes[0] for size in sizes[1:])


def _fit(entry: Sizes, sizes: Sizes, value: Value, axis: int) -> Linear | None:
    """`entry` as slope · sizes + offset, for a whole slope above 0."""
    place = next(index for index, size in enumerate(sizes) if size != sizes[0])
    slope, rest = divmod(entry[place] - entry[0], sizes[place] - sizes[0])
    if rest or slope <= 0:
        return None
    offset = entry[0] - slope * sizes[0]
    fits = all(number == slope * size + offset for number, size in zip(entry, sizes))
    return Linear(value, axis, slope, offset) if fits else None


def _equal(a: Array, b: Array) -> bool:
    return a is b or (a.dtype == b.dtype and a.shape == b.shape and (_is_same_memory(a, b) or data_bytes(a) == data_bytes(b)))


def _is_same_memory(a: Array, b: Array) -> bool:
    return a.ctypes.data == b.ctypes.data and a.strides == b.strides
