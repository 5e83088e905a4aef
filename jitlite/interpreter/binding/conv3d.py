"""Bindings of the convolutions over three dimensions: a matrix product for each of the filter's elements, in NumPy."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.arrays import computes
from jitlite.interpreter.binding.registry import HostStep, binds
from jitlite.schemas.affine import activation_bounds
from jitlite.schemas.ops.conv3d import CONV_3D, CONV_3D_TRANSPOSE, Slide, slides
from jitlite.schemas.ops.spec import Call, Shape

Array = NDArray[Any]
Slices = tuple[slice, ...]
_FLOAT_MAX = float(np.finfo(np.float32).max)


def _reached(slide: Slide, large: int, small: int) -> Iterator[tuple[int, slice, slice]]:
    """For each element of the window along an axis that meets any: its place, the elements it meets and the windows it does in."""
    for place in range(slide.window):
        shift = place * slide.dilation - slide.padding
        first = max(0, -(shift // slide.stride))
        last = min(small - 1, (large - 1 - shift) // slide.stride)
        if first <= last:
            start = first * slide.stride + shift
            yield place, slice(start, start + (last - first) * slide.stride + 1, slide.stride), slice(first, last + 1)


def _meetings(moves: Sequence[Slide], large: Shape, small: Shape) -> Iterator[tuple[tuple[int, ...], Slices, Slices]]:
    """For each of the filter's elements: its place, the elements it meets of the larger tensor, and of the smaller one."""
    axes = [list(_reached(slide, large[axis + 1], small[axis + 1])) for axis, slide in enumerate(moves)]
    for taps in product(*axes):
        places, met, windows = zip(*taps, strict=True)
        yield places, (slice(None), *met), (slice(None), *windows)


def _finished(call: Call, y: Array, bias: Array | None) -> Array:
    low, high = activation_bounds(call.options.fused_activation_function)
    y = y if bias is None else y + bias.reshape(-1)
    found: Array = np.clip(y, np.float32(max(low, -_FLOAT_MAX)), np.float32(min(high, _FLOAT_MAX)))
    return found


@binds(CONV_3D)
def conv_3d(call: Call) -> HostStep:
    x_shape, y_shape = call.input(0).shape, call.outputs[0].shape
    moves = slides(call, x_shape, y_shape)

    def convolved(operands: Sequence[Array]) -> Array:
        x, filter, *bias = operands
        y = np.zeros(y_shape, np.float32)
        for place, met, windows in _meetings(moves, x_shape, y_shape):
            y[windows] += x[met] @ filter[place]
        return _finished(call, y, bias[0] if bias else None)

    return computes(convolved)


@binds(CONV_3D_TRANSPOSE)
def conv_3d_transpose(call: Call) -> HostStep:
    x_shape, y_shape = call.input(2).shape, call.outputs[0].shape
    moves = slides(call, y_shape, x_shape)

    def spread(operands: Sequence[Array]) -> Array:
        _, filter, x, *bias = operands
        y = np.zeros(y_shape, np.float32)
        for place, met, windows in _meetings(moves, y_shape, x_shape):
            y[met] += x[windows] @ filter[place].T
        return _finished(call, y, bias[0] if bias else None)

    return computes(spread)
