"""Bindings of the custom operators of LiteRT's own set that look at signals and numbers: in NumPy, in float64 as the reference does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from jitlite.interpreter.binding.arrays import computes
from jitlite.interpreter.binding.registry import HostStep, binds
from jitlite.schemas.errors import ExecutionError
from jitlite.schemas.ops.audio import (
    AUDIO_SPECTROGRAM,
    HADAMARD_ROTATION,
    MFCC,
    NUMERIC_VERIFY,
    MfccOptions,
    fft_length,
    flex_options,
    mfcc_options,
    rotated_size,
    rotations,
    spectrogram_options,
)
from jitlite.schemas.ops.spec import Call
from jitlite.schemas.tables import TensorType

Array = NDArray[Any]

_BATCH = 1 << 20
"""Numbers computed at once."""
_FLOOR = 1e-12
_STRICT = 0.1


@binds(AUDIO_SPECTROGRAM)
def audio_spectrogram(call: Call) -> HostStep:
    """Squared magnitudes, or magnitudes, of the Fourier transforms of windows under a periodic Hann window."""
    options, shape = spectrogram_options(call), call.outputs[0].shape
    length = fft_length(options.window)

    def run(arrays: Sequence[Array]) -> Array:
        y = np.empty(shape, np.float32)
        if not y.size:
            return y
        weights = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(options.window) / options.window)
        windows = sliding_window_view(arrays[0], options.window, axis=0)[:: options.stride].transpose(1, 0, 2)
        some_frames = max(1, _BATCH // length)
        some_channels = max(1, some_frames // shape[1])
        for channel, frame in product(range(0, shape[0], some_channels), range(0, shape[1], some_frames)):
            part = slice(channel, channel + some_channels), slice(frame, frame + some_frames)
            spectrum = np.fft.rfft(windows[part] * weights, length)
            y[part] = spectrum.real**2 + spectrum.imag**2
        return y if options.is_squared else np.sqrt(y)

    return computes(run)


class _Bands(NamedTuple):
    """Which bins a filter bank reads, the band each one falls into on its right side, and its share there."""

    start: int
    stop: int
    places: Array
    shares: Array


def _mel(frequency: Any) -> Any:
    return 1127.0 * np.log1p(frequency / 700.0)


def _bands(options: MfccOptions, bins: int, rate: int) -> _Bands:
    lowest = _mel(options.lower)
    spacing = (_mel(options.upper) - lowest) / (options.bands + 1)
    centers = lowest + spacing * np.arange(1, options.bands + 2)
    hz = 0.5 * rate / (bins - 1)
    start, last = int(1.5 + options.lower / hz), int(options.upper / hz)
    mels = _mel(np.arange(start, min(last + 1, bins)) * hz)
    places = np.searchsorted(centers[: options.bands], mels, "left") - 1
    below = np.where(places < 0, lowest, centers[places])
    shares = (centers[places + 1] - mels) / (centers[places + 1] - below)
    return _Bands(start, last + 1, places, shares)


def _cosines(options: MfccOptions) -> Array:
    count = options.bands
    angles = (np.arange(options.coefficients) * (np.pi / count))[:, None] * (np.arange(count) + 0.5)
    cosines: Array = np.sqrt(2.0 / count) * np.cos(angles)
    return cosines


@binds(MFCC)
def mfcc(call: Call) -> HostStep:
    """Cosine transforms of the logarithms of magnitudes in triangular bands that are equally wide in mel."""
    options, shape = mfcc_options(call), call.outputs[0].shape
    cosines = _cosines(options)

    def run(arrays: Sequence[Array]) -> Array:
        rate = int(arrays[1].reshape(-1)[0])
        if rate <= 0:
            raise ExecutionError(f"{call.where}: a sample rate above 0 is required, found {rate}")
        bins = arrays[0].shape[2]
        frames = arrays[0].reshape(-1, bins)
        bands, y = _bands(options, bins, rate), np.zeros((len(frames), options.coefficients), np.float32)
        batch = max(1, _BATCH // max(bins, options.bands))
        for start in range(0, len(frames) if bands.stop <= bins else 0, batch):
            y[start : start + batch] = _banded(frames[start : start + batch], bands, options.bands) @ cosines.T
        return y.reshape(shape)

    return computes(run)


def _banded(frames: Array, bands: _Bands, count: int) -> Array:
    """Logarithms of the frames' magnitudes in each band."""
    sums = np.zeros((count + 1, len(frames)))
    magnitudes = np.sqrt(frames[:, bands.start : bands.stop].astype(np.float64)).T
    for place, share, values in zip(bands.places, bands.shares, magnitudes):
        if place >= 0:
            sums[place] += values * share
        sums[place + 1] += values - values * share
    found: Array = np.log(np.where(sums[:count] < _FLOOR, _FLOOR, sums[:count])).T
    return found


@binds(NUMERIC_VERIFY)
def numeric_verify(call: Call) -> HostStep:
    """The dequantized input less the reference; ExecutionError where they differ by more than the tolerance, if that is to be checked."""
    x, options = call.input(0), flex_options(call)
    number = options.get("tolerance", 0.0)
    tolerance = np.float32(number if isinstance(number, (int, float)) else 0.0)
    is_checked = bool(options.get("log_if_failed", False)) and float(tolerance) >= _STRICT
    scales = [] if x.quantization is None else x.quantization.scale
    limit = tolerance * np.float32(scales[0] if len(scales) == 1 else 0.0)

    def run(arrays: Sequence[Array]) -> Array:
        y: Array = _dequantized(call, arrays[0]) - arrays[1]
        if is_checked and (np.abs(y) > limit).any():
            worst = float(np.nanmax(np.abs(y)))
            raise ExecutionError(f"{call.where}: differences of at most {float(limit)} are required, found {worst}")
        return y

    return computes(run)


def _dequantized(call: Call, values: Array) -> Array:
    x = call.input(0)
    if x.type is TensorType.FLOAT16:
        return values.astype(np.float32)
    parameters = x.quantization
    assert parameters is not None
    if len(parameters.scale) == 1:
        return ((values.astype(np.int32) - x.zero_point) * float(np.float32(x.scale))).astype(np.float32)
    shape = [1] * x.rank
    shape[parameters.quantized_dimension] = -1
    scales, zeros = np.array(parameters.scale, np.float32).reshape(shape), np.array(parameters.zero_point, np.int32).reshape(shape)
    return scales * (values.astype(np.int32) - zeros).astype(np.float32)


@binds(HADAMARD_ROTATION)
def hadamard_rotation(call: Call) -> HostStep:
    """Walsh-Hadamard transforms, divided by the root of their size; sizes that are no powers of two change nothing."""
    size, count, y = rotated_size(call), rotations(call), call.outputs[0]

    def run(arrays: Sequence[Array]) -> Array:
        values = arrays[0].view(np.float32).copy()
        if size & (size - 1) == 0 and count:
            flat = values.reshape(-1)
            flat[: count * size] = _transformed(flat[: count * size].reshape(count, size)).reshape(-1)
        return values.view(np.float32 if y.type is TensorType.FLOAT32 else np.int32)

    return computes(run)


def _transformed(rows: Array) -> Array:
    count, size = rows.shape
    half = 1
    while half < size:
        pairs = rows.reshape(count, size // (2 * half), 2, half)
        rows = np.stack([pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]], axis=2).reshape(count, size)
        half *= 2
    return rows * np.float32(1.0 / np.sqrt(np.float64(size)))
