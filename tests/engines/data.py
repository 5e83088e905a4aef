"""Small tasks that a network learns in seconds."""

import numpy as np
from numpy.typing import NDArray

CLASSES = 4


def stripes(count: int, size: int = 16, channels: int = 1, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Noisy pictures [count, size, size, channels] of stripes, and which of four directions they have."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    row, column = np.mgrid[0:size, 0:size]
    places = np.stack([row, column, row + column, row - column])[labels]
    phase = rng.uniform(0, 2 * np.pi, (count, 1, 1))
    pictures = np.sin(places * 1.3 + phase)[..., np.newaxis] + rng.normal(0, 0.3, (count, size, size, channels))
    return pictures.astype(np.float32), labels.astype(np.int64)


def waves(count: int, length: int = 12, features: int = 5, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Sequences [count, length, features] of waves, and which of four speeds they have."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    time = np.arange(length)[np.newaxis, :, np.newaxis]
    speed = 0.3 + 0.4 * labels[:, np.newaxis, np.newaxis]
    values = np.sin(time * speed + rng.uniform(0, 2 * np.pi, (count, 1, features)))
    return (values + rng.normal(0, 0.1, values.shape)).astype(np.float32), labels.astype(np.int64)


def sentences(count: int, length: int = 12, words: int = 40, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Word numbers [count, length], and which of four markers is the most frequent word."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    tokens = rng.integers(CLASSES, words, (count, length))
    places = rng.random((count, length)).argsort(axis=1)[:, :3]
    np.put_along_axis(tokens, places, labels[:, np.newaxis], axis=1)
    return tokens.astype(np.int64), labels.astype(np.int64)
