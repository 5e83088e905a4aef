"""Steps on tensors of strings, which run in Python: what the families of the operators bind when an operand has type STRING."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.arrays import computes
from jitlite.interpreter.binding.registry import HostStep
from jitlite.schemas.errors import ExecutionError
from jitlite.schemas.ops.slice import Window
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.tables import TensorType

Array = NDArray[Any]


def is_string(info: TensorInfo) -> bool:
    return info.type is TensorType.STRING


def reshaped(call: Call) -> HostStep:
    """The first operand's strings in the shape of the output."""
    shape = call.outputs[0].shape
    return computes(lambda arrays: arrays[0].reshape(shape))


def filled(call: Call) -> HostStep:
    """FILL."""
    shape = call.outputs[0].shape
    return computes(lambda arrays: np.full(shape, arrays[1].reshape(-1)[0], np.object_))


def tiled(call: Call, multiples: Sequence[int]) -> HostStep:
    return computes(lambda arrays: np.tile(arrays[0], multiples) if multiples else arrays[0].copy())


def sliced(call: Call, windows: Sequence[Window]) -> HostStep:
    """The windows of the first operand, one a dimension of it or one that is added, in the shape of the output."""
    x, shape = call.input(0), call.outputs[0].shape

    def run(arrays: Sequence[Array]) -> Array:
        places = np.arange(x.size).reshape([window.size for window in windows])
        read = np.ix_(*[window.start + window.stride * np.arange(window.length) for window in windows])
        picked: Array = arrays[0].reshape(-1)[places[read].reshape(-1)]
        return picked.reshape(shape)

    return computes(run)


def gathered(call: Call) -> HostStep:
    """GATHER of a vector."""
    shape = call.outputs[0].shape

    def run(arrays: Sequence[Array]) -> Array:
        x, positions = arrays[0], arrays[1].reshape(-1)
        _require_inside(call, positions, x.size)
        return x[positions].reshape(shape)

    return computes(run)


def gathered_nd(call: Call) -> HostStep:
    """GATHER_ND: each row of the indices names an element, or a part of several when it is shorter than the input's rank."""
    shape = call.outputs[0].shape

    def run(arrays: Sequence[Array]) -> Array:
        x, indices = arrays
        depth, count = indices.shape[-1], prod(indices.shape[:-1])
        rows, places = indices.reshape(count, depth), np.zeros(count, np.int64)
        for axis in range(depth):
            _require_inside(call, rows[:, axis], x.shape[axis])
            places = places * x.shape[axis] + rows[:, axis]
        parts: Array = x.reshape(prod(x.shape[:depth]), prod(x.shape[depth:]))[places]
        return parts.reshape(shape)

    return computes(run)


def _require_inside(call: Call, positions: Array, size: int) -> None:
    if positions.size and (positions.min() < 0 or positions.max() >= size):
        raise ExecutionError(f"{call.where}: an index inside its bound is required, found one outside")


def compared(call: Call, compare: Callable[[Array, Array], Array]) -> HostStep:
    """`np.equal` or `np.not_equal` of two operands that are broadcast to one shape."""
    return computes(lambda arrays: np.asarray(compare(arrays[0], arrays[1]), np.bool_).reshape(call.outputs[0].shape))
