"""Rules on the transposes that the layout pass leaves: they move in front of what makes their operand, where that moves less or nothing."""

import numpy as np

from jitlite.converter.builder import Builder, Permutation
from jitlite.converter.graph import Graph, Node, Value
from jitlite.converter.passes.fuse import WEIGHTED, bias_of, set_bias, sole_producer
from jitlite.converter.passes.groups import joined, order_before, refinement
from jitlite.converter.passes.layout import identity, inverse, moves_nothing
from jitlite.converter.rewrite import rule
from jitlite.schemas.ops.concat import CONCATENATION
from jitlite.schemas.ops.matmul import BATCH_MATMUL, FULLY_CONNECTED
from jitlite.schemas.ops.pad import BROADCAST_TO, MIRROR_PAD, PAD, PADV2, TILE
from jitlite.schemas.ops.reshape import PACK, RESHAPE, TRANSPOSE

GROWING = frozenset(spec.name for spec in (PAD, PADV2, MIRROR_PAD, TILE, BROADCAST_TO))
USUAL_RANK = 5
"""What runtimes transpose since 2.3."""


def _order(node: Node) -> Permutation | None:
    """The constant permutation of a TRANSPOSE."""
    data = node.input(1).data
    return None if data is None else tuple(int(axis) for axis in data)


@rule("transpose before growth", TRANSPOSE.name)
def transpose_before_growth(graph: Graph, node: Node) -> str | None:
    """Fewer elements move, and padding and broadcasting meet the operator that may do it itself."""
    growth, order = sole_producer(graph, node.input(0)), _order(node)
    if growth is None or growth.kind not in GROWING or order is None or growth.input(1).data is None or node.output.grid is not None:
        return "an operand made by padding or repeating a known number of times, and read by nothing else, is required"
    rows = growth.input(1).data
    assert rows is not None
    if len(rows) != len(order):
        return f"a row for each of {len(order)} axes is required, found {len(rows)}"
    builder, x = Builder(graph, node.output.name), growth.input(0)
    moved = builder.transpose(builder.reshape(x, (1,) * (len(order) - x.rank) + x.dims), order, "before")
    graph.become(
        node, growth.op, [moved, graph.constant(rows[list(order)], growth.input(1).name), *growth.inputs[2:]], options=growth.options
    )
    return None


@rule("transpose before joining", TRANSPOSE.name)
def transpose_before_joining(graph: Graph, node: Node) -> str | None:
    """Along another axis, where nothing but axes of size 1 moves within the parts."""
    join, order = sole_producer(graph, node.input(0)), _order(node)
    if join is None or join.kind not in (CONCATENATION.name, PACK.name) or order is None or join.options is None:
        return "an operand made by CONCATENATION or PACK, and read by nothing else, is required"
    axis: int = join.options.axis % node.output.rank  # type: ignore[attr-defined]
    parts = [value for value in join.inputs if value is not None]
    within = order if join.kind == CONCATENATION.name else tuple(place - (place > axis) for place in order if place != axis)
    if node.output.grid is not None or not all(value.is_constant or moves_nothing(value.dims, within) for value in parts):
        return "parts within which only axes of size 1 move are required"
    builder = Builder(graph, node.output.name)
    moved = [
        builder.transpose(value, within) if value.is_constant else builder.reshape(value, [value.dims[place] for place in within])
        for value in parts
    ]
    graph.become(node, join.op, moved, options=join.options.copy(axis=order.index(axis)))
    return None


def _before_reshape(graph: Graph, node: Node) -> tuple[Value, Permutation] | None:
    """The TRANSPOSE as a permutation of the value before a RESHAPE that nothing else reads, where it is one; else of its operand."""
    x, order = node.input(0), _order(node)
    reshape = sole_producer(graph, x)
    if order is None or reshape is None or reshape.kind != RESHAPE.name:
        return None if order is None else (x, order)
    found = order_before(reshape.input(0).dims, x.dims, order)
    return None if found is None else (reshape.input(0), found)


