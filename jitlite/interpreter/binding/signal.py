"""Bindings of the signal operators, which run in NumPy: definitions and rounding are those of TensorFlow Lite Micro."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.arrays import computes
from jitlite.interpreter.binding.fixed_fft import FixedFft
from jitlite.interpreter.binding.registry import HostStep, binds
from jitlite.schemas.dtypes import numpy_dtype
from jitlite.schemas.errors import ExecutionError
from jitlite.schemas.ops.signal import (
    ENERGY,
    FFT_AUTO_SCALE,
    FILTER_BANK,
    FILTER_BANK_LOG,
    FILTER_BANK_SQUARE_ROOT,
    IRFFT,
    PCAN,
    RFFT,
    WINDOW,
    energy_range,
    fft_size,
    signal_option,
)
from jitlite.schemas.ops.spec import Call
from jitlite.schemas.tables import TensorType

Array = NDArray[Any]

_INT16 = -(2**15), 2**15 - 1
_MASK_32, _MASK_64 = 2**32 - 1, 2**64 - 1
_PART = 1 << 15


def saturated(x: Array) -> Array:
    return np.clip(x, *_INT16).astype(np.int16)


def _by_rows(call: Call, transform: Callable[[Array], Array]) -> HostStep:
    """A transform of the last dimension, some rows at a time."""
    shape, type = call.outputs[0].shape, numpy_dtype(call.outputs[0].type)
    batch = max(1, (1 << 20) // fft_size(call))

    def run(arrays: Sequence[Array]) -> Array:
        rows = arrays[0].reshape(-1, arrays[0].shape[-1]) if arrays[0].size else np.zeros((0, 1), type)
        y = np.zeros((int(np.prod(shape[:-1], dtype=np.int64)), shape[-1]), type)
        for start in range(0, len(rows), batch):
            y[start : start + batch] = transform(rows[start : start + batch])
        return y.reshape(shape)

    return computes(run)


@binds(RFFT)
def rfft(call: Call) -> HostStep:
    """Transforms of rows, zeros behind short ones; those of integers are divided by their length."""
    length, x = fft_size(call), call.input(0)
    if x.type is TensorType.FLOAT32:

        def transform(rows: Array) -> Array:
            found = np.fft.rfft(rows.astype(np.float64), length)
            return np.stack([found.real, found.imag], axis=-1).reshape(len(rows), -1)

        return _by_rows(call, transform)
    fft = FixedFft(length, numpy_dtype(x.type), False)
    return _by_rows(call, lambda rows: fft.forward(np.pad(rows, ((0, 0), (0, length - rows.shape[1])))))


@binds(IRFFT)
def irfft(call: Call) -> HostStep:
    """Transforms back, divided by their length; the imaginary parts of the first and the last number do not count."""
    length, x = fft_size(call), call.input(0)
    if x.type is TensorType.FLOAT32:

        def transform(rows: Array) -> Array:
            pairs = rows.astype(np.float64).reshape(len(rows), -1, 2)
            return np.fft.irfft(pairs[:, :, 0] + 1j * pairs[:, :, 1], length)

        return _by_rows(call, transform)
    return _by_rows(call, FixedFft(length, numpy_dtype(x.type), True).backward)


@binds(WINDOW)
def window(call: Call) -> HostStep:
    shift = signal_option(call, "shift")

    def run(arrays: Sequence[Array]) -> Array:
        x, weights = (array.astype(np.int32) for array in arrays)
        return saturated((x.reshape(-1, weights.size) * weights) >> shift).reshape(x.shape)

    return computes(run)


@binds(ENERGY)
def energy(call: Call) -> HostStep:
    """Squared magnitudes in a range, zeros outside."""
    start, stop = energy_range(call)

    def run(arrays: Sequence[Array]) -> Array:
        pairs, y = arrays[0].astype(np.int64).reshape(-1, 2), np.zeros(call.outputs[0].shape, np.uint32)
        y[start:stop] = (pairs[start:stop] ** 2).sum(axis=1)
        return y

    return computes(run)


@binds(FILTER_BANK)
def filter_bank(call: Call) -> HostStep:
    """Weighted sums over each channel's frequencies; what weights leave of a number, unweights give to the next channel."""

    def run(arrays: Sequence[Array]) -> Array:
        x, weights, unweights = (array.astype(np.int64).astype(np.uint64) for array in arrays[:3])
        sums, kept = [], 0
        for frequency, weight, width in zip(*(array.tolist() for array in arrays[3:])):
            inside = width <= 0 or (0 <= frequency <= len(x) - width and 0 <= weight <= len(weights) - width)
            if not inside:
                raise ExecutionError(f"{call.where}: channels inside the input and its weights are required, found one outside")
            part, span = x[frequency : frequency + max(width, 0)], slice(weight, weight + max(width, 0))
            sums.append(kept + int((weights[span] * part).sum()))
            kept = int((unweights[span] * part).sum())
        return np.array([total & _MASK_64 for total in sums[1:]], np.uint64)

    return computes(run)


