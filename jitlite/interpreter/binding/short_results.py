"""FULLY_CONNECTED of bytes with INT16 results, in NumPy: weights as they are or shuffled, as old converters made them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.panels import limits
from jitlite.interpreter.binding.products import shared_multiplier
from jitlite.interpreter.binding.registry import HostStep
from jitlite.schemas.affine import multiply_by_quantized_multiplier
from jitlite.schemas.ops.matmul import SHUFFLED_DEPTH, SHUFFLED_UNITS
from jitlite.schemas.ops.spec import Call

Array = NDArray[Any]

_FLIP = np.uint8(0x80)


def short_product(call: Call) -> HostStep:
    """Sums are rescaled in float64 and rounded to nearest, halves away from zero."""
    x, w, y = call.input(0), call.input(1), call.outputs[0]
    scale = float(np.float64(x.scale) * np.float64(w.scale) / np.float64(y.scale))
    _, low, high = limits(y, call.options.fused_activation_function).tolist()

    def run(operands: Sequence[Array | None]) -> list[Array]:
        left, right = _real(operands[0], x.zero_point), _real(operands[1], w.zero_point)
        scaled = _sums(left.reshape(-1, w.shape[1]), right, operands[2]) * scale
        whole = np.trunc(scaled)
        whole += np.copysign(np.abs(scaled - whole) >= 0.5, scaled)
        return [np.clip(whole, low, high).astype(np.int16).reshape(y.shape)]

    return HostStep(run)


def shuffled_product(call: Call) -> HostStep:
    """Bytes whose zero points are 128; the second result is the input as the reference shuffles it, its signs flipped."""
    x, w, y = call.input(0), call.input(1), call.outputs[0]
    (mantissa,), (shift,) = shared_multiplier(x, w, y, 1)
    _, low, high = limits(y, call.options.fused_activation_function).tolist()
    units, depth = w.shape

    def run(operands: Sequence[Array | None]) -> list[Array]:
        assert operands[0] is not None
        assert operands[1] is not None
        flipped = operands[0].reshape(-1, depth) ^ _FLIP
        blocks = operands[1].reshape(units // SHUFFLED_UNITS, depth // SHUFFLED_DEPTH, SHUFFLED_UNITS, SHUFFLED_DEPTH)
        right = blocks.swapaxes(1, 2).reshape(units, depth).view(np.int8).astype(np.float64)
        sums = _sums(flipped.view(np.int8).astype(np.float64), right, operands[2]).astype(np.int64).astype(np.int32)
        found = np.clip(multiply_by_quantized_multiplier(sums, int(mantissa), int(shift)), low, high)
        workspace = flipped.reshape(len(flipped), -1, SHUFFLED_DEPTH).swapaxes(0, 1).reshape(x.shape)
        return [found.astype(np.int16).reshape(y.shape), workspace]

    return HostStep(run)


def _real(values: Array | None, zero_point: int) -> NDArray[np.float64]:
    assert values is not None
    return values.astype(np.float64) - zero_point


def _sums(left: NDArray[np.float64], right: NDArray[np.float64], bias: Array | None) -> NDArray[np.float64]:
    """Exact sums of products of bytes: float64 holds them."""
    products: NDArray[np.float64] = left @ right.T
    return products if bias is None else products + bias
