"""LSTM over one step or a sequence: UNIDIRECTIONAL_SEQUENCE_LSTM and LSTM, which has a kind with operands of its own."""

from typing import NamedTuple

from jitlite.schemas.ops.operands import INT32_MAX, require_rank, require_shape, require_type
from jitlite.schemas.ops.spec import Call, OpSpec, Shape, TensorInfo, define
from jitlite.schemas.tables import BuiltinOperator, LSTMKernelType, LSTMOptions, TensorType, UnidirectionalSequenceLSTMOptions

GATES = ("input", "forget", "cell", "output")
_PEEPHOLES = ("input", "forget", "output")
CELL_OPERANDS = (
    "input",
    *(f"input_to_{gate}_weights" for gate in GATES),
    *(f"recurrent_to_{gate}_weights" for gate in GATES),
    *(f"cell_to_{gate}_weights" for gate in _PEEPHOLES),
    *(f"{gate}_gate_bias" for gate in GATES),
    "projection_weights",
    "projection_bias",
    "output_state",
    "cell_state",
    *(f"{gate}_layer_norm" for gate in GATES),
)
_OPTIONAL = {
    *(f"{name}_weights" for name in ("input_to_input", "recurrent_to_input", "cell_to_input", "cell_to_forget", "cell_to_output")),
    *("input_gate_bias", "projection_weights", "projection_bias"),
    *(f"{gate}_layer_norm" for gate in GATES),
}
OPERANDS = tuple(name + "?" if name in _OPTIONAL else name for name in CELL_OPERANDS)
INTERMEDIATES = 5
"""Tensors that give the scales of results between: of the four gates and of the hidden state."""
_WEIGHT_BYTES = (TensorType.INT8, TensorType.UINT8)


class LstmSizes(NamedTuple):
    """Sizes of an LSTM's vectors, and its numbers: all float, float with 8-bit weights (hybrid), or integers."""

    batches: int
    steps: int
    n_input: int
    n_cell: int
    n_output: int
    is_hybrid: bool
    is_integer: bool


def lstm_cell(call: Call) -> dict[str, TensorInfo | None]:
    """The operands by name."""
    return {name: call.optional_input(index) for index, name in enumerate(CELL_OPERANDS)}


def lstm_sizes(call: Call, cell: dict[str, TensorInfo | None], time_major: bool) -> LstmSizes:
    """The sizes of a cell, after checking that its operands fit together."""
    x, weights, recurrent = cell["input"], cell["input_to_output_weights"], cell["recurrent_to_output_weights"]
    assert x is not None
    assert weights is not None
    assert recurrent is not None
    call.require(x.rank in (2, 3), f"an input of rank 2 or 3 is required, found {x.rank}")
    call.require(weights.rank == 2, f"input_to_output_weights of rank 2 are required, found {weights.rank}")
    call.require(recurrent.rank in (1, 2), f"recurrent_to_output_weights of rank 1 or 2 are required, found {recurrent.rank}")
    outer = (1, x.shape[0]) if x.rank == 2 else x.shape[:2] if time_major else (x.shape[1], x.shape[0])
    is_integer, is_hybrid = x.type is TensorType.INT8, x.type is TensorType.FLOAT32 and weights.type in _WEIGHT_BYTES
    sizes = LstmSizes(outer[1], outer[0], x.shape[-1], weights.shape[0], recurrent.shape[-1], is_hybrid, is_integer)
    call.require(min(sizes.n_cell, sizes.n_output) > 0, f"cells and outputs are required, found {sizes.n_cell} and {sizes.n_output}")
    if not is_integer and x.type is not TensorType.FLOAT32:
        raise call.unsupported(f"inputs of type FLOAT32 or INT8 are supported, found {x.type.name}")
    _check_weights(call, cell, sizes, weights.type)
    _check_vectors(call, cell, sizes)
    _check_presence(call, cell)
    _check_states(call, cell, sizes)
    return sizes


def _check(call: Call, name: str, found: TensorInfo | None, shapes: tuple[Shape, ...], types: tuple[TensorType, ...]) -> None:
    if found is None:
        return
    names = " or ".join(choice.name for choice in types)
    call.require(found.type in types, f"operand '{name}' of type {names} is required, found {found.type.name}")
    wanted = " or ".join(map(str, shapes))
    call.require(found.shape in shapes, f"operand '{name}' of shape {wanted} is required, found {found.shape}")


