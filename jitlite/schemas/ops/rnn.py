"""Simple recurrent operators: RNN, UNIDIRECTIONAL_SEQUENCE_RNN and SVDF."""

from typing import NamedTuple

from jitlite.schemas.ops.operands import require_rank, require_shape, require_type
from jitlite.schemas.ops.spec import Call, OpSpec, Shape, define
from jitlite.schemas.tables import BuiltinOperator, RNNOptions, SequenceRNNOptions, SVDFOptions, TensorType

_WEIGHTS = (TensorType.FLOAT32, TensorType.INT8, TensorType.UINT8)
_OPERANDS = ("input", "input_weights", "recurrent_weights", "bias", "hidden_state")


class RnnSizes(NamedTuple):
    """Sizes of an RNN's vectors."""

    batches: int
    steps: int
    n_input: int
    n_units: int


def rnn_sizes(call: Call, x: int = 0, first: int = 1) -> RnnSizes:
    """The sizes of an RNN, after checking that its operands fit together: `x` is its input, `first` its first weight."""
    given, time_major = call.input(x), getattr(call.options, "time_major", False)
    require_type(call, x, (TensorType.FLOAT32,))
    require_type(call, first, _WEIGHTS)
    require_rank(call, first, 2, 2)
    n_units, n_input = call.input(first).shape[0], given.shape[-1]
    steps, batches = (1, given.shape[0]) if given.rank == 2 else given.shape[:2] if time_major else (given.shape[1], given.shape[0])
    require_shape(call, first, (n_units, n_input))
    require_type(call, first + 1, (call.input(first).type,))
    require_shape(call, first + 1, (n_units, n_units))
    require_type(call, first + 2, (TensorType.FLOAT32,))
    require_shape(call, first + 2, (n_units,))
    require_state(call, first + 3, (batches, n_units), TensorType.FLOAT32)
    return RnnSizes(batches, steps, n_input, n_units)


def require_state(call: Call, index: int, shape: Shape, type: TensorType) -> None:
    """The operand is a variable of this shape and type."""
    name = call.spec.operand_name(index)
    call.require(call.input(index).is_variable, f"operand '{name}' that is a variable is required, found one that is not")
    require_type(call, index, (type,))
    require_shape(call, index, shape)


def _rnn(call: Call) -> list[tuple[Shape, TensorType]]:
    require_rank(call, 0, 2, 2)
    sizes = rnn_sizes(call)
    return [((sizes.batches, sizes.n_units), TensorType.FLOAT32)]


def _sequence(call: Call) -> list[tuple[Shape, TensorType]]:
    require_rank(call, 0, 3, 3)
    sizes = rnn_sizes(call)
    return [((*call.input(0).shape[:2], sizes.n_units), TensorType.FLOAT32)]


def _rnn_version(call: Call) -> int:
    if call.input(1).type is TensorType.FLOAT32:
        return 1
    return 3 if call.options.asymmetric_quantize_inputs else 2


class SvdfSizes(NamedTuple):
    """Sizes of an SVDF: each unit has `rank` filters, each with a memory of so many steps."""

    batches: int
    n_input: int
    n_units: int
    rank: int
    memory: int


def svdf_sizes(call: Call) -> SvdfSizes:
    """The sizes of an SVDF, after checking that its operands fit together."""
    require_type(call, 0, (TensorType.FLOAT32, TensorType.INT8))
    for index in (0, 1, 2):
        require_rank(call, index, 2, 2)
    is_integer, rank = call.input(0).type is TensorType.INT8, call.options.rank
    (batches, n_input), (filters, _), (_, memory) = (call.input(index).shape for index in (0, 1, 2))
    call.require(rank > 0, f"a rank above 0 is required, found {rank}")
    call.require(filters % rank == 0, f"filters that {rank} divides are required, found {filters}")
    call.require(memory > 0, f"a memory of at least 1 is required, found {memory}")
    require_type(call, 1, (TensorType.INT8,) if is_integer else _WEIGHTS)
    require_shape(call, 1, (filters, n_input))
    require_type(call, 2, (TensorType.INT16,) if is_integer else (call.input(1).type,))
    require_shape(call, 2, (filters, memory))
    if call.optional_input(3) is not None:
        require_type(call, 3, (TensorType.INT32 if is_integer else TensorType.FLOAT32,))
        require_shape(call, 3, (filters // rank,))
    require_state(call, 4, (batches, memory * filters), TensorType.INT16 if is_integer else TensorType.FLOAT32)
    return SvdfSizes(batches, n_input, filters // rank, rank, memory)


def _svdf(call: Call) -> list[tuple[Shape, TensorType]]:
    sizes = svdf_sizes(call)
    return [((sizes.batches, sizes.n_units), call.input(0).type)]


def _svdf_version(call: Call) -> int:
    if call.input(0).type is TensorType.INT8:
        return 3
    if call.input(1).type is TensorType.FLOAT32:
        return 1
    return 4 if call.options.asymmetric_quantize_inputs else 2


RNN = define(
    OpSpec("RNN", BuiltinOperator.RNN, inputs=_OPERANDS, infer=_rnn, options=RNNOptions, version=_rnn_version, max_version=3),
)

UNIDIRECTIONAL_SEQUENCE_RNN = define(
    OpSpec(
        "UNIDIRECTIONAL_SEQUENCE_RNN",
        BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_RNN,
        inputs=_OPERANDS,
        infer=_sequence,
        options=SequenceRNNOptions,
        version=_rnn_version,
        max_version=3,
    )
)

SVDF = define(
    OpSpec(
        "SVDF",
        BuiltinOperator.SVDF,
        inputs=("input", "weights_feature", "weights_time", "bias?", "state"),
        infer=_svdf,
        options=SVDFOptions,
        version=_svdf_version,
        max_version=4,
    )
)