@rule("transpose into product", TRANSPOSE.name)
def transpose_into_product(graph: Graph, node: Node) -> str | None:
    """(a · b)ᵀ = bᵀ · aᵀ."""
    found = _before_reshape(graph, node)
    product = None if found is None else sole_producer(graph, found[0])
    if found is None or product is None or product.kind != BATCH_MATMUL.name or product.options is None:
        return "the result of a BATCH_MATMUL that nothing else reads is required"
    y, order = found
    if order != (*range(y.rank - 2), y.rank - 1, y.rank - 2) or y.grid is not None:
        return f"the last two axes exchanged are required, found {order}"
    a, b, options = product.input(0), product.input(1), product.options
    turned = options.copy(adj_x=not options.adj_y, adj_y=not options.adj_x)  # type: ignore[attr-defined]
    builder = Builder(graph, node.output.name)
    swapped = builder.op(BATCH_MATMUL, b, a, options=turned)
    if swapped.dims == node.output.dims:
        graph.absorb(node.output, swapped)
        graph.remove(node)
    else:
        graph.become(node, RESHAPE, [swapped, builder.indices(node.output.dims)])
    return None


@rule("transpose into weights", TRANSPOSE.name)
def transpose_into_weights(graph: Graph, node: Node) -> str | None:
    """The columns of a matrix product that are reshaped and then change places are computed in their places."""
    reshape, order = sole_producer(graph, node.input(0)), _order(node)
    product = None if reshape is None or reshape.kind != RESHAPE.name else sole_producer(graph, reshape.input(0))
    if reshape is None or order is None or product is None or product.kind != FULLY_CONNECTED.name:
        return "an operand made by FULLY_CONNECTED and RESHAPE that nothing else reads is required"
    weight, bias, dims = product.input(1), bias_of(product), node.input(0).dims
    if weight.data is None or bias is None or product.output.grid is not None or product.output.dtype != np.float32:
        return "constant weights and bias of real numbers are required"
    rows, columns = product.output.rank - 1, product.output.dims[-1]
    kept = product.output.dims[:-1]
    if dims[:rows] != kept or order[:rows] != identity(rows):
        return f"the first {rows} axes in their places are required, found {order} of {dims}"
    positions = np.arange(columns).reshape(dims[rows:]).transpose([axis - rows for axis in order[rows:]]).reshape(-1)
    picked = None if weight.grid is None else weight.grid.picked(positions, WEIGHTED[FULLY_CONNECTED.name][1])
    graph.set_input(product, 1, graph.constant(weight.data[positions], weight.name, picked))
    set_bias(graph, product, bias[positions])
    graph.rename(product.output, f"{product.output.name};flat")
    graph.become(node, RESHAPE, [product.output, Builder(graph, node.output.name).indices(node.output.dims)])
    return None


@rule("drop transpose", TRANSPOSE.name)
def drop_transpose(graph: Graph, node: Node) -> str | None:
    """Two in a row become one, and one that only moves axes of size 1 a RESHAPE."""
    order, x = _order(node), node.input(0)
    if order is None:
        return "a constant permutation is required"
    before = x.producer
    if before is not None and before.kind == TRANSPOSE.name and _order(before) is not None:
        first = _order(before)
        assert first is not None
        joined = tuple(first[axis] for axis in order)
        graph.set_inputs(node, [before.input(0), Builder(graph, node.output.name).indices(joined)])
        return None
    if not moves_nothing(x.dims, order):
        return "a permutation that moves elements is required to stay"
    graph.become(node, RESHAPE, [x, Builder(graph, node.output.name).indices(node.output.dims)])
    return None


@rule("transposes around a reshape", TRANSPOSE.name)
def join_around_reshape(graph: Graph, node: Node) -> str | None:
    """Two transposes with a RESHAPE between them are one, of the parts into which both split the axes."""
    reshape, second = sole_producer(graph, node.input(0)), _order(node)
    first_node = None if reshape is None or reshape.kind != RESHAPE.name else sole_producer(graph, reshape.input(0))
    first = None if first_node is None or first_node.kind != TRANSPOSE.name else _order(first_node)
    if first_node is None or reshape is None or first is None or second is None or node.output.grid is not None:
        return "an operand made by TRANSPOSE and RESHAPE that nothing else reads is required"
    x, before, after = first_node.input(0), first_node.output.dims, node.input(0).dims
    atoms = refinement(before, after)
    if atoms is None:
        return f"axes of {before} and {after} that split into the same parts are required"
    sizes, held, wanted = atoms
    lain = [atom for axis in inverse(first) for atom in held[axis]]
    read = [atom for axis in second for atom in wanted[axis]]
    dims, order = joined([sizes[atom] for atom in lain], [lain.index(atom) for atom in read])
    most = max(USUAL_RANK, x.rank, node.output.rank)
    if len(dims) > most:
        return f"at most {most} parts are required, found {len(dims)}"
    builder = Builder(graph, node.output.name)
    moved = builder.transpose(builder.reshape(x, dims, "parts"), order, "moved")
    graph.become(node, RESHAPE, [moved, builder.indices(node.output.dims)])
    return None
