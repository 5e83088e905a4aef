"""Bindings of the recurrent operators that read a sequence in both directions: a step for each."""

from jitlite.interpreter.binding.lstm import float_lstm
from jitlite.interpreter.binding.registry import Step, binds
from jitlite.interpreter.binding.rnn import RnnCell, rnn_step
from jitlite.schemas.ops.bidirectional import BIDIRECTIONAL_SEQUENCE_LSTM, BIDIRECTIONAL_SEQUENCE_RNN, lstm_directions, rnn_directions
from jitlite.schemas.ops.spec import Call


@binds(BIDIRECTIONAL_SEQUENCE_LSTM)
def bidirectional_sequence_lstm(call: Call) -> list[Step]:
    steps, start = list[Step](), 0
    for backwards, direction in enumerate(lstm_directions(call)):
        y = call.outputs[0 if call.options.merge_outputs else backwards]
        order = call.options.time_major, bool(backwards)
        aux = direction.aux, direction.aux_weights
        steps += float_lstm(call, direction.cell, direction.sizes, aux, (y, y.shape[-1], start), order)
        start = direction.sizes.n_output if call.options.merge_outputs else 0
    return steps


@binds(BIDIRECTIONAL_SEQUENCE_RNN)
def bidirectional_sequence_rnn(call: Call) -> list[Step]:
    steps, start = [], 0
    for backwards, found in enumerate(rnn_directions(call)):
        w, r, bias, hidden = (call.input(found.first + place) for place in range(4))
        y = call.outputs[0 if call.options.merge_outputs else backwards]
        cell = RnnCell(found.x, found.aux, (w, found.aux_weights, r), bias, hidden, y, start)
        steps.append(rnn_step(call, cell, found.sizes, call.options.time_major, bool(backwards)))
        start = found.sizes.n_units if call.options.merge_outputs else 0
    return steps
