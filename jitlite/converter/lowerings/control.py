"""If and Loop as IF and WHILE, whose bodies are graphs of their own (see `passes.enclose`)."""

from collections.abc import Sequence

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.builder import Builder
from jitlite.converter.graph import Graph, Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.passes.enclose import CHECKED, STATES
from jitlite.schemas.ops.comparison import LESS, LOGICAL_AND
from jitlite.schemas.ops.concat import CONCATENATION
from jitlite.schemas.ops.control import IF, WHILE
from jitlite.schemas.ops.conversion import CAST
from jitlite.schemas.ops.elementwise import ADD, MAXIMUM
from jitlite.schemas.ops.pad import FILL
from jitlite.schemas.ops.scatter import DYNAMIC_UPDATE_SLICE
from jitlite.schemas.ops.slice import SLICE
from jitlite.schemas.tables import CastOptions, ConcatenationOptions, IfOptions, TensorType, WhileOptions

NO_LIMIT = 1 << 31
"""From this number of turns on a loop is taken for one that its condition alone ends."""


@lowers("If")
def branch(ctx: Context, node: Node) -> Sequence[Value]:
    declared = [(value.dims, value.dtype) for value in node.outputs if value.dtype is not None]
    return ctx.ops(
        IF, *ctx.operands, options=IfOptions(then_subgraph_index=1, else_subgraph_index=2), declared=declared, bodies=node.bodies
    )


@lowers("Loop")
def loop(ctx: Context, node: Node) -> Sequence[Value]:
    """The state of a WHILE is the turn's number, the condition where turns may change it, the loop's states and what its turns add up."""
    (body,) = node.bodies
    count, is_checked = attribute(node, STATES), bool(attribute(node, CHECKED))
    limit = _limit(ctx)
    ctx.require(limit is not None or is_checked, "a loop that ends is required, found one without limit and condition")
    turn = ctx.constant(np.zeros(body.inputs[0].dims), np.int64)
    condition = ctx.optional(1) or ctx.constant(np.array(True))
    given = [turn, *([ctx.reshape(condition, body.inputs[1].dims)] if is_checked else []), *ctx.operands[2 : 2 + count]]
    states = [value for value in given if value is not None]
    sums = [_room(ctx, value, limit, is_checked) for value in node.outputs[count:]]
    seen = [value for value in ctx.operands[2 + count :] if value is not None]
    bound = [] if limit is None or limit.data is not None else [limit]
    _turn(body, len(states), sums, bound)
    test = _test(ctx, [*states, *sums, *seen, *bound], limit, is_checked)
    options = WhileOptions(cond_subgraph_index=1, body_subgraph_index=2)
    made = ctx.ops(WHILE, *states, *sums, *seen, *bound, options=options, bodies=(test, body))
    turns = made[0] if is_checked else limit
    totals = zip(made[len(states) :], node.outputs[count:])
    return [*made[1 + is_checked : len(states)], *(_first(ctx, total, turns, value) for total, value in totals)]


def _limit(ctx: Context) -> Value | None:
    limit = ctx.optional(0)
    return None if limit is None or (limit.data is not None and int(limit.data.reshape(-1)[0]) >= NO_LIMIT) else limit


def _room(ctx: Context, wanted: Value, limit: Value | None, is_checked: bool) -> Value:
    """Zeros for the items of all turns, and for those of one where there is none."""
    ctx.require(limit is not None, "a number of turns is required where turns add results up, found a condition alone")
    assert limit is not None
    assert wanted.dtype is not None
    zero = ctx.constant(np.zeros((), wanted.dtype))
    if limit.data is not None:
        return ctx.op(FILL, ctx.indices([max(int(limit.data.reshape(-1)[0]), 1), *wanted.dims[1:]]), zero, suffix="room")
    ctx.require(not is_checked, "a constant number of turns is required where a condition ends a loop whose turns add results up")
    sizes = _sizes(ctx, ctx.op(MAXIMUM, _index(ctx, limit), ctx.indices([1])), wanted.dims[1:])
    return ctx.ops(FILL, sizes, zero, suffix="room", declared=[(wanted.dims, wanted.dtype)])[0]


def _sizes(ctx: Context, first: Value, others: Sequence[int]) -> Value:
    return ctx.op(CONCATENATION, first, ctx.indices(others), options=ConcatenationOptions(axis=0)) if others else first


def _index(build: Builder, number: Value) -> Value:
    """An INT64 element as INT32 of shape (1,)."""
    options = CastOptions(in_data_type=TensorType.INT64, out_data_type=TensorType.INT32)
    return build.op(CAST, build.reshape(number, (1,)), options=options)


def _turn(body: Graph, states: int, sums: Sequence[Value], bound: Sequence[Value]) -> None:
    """Makes the body count its turns, put items where they belong among those of all turns, and return what it only looks at."""
    build = Builder(body, f"{body.name};turn")
    turn, seen, items = body.inputs[0], body.inputs[states:], body.outputs[states - 1 :]
    place = _index(build, turn)
    totals = [body.value(f"{item.name};sum", total.shape, total.dtype) for item, total in zip(items, sums)]
    limits = [body.value("limit", value.shape, value.dtype) for value in bound]
    filled = []
    for item, total in zip(items, totals):
        row = build.reshape(item, (1, *item.dims))
        start = build.op(CONCATENATION, place, build.indices([0] * item.rank), options=ConcatenationOptions(axis=0)) if item.rank else place
        filled.append(build.op(DYNAMIC_UPDATE_SLICE, total, row, start))
    following = build.op(ADD, turn, build.constant(np.ones((), np.int64)))
    body.inputs = [*body.inputs[:states], *totals, *seen, *limits]
    body.outputs = [following, *body.outputs[: states - 1], *filled, *seen, *limits]


def _test(ctx: Context, operands: Sequence[Value], limit: Value | None, is_checked: bool) -> Graph:
    """The graph that says whether there is another turn; a limit that only the run tells is its last operand."""
    test = Graph(f"{ctx.prefix};test")
    given = [test.add_input(test.value(value.name, value.shape, value.dtype)) for value in operands]
    build = Builder(test, test.name)
    parts = []
    if limit is not None:
        most = given[-1] if limit.data is None else build.constant(limit.data)
        parts.append(build.op(LESS, build.reshape(given[0], ()), build.reshape(most, ())))
    if is_checked:
        parts.append(build.reshape(given[1], (), "go"))
    verdict = parts[0] if len(parts) == 1 else build.op(LOGICAL_AND, *parts)
    test.outputs.append(build.as_output(verdict))
    return test


def _first(ctx: Context, total: Value, turns: Value | None, wanted: Value) -> Value:
    """The items of the turns there were."""
    assert turns is not None
    assert wanted.dtype is not None
    starts = ctx.indices([0] * total.rank)
    if turns.data is not None:
        return total if total.dims == wanted.dims else ctx.op(SLICE, total, starts, ctx.indices(wanted.dims))
    sizes = _sizes(ctx, ctx.op(MAXIMUM, _index(ctx, turns), ctx.indices([0])), wanted.dims[1:])
    return ctx.ops(SLICE, total, starts, sizes, declared=[(wanted.dims, wanted.dtype)])[0]
