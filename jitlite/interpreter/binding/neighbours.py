"""Convolutions of few output channels, computed for several neighbouring pixels at once.

The windows of neighbouring pixels of a row overlap, so one wider window holds them all: shifted copies of the filter, zeros elsewhere, give
the channels of one pixel after the other, which is how the result lies in memory. A register tile's columns, of which few output channels
would leave most unused, are used in full.
"""

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.panels import COLUMNS, panels
from jitlite.interpreter.binding.windows import Windows, is_pointwise

Array = NDArray[np.generic]

_MOST_CHANNELS = 2 * COLUMNS
_LEAST_GAIN = 1.1
_PADDED_COST = 1.6
_QUAD_COSTS, _ROW_COSTS = (0.75, 1.0), (7.0, 12.0)
"""Cycles that a row of a tile of one panel and of two takes for each quad of numbers, and besides; measured."""


def _is_matrix(s: Windows) -> bool:
    return is_pointwise(s) and s.pad_h == 0 and s.pad_w == 0 and (s.in_h, s.in_w) == (s.out_h, s.out_w)


def _row_cost(s: Windows, count: int) -> float:
    """Cycles that a pixel takes where `count` neighbours are computed at once."""
    width = (count - 1) * s.stride_w + s.window_w
    quads = s.window_h * -(-width * s.in_c // 4)
    pairs, single = divmod(panels(count * s.out_c), 2)
    cost = pairs * (_QUAD_COSTS[1] * quads + _ROW_COSTS[1]) + single * (_QUAD_COSTS[0] * quads + _ROW_COSTS[0])
    return cost / count


def _pixels(s: Windows) -> int:
    """Pixels of which neighbours are taken together."""
    return s.batches * s.out_h * s.out_w if _is_matrix(s) else s.out_w


def best_count(s: Windows) -> int:
    """How many neighbours are best computed at once by a product of 8-bit numbers."""
    if s.groups > 1 or (s.dilation_w > 1 and s.window_w > 1) or s.out_c == 0:
        return 1
    counts = [count for count in range(2, _MOST_CHANNELS // s.out_c + 1) if _pixels(s) % count == 0]
    best = min(counts, key=lambda count: _row_cost(s, count), default=1)
    return best if _row_cost(s, 1) > _LEAST_GAIN * _row_cost(s, best) else 1


def cost(s: Windows) -> float:
    """Cycles that a product of 8-bit numbers takes, about, with the best count of neighbours and lines to be padded."""
    return _PADDED_COST * s.batches * s.out_h * s.out_w * _row_cost(s, best_count(s))


def merged(weights: Array, s: Windows, count: int) -> tuple[Array, Windows]:
    """The filter [channels, height, width, depth] of `count` neighbours at once, and its convolution."""
    if count == 1:
        return weights, s
    channels, height, width, depth = weights.shape
    wide = np.zeros((count * channels, height, (count - 1) * s.stride_w + width, depth), weights.dtype)
    for pixel in range(count):
        wide[pixel * channels : (pixel + 1) * channels, :, pixel * s.stride_w : pixel * s.stride_w + width] = weights
    if _is_matrix(s):
        pixels = _pixels(s) // count
        flat = wide.reshape(count * channels, 1, 1, count * depth)
        return flat, s._replace(batches=1, in_h=1, in_w=pixels, in_c=count * depth, out_h=1, out_w=pixels, out_c=count * channels)
    return wide, s._replace(
        out_w=s.out_w // count, out_c=count * channels, window_w=wide.shape[2], stride_w=count * s.stride_w, dilation_w=1
    )
