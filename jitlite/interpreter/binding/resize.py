"""Steps of resizing: tabulates, for every row and column of the result, where it lies in the input.

The coordinates are the reference's own arithmetic, in float32 or in 1024ths, so that no rounding differs.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.panels import is_float, is_int8
from jitlite.interpreter.binding.registry import Bound, binds, kernels, no_kernel
from jitlite.schemas.dtypes import byte_size
from jitlite.schemas.ops.resize import RESIZE_BILINEAR, RESIZE_NEAREST_NEIGHBOR
from jitlite.schemas.ops.spec import Call, TensorInfo

K = kernels("resize")
F = np.float32


def _sizes(x: TensorInfo, y: TensorInfo) -> NDArray[np.int64]:
    return np.array([x.shape[0], x.shape[1], x.shape[2], y.shape[1], y.shape[2], x.shape[3]], np.int64)


def _ratio(size: int, result: int, options: Any) -> np.float32:
    """Input elements an output element."""
    if options.align_corners and result > 1:
        return F(size - 1) / F(result - 1)
    return F(size) / F(result)


def _pairs(low: NDArray[np.int64], high: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    return np.clip(np.stack([low, high], axis=1), 0, size - 1)


def linear_f32(size: int, result: int, options: Any) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each of `result` positions: its two neighbours in [0, size) and its distance from the first."""
    ratio, half = _ratio(size, result, options), F(0.5)
    position = np.arange(result, dtype=F)
    place = (position + half) * ratio - half if options.half_pixel_centers else position * ratio
    pairs = _pairs(np.floor(place).astype(np.int64), np.ceil(place).astype(np.int64), size)
    return pairs, place - pairs[:, 0].astype(F)


def linear_1024(size: int, result: int, options: Any) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The same with positions and distances in 1024ths; positions outside the input are moved to its edge, which changes no result."""
    steps, spans = (size - 1, result - 1) if options.align_corners and result > 1 else (size, result)
    ratio = (1024 * steps + spans // 2) // spans
    place = np.arange(result, dtype=np.int64) * ratio
    if options.half_pixel_centers:
        place += ratio // 2 - 512
    place = np.clip(place, 0, (size - 1) * 1024)
    pairs = _pairs(place // 1024, (place + 1023) // 1024, size)
    return pairs, (place - 1024 * pairs[:, 0]).astype(np.int32)


def nearest(size: int, result: int, options: Any) -> NDArray[np.int64]:
    """For each of `result` positions: the nearest element in [0, size)."""
    position = np.arange(result, dtype=F) + F(0.5 if options.half_pixel_centers else 0)
    place = position * _ratio(size, result, options)
    if options.align_corners:
        whole = np.trunc(place)
        place = whole + (place - whole >= F(0.5))
    inside: NDArray[np.int64] = np.clip(np.floor(place).astype(np.int64), 0, size - 1)
    return inside


@binds(RESIZE_BILINEAR)
def resize_bilinear(call: Call) -> Bound:
    x, y, o = call.input(0), call.outputs[0], call.options
    if not (is_float(x, y) or is_int8(x, y)):
        raise no_kernel(call, "FLOAT32 and INT8")
    tabulate: Any = linear_f32 if is_float(x) else linear_1024
    rows, row_parts = tabulate(x.shape[1], y.shape[1], o)
    columns, column_parts = tabulate(x.shape[2], y.shape[2], o)
    return K.step(
        "resize_bilinear_f32" if is_float(x) else "resize_bilinear_s8",
        x=x,
        y=y,
        rows=rows,
        columns=columns,
        row_parts=row_parts,
        column_parts=column_parts,
        sizes=_sizes(x, y),
    )


@binds(RESIZE_NEAREST_NEIGHBOR)
def resize_nearest_neighbor(call: Call) -> Bound:
    x, y, o = call.input(0), call.outputs[0], call.options
    bits = 8 * byte_size(x.type, (1,))
    rows, columns = nearest(x.shape[1], y.shape[1], o), nearest(x.shape[2], y.shape[2], o)
    return K.step(f"resize_nearest_x{bits}", x=x, y=y, rows=rows, columns=columns, sizes=_sizes(x, y))