def _check_weights(call: Call, cell: dict[str, TensorInfo | None], s: LstmSizes, type: TensorType) -> None:
    wanted = TensorType.INT8 if s.is_integer else type if s.is_hybrid else TensorType.FLOAT32
    for gate in GATES:
        _check(call, f"input_to_{gate}_weights", cell[f"input_to_{gate}_weights"], ((s.n_cell, s.n_input),), (wanted,))
        name, found = f"recurrent_to_{gate}_weights", cell[f"recurrent_to_{gate}_weights"]
        if found is not None and found.rank == 1 and (s.is_hybrid or s.is_integer):
            raise call.unsupported(f"diagonal recurrent weights are supported for FLOAT32, found {wanted.name}")
        call.require(found is None or found.rank == 2 or s.n_output == s.n_cell, f"{s.n_cell} outputs are required, found {s.n_output}")
        _check(call, name, found, ((s.n_cell, s.n_output), (s.n_cell,)), (wanted,))
    _check(call, "projection_weights", cell["projection_weights"], ((s.n_output, s.n_cell),), (wanted,))
    for gate in _PEEPHOLES:
        name = f"cell_to_{gate}_weights"
        _check(call, name, cell[name], ((s.n_cell,),), (TensorType.INT16 if s.is_integer else wanted,))


def _check_vectors(call: Call, cell: dict[str, TensorInfo | None], s: LstmSizes) -> None:
    bias, factor = (TensorType.INT32, TensorType.INT16) if s.is_integer else (TensorType.FLOAT32, TensorType.FLOAT32)
    for gate in GATES:
        _check(call, f"{gate}_gate_bias", cell[f"{gate}_gate_bias"], ((s.n_cell,),), (bias,))
        _check(call, f"{gate}_layer_norm", cell[f"{gate}_layer_norm"], ((s.n_cell,),), (factor,))
    _check(call, "projection_bias", cell["projection_bias"], ((s.n_output,),), (bias,))


def _check_presence(call: Call, cell: dict[str, TensorInfo | None]) -> None:
    """Operands that come together or not at all."""
    is_there = {name: found is not None for name, found in cell.items()}
    coupled = not is_there["input_to_input_weights"]
    call.require(
        is_there["recurrent_to_input_weights"] is not coupled, "both or neither of the input gate's weights are required, found one"
    )
    call.require(is_there["input_gate_bias"] is not coupled, "an input gate's bias with its weights is required, and none without")
    peepholes = {is_there[f"cell_to_{gate}_weights"] for gate in _PEEPHOLES[coupled:]}
    call.require(len(peepholes) == 1, "peephole weights of all gates or none are required, found some")
    norms = {is_there[f"{gate}_layer_norm"] for gate in GATES[coupled:]}
    call.require(len(norms) == 1, "layer norm coefficients of all gates or none are required, found some")
    call.require(
        not (coupled and is_there["input_layer_norm"]), "no layer norm coefficients of an absent input gate are required, found some"
    )
    has_projection = is_there["projection_weights"]
    call.require(has_projection or not is_there["projection_bias"], "a projection's weights with its bias are required, found none")


def _check_states(call: Call, cell: dict[str, TensorInfo | None], s: LstmSizes) -> None:
    call.require(cell["projection_weights"] is not None or s.n_output == s.n_cell, f"{s.n_cell} outputs are required, found {s.n_output}")
    call.require(s.n_input * s.n_cell <= INT32_MAX, f"at most {INT32_MAX} weights are required, found {s.n_input * s.n_cell}")
    for name, width in (("output_state", s.n_output), ("cell_state", s.n_cell)):
        found = cell[name]
        assert found is not None
        call.require(found.is_variable, f"operand '{name}' that is a variable is required, found one that is not")
        size = s.batches * width
        call.require(found.size == size, f"operand '{name}' of {size} elements is required, found {found.size}")
        integer = TensorType.INT16 if name == "cell_state" else TensorType.INT8
        _check(call, name, found, (found.shape,), (integer if s.is_integer else TensorType.FLOAT32,))


