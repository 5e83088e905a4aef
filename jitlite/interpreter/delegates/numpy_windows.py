"""Convolutions and pools on float32 arrays in NumPy: windows laid out as matrices for BLAS, or element by element of the window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


def _surrounded(x: Array, s: Windows, value: float) -> Array:
    """The image with as much of `value` around it as windows reach."""
    height = (s.out_h - 1) * s.stride_h + (s.window_h - 1) * s.dilation_h + 1
    width = (s.out_w - 1) * s.stride_w + (s.window_w - 1) * s.dilation_w + 1
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


@computes("CONV_2D", check=has_activation)
def _conv_2d(call: Call) -> Compute:
    x, weight = call.input(0), call.input(1)
    window = weight.shape[1], weight.shape[2]
    s = sliding(x.shape, call.outputs[0].shape, window, call.options, x.shape[3] // weight.shape[3])
    activate = activation(call)
    depth, channels = s.in_c // s.groups, s.out_c // s.groups
    is_plain = window == (1, 1) and s.stride_h == s.stride_w == 1 and s.groups == 1
    row_bytes = 4 * s.out_w * s.window_h * s.window_w * depth
    rows = max(1, min(s.out_h, _TILE_BYTES // max(1, row_bytes)))

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
                    for top in range(0, s.out_h, rows):
                        found = views[n, top : top + rows]
                        product = found.reshape(found.shape[0] * s.out_w, -1) @ matrix[part].T
                        y[n, top : top + rows, :, part] = product.reshape(found.shape[0], s.out_w, channels)
        if arrays[2] is not None:
            y += arrays[2].reshape(-1)
        activate(y)

    return compute


@computes("DEPTHWISE_CONV_2D", check=has_activation)
def _depthwise_conv_2d(call: Call) -> Compute:
    x, weight = call.input(0), call.input(1)
    s = sliding(x.shape, call.outputs[0].shape, (weight.shape[1], weight.shape[2]), call.options)
    multiplier, activate = weight.shape[3] // x.shape[3], activation(call)
    product = np.empty(call.outputs[0].shape, np.float32)

    def compute(arrays: Sequence[Any], outs: Sequence[Array]) -> None:
        y, weights = outs[0], arrays[1][0]
        y.fill(0)
        for i, j, values in _taps(_surrounded(arrays[0], s, 0), s):
            np.multiply(np.repeat(values, multiplier, axis=3) if multiplier > 1 else values, weights[i, j], out=product)
            y += product
        if len(arrays) > 2 and arrays[2] is not None:
            y += arrays[2].reshape(-1)
        activate(y)

    return compute


def _pool_windows(call: Call) -> Windows:
    return sliding(call.input(0).shape, call.outputs[0].shape, (call.options.filter_height, call.options.filter_width), call.options)


@computes("MAX_POOL_2D", check=has_activation)
def _max_pool(call: Call) -> Compute:
    s, activate = _pool_windows(call), activation(call)

    def compute(arrays: Sequence[Any], outs: Sequence[Array]) -> None:
        outs[0].fill(np.finfo(np.float32).min)
        for _, _, values in _taps(_surrounded(arrays[0], s, float(np.finfo(np.float32).min)), s):
            np.maximum(outs[0], values, out=outs[0])
        activate(outs[0])

    return compute


@computes("AVERAGE_POOL_2D", check=has_activation)
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
