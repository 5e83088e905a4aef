"""EMBEDDING_LOOKUP and EMBEDDING_LOOKUP_SPARSE: rows of a table by number. Row numbers are checked while they run."""

from jitlite.schemas.ops.operands import bounded, require_rank, require_shape, require_type, vector
from jitlite.schemas.ops.quantized import block_size
from jitlite.schemas.ops.spec import Call, OpSpec, Shape, define
from jitlite.schemas.tables import BuiltinOperator, EmbeddingLookupSparseOptions, TensorType

_T = TensorType
HYBRID_TABLES = (_T.UINT8, _T.INT8, _T.INT4, _T.INT2)
HYBRID_RESULTS = (_T.FLOAT32, _T.FLOAT16)


def is_hybrid(call: Call) -> bool:
    """True where a quantized table gives floats."""
    result = call.outputs[0].type if call.outputs else call.input(1).type
    return result is not call.input(1).type and result in HYBRID_RESULTS


def _looked_up(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, (_T.INT32,))
    require_rank(call, 0, 1, 1)
    table = call.input(1)
    require_rank(call, 1, 2, max(2, table.rank))
    shape = bounded(call, (call.input(0).shape[0], *table.shape[1:]))
    if not is_hybrid(call):
        return [(shape, table.type)]
    require_type(call, 1, HYBRID_TABLES)
    result = call.outputs[0].type
    if block_size(call, "value", table) is not None:
        return [(shape, result)]
    call.require(table.is_quantized, f"a quantized table is required for results of type {result.name}, found one without a scale")
    assert table.quantization is not None
    scales, zero_points = table.quantization.scale, table.quantization.zero_point
    call.require(
        result is not _T.FLOAT32 or not zero_points or zero_points[0] == 0,
        f"a table with zero point 0 is required, found {zero_points[:1]}",
    )
    if len(scales) > 1:
        axis = table.quantization.quantized_dimension
        call.require(axis == 0, f"a table quantized along dimension 0 is required, found {axis}")
        call.require(len(scales) == table.shape[0], f"{table.shape[0]} scales are required, found {len(scales)}")
    return [(shape, result)]


def _lookup_version(call: Call) -> int:
    table = call.input(1)
    if table.type is _T.INT2:
        return 5
    is_per_row = table.quantization is not None and len(table.quantization.scale) > 1
    return 4 if is_per_row or table.type is _T.INT4 else 1


def _combined(call: Call) -> list[tuple[Shape, TensorType]]:
    for index, (type, rank) in enumerate(((_T.INT32, 1), (_T.INT32, 2), (_T.INT32, 1), (_T.FLOAT32, 1))):
        require_type(call, index, (type,))
        require_rank(call, index, rank, rank)
    require_type(call, 4, (_T.FLOAT32,))
    table = call.input(4)
    require_rank(call, 4, 2, max(2, table.rank))
    count, rank = call.input(1).shape
    require_shape(call, 0, (count,))
    require_shape(call, 3, (count,))
    call.require(rank > 0, "indices of at least one dimension are required, found none")
    shape = vector(call, 2, rank, (_T.INT32,))
    return [(bounded(call, (*shape[:-1], *table.shape[1:])), _T.FLOAT32)]


EMBEDDING_LOOKUP = define(
    OpSpec(
        "EMBEDDING_LOOKUP",
        BuiltinOperator.EMBEDDING_LOOKUP,
        inputs=("lookup", "value"),
        infer=_looked_up,
        version=_lookup_version,
        max_version=5,
    )
)

EMBEDDING_LOOKUP_SPARSE = define(
    OpSpec(
        "EMBEDDING_LOOKUP_SPARSE",
        BuiltinOperator.EMBEDDING_LOOKUP_SPARSE,
        inputs=("ids", "indices", "dense_shape", "weights", "value"),
        infer=_combined,
        options=EmbeddingLookupSparseOptions,
        options_optional=True,
    )
)
