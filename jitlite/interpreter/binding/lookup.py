"""Tables of functions of one byte, computed as the reference kernels compute each element, and the steps that look them up."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.broadcast import walk
from jitlite.interpreter.binding.registry import Step, kernels
from jitlite.schemas.affine import multiply_by_quantized_multiplier, quantize_multiplier
from jitlite.schemas.dtypes import INTEGER_RANGE, numpy_dtype
from jitlite.schemas.ops.spec import TensorInfo
from jitlite.schemas.tables import TensorType

K = kernels("lookup")
Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


EIGHT_BITS = (TensorType.INT8, TensorType.UINT8)
"""The types whose functions of one operand are tables."""


def scale_of(info: TensorInfo) -> np.float32:
    """The scale as the file holds it."""
    return np.float32(info.scale)


def byte_values(type: TensorType) -> Integers:
    """The value of each byte pattern 0 … 255, read as INT8 or UINT8."""
    patterns = np.arange(256, dtype=np.uint8)
    return patterns.view(numpy_dtype(type)).astype(np.int64)


def by_pattern(type: TensorType, results: Integers) -> Integers:
    """Results of an 8-bit type's values, in rising order, as `lookup` takes them: by byte pattern."""
    return np.roll(results, INTEGER_RANGE[type][0])


def lookup(x: TensorInfo, y: TensorInfo, results: Integers) -> Step:
    """The step y = results[byte pattern of x], clamped to y's type; x has 8 bits, y 8 or 16."""
    low, high = INTEGER_RANGE[y.type]
    table = np.clip(results, low, high).astype(numpy_dtype(y.type))
    if y.type is TensorType.INT16:
        return K.step("lookup_8_16", x=x, y=y, table=table, count=x.size)
    return K.step("lookup_8", x=x, y=y, table=table.view(np.uint8), count=x.size)


def lookup_runs(x: TensorInfo, y: TensorInfo, results: Integers, run: int, y_step: int, y_start: int) -> Step:
    """The same for 8-bit results of runs of x, each of which begins `y_step` elements behind the one before in y, from `y_start` on."""
    low, high = INTEGER_RANGE[y.type]
    table = np.clip(results, low, high).astype(numpy_dtype(y.type)).view(np.uint8)
    return K.step("lookup_runs_8", x=x, y=y, table=table, count=x.size, run=max(run, 1), y_step=y_step, y_start=y_start)


def lookup_pair(a: TensorInfo, b: TensorInfo, y: TensorInfo, results: Integers) -> Step:
    """The step y = results[byte pattern of a, byte pattern of b] with broadcasting, clamped to y's 8-bit type."""
    low, high = INTEGER_RANGE[y.type]
    table = np.clip(results, low, high).astype(numpy_dtype(y.type)).view(np.uint8)
    return K.step("lookup_pair_8", a=a, b=b, y=y, walk=walk(y.shape, a.shape, b.shape), settings=table)


def rescaled(values: Integers, real: float, zero_point: int) -> Integers:
    """The values · real + zero_point in the fixed point of the 8-bit specification; `real` may be negative."""
    mantissa, shift = quantize_multiplier(abs(real))
    scaled = multiply_by_quantized_multiplier(values.astype(np.int32), mantissa, shift).astype(np.int64)
    return (scaled if real >= 0 else -scaled) + zero_point


def requantized(x: TensorInfo, y: TensorInfo, values: Integers, real: float | None = None) -> Integers:
    """Values on x's scale, zero point taken off, moved to y's grid; the ratio of the scales is a float32 as in most reference kernels."""
    return rescaled(values, float(scale_of(x) / scale_of(y)) if real is None else real, y.zero_point)


def real_results(x: TensorInfo, y: TensorInfo, function: Callable[[Floats], Floats]) -> Integers:
    """The results of y = function(x) by byte pattern, through real numbers, all steps in float32; halves round away from zero."""
    centred = (byte_values(x.type) - x.zero_point).astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = function(scale_of(x) * centred) * (np.float32(1) / scale_of(y))
        rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled))
        rounded = np.where(np.abs(scaled) >= np.float32(2**23), scaled, rounded) + np.float32(y.zero_point)
    found: Integers = np.clip(np.nan_to_num(rounded.astype(np.float64)), *INTEGER_RANGE[y.type]).astype(np.int64)
    return found


def lookup_real(x: TensorInfo, y: TensorInfo, function: Callable[[Floats], Floats]) -> Step:
    """The step y = function(x) through real numbers, as `real_results` finds them."""
    return lookup(x, y, real_results(x, y, function))


def nearest(real: Floats) -> Integers:
    """The nearest integers, halves away from zero, saturated to 32 bits."""
    wide = np.clip(real.astype(np.float64), -(2.0**31), 2.0**31)
    found: Integers = np.trunc(wide + np.copysign(0.5, wide)).astype(np.int64)
    return found


def in_float32(function: Callable[[float], float]) -> Callable[[Floats], Floats]:
    """`function` of float32 arrays, correctly rounded; results too large become infinite."""

    def single(value: Any) -> float:
        try:
            return function(float(value))
        except OverflowError:
            return float("inf")

    return lambda x: np.array([single(value) for value in x], np.float64).astype(np.float32)
