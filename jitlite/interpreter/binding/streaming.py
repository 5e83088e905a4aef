"""Bindings of the signal operators that remember what they saw from run to run. A reset of variables makes them forget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from jitlite.interpreter.binding.registry import HostStep, binds
from jitlite.interpreter.binding.signal import saturated
from jitlite.schemas.dtypes import numpy_dtype
from jitlite.schemas.ops.audio import flex_options
from jitlite.schemas.ops.signal import (
    DELAY,
    FILTER_BANK_SPECTRAL_SUBTRACTION,
    FRAMER,
    OVERLAP_ADD,
    STACKER,
    SUBTRACTION,
    frame_sizes,
    signal_option,
    stacked_frames,
)
from jitlite.schemas.ops.spec import Call

Array = NDArray[Any]
Update = Callable[[Array, Array], tuple[list[Array], Array]]


def _remembers(start: Callable[[], Array], update: Update) -> HostStep:
    """A step whose function gets its state and the input and returns the results and the new state."""
    state: list[Array] = []

    def run(arrays: Sequence[Array | None]) -> list[Array]:
        assert arrays[0] is not None
        results, found = update(state.pop() if state else start(), arrays[0])
        state.append(found)
        return results

    return HostStep(run, reset=state.clear)


@binds(DELAY)
def delay(call: Call) -> HostStep:
    """Each row's stream, so many numbers later."""
    x = call.input(0)
    rows, columns, length = prod(x.shape[:-1]), x.shape[-1], signal_option(call, "delay_length")

    def update(state: Array, values: Array) -> tuple[list[Array], Array]:
        stream = np.concatenate([state, values.reshape(rows, columns)], axis=1)
        return [stream[:, :columns].reshape(x.shape)], stream[:, columns:]

    return _remembers(lambda: np.zeros((rows, length), np.int16), update)


@binds(FRAMER)
def framer(call: Call) -> HostStep:
    """Frames of each row's stream, a step apart; zeros, and no validity, for frames that are not complete."""
    x, (size, step), shape = call.input(0), frame_sizes(call), call.outputs[0].shape
    rows, prefill = prod(x.shape[:-1]), size - step if flex_options(call).get("prefill") else 0

    def update(state: Array, values: Array) -> tuple[list[Array], Array]:
        stream = np.concatenate([state, values.reshape(rows, x.shape[-1])], axis=1)
        y, first = np.zeros((rows, shape[-2], size), np.int16), max(0, -(-(size - state.shape[1]) // step) - 1)
        count = max(0, shape[-2] - first)
        if count:
            y[:, first:] = sliding_window_view(stream, size, axis=1)[:, ::step][:, :count]
        return [y.reshape(shape), np.array(not first or not rows)], stream[:, count * step :]

    return _remembers(lambda: np.zeros((rows, prefill), np.int16), update)


@binds(STACKER)
def stacker(call: Call) -> HostStep:
    """Frames with those before and behind them; the first frame stands for those before it."""
    channels, (left, right, step) = call.input(0).size, stacked_frames(call)
    count = channels * (left + right + 1)

    def update(state: Array, values: Array) -> tuple[list[Array], Array]:
        is_first = not state.size
        stream = np.concatenate([state[1:], np.tile(values, left + 1) if is_first else values])
        is_valid = stream.size >= count
        y = stream[:count] if is_valid else np.zeros(count, np.int16)
        return [y, np.array(is_valid)], np.concatenate([np.zeros(1, np.int16), stream[channels * step if is_valid else 0 :]])

    return _remembers(lambda: np.zeros(0, np.int16), update)


@binds(OVERLAP_ADD)
def overlap_add(call: Call) -> HostStep:
    """The sums of frames that overlap, the earlier first: a frame adds its last part to what has just begun, its first to what is done."""
    x, step, shape = call.input(0), signal_option(call, "frame_step"), call.outputs[0].shape
    rows, (frames, size), dtype = prod(x.shape[:-2]), x.shape[-2:], numpy_dtype(x.type)

    parts = -(-size // step)

    def padded(values: Array) -> Array:
        return np.pad(values, [*[(0, 0)] * (values.ndim - 1), (0, parts * step - size)]).reshape(*values.shape[:-1], parts, step)

    def update(state: Array, values: Array) -> tuple[list[Array], Array]:
        sums, added = np.zeros((rows, frames + parts, step), dtype), padded(values.reshape(rows, frames, size))
        sums[:, :parts] = padded(state)
        for part in reversed(range(parts)):
            reached = sums[:, part : part + frames]
            reached[...] = saturated(reached.astype(np.int32) + added[:, :, part]) if dtype == np.int16 else reached + added[:, :, part]
        return [sums[:, :frames].reshape(shape)], sums[:, frames:].reshape(rows, parts * step)[:, :size]

    return _remembers(lambda: np.zeros((rows, size), dtype), update)


@binds(FILTER_BANK_SPECTRAL_SUBTRACTION)
def spectral_subtraction(call: Call) -> HostStep:
    """Each channel less an estimate of its noise, which follows the channel slowly; odd channels have factors of their own."""
    factors = np.array([signal_option(call, name) & 0xFFFFFFFF for name in SUBTRACTION], np.uint64)
    smoothing_bits, bits = (np.uint64(signal_option(call, name)) for name in ("smoothing_bits", "spectral_subtraction_bits"))
    clamps, channels = bool(flex_options(call).get("clamping")), call.input(0).size
    is_odd = np.arange(channels) % 2 == 1
    smoothing, kept = np.where(is_odd, factors[2], factors[0]), np.where(is_odd, factors[3], factors[1])
    mask = np.uint64(0xFFFFFFFF)

    def update(noise: Array, values: Array) -> tuple[list[Array], Array]:
        wide = values.astype(np.uint64)
        scaled = (wide << smoothing_bits) & mask
        noise = ((scaled * smoothing + noise * kept) >> bits) & mask
        estimate = np.minimum(noise, scaled)
        floor = ((wide * factors[4]) >> bits) & mask
        y = np.maximum((scaled - estimate) >> smoothing_bits, floor)
        noise = estimate if clamps else noise
        return [y.astype(np.uint32), noise.astype(np.uint32)], noise

    return _remembers(lambda: np.zeros(channels, np.uint64), update)
