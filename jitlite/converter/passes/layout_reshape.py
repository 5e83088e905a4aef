"""RESHAPE over tensors whose axes lie in another order.

A reshape splits and merges neighbouring axes: it falls into groups of old axes that become groups of new ones. A group whose axes lie next
to each other, in order, can be reshaped where it lies.
"""

from itertools import pairwise

import numpy as np

from jitlite.converter.builder import Builder, Permutation
from jitlite.converter.graph import Node, Value
from jitlite.converter.passes.groups import Group, groups, order_before
from jitlite.converter.passes.layout import Relayout, View, identity, inverse, lays_out, physical_name
from jitlite.converter.passes.layout_rules import UNARY
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.matmul import FULLY_CONNECTED
from jitlite.schemas.ops.reshape import RESHAPE
from jitlite.schemas.tables import GatherOptions

MAX_SHUFFLED = 4096
"""Positions along an axis that are put in order by a table."""
_UNARY_NAMES = frozenset(spec.name for spec in UNARY)


@lays_out(RESHAPE)
def reshape(walk: Relayout, node: Node) -> bool:
    x, y = node.input(0), node.output
    view = walk.view(x)
    if view.is_plain or y.size == 0:
        return False
    if _flattens_into_products(walk, node) and not _is_in_order(groups(x.dims, y.dims), view.permutation):
        _flatten(walk, node, view)
        return True
    found = groups(x.dims, y.dims)
    if _merges_shuffled(walk, node, found):
        return True
    order = _grouped_order(walk, node, found)
    physical = walk.physical(x, order)
    placed = _placed_after(found, order, len(y.dims))
    shape = [y.dims[axis] for axis in placed]
    permutation = tuple(placed.index(axis) for axis in range(len(placed)))
    walk.emit(node, [physical, walk.indices(shape)], node.options, [permutation])
    return True


def _is_in_order(found: list[Group], permutation: Permutation) -> bool:
    """True when every group's axes lie next to each other (but for axes of size 1), in order."""
    grouped = sorted(permutation[axis] for group in found for axis in group.before)
    ranks = {place: rank for rank, place in enumerate(grouped)}
    return all(ranks[permutation[b]] == ranks[permutation[a]] + 1 for group in found for a, b in pairwise(group.before))


def _merges_shuffled(walk: Relayout, node: Node, found: list[Group]) -> bool:
    """Merges the innermost axes as they lie and then puts the merged positions in order, a GATHER: how channels are shuffled.

    Never with the first axis, whose size may be the batch, and not where all that is left is the first axis: a TRANSPOSE needs no table.
    """
    x, y = node.input(0), node.output
    view = walk.view(x)
    shuffled = [group for group in found if not _is_in_order([group], view.permutation)]
    if len(shuffled) != 1 or len(shuffled[0].after) != 1 or y.grid is not None:
        return False
    (group,) = shuffled
    lain = sorted(group.before, key=lambda axis: view.permutation[axis])
    turned = [view.permutation[axis] for axis in lain]
    others = [axis for axis in range(turned[0], view.physical.rank) if axis not in turned and view.physical.dims[axis] != 1]
    count = y.dims[group.after[0]]
    if others or 0 in group.before or count > MAX_SHUFFLED or y.size // count <= x.dims[0]:
        return False
    sizes = [x.dims[axis] for axis in lain]
    positions = np.arange(count).reshape(sizes).transpose([lain.index(axis) for axis in group.before]).reshape(-1)
    places = list(view.permutation)
    for axis, place in zip(group.before, turned, strict=True):
        places[axis] = place
    if not _is_in_order(found, tuple(places)):
        return False
    placed = _placed_after(found, tuple(places), y.rank)
    merged = Builder(walk.target, y.name).reshape(view.physical, [y.dims[axis] for axis in placed], "unordered")
    options = GatherOptions(axis=placed.index(group.after[0]))
    permutation = tuple(placed.index(axis) for axis in range(y.rank))
    made = Builder(walk.target, y.name).op(GATHER, merged, walk.indices(positions), options=options)
    walk.target.rename(made, physical_name(y.name, permutation))
    walk.views[y] = View(made, permutation)
    return True


def _grouped_order(walk: Relayout, node: Node, found: list[Group]) -> Permutation:
    """An order in which every group lies together: the present one where that is so already, else the one wanted behind the reshape where
    it is the only one, else plain where moving groups gives it.
    """
    x, y = node.input(0), node.output
    permutation, wanted = walk.view(x).permutation, walk.wanted.get(y, set())
    if _is_in_order(found, permutation):
        return permutation
    if len(wanted) == 1 and None not in wanted:
        before = order_before(x.dims, y.dims, next(order for order in wanted if order is not None))
        if before is not None:
            return inverse(before)
    alone = [axis for axis in range(len(permutation)) if not any(axis in group.before for group in found)]
    orders = []
    for side in (max, min):
        blocks = [(side(permutation[axis] for axis in group.before), group.before) for group in found]
        laid = [axis for _, axes in sorted(blocks + [(permutation[axis], (axis,)) for axis in alone]) for axis in axes]
        orders.append(inverse(tuple(laid)))
    return min(orders, key=lambda order: order != identity(len(order)))


def _placed_after(found: list[Group], permutation: Permutation, rank: int) -> list[int]:
    """The result's axes in the order they lie in; axes of size 1 stay behind the axis in front of them."""
    placed: list[int] = []
    for group in sorted(found, key=lambda group: permutation[group.before[0]]):
        placed += group.after
    for axis in range(rank):
        if axis not in placed:
            placed.insert(placed.index(axis - 1) + 1 if axis else 0, axis)
    return placed


def _flattens_into_products(walk: Relayout, node: Node) -> bool:
    """True when the result is (rows, columns) of the operand's first axis and all others, and only FULLY_CONNECTED reads it."""
    x, y = node.input(0), node.output
    return y.rank == 2 and x.rank > 2 and y.dims[0] == x.dims[0] and _feeds_products(walk, y)


def _feeds_products(walk: Relayout, value: Value) -> bool:
    if not value.uses or value in walk.source.outputs:
        return False
    for user in value.uses:
        if user.kind == FULLY_CONNECTED.name:
            weight = user.input(1)
            if user.input(0) is not value or weight.data is None or weight.dims[1] != value.dims[-1] or value in user.inputs[1:]:
                return False
        elif user.kind not in _UNARY_NAMES or not _feeds_products(walk, user.output):
            return False
    return True


def _flatten(walk: Relayout, node: Node, view: View) -> None:
    """Flattens the elements as they lie and records where each column is."""
    x, y = node.input(0), node.output
    if view.permutation[0] != 0:
        view = View(walk.logical(x), identity(x.rank))
    rows, columns = y.dims
    walk.emit(node, [view.physical, walk.indices([rows, columns])], node.options, [identity(2)])
    lain = np.arange(columns).reshape(view.physical.dims[1:])
    walk.columns[y] = lain.transpose([axis - 1 for axis in view.permutation[1:]]).reshape(-1)
    walk.target.rename(walk.views[y].physical, f"{y.name};flat")
