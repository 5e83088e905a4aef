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
_CHUNK = 1 << 16
"""Blocks of words, or samples, made at a time."""
_LEAST_UNIFORM = np.float32(1e-7)


class _Generator:
    """Philox with a 128-bit counter, as TensorFlow seeds it; without seeds it starts anywhere. Of a seed 32 bits with their sign count."""

    def __init__(self, seed: int, seed2: int) -> None:
        seed, seed2 = ((value + (1 << 31)) % (1 << 32) - (1 << 31) for value in (seed, seed2))
        if seed == 0 and seed2 == 0:
            seed, seed2 = (int.from_bytes(os.urandom(8), "little") for _ in range(2))
        self._key = seed & _WORD
        self._counter = (seed2 & _WORD) << 64

    def blocks(self, first: int, count: int) -> Words:
        """The `count` blocks of four words from the next one's `first` follower on, without moving on."""
        counter = self._counter + first
        low, high = counter & _WORD, counter >> 64 & _WORD
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
        numbers = np.zeros(output.size, np.float32)
        for first in range(0, blocks, _CHUNK):
            part = numbers[4 * first : 4 * (first + _CHUNK)]
            part[...] = floats(generator.blocks(first, min(_CHUNK, blocks - first))).reshape(-1)[: len(part)]
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
        drawn = np.zeros(output.shape, dtype)
        together = max(1, _CHUNK // max(1, samples * logits.shape[1]))
        for row in range(0, batch, together):
            _draw(generator, logits[row : row + together], drawn[row : row + together], row * samples)
        generator.skip(batch * (-(-samples // 4) * 4) * _SAMPLE_SKIP)
        return [drawn]

    return HostStep(run)


def _draw(generator: _Generator, logits: Array, drawn: Array, first: int) -> None:
    """Draws classes by rows of logits; `first` counts the samples before. Many short rows are drawn at once, a long one in parts."""
    rows, samples = drawn.shape
    totals = _totals(logits)
    if rows > 1:
        places = _doubles(generator, first, drawn.size).reshape(drawn.shape) * totals[:, -1:]
        drawn[...] = (totals[:, None, :] <= places[:, :, None]).sum(axis=-1)
        return
    for start in range(0, samples, _CHUNK):
        part = drawn[0, start : start + _CHUNK]
        part[...] = np.searchsorted(totals[0], _doubles(generator, first + start, len(part)) * totals[0, -1], side="right")


def _doubles(generator: _Generator, first: int, count: int) -> Array:
    """Numbers in [0, 1), of which a block of words makes two."""
    block = first // 2
    words = generator.blocks(block, -(-(first + count) // 2) - block).reshape(-1, 2)[first % 2 :][:count].astype(np.uint64)
    bits = (words[:, 0] & np.uint64(0xFFFFF)) << np.uint64(32) | words[:, 1] | np.uint64(1023 << 52)
    return bits.view(np.float64) - 1


def _totals(logits: Array) -> Array:
    """Running sums along rows of exp(logit - greatest logit); logits that are not finite have probability 0."""
    finite = np.isfinite(logits)
    numbers = np.where(finite, logits, np.finfo(np.float32).min)
    differences = np.where(finite, numbers.astype(np.float64) - numbers.max(axis=-1, keepdims=True).astype(np.float64), 0.0)
    return np.cumsum(np.where(finite, np.exp(differences), 0.0), axis=-1)


@binds(STABLEHLO_RNG_BIT_GENERATOR)
def rng_bit_generator(call: Call) -> HostStep:
    output = call.outputs[1]
    dtype = numpy_dtype(output.type)
    is_threefry = call.options.algorithm is RngAlgorithm.THREEFRY
    words = output.size * dtype.itemsize // 4
    per_block = 2 if is_threefry else 4
    blocks = -(-words // per_block)

    def run(operands: Sequence[Array | None]) -> list[Array]:
        state = operands[0]
        assert state is not None
        key, counter = int(state[0]), int(state[1])
        high = int(state[2] if len(state) == 3 else state[0])
        bits = np.zeros(blocks * per_block, np.uint32)
        for first in range(0, blocks, _CHUNK):
            count = min(_CHUNK, blocks - first)
            lows = np.uint64(counter + first & _WORD) + np.arange(count, dtype=np.uint64)
            found = threefry(key, lows) if is_threefry else philox(key, lows, np.full(count, high, np.uint64))
            bits[first * per_block : (first + count) * per_block] = found.reshape(-1)
        following = state.copy()
        following[1] = np.uint64((counter + blocks) & _WORD)
        return [following, bits[:words].view(dtype).reshape(output.shape)]

    return HostStep(run)
