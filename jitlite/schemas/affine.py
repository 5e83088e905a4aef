"""Affine quantization, real = (q - zero_point) * scale, and the fixed-point arithmetic of the 8-bit specification.

The arithmetic is the reference kernels' own: a real multiplier becomes a 32-bit mantissa and a power of two, products are rounded twice
(saturating rounding doubling high multiplication, then rounding division by a power of two).
"""

from math import frexp, isfinite

import numpy as np
from numpy.typing import NDArray

from jitlite.schemas.dtypes import INTEGER_RANGE, numpy_dtype
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.tables import ActivationFunctionType, TensorType


def quantize_multiplier(real: float) -> tuple[int, int]:
    """(mantissa, shift) with real ≈ mantissa · 2^(shift - 31) and mantissa in [2^30, 2^31) or 0.

    Multipliers below 2^-32 become (0, 0), those above 2^30 saturate to (2^31 - 1, 30). InvalidModelError for one that is not finite.
    """
    if not isfinite(real):
        raise InvalidModelError(f"scales: a finite ratio of scales is required, found {real}")
    if real == 0.0:
        return 0, 0
    fraction, shift = frexp(real)
    scaled = fraction * 2**31
    mantissa = int(scaled + 0.5) if scaled >= 0 else -int(-scaled + 0.5)
    if mantissa == 2**31:
        mantissa //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        return 2**31 - 1, 30
    return mantissa, shift


def quantize_multipliers(reals: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """`quantize_multiplier` of every element: (mantissas, shifts), both int32 of the same shape."""
    if not np.isfinite(reals).all():
        raise InvalidModelError("scales: finite ratios of scales are required, found others")
    fractions, shifts = np.frexp(reals)
    scaled = fractions * 2.0**31
    mantissas = (scaled + np.copysign(0.5, scaled)).astype(np.int64)
    is_full = mantissas == 2**31
    mantissas, shifts = np.where(is_full, 2**30, mantissas), shifts + is_full
    is_small, is_large = shifts < -31, shifts > 30
    mantissas = np.where(is_small, 0, np.where(is_large, 2**31 - 1, mantissas))
    return mantissas.astype(np.int32), np.where(is_small, 0, np.minimum(shifts, 30)).astype(np.int32)


def multiply_by_quantized_multiplier(
    x: NDArray[np.int32], mantissa: int | NDArray[np.int32], shift: int | NDArray[np.int32]
) -> NDArray[np.int32]:
    """The product x · mantissa · 2^(shift - 31) with the reference's double rounding; int32 in, int32 out, broadcasting."""
    shift = np.asarray(shift, np.int64)
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    shifted = (np.asarray(x, np.int64) << left).astype(np.int32).astype(np.int64)
    product = shifted * np.asarray(mantissa, np.int64)
    nudged = product + np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    high = np.where(nudged >= 0, nudged >> 31, -((-nudged) >> 31))
    mask = (np.int64(1) << right) - 1
    threshold = (mask >> 1) + (high < 0)
    rounded: NDArray[np.int32] = ((high >> right) + ((high & mask) > threshold)).astype(np.int32)
    return rounded


def _along(values: NDArray[np.float64], rank: int, axis: int | None) -> NDArray[np.float64]:
    if axis is None or values.size == 1:
        return values.reshape(())
    shape = [1] * rank
    shape[axis] = values.size
    return values.reshape(shape)


def quantize(
    real: NDArray[np.floating],
    scale: NDArray[np.floating] | float,
    zero_point: NDArray[np.integer] | int,
    dtype: TensorType,
    axis: int | None = None,
) -> NDArray[np.integer]:
    """Nearest quantized values, halves away from zero, clamped to the type's range; `axis` names the per-channel axis of 1-D parameters.

    The division is done in float64, so the result does not depend on the machine.
    """
    scales = _along(np.atleast_1d(np.asarray(scale, np.float64)), real.ndim, axis)
    zero_points = _along(np.atleast_1d(np.asarray(zero_point, np.float64)), real.ndim, axis)
    ratio = real.astype(np.float64) / scales
    low, high = INTEGER_RANGE[dtype]
    rounded = np.trunc(ratio + np.copysign(0.5, ratio)) + zero_points
    target = np.dtype(np.int8) if dtype is TensorType.INT4 else numpy_dtype(dtype)
    if dtype is TensorType.INT64:
        return np.clip(rounded, -(2.0**62), 2.0**62).astype(np.int64)
    return np.clip(rounded, low, high).astype(target)


def dequantize(
    quantized: NDArray[np.integer], scale: NDArray[np.floating] | float, zero_point: NDArray[np.integer] | int, axis: int | None = None
) -> NDArray[np.float32]:
    """Real values as float32: (q - zero_point) * scale; `axis` names the per-channel axis of 1-D parameters."""
    scales = _along(np.atleast_1d(np.asarray(scale, np.float64)), quantized.ndim, axis)
    zero_points = _along(np.atleast_1d(np.asarray(zero_point, np.float64)), quantized.ndim, axis)
    return ((quantized.astype(np.float64) - zero_points) * scales).astype(np.float32)


def activation_bounds(activation: ActivationFunctionType) -> tuple[float, float]:
    """Real bounds of a fused activation, (-inf, inf) for those that are not clamps: LiteRT's kernels leave these out as well."""
    infinity = float("inf")
    bounds = {
        ActivationFunctionType.RELU: (0.0, infinity),
        ActivationFunctionType.RELU6: (0.0, 6.0),
        ActivationFunctionType.RELU_N1_TO_1: (-1.0, 1.0),
    }
    return bounds.get(activation, (-infinity, infinity))


FARTHEST = 2.0**40
"""Beyond every number of the quantized types: what a ratio to a tiny scale is cut at."""


def quantized_activation_range(activation: ActivationFunctionType, scale: float, zero_point: int, dtype: TensorType) -> tuple[int, int]:
    """The clamp of a fused activation in the output's quantized domain, rounded as the reference does (float32 division, halves away)."""
    low, high = INTEGER_RANGE[dtype]
    real_low, real_high = activation_bounds(activation)

    def at(real: float) -> int:
        with np.errstate(over="ignore"):
            ratio = float(np.float32(real) / np.float32(scale))
        ratio = min(max(ratio, -FARTHEST), FARTHEST)
        return zero_point + int(ratio + (0.5 if ratio >= 0 else -0.5))

    if real_low > -float("inf"):
        low = max(low, at(real_low))
    if real_high < float("inf"):
        high = min(high, at(real_high))
    return low, high
