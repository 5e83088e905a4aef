"""The layout pass: one walk in which transposes are remembered instead of emitted.

Every value of the old graph is seen through a `View`: a value of the new graph and the permutation that would turn it into the old one. A
TRANSPOSE changes the view alone. Operators that do not care about the order of axes are applied to whatever lies behind the view, their
axes, constants and shapes permuted (rules in `layout_rules` and `layout_reshape`); the others, and the graph's outputs, get the old value
itself, made by a TRANSPOSE once and shared. Nothing is guessed: an order only changes where the old graph had a TRANSPOSE.

Values that lie in another order than their ONNX namesakes are called "name;nhwc" (ONNX order n, c, h, w), "name;nwc" (n, c, w), else
"name;perm…", which lists the ONNX axes in the order they lie in.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from jitlite.converter.builder import Builder, Permutation
from jitlite.converter.graph import Array, Graph, Node, Value
from jitlite.converter.passes.groups import order_before
from jitlite.schemas.ops.concat import SPLIT, SPLIT_V
from jitlite.schemas.ops.conv import CONV_2D
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.matmul import BATCH_MATMUL, FULLY_CONNECTED
from jitlite.schemas.ops.reshape import RESHAPE, TRANSPOSE, UNPACK
from jitlite.schemas.ops.slice import SLICE, STRIDED_SLICE
from jitlite.schemas.ops.spec import OpSpec
from jitlite.schemas.table import Table

SUFFIXES: dict[Permutation, str] = {(0, 3, 1, 2): "nhwc", (0, 2, 1): "nwc"}


@dataclass(frozen=True, slots=True)
class View:
    """The old value is `physical` with its axes permuted: old axis i is physical axis permutation[i]."""

    physical: Value
    permutation: Permutation

    @property
    def is_plain(self) -> bool:
        return self.permutation == identity(len(self.permutation))


Wanted: TypeAlias = set[Permutation | None]
LayoutRule: TypeAlias = Callable[["Relayout", Node], bool]
"""Emits the node in an order of axes of its choice and returns True, or declines with False."""

RULES: dict[str, LayoutRule] = {}
PARTING = {SPLIT.name: 1, SPLIT_V.name: 0, SLICE.name: 0, STRIDED_SLICE.name: 0, GATHER.name: 0, UNPACK.name: 0}
"""Operators that take a part, or parts, of an operand."""
FLEXIBLE: set[str] = set()
"""Operators whose result lies in the order of their operands whatever that is, once their constants are permuted."""


def lays_out(*specs: OpSpec, flexible: bool = False) -> Callable[[LayoutRule], LayoutRule]:
    """Registers the rule for operators that can work in other orders than the old graph's, `flexible` ones in all."""

    def register(rule: LayoutRule) -> LayoutRule:
        for spec in specs:
            assert spec.name not in RULES, f"{spec.name} has two layout rules"
            RULES[spec.name] = rule
            if flexible:
                FLEXIBLE.add(spec.name)
        return rule

    return register


def identity(rank: int) -> Permutation:
    return tuple(range(rank))


def swapped(rank: int) -> Permutation:
    """The last two axes exchanged."""
    return (*range(rank - 2), rank - 1, rank - 2)


def inverse(permutation: Permutation) -> Permutation:
    result = [0] * len(permutation)
    for index, axis in enumerate(permutation):
        result[axis] = index
    return tuple(result)


def without(permutation: Permutation, axes: Sequence[int]) -> Permutation:
    """The permutation of what is left when old axes disappear."""
    left = [permutation[axis] for axis in range(len(permutation)) if axis not in axes]
    return tuple(sorted(left).index(axis) for axis in left)


def channels_last(rank: int) -> Permutation:
    """How a channels-last value looks channels-first."""
    return (0, rank - 1, *range(1, rank - 1))


def moves_nothing(shape: Sequence[int], permutation: Permutation) -> bool:
    """True when transposing a tensor of this shape only moves axes of size 1, so that a reshape does the same."""
    moved = [axis for axis in permutation if shape[axis] != 1]
    return moved == sorted(moved)


