"""Random bits from counters: Philox 4x32 and Threefry 2x32 (Salmon et al. 2011), whole ranges of counters at once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]

_MASK = 0xFFFFFFFF
_PHILOX_FACTORS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_PHILOX_STEPS = 0x9E3779B9, 0xBB67AE85
_PHILOX_ROUNDS = 10
_THREEFRY_PARITY = 0x1BD11BDA
_THREEFRY_ROTATIONS = (13, 15, 26, 6), (17, 29, 16, 24)
_THREEFRY_GROUPS = 5
_HALF = np.uint64(32)


def _words(numbers: NDArray[Any]) -> tuple[Words, Words]:
    """The low and the high halves of 64-bit integers."""
    return numbers.astype(np.uint32), (numbers >> _HALF).astype(np.uint32)


def philox(key: int, low: NDArray[np.uint64], high: NDArray[np.uint64]) -> Words:
    """Four words for each counter, whose halves are `low` and `high`; shape (counters, 4)."""
    keys = [key & _MASK, key >> 32 & _MASK]
    counter = [*_words(low), *_words(high)]
    for _ in range(_PHILOX_ROUNDS):
        first_low, first_high = _words(counter[0].astype(np.uint64) * _PHILOX_FACTORS[0])
        second_low, second_high = _words(counter[2].astype(np.uint64) * _PHILOX_FACTORS[1])
        counter = [
            second_high ^ counter[1] ^ np.uint32(keys[0]),
            second_low,
            first_high ^ counter[3] ^ np.uint32(keys[1]),
            first_low,
        ]
        keys = [(word + step) & _MASK for word, step in zip(keys, _PHILOX_STEPS)]
    return np.stack(counter, axis=-1)


def threefry(key: int, counters: NDArray[np.uint64]) -> Words:
    """Two words for each counter; shape (counters, 2)."""
    keys = [key & _MASK, key >> 32 & _MASK]
    keys.append(keys[0] ^ keys[1] ^ _THREEFRY_PARITY)
    left, right = _words(counters)
    left, right = left + np.uint32(keys[0]), right + np.uint32(keys[1])
    for group in range(_THREEFRY_GROUPS):
        for rotation in _THREEFRY_ROTATIONS[group % 2]:
            left = left + right
            right = right << np.uint32(rotation) | right >> np.uint32(32 - rotation)
            right = right ^ left
        left = left + np.uint32(keys[(group + 1) % 3])
        right = right + np.uint32((keys[(group + 2) % 3] + group + 1) & _MASK)
    return np.stack([left, right], axis=-1)
