"""Rules for older runtimes: operators they lack, written out in operators they have.

A rule fires on operators whose version needs a newer runtime than the target. What none of them replaces is refused when the model is
complete (`require_runtime`).
"""

from collections.abc import Callable
from math import pi, sqrt
from typing import TypeAlias

import numpy as np

from jitlite.converter.builder import Builder, call_of
from jitlite.converter.graph import Graph, Node, Value
from jitlite.converter.lowerings.activation import error_function
from jitlite.converter.lowerings.context import Context
from jitlite.converter.rewrite import Rule
from jitlite.schemas.ops.activation import GELU, HARD_SWISH, RELU, RELU6, RELU_0_TO_1, RELU_N1_TO_1, TANH
from jitlite.schemas.ops.comparison import SELECT_V2
from jitlite.schemas.ops.concat import CONCATENATION, SPLIT
from jitlite.schemas.ops.conv import CONV_2D
from jitlite.schemas.ops.conversion import CAST
from jitlite.schemas.ops.elementwise import ADD, MAXIMUM, MINIMUM, MUL, SIGN
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.matmul import BATCH_MATMUL, FULLY_CONNECTED
from jitlite.schemas.ops.pad import BROADCAST_TO, TILE
from jitlite.schemas.ops.reshape import RESHAPE, TRANSPOSE
from jitlite.schemas.ops.slice import SLICE, STRIDED_SLICE
from jitlite.schemas.ops.spec import OpSpec
from jitlite.schemas.runtime_version import Runtime, first_runtime
from jitlite.schemas.tables import (
    BatchMatMulOptions,
    CastOptions,
    ConcatenationOptions,
    FullyConnectedOptions,
    GeluOptions,
    SplitOptions,
    StridedSliceOptions,
    TensorType,
)

Replacement: TypeAlias = Callable[[Context, Node], Value | str]
"""The value in place of a node's only result, or why there is none; a Context of the node serves as its builder."""

REPLACEMENTS: dict[str, tuple[OpSpec, Replacement]] = {}
MOST_PARTS = 256
"""Convolutions or products that one operator may become."""
HUGE = 1e30
"""Its square times the smallest number of float32 is above 1."""


def replaces(spec: OpSpec) -> Callable[[Replacement], Replacement]:
    def register(function: Replacement) -> Replacement:
        REPLACEMENTS[spec.name] = spec, function
        return function

    return register


def rules_for(target: Runtime) -> tuple[Rule, ...]:
    """The rules that write out what a runtime as old as `target` lacks."""
    return tuple(
        Rule(f"{name.lower().replace('_', ' ')} for older runtimes", frozenset({name}), _applied(spec, function, target))
        for name, (spec, function) in REPLACEMENTS.items()
    )


def _applied(spec: OpSpec, function: Replacement, target: Runtime) -> Callable[[Graph, Node], str | None]:
    def apply(graph: Graph, node: Node) -> str | None:
        if first_runtime(spec.code, spec.version(call_of(node))) <= target:
            return "the target runtime has it"
        found = function(Context(graph, node, node.inputs), node)
        if isinstance(found, str):
            return found
        graph.absorb(node.output, found)
        return None

    return apply