def _by_parts(dtype: Any, function: Callable[..., Array], *vectors: Array) -> Array:
    """An element-wise function of vectors, computed as much at once as caches hold."""
    y = np.empty(vectors[0].shape, dtype)
    for start in range(0, y.size, _PART):
        part = slice(start, start + _PART)
        y[part] = function(*(vector[part] for vector in vectors))
    return y


def _lengths(x: Array) -> NDArray[np.int64]:
    """How many bits each number has, up to 53 of them."""
    return np.frexp(x.astype(np.float64))[1].astype(np.int64)


def _roots(x: Array) -> Array:
    """The nearest integers to roots of uint64 numbers, as far as they have half the bits of the number, which may be 32 or 64."""
    roots = np.minimum(np.sqrt(x.astype(np.float64)), _MASK_32).astype(np.uint64)
    roots = roots - (roots * roots > x)
    up = roots + (roots < _MASK_32)
    roots = np.where(up * up <= x, up, roots)
    most = np.where(x <= _MASK_32, 0xFFFF, _MASK_32)
    rounded: Array = roots + ((x - roots * roots > roots) & (roots != most))
    return rounded


@binds(FILTER_BANK_SQUARE_ROOT)
def filter_bank_square_root(call: Call) -> HostStep:
    def run(arrays: Sequence[Array]) -> Array:
        bits = int(arrays[1])
        if not 0 <= bits < 32:
            raise ExecutionError(f"{call.where}: scale bits from 0 to 31 are required, found {bits}")
        return _by_parts(np.uint32, lambda x: _roots(x) >> np.uint64(bits), arrays[0])

    return computes(run)


_SEGMENT_BITS, _SCALE_BITS = 7, 16
_LOG_TABLE = np.array([round((log2(1 + i / 128) - i / 128) * 65536) for i in range(128)] + [0, 0], np.int64)
"""What the logarithm of 1 + i / 128 to the base 2 exceeds i / 128 by, in units of 2**-16."""
_LN_2 = round(0.6931471805599453 * 65536)


def _logarithms(x: NDArray[np.int64], scale: int) -> NDArray[np.int64]:
    """Natural logarithms of numbers of up to 32 bits times `scale`, as unsigned 32-bit numbers."""
    whole = _lengths(x) - 1
    rest = x - (np.int64(1) << whole)
    fraction = np.where(whole < _SCALE_BITS, rest << np.maximum(_SCALE_BITS - whole, 0), rest >> np.maximum(whole - _SCALE_BITS, 0))
    segment = fraction >> (_SCALE_BITS - _SEGMENT_BITS)
    low, high = _LOG_TABLE[segment], _LOG_TABLE[segment + 1]
    inside = ((high - low) * (fraction - (segment << (_SCALE_BITS - _SEGMENT_BITS)))) >> _SCALE_BITS
    natural = (_LN_2 * ((whole << _SCALE_BITS) + fraction + low + inside) + 0x8000) >> _SCALE_BITS
    scaled: NDArray[np.int64] = ((scale * natural + 0x8000) & _MASK_32) >> _SCALE_BITS
    return scaled


