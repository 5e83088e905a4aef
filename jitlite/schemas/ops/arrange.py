"""Operators that put elements elsewhere or make new ones of them: REVERSE_SEQUENCE, diagonals, ZEROS_LIKE, BUCKETIZE, BROADCAST_ARGS."""

from itertools import pairwise

from jitlite.schemas.ops.operands import bounded, require_rank, require_same_type, require_shape, require_type
from jitlite.schemas.ops.spec import Call, OpSpec, Shape, define
from jitlite.schemas.tables import (
    BucketizeOptions,
    BuiltinOperator,
    MatrixDiagOptions,
    MatrixSetDiagOptions,
    ReverseSequenceOptions,
    TensorType,
    ZerosLikeOptions,
)

_T = TensorType
_INDEX_TYPES = (_T.INT32, _T.INT64)
_REVERSED = (_T.FLOAT32, _T.UINT8, _T.INT16, _T.INT32, _T.INT64)
_DIAGONALS = (_T.FLOAT32, _T.UINT8, _T.INT8, _T.INT16, _T.INT32, _T.INT64)
_ZEROS = (_T.FLOAT32, _T.INT32, _T.INT64)
_SORTED = (_T.FLOAT32, _T.FLOAT64, _T.INT32, _T.INT64)


def _reversed(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, _REVERSED)
    require_type(call, 1, _INDEX_TYPES)
    x, seq, batch = call.input(0), call.options.seq_dim, call.options.batch_dim
    fits = seq != batch and 0 <= seq < x.rank and 0 <= batch < x.rank
    call.require(fits, f"seq_dim and batch_dim, two dimensions of {x.rank}, are required, found {seq} and {batch}")
    require_shape(call, 1, (x.shape[batch],))
    return [(x.shape, x.type)]


def _diagonal(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, _DIAGONALS)
    x = call.input(0)
    require_rank(call, 0, 1, max(1, x.rank))
    return [(bounded(call, (*x.shape, x.shape[-1])), x.type)]


def _with_diagonal(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, _DIAGONALS)
    require_same_type(call, 0, 1)
    x = call.input(0)
    require_rank(call, 0, 2, max(2, x.rank))
    require_shape(call, 1, (*x.shape[:-2], min(x.shape[-2:])))
    return [(x.shape, x.type)]


def _zeros(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, _ZEROS)
    return [(call.input(0).shape, call.input(0).type)]


def _buckets(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, _SORTED)
    is_sorted = all(lower <= upper for lower, upper in pairwise(call.options.boundaries))
    call.require(is_sorted, "sorted boundaries are required, found others")
    return [(call.input(0).shape, _T.INT32)]


def _broadcast(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, _INDEX_TYPES)
    require_same_type(call, 0, 1)
    for index in (0, 1):
        require_rank(call, index, 1, 1)
    return [((max(call.input(0).shape[0], call.input(1).shape[0]),), call.input(0).type)]


REVERSE_SEQUENCE = define(
    OpSpec(
        "REVERSE_SEQUENCE",
        BuiltinOperator.REVERSE_SEQUENCE,
        inputs=("input", "seq_lengths"),
        infer=_reversed,
        options=ReverseSequenceOptions,
    )
)

MATRIX_DIAG = define(OpSpec("MATRIX_DIAG", BuiltinOperator.MATRIX_DIAG, inputs=("diagonal",), infer=_diagonal, options=MatrixDiagOptions))

MATRIX_SET_DIAG = define(
    OpSpec(
        "MATRIX_SET_DIAG",
        BuiltinOperator.MATRIX_SET_DIAG,
        inputs=("input", "diagonal"),
        infer=_with_diagonal,
        options=MatrixSetDiagOptions,
    )
)

ZEROS_LIKE = define(OpSpec("ZEROS_LIKE", BuiltinOperator.ZEROS_LIKE, inputs=("input",), infer=_zeros, options=ZerosLikeOptions))

BUCKETIZE = define(OpSpec("BUCKETIZE", BuiltinOperator.BUCKETIZE, inputs=("input",), infer=_buckets, options=BucketizeOptions))

BROADCAST_ARGS = define(OpSpec("BROADCAST_ARGS", BuiltinOperator.BROADCAST_ARGS, inputs=("s0", "s1"), infer=_broadcast))
