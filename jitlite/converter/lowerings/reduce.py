"""Reductions, positions of extremes and running sums."""

from collections.abc import Callable

import numpy as np

from jitlite.converter.attributes import attribute, integers
from jitlite.converter.graph import Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conversion import cast_to
from jitlite.converter.lowerings.registry import lowers
from jitlite.schemas.dtypes import tensor_type
from jitlite.schemas.ops.elementwise import ABS, ADD, EXP, LOG, MUL, SQRT, SUB
from jitlite.schemas.ops.gather import TOPK_V2
from jitlite.schemas.ops.reduce import ARG_MAX, ARG_MIN, CUMSUM, MEAN, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD, SUM
from jitlite.schemas.ops.spec import OpSpec
from jitlite.schemas.tables import ArgMaxOptions, ArgMinOptions, CumsumOptions, ReducerOptions

PLAIN: dict[str, OpSpec] = {
    "ReduceMean": MEAN,
    "ReduceSum": SUM,
    "ReduceMax": REDUCE_MAX,
    "ReduceMin": REDUCE_MIN,
    "ReduceProd": REDUCE_PROD,
}


def _axes(ctx: Context, node: Node) -> list[int] | None:
    """The reduced axes from the front; None when the node asks for no reduction at all."""
    x = ctx.input(0)
    given = integers(node, "axes", 1)
    if not given:
        return None if attribute(node, "noop_with_empty_axes", 0) else list(range(x.rank))
    return sorted({ctx.axis(axis, x.rank) for axis in given})


def _reduced(ctx: Context, node: Node, spec: OpSpec, x: Value, axes: list[int]) -> Value:
    return ctx.op(spec, x, ctx.indices(axes), options=ReducerOptions(keep_dims=bool(attribute(node, "keepdims", 1))))


@lowers(*PLAIN)
def reduce(ctx: Context, node: Node) -> Value:
    axes = _axes(ctx, node)
    return ctx.input(0) if axes is None else _reduced(ctx, node, PLAIN[node.kind], ctx.input(0), axes)


def _composed(before: Callable[[Context, Value], Value], after: Callable[[Context, Value], Value]) -> Callable[[Context, Node], Value]:
    """A sum of a function of the elements, and a function of that sum."""

    def lowering(ctx: Context, node: Node) -> Value:
        axes = _axes(ctx, node)
        x = before(ctx, ctx.input(0))
        return after(ctx, x if axes is None else _reduced(ctx, node, SUM, x, axes))

    return lowering


def _same(ctx: Context, x: Value) -> Value:
    return x


lowers("ReduceL1")(_composed(lambda ctx, x: ctx.op(ABS, x), _same))
lowers("ReduceL2")(_composed(lambda ctx, x: ctx.op(MUL, x, x), lambda ctx, y: ctx.op(SQRT, y)))
lowers("ReduceSumSquare")(_composed(lambda ctx, x: ctx.op(MUL, x, x), _same))
lowers("ReduceLogSum")(_composed(_same, lambda ctx, y: ctx.op(LOG, y)))


@lowers("ReduceLogSumExp")
def reduce_log_sum_exp(ctx: Context, node: Node) -> Value:
    """Max + log(sum(exp(x - max))), which does not overflow."""
    x, axes = ctx.input(0), _axes(ctx, node)
    if axes is None:
        return x
    highest = ctx.op(REDUCE_MAX, x, ctx.indices(axes), options=ReducerOptions(keep_dims=True))
    total = _reduced(ctx, node, SUM, ctx.op(EXP, ctx.op(SUB, x, highest)), axes)
    return ctx.op(ADD, ctx.op(LOG, total), ctx.reshape(highest, total.dims))


@lowers("ArgMax", "ArgMin")
def position(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    axis = ctx.axis(attribute(node, "axis", 0), x.rank)
    ctx.require(not attribute(node, "select_last_index", 0), "select_last_index 0 is supported, found 1")
    kind = tensor_type(np.int64)
    options = ArgMaxOptions(output_type=kind) if node.kind == "ArgMax" else ArgMinOptions(output_type=kind)
    y = ctx.op(ARG_MAX if node.kind == "ArgMax" else ARG_MIN, x, ctx.indices([axis]), options=options)
    if attribute(node, "keepdims", 1):
        return ctx.reshape(y, (*x.dims[:axis], 1, *x.dims[axis + 1 :]))
    return y


@lowers("CumSum", since=11)
def cumsum(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    axis = ctx.axis(int(ctx.data(1).reshape(-1)[0]), x.rank)
    options = CumsumOptions(exclusive=bool(attribute(node, "exclusive", 0)), reverse=bool(attribute(node, "reverse", 0)))
    return ctx.op(CUMSUM, x, ctx.indices(axis), options=options)


@lowers("TopK", since=10)
def top_k(ctx: Context, node: Node) -> tuple[Value, Value]:
    """The largest k along any axis, sorted."""
    x, k = ctx.input(0), int(ctx.data(1).reshape(-1)[0])
    axis = ctx.axis(attribute(node, "axis", -1), x.rank)
    ctx.require(bool(attribute(node, "largest", 1)), "largest 1 is supported, found 0")
    order = [*(index for index in range(x.rank) if index != axis), axis]
    back = [order.index(index) for index in range(x.rank)]
    values, positions = ctx.ops(TOPK_V2, ctx.transpose(x, order), ctx.indices(k))
    return ctx.transpose(values, back), cast_to(ctx, ctx.transpose(positions, back), np.dtype(np.int64))
