"""Operators that make features of raw data: LSH_PROJECTION hashes the rows of any tensor, SKIP_GRAM makes word groups of a sentence."""

from math import prod

from jitlite.schemas.dtypes import is_packed
from jitlite.schemas.ops.operands import bounded, require_rank, require_shape, require_type
from jitlite.schemas.ops.spec import Call, OpSpec, Shape, define
from jitlite.schemas.tables import BuiltinOperator, LSHProjectionOptions, LSHProjectionType, SkipGramOptions, TensorType

_T = TensorType
_MOST_BITS = 32


def _projected(call: Call) -> list[tuple[Shape, TensorType]]:
    require_rank(call, 0, 2, 2)
    require_type(call, 0, (_T.FLOAT32,))
    seeds, x = call.input(0), call.input(1)
    call.require(seeds.shape[1] <= _MOST_BITS, f"at most {_MOST_BITS} bits a hash are required, found shape {seeds.shape}")
    require_rank(call, 1, 1, max(1, x.rank))
    call.require(not is_packed(x.type), f"an input whose elements are whole bytes is required, found {x.type.name}")
    call.require(x.shape[0] >= 1, f"an input with at least one row is required, found shape {x.shape}")
    if call.optional_input(2) is not None:
        require_type(call, 2, (_T.FLOAT32,))
        require_shape(call, 2, x.shape[:1])
    kind = call.options.type
    if kind is LSHProjectionType.SPARSE:
        return [(seeds.shape[:1], _T.INT32)]
    call.require(kind is LSHProjectionType.DENSE, f"a projection of type SPARSE or DENSE is required, found {kind.name}")
    return [(bounded(call, (prod(seeds.shape),)), _T.INT32)]


def _grams(call: Call) -> list[tuple[Shape, TensorType]]:
    """The declared shape; how many there are only a run shows."""
    require_type(call, 0, (_T.STRING,))
    call.require(call.input(0).size >= 1, f"a sentence is required, found shape {call.input(0).shape}")
    return [(call.outputs[0].shape if call.outputs else (), _T.STRING)]


LSH_PROJECTION = define(
    OpSpec(
        "LSH_PROJECTION",
        BuiltinOperator.LSH_PROJECTION,
        inputs=("hash", "input", "weight?"),
        infer=_projected,
        options=LSHProjectionOptions,
    )
)

SKIP_GRAM = define(
    OpSpec("SKIP_GRAM", BuiltinOperator.SKIP_GRAM, inputs=("input",), infer=_grams, options=SkipGramOptions, is_sized_by_run=True)
)
