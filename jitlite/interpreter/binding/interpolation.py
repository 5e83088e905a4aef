"""Functions of INT16 operands as tables of all their values, computed as the reference kernels compute each element.

The reference interpolates between samples; what that errs half-way between two samples is divided between both.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding import lookup
from jitlite.interpreter.binding.registry import Step
from jitlite.schemas.ops.spec import TensorInfo

_LOW, _HIGH = -(2**15), 2**15 - 1
_STEPS = 512
_SIGMOID_STEPS = 255
_STEP_BITS = 7

Reals = NDArray[Any]


def values() -> lookup.Integers:
    """All values of INT16, in rising order."""
    return np.arange(_LOW, _HIGH + 1)


def step(x: TensorInfo, y: TensorInfo, results: lookup.Integers) -> Step:
    """The step y = results[x], the results in the operand's rising order, clamped to INT16."""
    table = np.clip(np.roll(results, _LOW), _LOW, _HIGH).astype(np.int16)
    return lookup.K.step("lookup_16", x=x, y=y, table=table, count=x.size)


def _nearest(real: Reals) -> Reals:
    """Nearest whole numbers, halves away from zero, in the operand's own precision."""
    whole = np.trunc(real)
    rest = real - whole
    return whole + (rest >= 0.5) - (rest <= -0.5)


def _samples(function: Callable[[Reals], Reals], input_grid: tuple[Any, int], output_scale: Any, zero_point: int) -> lookup.Integers:
    """513 samples of a function over the whole input range, on the output's grid less its zero point; all steps in the scales' type."""
    scale, input_zero_point = input_grid
    real = type(scale)
    first, last = scale * real(_LOW - input_zero_point), scale * real(_HIGH - input_zero_point)
    span = output_scale * real(_HIGH - zero_point) - output_scale * real(_LOW - zero_point)
    inverse, pitch = real(2**16) / span, (last - first) / real(_STEPS)
    at = first + np.arange(_STEPS).astype(real) * pitch
    following = first + np.arange(1, _STEPS + 1).astype(real) * pitch
    with np.errstate(over="ignore", invalid="ignore"):
        here, between, there = (function(places) * inverse for places in (at, at + pitch / real(2), following))
        error = _nearest((there + _nearest(here)) / real(2)) - _nearest(between)
        found = _nearest(here) - _nearest(error / real(2))
        end = _nearest(function(np.array([last], real)) * inverse)
    samples = np.nan_to_num(np.append(found, end).astype(np.float64))
    clamped: lookup.Integers = np.clip(samples, _LOW, _HIGH).astype(np.int64)
    return clamped


def interpolated(samples: lookup.Integers) -> lookup.Integers:
    """What interpolation between 513 samples gives for every INT16 value."""
    place = values()
    index, offset = (place >> _STEP_BITS) + _STEPS // 2, place & 0x7F
    slope = (samples[index + 1] - samples[index]).astype(np.int16).astype(np.int64)
    found: lookup.Integers = (samples[index] + ((slope * offset + 64) >> _STEP_BITS)).astype(np.int16).astype(np.int64)
    return found


def real_function(x: TensorInfo, y: TensorInfo, function: Callable[[Reals], Reals]) -> Step:
    """The step y = function(x) through samples of float32."""
    samples = _samples(function, (lookup.scale_of(x), x.zero_point), lookup.scale_of(y), y.zero_point)
    return step(x, y, interpolated(samples))


def tables_of_softmax() -> tuple[lookup.Integers, lookup.Integers]:
    """Interpolated exp over [-10, 0] in Q0.15, and 1 / (1 + x) over [0, 1]; both by INT16 value, in rising order."""
    unit = np.float64(1.0) / np.float64(_HIGH - _LOW)
    exponential = _samples(np.exp, (np.float64(10.0 * unit), _HIGH), np.float64(2 * unit), 0)
    inverse = _samples(lambda x: 1.0 / (1.0 + x), (np.float64(unit), _LOW), np.float64(2 * unit), 0)
    return interpolated(exponential), interpolated(inverse)


def _sigmoid_samples() -> lookup.Integers:
    """256 samples of the logistic function in Q0.16, 24 to one."""

    def sigmoid(places: Reals) -> Reals:
        return 2.0**16 / (1 + np.exp(-places / 24))

    at = np.arange(_SIGMOID_STEPS + 1)
    error = (sigmoid(at) + sigmoid(at + 1)) / 2 - sigmoid(at + 0.5)
    found: lookup.Integers = np.round(sigmoid(at) - error / 2).astype(np.int64)
    found[-1] = 2**16 - 1
    return found


def _sigmoid_places(x: TensorInfo, powers: tuple[int, ...]) -> lookup.Integers:
    """All values of x as multiples of 1 / (3 · 4096); scales of 2^-12 times 2 to one of `powers` are exact."""
    scale = float(lookup.scale_of(x))
    exponent = round(math.log2(scale))
    if abs(math.log2(scale) - exponent) < 1e-3 and exponent + 12 in powers:
        return values() * (3 << (exponent + 12))
    multiplier, shift = scale * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and shift <= 30:
        multiplier, shift = multiplier * 2, shift + 1
    factor = min(int(multiplier), 2**31 - 1)
    scaled = (values() * factor + ((1 << shift) >> 1)).astype(np.int32)
    found: lookup.Integers = (scaled >> np.int32(shift)).astype(np.int64)
    return found


def _sigmoid(places: lookup.Integers, bits: int) -> lookup.Integers:
    """The logistic function of |places|, 2^bits to a sample, with 16 + bits fractional bits."""
    samples, distance = _sigmoid_samples(), np.abs(places)
    index, offset = np.minimum(distance >> bits, _SIGMOID_STEPS - 1), distance & ((1 << bits) - 1)
    found: lookup.Integers = (samples[index] << bits) + offset * (samples[index + 1] - samples[index])
    return found


def logistic(x: TensorInfo, y: TensorInfo) -> Step:
    places = _sigmoid_places(x, (0,))
    result = np.where(np.abs(places) >> 9 >= _SIGMOID_STEPS, _HIGH << 10, _sigmoid(places, 9))
    return step(x, y, np.where(places >= 0, result + (1 << 9), (1 << 25) - result + (1 << 9) - 1) >> 10)


def tanh(x: TensorInfo, y: TensorInfo) -> Step:
    places = _sigmoid_places(x, (0, 1))
    result = np.where(np.abs(places) >> 8 >= _SIGMOID_STEPS, 0xFFFF << 8, _sigmoid(places, 8))
    return step(x, y, np.where(places >= 0, result - (1 << 23) + (1 << 7), -result + (1 << 23) + (1 << 7) - 1) >> 8)
