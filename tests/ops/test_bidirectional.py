import numpy as np
import pytest

import jitlite.interpreter.binding.bidirectional  # noqa: F401 - fills the registry
from jitlite.schemas.errors import InvalidModelError, UnsupportedError
from jitlite.schemas.ops.bidirectional import BIDIRECTIONAL_SEQUENCE_LSTM, BIDIRECTIONAL_SEQUENCE_RNN
from jitlite.schemas.ops.lstm import CELL_OPERANDS, GATES
from jitlite.schemas.ops.spec import Call, infer
from jitlite.schemas.tables import ActivationFunctionType, BidirectionalSequenceLSTMOptions, BidirectionalSequenceRNNOptions, TensorType
from tests.ops.oracle import operand, result
from tests.ops.recurrent import check_runs, variable
from tests.ops.test_lstm import cell

T = TensorType
A = ActivationFunctionType
RNG = np.random.default_rng(0)
KINDS = [("float", False), ("hybrid", False), ("hybrid", True)]
MODES = ["alone", "joined", "parallel"]


def weights(kind, *shape, scale=0.006):
    if kind == "float":
        return operand(T.FLOAT32, shape, value=RNG.uniform(-0.5, 0.5, shape))
    return operand(T.INT8, shape, scale, value=RNG.integers(-127, 128, shape))


def lstm(kind, outer, time_major, n_cells, mode, **parts):
    """48 operands; the auxiliary input has 11 numbers where it joins the input."""
    batches, n_input = outer[1 if time_major else 0], 23
    aux = 11 if mode == "joined" else n_input
    cells = [cell(kind, batches, n_input, n_cell, n_cell, seed=number, **parts) for number, n_cell in enumerate(n_cells)]
    inputs = [operand(T.FLOAT32, (*outer, n_input))]
    for names in (CELL_OPERANDS[1:18], CELL_OPERANDS[18:20]):
        inputs += [found.get(name) for found in cells for name in names]
    inputs.append(None if mode == "alone" else operand(T.FLOAT32, (*outer, aux)))
    for found, n_cell in zip(cells, n_cells):
        there = [mode == "joined" and f"input_to_{gate}_weights" in found for gate in GATES]
        inputs += [weights(kind, n_cell, aux) if present else None for present in there]
    return inputs


@pytest.mark.parametrize(("kind", "asymmetric"), KINDS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("outer", "time_major", "merge"), [((4, 3), True, True), ((4, 3), True, False), ((3, 4), False, False), ((1, 4), False, True)]
)
def test_lstm(kind, asymmetric, mode, outer, time_major, merge):
    options = BidirectionalSequenceLSTMOptions(
        fused_activation_function=A.TANH, merge_outputs=merge, time_major=time_major, asymmetric_quantize_inputs=asymmetric
    )
    inputs = lstm(kind, outer, time_major, (9, 9), mode)
    check_runs(BIDIRECTIONAL_SEQUENCE_LSTM, options, inputs, [result(T.FLOAT32)] * (1 if merge else 2), low=-0.5, high=1.0)


@pytest.mark.parametrize("parts", [{"coupled": True}, {"peephole": True}, {"projected": True, "biased": True}])
@pytest.mark.parametrize("kind", ["float", "hybrid"])
def test_kinds_of_cells(kind, parts):
    options = BidirectionalSequenceLSTMOptions(fused_activation_function=A.TANH, time_major=True, cell_clip=3.0)
    check_runs(BIDIRECTIONAL_SEQUENCE_LSTM, options, lstm(kind, (4, 2), True, (9, 9), "alone", **parts), [result(T.FLOAT32)] * 2)


