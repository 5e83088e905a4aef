"""Element types for which an operator's specification says nothing and yet a runtime has no kernel: LiteRT's, or the interpreter's.

The lowerings meet these as operators that refuse their operands, and compute in another type (see `lowerings.widening`).
"""

from collections.abc import Sequence

from jitlite.schemas.errors import UnsupportedError
from jitlite.schemas.ops.concat import CONCATENATION, SPLIT, SPLIT_V
from jitlite.schemas.ops.gather import GATHER, GATHER_ND, ONE_HOT, TOPK_V2
from jitlite.schemas.ops.pad import PAD, PADV2
from jitlite.schemas.ops.reduce import ARG_MAX, ARG_MIN, MEAN, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD, SUM
from jitlite.schemas.ops.slice import REVERSE_V2
from jitlite.schemas.ops.spec import OpSpec, TensorInfo
from jitlite.schemas.tables import TensorType as T

_WIDE = frozenset({T.FLOAT64, T.UINT16, T.UINT32, T.UINT64})
_SHORT = frozenset({T.FLOAT16, T.BFLOAT16})
_SUMMED = frozenset({T.BOOL, T.INT8, T.UINT8, T.INT16})

LACKING: dict[OpSpec, tuple[int, frozenset[T]]] = {
    GATHER: (0, _WIDE),
    GATHER_ND: (0, _WIDE),
    REVERSE_V2: (0, _WIDE),
    PAD: (0, _WIDE),
    PADV2: (0, _WIDE),
    CONCATENATION: (0, frozenset({T.FLOAT64, T.UINT16, T.UINT64})),
    SPLIT: (1, _WIDE | _SHORT | {T.BOOL}),
    SPLIT_V: (0, _WIDE | _SHORT | {T.BOOL}),
    TOPK_V2: (0, _WIDE | _SHORT | {T.BOOL}),
    ONE_HOT: (2, _WIDE | _SHORT | {T.INT16}),
    ARG_MAX: (0, _WIDE | _SHORT | {T.INT16, T.INT64}),
    ARG_MIN: (0, _WIDE | _SHORT | {T.INT16, T.INT64}),
    REDUCE_MAX: (0, frozenset({T.BOOL})),
    REDUCE_MIN: (0, frozenset({T.BOOL})),
    REDUCE_PROD: (0, _SUMMED),
    SUM: (0, _SUMMED),
    MEAN: (0, _SUMMED),
}
"""By operator: the operand that decides, and the types of it that lack a kernel unless the operand is quantized."""


def require_kernel(spec: OpSpec, operands: Sequence[TensorInfo | None], where: str) -> None:
    """UnsupportedError where no kernel runs the operator on these operands."""
    index, lacking = LACKING.get(spec, (0, frozenset()))
    info = operands[index] if index < len(operands) else None
    if info is not None and info.type in lacking and not info.is_quantized:
        raise UnsupportedError(f"{spec.name} of '{where}': a type that runtimes have a kernel for is required, found {info.type.name}")