class Relayout:
    """The state of one walk: the new graph, the view of every old value, and the transposes made so far."""

    def __init__(self, source: Graph, turned: Collection[Value] = ()) -> None:
        self.source = source
        self.turned = turned
        self.wanted = wanted_orders(source, turned)
        self.target = Graph(source.name)
        self.views: dict[Value, View] = {}
        self.columns: dict[Value, Array] = {}
        """Flattened values whose columns lie in another order: old column k is physical column columns[k]."""
        self.reordered: dict[tuple[Value, Permutation], Value] = {}

    def view(self, old: Value) -> View:
        if old not in self.views:
            assert old.data is not None, f"'{old.name}' has not been laid out"
            self.views[old] = View(self.target.constant(old.data, old.name, old.grid), identity(old.rank))
        return self.views[old]

    def cost(self, old: Value, permutation: Permutation) -> int:
        """Elements that a TRANSPOSE would move to get at the old value in this order."""
        view = self.view(old)
        order = _between(view.permutation, permutation)
        free = view.physical.is_constant or moves_nothing(view.physical.dims, order) or (view.physical, order) in self.reordered
        return 0 if free else old.size

    def physical(self, old: Value, permutation: Permutation) -> Value:
        """The value that, seen through `permutation`, is the old one."""
        view = self.view(old)
        return self.reorder(view.physical, _between(view.permutation, permutation), physical_name(old.name, permutation))

    def reorder(self, x: Value, order: Permutation, name: str) -> Value:
        """The new value with axis order[i] as axis i: a TRANSPOSE, or a RESHAPE where only axes of size 1 move. Made once and shared."""
        if order == identity(len(order)):
            return x
        if (x, order) not in self.reordered:
            builder = Builder(self.target, name)
            still = moves_nothing(x.dims, order)
            made = builder.reshape(x, [x.dims[axis] for axis in order]) if still else builder.transpose(x, order)
            if made is not x:
                self.target.rename(made, name)
            self.reordered[(x, order)] = made
        return self.reordered[(x, order)]

    def widened(self, x: Value, rank: int) -> Value:
        """The new value behind axes of size 1, so that it has this rank."""
        return Builder(self.target, x.name).reshape(x, (1,) * (rank - x.rank) + x.dims, "wide")

    def logical(self, old: Value) -> Value:
        """The old value itself."""
        return self.physical(old, identity(old.rank))

    def emit(self, node: Node, operands: Sequence[Value | None], options: Table | None, permutations: Sequence[Permutation]) -> None:
        """Adds the node's operator over new operands; output k is seen through permutations[k]."""
        assert isinstance(node.op, OpSpec)
        builder = Builder(self.target, node.outputs[0].name)
        declared = [
            (tuple(old.dims[axis] for axis in inverse(order)), np.dtype(old.dtype))
            for old, order in zip(node.outputs, permutations, strict=True)
        ]
        grids = [
            None if old.grid is None else old.grid.transposed(inverse(order)) for old, order in zip(node.outputs, permutations, strict=True)
        ]
        changed = None if options is None else options.copy()
        made = builder.ops(node.op, *operands, options=changed, grids=grids if any(grids) else (), declared=declared, bodies=node.bodies)
        for old, new, permutation in zip(node.outputs, made, permutations, strict=True):
            assert tuple(new.dims[axis] for axis in permutation) == old.dims, f"'{old.name}' must keep shape {old.dims}"
            self.target.rename(new, physical_name(old.name, permutation))
            self.views[old] = View(new, permutation)

    def indices(self, numbers: Sequence[int] | Array) -> Value:
        return self.target.constant(np.asarray(numbers, np.int32), "indices")


def physical_name(name: str, permutation: Permutation) -> str:
    """What a value is called that shows the value `name` through a permutation."""
    if permutation == identity(len(permutation)):
        return name
    order = "".join(str(axis) for axis in inverse(permutation))
    return f"{name};{SUFFIXES.get(permutation, f'perm{order}')}"


def _between(held: Permutation, wanted: Permutation) -> Permutation:
    """The transpose that turns a value seen through `held` into one seen through `wanted`."""
    back = inverse(wanted)
    return tuple(held[axis] for axis in back)


def lay_out(source: Graph, turned: Collection[Value] = ()) -> Graph:
    """The same computation with as few transposes as the walk leaves. Inputs and outputs among `turned` change to channels-last."""
    walk = Relayout(source, turned)
    for old in source.inputs:
        order = channels_last(old.rank) if old in turned else identity(old.rank)
        held = inverse(order)
        shape = tuple(old.dims[axis] for axis in held)
        grid = None if old.grid is None else old.grid.transposed(held)
        walk.views[old] = View(walk.target.add_input(walk.target.value(old.name, shape, old.dtype, grid)), order)
    for old in source.inputs:
        behind = [user for node in old.uses for user in ([node] if node.kind != TRANSPOSE.name else node.output.uses)]
        (wanted, *others) = walk.wanted[old] or [None]
        if wanted is not None and not others and any(node.kind in FLEXIBLE for node in behind):
            held = inverse(wanted)
            walk.views[old] = View(walk.physical(old, held), held)
    for node in source.nodes:
        rule = RULES.get(node.kind)
        if rule is None or not rule(walk, node):
            operands = [None if value is None else walk.logical(value) for value in node.inputs]
            walk.emit(node, operands, node.options, [identity(value.rank) for value in node.outputs])
        for value in node.outputs:
            shared = _order_of_parts(walk, value)
            if shared is not None:
                walk.views[value] = View(walk.physical(value, inverse(shared)), inverse(shared))
    for old in source.outputs:
        walk.target.outputs.append(_output(walk, old))
    walk.target.remove_dead()
    return walk.target


