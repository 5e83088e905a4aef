"""Steps of recurrent layers: weights of a direction, and the cells of LSTM, GRU and RNN."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from jitlite.converter.graph import Array, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.dynamic import quantized
from jitlite.converter.lowerings.gates import Function, bounded
from jitlite.converter.lowerings.matmul import fully_connected
from jitlite.converter.lowerings.slice import sliced
from jitlite.schemas.ops.concat import CONCATENATION, SPLIT
from jitlite.schemas.ops.elementwise import ADD, MUL, SUB
from jitlite.schemas.tables import ConcatenationOptions, SplitOptions

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


@dataclass(frozen=True, slots=True)
class Run:
    """What the steps of one direction start from: the input's share of each (steps, batch, gates · hidden) and the state.

    `lengths` (batch, 1) says which steps there are, where not all are.
    """

    shares: Value
    state: State
    lengths: Value | None
    backward: bool


def part(ctx: Context, x: Value, *ranges: range) -> Value:
    """The elements at these positions along the first axes."""
    if x.data is not None:
        return ctx.constant(x.data[tuple(slice(span.start, span.stop) for span in ranges)])
    return sliced(ctx, x, [*ranges, *(range(dim) for dim in x.dims[len(ranges) :])])


def added(ctx: Context, a: Value, b: Value) -> Value:
    return ctx.constant(a.data + b.data) if a.data is not None and b.data is not None else ctx.op(ADD, a, b)


def joined(ctx: Context, parts: Sequence[Value], axis: int) -> Value:
    if len(parts) > 1 and all(part.data is not None for part in parts):
        return ctx.constant(np.concatenate([part.data for part in parts if part.data is not None], axis))
    return parts[0] if len(parts) == 1 else ctx.op(CONCATENATION, *parts, options=ConcatenationOptions(axis=axis))


def product(ctx: Context, x: Value, weight: Value, bias: Value, step: Array | None) -> Value:
    """X · weightᵀ + bias; with a `step` x is quantized first, as DynamicQuantizeLinear does, and the weights are whole numbers."""
    if step is None:
        return fully_connected(ctx, x, weight, bias)
    numbers, size = quantized(ctx, x)
    y = ctx.op(MUL, fully_connected(ctx, numbers, weight, None), ctx.op(MUL, size, ctx.like(x, step)))
    return y if bias.data is not None and not bias.data.any() else ctx.op(ADD, y, bias)


def _from_state(ctx: Context, layer: Layer, hidden: Value, rows: range) -> Value:
    return product(ctx, hidden, part(ctx, layer.recurrence, rows), part(ctx, layer.state_bias, rows), layer.steps[1])


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
        offset = ctx.op(MUL, layer.gate(ctx, 0, r), part(ctx, layer.state_bias, range(2 * size, 3 * size)))
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
