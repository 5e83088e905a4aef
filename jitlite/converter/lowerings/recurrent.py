"""Recurrent layers: the input's share of all steps is one product, then come the steps, written out where they are few or as a loop."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.lowerings.cells import GRU, LATE_GRU, LSTM, RNN, Kind, Layer, Run, State, added, joined, part, product
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conversion import cast_to
from jitlite.converter.lowerings.dynamic import centred_weights
from jitlite.converter.lowerings.gates import functions
from jitlite.converter.lowerings.loops import looped
from jitlite.converter.lowerings.registry import lowers
from jitlite.schemas.ops.comparison import LESS, SELECT_V2
from jitlite.schemas.ops.reshape import PACK, UNPACK
from jitlite.schemas.tables import PackOptions, UnpackOptions

MOST_UNROLLED = 16
"""Longest sequence whose steps are written out, a dozen operators each."""


@lowers("LSTM", since=7)
def lstm(ctx: Context, node: Node) -> list[Value]:
    return _recurrent(ctx, node, LSTM)


@lowers("com.microsoft.DynamicQuantizeLSTM", since=0)
def dynamic_quantize_lstm(ctx: Context, node: Node) -> list[Value]:
    """An LSTM whose inputs and states are quantized as they come, its weights (directions, features, gates · hidden) beforehand."""
    steps = []
    for place, operand in ((1, 8), (2, 10)):
        numbers, step = centred_weights(ctx, *(ctx.data(index) for index in (place, operand, operand + 1)))
        ctx.operands = [*ctx.operands[:place], ctx.constant(numbers), *ctx.operands[place + 1 :]]
        steps.append(step)
    return _recurrent(ctx, node, LSTM, [(steps[0][index], steps[1][index]) for index in range(len(steps[0]))])


@lowers("GRU", since=7)
def gru(ctx: Context, node: Node) -> list[Value]:
    return _recurrent(ctx, node, LATE_GRU if attribute(node, "linear_before_reset", 0) else GRU)


@lowers("RNN", since=7)
def rnn(ctx: Context, node: Node) -> list[Value]:
    return _recurrent(ctx, node, RNN)


def _layers(ctx: Context, node: Node, kind: Kind) -> list[Layer]:
    weights, recurrences = ctx.input(1), ctx.input(2)
    count, rows = weights.dims[:2]
    biases = ctx.optional(3) or ctx.like(weights, np.zeros((count, 2 * rows)))
    fits = recurrences.dims == (count, rows, rows // kind.gates) and rows % kind.gates == 0 and biases.dims == (count, 2 * rows)
    ctx.require(fits, f"weights of {kind.gates} gates are required, found {weights.dims}, {recurrences.dims} and {biases.dims}")
    directions = {"forward": 1, "reverse": 1, "bidirectional": 2}
    ctx.require(
        directions.get(attribute(node, "direction", "forward")) == count,
        f"weights of each direction are required, found {count} for direction {attribute(node, 'direction', 'forward')}",
    )
    clip = attribute(node, "clip")
    ctx.require(clip is None or clip > 0, f"a clip above 0 is required, found {clip}")
    found = functions(ctx, node, kind.activations, count)
    peepholes = ctx.optional(7) if kind is LSTM else None
    if peepholes is not None and peepholes.data is not None and not peepholes.data.any():
        peepholes = None
    return [
        Layer(
            *_weights(ctx, kind, weights, recurrences, biases, index),
            found[index],
            clip,
            () if peepholes is None else _peepholes(ctx, peepholes, index, rows // kind.gates),
            bool(attribute(node, "input_forget", 0)),
        )
        for index in range(count)
    ]


def _weights(ctx: Context, kind: Kind, weights: Value, recurrences: Value, biases: Value, index: int) -> tuple[Value, Value, Value, Value]:
    """Weights and biases of one direction; the state's bias goes to the input's share wherever it may."""
    one, rows = range(index, index + 1), weights.dims[1]
    size = rows // kind.gates
    weight, recurrence = (ctx.reshape(part(ctx, value, one), value.dims[1:]) for value in (weights, recurrences))
    halves = [ctx.reshape(part(ctx, biases, one, range(first, first + rows)), (rows,)) for first in (0, rows)]
    zeros = ctx.like(weights, np.zeros(rows))
    if kind.separate is None:
        return weight, recurrence, added(ctx, *halves), zeros
    merged = kind.separate * size
    first = added(ctx, part(ctx, halves[0], range(merged)), part(ctx, halves[1], range(merged)))
    bias = joined(ctx, [first, part(ctx, halves[0], range(merged, rows))], 0)
    return weight, recurrence, bias, joined(ctx, [part(ctx, zeros, range(merged)), part(ctx, halves[1], range(merged, rows))], 0)


def _peepholes(ctx: Context, given: Value, index: int, size: int) -> list[Value]:
    ctx.require(given.dims[1:] == (3 * size,), f"peepholes of {3 * size} elements are required, found {given.dims}")
    one = range(index, index + 1)
    return [part(ctx, given, one, range(first, first + size)) for first in (0, size, 2 * size)]


def _initial(ctx: Context, operand: int, direction: int, axis: int) -> Value | None:
    """The initial state of one direction, (batch, hidden); None for zeros."""
    given = ctx.optional(operand)
    if given is None or (given.data is not None and not np.any(given.data)):
        return None
    ranges = [range(direction, direction + 1) if place == axis else range(dim) for place, dim in enumerate(given.dims)]
    one = given if given.dims[axis] == 1 else part(ctx, given, *ranges)
    return ctx.reshape(one, [dim for place, dim in enumerate(one.dims) if place != axis])


def _lengths(ctx: Context, steps: int, batch: int) -> Value | None:
    """The lengths of the sequences, INT32 of shape (batch, 1); None where all reach the end."""
    lengths = ctx.optional(4)
    if lengths is None or (lengths.data is not None and bool(np.all(lengths.data == steps))):
        return None
    ctx.require(lengths.dims == (batch,), f"{batch} sequence_lens are required, found shape {lengths.dims}")
    return ctx.reshape(cast_to(ctx, lengths, np.dtype(np.int32)), (batch, 1))


def _kept(ctx: Context, mask: Value, new: Value | None, old: Value | None) -> Value | None:
    """The new state where the mask is true, else the old one."""
    if new is None:
        return None
    return ctx.op(SELECT_V2, mask, new, ctx.like(new, np.zeros(new.dims)) if old is None else old)


def _written_out(ctx: Context, kind: Kind, layer: Layer, run: Run) -> tuple[Value, State]:
    """The hidden states of all steps (steps, batch, hidden), zeros behind the end of a sequence, and the last state."""
    steps = run.shares.dims[0]
    masks = None
    if run.lengths is not None:
        column = ctx.reshape(run.lengths, (1, *run.lengths.dims))
        reached = ctx.op(LESS, ctx.constant(np.arange(steps).reshape(steps, 1, 1), np.int32), column)
        masks = ctx.ops(UNPACK, reached, options=UnpackOptions(num=steps, axis=0))
    by_step = ctx.ops(UNPACK, run.shares, options=UnpackOptions(num=steps, axis=0))
    state = run.state
    made: dict[int, Value] = {}
    for place in reversed(range(steps)) if run.backward else range(steps):
        fresh = kind.cell(ctx, layer, by_step[place], state)
        assert fresh[0] is not None, "a step makes a state"
        made[place] = fresh[0] if masks is None else ctx.op(SELECT_V2, masks[place], fresh[0], ctx.like(fresh[0], 0.0))
        if masks is not None:
            fresh = _kept(ctx, masks[place], fresh[0], state[0]), _kept(ctx, masks[place], fresh[1], state[1])
        state = fresh
    sequence = ctx.op(PACK, *(made[place] for place in range(steps)), options=PackOptions(values_count=steps, axis=0))
    return sequence, state


def _recurrent(ctx: Context, node: Node, kind: Kind, weight_steps: Sequence[tuple[Array, Array]] = ()) -> list[Value]:
    """Y (steps, directions, batch, hidden), Y_h and for an LSTM Y_c (directions, batch, hidden); with layout 1 the batch comes first.

    Sequences of length 0 give zeros, as in ONNX Runtime, whatever state they start from.
    """
    x, direction, batch_first = ctx.input(0), attribute(node, "direction", "forward"), bool(attribute(node, "layout", 0))
    if batch_first:
        x = ctx.transpose(x, (1, 0, 2))
    layers = _layers(ctx, node, kind)
    if weight_steps:
        layers = [replace(layer, steps=found) for layer, found in zip(layers, weight_steps, strict=True)]
    steps, batch = x.dims[:2]
    ctx.require(steps >= 1, f"sequences of one step or more are required, found {steps}")
    lengths = _lengths(ctx, steps, batch)
    for given in (ctx.optional(5), ctx.optional(6) if kind is LSTM else None):
        wanted = (batch, len(layers), layers[0].hidden) if batch_first else (len(layers), batch, layers[0].hidden)
        ctx.require(given is None or given.dims == wanted, f"initial states of shape {wanted} are required, found {given and given.dims}")
    hiddens: list[Value] = []
    finals: list[State] = []
    for index, layer in enumerate(layers):
        state: State = (_initial(ctx, 5, index, int(batch_first)), _initial(ctx, 6, index, int(batch_first)) if kind is LSTM else None)
        shares = product(ctx, x, layer.weight, layer.bias, layer.steps[0])
        run = Run(shares, state, lengths, direction == "reverse" or index == 1)
        sequence, state = (looped if ctx.graph.has_any_length or steps > MOST_UNROLLED else _written_out)(ctx, kind, layer, run)
        if lengths is not None:
            is_there = ctx.op(LESS, ctx.indices(0), lengths)
            state = _kept(ctx, is_there, state[0], None), _kept(ctx, is_there, state[1], None)
        hiddens.append(ctx.reshape(sequence, (steps, 1, batch, layer.hidden)))
        finals.append(state)
    results = [joined(ctx, hiddens, 1)]
    for place in range(2 if kind is LSTM else 1):
        last = [ctx.reshape(value, (1, *value.dims)) for value in (state[place] for state in finals) if value is not None]
        results.append(joined(ctx, last, 0))
    if batch_first:
        return [ctx.transpose(results[0], (2, 0, 1, 3)), *(ctx.transpose(value, (1, 0, 2)) for value in results[1:])]
    return results
