"""Scales and zero points from real ranges: the arithmetic of the 8-bit specification."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.schemas.affine import dequantize, quantize
from jitlite.schemas.dtypes import INTEGER_RANGE
from jitlite.schemas.tables import QuantizationParameters, TensorType

MIN_SCALE = 2.0**-60
"""Smallest scale ever chosen: the product of two is still a normal float32 number."""
LARGEST_BIAS = 2**30
"""Largest magnitude of a quantized bias; the other half of int32 is left to the sum of products."""
_LARGEST_WEIGHT = 127


@dataclass(frozen=True, slots=True)
class TensorParams:
    """The integer form of a tensor: its type and, along `axis` when there are several, scales (float32 numbers) and zero points."""

    type: TensorType
    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int = 0

    @property
    def is_per_channel(self) -> bool:
        return len(self.scale) > 1

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and largest real value of a per-tensor form."""
        low, high = INTEGER_RANGE[self.type]
        return (low - self.zero_point[0]) * self.scale[0], (high - self.zero_point[0]) * self.scale[0]

    @property
    def as_uint8(self) -> "TensorParams":
        """The same real values in uint8, for int8: every integer is 128 larger."""
        return TensorParams(TensorType.UINT8, self.scale, tuple(zero + 128 for zero in self.zero_point), self.axis)

    def table(self) -> QuantizationParameters:
        axis = self.axis if self.is_per_channel else 0
        return QuantizationParameters(scale=list(self.scale), zero_point=list(self.zero_point), quantized_dimension=axis)

    def quantize(self, values: NDArray[np.floating[Any]]) -> NDArray[Any]:
        """The nearest integers, in the type's NumPy dtype; weights (symmetric int8) stay within ±127."""
        axis = self.axis if self.is_per_channel else None
        return quantize(values, np.asarray(self.scale), np.asarray(self.zero_point), self.type, axis)

    def dequantize(self, values: NDArray[Any]) -> NDArray[np.float32]:
        return dequantize(values, np.asarray(self.scale), np.asarray(self.zero_point), self.axis if self.is_per_channel else None)


def activation_params(low: float, high: float) -> TensorParams:
    """The asymmetric int8 form that covers [low, high] and 0, which it represents exactly.

    scale = (high - low) / 255; the zero point is the integer nearest to -128 - low / scale. An empty range gets scale 1 and zero point 0.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        return TensorParams(TensorType.INT8, (1.0,), (0,))
    scale = _float32_up(max((high - low) / 255.0, MIN_SCALE))
    zero_point = int(np.clip(np.floor(-128.0 - low / scale + 0.5), -128, 127))
    return TensorParams(TensorType.INT8, (scale,), (zero_point,))


def weight_params(values: NDArray[np.floating[Any]], axis: int | None, floor: NDArray[np.float64] | float = 0.0) -> TensorParams:
    """The symmetric int8 form of weights, within ±127: one scale an index of `axis`, or one for all (None).

    `floor` is the smallest scale allowed, per channel or for all. A channel of zeros takes the largest scale of the others.
    """
    if axis is None:
        largest = np.abs(values).max(initial=0.0, keepdims=True).reshape(-1)[:1].astype(np.float64)
    else:
        rest = tuple(place for place in range(values.ndim) if place != axis)
        largest = np.abs(values).max(axis=rest, initial=0.0).astype(np.float64)
    scales = largest / _LARGEST_WEIGHT
    top = float(scales.max(initial=0.0)) or 1.0
    scales = np.maximum(np.where(scales > 0.0, scales, top), np.maximum(np.max(floor) if axis is None else floor, MIN_SCALE))
    return TensorParams(TensorType.INT8, tuple(_float32_up(scale) for scale in scales), (0,) * len(scales), axis or 0)


def bias_params(input_scale: float, weights: TensorParams) -> TensorParams:
    """The int32 form of a bias: scale = input scale · weight scale of each channel."""
    scales = tuple(float(np.float32(input_scale * scale)) for scale in weights.scale)
    return TensorParams(TensorType.INT32, scales, (0,) * len(scales))


def smallest_weight_scale(bias: NDArray[np.floating[Any]], input_scale: float) -> NDArray[np.float64]:
    """The weight scale of each channel at which its quantized bias reaches LARGEST_BIAS."""
    return np.abs(bias.astype(np.float64)).reshape(-1) / (input_scale * LARGEST_BIAS)


def params_of(quantization: QuantizationParameters | None, kind: TensorType) -> TensorParams | None:
    """The integer form a model states for a tensor; None without scales or with block-wise ones."""
    if quantization is None or not quantization.scale or quantization.details is not None or kind not in INTEGER_RANGE:
        return None
    zeros = _repeated(quantization.zero_point or [0], len(quantization.scale))
    return TensorParams(kind, tuple(quantization.scale), zeros, quantization.quantized_dimension)


def _repeated(values: Sequence[int], count: int) -> tuple[int, ...]:
    return tuple(values) * count if len(values) == 1 else tuple(values)


def _float32_up(value: float) -> float:
    """The smallest float32 number that is not below the value, so that no extreme falls outside the covered range."""
    rounded = np.float32(value)
    return float(rounded if float(rounded) >= value else np.nextafter(rounded, np.float32(np.inf)))
