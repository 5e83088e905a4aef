"""Operators on float32 arrays in NumPy: element by element, products, reductions, and those that only move elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.schemas.ops.spec import Call
from jitlite.schemas.record import Record
from jitlite.schemas.tables import ActivationFunctionType, FullyConnectedOptionsWeightsFormat

Array = NDArray[Any]
Compute = Callable[[Sequence[Any], Sequence[Array]], None]
"""Writes the outputs, given the operands (None for an absent one)."""


class Function(Record):
    """How an operator is computed.

    `reals` are the operands that are float32, by place; None stands for all of them. The others are constants. `make` gets a call and may
    take its time; `check` says why a call of fitting types is not supported.
    """

    make: Callable[[Call], Compute]
    reals: tuple[int, ...] | None = None
    check: Callable[[Call], str | None] = lambda call: None


FUNCTIONS: dict[str, Function] = {}
"""Functions by the operator's name."""


def computes(
    *names: str, reals: tuple[int, ...] | None = None, check: Callable[[Call], str | None] = lambda call: None
) -> Callable[[Callable[[Call], Compute]], Callable[[Call], Compute]]:
    """Registers the function that makes the computation of these operators."""

    def register(make: Callable[[Call], Compute]) -> Callable[[Call], Compute]:
        for name in names:
            assert name not in FUNCTIONS, f"{name} is registered twice"
            FUNCTIONS[name] = Function(make, reals, check)
        return make

    return register


A = ActivationFunctionType
_BOUNDS = {A.RELU: (0.0, None), A.RELU6: (0.0, 6.0), A.RELU_N1_TO_1: (-1.0, 1.0)}


def activation(call: Call) -> Callable[[Array], None]:
    """Applies a call's fused activation function to an array, in place."""
    kind = call.options.fused_activation_function
    if kind in _BOUNDS:
        low, high = _BOUNDS[kind]
        return lambda y: _clip(y, low, high, y)
    return (lambda y: _store(np.tanh(y, out=y))) if kind is A.TANH else lambda y: None


def has_activation(call: Call) -> str | None:
    """Why a call's activation function is not supported."""
    kind = call.options.fused_activation_function
    return None if kind in (A.NONE, A.TANH, *_BOUNDS) else f"activation {kind.name} is not supported"


def _clip(x: Array, low: float | None, high: float | None, out: Array) -> None:
    np.clip(x, None if low is None else np.float32(low), None if high is None else np.float32(high), out=out)


def _store(result: Array) -> None:
    """Ends a lambda that is called for what it writes."""


def _logistic(x: Array, out: Array) -> None:
    np.negative(x, out=out)
    np.exp(out, out=out)
    out += np.float32(1)
    np.reciprocal(out, out=out)


def _hard_swish(x: Array, out: Array) -> None:
    np.multiply(x, np.clip(x + np.float32(3), 0, 6) * np.float32(1 / 6), out=out)


def _elu(x: Array, out: Array) -> None:
    np.copyto(out, np.where(x < 0, np.expm1(np.minimum(x, 0)), x))


_UNARY: dict[str, Callable[[Array, Array], Any]] = {
    "ABS": np.abs,
    "CEIL": np.ceil,
    "COS": np.cos,
    "ELU": _elu,
    "EXP": np.exp,
    "FLOOR": np.floor,
    "HARD_SWISH": _hard_swish,
    "LOG": np.log,
    "LOGISTIC": _logistic,
    "NEG": np.negative,
    "RELU": lambda x, y: _clip(x, 0, None, y),
    "RELU6": lambda x, y: _clip(x, 0, 6, y),
    "RELU_0_TO_1": lambda x, y: _clip(x, 0, 1, y),
    "RELU_N1_TO_1": lambda x, y: _clip(x, -1, 1, y),
    "RSQRT": lambda x, y: np.reciprocal(np.sqrt(x, out=y), out=y),
    "SIN": np.sin,
    "SQRT": np.sqrt,
    "SQUARE": np.square,
    "TANH": np.tanh,
}

_BINARY: dict[str, Callable[[Array, Array, Array], Any]] = {
    "ADD": np.add,
    "DIV": np.divide,
    "MAXIMUM": lambda a, b, y: np.maximum(a, b, out=y),
    "MINIMUM": lambda a, b, y: np.minimum(a, b, out=y),
    "MUL": np.multiply,
    "SQUARED_DIFFERENCE": lambda a, b, y: np.square(np.subtract(a, b, out=y), out=y),
    "SUB": np.subtract,
}


@computes(*_UNARY)
def _unary(call: Call) -> Compute:
    function = _UNARY[call.spec.name]
    return lambda arrays, outs: function(arrays[0], outs[0])


def _binary_check(call: Call) -> str | None:
    return has_activation(call) if hasattr(call.options, "fused_activation_function") else None


@computes(*_BINARY, check=_binary_check)
def _binary(call: Call) -> Compute:
    function = _BINARY[call.spec.name]
    activate = activation(call) if hasattr(call.options, "fused_activation_function") else None

    def compute(arrays: Sequence[Any], outs: Sequence[Array]) -> None:
        function(arrays[0], arrays[1], outs[0])
        if activate is not None:
            activate(outs[0])

    return compute