def check_clips(call: Call) -> None:
    """Bounds of the state and of the projection are 0, for none, or more."""
    for name in ("cell_clip", "proj_clip"):
        value = getattr(call.options, name)
        call.require(value >= 0, f"{name} of at least 0 is required, found {value}")


def _sequence(call: Call) -> list[tuple[Shape, TensorType]]:
    check_clips(call)
    call.require(len(call.inputs) in (20, 24), f"20 or 24 operands are required, found {len(call.inputs)}")
    x = call.input(0)
    call.require(x.rank == 3, f"an input of rank 3 is required, found {x.rank}")
    sizes = lstm_sizes(call, lstm_cell(call), call.options.time_major)
    return [((*x.shape[:-1], sizes.n_output), x.type)]


def _sequence_version(call: Call) -> int:
    if getattr(call.options, "diagonal_recurrent_tensors", False):
        return 4
    if call.options.asymmetric_quantize_inputs:
        return 3
    return 2 if call.input(0).type is TensorType.FLOAT32 and call.input(4).type in _WEIGHT_BYTES else 1


UNIDIRECTIONAL_SEQUENCE_LSTM = define(
    OpSpec(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM,
        inputs=OPERANDS,
        infer=_sequence,
        options=UnidirectionalSequenceLSTMOptions,
        version=_sequence_version,
        max_version=4,
    )
)


class BasicSizes(NamedTuple):
    """Sizes of an LSTM of the basic kind."""

    batches: int
    n_input: int
    depth: int


_BASIC_FLOATS = (TensorType.FLOAT32,) * 5
_BASIC_BYTES = (TensorType.UINT8, TensorType.UINT8, TensorType.UINT8, TensorType.INT32, TensorType.INT16)


def basic_sizes(call: Call) -> BasicSizes:
    """The sizes of an LSTM of the basic kind, after checking its operands."""
    call.require(len(call.inputs) == 5, f"5 operands are required, found {len(call.inputs)}")
    require_rank(call, 0, 2, 2)
    require_rank(call, 1, 2, 2)
    (batches, n_input), depth = call.input(0).shape, call.input(1).shape[1]
    for index, type in enumerate(_BASIC_BYTES if call.input(0).type is TensorType.UINT8 else _BASIC_FLOATS):
        require_type(call, index, (type,))
    for index, shape in enumerate(((batches, depth), (4 * depth, n_input + depth), (4 * depth,), (batches, depth)), 1):
        require_shape(call, index, shape)
    return BasicSizes(batches, n_input, depth)


def _lstm(call: Call) -> list[tuple[Shape, TensorType]]:
    x = call.input(0)
    if call.options.kernel_type is LSTMKernelType.BASIC:
        s = basic_sizes(call)
        wide = TensorType.INT16 if x.type is TensorType.UINT8 else TensorType.FLOAT32
        outer, total = (s.batches, s.depth), s.n_input + s.depth
        return [(outer, x.type), (outer, wide), ((s.batches, total), x.type), ((s.batches, 4 * s.depth), wide)]
    check_clips(call)
    call.require(len(call.inputs) in (20, 24), f"20 or 24 operands are required, found {len(call.inputs)}")
    cell = lstm_cell(call)
    for name in CELL_OPERANDS:
        call.require(name in _OPTIONAL or cell[name] is not None, f"operand '{name}' is required, found none")
    call.require(x.rank == 2, f"an input of rank 2 is required, found {x.rank}")
    sizes = lstm_sizes(call, cell, False)
    return [((sizes.batches, sizes.n_output), x.type)]


def _lstm_version(call: Call) -> int:
    if call.options.kernel_type is LSTMKernelType.BASIC:
        return 2
    return (1, 3, 4)[_sequence_version(call) - 1]


LSTM = define(
    OpSpec(
        "LSTM",
        BuiltinOperator.LSTM,
        inputs=("input", *(f"{name}?" for name in CELL_OPERANDS[1:])),
        outputs=("results*",),
        infer=_lstm,
        options=LSTMOptions,
        version=_lstm_version,
        max_version=4,
    )
)