@binds(FILTER_BANK_LOG)
def filter_bank_log(call: Call) -> HostStep:
    scale, bits = signal_option(call, "output_scale"), signal_option(call, "input_correction_bits")

    def logarithms(x: Array) -> Array:
        shifted = (x.astype(np.int64) << bits) & _MASK_32
        return np.where(shifted > 1, np.minimum(_logarithms(np.maximum(shifted, 1), scale), _INT16[1]), 0)

    return computes(lambda arrays: _by_parts(np.int16, logarithms, arrays[0]))


_SNR_BITS, _OUTPUT_BITS = 12, 6


def _wrapped(x: Array, dtype: Any) -> NDArray[np.int64]:
    return x.astype(dtype).astype(np.int64)


def _gains(x: NDArray[np.int64], table: NDArray[np.int64]) -> NDArray[np.int64]:
    """A piecewise quadratic function of noise estimates: four numbers of the table for each power of two."""
    interval = np.maximum(_lengths(x), 2)
    at = 4 * interval - 6
    fraction = np.where(interval < 11, x << np.maximum(11 - interval, 0), x >> np.maximum(interval - 11, 0)) & 0x3FF
    total = _wrapped(((table[at + 2] * fraction) >> 5) + (table[at + 1] << 5), np.int32)
    total = _wrapped(_wrapped(total * fraction, np.int32) + (1 << 14), np.int32) >> 15
    return np.where(x <= 2, table[np.minimum(x, 2)], _wrapped(total + table[at], np.int16))


@binds(PCAN)
def pcan(call: Call) -> HostStep:
    """Numbers times gains, x, shrunk: x² / 4 below 2 and x - 1 from there on, with 12 fractional bits before and 6 after."""
    shift = np.uint64(signal_option(call, "snr_shift"))

    def shrunk(x: Array, gains: NDArray[np.int64]) -> Array:
        ratios = ((x.astype(np.uint64) * (gains & _MASK_32).astype(np.uint64)) >> shift) & np.uint64(_MASK_32)
        low = (ratios * ratios) >> np.uint64(2 + 2 * _SNR_BITS - _OUTPUT_BITS)
        high = (ratios >> np.uint64(_SNR_BITS - _OUTPUT_BITS)) - np.uint64(1 << _OUTPUT_BITS)
        return np.where(ratios < 2 << _SNR_BITS, low, high)

    def run(arrays: Sequence[Array]) -> Array:
        table = arrays[2].astype(np.int64)
        return _by_parts(np.uint32, lambda x, noise: shrunk(x, _gains(noise.astype(np.int64), table)), *arrays[:2])

    return computes(run)


def _largest(x: Array) -> int:
    """The largest magnitude as a 16-bit number. That of -32768 is -32768: the search goes on from there."""
    lowest = np.flatnonzero(x == _INT16[0])
    if not lowest.size:
        return int(np.abs(x).max(initial=0))
    found, rest = _INT16[0], x[int(lowest[-1]) + 1 :]
    for place, value in enumerate(rest.tolist()):
        if found >= 0:
            return max(found, int(np.abs(rest[place:]).max(initial=0)))
        found = value if value > found else -value
    return found


@binds(FFT_AUTO_SCALE)
def fft_auto_scale(call: Call) -> HostStep:
    """The input shifted to the left as far as its largest number allows, and by how many bits."""

    def run(arrays: Sequence[Array | None]) -> list[Array]:
        assert arrays[0] is not None
        most = _largest(arrays[0])
        bits = max(0, 15 - most.bit_length()) if most > 0 else 0
        return [(arrays[0].astype(np.int32) << bits).astype(np.int16), np.array(bits, np.int32)]

    return HostStep(run)
