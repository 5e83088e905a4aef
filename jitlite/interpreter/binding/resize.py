"""Steps of resizing: tabulates, for every row and column of the result, where it lies in the input.

The coordinates are the reference's own arithmetic, in float32 or in 1024ths, so that no rounding differs.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.registry import Bound, binds, kernels, no_kernel
from jitlite.schemas.dtypes import byte_size
from jitlite.schemas.ops.resize import RESIZE_BILINEAR, RESIZE_NEAREST_NEIGHBOR
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.tables import TensorType

K = kernels("resize")
F = np.float32


ROW = 2048
"""Elements of a row blended at a time; `jitlite.interpreter.kernels.resize` has the same number."""

_KERNELS = {
    TensorType.FLOAT32: "resize_bilinear_f32",
    TensorType.INT8: "resize_bilinear_s8",
    TensorType.UINT8: "resize_bilinear_u8",
    TensorType.INT16: "resize_bilinear_s16",
}
_IN_FLOATS = (TensorType.FLOAT32, TensorType.UINT8)


def _sizes(x: TensorInfo, y: TensorInfo, channels: int) -> NDArray[np.int64]:
    return np.array([x.shape[0], x.shape[1], x.shape[2], y.shape[1], y.shape[2], channels], np.int64)


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


def piece_ends(columns: NDArray[np.int64], channels: int) -> NDArray[np.int64]:
    """Where to cut a row of results, so that a piece and what it is made of have ROW elements or less each, or it is one column."""
    ends, most, count = [0], ROW // channels, len(columns)
    while ends[-1] < count:
        begin = ends[-1]
        fitting = int(np.searchsorted(columns[:, 1], columns[begin, 0] + most))
        ends.append(min(count, max(begin + 1, min(fitting, begin + most))))
    return np.array(ends[1:], np.int64)


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
    kernel = _KERNELS.get(x.type)
    if kernel is None or y.type is not x.type:
        raise no_kernel(call, " or ".join(kind.name for kind in _KERNELS))
    tabulate: Any = linear_f32 if x.type in _IN_FLOATS else linear_1024
    rows, row_parts = tabulate(x.shape[1], y.shape[1], o)
    columns, column_parts = tabulate(x.shape[2], y.shape[2], o)
    pieces: dict[str, Any] = {} if x.type is TensorType.INT16 else {"ends": piece_ends(columns, x.shape[3])}
    return K.step(
        kernel,
        x=x,
        y=y,
        rows=rows,
        columns=columns,
        row_parts=row_parts,
        column_parts=column_parts,
        sizes=_sizes(x, y, x.shape[3]),
        **pieces,
    )


@binds(RESIZE_NEAREST_NEIGHBOR)
def resize_nearest_neighbor(call: Call) -> Bound:
    x, y, o = call.input(0), call.outputs[0], call.options
    rows, columns = nearest(x.shape[1], y.shape[1], o), nearest(x.shape[2], y.shape[2], o)
    return K.step("resize_nearest", x=x, y=y, rows=rows, columns=columns, sizes=_sizes(x, y, byte_size(x.type, x.shape[3:])))
