"""FLOAT16 operands of operators that compute in FLOAT32: what goes in is converted first, what comes out last."""

from collections.abc import Callable
from functools import wraps

import numpy as np

from jitlite.interpreter.binding.registry import Argument, Bound, HostStep, Scratch, Step, kernels
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.record import replace
from jitlite.schemas.tables import TensorType

K = kernels("cast")


def through_float32(bind: Callable[[Call], Bound]) -> Callable[[Call], Bound]:
    """A binding that serves FLOAT16 with the steps it has for FLOAT32, and everything else as before."""

    @wraps(bind)
    def bind_any(call: Call) -> Bound:
        is_half = any(info is not None and info.type is TensorType.FLOAT16 for info in call.inputs)
        return _converted(call, bind) if is_half else bind(call)

    return bind_any


def _converted(call: Call, bind: Callable[[Call], Bound]) -> list[Step]:
    places: list[tuple[TensorInfo, Argument]] = []
    before, after = [], []
    inputs, outputs = list(call.inputs), list(call.outputs)
    for position, info in enumerate(inputs):
        if info is None or info.type is not TensorType.FLOAT16:
            continue
        if info.value is not None:
            value = info.value.astype(np.float32)
            inputs[position] = wide = replace(info, type=TensorType.FLOAT32, value=value)
            places.append((wide, value))
            continue
        inputs[position] = wide = replace(info, type=TensorType.FLOAT32)
        memory = Scratch(4 * info.size)
        places.append((wide, memory))
        before.append(K.step("cast_f16_f32", x=info, y=memory, count=info.size))
    for position, info in enumerate(outputs):
        if info.type is TensorType.FLOAT16:
            outputs[position] = wide = replace(info, type=TensorType.FLOAT32)
            memory = Scratch(4 * info.size)
            places.append((wide, memory))
            after.append(K.step("cast_f32_f16", x=memory, y=info, count=info.size))
    bound = bind(replace(call, inputs=tuple(inputs), outputs=tuple(outputs)))
    assert not isinstance(bound, HostStep)
    steps = [bound] if isinstance(bound, Step) else bound
    return [*before, *(_placed(step, places) for step in steps), *after]


def _placed(step: Step, places: list[tuple[TensorInfo, Argument]]) -> Step:
    """The step with the arguments that stand for converted tensors replaced by where these lie."""

    def place(argument: Argument) -> Argument:
        return next((memory for info, memory in places if argument is info), argument)

    return replace(step, arguments={name: place(argument) for name, argument in step.arguments.items()})
