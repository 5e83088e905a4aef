"""From int32 accumulators to quantized outputs, with the reference's fixed-point arithmetic."""

import numpy as np

from jitlite.interpreter.kernels.abi import i32, inline


@inline
def multiply_by_quantized_multiplier(acc: i32, mantissa: i32, shift: i32) -> i32:
    """The product acc · mantissa · 2^(shift - 31), rounded twice; shift in [-31, 30], mantissa at least 0.

    First the doubled product's high half is rounded to nearest (halves up), then it is divided by 2^-shift and rounded to nearest (halves
    away from zero). A left shift wraps in 32 bits.
    """
    left = max(shift, np.int32(0))
    right = max(-shift, np.int32(0))
    shifted = np.int32(np.int64(acc) << np.int64(left))
    high = (np.int64(shifted) * np.int64(mantissa) + np.int64(1 << 30)) >> np.int64(31)
    mask = (np.int64(1) << np.int64(right)) - np.int64(1)
    threshold = (mask >> np.int64(1)) + np.int64(high < 0)
    return np.int32((high >> np.int64(right)) + np.int64((high & mask) > threshold))


@inline
def requantize(acc: i32, mantissa: i32, shift: i32, zero_point: i32, low: i32, high: i32) -> i32:
    """An accumulator in the output's quantized domain, clamped to [low, high]."""
    scaled = np.int32(multiply_by_quantized_multiplier(acc, mantissa, shift) + zero_point)
    return np.int32(min(max(scaled, low), high))
