"""Bindings of the operators that join tensors along an axis or cut one apart."""

from math import prod

import numpy as np

from jitlite.interpreter.binding import lookup
from jitlite.interpreter.binding.boxes import BOXES, Loop, element_bytes
from jitlite.interpreter.binding.registry import Step, binds
from jitlite.interpreter.binding.widening import through_bytes
from jitlite.schemas.ops.concat import CONCATENATION, SPLIT, SPLIT_V, joined_axis, split_sizes
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.tables import TensorType


@binds(CONCATENATION)
@through_bytes
def concatenation(call: Call) -> list[Step]:
    y, axis = call.outputs[0], joined_axis(call)
    item_bytes = element_bytes(call, y)
    outer, inner = prod(y.shape[:axis]), prod(y.shape[axis + 1 :])
    steps, offset = [], 0
    for index in range(len(call.inputs)):
        x = call.input(index)
        run, step = x.shape[axis] * inner, y.shape[axis] * inner
        if _alike(x, y):
            steps.append(BOXES.copy(x, y, [Loop(outer, run, step), Loop(run, 1, 1)], item_bytes, (0, offset)))
        else:
            steps.append(lookup.lookup_runs(x, y, _requantized(x, y), run, step, offset))
        offset += run
    return steps


def _requantized(x: TensorInfo, y: TensorInfo) -> lookup.Integers:
    """The operand's bytes on the output's grid, through float32 as in the reference."""
    scale = lookup.scale_of(x) * (np.float32(1) / lookup.scale_of(y))
    bias = np.float32(-x.zero_point) * scale
    return lookup.nearest(lookup.byte_values(x.type).astype(np.float32) * scale + bias) + y.zero_point


def _alike(x: TensorInfo, y: TensorInfo) -> bool:
    """True where elements are copied as they are: the reference requantizes no type but UINT8, whatever the scales."""
    if x.type is not TensorType.UINT8 or not (x.is_quantized and y.is_quantized):
        return True
    return (x.scale, x.zero_point) == (y.scale, y.zero_point)


@binds(SPLIT)
@binds(SPLIT_V)
def split(call: Call) -> list[Step]:
    x = call.input(1 if call.spec is SPLIT else 0)
    axis, sizes = split_sizes(call)
    outer, inner = prod(x.shape[:axis]), prod(x.shape[axis + 1 :])
    steps, offset = [], 0
    for y, size in zip(call.outputs, sizes):
        run = size * inner
        loops = [Loop(outer, x.shape[axis] * inner, run), Loop(run, 1, 1)]
        steps.append(BOXES.copy(x, y, loops, element_bytes(call, x), (offset, 0)))
        offset += run
    return steps
