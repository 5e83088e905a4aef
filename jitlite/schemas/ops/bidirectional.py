"""Recurrent operators that read a sequence in both directions: BIDIRECTIONAL_SEQUENCE_LSTM and BIDIRECTIONAL_SEQUENCE_RNN.

An auxiliary input with weights joins the input of both cells; without weights it is the input of the backward cell.
"""

from typing import NamedTuple

from jitlite.schemas.ops.lstm import CELL_OPERANDS, GATES, OPERANDS, LstmSizes, check_clips, lstm_sizes
from jitlite.schemas.ops.operands import require_rank, require_shape, require_type
from jitlite.schemas.ops.rnn import RnnSizes, rnn_sizes
from jitlite.schemas.ops.spec import Call, OpSpec, Shape, TensorInfo, define
from jitlite.schemas.tables import BidirectionalSequenceLSTMOptions, BidirectionalSequenceRNNOptions, BuiltinOperator, TensorType

DIRECTIONS = ("fw", "bw")
_LSTM_OPERANDS = (
    "input",
    *(f"{direction}_{name}" for direction in DIRECTIONS for name in OPERANDS[1:18]),
    *(f"{direction}_{name}" for direction in DIRECTIONS for name in OPERANDS[18:20]),
    "aux_input?",
    *(f"{direction}_aux_input_to_{gate}_weights?" for direction in DIRECTIONS for gate in GATES),
)
_RNN_OPERANDS = (
    "input",
    *(f"{direction}_{name}" for direction in DIRECTIONS for name in ("input_weights", "recurrent_weights", "bias", "hidden_state")),
    "aux_input?",
    "fw_aux_input_weights?",
    "bw_aux_input_weights?",
)
_LSTM_AUX, _RNN_AUX = 39, 9


class LstmDirection(NamedTuple):
    """One direction's cell: its operands by name, the auxiliary input with its weights by name, and its sizes."""

    cell: dict[str, TensorInfo | None]
    aux: TensorInfo | None
    aux_weights: dict[str, TensorInfo | None]
    sizes: LstmSizes


def lstm_directions(call: Call) -> tuple[LstmDirection, LstmDirection]:
    """The forward and the backward cell, after checking that their operands fit together."""
    aux = call.optional_input(_LSTM_AUX)
    weights = [{f"aux_{gate}_weights": call.optional_input(40 + 4 * number + i) for i, gate in enumerate(GATES)} for number in (0, 1)]
    is_joined = any(found is not None for group in weights for found in group.values())
    call.require(aux is not None or not is_joined, "an auxiliary input with its weights is required, found none")
    found = []
    for number, group in enumerate(weights):
        cell: dict[str, TensorInfo | None] = dict.fromkeys(CELL_OPERANDS)
        cell |= {name: call.optional_input(17 * number + 1 + i) for i, name in enumerate(CELL_OPERANDS[1:18])}
        cell |= {name: call.input(35 + 2 * number + i) for i, name in enumerate(CELL_OPERANDS[18:20])}
        cell["input"] = aux if number and aux is not None and not is_joined else call.input(0)
        call.require(cell["input"] is not None and cell["input"].rank == 3, "inputs of rank 3 are required")
        sizes = lstm_sizes(call, cell, call.options.time_major)
        if sizes.is_integer:
            raise call.unsupported("inputs of type FLOAT32 are supported, found INT8")
        if is_joined:
            _check_aux(call, cell, group, sizes)
        found.append(LstmDirection(cell, aux if is_joined else None, group, sizes))
    first, second = found
    call.require(first.sizes[:2] == second.sizes[:2], f"as many batches and steps backwards are required, found {second.sizes[:2]}")
    return first, second


def _check_aux(call: Call, cell: dict[str, TensorInfo | None], group: dict[str, TensorInfo | None], s: LstmSizes) -> None:
    """An auxiliary input is as long as the input; its weights are there for each gate and have the others' type."""
    aux, weights = call.input(_LSTM_AUX), cell["input_to_output_weights"]
    assert weights is not None
    require_type(call, _LSTM_AUX, (TensorType.FLOAT32,))
    require_shape(call, _LSTM_AUX, (*call.input(0).shape[:2], aux.shape[-1] if aux.rank else 0))
    for gate in GATES:
        found, has_gate = group[f"aux_{gate}_weights"], cell[f"input_to_{gate}_weights"] is not None
        call.require((found is not None) == has_gate, f"auxiliary weights of the {gate} gate with its others are required")
        fits = found is None or (found.shape, found.type) == ((s.n_cell, aux.shape[-1]), weights.type)
        call.require(fits, f"auxiliary weights of type {weights.type.name} and shape {(s.n_cell, aux.shape[-1])} are required")


