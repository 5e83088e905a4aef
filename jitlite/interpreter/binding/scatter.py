"""Bindings of the operators that write by index. SPARSE_TO_DENSE and the rarer reductions of segments are in NumPy."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.arrays import computes
from jitlite.interpreter.binding.boxes import BOXES, element_bytes, strides
from jitlite.interpreter.binding.registry import Argument, HostStep, Step, binds, kernels
from jitlite.schemas.dtypes import byte_size
from jitlite.schemas.errors import ExecutionError
from jitlite.schemas.ops.scatter import (
    DYNAMIC_UPDATE_SLICE,
    SCATTER_ND,
    SEGMENT_SUM,
    SPARSE_TO_DENSE,
    UNSORTED_SEGMENT_MAX,
    UNSORTED_SEGMENT_MIN,
    UNSORTED_SEGMENT_PROD,
    UNSORTED_SEGMENT_SUM,
    segment_size,
)
from jitlite.schemas.ops.spec import Call, OpSpec, Shape
from jitlite.schemas.tables import TensorType

Array = NDArray[Any]
K = kernels("scatter")

_REDUCTIONS: dict[OpSpec, tuple[np.ufunc, np.ufunc]] = {
    UNSORTED_SEGMENT_PROD: (np.multiply, np.multiply),
    UNSORTED_SEGMENT_MAX: (np.maximum, np.fmax),
    UNSORTED_SEGMENT_MIN: (np.minimum, np.fmin),
}
"""The function of integers and of floats; a NaN does not replace what there is."""


def _start(spec: OpSpec, dtype: np.dtype[Any]) -> float | int:
    """What segments hold before the first of their elements."""
    if spec is UNSORTED_SEGMENT_PROD:
        return 1
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    return limits.min if spec is UNSORTED_SEGMENT_MAX else limits.max


def _require_inside(call: Call, inside: Any) -> None:
    if not np.all(inside):
        raise ExecutionError(f"{call.where}: an index inside its bound is required, found one outside")


def _places(call: Call, indices: Array, shape: Shape) -> Array:
    """Flat places in a tensor of this shape; `indices` has a row for each, its length the shape's."""
    rows = indices.astype(np.int64)
    _require_inside(call, (rows >= 0) & (rows < np.array(shape, np.int64)))
    places: Array = rows @ np.array(strides(shape), np.int64)
    return places


@binds(SCATTER_ND)
def scatter_nd(call: Call) -> Step:
    indices, updates, y = call.input(0), call.input(1), call.outputs[0]
    depth = indices.shape[-1]
    arguments: dict[str, Argument] = {
        "indices": indices,
        "updates": updates,
        "y": y,
        "count": prod(indices.shape[:-1]),
        "slices": prod(y.shape[:depth]),
        "run": prod(y.shape[depth:]),
        "depth": depth,
        "bounds": np.array([*y.shape[:depth], 0], np.int64),
        "strides": np.array([*strides(y.shape[:depth]), 0], np.int64),
    }
    if y.type is TensorType.BOOL:
        return K.step("scatter_or", **arguments)
    suffix = "f32" if y.type is TensorType.FLOAT32 else f"x{8 * element_bytes(call, y)}"
    return K.step(f"scatter_add_{suffix}", **arguments, skips_negative=0)


@binds(SPARSE_TO_DENSE)
def sparse_to_dense(call: Call) -> HostStep:
    indices, shape = call.input(0), call.outputs[0].shape
    count = indices.shape[0] if indices.rank == 2 else indices.size

    def fill(operands: Sequence[Array]) -> Array:
        places, _, values, default = operands
        result = np.full(prod(shape), default.reshape(()), values.dtype)
        result[_places(call, places.reshape(count, len(shape)), shape)] = values
        return result.reshape(shape)

    return computes(fill)


@binds(SEGMENT_SUM)
@binds(UNSORTED_SEGMENT_SUM)
def segment_sums(call: Call) -> Step:
    x, ids, y = call.input(0), call.input(1), call.outputs[0]
    return K.step(
        "scatter_add_f32" if x.type is TensorType.FLOAT32 else "scatter_add_x32",
        indices=ids,
        updates=x,
        y=y,
        count=ids.size,
        slices=y.shape[0],
        run=segment_size(call),
        depth=1,
        bounds=np.array(y.shape[:1], np.int64),
        strides=np.ones(1, np.int64),
        skips_negative=int(call.spec is UNSORTED_SEGMENT_SUM),
    )


@binds(UNSORTED_SEGMENT_PROD)
@binds(UNSORTED_SEGMENT_MAX)
@binds(UNSORTED_SEGMENT_MIN)
def unsorted_segments(call: Call) -> HostStep:
    shape, run = call.outputs[0].shape, segment_size(call)
    function = _REDUCTIONS[call.spec][call.input(0).type is TensorType.FLOAT32]

    def reduce(operands: Sequence[Array]) -> Array:
        x, ids = operands[0], operands[1].reshape(-1).astype(np.int64)
        _require_inside(call, ids < shape[0])
        kept = np.flatnonzero(ids >= 0)
        result = np.full((shape[0], run), _start(call.spec, x.dtype), x.dtype)
        function.at(result, ids[kept], x.reshape(ids.size, run)[kept])
        return result.reshape(shape)

    return computes(reduce)


@binds(DYNAMIC_UPDATE_SLICE)
def dynamic_update_slice(call: Call) -> Step:
    x, update, starts, y = call.input(0), call.input(1), call.input(2), call.outputs[0]
    suffix = "i32" if starts.type is TensorType.INT32 else "i64"
    partial = [axis for axis in range(x.rank) if update.shape[axis] != x.shape[axis]]
    if not partial:
        return BOXES.copy_bytes(update, y, byte_size(y.type, y.shape))
    if x.type is TensorType.INT4:
        return kernels("update").step(
            f"update_nibbles_{suffix}",
            x=x,
            update=update,
            starts=starts,
            y=y,
            rank=x.rank,
            dims=np.array(x.shape, np.int64),
            parts=np.array(update.shape, np.int64),
            n_bytes=byte_size(y.type, y.shape),
            count=update.size,
        )
    depth = partial[-1] + 1
    return kernels("update").step(
        f"update_slice_{suffix}",
        x=x,
        update=update,
        starts=starts,
        y=y,
        depth=depth,
        dims=np.array(x.shape[:depth], np.int64),
        parts=np.array(update.shape[:depth], np.int64),
        rows=prod(x.shape[: depth - 1]) if y.size else 0,
        unit=prod(x.shape[depth:]) * element_bytes(call, x),
    )


def in_place(step: Step) -> Step | None:
    """The step of a DYNAMIC_UPDATE_SLICE as one that leaves its operand's memory changed instead; None for other steps."""
    if step.family != "update" or not step.kernel.startswith("update_slice_"):
        return None
    kept = {name: step.arguments[name] for name in ("update", "starts", "depth", "dims", "parts", "unit")}
    parts = kept["parts"]
    assert isinstance(parts, np.ndarray)
    rows = prod(parts[:-1].tolist()) if step.arguments["rows"] else 0
    kernel = step.kernel.replace("update_slice", "write_slice")
    return kernels("update").step(kernel, y=step.arguments["x"], rows=rows, **kept)