def rnn(kind, outer, time_major, units, mode):
    batches, n_input = outer[1 if time_major else 0], 23
    aux = n_input
    inputs = [operand(T.FLOAT32, (*outer, n_input))]
    for count in units:
        bias = operand(T.FLOAT32, (count,), value=RNG.uniform(-1, 1, count))
        inputs += [weights(kind, count, n_input), weights(kind, count, count, scale=0.003), bias, variable(T.FLOAT32, (batches, count))]
    inputs.append(None if mode == "alone" else operand(T.FLOAT32, (*outer, aux)))
    return inputs + [weights(kind, count, aux) if mode == "joined" else None for count in units]


@pytest.mark.parametrize(
    ("kind", "asymmetric", "mode"), [*(("float", False, mode) for mode in MODES), *((*kind, "alone") for kind in KINDS[1:])]
)
@pytest.mark.parametrize("time_major", [False, True])
@pytest.mark.parametrize("merge", [False, True])
def test_rnn(kind, asymmetric, mode, time_major, merge):
    if kind == "hybrid" and time_major:
        pytest.skip("LiteRT reads foreign memory, and crashes at times")
    options = BidirectionalSequenceRNNOptions(
        fused_activation_function=A.TANH, merge_outputs=merge, time_major=time_major, asymmetric_quantize_inputs=asymmetric
    )
    inputs = rnn(kind, (4, 3), time_major, (9, 6), mode)
    check_runs(BIDIRECTIONAL_SEQUENCE_RNN, options, inputs, [result(T.FLOAT32)] * (1 if merge else 2), low=-0.1, high=0.4)


def found(spec, options, inputs):
    return infer(Call(spec, options, tuple(None if item is None else item.info(index) for index, item in enumerate(inputs))))


@pytest.mark.parametrize(
    ("place", "other", "message"),
    [
        (9, operand(T.FLOAT32, (4, 2, 23)), "'aux_input' of shape"),
        (9, None, "an auxiliary input with its weights"),
        (10, None, "auxiliary weights of both directions or none"),
        (11, operand(T.FLOAT32, (6, 24)), "'bw_aux_input_weights' of shape"),
        (5, operand(T.FLOAT32, (6, 22)), "'bw_input_weights' of shape"),
    ],
)
def test_broken_rnns_are_refused(place, other, message):
    inputs = rnn("float", (4, 3), True, (9, 6), "joined")
    inputs[place] = other
    with pytest.raises(InvalidModelError, match=message):
        found(BIDIRECTIONAL_SEQUENCE_RNN, BidirectionalSequenceRNNOptions(time_major=True), inputs)


@pytest.mark.parametrize(
    ("place", "other", "message"),
    [
        (39, operand(T.FLOAT32, (4, 2, 11)), "'aux_input' of shape"),
        (39, None, "an auxiliary input with its weights"),
        (41, None, "auxiliary weights of the forget gate"),
        (46, operand(T.FLOAT32, (6, 12)), "auxiliary weights of type FLOAT32 and shape"),
        (36, operand(T.FLOAT32, (3, 9)), "that is a variable"),
    ],
)
def test_broken_lstms_are_refused(place, other, message):
    inputs = lstm("float", (4, 3), True, (9, 6), "joined")
    inputs[place] = other
    with pytest.raises(InvalidModelError, match=message):
        found(BIDIRECTIONAL_SEQUENCE_LSTM, BidirectionalSequenceLSTMOptions(time_major=True), inputs)


def test_integers_are_not_supported():
    inputs = lstm("float", (4, 3), True, (9, 6), "alone")
    inputs[0] = operand(T.INT16, (4, 3, 23), 0.1)
    with pytest.raises(UnsupportedError, match="inputs of type FLOAT32"):
        found(BIDIRECTIONAL_SEQUENCE_LSTM, BidirectionalSequenceLSTMOptions(time_major=True), inputs)


def test_auxiliary_inputs_meet_float_weights():
    with pytest.raises(UnsupportedError, match="auxiliary inputs with weights of type FLOAT32 are supported, found INT8"):
        found(BIDIRECTIONAL_SEQUENCE_RNN, BidirectionalSequenceRNNOptions(), rnn("hybrid", (4, 3), False, (9, 6), "joined"))
