"""Bindings of the operators that make random numbers, in NumPy. Those with seeds go on where their last run stopped."""

import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.counters import philox, threefry
from jitlite.interpreter.binding.registry import HostStep, binds
from jitlite.schemas.dtypes import numpy_dtype
from jitlite.schemas.ops.random import MULTINOMIAL, RANDOM_STANDARD_NORMAL, RANDOM_UNIFORM, STABLEHLO_RNG_BIT_GENERATOR
from jitlite.schemas.ops.spec import Call
from jitlite.schemas.tables import RngAlgorithm

Array = NDArray[Any]
Words = NDArray[np.uint32]

_WORD = (1 << 64) - 1
_SAMPLE_SKIP = 2 * 256
"""Counters MULTINOMIAL moves on by for each of its samples, whatever it used."""
_LEAST_UNIFORM = np.float32(1e-7)


class _Generator:
    """Philox with a 128-bit counter, as TensorFlow seeds it; without seeds it starts anywhere. Of a seed 32 bits with their sign count."""

    def __init__(self, seed: int, seed2: int) -> None:
        seed, seed2 = ((value + (1 << 31)) % (1 << 32) - (1 << 31) for value in (seed, seed2))
        if seed == 0 and seed2 == 0:
            seed, seed2 = (int.from_bytes(os.urandom(8), "little") for _ in range(2))
        self._key = seed & _WORD
        self._counter = (seed2 & _WORD) << 64

    def blocks(self, count: int) -> Words:
        """The next `count` blocks of four words, without moving on."""
        low, high = self._counter & _WORD, self._counter >> 64
        lows = np.uint64(low) + np.arange(count, dtype=np.uint64)
        highs = np.where(lows < np.uint64(low), np.uint64((high + 1) & _WORD), np.uint64(high))
        return philox(self._key, lows, highs)

    def skip(self, count: int) -> None:
        self._counter = (self._counter + count) & ((1 << 128) - 1)


def _uniform(words: Words) -> Array:
    """Floats in [0, 1) from the low 23 bits of words."""
    bits = words & np.uint32(0x7FFFFF) | np.uint32(127 << 23)
    return bits.view(np.float32) - np.float32(1)


def _normal(words: Words) -> Array:
    """Normally distributed floats from neighbouring words, by the method of Box and Muller."""
    numbers = _uniform(words)
    radius = np.sqrt(np.float32(-2) * np.log(np.maximum(numbers[..., 0::2], _LEAST_UNIFORM)))
    angle = (2 * math.pi * numbers[..., 1::2].astype(np.float64)).astype(np.float32)
    return np.stack([np.sin(angle) * radius, np.cos(angle) * radius], axis=-1)


def _fill(call: Call, floats: Callable[[Words], Array]) -> HostStep:
    """A step that fills the output with what `floats` makes of blocks of words."""
    generator = _Generator(call.options.seed, call.options.seed2)
    output = call.outputs[0]
    blocks = -(-output.size // 4)

    def run(operands: Sequence[Array | None]) -> list[Array]:
        numbers = floats(generator.blocks(blocks)).reshape(-1)[: output.size]
        generator.skip(blocks)
        return [numbers.reshape(output.shape)]

    return HostStep(run)


@binds(RANDOM_UNIFORM)
def random_uniform(call: Call) -> HostStep:
    return _fill(call, _uniform)


@binds(RANDOM_STANDARD_NORMAL)
def random_standard_normal(call: Call) -> HostStep:
    return _fill(call, _normal)


@binds(MULTINOMIAL)
def multinomial(call: Call) -> HostStep:
    generator = _Generator(call.options.seed, call.options.seed2)
    output = call.outputs[0]
    batch, samples = output.shape
    dtype = numpy_dtype(output.type)

    def run(operands: Sequence[Array | None]) -> list[Array]:
        logits = operands[0]
        assert logits is not None
        words = generator.blocks(-(-output.size // 2)).reshape(-1, 2)[: output.size].astype(np.uint64)
        generator.skip(batch * (-(-samples // 4) * 4) * _SAMPLE_SKIP)
        bits = (words[:, 0] & np.uint64(0xFFFFF)) << np.uint64(32) | words[:, 1] | np.uint64(1023 << 52)
        places = (bits.view(np.float64) - 1).reshape(batch, samples)
        drawn = np.zeros(output.shape, dtype)
        for row in range(batch):
            totals = _totals(logits[row])
            drawn[row] = np.searchsorted(totals, places[row] * totals[-1], side="right")
        return [drawn]

    return HostStep(run)


def _totals(logits: Array) -> Array:
    """Running sums of exp(logit - greatest logit); logits that are not finite have probability 0."""
    finite = np.isfinite(logits)
    most = logits[finite].max() if finite.any() else np.float32(0)
    weights = np.where(finite, np.exp(np.where(finite, logits, most).astype(np.float64) - np.float64(most)), 0.0)
    return np.cumsum(weights)


@binds(STABLEHLO_RNG_BIT_GENERATOR)
def rng_bit_generator(call: Call) -> HostStep:
    output = call.outputs[1]
    dtype = numpy_dtype(output.type)
    is_threefry = call.options.algorithm is RngAlgorithm.THREEFRY
    words = output.size * dtype.itemsize // 4
    blocks = -(-words // (2 if is_threefry else 4))

    def run(operands: Sequence[Array | None]) -> list[Array]:
        state = operands[0]
        assert state is not None
        key, counter = int(state[0]), int(state[1])
        lows = np.uint64(counter) + np.arange(blocks, dtype=np.uint64)
        if is_threefry:
            bits = threefry(key, lows)
        else:
            bits = philox(key, lows, np.full(blocks, state[2] if len(state) == 3 else state[0], np.uint64))
        following = state.copy()
        following[1] = np.uint64((counter + blocks) & _WORD)
        return [following, bits.reshape(-1)[:words].view(dtype).reshape(output.shape)]

    return HostStep(run)
