"""Matrix products and determinants."""

from itertools import combinations

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Node, Value
from jitlite.converter.grids import moved
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.registry import lowers
from jitlite.schemas.ops.elementwise import ADD, MUL
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.matmul import BATCH_MATMUL, FULLY_CONNECTED
from jitlite.schemas.ops.reduce import SUM
from jitlite.schemas.tables import BatchMatMulOptions, FullyConnectedOptions, GatherOptions, ReducerOptions


def fully_connected(ctx: Context, x: Value, weight: Value, bias: Value | None) -> Value:
    """X · weightᵀ + bias over the last axis of x; weight is (units, depth)."""
    operands = (x, weight) if bias is None else (x, weight, bias)
    if bias is None:
        operands = (x, weight, ctx.like(x, np.zeros(weight.dims[0])))
    return ctx.op(FULLY_CONNECTED, *operands, options=FullyConnectedOptions(keep_num_dims=x.rank != 2))


@lowers("MatMul")
def matmul(ctx: Context, node: Node) -> Value:
    return matmul_of(ctx, ctx.input(0), ctx.input(1))


def matmul_of(ctx: Context, a: Value, b: Value) -> Value:
    """The product of two values as NumPy's matmul."""
    ctx.require(a.rank >= 1 and b.rank >= 1, f"operands with at least one axis are required, found shapes {a.dims} and {b.dims}")
    left, right = a, b
    if a.rank == 1:
        left = ctx.reshape(a, (1, a.dims[0]))
    if b.rank == 1:
        right = ctx.reshape(b, (b.dims[0], 1))
    if right.data is not None and right.rank == 2 and left.data is None:
        y = fully_connected(ctx, left, ctx.transpose(right, (1, 0)), None)
    else:
        y = ctx.op(BATCH_MATMUL, left, right, options=BatchMatMulOptions())
    if a.rank > 1 and b.rank > 1:
        return y
    shape = list(y.dims)
    if b.rank == 1:
        del shape[-1]
    if a.rank == 1:
        del shape[-1 if b.rank == 1 else -2]
    return ctx.reshape(y, shape)


@lowers("Gemm")
def gemm(ctx: Context, node: Node) -> Value:
    a, b, c = ctx.input(0), ctx.input(1), ctx.optional(2)
    alpha, beta = attribute(node, "alpha", 1.0), attribute(node, "beta", 1.0)
    turn_a, turn_b = bool(attribute(node, "transA", 0)), bool(attribute(node, "transB", 0))
    if b.data is not None and a.data is None:
        weight = b if turn_b else ctx.transpose(b, (1, 0))
        units = weight.dims[0]
        bias = c is not None and c.data is not None and c.data.shape in ((), (1,), (units,), (1, 1), (1, units))
        shift = (
            ctx.constant(np.broadcast_to(c.data.reshape(-1) * np.asarray(beta, c.dtype), (units,)))
            if bias and c is not None and c.data is not None
            else None
        )
        assert weight.data is not None
        factors = np.full(units, alpha, np.float32)
        grid = moved(weight.grid, lambda grid: grid.scaled(factors, 0))
        scaled = weight if alpha == 1.0 else ctx.constant(weight.data * np.asarray(alpha, weight.dtype), grid=grid)
        y = fully_connected(ctx, ctx.transpose(a, (1, 0)) if turn_a else a, scaled, shift)
        if c is None or bias:
            return y
    else:
        y = ctx.op(BATCH_MATMUL, a, b, options=BatchMatMulOptions(adj_x=turn_a, adj_y=turn_b))
        if alpha != 1.0:
            y = ctx.binary(MUL, y, alpha)
    if c is None or beta == 0.0:
        return y
    return ctx.op(ADD, y, c if beta == 1.0 else ctx.binary(MUL, c, beta))


MOST_ROWS = 8


@lowers("Det", since=11)
def determinant(ctx: Context, node: Node) -> Value:
    """Row after row the minors of all sets of columns, without a division."""
    x = ctx.input(0)
    ctx.require(x.rank >= 2 and x.dims[-1] == x.dims[-2], f"square matrices are required, found shape {x.dims}")
    size, batch = x.dims[-1], x.dims[:-2]
    ctx.require(0 < size <= MOST_ROWS, f"matrices of 1 to {MOST_ROWS} rows are supported, found {size}")
    minors = _row(ctx, x, 0)
    for count in range(2, size + 1):
        smaller = {columns: place for place, columns in enumerate(combinations(range(size), count - 1))}
        larger = list(combinations(range(size), count))
        entries = [column for columns in larger for column in columns]
        parts = [smaller[tuple(other for other in columns if other != column)] for columns in larger for column in columns]
        signs = [(-1.0) ** (count - 1 + place) for _ in larger for place in range(count)]
        row = ctx.op(GATHER, _row(ctx, x, count - 1), ctx.indices(entries), options=GatherOptions(axis=len(batch)))
        below = ctx.op(GATHER, minors, ctx.indices(parts), options=GatherOptions(axis=len(batch)))
        products = ctx.op(MUL, ctx.op(MUL, row, below), ctx.like(x, np.array(signs)))
        grouped = ctx.reshape(products, (*batch, len(larger), count))
        minors = ctx.op(SUM, grouped, ctx.indices([len(batch) + 1]), options=ReducerOptions(keep_dims=False))
    return ctx.reshape(minors, batch)


def _row(ctx: Context, x: Value, index: int) -> Value:
    return ctx.op(GATHER, x, ctx.indices(index), options=GatherOptions(axis=x.rank - 2))
