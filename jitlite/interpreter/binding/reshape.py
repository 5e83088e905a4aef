"""Bindings of the operators that give the same elements another shape or order."""

from math import prod

import numpy as np

from jitlite.interpreter.binding import strings
from jitlite.interpreter.binding.boxes import BOXES, Loop, element_bytes, strides
from jitlite.interpreter.binding.registry import HostStep, Step, binds
from jitlite.interpreter.binding.widening import through_bytes
from jitlite.schemas.dtypes import byte_size, is_packed
from jitlite.schemas.ops.reshape import (
    DENSIFY,
    EXPAND_DIMS,
    PACK,
    RANK,
    RESHAPE,
    SHAPE,
    SQUEEZE,
    TRANSPOSE,
    UNPACK,
    permutation,
    rank_value,
    shape_value,
    stack_axis,
)
from jitlite.schemas.ops.spec import Call


@binds(DENSIFY)
@binds(RESHAPE)
@binds(SQUEEZE)
@binds(EXPAND_DIMS)
def reshape(call: Call) -> Step | HostStep:
    x, y = call.input(0), call.outputs[0]
    if strings.is_string(x):
        return strings.reshaped(call)
    n_bytes = byte_size(x.type, x.shape) if is_packed(x.type) else x.size * element_bytes(call, x)
    return BOXES.copy_bytes(x, y, n_bytes)


@binds(TRANSPOSE)
@through_bytes
def transpose(call: Call) -> Step:
    x, y = call.input(0), call.outputs[0]
    x_strides = strides(x.shape)
    loops = [Loop(size, x_strides[axis], y_stride) for axis, size, y_stride in zip(permutation(call), y.shape, strides(y.shape))]
    return BOXES.copy(x, y, loops, element_bytes(call, x))


@binds(SHAPE)
def shape(call: Call) -> Step:
    value = shape_value(call)
    return BOXES.copy_bytes(value, call.outputs[0], value.nbytes)


@binds(RANK)
def rank(call: Call) -> Step:
    value = np.atleast_1d(rank_value(call))
    return BOXES.copy_bytes(value, call.outputs[0], value.nbytes)


@binds(PACK)
def pack(call: Call) -> list[Step]:
    y, count = call.outputs[0], len(call.inputs)
    shape, axis, item_bytes = call.input(0).shape, stack_axis(call), element_bytes(call, call.input(0))
    outer, inner = prod(shape[:axis]), prod(shape[axis:])
    loops = [Loop(outer, inner, count * inner), Loop(inner, 1, 1)]
    return [BOXES.copy(call.input(index), y, loops, item_bytes, (0, index * inner)) for index in range(count)]


@binds(UNPACK)
def unpack(call: Call) -> list[Step]:
    x, count, axis = call.input(0), len(call.outputs), stack_axis(call)
    outer, inner = prod(x.shape[:axis]), prod(x.shape[axis + 1 :])
    loops = [Loop(outer, count * inner, inner), Loop(inner, 1, 1)]
    return [BOXES.copy(x, y, loops, element_bytes(call, x), (index * inner, 0)) for index, y in enumerate(call.outputs)]
