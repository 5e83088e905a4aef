"""Operators that rescale real numbers: LOCAL_RESPONSE_NORMALIZATION by their neighbours, FAKE_QUANT to what integers would hold."""

import math

from jitlite.schemas.ops.operands import require_rank, require_type
from jitlite.schemas.ops.spec import Call, OpSpec, Shape, define
from jitlite.schemas.tables import BuiltinOperator, FakeQuantOptions, LocalResponseNormalizationOptions, TensorType

MOST_BITS = 16
"""Bits of the integers FAKE_QUANT imitates."""


def _local_response(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, (TensorType.FLOAT32,))
    require_rank(call, 0, 4, 4)
    return [(call.input(0).shape, TensorType.FLOAT32)]


LOCAL_RESPONSE_NORMALIZATION = define(
    OpSpec(
        "LOCAL_RESPONSE_NORMALIZATION",
        BuiltinOperator.LOCAL_RESPONSE_NORMALIZATION,
        inputs=("input",),
        infer=_local_response,
        options=LocalResponseNormalizationOptions,
    )
)


def _fake_quantized(call: Call) -> list[tuple[Shape, TensorType]]:
    require_type(call, 0, (TensorType.FLOAT32,))
    options = call.options
    call.require(1 <= options.num_bits <= MOST_BITS, f"1 to {MOST_BITS} bits are required, found {options.num_bits}")
    finite = math.isfinite(options.min) and math.isfinite(options.max)
    call.require(finite and options.min < options.max, f"finite bounds, min < max, are required, found {options.min}, {options.max}")
    if options.narrow_range:
        raise call.unsupported("a full range is supported, found narrow_range")
    return [(call.input(0).shape, TensorType.FLOAT32)]


FAKE_QUANT = define(
    OpSpec(
        "FAKE_QUANT",
        BuiltinOperator.FAKE_QUANT,
        inputs=("input",),
        infer=_fake_quantized,
        options=FakeQuantOptions,
        version=lambda call: 2 if call.options.narrow_range else 1,
        max_version=2,
    )
)
