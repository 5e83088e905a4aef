"""The sizes of windows that slide over NHWC images, laid out for kernels."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jitlite.schemas.ops.shapes import same_padding
from jitlite.schemas.ops.spec import Shape
from jitlite.schemas.tables import Padding


class Windows(NamedTuple):
    """What `jitlite.interpreter.kernels.windows.Windows` reads, in its order."""

    batches: int
    in_h: int
    in_w: int
    in_c: int
    out_h: int
    out_w: int
    out_c: int
    window_h: int
    window_w: int
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    pad_h: int
    pad_w: int
    groups: int

    def sizes(self) -> NDArray[np.int64]:
        return np.array(self, np.int64)


def sliding(x: Shape, y: Shape, window: tuple[int, int], options: Any, groups: int = 1) -> Windows:
    """Windows of an operator with options `stride_h`, `stride_w`, `padding` and, where it has them, dilations."""
    dilation_h, dilation_w = getattr(options, "dilation_h_factor", 1), getattr(options, "dilation_w_factor", 1)
    pad_h = pad_w = 0
    if options.padding == Padding.SAME:
        pad_h = same_padding(x[1], y[1], window[0], options.stride_h, dilation_h)[0]
        pad_w = same_padding(x[2], y[2], window[1], options.stride_w, dilation_w)[0]
    (batches, in_h, in_w, in_c), (_, out_h, out_w, out_c) = x, y
    image = batches, in_h, in_w, in_c, out_h, out_w, out_c
    return Windows(*image, *window, options.stride_h, options.stride_w, dilation_h, dilation_w, pad_h, pad_w, groups)


def around(x: Shape, s: Windows, sides: Sequence[tuple[int, int]]) -> Windows | None:
    """Windows over the NHWC image of shape `x` whose zeros around it, counted in `sides`, are those that `s` slides over.

    None where batches or channels have such zeros or a window would lie in them altogether.
    """
    if sides[0] != (0, 0) or sides[3] != (0, 0):
        return None
    wider = s._replace(in_h=x[1], in_w=x[2], pad_h=s.pad_h + sides[1][0], pad_w=s.pad_w + sides[2][0])
    extents = (s.window_h - 1) * s.dilation_h + 1, (s.window_w - 1) * s.dilation_w + 1
    lasts = (s.out_h - 1) * s.stride_h - wider.pad_h, (s.out_w - 1) * s.stride_w - wider.pad_w
    is_inside = wider.pad_h < extents[0] and wider.pad_w < extents[1] and lasts[0] < x[1] and lasts[1] < x[2]
    return wider if is_inside else None


def is_pointwise(s: Windows) -> bool:
    """True for windows of one tap at every pixel, without groups: a matrix product."""
    return (s.window_h, s.window_w, s.stride_h, s.stride_w, s.groups) == (1, 1, 1, 1, 1)
