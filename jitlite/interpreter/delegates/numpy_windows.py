"""Convolutions and pools on float32 arrays in NumPy: windows laid out as matrices for BLAS, or element by element of the window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from jitlite.interpreter.binding.windows import Windows, sliding
from jitlite.interpreter.delegates.numpy_functions import Compute, activation, computes, has_activation
from jitlite.schemas.ops.spec import Call

Array = NDArray[Any]

_TILE_BYTES = 4 << 20
"""Rows of windows are laid out as matrices of about so many bytes."""


_MOST_GROUPS = 4096
_MOST_TAPS = 4096
"""Windows of more elements than that are left to the CPU, which clips them to the image."""


def _reach(s: Windows) -> tuple[int, int]:
    """Height and width of what all windows cover together."""
    return (s.out_h - 1) * s.stride_h + (s.window_h - 1) * s.dilation_h + 1, (s.out_w - 1) * s.stride_w + (
        s.window_w - 1
    ) * s.dilation_w + 1


def _check(call: Call, s: Windows) -> str | None:
    """Why windows are not supported: their activation, how many products they take, or that they are out of all proportion to the image."""
    height, width = _reach(s)
    if s.window_h * s.window_w > _MOST_TAPS:
        return f"windows of at most {_MOST_TAPS} elements are supported, found {s.window_h * s.window_w}"
    if s.groups * s.batches > _MOST_GROUPS:
        return f"groups of at most {_MOST_GROUPS} images are supported, found {s.groups * s.batches}"
    if height * width > 4 * s.in_h * s.in_w + _MOST_TAPS:
        return f"windows that reach far beyond the image are not supported, found {height}×{width} for {s.in_h}×{s.in_w}"
    return has_activation(call)


def _surrounded(x: Array, s: Windows, value: float) -> Array:
    """The image with as much of `value` around it as windows reach."""
    height, width = _reach(s)
    if s.pad_h == s.pad_w == 0 and height <= s.in_h and width <= s.in_w:
        return x
    y = np.full((s.batches, max(height, s.pad_h + s.in_h), max(width, s.pad_w + s.in_w), s.in_c), value, np.float32)
    y[:, s.pad_h : s.pad_h + s.in_h, s.pad_w : s.pad_w + s.in_w] = x
    return y


def _taps(x: Array, s: Windows) -> Iterator[tuple[int, int, Array]]:
    """For each place in the window, the elements that all windows have there."""
    for i in range(s.window_h):
        for j in range(s.window_w):
            top, left = i * s.dilation_h, j * s.dilation_w
            bottom, right = top + (s.out_h - 1) * s.stride_h + 1, left + (s.out_w - 1) * s.stride_w + 1
            yield i, j, x[:, top : bottom : s.stride_h, left : right : s.stride_w]


def _conv_windows(call: Call) -> Windows:
    x, weight = call.input(0), call.input(1)
    return sliding(x.shape, call.outputs[0].shape, (weight.shape[1], weight.shape[2]), call.options, x.shape[3] // weight.shape[3])


@computes("CONV_2D", check=lambda call: _check(call, _conv_windows(call)))
def _conv_2d(call: Call) -> Compute:
    s, activate = _conv_windows(call), activation(call)
    depth, channels = s.in_c // s.groups, s.out_c // s.groups
    is_plain = s.window_h == s.window_w == 1 and s.stride_h == s.stride_w == 1 and s.groups == 1
    count = max(1, _TILE_BYTES // (4 * s.window_h * s.window_w * depth))
    rows, columns = max(1, count // s.out_w), min(s.out_w, count)

    def windows_of(image: Array, group: int) -> Array:
        n, h, w, c = image.strides
        shape = s.batches, s.out_h, s.out_w, s.window_h, s.window_w, depth
        strides = n, h * s.stride_h, w * s.stride_w, h * s.dilation_h, w * s.dilation_w, c
        return as_strided(image[..., group * depth :], shape, strides, writeable=False)

    def compute(arrays: Sequence[Any], outs: Sequence[Array]) -> None:
        y, matrix = outs[0], arrays[1].reshape(s.out_c, -1)
        if is_plain:
            np.matmul(arrays[0].reshape(-1, depth), matrix.T, out=y.reshape(-1, channels))
        else:
            image = _surrounded(arrays[0], s, 0)
            for group in range(s.groups):
                part = slice(group * channels, (group + 1) * channels)
                views = windows_of(image, group)
                for n in range(s.batches):
                    for top, left in product(range(0, s.out_h, rows), range(0, s.out_w, columns)):
                        found = views[n, top : top + rows, left : left + columns]
                        sums = found.reshape(found.shape[0] * found.shape[1], -1) @ matrix[part].T
                        y[n, top : top + rows, left : left + columns, part] = sums.reshape(*found.shape[:2], channels)
        if arrays[2] is not None:
            y += arrays[2].reshape(-1)
        activate(y)

    return compute


def _depthwise_windows(call: Call) -> Windows:
    weight = call.input(1)
    return sliding(call.input(0).shape, call.outputs[0].shape, (weight.shape[1], weight.shape[2]), call.options)


@computes("DEPTHWISE_CONV_2D", check=lambda call: _check(call, _depthwise_windows(call)))
def _depthwise_conv_2d(call: Call) -> Compute:
    s, activate = _depthwise_windows(call), activation(call)
    multiplier = s.out_c // s.in_c
    terms = np.empty(call.outputs[0].shape, np.float32)

    def compute(arrays: Sequence[Any], outs: Sequence[Array]) -> None:
        y, weights = outs[0], arrays[1][0]
        y.fill(0)
        for i, j, values in _taps(_surrounded(arrays[0], s, 0), s):
            np.multiply(np.repeat(values, multiplier, axis=3) if multiplier > 1 else values, weights[i, j], out=terms)
            y += terms
        if len(arrays) > 2 and arrays[2] is not None:
            y += arrays[2].reshape(-1)
        activate(y)

    return compute


def _pool_windows(call: Call) -> Windows:
    return sliding(call.input(0).shape, call.outputs[0].shape, (call.options.filter_height, call.options.filter_width), call.options)


@computes("MAX_POOL_2D", check=lambda call: _check(call, _pool_windows(call)))
def _max_pool(call: Call) -> Compute:
    s, activate = _pool_windows(call), activation(call)

    def compute(arrays: Sequence[Any], outs: Sequence[Array]) -> None:
        outs[0].fill(np.finfo(np.float32).min)
        for _, _, values in _taps(_surrounded(arrays[0], s, float(np.finfo(np.float32).min)), s):
            np.maximum(outs[0], values, out=outs[0])
        activate(outs[0])

    return compute


@computes("AVERAGE_POOL_2D", check=lambda call: _check(call, _pool_windows(call)))
def _average_pool(call: Call) -> Compute:
    s, activate = _pool_windows(call), activation(call)
    ones = np.ones((1, s.in_h, s.in_w, 1), np.float32)
    single = s._replace(batches=1, in_c=1, out_c=1)
    counts = np.zeros((1, s.out_h, s.out_w, 1), np.float32)
    for _, _, values in _taps(_surrounded(ones, single, 0), single):
        counts += values

    def compute(arrays: Sequence[Any], outs: Sequence[Array]) -> None:
        outs[0].fill(0)
        for _, _, values in _taps(_surrounded(arrays[0], s, 0), s):
            outs[0][...] += values
        outs[0][...] /= counts
        activate(outs[0])

    return compute
