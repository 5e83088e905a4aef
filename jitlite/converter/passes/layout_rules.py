"""How operators work on tensors whose axes lie in another order: elements one by one, along axes, and matrix products."""

from collections.abc import Sequence

import numpy as np

from jitlite.converter.builder import Permutation
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.grids import moved
from jitlite.converter.passes.layout import Relayout, View, identity, inverse, lays_out, swapped, without
from jitlite.schemas.ops import activation as act
from jitlite.schemas.ops import comparison as cmp
from jitlite.schemas.ops import elementwise as el
from jitlite.schemas.ops.concat import CONCATENATION, SPLIT, SPLIT_V
from jitlite.schemas.ops.conv import CONV_2D
from jitlite.schemas.ops.conversion import CAST, DEQUANTIZE, QUANTIZE
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.matmul import BATCH_MATMUL, FULLY_CONNECTED
from jitlite.schemas.ops.pad import BROADCAST_TO, MIRROR_PAD, PAD, PADV2, TILE
from jitlite.schemas.ops.reduce import ARG_MAX, ARG_MIN, CUMSUM, MEAN, REDUCE_ALL, REDUCE_ANY, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD, SUM
from jitlite.schemas.ops.reshape import PACK, TRANSPOSE, UNPACK
from jitlite.schemas.ops.slice import REVERSE_V2, SLICE, STRIDED_SLICE

UNARY = (
    *(act.RELU, act.RELU6, act.RELU_N1_TO_1, act.RELU_0_TO_1, act.LEAKY_RELU, act.ELU, act.LOGISTIC, act.TANH, act.HARD_SWISH, act.GELU),
    *(el.ABS, el.NEG, el.EXP, el.LOG, el.SQRT, el.RSQRT, el.SQUARE, el.SIN, el.COS, el.FLOOR, el.CEIL, el.ROUND, el.SIGN),
    *(CAST, QUANTIZE, DEQUANTIZE, cmp.LOGICAL_NOT),
)
BROADCASTING = (
    *(el.ADD, el.SUB, el.MUL, el.DIV, el.POW, el.MINIMUM, el.MAXIMUM, el.SQUARED_DIFFERENCE, el.FLOOR_DIV, el.FLOOR_MOD),
    *(cmp.EQUAL, cmp.NOT_EQUAL, cmp.GREATER, cmp.GREATER_EQUAL, cmp.LESS, cmp.LESS_EQUAL, cmp.LOGICAL_AND, cmp.LOGICAL_OR, cmp.SELECT_V2),
    act.PRELU,
)
KEEPING = frozenset({act.PRELU.name})
"""Operators whose constant operands keep their leading axes of size 1."""


@lays_out(TRANSPOSE)
def transpose(walk: Relayout, node: Node) -> bool:
    view, order = walk.view(node.input(0)), _numbers(node, 1)
    if order is None:
        return False
    walk.views[node.output] = View(view.physical, tuple(view.permutation[axis] for axis in order))
    return True


@lays_out(*UNARY, flexible=True)
def unary(walk: Relayout, node: Node) -> bool:
    view = walk.view(node.input(0))
    walk.emit(node, [view.physical], node.options, [view.permutation])
    if node.input(0) in walk.columns:
        walk.columns[node.output] = walk.columns[node.input(0)]
        walk.target.rename(walk.views[node.output].physical, f"{node.output.name};flat")
    return True


@lays_out(*BROADCASTING, flexible=True)
def broadcasting(walk: Relayout, node: Node) -> bool:
    values = [value for value in node.inputs if value is not None]
    rank = node.output.rank
    order = _cheapest(walk, [value for value in values if value.rank == rank], node.output)
    if order == identity(rank):
        return False
    strip = node.kind not in KEEPING
    walk.emit(node, [_broadcast_operand(walk, value, order, strip) for value in values], node.options, [order])
    return True


