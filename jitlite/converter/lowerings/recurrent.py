"""Recurrent layers, unrolled: one group of operators a time step. The input's share of all steps is one product before the first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conversion import cast_to
from jitlite.converter.lowerings.dynamic import centred_weights, quantized
from jitlite.converter.lowerings.gates import Function, bounded, functions
from jitlite.converter.lowerings.matmul import fully_connected
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.lowerings.slice import sliced
from jitlite.schemas.ops.comparison import LESS, SELECT_V2
from jitlite.schemas.ops.concat import CONCATENATION, SPLIT
from jitlite.schemas.ops.elementwise import ADD, MUL, SUB
from jitlite.schemas.ops.reshape import PACK, UNPACK
from jitlite.schemas.tables import ConcatenationOptions, PackOptions, SplitOptions, UnpackOptions

MAX_STEPS = 2048
"""Longest sequence unrolled; a step takes about a dozen operators."""

State: TypeAlias = tuple[Value | None, Value | None]
"""Hidden and cell state, (batch, hidden) each; None stands for zeros and for a state the layer does not have."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One direction: weights of the input (gates · hidden, features) and of the state (gates · hidden, hidden).

    `bias` is added to the input's share, `state_bias` to the state's where the two cannot be added up. `clip` bounds what functions get.
    """

    weight: Value
    recurrence: Value
    bias: Value
    state_bias: Value
    functions: Sequence[Function]
    clip: float | None
    peepholes: Sequence[Value]
    is_coupled: bool
    """The forget gate is one minus the input gate."""
    steps: tuple[Array | None, Array | None] = (None, None)
    """Of weights that are whole numbers: what one stands for, in those of the input and of the state."""

    @property
    def hidden(self) -> int:
        return self.recurrence.dims[1]

    def gate(self, ctx: Context, place: int, x: Value) -> Value:
        """The function of this place over what goes into a gate."""
        return self.functions[place](ctx, x if self.clip is None else bounded(ctx, x, -self.clip, self.clip))


Cell: TypeAlias = Callable[[Context, Layer, Value, State], State]
"""The next state, given one step's share of the input (batch, gates · hidden) and the state before."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of recurrent layer: its number of gates, the activations it is defined with, its step."""

    gates: int
    activations: tuple[str, ...]
    cell: Cell
    separate: int | None = None
    """The first gate whose state bias stays apart from the input's."""


def _part(ctx: Context, x: Value, *ranges: range) -> Value:
    """The elements at these positions along the first axes."""
    if x.data is not None:
        return ctx.constant(x.data[tuple(slice(span.start, span.stop) for span in ranges)])
    return sliced(ctx, x, [*ranges, *(range(dim) for dim in x.dims[len(ranges) :])])


def _sum(ctx: Context, a: Value, b: Value) -> Value:
    return ctx.constant(a.data + b.data) if a.data is not None and b.data is not None else ctx.op(ADD, a, b)


def _joined(ctx: Context, parts: Sequence[Value], axis: int) -> Value:
    if len(parts) > 1 and all(part.data is not None for part in parts):
        return ctx.constant(np.concatenate([part.data for part in parts if part.data is not None], axis))
    return parts[0] if len(parts) == 1 else ctx.op(CONCATENATION, *parts, options=ConcatenationOptions(axis=axis))


def _product(ctx: Context, x: Value, weight: Value, bias: Value, step: Array | None) -> Value:
    """X · weightᵀ + bias; with a `step` x is quantized first, as DynamicQuantizeLinear does, and the weights are whole numbers."""
    if step is None:
        return fully_connected(ctx, x, weight, bias)
    numbers, size = quantized(ctx, x)
    y = ctx.op(MUL, fully_connected(ctx, numbers, weight, None), ctx.op(MUL, size, ctx.like(x, step)))
    return y if bias.data is not None and not bias.data.any() else ctx.op(ADD, y, bias)


def _from_state(ctx: Context, layer: Layer, hidden: Value, rows: range) -> Value:
    return _product(ctx, hidden, _part(ctx, layer.recurrence, rows), _part(ctx, layer.state_bias, rows), layer.steps[1])


def _gates(ctx: Context, x: Value, count: int) -> tuple[Value, ...]:
    return ctx.ops(SPLIT, ctx.indices(1), x, options=SplitOptions(num_splits=count))


def _lstm_cell(ctx: Context, layer: Layer, share: Value, state: State) -> State:
    """Gates lie in the order input, output, forget, cell; peepholes in the order input, output, forget."""
    hidden, cell = state
    total = share if hidden is None else ctx.op(ADD, share, _from_state(ctx, layer, hidden, range(4 * layer.hidden)))
    i, o, f, c = _gates(ctx, total, 4)
    if layer.peepholes and cell is not None:
        i, f = (ctx.op(ADD, gate, ctx.op(MUL, cell, layer.peepholes[place])) for gate, place in ((i, 0), (f, 2)))
    entry = layer.gate(ctx, 0, i)
    kept = ctx.op(MUL, entry, layer.gate(ctx, 1, c))
    if cell is not None:
        rest = ctx.op(SUB, ctx.like(entry, 1.0), entry) if layer.is_coupled else layer.gate(ctx, 0, f)
        kept = ctx.op(ADD, ctx.op(MUL, rest, cell), kept)
    if layer.peepholes:
        o = ctx.op(ADD, o, ctx.op(MUL, kept, layer.peepholes[1]))
    return ctx.op(MUL, layer.gate(ctx, 0, o), layer.functions[2](ctx, kept)), kept


