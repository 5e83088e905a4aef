"""Recurrent layers, unrolled: one group of operators a time step. The input's share of all steps is one product before the first."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.matmul import fully_connected
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.lowerings.slice import sliced
from jitlite.schemas.ops.activation import LOGISTIC, TANH
from jitlite.schemas.ops.concat import CONCATENATION, SPLIT
from jitlite.schemas.ops.elementwise import ADD, MUL, SUB
from jitlite.schemas.ops.reshape import PACK, UNPACK
from jitlite.schemas.tables import ConcatenationOptions, PackOptions, SplitOptions, UnpackOptions

MAX_STEPS = 512
"""Longest sequence unrolled; a step takes about a dozen operators."""

State: TypeAlias = tuple[Value | None, Value | None]
"""Hidden and cell state, (batch, hidden) each; None stands for zeros and for a state the layer does not have."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One direction: weights of the input (gates · hidden, features) and of the state (gates · hidden, hidden).

    `bias` is added to the input's share; `state_bias` to the state's, where the two cannot be added up.
    """

    weight: Array
    recurrence: Array
    bias: Array
    state_bias: Array

    @property
    def hidden(self) -> int:
        return int(self.recurrence.shape[1])


Cell: TypeAlias = Callable[[Context, Layer, Value, State], State]
"""The next state, given one step's share of the input (batch, gates · hidden) and the state before."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of recurrent layer: its number of gates, the activations it is defined with, its step."""

    gates: int
    activations: tuple[str, ...]
    cell: Cell
    separate_rows: tuple[int, int] = (0, 0)
    """The gates whose state bias stays apart from the input's."""


def _from_state(ctx: Context, layer: Layer, hidden: Value, rows: slice) -> Value:
    bias = layer.state_bias[rows]
    return fully_connected(ctx, hidden, ctx.constant(layer.recurrence[rows]), ctx.constant(bias))


def _gates(ctx: Context, x: Value, count: int) -> tuple[Value, ...]:
    return ctx.ops(SPLIT, ctx.indices(1), x, options=SplitOptions(num_splits=count))


def _lstm_cell(ctx: Context, layer: Layer, share: Value, state: State) -> State:
    """Gates lie in the order input, output, forget, cell."""
    hidden, cell = state
    total = share if hidden is None else ctx.op(ADD, share, _from_state(ctx, layer, hidden, slice(None)))
    i, o, f, c = _gates(ctx, total, 4)
    fresh = ctx.op(MUL, ctx.op(LOGISTIC, i), ctx.op(TANH, c))
    kept = fresh if cell is None else ctx.op(ADD, ctx.op(MUL, ctx.op(LOGISTIC, f), cell), fresh)
    return ctx.op(MUL, ctx.op(LOGISTIC, o), ctx.op(TANH, kept)), kept


def _rnn_cell(ctx: Context, layer: Layer, share: Value, state: State) -> State:
    hidden = state[0]
    return ctx.op(TANH, share if hidden is None else ctx.op(ADD, share, _from_state(ctx, layer, hidden, slice(None)))), None


def _gru_cell(ctx: Context, layer: Layer, share: Value, state: State) -> State:
    """Gates lie in the order update, reset, hidden; the reset gate scales the state."""
    hidden, size = state[0], layer.hidden
    z, r, h = _gates(ctx, share, 3)
    if hidden is None:
        candidate = ctx.op(TANH, h)
        return ctx.op(SUB, candidate, ctx.op(MUL, ctx.op(LOGISTIC, z), candidate)), None
    from_z, from_r = _gates(ctx, _from_state(ctx, layer, hidden, slice(0, 2 * size)), 2)
    reset = ctx.op(MUL, ctx.op(LOGISTIC, ctx.op(ADD, r, from_r)), hidden)
    candidate = ctx.op(TANH, ctx.op(ADD, h, _from_state(ctx, layer, reset, slice(2 * size, 3 * size))))
    update = ctx.op(LOGISTIC, ctx.op(ADD, z, from_z))
    return ctx.op(ADD, candidate, ctx.op(MUL, update, ctx.op(SUB, hidden, candidate))), None


def _late_gru_cell(ctx: Context, layer: Layer, share: Value, state: State) -> State:
    """As `_gru_cell`, but the reset gate scales the product of the state (linear_before_reset)."""
    hidden, size = state[0], layer.hidden
    z, r, h = _gates(ctx, share, 3)
    if hidden is None:
        offset = ctx.op(MUL, ctx.op(LOGISTIC, r), ctx.constant(layer.state_bias[2 * size :]))
        candidate = ctx.op(TANH, ctx.op(ADD, h, offset))
        return ctx.op(SUB, candidate, ctx.op(MUL, ctx.op(LOGISTIC, z), candidate)), None
    from_z, from_r, from_h = _gates(ctx, _from_state(ctx, layer, hidden, slice(None)), 3)
    reset = ctx.op(LOGISTIC, ctx.op(ADD, r, from_r))
    candidate = ctx.op(TANH, ctx.op(ADD, h, ctx.op(MUL, reset, from_h)))
    update = ctx.op(LOGISTIC, ctx.op(ADD, z, from_z))
    return ctx.op(ADD, candidate, ctx.op(MUL, update, ctx.op(SUB, hidden, candidate))), None


LSTM = Kind(4, ("Sigmoid", "Tanh", "Tanh"), _lstm_cell)
GRU = Kind(3, ("Sigmoid", "Tanh"), _gru_cell)
LATE_GRU = Kind(3, ("Sigmoid", "Tanh"), _late_gru_cell, separate_rows=(2, 3))
RNN = Kind(1, ("Tanh",), _rnn_cell)