@computes("LEAKY_RELU")
def _leaky_relu(call: Call) -> Compute:
    alpha = np.float32(call.options.alpha)
    return lambda arrays, outs: np.copyto(outs[0], np.where(arrays[0] > 0, arrays[0], arrays[0] * alpha))


@computes("PRELU")
def _prelu(call: Call) -> Compute:
    return lambda arrays, outs: np.copyto(outs[0], np.where(arrays[0] >= 0, arrays[0], arrays[0] * arrays[1]))


@computes("SOFTMAX")
def _softmax(call: Call) -> Compute:
    beta = np.float32(call.options.beta)

    def compute(arrays: Sequence[Any], outs: Sequence[Array]) -> None:
        y = outs[0]
        np.subtract(arrays[0], arrays[0].max(axis=-1, keepdims=True), out=y)
        y *= beta
        np.exp(y, out=y)
        y /= y.sum(axis=-1, keepdims=True)

    return compute


@computes("LOG_SOFTMAX")
def _log_softmax(call: Call) -> Compute:
    def compute(arrays: Sequence[Any], outs: Sequence[Array]) -> None:
        y = outs[0]
        np.subtract(arrays[0], arrays[0].max(axis=-1, keepdims=True), out=y)
        y -= np.log(np.exp(y).sum(axis=-1, keepdims=True))

    return compute


def _dense_check(call: Call) -> str | None:
    if call.options.weights_format != FullyConnectedOptionsWeightsFormat.DEFAULT:
        return "shuffled weights are not supported"
    return has_activation(call)


@computes("FULLY_CONNECTED", check=_dense_check)
def _fully_connected(call: Call) -> Compute:
    channels, depth = call.input(1).shape
    activate = activation(call)

    def compute(arrays: Sequence[Any], outs: Sequence[Array]) -> None:
        y = outs[0].reshape(-1, channels)
        np.matmul(arrays[0].reshape(-1, depth), arrays[1].T, out=y)
        if len(arrays) > 2 and arrays[2] is not None:
            y += arrays[2].reshape(-1)
        activate(y)

    return compute


@computes("BATCH_MATMUL")
def _batch_matmul(call: Call) -> Compute:
    adj_x, adj_y = call.options.adj_x, call.options.adj_y

    def compute(arrays: Sequence[Any], outs: Sequence[Array]) -> None:
        x = np.swapaxes(arrays[0], -1, -2) if adj_x else arrays[0]
        y = np.swapaxes(arrays[1], -1, -2) if adj_y else arrays[1]
        np.matmul(x, y, out=outs[0])

    return compute


@computes("RESHAPE", "SQUEEZE", "EXPAND_DIMS", reals=(0,))
def _reshape(call: Call) -> Compute:
    return lambda arrays, outs: np.copyto(outs[0], arrays[0].reshape(outs[0].shape))


@computes("TRANSPOSE", reals=(0,))
def _transpose(call: Call) -> Compute:
    order = [int(axis) for axis in call.constant(1)]
    return lambda arrays, outs: np.copyto(outs[0], arrays[0].transpose(order))


@computes("CONCATENATION", check=has_activation)
def _concatenation(call: Call) -> Compute:
    axis, activate = call.options.axis, activation(call)

    def compute(arrays: Sequence[Any], outs: Sequence[Array]) -> None:
        np.concatenate(arrays, axis=axis, out=outs[0])
        activate(outs[0])

    return compute


@computes("PACK")
def _pack(call: Call) -> Compute:
    axis = call.options.axis
    return lambda arrays, outs: _store(np.stack(arrays, axis=axis, out=outs[0]))


@computes("SPLIT", reals=(1,))
def _split(call: Call) -> Compute:
    axis = int(call.constant(0).reshape(-1)[0])

    def compute(arrays: Sequence[Any], outs: Sequence[Array]) -> None:
        for part, out in zip(np.split(arrays[1], len(outs), axis=axis), outs):
            np.copyto(out, part)

    return compute


@computes("SLICE", reals=(0,))
def _slice(call: Call) -> Compute:
    sizes = call.outputs[0].shape
    where = tuple(slice(int(first), int(first) + size) for first, size in zip(call.constant(1).reshape(-1), sizes))
    return lambda arrays, outs: np.copyto(outs[0], arrays[0][where])


@computes("PAD", "PADV2", reals=(0,))
def _pad(call: Call) -> Compute:
    fill = call.constant(2).reshape(-1)[0] if len(call.inputs) > 2 else 0
    inner = tuple(slice(int(first), int(first) + size) for (first, _), size in zip(call.constant(1), call.input(0).shape))

    def compute(arrays: Sequence[Any], outs: Sequence[Array]) -> None:
        outs[0].fill(fill)
        outs[0][inner] = arrays[0]

    return compute


_REDUCTIONS: dict[str, Callable[..., Any]] = {"MEAN": np.mean, "REDUCE_MAX": np.max, "REDUCE_MIN": np.min, "SUM": np.sum}


@computes(*_REDUCTIONS, reals=(0,))
def _reduction(call: Call) -> Compute:
    function, rank = _REDUCTIONS[call.spec.name], call.input(0).rank
    axes = tuple(sorted({int(axis) % rank for axis in call.constant(1).reshape(-1)})) if rank else ()
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(call.input(0).shape))
    return lambda arrays, outs: _store(function(arrays[0], axis=axes, keepdims=True, out=outs[0].reshape(kept)))