def _rnn_cell(ctx: Context, layer: Layer, share: Value, state: State) -> State:
    hidden = state[0]
    total = share if hidden is None else ctx.op(ADD, share, _from_state(ctx, layer, hidden, range(layer.hidden)))
    return layer.gate(ctx, 0, total), None


def _gru_cell(ctx: Context, layer: Layer, share: Value, state: State) -> State:
    """Gates lie in the order update, reset, hidden; the reset gate scales the state."""
    hidden, size = state[0], layer.hidden
    z, r, h = _gates(ctx, share, 3)
    if hidden is None:
        return _first_of_gru(ctx, layer, z, h), None
    from_z, from_r = _gates(ctx, _from_state(ctx, layer, hidden, range(2 * size)), 2)
    reset = ctx.op(MUL, layer.gate(ctx, 0, ctx.op(ADD, r, from_r)), hidden)
    candidate = layer.gate(ctx, 1, ctx.op(ADD, h, _from_state(ctx, layer, reset, range(2 * size, 3 * size))))
    update = layer.gate(ctx, 0, ctx.op(ADD, z, from_z))
    return ctx.op(ADD, candidate, ctx.op(MUL, update, ctx.op(SUB, hidden, candidate))), None


def _late_gru_cell(ctx: Context, layer: Layer, share: Value, state: State) -> State:
    """As `_gru_cell`, but the reset gate scales the product of the state (linear_before_reset)."""
    hidden, size = state[0], layer.hidden
    z, r, h = _gates(ctx, share, 3)
    if hidden is None:
        offset = ctx.op(MUL, layer.gate(ctx, 0, r), _part(ctx, layer.state_bias, range(2 * size, 3 * size)))
        return _first_of_gru(ctx, layer, z, ctx.op(ADD, h, offset)), None
    from_z, from_r, from_h = _gates(ctx, _from_state(ctx, layer, hidden, range(3 * size)), 3)
    reset = layer.gate(ctx, 0, ctx.op(ADD, r, from_r))
    candidate = layer.gate(ctx, 1, ctx.op(ADD, h, ctx.op(MUL, reset, from_h)))
    update = layer.gate(ctx, 0, ctx.op(ADD, z, from_z))
    return ctx.op(ADD, candidate, ctx.op(MUL, update, ctx.op(SUB, hidden, candidate))), None


def _first_of_gru(ctx: Context, layer: Layer, z: Value, h: Value) -> Value:
    """The step from a state of zeros."""
    candidate = layer.gate(ctx, 1, h)
    return ctx.op(SUB, candidate, ctx.op(MUL, layer.gate(ctx, 0, z), candidate))


LSTM = Kind(4, ("Sigmoid", "Tanh", "Tanh"), _lstm_cell)
GRU = Kind(3, ("Sigmoid", "Tanh"), _gru_cell)
LATE_GRU = Kind(3, ("Sigmoid", "Tanh"), _late_gru_cell, separate=2)
RNN = Kind(1, ("Tanh",), _rnn_cell)


@lowers("LSTM", since=7)
def lstm(ctx: Context, node: Node) -> list[Value]:
    return _unrolled(ctx, node, LSTM)


@lowers("com.microsoft.DynamicQuantizeLSTM", since=0)
def dynamic_quantize_lstm(ctx: Context, node: Node) -> list[Value]:
    """An LSTM whose inputs and states are quantized as they come, its weights (directions, features, gates · hidden) beforehand."""
    steps = []
    for place, operand in ((1, 8), (2, 10)):
        numbers, step = centred_weights(ctx, *(ctx.data(index) for index in (place, operand, operand + 1)))
        ctx.operands = [*ctx.operands[:place], ctx.constant(numbers), *ctx.operands[place + 1 :]]
        steps.append(step)
    return _unrolled(ctx, node, LSTM, [(steps[0][index], steps[1][index]) for index in range(len(steps[0]))])


@lowers("GRU", since=7)
def gru(ctx: Context, node: Node) -> list[Value]:
    return _unrolled(ctx, node, LATE_GRU if attribute(node, "linear_before_reset", 0) else GRU)


