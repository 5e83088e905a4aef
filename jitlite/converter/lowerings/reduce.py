"""Reductions, running sums and products."""

from collections.abc import Callable

import numpy as np

from jitlite.converter.attributes import attribute, integers
from jitlite.converter.graph import Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.lowerings.slice import sliced
from jitlite.schemas.ops.elementwise import ABS, ADD, EXP, LOG, MUL, SQRT, SUB
from jitlite.schemas.ops.pad import PADV2
from jitlite.schemas.ops.reduce import CUMSUM, MEAN, REDUCE_ALL, REDUCE_ANY, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD, SUM
from jitlite.schemas.ops.spec import OpSpec
from jitlite.schemas.tables import CumsumOptions, ReducerOptions

PLAIN: dict[str, OpSpec] = {
    "ReduceMean": MEAN,
    "ReduceSum": SUM,
    "ReduceMax": REDUCE_MAX,
    "ReduceMin": REDUCE_MIN,
    "ReduceProd": REDUCE_PROD,
}

LOGICAL: dict[str, OpSpec] = {"ReduceMax": REDUCE_ANY, "ReduceMin": REDUCE_ALL}
"""Of truth values."""


def _axes(ctx: Context, node: Node) -> list[int] | None:
    """The reduced axes from the front; None when the node asks for no reduction at all."""
    x = ctx.input(0)
    given = integers(node, "axes", 1)
    if not given:
        return None if attribute(node, "noop_with_empty_axes", 0) else list(range(x.rank))
    return sorted({ctx.axis(axis, x.rank) for axis in given})


def _reduced(ctx: Context, node: Node, spec: OpSpec, x: Value, axes: list[int]) -> Value:
    if x.size == 0 and all(dim for axis, dim in enumerate(x.dims) if axis not in axes):
        return _of_nothing(ctx, node, spec, x, axes)
    return ctx.op(spec, x, ctx.indices(axes), options=ReducerOptions(keep_dims=bool(attribute(node, "keepdims", 1))))


def _of_nothing(ctx: Context, node: Node, spec: OpSpec, x: Value, axes: list[int]) -> Value:
    """The result where there are no elements to reduce: the extremes of ONNX are infinite there, those of .tflite finite."""
    assert x.dtype is not None
    keeps = attribute(node, "keepdims", 1)
    shape = tuple(1 if axis in axes else dim for axis, dim in enumerate(x.dims) if keeps or axis not in axes)
    if spec in (REDUCE_MAX, REDUCE_MIN):
        limits = np.iinfo(x.dtype) if x.dtype.kind in "iu" else None
        least, most = (-np.inf, np.inf) if limits is None else (limits.min, limits.max)
        return ctx.constant(np.full(shape, least if spec is REDUCE_MAX else most, x.dtype))
    ctx.require(spec is not MEAN, "elements to take the mean of are required, found none")
    return ctx.constant(np.full(shape, spec in (REDUCE_PROD, REDUCE_ALL), x.dtype))


@lowers(*PLAIN)
def reduce(ctx: Context, node: Node) -> Value:
    x, axes = ctx.input(0), _axes(ctx, node)
    spec = LOGICAL[node.kind] if x.dtype == np.bool_ and node.kind in LOGICAL else PLAIN[node.kind]
    return x if axes is None else _reduced(ctx, node, spec, x, axes)


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
    if x.size == 0:
        return _reduced(ctx, node, REDUCE_MAX, x, axes)
    highest = ctx.op(REDUCE_MAX, x, ctx.indices(axes), options=ReducerOptions(keep_dims=True))
    total = _reduced(ctx, node, SUM, ctx.op(EXP, ctx.op(SUB, x, highest)), axes)
    return ctx.op(ADD, ctx.op(LOG, total), ctx.reshape(highest, total.dims))


@lowers("CumSum", since=11)
def cumsum(ctx: Context, node: Node) -> Value:
    x = ctx.input(0)
    axis = ctx.axis(int(ctx.data(1).reshape(-1)[0]), x.rank)
    options = CumsumOptions(exclusive=bool(attribute(node, "exclusive", 0)), reverse=bool(attribute(node, "reverse", 0)))
    return ctx.op(CUMSUM, x, ctx.indices(axis), options=options)


@lowers("CumProd", since=26)
def cumprod(ctx: Context, node: Node) -> Value:
    """Products of 2, 4, 8 … neighbours, each of two of the last ones."""
    x = ctx.input(0)
    axis = ctx.axis(int(ctx.data(1).reshape(-1)[0]), x.rank)
    size, is_reverse = x.dims[axis], bool(attribute(node, "reverse", 0))
    if attribute(node, "exclusive", 0):
        x = _shifted(ctx, x, axis, 1, is_reverse=is_reverse)
    step = 1
    while step < size:
        x = ctx.op(MUL, x, _shifted(ctx, x, axis, step, is_reverse=is_reverse))
        step *= 2
    return x


def _shifted(ctx: Context, x: Value, axis: int, step: int, *, is_reverse: bool) -> Value:
    """The elements moved along an axis, behind ones; moved towards the front if reverse."""
    size = x.dims[axis]
    kept = range(step, size) if is_reverse else range(size - step)
    rows = np.zeros((x.rank, 2), np.int64)
    rows[axis] = (0, step) if is_reverse else (step, 0)
    part = sliced(ctx, x, [kept if place == axis else range(dim) for place, dim in enumerate(x.dims)])
    return ctx.op(PADV2, part, ctx.constant(rows, np.int32), ctx.like(x, 1))