def _merged(call: Call, forward: int, backward: int) -> list[tuple[Shape, TensorType]]:
    outer = call.input(0).shape[:2]
    if call.options.merge_outputs:
        return [((*outer, forward + backward), TensorType.FLOAT32)]
    return [((*outer, forward), TensorType.FLOAT32), ((*outer, backward), TensorType.FLOAT32)]


def _lstm(call: Call) -> list[tuple[Shape, TensorType]]:
    check_clips(call)
    require_rank(call, 0, 3, 3)
    call.require(len(call.inputs) == 48, f"48 operands are required, found {len(call.inputs)}")
    forward, backward = lstm_directions(call)
    return _merged(call, forward.sizes.n_output, backward.sizes.n_output)


class RnnDirection(NamedTuple):
    """One direction's cell: its input, the auxiliary input and its weights, the place of its first weight, and its sizes."""

    x: TensorInfo
    aux: TensorInfo | None
    aux_weights: TensorInfo | None
    first: int
    sizes: RnnSizes


def rnn_directions(call: Call) -> tuple[RnnDirection, RnnDirection]:
    """The forward and the backward cell, after checking that their operands fit together."""
    aux, weights = call.optional_input(_RNN_AUX), [call.optional_input(_RNN_AUX + 1 + number) for number in (0, 1)]
    is_joined = weights[0] is not None
    call.require(is_joined == (weights[1] is not None), "auxiliary weights of both directions or none are required, found one")
    call.require(aux is not None or not is_joined, "an auxiliary input with its weights is required, found none")
    if aux is not None and call.input(1).type is not TensorType.FLOAT32:
        raise call.unsupported(f"auxiliary inputs with weights of type FLOAT32 are supported, found {call.input(1).type.name}")
    found = []
    for number, own in enumerate(weights):
        # The reference hands the auxiliary input to the backward cell in time-major order only.
        is_parallel = number == 1 and aux is not None and not is_joined and call.options.time_major
        x, first = _RNN_AUX if is_parallel else 0, 1 + 4 * number
        require_rank(call, x, 3, 3)
        sizes = rnn_sizes(call, x, first)
        if aux is not None and own is not None:
            require_type(call, _RNN_AUX, (TensorType.FLOAT32,))
            require_shape(call, _RNN_AUX, (*call.input(0).shape[:2], aux.shape[-1] if aux.rank else 0))
            require_type(call, _RNN_AUX + 1 + number, (call.input(first).type,))
            require_shape(call, _RNN_AUX + 1 + number, (sizes.n_units, aux.shape[-1]))
        found.append(RnnDirection(call.input(x), aux if is_joined else None, own, first, sizes))
    forward, backward = found
    call.require(forward.sizes[:2] == backward.sizes[:2], f"as many batches and steps backwards are required, found {backward.sizes[:2]}")
    return forward, backward


def _rnn(call: Call) -> list[tuple[Shape, TensorType]]:
    require_rank(call, 0, 3, 3)
    call.require(len(call.inputs) == 12, f"12 operands are required, found {len(call.inputs)}")
    forward, backward = rnn_directions(call)
    return _merged(call, forward.sizes.n_units, backward.sizes.n_units)


def _version(call: Call) -> int:
    weights = call.input(4 if call.spec is BIDIRECTIONAL_SEQUENCE_LSTM else 1)
    if weights.type is TensorType.FLOAT32:
        return 1
    return 3 if call.options.asymmetric_quantize_inputs else 2


BIDIRECTIONAL_SEQUENCE_LSTM = define(
    OpSpec(
        "BIDIRECTIONAL_SEQUENCE_LSTM",
        BuiltinOperator.BIDIRECTIONAL_SEQUENCE_LSTM,
        inputs=_LSTM_OPERANDS,
        infer=_lstm,
        outputs=("results*",),
        options=BidirectionalSequenceLSTMOptions,
        version=_version,
        max_version=3,
    )
)

BIDIRECTIONAL_SEQUENCE_RNN = define(
    OpSpec(
        "BIDIRECTIONAL_SEQUENCE_RNN",
        BuiltinOperator.BIDIRECTIONAL_SEQUENCE_RNN,
        inputs=_RNN_OPERANDS,
        infer=_rnn,
        outputs=("results*",),
        options=BidirectionalSequenceRNNOptions,
        version=_version,
        max_version=3,
    )
)
