"""Bindings of the operators on complex numbers, in NumPy: a model has few of them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.arrays import computes
from jitlite.interpreter.binding.registry import HostStep, binds
from jitlite.schemas.dtypes import from_bfloat16, to_bfloat16
from jitlite.schemas.ops.complex import ATAN2, COMPLEX_ABS, IMAG, REAL, RFFT2D, transform_lengths
from jitlite.schemas.ops.spec import Call
from jitlite.schemas.tables import TensorType

Array = NDArray[Any]

_CHUNK = 1 << 18
"""Elements transformed at a time, in float64."""


@binds(RFFT2D)
def rfft2d(call: Call) -> HostStep:
    rows, columns = transform_lengths(call)
    x, shape = call.input(0), call.outputs[0].shape
    together = max(1, _CHUNK // (rows * columns))

    def transform(operands: Sequence[Array]) -> Array:
        y = np.zeros(shape, np.complex64)
        if x.size == 0 or y.size == 0:
            return y
        matrices, results = operands[0].reshape(-1, *x.shape[-2:]), y.reshape(-1, *shape[-2:])
        for first in range(0, len(results), together):
            part = slice(first, first + together)
            results[part] = np.fft.rfft2(matrices[part].astype(np.float64), s=(rows, columns), axes=(-2, -1))
        return y

    return computes(transform)


def _function(function: Callable[[Array], Array]) -> Callable[[Call], HostStep]:
    return lambda call: computes(lambda operands: function(operands[0]))


binds(REAL)(_function(np.real))
binds(IMAG)(_function(np.imag))
binds(COMPLEX_ABS)(_function(np.abs))


@binds(ATAN2)
def atan2(call: Call) -> HostStep:
    if call.input(0).type is TensorType.BFLOAT16:
        return computes(lambda operands: to_bfloat16(np.arctan2(from_bfloat16(operands[0]), from_bfloat16(operands[1]))))
    return computes(lambda operands: np.arctan2(operands[0], operands[1]))
