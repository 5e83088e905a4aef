"""Rules of quantized operands: which types go together, which parameters an operator needs and of what count."""

from collections.abc import Mapping
from math import isfinite

import numpy as np

from jitlite.schemas.dtypes import BITS, INTEGER_RANGE
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.tables import BlockwiseQuantization, TensorType

QUANTIZED_TYPES = frozenset({TensorType.INT8, TensorType.UINT8, TensorType.INT16})
"""Types of quantized activations."""

WeightTypes = Mapping[tuple[TensorType, TensorType], tuple[TensorType, ...]]
"""(activation type, weight type) → bias types."""


def is_hybrid(x: TensorInfo, weight: TensorInfo) -> bool:
    """True for float activations with quantized weights."""
    return x.type == TensorType.FLOAT32 and weight.type != TensorType.FLOAT32


def is_per_channel(info: TensorInfo) -> bool:
    """True when a tensor has several scales."""
    return info.quantization is not None and len(info.quantization.scale) > 1


def check_types(call: Call, x: TensorInfo, weight: TensorInfo, bias: TensorInfo | None, types: WeightTypes) -> None:
    """Checks the types of activations, weights and bias against a table of those that go together."""
    allowed = types.get((x.type, weight.type))
    if allowed is None:
        legal = ", ".join(f"{a.name} with {w.name}" for a, w in types)
        raise call.invalid(f"activations and weights of types {legal} are required, found {x.type.name} with {weight.type.name}")
    if bias is not None:
        required = " or ".join(t.name for t in allowed)
        call.require(bias.type in allowed, f"a bias of type {required} is required, found {bias.type.name}")


def check_bias(call: Call, bias: TensorInfo | None, channels: int) -> None:
    """Checks that a bias has one element an output channel and the zero point 0."""
    if bias is None:
        return
    call.require(bias.size == channels, f"a bias of {channels} elements is required, found shape {list(bias.shape)}")
    zeros = bias.quantization.zero_point if bias.quantization is not None else []
    call.require(not any(zeros), f"a bias zero point of 0 is required, found {next((z for z in zeros if z), 0)}")


def check_scales(call: Call, operand: str, info: TensorInfo, counts: tuple[int, ...]) -> None:
    """Checks that a quantized tensor has as many scales as one of `counts` and zero points of its type.

    Scales are positive and finite, but for some of several: the converter gives 0 to channels of zeros.
    """
    q = info.quantization
    required = " or ".join(str(c) for c in dict.fromkeys(counts))
    if q is None or not q.scale:
        raise call.invalid(f"operand '{operand}': {required} quantization scale(s) are required, found none")
    if q.details is not None:
        raise call.unsupported(f"operand '{operand}': per-tensor and per-channel scales are supported, found {type(q.details).__name__}")
    call.require(len(q.scale) in counts, f"operand '{operand}': {required} quantization scale(s) are required, found {len(q.scale)}")
    if not (all(map(isfinite, q.scale)) and min(q.scale) >= 0 and max(q.scale) > 0):
        bad = next(s for s in q.scale if not (isfinite(s) and s > 0))
        raise call.invalid(f"operand '{operand}': positive finite scales are required, found {bad}")
    zeros = q.zero_point
    call.require(len(zeros) in (0, 1, len(q.scale)), f"operand '{operand}': {len(q.scale)} zero point(s) are required, found {len(zeros)}")
    low, high = INTEGER_RANGE.get(info.type, (0, 0))
    if info.type == TensorType.INT16:
        low, high = 0, 0
    if zeros and not low <= min(zeros) <= max(zeros) <= high:
        outside = next(z for z in zeros if not low <= z <= high)
        raise call.invalid(f"operand '{operand}': zero points from {low} to {high} are required, found {outside}")


