"""ONNX operators as TFLite operators, one module a family; importing this package fills `registry.LOWERINGS`."""

from jitlite.converter.lowerings import (
    activation,
    comparison,
    conv,
    conversion,
    einsum,
    elementwise,
    integer,
    matmul,
    normalization,
    pool,
    quantize,
    recurrent,
    reduce,
    reshape,
    resize,
    slice,  # noqa: A004 - the family's name
)

__all__ = [
    "activation",
    "comparison",
    "conv",
    "conversion",
    "einsum",
    "elementwise",
    "integer",
    "matmul",
    "normalization",
    "pool",
    "quantize",
    "recurrent",
    "reduce",
    "reshape",
    "resize",
    "slice",
]
