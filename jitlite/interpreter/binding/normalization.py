"""Bindings of the operators that rescale real numbers, in NumPy."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.arrays import computes
from jitlite.interpreter.binding.registry import HostStep, binds
from jitlite.schemas.ops.normalization import FAKE_QUANT, LOCAL_RESPONSE_NORMALIZATION
from jitlite.schemas.ops.spec import Call

Array = NDArray[Any]


@binds(LOCAL_RESPONSE_NORMALIZATION)
def local_response_normalization(call: Call) -> HostStep:
    """X · (bias + alpha · Σ x²)^-beta over the channels from `radius` before an element up to, but without, `radius` behind it.

    The reference kernel leaves the last channel of the window out; LiteRT's optimized one does not.
    """
    options, depth = call.options, call.input(0).shape[-1]
    radius = min(max(options.radius, 0), depth)
    channels = np.arange(depth)
    first, last = np.maximum(channels - radius, 0), np.minimum(channels + radius, depth)
    bias, alpha, beta = np.float32(options.bias), np.float32(options.alpha), np.float32(options.beta)

    def normalized(operands: Sequence[Array]) -> Array:
        x = operands[0]
        scales = bias + alpha * _sums(x * x, first, last)
        found: Array = x * np.power(scales, -beta)
        return found

    return computes(normalized)


def _sums(x: Array, first: Array, last: Array) -> Array:
    """Sums of non-negative numbers along the last axis from `first` to `last`; infinities and NaNs count in their own windows alone."""
    finite = np.isfinite(x)
    totals = _differences(np.where(finite, x, 0).astype(np.float64), first, last).astype(np.float32)
    if finite.all():
        return totals
    infinite, invalid = (_differences(mask.astype(np.int64), first, last) > 0 for mask in (np.isinf(x), np.isnan(x)))
    return np.where(invalid, np.float32(np.nan), np.where(infinite, np.float32(np.inf), totals))


def _differences(x: Array, first: Array, last: Array) -> Array:
    totals = np.zeros((*x.shape[:-1], x.shape[-1] + 1), x.dtype)
    np.cumsum(x, axis=-1, out=totals[..., 1:])
    found: Array = totals[..., last] - totals[..., first]
    return found


@binds(FAKE_QUANT)
def fake_quant(call: Call) -> HostStep:
    """Bounds moved so that 0 is a whole step from the lower one, numbers clamped to them and rounded to whole steps."""
    options, most = call.options, np.float32(2**call.options.num_bits - 1)
    least = np.float32(options.min)
    with np.errstate(all="ignore"):
        scale = (np.float32(options.max) - least) / most
        zero = np.clip(_rounded(-least / scale), np.float32(0), most)
        low, high = -zero * scale, (most - zero) * scale
        inverse = np.float32(1) / scale

    def quantized(operands: Sequence[Array]) -> Array:
        x = operands[0]
        clamped = np.where(x > low, x, low)
        clamped = np.where(clamped < high, clamped, high)
        found: Array = _rounded((clamped - low) * inverse) * scale + low
        return found

    return computes(quantized)


def _rounded(x: Any) -> Any:
    """To the nearest whole number, halves away from 0."""
    whole = np.trunc(x)
    return whole + np.where(np.abs(x - whole) >= np.float32(0.5), np.sign(x), np.float32(0))