def block_size(call: Call, operand: str, info: TensorInfo) -> int | None:
    """The elements of a block of a matrix of 4 or 2 bits quantized block by block along its rows, after checks; None for other tensors."""
    details = info.quantization.details if info.quantization is not None else None
    if not isinstance(details, BlockwiseQuantization):
        return None
    is_packed = info.type in (TensorType.INT4, TensorType.INT2)
    call.require(is_packed, f"operand '{operand}' of type INT4 or INT2 is required for blocks, found {info.type.name}")
    call.require(info.rank == 2, f"operand '{operand}': 2 dimensions are required for blocks, found {info.rank}")
    size, depth = details.block_size, info.shape[1]
    is_whole = size > 0 and depth % size == 0
    call.require(is_whole, f"operand '{operand}': rows of whole blocks are required, found {depth} elements in blocks of {size}")
    if depth * BITS[info.type] % 8:
        raise call.unsupported(f"operand '{operand}': rows of whole bytes are supported, found {depth} elements of {info.type.name}")
    if info.block_scales is None:
        raise call.unsupported(f"operand '{operand}': constant scales of blocks are supported, found none")
    scales, count = info.block_scales, info.size // size
    fits = scales.dtype == np.float16 and scales.size == count and bool(np.isfinite(scales).all())
    call.require(fits, f"operand '{operand}': {count} finite FLOAT16 scales are required, found {scales.size} of {scales.dtype}")
    return size


def check_per_tensor(call: Call, operand: str, info: TensorInfo) -> None:
    """Checks that a quantized activation has one scale and one zero point; other types pass."""
    if info.type in QUANTIZED_TYPES:
        check_scales(call, operand, info, (1,))


def is_plain(call: Call, x: TensorInfo) -> bool:
    """True where neither `x` nor an output has a scale: an operator that never rescales takes their integers as they are."""
    return not (x.is_quantized or any(output.is_quantized for output in call.outputs))


def check_weight(call: Call, operand: str, info: TensorInfo, channels: int, axis: int) -> None:
    """Checks a quantized weight's parameters: one scale, or one an output channel along `axis`, and zero points of 0.

    Weights of type UINT8 have one scale and any zero point, unless they are a matrix for FLOAT32 activations; FLOAT32 weights pass.
    """
    if info.type == TensorType.FLOAT32:
        return
    if info.type == TensorType.UINT8 and not (info.rank == 2 and is_hybrid(call.input(0), info)):
        check_scales(call, operand, info, (1,))
        return
    check_scales(call, operand, info, (1, channels))
    q = info.quantization
    assert q is not None
    if len(q.scale) > 1:
        call.require(
            q.quantized_dimension == axis, f"operand '{operand}': scales along dimension {axis} are required, found {q.quantized_dimension}"
        )
        call.require(
            not any(q.zero_point), f"operand '{operand}': per-channel zero points of 0 are required, found {list(q.zero_point)[:4]}"
        )


def check_zero_points_are_zero(call: Call, operand: str, info: TensorInfo) -> None:
    """Checks that a quantized weight of a signed type is symmetric."""
    if info.type in (TensorType.FLOAT32, TensorType.UINT8) or info.quantization is None:
        return
    found = next((z for z in info.quantization.zero_point if z), 0)
    call.require(found == 0, f"operand '{operand}': a zero point of 0 is required, found {found}")


def check_unscaled(call: Call, x: TensorInfo) -> None:
    """Checks that the declared output of an operator that never rescales has the parameters of `x`, scales within the reference's 1e-6."""
    if x.type not in QUANTIZED_TYPES or not call.outputs:
        return
    y = call.outputs[0]
    same = abs(x.scale - y.scale) <= 1e-6 and x.zero_point == y.zero_point
    required = f"the input's scale {x.scale:g} and zero point {x.zero_point} are required for the output"
    call.require(same, f"{required}, found {y.scale:g} and {y.zero_point}")


def check_outputs(call: Call) -> None:
    """Checks the declared outputs' quantization parameters (there are none while an operator is being built)."""
    for index, info in enumerate(call.outputs):
        check_per_tensor(call, call.spec.outputs[index].rstrip("*"), info)