def _cheapest(walk: Relayout, values: Sequence[Value], result: Value) -> Permutation:
    """The order, among those the operands lie in, that moves the fewest elements; with equal cost the one wanted behind, else plain."""
    rank = values[0].rank if values else 0
    found = list(dict.fromkeys(walk.view(value).permutation for value in values if not value.is_constant))
    if not found:
        return identity(rank)
    wanted = walk.wanted.get(result, set())

    def cost(order: Permutation) -> tuple[int, bool, bool]:
        unwanted = inverse(order) not in wanted
        moved = result.size if unwanted and len(wanted) == 1 and None not in wanted else 0
        return moved + sum(walk.cost(value, order) for value in values), unwanted, order != identity(rank)

    return min(found, key=cost)


def _broadcast_operand(walk: Relayout, value: Value, order: Permutation, strip: bool) -> Value:
    """The operand with its axes in this order, behind as many axes of size 1 as it lacks; constants lose those in front again."""
    rank = len(order)
    missing = rank - value.rank
    if value.data is not None:
        data = value.data.reshape((1,) * missing + value.dims).transpose(inverse(order))
        lead = next((axis for axis, dim in enumerate(data.shape) if dim != 1), rank) if strip else 0
        data = value.data if data.size == 1 and strip else np.asarray(data.reshape(data.shape[lead:]), order="C")
        grid = moved(value.grid, lambda grid: grid.transposed(inverse(order)) if not missing and data.ndim == rank else grid)
        return walk.target.constant(
            data, value.name, grid if grid is not None and (grid.is_per_tensor or data.ndim == value.rank) else None
        )
    if not missing:
        return walk.physical(value, order)
    return walk.reorder(walk.widened(walk.logical(value), rank), inverse(order), f"{value.name};wide")


def _numbers(node: Node, index: int) -> list[int] | None:
    """The values of a constant integer operand; None where it is not constant."""
    data = node.input(index).data
    return None if data is None else [int(number) for number in np.asarray(data).reshape(-1)]


def _by_physical_axis(numbers: Sequence[int] | Array, permutation: Permutation) -> Array:
    """Entries per old axis, rearranged to entries per physical axis."""
    return np.asarray(numbers, np.int32)[list(inverse(permutation))]


@lays_out(MEAN, SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD, REDUCE_ANY, REDUCE_ALL)
def reduction(walk: Relayout, node: Node) -> bool:
    view, axes = walk.view(node.input(0)), _numbers(node, 1)
    if axes is None or view.is_plain:
        return False
    gone = [axis % node.input(0).rank for axis in axes]
    order = view.permutation if node.options.keep_dims else without(view.permutation, gone)  # type: ignore[union-attr]
    walk.emit(node, [view.physical, walk.indices(sorted(view.permutation[axis] for axis in gone))], node.options, [order])
    return True


@lays_out(ARG_MAX, ARG_MIN)
def position(walk: Relayout, node: Node) -> bool:
    view, axes = walk.view(node.input(0)), _numbers(node, 1)
    if axes is None or view.is_plain:
        return False
    axis = axes[0] % node.input(0).rank
    walk.emit(node, [view.physical, walk.indices([view.permutation[axis]])], node.options, [without(view.permutation, [axis])])
    return True


@lays_out(CUMSUM)
def running_sum(walk: Relayout, node: Node) -> bool:
    view, axes = walk.view(node.input(0)), _numbers(node, 1)
    if axes is None or view.is_plain:
        return False
    operand = walk.target.constant(np.asarray(view.permutation[axes[0] % node.input(0).rank], np.int32), "indices")
    walk.emit(node, [view.physical, operand], node.options, [view.permutation])
    return True


@lays_out(REVERSE_V2)
def reverse(walk: Relayout, node: Node) -> bool:
    view, axes = walk.view(node.input(0)), _numbers(node, 1)
    if axes is None or view.is_plain:
        return False
    operand = walk.indices([view.permutation[axis % node.input(0).rank] for axis in axes])
    walk.emit(node, [view.physical, operand], node.options, [view.permutation])
    return True


@lays_out(act.SOFTMAX, act.LOG_SOFTMAX, act.L2_NORMALIZATION)
def along_last(walk: Relayout, node: Node) -> bool:
    view = walk.view(node.input(0))
    if view.permutation[-1] != len(view.permutation) - 1:
        return False
    walk.emit(node, [view.physical], node.options, [view.permutation])
    return True


