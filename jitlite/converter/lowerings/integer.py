"""Products of whole numbers whose sums are int32: MatMulInteger and ConvInteger.

.tflite has no such operators. FLOAT32 holds every whole number up to 2^24, so that products and sums below that are exact in it.
"""

import numpy as np

from jitlite.converter.graph import Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conv import conv
from jitlite.converter.lowerings.conversion import cast_to
from jitlite.converter.lowerings.matmul import matmul_of
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.lowerings.slice import sliced
from jitlite.schemas.ops.elementwise import ADD, SUB

FLOAT32, INT32 = np.dtype(np.float32), np.dtype(np.int32)
EXACT = 1 << 24
GREATEST = 255
"""The largest magnitude of an element of 8 bits less its zero point."""


def _centred(ctx: Context, operand: Value, zero_point: Value | None, axis: int) -> Value:
    """The elements less their zero points, one for all or one each along `axis`, as FLOAT32."""
    shape = [1] * operand.rank
    if zero_point is not None and zero_point.size > 1:
        if zero_point.rank == operand.rank:
            shape = list(zero_point.dims)
        else:
            ctx.require(
                zero_point.dims == (operand.dims[axis],), f"{operand.dims[axis]} zero points are required, found shape {zero_point.dims}"
            )
            shape[axis] = zero_point.size
    if operand.data is not None and (zero_point is None or zero_point.data is not None):
        zeros = np.zeros(1) if zero_point is None or zero_point.data is None else zero_point.data.reshape(shape)
        return ctx.constant(operand.data.astype(np.float32) - zeros.astype(np.float32))
    numbers = cast_to(ctx, operand, FLOAT32)
    if zero_point is None:
        return numbers
    shift = ctx.constant(zero_point.data, FLOAT32) if zero_point.data is not None else cast_to(ctx, zero_point, FLOAT32)
    return ctx.op(SUB, numbers, ctx.reshape(shift, shape if zero_point.size > 1 else ()))


def _largest_sum(weight: Value, axes: tuple[int, ...]) -> float:
    """A bound of the magnitude of a sum of products along these axes of the weights."""
    if weight.data is not None:
        return float(np.abs(weight.data).sum(axis=axes, dtype=np.float64).max(initial=0.0)) * GREATEST
    count = 1
    for axis in axes:
        count *= weight.dims[axis]
    return float(count * GREATEST * GREATEST)


@lowers("MatMulInteger", since=10)
def matmul_integer(ctx: Context, node: Node) -> Value:
    """In parts along the summed axis where whole sums could pass 2^24."""
    left, right = ctx.input(0), ctx.input(1)
    a = _centred(ctx, left, ctx.optional(2), max(left.rank - 2, 0))
    b = _centred(ctx, right, ctx.optional(3), right.rank - 1)
    depth, axis = a.dims[-1], max(b.rank - 2, 0)
    if _largest_sum(b, (axis,)) <= EXACT:
        return cast_to(ctx, matmul_of(ctx, a, b), INT32)
    step = EXACT // GREATEST**2
    total = None
    for start in range(0, depth, step):
        span = range(start, min(start + step, depth))
        part = _part(ctx, a, a.rank - 1, span), _part(ctx, b, axis, span)
        product = cast_to(ctx, matmul_of(ctx, *part), INT32)
        total = product if total is None else ctx.op(ADD, total, product)
    assert total is not None
    return total


def _part(ctx: Context, x: Value, axis: int, span: range) -> Value:
    if x.data is not None:
        return ctx.constant(np.take(x.data, list(span), axis))
    return sliced(ctx, x, [span if place == axis else range(dim) for place, dim in enumerate(x.dims)])


@lowers("ConvInteger", since=10)
def conv_integer(ctx: Context, node: Node) -> Value:
    x, weight = ctx.input(0), ctx.input(1)
    centred = [_centred(ctx, x, ctx.optional(2), 1), _centred(ctx, weight, ctx.optional(3), 0)]
    largest = _largest_sum(centred[1], tuple(range(1, weight.rank)))
    ctx.require(largest <= EXACT, f"sums of at most {EXACT} are required, found weights that allow {largest:.0f}")
    ctx.operands = centred
    product = conv(ctx, node)
    assert isinstance(product, Value)
    return cast_to(ctx, product, INT32)
