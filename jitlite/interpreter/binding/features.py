"""Bindings of LSH_PROJECTION and SKIP_GRAM, which are steps in Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.arrays import computes
from jitlite.interpreter.binding.fingerprint import fingerprints
from jitlite.interpreter.binding.registry import HostStep, binds
from jitlite.schemas.errors import ExecutionError
from jitlite.schemas.ops.features import LSH_PROJECTION, SKIP_GRAM
from jitlite.schemas.ops.spec import Call
from jitlite.schemas.strings import encode_strings, filled
from jitlite.schemas.tables import LSHProjectionType

Array = NDArray[Any]

MOST_GRAMS = 1 << 20
"""Groups a SKIP_GRAM may make; their number grows exponentially with the options."""
_MOST_GRAM_BYTES = 1 << 28
_BATCH_BYTES = 1 << 22
_MOST_STEPS = 1 << 22
"""Steps of the walk over a sentence's words; most of them may end where too few words are left."""


@binds(LSH_PROJECTION)
def lsh_projection(call: Call) -> HostStep:
    """Each bit is the sign of a sum over the input's rows of the hash of (seed, row), times the row's weight."""
    is_sparse = call.options.type is LSHProjectionType.SPARSE

    def run(arrays: Sequence[Array]) -> Array:
        seeds, x, *weights = arrays
        bits = _bits(seeds.reshape(-1), x, weights).reshape(seeds.shape)
        if not is_sparse:
            return bits.reshape(-1).astype(np.int32)
        count = seeds.shape[1]
        places = np.int64(1) << np.arange(count - 1, -1, -1, dtype=np.int64)
        signatures = (bits * places).sum(axis=1) + np.arange(len(seeds)) * (1 << (count & 31))
        wrapped: Array = signatures.astype(np.uint64).astype(np.uint32).view(np.int32)
        return wrapped

    return computes(run)


def _bits(seeds: Array, x: Array, weights: Sequence[Array]) -> NDArray[np.int64]:
    """The bit of each seed; equal seeds are hashed once, some seeds at a time."""
    rows = x.shape[0]
    data = np.frombuffer(encode_strings(x) if x.dtype == np.object_ else x.tobytes(), np.uint8)
    items = data[: data.size // rows * rows].reshape(rows, -1)
    words, places = np.unique(np.ascontiguousarray(seeds, np.float32).view(np.uint32), return_inverse=True)
    bits, batch = np.zeros(len(words), np.int64), max(1, _BATCH_BYTES // (rows * (4 + items.shape[1])))
    for start in range(0, len(words), batch):
        part = words[start : start + batch]
        keys = np.empty((len(part), rows, 4 + items.shape[1]), np.uint8)
        keys[:, :, :4] = part.view(np.uint8).reshape(-1, 1, 4)
        keys[:, :, 4:] = items
        values = fingerprints(keys.reshape(len(part) * rows, -1)).astype(np.float64).reshape(len(part), rows)
        if weights:
            values = weights[0].astype(np.float64) * values
        bits[start : start + batch] = np.add.accumulate(values, axis=1)[:, -1] > 0
    return bits[places]


@binds(SKIP_GRAM)
def skip_gram(call: Call) -> HostStep:
    """Groups of up to `ngram_size` words of the first string, in order, with at most `max_skip_size` words left out between two."""

    def run(arrays: Sequence[Array | None]) -> list[Array]:
        assert arrays[0] is not None
        found: list[bytes] = []
        n_bytes = 0
        for gram in _grams(_words(arrays[0].reshape(-1)[0]), call):
            found.append(gram)
            n_bytes += len(gram)
            if len(found) > MOST_GRAMS or n_bytes > _MOST_GRAM_BYTES:
                raise _too_many(call)
        return [filled(found, (len(found),))]

    return HostStep(run, shapes_known=False)


_SPACES = frozenset(b" \t\n\v\f\r")


def _words(text: bytes) -> list[bytes]:
    """What lies between single spaces as the reference splits: a space at the very start belongs to the first word."""
    words, start = [], 0
    for place in range(1, len(text)):
        if text[place] in _SPACES:
            if place > start and text[start] not in _SPACES:
                words.append(text[start:place])
            start = place + 1
    if len(text) > start:
        words.append(text[start:])
    return words


def _too_many(call: Call) -> ExecutionError:
    return ExecutionError(f"{call.where}: at most {MOST_GRAMS} groups of words, found in {_MOST_STEPS} steps, are required, found more")


def _grams(words: list[bytes], call: Call) -> Iterator[bytes]:
    """The groups in the reference's order: a depth-first walk over the places of their words."""
    most, gap, takes_all = call.options.ngram_size, call.options.max_skip_size, call.options.include_all_ngrams
    if not 0 < most <= len(words):
        return
    stack, depth, left = [0] * most, 1, _MOST_STEPS
    while depth >= 0:
        left -= 1
        if left < 0:
            raise _too_many(call)
        if depth < most and stack[depth] + 1 < len(words) and (depth == 0 or stack[depth] - stack[depth - 1] <= gap):
            stack[depth] += 1
            depth += 1
            if depth < most:
                stack[depth] = stack[depth - 1]
        else:
            if depth == most or (takes_all and depth > 0):
                yield b" ".join(words[place] for place in stack[:depth])
            depth -= 1