@lays_out(CONCATENATION, flexible=True)
def concatenation(walk: Relayout, node: Node) -> bool:
    values = [value for value in node.inputs if value is not None]
    order = _cheapest(walk, values, node.output)
    if order == identity(len(order)):
        return False
    assert node.options is not None
    axis: int = node.options.axis  # type: ignore[attr-defined]
    options = node.options.copy(axis=order[axis % len(order)])
    walk.emit(node, [walk.physical(value, order) for value in values], options, [order])
    return True


@lays_out(SPLIT, SPLIT_V, flexible=True)
def split(walk: Relayout, node: Node) -> bool:
    data, place = (1, 0) if node.kind == SPLIT.name else (0, 2)
    view, axes = walk.view(node.input(data)), _numbers(node, place)
    if axes is None or view.is_plain:
        return False
    axis = walk.target.constant(np.asarray(view.permutation[axes[0] % len(view.permutation)], np.int32), "axis")
    sizes = [] if node.kind == SPLIT.name else [walk.logical(node.input(1))]
    operands = [axis, view.physical] if node.kind == SPLIT.name else [view.physical, *sizes, axis]
    walk.emit(node, operands, node.options, [view.permutation] * len(node.outputs))
    return True


@lays_out(PACK)
def pack(walk: Relayout, node: Node) -> bool:
    """The new axis lies behind the one in front of it."""
    values = [value for value in node.inputs if value is not None]
    order = _cheapest(walk, values, node.output)
    if order == identity(len(order)):
        return False
    assert node.options is not None
    axis: int = node.options.axis % (len(order) + 1)  # type: ignore[attr-defined]
    place = order[axis - 1] + 1 if axis else 0
    moved = [physical + (physical >= place) for physical in order]
    permutation = (*moved[:axis], place, *moved[axis:])
    walk.emit(node, [walk.physical(value, order) for value in values], node.options.copy(axis=place), [permutation])
    return True


@lays_out(UNPACK)
def unpack(walk: Relayout, node: Node) -> bool:
    view = walk.view(node.input(0))
    if view.is_plain:
        return False
    assert node.options is not None
    axis: int = node.options.axis % len(view.permutation)  # type: ignore[attr-defined]
    order = without(view.permutation, [axis])
    walk.emit(node, [view.physical], node.options.copy(axis=view.permutation[axis]), [order] * len(node.outputs))
    return True


@lays_out(SLICE, PAD, PADV2, MIRROR_PAD, TILE, flexible=True)
def per_axis(walk: Relayout, node: Node) -> bool:
    """Operators whose constant operands have one row an axis."""
    view = walk.view(node.input(0))
    rows = [value for value in node.inputs[1:3] if value is not None and value.dims[:1] == (len(view.permutation),)]
    if view.is_plain or any(value.data is None for value in rows):
        return False
    operands = [view.physical]
    for value in node.inputs[1:]:
        assert value is not None
        permuted = value in rows and value.data is not None and not (node.kind == PADV2.name and value is node.inputs[2])
        operands.append(
            walk.indices(_by_physical_axis(value.data, view.permutation)) if permuted and value.data is not None else walk.logical(value)
        )
    walk.emit(node, operands, node.options, [view.permutation])
    return True


@lays_out(BROADCAST_TO)
def broadcast_to(walk: Relayout, node: Node) -> bool:
    view, shape = walk.view(node.input(0)), _numbers(node, 1)
    if shape is None or view.is_plain or len(shape) != len(view.permutation):
        return False
    walk.emit(node, [view.physical, walk.indices(_by_physical_axis(shape, view.permutation))], node.options, [view.permutation])
    return True


