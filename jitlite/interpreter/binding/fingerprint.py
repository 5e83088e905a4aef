"""FarmHash's Fingerprint64, of many byte strings of one length at once.

The function is FarmHash's `farmhashna::Hash64`, published by Google with its constants; numbers are 64-bit and wrap.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_MASK = 2**64 - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
_SEED = 81


def fingerprints(items: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The fingerprint of each row of bytes, as the signed integer of the same bits."""
    length = items.shape[1]
    if length <= 16:
        found = _up_to_16(items, length)
    elif length <= 32:
        found = _up_to_32(items, length)
    elif length <= 64:
        found = _up_to_64(items, length)
    else:
        found = _longer(items, length)
    return found.view(np.int64)


def _word(value: int) -> np.uint64:
    return np.uint64(value & _MASK)


def _fetch(items: NDArray[np.uint8], at: int, dtype: Any = "<u8") -> Words:
    size = np.dtype(dtype).itemsize
    found: Words = np.ascontiguousarray(items[:, at : at + size]).view(dtype)[:, 0].astype(np.uint64)
    return found


def _rotated(x: Words, count: int) -> Words:
    return (x >> np.uint64(count)) | (x << np.uint64(64 - count))


def _mixed(x: Words) -> Words:
    return x ^ (x >> np.uint64(47))


def _paired(u: Words, v: Words, factor: Words | np.uint64) -> Words:
    a = _mixed((u ^ v) * factor)
    return _mixed((v ^ a) * factor) * factor


def _factor(length: int) -> np.uint64:
    return _word(_K2 + 2 * length)


def _up_to_16(items: NDArray[np.uint8], length: int) -> Words:
    factor = _factor(length)
    if length >= 8:
        a, b = _fetch(items, 0) + _word(_K2), _fetch(items, length - 8)
        return _paired(_rotated(b, 37) * factor + a, (_rotated(a, 25) + b) * factor, factor)
    if length >= 4:
        first = _fetch(items, 0, "<u4")
        return _paired(_word(length) + (first << np.uint64(3)), _fetch(items, length - 4, "<u4"), factor)
    if length == 0:
        return np.full(len(items), _K2, np.uint64)
    a, b, c = (items[:, place].astype(np.uint64) for place in (0, length >> 1, length - 1))
    y, z = a + (b << np.uint64(8)), _word(length) + (c << np.uint64(2))
    return _mixed(y * _word(_K2) ^ z * _word(_K0)) * _word(_K2)


def _up_to_32(items: NDArray[np.uint8], length: int) -> Words:
    factor = _factor(length)
    a, b = _fetch(items, 0) * _word(_K1), _fetch(items, 8)
    c, d = _fetch(items, length - 8) * factor, _fetch(items, length - 16) * _word(_K2)
    return _paired(_rotated(a + b, 43) + _rotated(c, 30) + d, a + _rotated(b + _word(_K2), 18) + c, factor)


def _up_to_64(items: NDArray[np.uint8], length: int) -> Words:
    factor = _factor(length)
    a, b = _fetch(items, 0) * _word(_K2), _fetch(items, 8)
    c, d = _fetch(items, length - 8) * factor, _fetch(items, length - 16) * _word(_K2)
    y = _rotated(a + b, 43) + _rotated(c, 30) + d
    z = _paired(y, a + _rotated(b + _word(_K2), 18) + c, factor)
    e, f = _fetch(items, 16) * factor, _fetch(items, 24)
    g, h = (y + _fetch(items, length - 32)) * factor, (z + _fetch(items, length - 24)) * factor
    return _paired(_rotated(e + f, 43) + _rotated(g, 30) + h, e + _rotated(f + a, 18) + g, factor)


def _weak(items: NDArray[np.uint8], at: int, a: Words, b: Words) -> tuple[Words, Words]:
    """A hash of 32 bytes with two seeds."""
    w, x, y, z = (_fetch(items, at + 8 * place) for place in range(4))
    a = a + w
    b = _rotated(b + a + z, 21)
    total = a + x + y
    return total + z, b + _rotated(total, 44) + a


_State = tuple[Words, Words, Words, tuple[Words, Words], tuple[Words, Words]]


def _round(items: NDArray[np.uint8], at: int, state: _State, factor: Words | np.uint64, nine: int) -> _State:
    """Takes 64 bytes in. The last round multiplies two of the words by `nine`, the others by 1."""
    x, y, z, v, w = state
    x = _rotated(x + y + v[0] + _fetch(items, at + 8), 37) * factor
    y = _rotated(y + v[1] + _fetch(items, at + 48), 42) * factor
    x = x ^ (w[1] * _word(nine))
    y = y + v[0] * _word(nine) + _fetch(items, at + 40)
    z = _rotated(z + w[0], 33) * factor
    v = _weak(items, at, v[1] * factor, x + w[0])
    w = _weak(items, at + 32, z + w[1], y + _fetch(items, at + 16))
    return z, y, x, v, w


def _longer(items: NDArray[np.uint8], length: int) -> Words:
    zero: Words = np.zeros(len(items), np.uint64)
    x, y = zero + _word(_SEED * _K2) + _fetch(items, 0), zero + _word(_SEED * _K1 + 113)
    state: _State = x, y, _mixed(y * _word(_K2) + _word(113)) * _word(_K2), (zero, zero), (zero, zero)
    blocks, rest = (length - 1) // 64, (length - 1) & 63
    for block in range(blocks):
        state = _round(items, 64 * block, state, _word(_K1), 1)
    x, y, z, v, w = state
    factor = _word(_K1) + ((z & np.uint64(0xFF)) << np.uint64(1))
    first = w[0] + _word(rest)
    second = v[0] + first
    state = x, y, z, (second, v[1]), (first + second, w[1])
    x, y, z, v, w = _round(items, length - 64, state, factor, 9)
    return _paired(_paired(v[0], w[0], factor) + _mixed(y) * _word(_K0) + z, _paired(v[1], w[1], factor) + x, factor)
