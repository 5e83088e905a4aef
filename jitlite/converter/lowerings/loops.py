"""Recurrent layers as a WHILE: its state is the step's number, the layer's state and the hidden states of all steps."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jitlite.converter.builder import Builder
from jitlite.converter.graph import Graph, Value
from jitlite.converter.lowerings.cells import LSTM, Kind, Layer, Run, State
from jitlite.converter.lowerings.context import Context
from jitlite.schemas.ops.comparison import GREATER_EQUAL, LESS, SELECT_V2
from jitlite.schemas.ops.concat import CONCATENATION
from jitlite.schemas.ops.control import WHILE
from jitlite.schemas.ops.elementwise import ADD
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.pad import FILL
from jitlite.schemas.ops.scatter import DYNAMIC_UPDATE_SLICE
from jitlite.schemas.tables import ConcatenationOptions, WhileOptions


class Body:
    """The graph of a WHILE's turn. Values from around become inputs behind its states when they are first taken."""

    def __init__(self, ctx: Context, states: Sequence[Value]) -> None:
        self.graph = Graph(f"{ctx.prefix};step")
        self.build = Context(self.graph, ctx.node, ())
        self.states = [self._input(value) for value in states]
        self.seen: dict[Value, Value] = {}

    def _input(self, value: Value) -> Value:
        return self.graph.add_input(self.graph.value(value.name, value.shape, value.dtype))

    def take(self, value: Value) -> Value:
        """What stands for a value from around."""
        if value.data is not None:
            return self.graph.constant(value.data, value.name, value.grid)
        if value not in self.seen:
            self.seen[value] = self._input(value)
        return self.seen[value]


def while_loop(ctx: Context, states: Sequence[Value], body: Body, results: Sequence[Value], test: Graph) -> tuple[Value, ...]:
    """The states after the last turn; `results` are the body's new states, `test` is given states and whatever the body has taken."""
    body.graph.outputs = [*results, *body.seen.values()]
    options = WhileOptions(cond_subgraph_index=1, body_subgraph_index=2)
    return ctx.ops(WHILE, *states, *body.seen, options=options, bodies=(test, body.graph))[: len(states)]


def looped(ctx: Context, kind: Kind, layer: Layer, run: Run) -> tuple[Value, State]:
    """The hidden states of all steps (steps, batch, hidden), zeros behind the end of a sequence, and the last state."""
    steps, batch = run.shares.dims[:2]
    zeros = ctx.like(run.shares, np.zeros((batch, layer.hidden)))
    first = ctx.constant(np.array(steps - 1 if run.backward else 0), np.int32)
    room = ctx.op(FILL, ctx.indices([steps, batch, layer.hidden]), ctx.like(run.shares, 0.0), suffix="room")
    starts = [value or zeros for value in (run.state if kind is LSTM else run.state[:1])]
    states = [first, room, *starts]
    body = Body(ctx, states)
    results = _step(body, kind, layer, run)
    made = while_loop(ctx, states, body, results, _test(ctx, body, steps, run.backward))
    return made[1], (made[2], made[3] if kind is LSTM else None)


def _step(body: Body, kind: Kind, layer: Layer, run: Run) -> list[Value]:
    build, (turn, total, *before) = body.build, body.states
    inside = replace(
        layer,
        recurrence=body.take(layer.recurrence),
        state_bias=body.take(layer.state_bias),
        peepholes=[body.take(value) for value in layer.peepholes],
    )
    share = build.op(GATHER, body.take(run.shares), turn)
    fresh = kind.cell(build, inside, share, (before[0], before[1] if kind is LSTM else None))
    after = [value for value in fresh if value is not None]
    shown = after[0]
    if run.lengths is not None:
        is_there = build.op(LESS, turn, body.take(run.lengths))
        shown = build.op(SELECT_V2, is_there, shown, build.like(shown, 0.0))
        after = [build.op(SELECT_V2, is_there, new, old) for new, old in zip(after, before, strict=True)]
    start = build.op(CONCATENATION, build.reshape(turn, (1,)), build.indices([0, 0]), options=ConcatenationOptions(axis=0))
    filled = build.op(DYNAMIC_UPDATE_SLICE, total, build.reshape(shown, (1, *shown.dims)), start)
    following = build.op(ADD, turn, build.constant(np.array(-1 if run.backward else 1), np.int32))
    return [following, filled, *after]


def _test(ctx: Context, body: Body, steps: int, backward: bool) -> Graph:
    """The graph that says whether there is another step."""
    test = Graph(f"{ctx.prefix};test")
    turn, *_ = [test.add_input(test.value(value.name, value.shape, value.dtype)) for value in body.graph.inputs]
    build = Builder(test, test.name)
    compare, bound = (GREATER_EQUAL, 0) if backward else (LESS, steps)
    test.outputs.append(build.op(compare, turn, build.constant(np.array(bound), np.int32)))
    return test