@lowers("RNN", since=7)
def rnn(ctx: Context, node: Node) -> list[Value]:
    return _unrolled(ctx, node, RNN)


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
    weight, recurrence = (ctx.reshape(_part(ctx, value, one), value.dims[1:]) for value in (weights, recurrences))
    halves = [ctx.reshape(_part(ctx, biases, one, range(first, first + rows)), (rows,)) for first in (0, rows)]
    zeros = ctx.like(weights, np.zeros(rows))
    if kind.separate is None:
        return weight, recurrence, _sum(ctx, *halves), zeros
    merged = kind.separate * size
    first = _sum(ctx, _part(ctx, halves[0], range(merged)), _part(ctx, halves[1], range(merged)))
    bias = _joined(ctx, [first, _part(ctx, halves[0], range(merged, rows))], 0)
    return weight, recurrence, bias, _joined(ctx, [_part(ctx, zeros, range(merged)), _part(ctx, halves[1], range(merged, rows))], 0)


def _peepholes(ctx: Context, given: Value, index: int, size: int) -> list[Value]:
    ctx.require(given.dims[1:] == (3 * size,), f"peepholes of {3 * size} elements are required, found {given.dims}")
    one = range(index, index + 1)
    return [_part(ctx, given, one, range(first, first + size)) for first in (0, size, 2 * size)]


def _initial(ctx: Context, operand: int, direction: int, axis: int) -> Value | None:
    """The initial state of one direction, (batch, hidden); None for zeros."""
    given = ctx.optional(operand)
    if given is None or (given.data is not None and not np.any(given.data)):
        return None
    ranges = [range(direction, direction + 1) if place == axis else range(dim) for place, dim in enumerate(given.dims)]
    part = given if given.dims[axis] == 1 else _part(ctx, given, *ranges)
    return ctx.reshape(part, [dim for place, dim in enumerate(part.dims) if place != axis])


def _masks(ctx: Context, steps: int, batch: int) -> list[Value] | None:
    """For each step which sequences reach it, (batch, 1); None where all reach the end."""
    lengths = ctx.optional(4)
    if lengths is None or (lengths.data is not None and bool(np.all(lengths.data == steps))):
        return None
    ctx.require(lengths.dims == (batch,), f"{batch} sequence_lens are required, found shape {lengths.dims}")
    column = ctx.reshape(cast_to(ctx, lengths, np.dtype(np.int32)), (1, batch, 1))
    reached = ctx.op(LESS, ctx.constant(np.arange(steps).reshape(steps, 1, 1), np.int32), column)
    return list(ctx.ops(UNPACK, reached, options=UnpackOptions(num=steps, axis=0)))


def _kept(ctx: Context, mask: Value, new: Value | None, old: Value | None) -> Value | None:
    """The new state where the mask is true, else the old one."""
    if new is None:
        return None
    return ctx.op(SELECT_V2, mask, new, ctx.like(new, np.zeros(new.dims)) if old is None else old)


def _run(
    ctx: Context, kind: Kind, layer: Layer, shares: Sequence[Value], state: State, masks: Sequence[Value] | None
) -> tuple[list[Value], State]:
    """The hidden state of every step, zeros behind the end of a sequence, and the last state."""
    made: list[Value] = []
    for place, share in enumerate(shares):
        fresh = kind.cell(ctx, layer, share, state)
        assert fresh[0] is not None, "a step makes a state"
        if masks is None:
            made.append(fresh[0])
            state = fresh
        else:
            made.append(ctx.op(SELECT_V2, masks[place], fresh[0], ctx.like(fresh[0], 0.0)))
            state = _kept(ctx, masks[place], fresh[0], state[0]), _kept(ctx, masks[place], fresh[1], state[1])
    return made, state


def _unrolled(ctx: Context, node: Node, kind: Kind, weight_steps: Sequence[tuple[Array, Array]] = ()) -> list[Value]:
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
    ctx.require(1 <= steps <= MAX_STEPS, f"sequences of 1 to {MAX_STEPS} steps are supported, found {steps}")
    masks = _masks(ctx, steps, batch)
    hiddens: list[Value] = []
    finals: list[State] = []
    for index, layer in enumerate(layers):
        backward = direction == "reverse" or index == 1
        state: State = (_initial(ctx, 5, index, int(batch_first)), _initial(ctx, 6, index, int(batch_first)) if kind is LSTM else None)
        shares = _product(ctx, x, layer.weight, layer.bias, layer.steps[0])
        by_step = list(ctx.ops(UNPACK, shares, options=UnpackOptions(num=steps, axis=0)))
        order = -1 if backward else 1
        made, state = _run(ctx, kind, layer, by_step[::order], state, None if masks is None else masks[::order])
        if masks is not None:
            state = _kept(ctx, masks[0], state[0], None), _kept(ctx, masks[0], state[1], None)
        sequence = ctx.op(PACK, *made[::order], options=PackOptions(values_count=steps, axis=0))
        hiddens.append(ctx.reshape(sequence, (steps, 1, batch, layer.hidden)))
        finals.append(state)
    results = [_joined(ctx, hiddens, 1)]
    for place in range(2 if kind is LSTM else 1):
        last = [ctx.reshape(value, (1, *value.dims)) for value in (state[place] for state in finals) if value is not None]
        results.append(_joined(ctx, last, 0))
    if batch_first:
        return [ctx.transpose(results[0], (2, 0, 1, 3)), *(ctx.transpose(value, (1, 0, 2)) for value in results[1:])]
    return results
