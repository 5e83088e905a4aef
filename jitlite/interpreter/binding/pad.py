"""Bindings of the operators that grow a tensor or make one: each part of the result is a box copied from the input or from one value."""

from itertools import product

import numpy as np

from jitlite.interpreter.binding import strings
from jitlite.interpreter.binding.boxes import BOXES, Loop, Operand, element_bytes, strides
from jitlite.interpreter.binding.registry import HostStep, Step, binds, kernels
from jitlite.schemas.dtypes import numpy_dtype
from jitlite.schemas.ops.pad import BROADCAST_TO, FILL, MIRROR_PAD, PAD, PADV2, RANGE, TILE, multiples, paddings
from jitlite.schemas.ops.spec import Call
from jitlite.schemas.tables import MirrorPadMode, TensorType

_COUNTED = {TensorType.FLOAT32: "f32", TensorType.INT32: "i32", TensorType.INT64: "i64"}


def _padding_value(call: Call) -> Operand:
    """What real 0 is stored as."""
    y, value = call.outputs[0], call.optional_input(2)
    if value is not None:
        return value
    if y.is_quantized:
        return np.array([y.zero_point], numpy_dtype(y.type))
    return np.zeros(element_bytes(call, y), np.uint8)


@binds(PAD)
@binds(PADV2)
def pad(call: Call) -> list[Step]:
    x, y, value = call.input(0), call.outputs[0], _padding_value(call)
    item_bytes, sides, y_strides = element_bytes(call, x), paddings(call), strides(y.shape)
    loops = [Loop(dim, x_stride, y_stride) for dim, x_stride, y_stride in zip(x.shape, strides(x.shape), y_strides)]
    steps = [BOXES.copy(x, y, loops, item_bytes, (0, sum(before * step for (before, _), step in zip(sides, y_strides))))]
    for axis, (before, after) in enumerate(sides):
        # Before `axis` the box spans the input's part of the output, behind it the whole output: every border element is in one box.
        corner = sum(first * step for (first, _), step in zip(sides[:axis], y_strides))
        for size, start in ((before, 0), (after, before + x.shape[axis])):
            if size:
                dims = (*x.shape[:axis], size, *y.shape[axis + 1 :])
                border = [Loop(dim, 0, step) for dim, step in zip(dims, y_strides)]
                steps.append(BOXES.copy(value, y, border, item_bytes, (0, corner + start * y_strides[axis])))
    return steps


@binds(MIRROR_PAD)
def mirror_pad(call: Call) -> list[Step]:
    x, y = call.input(0), call.outputs[0]
    edge = 1 if call.options.mode is MirrorPadMode.REFLECT else 0
    choices = []
    for dim, (before, after), x_stride, y_stride in zip(x.shape, paddings(call), strides(x.shape), strides(y.shape)):
        inside = (Loop(dim, x_stride, y_stride), 0, before * y_stride)
        left = (Loop(before, -x_stride, y_stride), (before - 1 + edge) * x_stride, 0)
        right = (Loop(after, -x_stride, y_stride), (dim - 1 - edge) * x_stride, (before + dim) * y_stride)
        choices.append([part for part in (left, inside, right) if part[0].size])
    steps = []
    for parts in product(*choices):
        offsets = sum(part[1] for part in parts), sum(part[2] for part in parts)
        steps.append(BOXES.copy(x, y, [part[0] for part in parts], element_bytes(call, x), offsets))
    return steps or [BOXES.copy_bytes(x, y, 0)]


@binds(TILE)
def tile(call: Call) -> Step | HostStep:
    x, y = call.input(0), call.outputs[0]
    if strings.is_string(x):
        return strings.tiled(call, multiples(call))
    loops = []
    for dim, count, x_stride, y_stride in zip(x.shape, multiples(call), strides(x.shape), strides(y.shape)):
        loops += [Loop(count, 0, dim * y_stride), Loop(dim, x_stride, y_stride)]
    return BOXES.copy(x, y, loops, element_bytes(call, x))


@binds(BROADCAST_TO)
def broadcast_to(call: Call) -> Step:
    x, y = call.input(0), call.outputs[0]
    shape = (1,) * (y.rank - x.rank) + x.shape
    loops = [
        Loop(dim, step if own == dim else 0, y_stride) for own, dim, step, y_stride in zip(shape, y.shape, strides(shape), strides(y.shape))
    ]
    return BOXES.copy(x, y, loops, element_bytes(call, x))


@binds(FILL)
def fill(call: Call) -> Step | HostStep:
    value, y = call.input(1), call.outputs[0]
    if strings.is_string(value):
        return strings.filled(call)
    return BOXES.copy(value, y, [Loop(y.size, 0, 1)], element_bytes(call, value))


@binds(RANGE)
def range_(call: Call) -> Step:
    y = call.outputs[0]
    start, step = (call.constant(index).item() for index in (0, 2))
    return kernels("sequences").step(f"sequence_{_COUNTED[y.type]}", y=y, start=start, step=step, count=y.size)