@lays_out(STRIDED_SLICE, flexible=True)
def strided_slice(walk: Relayout, node: Node) -> bool:
    view, options = walk.view(node.input(0)), node.options
    bounds = [_numbers(node, index) for index in (1, 2, 3)]
    assert options is not None
    masks = options.ellipsis_mask | options.new_axis_mask | options.shrink_axis_mask  # type: ignore[attr-defined]
    if view.is_plain or masks or any(numbers is None or len(numbers) != len(view.permutation) for numbers in bounds):
        return False

    def moved(mask: int) -> int:
        return sum(1 << axis for old, axis in enumerate(view.permutation) if mask >> old & 1)

    changed = options.copy(begin_mask=moved(options.begin_mask), end_mask=moved(options.end_mask))  # type: ignore[attr-defined]
    operands = [walk.indices(_by_physical_axis(numbers, view.permutation)) for numbers in bounds if numbers is not None]
    walk.emit(node, [view.physical, *operands], changed, [view.permutation])
    return True


@lays_out(GATHER)
def gather(walk: Relayout, node: Node) -> bool:
    view, options = walk.view(node.input(0)), node.options
    assert options is not None
    axis, batch = options.axis, options.batch_dims  # type: ignore[attr-defined]
    if view.is_plain or batch:
        return False
    rank, added = len(view.permutation), node.input(1).rank
    axis %= rank
    place = view.permutation[axis]
    order: list[int] = []
    for old, physical in enumerate(view.permutation):
        if old == axis:
            order += range(place, place + added)
        else:
            order.append(physical if physical < place else physical + added - 1)
    walk.emit(node, [view.physical, walk.logical(node.input(1))], options.copy(axis=place), [tuple(order)])
    return True


@lays_out(FULLY_CONNECTED)
def fully_connected(walk: Relayout, node: Node) -> bool:
    """Columns that lie in another order are matched by reordering those of the weights; other axes may lie as they like."""
    x, weight = node.input(0), node.input(1)
    view, options = walk.view(x), node.options
    rest = [None if value is None else walk.logical(value) for value in node.inputs[2:]]
    if x in walk.columns:
        assert weight.data is not None
        places = walk.columns[x]
        data = np.empty_like(weight.data)
        data[:, places] = weight.data
        grid = moved(weight.grid, lambda grid: grid.picked(np.argsort(places), 1))
        walk.emit(node, [view.physical, walk.target.constant(data, weight.name, grid), *rest], options, [identity(node.output.rank)])
        return True
    assert options is not None
    if view.is_plain or view.permutation[-1] != x.rank - 1 or not options.keep_num_dims:  # type: ignore[attr-defined]
        return False
    walk.emit(node, [view.physical, walk.logical(weight), *rest], options, [view.permutation])
    return True


@lays_out(CONV_2D)
def pointwise_convolution(walk: Relayout, node: Node) -> bool:
    """A convolution of single positions does not ask which of the other axes is which."""
    view, weight, options = walk.view(node.input(0)), node.input(1), node.options
    assert options is not None
    steps = (options.stride_h, options.stride_w)  # type: ignore[attr-defined]
    if view.is_plain or view.permutation[-1] != 3 or weight.dims[1:3] != (1, 1) or steps != (1, 1):
        return False
    rest = [None if value is None else walk.logical(value) for value in node.inputs[1:]]
    walk.emit(node, [view.physical, *rest], options, [view.permutation])
    return True


@lays_out(BATCH_MATMUL)
def batch_matmul(walk: Relayout, node: Node) -> bool:
    """An operand whose last two axes lie swapped is read transposed; a result that is wanted transposed is bᵀ · aᵀ."""
    options, y = node.options, node.output
    assert options is not None
    operands, turned = [], []
    for index, name in enumerate(("adj_x", "adj_y")):
        value = node.input(index)
        is_swapped = walk.view(value).permutation == swapped(value.rank) and not value.is_constant
        operands.append(walk.view(value).physical if is_swapped else walk.logical(value))
        turned.append(getattr(options, name) != is_swapped)
    order = identity(y.rank)
    if walk.wanted.get(y) == {swapped(y.rank)}:
        order, operands, turned = swapped(y.rank), operands[::-1], [not turned[1], not turned[0]]
    walk.emit(node, operands, options.copy(adj_x=turned[0], adj_y=turned[1]), [order])
    return True
