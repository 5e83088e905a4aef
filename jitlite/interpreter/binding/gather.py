"""Bindings of the operators that read by index or make indices."""

from math import gcd, prod

import numpy as np

from jitlite.interpreter.binding import strings
from jitlite.interpreter.binding.boxes import BOXES, Loop, element_bytes, strides
from jitlite.interpreter.binding.registry import Argument, HostStep, Scratch, Step, binds, kernels, no_kernel
from jitlite.interpreter.binding.widening import CASTS, WORDS, through, through_bytes
from jitlite.schemas.ops.gather import GATHER, GATHER_ND, ONE_HOT, TOPK_V2, gather_axes, one_hot_axis
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.tables import TensorType

K = kernels("gather")

_INDICES = {TensorType.INT32: "i32", TensorType.INT64: "i64"}
_RANKED = {
    TensorType.FLOAT32: "f32",
    TensorType.UINT8: "u8",
    TensorType.INT8: "i8",
    TensorType.INT16: "i16",
    TensorType.INT32: "i32",
    TensorType.INT64: "i64",
}


def _indices(call: Call, operand: int) -> str:
    """The suffix of kernels for the type of indices an operand has."""
    suffix = _INDICES.get(call.input(operand).type)
    if suffix is None:
        raise no_kernel(call, f"{' or '.join(index.name for index in _INDICES)} indices")
    return suffix


def _neighbours(positions: TensorInfo, count: int) -> int:
    """How many indices may be read at once: constant rows of `count` indices consist of so many consecutive ones each time."""
    if positions.value is None or positions.size == 0:
        return 1
    steps = np.diff(positions.value.reshape(-1, count).astype(np.int64))
    return gcd(count, *(np.flatnonzero((steps != 1).any(axis=0)) + 1).tolist())


@binds(GATHER)
@through(WORDS, (1,))
@through_bytes
def gather(call: Call) -> Step | HostStep:
    x, positions, y = call.input(0), call.input(1), call.outputs[0]
    if strings.is_string(x):
        return strings.gathered(call)
    axis, batch_dims = gather_axes(call)
    outer, count = prod(x.shape[batch_dims:axis]), prod(positions.shape[batch_dims:])
    run, together = prod(x.shape[axis + 1 :]) * element_bytes(call, x), _neighbours(positions, count)
    block = x.shape[axis] * run
    if positions.value is not None and batch_dims == 0 and together == count:
        first = int(positions.value.flat[0])
        if 0 <= first <= x.shape[axis] - count:
            loops = [Loop(prod(x.shape[:axis]), block, count * run), Loop(count * run, 1, 1)]
            return BOXES.copy(x, y, loops, 1, (first * run, 0))
    return K.step(
        f"gather_{_indices(call, 1)}",
        x=x,
        positions=positions if positions.value is None else positions.value.reshape(-1)[::together].copy(),
        y=y,
        outer=outer,
        count=count // together,
        rows=prod(x.shape[:axis]) * count // together if y.size else 0,
        block=block,
        run=run * together,
        depth=1,
        bounds=np.array([x.shape[axis] - together + 1], np.int64),
        strides=np.array([run], np.int64),
    )


@binds(GATHER_ND)
@through(WORDS, (1,))
def gather_nd(call: Call) -> Step | HostStep:
    x, indices, y = call.input(0), call.input(1), call.outputs[0]
    if strings.is_string(x):
        return strings.gathered_nd(call)
    depth, count, item_bytes = indices.shape[-1], prod(indices.shape[:-1]), element_bytes(call, x)
    return K.step(
        f"gather_{_indices(call, 1)}",
        x=x,
        positions=indices,
        y=y,
        outer=1,
        count=max(count, 1),
        rows=count,
        block=0,
        run=prod(x.shape[depth:]) * item_bytes,
        depth=depth,
        bounds=np.array([*x.shape[:depth], 0], np.int64),
        strides=np.array([*strides(x.shape)[:depth], 0], np.int64) * item_bytes,
    )


@binds(ONE_HOT)
def one_hot(call: Call) -> Step:
    indices, on, off, y = call.input(0), call.input(2), call.input(3), call.outputs[0]
    axis = one_hot_axis(call)
    suffix, item_bytes = _indices(call, 0), element_bytes(call, on)
    if item_bytes > 8:
        raise no_kernel(call, "elements of up to 8 bytes")
    outer, inner = prod(indices.shape[:axis]), prod(indices.shape[axis:])
    return K.step(
        f"one_hot_x{8 * item_bytes}_{suffix}", indices=indices, on=on, off=off, y=y, outer=outer, depth=y.shape[axis], inner=inner
    )


@binds(TOPK_V2)
def top_k(call: Call) -> list[Step]:
    x, (values, positions) = call.input(0), call.outputs
    suffix = _RANKED.get(x.type)
    if suffix is None:
        raise no_kernel(call, " or ".join(ranked.name for ranked in _RANKED))
    k, size = values.shape[-1], x.shape[-1]
    rows = prod(x.shape[:-1]) if k else 0
    is_short, count = positions.type is TensorType.INT16, positions.size
    found: Argument = Scratch(4 * count) if is_short else positions
    step = kernels("top_k").step(f"top_k_{suffix}", x=x, values=values, positions=found, rows=rows, size=size, k=k)
    if not is_short:
        return [step]
    wide = Scratch(8 * count)
    widening = CASTS.step("cast_i32_i64", x=found, y=wide, count=count)
    return [step, widening, CASTS.step("cast_i64_i16", x=wide, y=positions, count=count)]