@lowers("LSTM", since=7)
def lstm(ctx: Context, node: Node) -> list[Value]:
    ctx.require(not attribute(node, "input_forget", 0), "input_forget 0 is supported, found 1")
    peepholes = ctx.optional(7)
    ctx.require(peepholes is None or (peepholes.data is not None and not np.any(peepholes.data)), "no peepholes are supported, found some")
    return _unrolled(ctx, node, LSTM)


@lowers("GRU", since=7)
def gru(ctx: Context, node: Node) -> list[Value]:
    return _unrolled(ctx, node, LATE_GRU if attribute(node, "linear_before_reset", 0) else GRU)


@lowers("RNN", since=7)
def rnn(ctx: Context, node: Node) -> list[Value]:
    return _unrolled(ctx, node, RNN)


def _check(ctx: Context, node: Node, kind: Kind, directions: int, steps: int) -> None:
    found = [name.decode() for name in attribute(node, "activations", [])]
    wanted = list(kind.activations) * directions
    ctx.require(not found or found == wanted, f"activations {wanted} are supported, found {found}")
    ctx.require(attribute(node, "clip") is None, "no clip is supported, found one")
    ctx.require(1 <= steps <= MAX_STEPS, f"sequences of 1 to {MAX_STEPS} steps are supported, found {steps}")
    lengths = ctx.optional(4)
    whole = lengths is None or (lengths.data is not None and bool(np.all(lengths.data == steps)))
    ctx.require(whole, "sequences of full length are supported, found sequence_lens")


def _layers(ctx: Context, kind: Kind) -> list[Layer]:
    weights, recurrences = ctx.data(1), ctx.data(2)
    rows = weights.shape[1]
    biases = ctx.data(3) if ctx.optional(3) is not None else np.zeros((len(weights), 2 * rows), weights.dtype)
    fits = (
        recurrences.shape[:2] == weights.shape[:2]
        and rows == kind.gates * recurrences.shape[2]
        and biases.shape == (len(weights), 2 * rows)
    )
    ctx.require(fits, f"weights of {kind.gates} gates are required, found {weights.shape}, {recurrences.shape} and {biases.shape}")
    layers = []
    for weight, recurrence, bias in zip(weights, recurrences, biases, strict=True):
        apart = np.zeros(rows, bool)
        size = recurrence.shape[1]
        apart[kind.separate_rows[0] * size : kind.separate_rows[1] * size] = True
        state = bias[rows:]
        layers.append(
            Layer(
                weight, recurrence, bias[:rows] + np.where(apart, 0, state).astype(bias.dtype), np.where(apart, state, 0).astype(bias.dtype)
            )
        )
    return layers


def _initial(ctx: Context, operand: int, direction: int, axis: int) -> Value | None:
    """The initial state of one direction, (batch, hidden); None for zeros."""
    given = ctx.optional(operand)
    if given is None or (given.data is not None and not np.any(given.data)):
        return None
    ranges = [range(direction, direction + 1) if place == axis else range(dim) for place, dim in enumerate(given.dims)]
    part = given if given.dims[axis] == 1 else sliced(ctx, given, ranges)
    return ctx.reshape(part, [dim for place, dim in enumerate(part.dims) if place != axis])


def _unrolled(ctx: Context, node: Node, kind: Kind) -> list[Value]:
    """Y (steps, directions, batch, hidden), Y_h and for an LSTM Y_c (directions, batch, hidden); with layout 1 the batch comes first."""
    x, direction, batch_first = ctx.input(0), attribute(node, "direction", "forward"), bool(attribute(node, "layout", 0))
    if batch_first:
        x = ctx.transpose(x, (1, 0, 2))
    layers = _layers(ctx, kind)
    steps, batch = x.dims[:2]
    _check(ctx, node, kind, len(layers), steps)
    hiddens: list[Value] = []
    finals: list[State] = []
    for index, layer in enumerate(layers):
        backward = direction == "reverse" or index == 1
        state: State = (_initial(ctx, 5, index, int(batch_first)), _initial(ctx, 6, index, int(batch_first)))
        shares = fully_connected(ctx, x, ctx.constant(layer.weight), ctx.constant(layer.bias))
        by_step = list(ctx.ops(UNPACK, shares, options=UnpackOptions(num=steps, axis=0)))
        made: list[Value] = []
        for share in reversed(by_step) if backward else by_step:
            state = kind.cell(ctx, layer, share, state)
            assert state[0] is not None, "a step makes a state"
            made.append(state[0])
        sequence = ctx.op(PACK, *(reversed(made) if backward else made), options=PackOptions(values_count=steps, axis=0))
        hiddens.append(ctx.reshape(sequence, (steps, 1, batch, layer.hidden)))
        finals.append(state)
    results = [_joined(ctx, hiddens, 1)]
    for place in range(2 if kind is LSTM else 1):
        last = [ctx.reshape(value, (1, *value.dims)) for value in (state[place] for state in finals) if value is not None]
        results.append(_joined(ctx, last, 0))
    if batch_first:
        return [ctx.transpose(results[0], (2, 0, 1, 3)), *(ctx.transpose(value, (1, 0, 2)) for value in results[1:])]
    return results


def _joined(ctx: Context, parts: list[Value], axis: int) -> Value:
    return parts[0] if len(parts) == 1 else ctx.op(CONCATENATION, *parts, options=ConcatenationOptions(axis=axis))
