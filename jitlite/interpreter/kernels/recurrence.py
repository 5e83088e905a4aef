"""Parts of recurrent cells: products of matrices and vectors on float32 and 8-bit weights, activations, normalisation.

Vectors are short and used once a step, so rows of weights are read where they lie. Float vectors meet 8-bit weights as int8 numbers with a
scale and a zero point of their own, made anew each step.
"""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import f32, f32p, i8p, i64, inline
from jitlite.interpreter.kernels.intrinsics import advance
from jitlite.interpreter.kernels.narrow import WORDS, dot2, load_words, splat_word
from jitlite.interpreter.kernels.partial import load_part, store_part
from jitlite.interpreter.kernels.requantize import narrow, wide
from jitlite.interpreter.kernels.transcendental import logistic, tanh
from jitlite.interpreter.kernels.vectors import (
    LANES,
    load,
    maximum,
    minimum,
    multiply_add,
    splat,
    square_root,
    sum_across,
)

real: Any = np.float32
double: Any = np.float64

RELU, RELU_N1_TO_1, RELU6, TANH, LOGISTIC = 1, 2, 3, 4, 7
"""Activations, by the numbers the format has for them; the last is for gates and has none."""

_EPSILON = real(1e-8)


@inline
def dot(a: f32p, b: f32p, count: i64) -> Any:
    """The sum of products of two float32 vectors."""
    total, at = splat(real(0)), 0
    while at + LANES <= count:
        total = multiply_add(load(a, at), load(b, at), total)
        at += LANES
    if at < count:
        total = multiply_add(load_part(a, at, count - at), load_part(b, at, count - at), total)
    return sum_across(total)


@inline
def dot_bytes(a: i8p, b: i8p, count: i64) -> Any:
    """The sum of products of two int8 vectors."""
    sums, total, at = splat(narrow(0)), wide(0), 0
    while at + WORDS <= count:
        sums = dot2(sums, load_words(a, at), load_words(b, at))
        at += WORDS
    for i in range(at, count):
        total += wide(a[i]) * wide(b[i])
    return total + wide(sum_across(sums))


@inline
def sum_bytes(a: i8p, count: i64) -> Any:
    """The sum of an int8 vector."""
    sums, ones, total, at = splat(narrow(0)), splat_word(wide(1)), wide(0), 0
    while at + WORDS <= count:
        sums = dot2(sums, load_words(a, at), ones)
        at += WORDS
    for i in range(at, count):
        total += wide(a[i])
    return total + wide(sum_across(sums))


@inline
def _to_nearest(x: Any) -> Any:
    """The nearest whole number, halves away from zero."""
    value = double(x)
    return wide(value + 0.5) if value >= 0.0 else -wide(0.5 - value)


@inline
def quantize_symmetric(x: f32p, q: i8p, count: i64) -> Any:
    """Makes a vector int8 with a scale, which is returned."""
    largest = real(0)
    for i in range(count):
        largest = max(largest, abs(x[i]))
    if largest == real(0):
        for i in range(count):
            q[i] = 0
        return real(1)
    inverse = real(127) / largest
    for i in range(count):
        q[i] = min(max(_to_nearest(x[i] * inverse), -127), 127)
    return largest / real(127)


@inline
def quantize_asymmetric(x: f32p, q: i8p, count: i64) -> Any:
    """Makes a vector int8 with a scale and a zero point, which are returned."""
    least, most = real(0), real(0)
    for i in range(count):
        least, most = min(least, x[i]), max(most, x[i])
    if least == most:
        for i in range(count):
            q[i] = 0
        return real(1), wide(0)
    low, high = double(least), double(most)
    scale = (high - low) / 255.0
    from_least, from_most = -128.0 - low / scale, 127.0 - high / scale
    is_least = 128.0 + abs(low / scale) < 127.0 + abs(high / scale)
    zero_point = min(max(_to_nearest(from_least if is_least else from_most), -128), 127)
    inverse = real(1) / real(scale)
    for i in range(count):
        q[i] = min(max(_to_nearest(real(zero_point) + x[i] * inverse), -128), 127)
    return real(scale), wide(zero_point)


@inline
def quantize(x: f32p, q: i8p, count: i64, is_asymmetric: i64) -> Any:
    """Makes a vector int8; returns scale and zero point."""
    if is_asymmetric != 0:
        return quantize_asymmetric(x, q, count)
    return quantize_symmetric(x, q, count), wide(0)


@inline
def add_product_f32(y: f32p, w: f32p, rows: i64, count: i64, x: f32p, q: i8p, scale: f32, zero_point: i64) -> None:
    """Adds w · x to y; `q`, `scale` and `zero_point` are for 8-bit weights."""
    for row in range(rows):
        y[row] += dot(advance(w, row * count), x, count)


@inline
def add_product_q8(y: f32p, w: i8p, rows: i64, count: i64, x: f32p, q: i8p, scale: f32, zero_point: i64) -> None:
    """Adds scale · w · (q - zero point) to y."""
    for row in range(rows):
        weights = advance(w, row * count)
        total = dot_bytes(weights, q, count)
        if zero_point != 0:
            total -= zero_point * sum_bytes(weights, count)
        y[row] += real(total) * scale


@inline
def no_numbers(x: f32p, q: i8p, count: i64, is_asymmetric: i64) -> Any:
    """Stands for `quantize` where weights are float32."""
    return real(1), wide(0)


@inline
def activate(x: f32p, y: f32p, count: i64, activation: i64) -> None:
    """Sets y to the activation of x."""
    for at in range(0, count, LANES):
        n = min(LANES, count - at)
        value = load_part(x, at, n)
        if activation == RELU:
            value = maximum(value, splat(real(0)))
        elif activation == RELU_N1_TO_1:
            value = minimum(maximum(value, splat(real(-1))), splat(real(1)))
        elif activation == RELU6:
            value = minimum(maximum(value, splat(real(0))), splat(real(6)))
        elif activation == TANH:
            value = tanh(value)
        elif activation == LOGISTIC:
            value = logistic(value)
        store_part(y, at, value, n)


@inline
def normalize(x: f32p, factors: f32p, bias: f32p, count: i64) -> None:
    """Replaces x by (x - mean) / deviation · factors + bias."""
    total, squares = real(0), real(0)
    for i in range(count):
        total += x[i]
    mean = total / real(count)
    for i in range(count):
        squares += (x[i] - mean) * (x[i] - mean)
    root = sum_across(square_root(splat(squares / real(count) + _EPSILON))) / real(LANES)
    for i in range(count):
        x[i] = (x[i] - mean) / root * factors[i] + bias[i]


@inline
def clip(x: f32p, count: i64, bound: f32) -> None:
    """Limits x to [-bound, bound] if the bound is above 0."""
    if bound > real(0):
        for i in range(count):
            x[i] = min(max(x[i], -bound), bound)
