"""Activation functions of float32."""

from typing import Any

import numpy as np

from jitlite.interpreter.codegen.isa import selected
from jitlite.interpreter.kernels import normal, pieces, transcendental
from jitlite.interpreter.kernels.abi import f32, f32p, i64, kernel
from jitlite.interpreter.kernels.partial import load_part, store_part
from jitlite.interpreter.kernels.strips import unary, vector_span
from jitlite.interpreter.kernels.tile import forced
from jitlite.interpreter.kernels.vectors import LANES, Vector, clamp, load, maximum, minimum, select, splat, store

_ZERO: Any = np.float32(0)
_THREE: Any = np.float32(3)
_SIX: Any = np.float32(6)
_SIXTH: Any = np.float32(1 / 6)
_curves: Any = pieces if selected().has_tables else transcendental
_bells: Any = pieces if selected().has_tables else normal
_logistic = _curves.logistic


@kernel
def clamp_f32(x: f32p, y: f32p, count: i64, low: f32, high: f32, thread: i64, threads: i64) -> None:
    """NaN stays NaN."""
    at, stop = vector_span(count, thread, threads)
    least, most = splat(low), splat(high)
    while at + LANES <= stop:
        store(y, at, clamp(load(x, at), least, most))
        at += LANES
    if at < stop:
        store_part(y, at, clamp(load_part(x, at, stop - at), least, most), stop - at)


@forced
def _leaky(x: Vector, alpha: Vector) -> Vector:
    return select(x > splat(_ZERO), x, x * alpha)


@kernel
def leaky_relu_f32(x: f32p, y: f32p, count: i64, alpha: f32, thread: i64, threads: i64) -> None:
    at, stop = vector_span(count, thread, threads)
    slope = splat(alpha)
    while at + LANES <= stop:
        store(y, at, _leaky(load(x, at), slope))
        at += LANES
    if at < stop:
        store_part(y, at, _leaky(load_part(x, at, stop - at), slope), stop - at)


@forced
def _gated(x: Vector, factor: Vector, low: Vector, high: Vector) -> Vector:
    return clamp(factor * _logistic(x), low, high)


@kernel
def logistic_product_f32(x: f32p, factor: f32p, y: f32p, count: i64, low: f32, high: f32, thread: i64, threads: i64) -> None:
    """Y = factor · logistic(x), clamped."""
    at, stop = vector_span(count, thread, threads)
    least, most = splat(low), splat(high)
    while at + LANES <= stop:
        store(y, at, _gated(load(x, at), load(factor, at), least, most))
        at += LANES
    if at < stop:
        store_part(y, at, _gated(load_part(x, at, stop - at), load_part(factor, at, stop - at), least, most), stop - at)


@forced
def _hard_swish(x: Vector) -> Vector:
    return x * (minimum(splat(_SIX), maximum(splat(_ZERO), x + splat(_THREE))) * splat(_SIXTH))


for _name, _function in {
    "elu": transcendental.elu,
    "logistic": _logistic,
    "tanh": _curves.tanh,
    "hard_swish": _hard_swish,
    "gelu": _bells.gelu,
    "gelu_tanh": _bells.gelu_tanh,
}.items():
    unary(__name__, f"{_name}_f32", (f32p, f32p), _function)
