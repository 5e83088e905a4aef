"""Bindings of the operators that join tensors along an axis or cut one apart."""

from math import prod

from jitlite.interpreter.binding.boxes import BOXES, Loop, element_bytes
from jitlite.interpreter.binding.registry import Step, binds
from jitlite.schemas.ops.concat import CONCATENATION, SPLIT, SPLIT_V, joined_axis, split_sizes
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.tables import TensorType


@binds(CONCATENATION)
def concatenation(call: Call) -> list[Step]:
    y, axis = call.outputs[0], joined_axis(call)
    item_bytes = element_bytes(call, y)
    outer, inner = prod(y.shape[:axis]), prod(y.shape[axis + 1 :])
    steps, offset = [], 0
    for index in range(len(call.inputs)):
        x = call.input(index)
        if not _alike(x, y):
            found = f"{(x.scale, x.zero_point)} and {(y.scale, y.zero_point)}"
            raise call.unsupported(f"UINT8 and INT16 operands with the scale and zero point of the output are supported, found {found}")
        run = x.shape[axis] * inner
        loops = [Loop(outer, run, y.shape[axis] * inner), Loop(run, 1, 1)]
        steps.append(BOXES.copy(x, y, loops, item_bytes, (0, offset)))
        offset += run
    return steps


def _alike(x: TensorInfo, y: TensorInfo) -> bool:
    if x.type not in (TensorType.UINT8, TensorType.INT16) or not (x.is_quantized and y.is_quantized):
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