def _order_of_parts(walk: Relayout, old: Value) -> Permutation | None:
    """The transpose wanted of every part that a value is taken to, where moving the whole moves no more; None where there is none."""
    view = walk.views[old]
    if not old.uses or any(node.kind not in PARTING or node.input(PARTING[node.kind]) is not old for node in old.uses):
        return None
    common: Wanted | None = None
    moved = 0
    for node in old.uses:
        held = view.permutation
        is_lower = node.outputs[0].rank == old.rank - 1 and node.options is not None
        if is_lower:
            held = without(held, [node.options.axis % old.rank])  # type: ignore[union-attr]
        for part in (value for value in node.outputs if value.uses):
            wanted = walk.wanted.get(part, {None})
            if part.rank != len(held) or None in wanted or not _is_read_alone(walk, part):
                return None
            lain = [part.dims[axis] for axis in inverse(held)]
            still = any(moves_nothing(lain, _between(held, inverse(order))) for order in wanted if order is not None)
            moved += 0 if still else part.size
            whole: Wanted = ({identity(old.rank)} if identity(part.rank) in wanted else set()) if is_lower else wanted
            common = whole if common is None else common & whole
    orders = sorted(order for order in common or () if order is not None)
    return orders[0] if orders and moved >= old.size else None


def _is_read_alone(walk: Relayout, old: Value) -> bool:
    """True for a value that reaches operators which need it in order without meeting others, whose order could be taken instead."""
    waiting = [old]
    while waiting:
        value = waiting.pop()
        if value in walk.source.outputs:
            return False
        for node in value.uses:
            varying = sum(operand is not None and not operand.is_constant for operand in node.inputs)
            if node.kind in (TRANSPOSE.name, RESHAPE.name) or (node.kind in FLEXIBLE and varying == 1):
                waiting += node.outputs
            elif node.kind in RULES and node.kind != BATCH_MATMUL.name:
                return False
    return True


def wanted_orders(source: Graph, turned: Collection[Value] = ()) -> dict[Value, Wanted]:
    """For every value the transposes it will meet behind operators that any order suits, the identity where it is read as it is.

    None stands for uses that have layout rules of their own and may take other orders too.
    """
    wanted: dict[Value, Wanted] = {}
    for value in source.outputs:
        wanted.setdefault(value, set()).add(inverse(channels_last(value.rank)) if value in turned else identity(value.rank))
    for node in reversed(source.nodes):
        found = set[Permutation | None]().union(*(wanted.get(value, set()) for value in node.outputs))
        for index, operand in enumerate(node.inputs):
            if operand is not None and not operand.is_constant:
                wanted.setdefault(operand, set()).update(_wanted_by(node, index, found))
    return {value: wanted.get(value, set()) for value in (*source.inputs, *wanted)}


def _wanted_by(node: Node, index: int, behind: Wanted) -> Wanted:
    """The transposes an operand meets in this node and behind it."""
    value = node.input(index)
    order = _order(node)
    if order is not None:
        return behind & {None} | {order if other is None else tuple(order[axis] for axis in other) for other in behind}
    if node.kind in FLEXIBLE and value.rank == node.outputs[0].rank:
        return behind
    if node.kind == RESHAPE.name:
        return {None if other is None else order_before(value.dims, node.output.dims, other) for other in behind}
    if node.kind == BATCH_MATMUL.name:
        return {identity(value.rank), swapped(value.rank)}
    others: Wanted = {None} if node.kind in RULES and node.kind != CONV_2D.name else set()
    return others if others and node.kind != FULLY_CONNECTED.name else {*others, identity(value.rank)}


def _order(node: Node) -> Permutation | None:
    data = node.input(1).data if node.kind == TRANSPOSE.name else None
    return None if data is None else tuple(int(axis) for axis in data)


def _output(walk: Relayout, old: Value) -> Value:
    """The graph output under exactly its name; inputs that a body returns are no others than before."""
    if old.producer is None and old.data is None:
        return walk.logical(old)
    order = channels_last(old.rank) if old in walk.turned else identity(old.rank)
    new = Builder(walk.target, old.name).as_output(walk.physical(old, order))
    if new.name != old.name:
        walk.target.rename(new, old.name)
    return new
