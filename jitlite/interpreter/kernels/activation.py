"""Activation functions and normalisations along the last dimension, on float32."""

import math
from typing import Any

import numba
import numpy as np

from jitlite.interpreter.kernels.abi import f32, f32p, f64p, i64, inline, kernel, span
from jitlite.interpreter.kernels.bits import bits_of_float, float_of_bits
from jitlite.interpreter.kernels.broadcast import binary, unary
from jitlite.interpreter.kernels.transcendental import exp, expm1, log, logistic, normal_tail, tanh

_FAMILY = __name__
_ZERO, _ONE, _THREE, _SIX = np.float32(0), np.float32(1), np.float32(3), np.float32(6)
_GELU_SCALE, _GELU_CUBE = np.float32(-2 * math.sqrt(2 / math.pi)), np.float32(0.044715)
_I32: Any = np.int32
_SMALLEST_NORM = np.float32(1e-6)


@kernel
def clamp_f32(x: f32p, y: f32p, count: i64, low: f32, high: f32, thread: i64, threads: i64) -> None:
    """NaN stays NaN."""
    start, stop = span(count, thread, threads)
    for i in range(start, stop):
        value = low if x[i] < low else x[i]
        y[i] = high if high < value else value


@kernel
def leaky_relu_f32(x: f32p, y: f32p, count: i64, alpha: f32, thread: i64, threads: i64) -> None:
    start, stop = span(count, thread, threads)
    for i in range(start, stop):
        value = x[i]
        y[i] = value if value > _ZERO else value * alpha


@inline
def _prelu(x: Any, alpha: Any, settings: tuple[()]) -> Any:
    return x if x >= _ZERO else x * alpha


@inline
def _elu(x: Any) -> Any:
    return expm1(x) if x < _ZERO else x


@inline
def _hard_swish(x: Any) -> Any:
    raised = x + _THREE
    positive = _ZERO if raised < _ZERO else raised
    return x * (_SIX if positive > _SIX else positive) / _SIX


@inline
def _gelu(x: Any) -> Any:
    """Products of x and the chance of a standard normal number below x."""
    tail = normal_tail(abs(x))
    return x * (tail if x < _ZERO else _ONE - tail)


@inline
def _gelu_tanh(x: Any) -> Any:
    """The tanh form: (1 + tanh(u)) / 2 = 1 / (1 + exp(-2u))."""
    return x / (_ONE + exp(_GELU_SCALE * (x + _GELU_CUBE * x * x * x)))


binary(_FAMILY, "prelu_f32", (f32p, f32p, f32p, f64p), _prelu)
for _name, _function in {
    "elu": _elu,
    "logistic": logistic,
    "tanh": tanh,
    "hard_swish": _hard_swish,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
}.items():
    unary(_FAMILY, f"{_name}_f32", (f32p, f32p), _function)


def _reduction(function: Any) -> Any:
    """As `inline`, for functions whose sums may be taken in any order, which vector code needs."""
    return numba.njit(error_model="numpy", nogil=True, fastmath={"reassoc"})(function)


@inline
def _largest(x: Any, start: int, count: int) -> Any:
    """Compares floats as integers of the same order, which vector code can do in any order; positive NaN counts as largest."""
    found = _I32(-(1 << 31))
    for i in range(start, start + count):
        bits = bits_of_float(x[i])
        found = max(found, _I32(bits ^ ((bits >> 31) & 0x7FFFFFFF)))
    return float_of_bits(_I32(found ^ ((found >> 31) & 0x7FFFFFFF)))


@_reduction
def _sum(x: Any, start: int, count: int) -> Any:
    total = _ZERO
    for i in range(start, start + count):
        total += x[i]
    return total


@_reduction
def _sum_of_squares(x: Any, start: int, count: int) -> Any:
    total = _ZERO
    for i in range(start, start + count):
        total += x[i] * x[i]
    return total


@inline
def _exponentials(x: Any, y: Any, start: int, depth: int, beta: Any) -> Any:
    """Writes exp(beta · (x - largest)) of a row; returns the largest x and the sum."""
    largest = _largest(x, start, depth)
    for i in range(start, start + depth):
        y[i] = exp((x[i] - largest) * beta)
    return largest, _sum(y, start, depth)


@kernel
def softmax_f32(x: f32p, y: f32p, rows: i64, depth: i64, beta: f32, thread: i64, threads: i64) -> None:
    first, last = span(rows, thread, threads)
    for row in range(first, last):
        start = row * depth
        _, total = _exponentials(x, y, start, depth, beta)
        for i in range(start, start + depth):
            y[i] /= total


@kernel
def log_softmax_f32(x: f32p, y: f32p, rows: i64, depth: i64, thread: i64, threads: i64) -> None:
    first, last = span(rows, thread, threads)
    for row in range(first, last):
        start = row * depth
        largest, total = _exponentials(x, y, start, depth, _ONE)
        logarithm = log(total)
        for i in range(start, start + depth):
            y[i] = x[i] - largest - logarithm


@kernel
def l2_normalization_f32(x: f32p, y: f32p, rows: i64, depth: i64, thread: i64, threads: i64) -> None:
    first, last = span(rows, thread, threads)
    for row in range(first, last):
        start = row * depth
        norm = math.sqrt(_sum_of_squares(x, start, depth))
        divisor: Any = norm if norm > _SMALLEST_NORM else _SMALLEST_NORM
        for i in range(start, start + depth):
            y[i] = x[i] / divisor
