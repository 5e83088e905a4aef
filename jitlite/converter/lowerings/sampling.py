"""Where the elements of a resized axis come from: positions in the input, and the taps that are weighed there."""

from dataclasses import dataclass

import numpy as np

from jitlite.converter.graph import Array

COORDINATES = ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric", "tf_half_pixel_for_nn")
CROPPED = "tf_crop_and_resize"
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


@dataclass(frozen=True, slots=True)
class Resampled:
    """One axis being resized: its sizes, the scale, and where each output element looks in the input, unrounded and unclipped."""

    axis: int
    before: int
    after: int
    scale: float
    positions: Array

    @property
    def clipped(self) -> Array:
        return np.asarray(np.clip(self.positions, 0, self.before - 1))

    @property
    def is_outside(self) -> Array:
        """Where an element looks outside the input."""
        return (self.positions < 0) | (self.positions > self.before - 1)


@dataclass(frozen=True, slots=True)
class Taps:
    """Each output element is the sum of `weight` times the input elements `picked`, both of shape (outputs, taps)."""

    picked: Array
    weight: Array

    def matrix(self, before: int) -> Array:
        """The weights of all input elements, (outputs, before)."""
        full = np.zeros((len(self.picked), before))
        np.add.at(full, (np.arange(len(full))[:, None], self.picked), self.weight)
        return full


def source_positions(before: int, after: int, scale: float, coordinates: str) -> Array:
    """Where each output element looks in the input, unrounded and unclipped, in float32 as ONNX Runtime computes it."""
    index, step, half = np.arange(after, dtype=np.float32), np.float32(scale), np.float32(0.5)
    if coordinates == "align_corners":
        return index * np.float32(before - 1) / np.float32(after - 1) if after > 1 else np.zeros(after, np.float32)
    if coordinates == "asymmetric":
        return np.asarray(index / step)
    if coordinates == "tf_half_pixel_for_nn":
        return np.asarray((index + half) / step)
    centers = (index + half) / step - half
    if coordinates == "pytorch_half_pixel" and after == 1:
        return np.zeros(1, np.float32)
    if coordinates == "half_pixel_symmetric":
        adjustment = np.float32(after) / (np.float32(before) * step)
        return np.asarray(np.float32(before) / 2 * (1 - adjustment) + centers)
    return np.asarray(centers)


def cropped_positions(before: int, after: int, start: float, end: float) -> Array:
    """The positions of tf_crop_and_resize: `start` and `end` are parts of the input's length."""
    first, last = np.float32(start), np.float32(end)
    reach = np.float32(before - 1)
    if after == 1:
        return np.array([np.float32(0.5) * (first + last) * reach], np.float32)
    index = np.arange(after, dtype=np.float32)
    return np.asarray(first * reach + index * (last - first) * reach / np.float32(after - 1))


def rounded(positions: Array, limit: int, rounding: str) -> Array:
    """The nearest elements."""
    half = np.float32(0.5)
    found = {
        "round_prefer_floor": lambda: np.ceil(positions - half),
        "round_prefer_ceil": lambda: np.floor(positions + half),
        "floor": lambda: np.floor(positions),
        "ceil": lambda: np.ceil(positions),
    }[rounding]()
    return np.asarray(np.clip(found.astype(np.int64), 0, limit - 1))


def linear_weights(distances: Array) -> Array:
    return np.asarray(np.clip(1 - np.abs(distances), 0, 1))


def cubic_weights(distances: Array, a: float) -> Array:
    """Keys' kernel; `a` is ONNX's cubic_coeff_a."""
    d = np.abs(distances)
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


def taps(axis: Resampled, mode: str, *, a: float, antialias: bool, exclude_outside: bool) -> Taps:
    """The taps of a linear or cubic filter; with antialias it is stretched where the axis shrinks.

    Taps outside the input read its first or last element, or nothing with `exclude_outside`, the others being scaled up.
    """
    radius = 1 if mode == "linear" else 2
    shrink = min(axis.scale, 1.0) if antialias else 1.0
    positions = axis.positions.astype(np.float64)
    first = int(np.floor(-radius / shrink)) + 1
    picked = (np.ceil(positions) - 1).astype(np.int64)[:, None] + np.arange(first, 2 - first)
    distances = (picked - positions[:, None]) * shrink
    weight = linear_weights(distances) if mode == "linear" else cubic_weights(distances, a)
    if exclude_outside:
        weight = np.where((picked >= 0) & (picked < axis.before), weight, 0.0)
    if antialias or exclude_outside:
        weight = weight / weight.sum(axis=1, keepdims=True)
    used = np.any(weight != 0, axis=0)
    return Taps(np.clip(picked[:, used], 0, axis.before - 1), weight[:, used])
