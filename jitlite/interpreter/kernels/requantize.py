"""From int32 accumulators to quantized outputs, with the reference's fixed-point arithmetic."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import i32, inline

narrow: Any = np.int32
wide: Any = np.int64


@inline
def multiply_by_quantized_multiplier(acc: i32, mantissa: i32, shift: i32) -> i32:
    """The product acc · mantissa · 2^(shift - 31), rounded twice; shift in [-31, 30], mantissa at least 0.

    First the doubled product's high half is rounded to nearest (halves up), then it is divided by 2^-shift and rounded to nearest (halves
    away from zero). A left shift wraps in 32 bits.
    """
    left = wide(max(shift, 0))
    right = wide(max(-shift, 0))
    shifted = narrow(wide(acc) << left)
    high = (wide(shifted) * wide(mantissa) + wide(1 << 30)) >> wide(31)
    mask = (wide(1) << right) - wide(1)
    threshold = (mask >> wide(1)) + wide(high < 0)
    rounded: int = narrow((high >> right) + wide((high & mask) > threshold))
    return rounded


@inline
def requantize(acc: i32, mantissa: i32, shift: i32, zero_point: i32, low: i32, high: i32) -> i32:
    """An accumulator in the output's quantized domain, clamped to [low, high]."""
    scaled = narrow(multiply_by_quantized_multiplier(acc, mantissa, shift) + zero_point)
    clamped: int = narrow(min(max(scaled, low), high))
    return clamped
