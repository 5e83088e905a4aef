"""Hash tables that outlive a run (HASHTABLE and its three operators), and HASHTABLE_LOOKUP, which looks in a sorted vector of keys.

A table maps INT64 to STRING or STRING to INT64. Its handle is the number the file gives it, known while planning.
"""

from jitlite.schemas.ops.operands import bounded, require_rank, require_shape, require_type
from jitlite.schemas.ops.spec import Call, OpSpec, Shape, define
from jitlite.schemas.tables import (
    BuiltinOperator,
    HashtableFindOptions,
    HashtableImportOptions,
    HashtableOptions,
    HashtableSizeOptions,
    TensorType,
)

_T = TensorType
_KINDS = ((_T.INT64, _T.STRING), (_T.STRING, _T.INT64))


def _require_kinds(call: Call, key: TensorType, value: TensorType) -> None:
    found = f"{key.name} and {value.name}"
    call.require((key, value) in _KINDS, f"keys and values of types INT64 and STRING or STRING and INT64 are required, found {found}")


def _created(call: Call) -> list[tuple[Shape, TensorType]]:
    _require_kinds(call, call.options.key_dtype, call.options.value_dtype)
    return [((1,), _T.RESOURCE)]


def table_of(call: Call) -> int:
    """The number of the table an operator got as its first operand."""
    require_type(call, 0, (_T.RESOURCE,))
    require_shape(call, 0, (1,))
    value = call.input(0).value
    if value is None:
        raise call.unsupported("a handle that is known before the first run is supported, found one that is not")
    return int(value.reshape(-1)[0])


def _imported(call: Call) -> list[tuple[Shape, TensorType]]:
    table_of(call)
    keys, values = call.input(1), call.input(2)
    _require_kinds(call, keys.type, values.type)
    call.require(keys.shape == values.shape, f"keys and values of one shape are required, found {keys.shape} and {values.shape}")
    return []


def _found(call: Call) -> list[tuple[Shape, TensorType]]:
    table_of(call)
    keys, default = call.input(1), call.input(2)
    _require_kinds(call, keys.type, default.type)
    call.require(default.size > 0, f"a default value is required, found shape {default.shape}")
    return [(keys.shape, default.type)]


def _counted(call: Call) -> list[tuple[Shape, TensorType]]:
    table_of(call)
    return [((1,), _T.INT64)]


def _looked_up(call: Call) -> list[tuple[Shape, TensorType]]:
    for index in (0, 1):
        require_type(call, index, (_T.INT32,))
        require_rank(call, index, 1, 1)
    lookup, keys, values = call.input(0), call.input(1), call.input(2)
    require_rank(call, 2, 1, 1 if values.type is _T.STRING else max(1, values.rank))
    call.require(keys.shape[0] == values.shape[0], f"one value a key is required, found {keys.shape[0]} keys and shape {values.shape}")
    call.require(values.shape[0] > 0, f"values with at least one row are required, found shape {values.shape}")
    return [(bounded(call, (*lookup.shape, *values.shape[1:])), values.type), (lookup.shape, _T.UINT8)]


HASHTABLE = define(
    OpSpec("HASHTABLE", BuiltinOperator.HASHTABLE, inputs=(), infer=_created, options=HashtableOptions, is_bound=False),
)

HASHTABLE_IMPORT = define(
    OpSpec(
        "HASHTABLE_IMPORT",
        BuiltinOperator.HASHTABLE_IMPORT,
        inputs=("table", "keys", "values"),
        infer=_imported,
        outputs=(),
        options=HashtableImportOptions,
        is_bound=False,
    )
)

HASHTABLE_FIND = define(
    OpSpec(
        "HASHTABLE_FIND",
        BuiltinOperator.HASHTABLE_FIND,
        inputs=("table", "keys", "default"),
        infer=_found,
        options=HashtableFindOptions,
        is_bound=False,
    )
)

HASHTABLE_SIZE = define(
    OpSpec(
        "HASHTABLE_SIZE",
        BuiltinOperator.HASHTABLE_SIZE,
        inputs=("table",),
        infer=_counted,
        options=HashtableSizeOptions,
        is_bound=False,
    )
)

HASHTABLE_LOOKUP = define(
    OpSpec(
        "HASHTABLE_LOOKUP",
        BuiltinOperator.HASHTABLE_LOOKUP,
        inputs=("lookup", "keys", "values"),
        infer=_looked_up,
        outputs=("output", "hits"),
    )
)