@replaces(BROADCAST_TO)
def broadcast_to(ctx: Context, node: Node) -> Value | str:
    x, wanted = ctx.input(0), node.output.dims
    if ctx.input(1).data is None:
        return "a constant shape is required"
    own = (1,) * (len(wanted) - x.rank) + x.dims
    return ctx.op(TILE, ctx.reshape(x, own), ctx.indices([new // max(old, 1) for old, new in zip(own, wanted, strict=True)]))


@replaces(SLICE)
def slice_of_many_axes(ctx: Context, node: Node) -> Value | str:
    x, begin, size = ctx.input(0), ctx.input(1), ctx.input(2)
    if begin.data is None or size.data is None:
        return "a constant begin and size are required"
    ends = [start + extent for start, extent in zip(begin.data.tolist(), node.output.dims, strict=True)]
    return ctx.op(
        STRIDED_SLICE, x, ctx.indices(begin.data.tolist()), ctx.indices(ends), ctx.indices([1] * x.rank), options=StridedSliceOptions()
    )


@replaces(TRANSPOSE)
def transpose_of_many_axes(ctx: Context, node: Node) -> Value | str:
    """With axes of one element left out, and those that stay together as one."""
    x, order = ctx.input(0), ctx.input(1)
    if order.data is None:
        return "a constant order is required"
    groups: list[list[int]] = []
    for axis in (axis for axis in order.data.tolist() if x.dims[axis] != 1):
        if groups and groups[-1][-1] + 1 == axis:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    if len(groups) >= x.rank:
        return f"axes that stay together are required, found the order {tuple(order.data.tolist())}"
    places = sorted(range(len(groups)), key=groups.__getitem__)
    dims = [int(np.prod([x.dims[axis] for axis in groups[place]])) for place in places]
    moved = ctx.transpose(ctx.reshape(x, dims), [places.index(place) for place in range(len(groups))], "moved")
    return ctx.reshape(moved, node.output.dims)


@replaces(GELU)
def gelu(ctx: Context, node: Node) -> Value | str:
    x = ctx.input(0)
    if x.dtype != np.float32:
        return f"float32 is required, found {x.dtype}"
    assert isinstance(node.options, GeluOptions)
    if node.options.approximate:
        cube = ctx.op(MUL, ctx.op(MUL, x, x), x)
        inner = ctx.op(TANH, ctx.binary(MUL, ctx.op(ADD, x, ctx.binary(MUL, cube, 0.044715)), sqrt(2 / pi)))
    else:
        inner = error_function(ctx, ctx.binary(MUL, x, sqrt(0.5)))
    return ctx.op(MUL, ctx.binary(MUL, x, 0.5), ctx.binary(ADD, inner, 1.0))


@replaces(HARD_SWISH)
def hard_swish(ctx: Context, node: Node) -> Value | str:
    x = ctx.input(0)
    if x.dtype != np.float32:
        return f"float32 is required, found {x.dtype}"
    return ctx.op(MUL, x, ctx.binary(MUL, ctx.op(RELU6, ctx.binary(ADD, x, 3.0)), 1 / 6))


@replaces(SIGN)
def sign(ctx: Context, node: Node) -> Value | str:
    """Clamped to -1 and 1 after scaling: every number but zero gets beyond them."""
    x = ctx.input(0)
    if x.dtype == np.int32:
        return ctx.binary(MINIMUM, ctx.binary(MAXIMUM, x, -1), 1)
    if x.dtype != np.float32:
        return f"float32 or int32 is required, found {x.dtype}"
    return ctx.op(RELU_N1_TO_1, ctx.binary(MUL, ctx.binary(MUL, x, HUGE), HUGE))


@replaces(RELU_0_TO_1)
def relu_0_to_1(ctx: Context, node: Node) -> Value | str:
    x = ctx.input(0)
    return ctx.binary(MINIMUM, ctx.op(RELU, x), 1.0) if x.dtype == np.float32 else f"float32 is required, found {x.dtype}"


@replaces(CONV_2D)
def grouped_convolution(ctx: Context, node: Node) -> Value | str:
    """A convolution for each group of channels."""
    x, weight, bias = ctx.input(0), ctx.input(1), ctx.optional(2)
    if x.dtype != np.float32 or weight.data is None or (bias is not None and bias.data is None):
        return "float32 operands, and constant weights, are required"
    groups = x.dims[3] // weight.dims[3]
    if not 1 < groups <= MOST_PARTS:
        return f"2 to {MOST_PARTS} groups are required, found {groups}"
    parts = ctx.ops(SPLIT, ctx.indices(3), x, options=SplitOptions(num_splits=groups))
    weights = [ctx.constant(part) for part in np.split(weight.data, groups)]
    biases = [None] * groups if bias is None or bias.data is None else [ctx.constant(part) for part in np.split(bias.data, groups)]
    results = [ctx.op(CONV_2D, *operands, options=node.options) for operands in zip(parts, weights, biases, strict=True)]
    return ctx.op(CONCATENATION, *results, options=ConcatenationOptions(axis=3))


@replaces(ADD)
def add_to_indices(ctx: Context, node: Node) -> Value | str:
    """Negative indices of int64 made positive: computed in int32, which holds every index there can be."""
    x, number, y = ctx.input(0), ctx.input(1), node.output
    if x.dtype != np.int64 or number.data is None:
        return f"int64 and a constant are required, found {x.dtype}"
    chosen = [value for user in y.users if user.op is SELECT_V2 for value in user.outputs]
    if y in ctx.graph.outputs or len(chosen) != len(y.users) or not all(_is_index(ctx.graph, value) for value in chosen):
        return "a sum that only chooses elements is required"
    wide, narrow = TensorType.INT64, TensorType.INT32
    small = ctx.op(CAST, x, options=CastOptions(in_data_type=wide, out_data_type=narrow))
    added = ctx.op(ADD, small, ctx.constant(number.data, np.int32))
    return ctx.op(CAST, added, options=CastOptions(in_data_type=narrow, out_data_type=wide))


def _is_index(graph: Graph, value: Value) -> bool:
    """True where a value is nothing but the indices of GATHER, themselves or reshaped."""
    if value in graph.outputs or not value.uses:
        return False
    return all(
        _is_index(graph, user.output) if user.op is RESHAPE else user.op is GATHER and user.input(0) is not value for user in value.users
    )


@replaces(BATCH_MATMUL)
def batch_matmul(ctx: Context, node: Node) -> Value | str:
    """A FULLY_CONNECTED for each matrix, whose weights are the rows of the second operand's transpose."""
    a, b, options = ctx.input(0), ctx.input(1), node.options
    assert isinstance(options, BatchMatMulOptions)
    if a.dtype != np.float32 or b.dtype != np.float32:
        return f"float32 operands are required, found {a.dtype} and {b.dtype}"
    count = int(np.prod(node.output.dims[:-2]))
    if a.size * b.size == 0 or count > MOST_PARTS or int(np.prod(a.dims[:-2])) != count or int(np.prod(b.dims[:-2])) not in (1, count):
        return f"at most {MOST_PARTS} matrices in each operand, or one in the second, are required, found {a.dims} and {b.dims}"
    left = _turned(ctx, a) if options.adj_x else a
    right = b if options.adj_y else _turned(ctx, b)
    rows, columns, depth = left.dims[-2], right.dims[-2], left.dims[-1]
    if int(np.prod(b.dims[:-2])) == 1:
        y = _product(ctx, ctx.reshape(left, (count * rows, depth)), ctx.reshape(right, (columns, depth)))
        return ctx.reshape(y, node.output.dims)
    lefts = _parts(ctx, ctx.reshape(left, (count * rows, depth)), count)
    rights = _parts(ctx, ctx.reshape(right, (count * columns, depth)), count)
    products = [_product(ctx, *pair) for pair in zip(lefts, rights, strict=True)]
    joined = ctx.op(CONCATENATION, *products, options=ConcatenationOptions(axis=0))
    return ctx.reshape(joined, node.output.dims)


def _turned(ctx: Builder, x: Value) -> Value:
    return ctx.transpose(x, [*range(x.rank - 2), x.rank - 1, x.rank - 2])


def _parts(ctx: Builder, x: Value, count: int) -> tuple[Value, ...]:
    return ctx.ops(SPLIT, ctx.indices(0), x, options=SplitOptions(num_splits=count))


def _product(ctx: Builder, x: Value, weights: Value) -> Value:
    return ctx.op(FULLY_CONNECTED, x, weights, None, options=FullyConnectedOptions())
