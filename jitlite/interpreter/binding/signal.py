"""Bindings of the signal operators, which run in NumPy: definitions and rounding are those of TensorFlow Lite Micro."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isqrt, log2
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


def _root(x: int) -> int:
    """The nearest integer to a root, as far as it has half the bits of the number."""
    root = isqrt(x)
    most = 0xFFFF if x <= _MASK_32 else _MASK_32
    return root + (x - root * root > root and root != most)


@binds(FILTER_BANK_SQUARE_ROOT)
def filter_bank_square_root(call: Call) -> HostStep:
    def run(arrays: Sequence[Array]) -> Array:
        bits = int(arrays[1])
        if not 0 <= bits < 32:
            raise ExecutionError(f"{call.where}: scale bits from 0 to 31 are required, found {bits}")
        return np.array([_root(x) >> bits for x in arrays[0].tolist()], np.uint32)

    return computes(run)


_SEGMENT_BITS, _SCALE_BITS = 7, 16
_LOG_TABLE = [round((log2(1 + i / 128) - i / 128) * 65536) for i in range(128)] + [0, 0]
"""What the logarithm of 1 + i / 128 to the base 2 exceeds i / 128 by, in units of 2**-16."""
_LN_2 = round(0.6931471805599453 * 65536)


def _logarithm(x: int, scale: int) -> int:
    """The natural logarithm times `scale`, as an unsigned 32-bit number."""
    whole = x.bit_length() - 1
    rest = x - (1 << whole)
    fraction = rest << (_SCALE_BITS - whole) if whole < _SCALE_BITS else rest >> (whole - _SCALE_BITS)
    segment = fraction >> (_SCALE_BITS - _SEGMENT_BITS)
    low, high = _LOG_TABLE[segment : segment + 2]
    inside = ((high - low) * (fraction - (segment << (_SCALE_BITS - _SEGMENT_BITS)))) >> _SCALE_BITS
    base_2 = (whole << _SCALE_BITS) + fraction + low + inside
    natural = ((_LN_2 * base_2 + 0x8000) >> _SCALE_BITS) & _MASK_32
    return ((scale * natural + 0x8000) & _MASK_32) >> _SCALE_BITS


@binds(FILTER_BANK_LOG)
def filter_bank_log(call: Call) -> HostStep:
    scale, bits = signal_option(call, "output_scale"), signal_option(call, "input_correction_bits")

    def run(arrays: Sequence[Array]) -> Array:
        shifted = [(x << bits) & _MASK_32 for x in arrays[0].tolist()]
        return np.array([min(_logarithm(x, scale & _MASK_32), _INT16[1]) if x > 1 else 0 for x in shifted], np.int16)

    return computes(run)


_SNR_BITS, _OUTPUT_BITS = 12, 6


def _wrapped(x: int, bits: int) -> int:
    """A number as a signed one of so many bits."""
    return ((x + (1 << (bits - 1))) & ((1 << bits) - 1)) - (1 << (bits - 1))


def _gain(x: int, table: Sequence[int]) -> int:
    """A piecewise quadratic function of the noise estimate: four numbers of the table for each power of two."""
    if x <= 2:
        return table[x]
    interval = x.bit_length()
    at = 4 * interval - 6
    fraction = (x << (11 - interval) if interval < 11 else x >> (interval - 11)) & 0x3FF
    total = _wrapped(((table[at + 2] * fraction) >> 5) + (table[at + 1] << 5), 32)
    return _wrapped((_wrapped(_wrapped(total * fraction, 32) + (1 << 14), 32) >> 15) + table[at], 16)


def _shrunk(x: int) -> int:
    """x² / 4 below 2 and x - 1 from there on, of a number with 12 fractional bits that gets 6."""
    if x < 2 << _SNR_BITS:
        return (x * x) >> (2 + 2 * _SNR_BITS - _OUTPUT_BITS)
    return (x >> (_SNR_BITS - _OUTPUT_BITS)) - (1 << _OUTPUT_BITS)


@binds(PCAN)
def pcan(call: Call) -> HostStep:
    shift = signal_option(call, "snr_shift")

    def run(arrays: Sequence[Array]) -> Array:
        x, noise, table = (array.tolist() for array in arrays)
        ratios = [((value * (_gain(level, table) & _MASK_32)) & _MASK_64) >> shift & _MASK_32 for value, level in zip(x, noise)]
        return np.array([_shrunk(ratio) for ratio in ratios], np.uint32)

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
