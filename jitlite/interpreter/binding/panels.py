"""Weights and what belongs to output channels, packed into panels of COLUMNS channels as `jitlite.interpreter.kernels.tile` reads them."""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.codegen.immediate import call_kernel
from jitlite.interpreter.memory import aligned_zeros
from jitlite.schemas.affine import activation_bounds, quantize_multipliers, quantized_activation_range
from jitlite.schemas.dtypes import unpacked_elements
from jitlite.schemas.ops.spec import Call, NeedsValue, TensorInfo
from jitlite.schemas.record import replace
from jitlite.schemas.tables import ActivationFunctionType, QuantizationParameters, TensorType

COLUMNS = 16
"""Output channels of a panel; `jitlite.interpreter.kernels.tile` has the same number."""

Array = NDArray[Any]


def panels(channels: int) -> int:
    """Panels that `channels` fill."""
    return -(-channels // COLUMNS)


def by_panel(values: Array, groups: int = 1) -> Array:
    """Values of output channels, the last axis, as [..., groups · panels, COLUMNS] with zeros behind the last channel of each group."""
    channels = values.shape[-1] // groups
    count = panels(channels)
    grouped = np.zeros((*values.shape[:-1], groups, count * COLUMNS), values.dtype)
    grouped[..., :channels] = values.reshape(*values.shape[:-1], groups, channels)
    return grouped.reshape(*values.shape[:-1], groups * count, COLUMNS)


def pack(weights: Array, groups: int = 1) -> Array:
    """Weights of 4 bytes each, [channels, ..., depth], as [groups · panels, ..., depth, COLUMNS]."""
    channels, size = weights.shape[0] // groups, prod(weights.shape[1:])
    packed = aligned_zeros((groups * panels(channels), *weights.shape[1:], COLUMNS), weights.dtype)
    source = np.ascontiguousarray(weights).view(np.int32)
    call_kernel("packing", "pack_levels", source=source, target=packed, groups=groups, channels=channels, depth=size)
    return packed


def pack_s8(weights: Array, groups: int = 1) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """INT8 weights [channels, runs..., numbers of a run] packed, and the sum of each channel.

    They come as [groups · panels, runs..., quads, COLUMNS, 4] with zeros behind the last number, the sums as [groups · panels, COLUMNS].
    """
    channels, runs, depth = weights.shape[0] // groups, weights.shape[1:-1], weights.shape[-1]
    count = groups * panels(channels)
    packed = aligned_zeros((count, *runs, -(-depth // 4), COLUMNS, 4), np.int8)
    sums = aligned_zeros((count, COLUMNS), np.int32)
    source = np.ascontiguousarray(weights)
    sizes = {"groups": groups, "channels": channels, "runs": prod(runs), "depth": depth}
    call_kernel("packing", "pack_quads", source=source, target=packed, sums=sums, **sizes)
    return packed, sums


def interleave(*rows: Array, groups: int = 1) -> Array:
    """Vectors over output channels as [groups · panels, len(rows), COLUMNS]."""
    return np.ascontiguousarray(np.stack([by_panel(row, groups) for row in rows], axis=-2))


def bias_or_zeros(bias: TensorInfo | None, channels: int, dtype: type[np.generic]) -> Array:
    """A constant bias, or zeros where there is none."""
    if bias is None:
        return np.zeros(channels, dtype)
    assert bias.value is not None
    return bias.value.reshape(-1).astype(dtype, copy=False)


def scales(info: TensorInfo, channels: int) -> NDArray[np.float64]:
    """A tensor's scales, one an output channel, as the float32 numbers the file holds."""
    assert info.quantization is not None
    return np.broadcast_to(np.asarray(info.quantization.scale, np.float32).astype(np.float64), (channels,))


def real_multipliers(x: TensorInfo, weight: TensorInfo, y: TensorInfo, channels: int) -> NDArray[np.float64]:
    """What sums are multiplied with to become outputs, one an output channel, in float64."""
    multiplied: NDArray[np.float64] = np.float64(np.float32(x.scale)) * scales(weight, channels) / np.float64(np.float32(y.scale))
    return multiplied


def multipliers(x: TensorInfo, weight: TensorInfo, y: TensorInfo, channels: int) -> tuple[Array, Array]:
    """The same as mantissas and shifts."""
    return quantize_multipliers(np.ascontiguousarray(real_multipliers(x, weight, y, channels)))


def limits(y: TensorInfo, activation: ActivationFunctionType) -> NDArray[np.int32]:
    """Zero point, lowest and highest value of a quantized output behind a fused activation."""
    low, high = quantized_activation_range(activation, y.scale if y.is_quantized else 1.0, y.zero_point, y.type)
    return np.array([y.zero_point, low, high], np.int32)


def bounds(activation: ActivationFunctionType) -> dict[str, float]:
    """The clamp of a fused activation as the arguments `low` and `high`."""
    low, high = activation_bounds(activation)
    return {"low": low, "high": high}


def is_int8(*tensors: TensorInfo) -> bool:
    return all(info.type is TensorType.INT8 for info in tensors)


def is_uint8(*tensors: TensorInfo) -> bool:
    return all(info.type is TensorType.UINT8 for info in tensors)


def is_float(*tensors: TensorInfo) -> bool:
    return all(info.type is TensorType.FLOAT32 for info in tensors)


def widened(weights: TensorInfo) -> TensorInfo:
    """Constant weights of 4 or 2 bits as INT8; others as they are."""
    if weights.type not in (TensorType.INT4, TensorType.INT2) or weights.value is None:
        return weights
    return replace(weights, type=TensorType.INT8, value=unpacked_elements(weights.value, weights.type, weights.shape))


def signed_bytes(x: TensorInfo, weights: TensorInfo) -> TensorInfo:
    """Constant UINT8 weights of FLOAT32 activations as the INT8 weights their bytes are taken for; others as they are."""
    if x.type is not TensorType.FLOAT32 or weights.type is not TensorType.UINT8 or weights.value is None:
        return weights
    assert weights.quantization is not None
    scales, axis = list(weights.quantization.scale), weights.quantization.quantized_dimension
    quantization = QuantizationParameters(scale=scales, quantized_dimension=axis)
    return replace(weights, type=TensorType.INT8, value=weights.value.view(np.int8), quantization=quantization)


def is_constant(*tensors: TensorInfo | None) -> bool:
    """True when every tensor that is there has a value before anything runs."""
    return all(info is None or (info.value is not None and not info.is_variable) for info in tensors)


def require_constants(call: Call, *tensors: TensorInfo | None) -> None:
    """Has the planner wait for operands that are computed (NeedsValue): steps are made for their values. Variables are not supported."""
    for info in tensors:
        if info is None or is_constant(info):
            continue
        if info.is_variable:
            raise call.unsupported(f"weights and biases that are no variables are supported, found '{info.name}'")
        raise NeedsValue(next(place for place, operand in enumerate(call.inputs) if operand is not None and operand.index == info.index))
