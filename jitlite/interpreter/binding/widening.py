"""Bindings that serve narrow types with the steps they have for wider ones: what goes in is widened first, what comes out narrowed last."""

from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.registry import Argument, Bound, HostStep, Scratch, Step, kernels
from jitlite.schemas.dtypes import BITS, byte_size, from_bfloat16, unpacked_elements
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.record import Record, replace
from jitlite.schemas.tables import TensorType

CASTS, PACKED = kernels("cast"), kernels("packed")
T = TensorType

Decorator = Callable[[Callable[[Call], Bound]], Callable[[Call], Bound]]


class Widening(Record):
    """How elements of a narrow type become `wide` ones, as a constant's value or by a step, and back."""

    wide: TensorType
    value: Callable[[TensorInfo], NDArray[Any]]
    widen: Callable[[TensorInfo, Scratch], Step]
    narrow: Callable[[Scratch, TensorInfo], Step]


def _by_casts(suffix: str, wide_suffix: str, wide: TensorType, value: Callable[[NDArray[Any]], NDArray[Any]]) -> Widening:
    return Widening(
        wide,
        lambda info: value(info.value) if info.value is not None else np.zeros(0),
        lambda info, memory: CASTS.step(f"cast_{suffix}_{wide_suffix}", x=info, y=memory, count=info.size),
        lambda memory, info: CASTS.step(f"cast_{wide_suffix}_{suffix}", x=memory, y=info, count=info.size),
    )


def unpacking(x: TensorInfo, memory: Scratch) -> Step:
    """The step that makes a byte of each element of a packed tensor."""
    return PACKED.step("unpack_bits", x=x, y=memory, count=x.size, bits=BITS[x.type], is_signed=int(x.type is not T.UINT4))


def packing(memory: Scratch, y: TensorInfo) -> Step:
    """The step that packs bytes, of which it keeps the lowest bits."""
    return PACKED.step("pack_bits", x=memory, y=y, count=y.size, bits=BITS[y.type])


def _unpacked(info: TensorInfo) -> NDArray[Any]:
    assert info.value is not None
    return unpacked_elements(info.value, info.type, info.shape)


def _to_bytes(wide: TensorType) -> Widening:
    return Widening(wide, _unpacked, unpacking, packing)


HALVES = {
    T.FLOAT16: _by_casts("f16", "f32", T.FLOAT32, lambda value: value.astype(np.float32)),
    T.BFLOAT16: _by_casts("bf16", "f32", T.FLOAT32, from_bfloat16),
}
PARTS_OF_BYTES = {T.INT4: _to_bytes(T.INT8), T.INT2: _to_bytes(T.INT8), T.UINT4: _to_bytes(T.UINT8)}
WORDS = {T.INT16: _by_casts("i16", "i64", T.INT64, lambda value: value.astype(np.int64))}


"""INT16 indices, served with the steps for INT64."""


def through(widenings: Mapping[TensorType, Widening], operands: Collection[int] | None = None) -> Decorator:
    """Decorates a binding: operands and results of the types in `widenings` are widened; with `operands` only those, and no results."""

    def decorate(bind: Callable[[Call], Bound]) -> Callable[[Call], Bound]:
        @wraps(bind)
        def bind_any(call: Call) -> Bound:
            places = range(len(call.inputs)) if operands is None else operands
            narrow = [place for place in places if (info := call.optional_input(place)) is not None and info.type in widenings]
            return _widened(call, bind, widenings, narrow, operands is None) if narrow else bind(call)

        return bind_any

    return decorate


through_float32 = through(HALVES)
"""Serves FLOAT16 and BFLOAT16 with the steps for FLOAT32."""
through_bytes = through(PARTS_OF_BYTES)
"""Serves INT4, INT2 and UINT4 with the steps for INT8 and UINT8."""


def _widened(
    call: Call, bind: Callable[[Call], Bound], widenings: Mapping[TensorType, Widening], narrow: Collection[int], has_results: bool
) -> Bound:
    """The steps of the widened call; those in Python read arrays of any type and need no widening."""
    places: list[tuple[TensorInfo, Argument]] = []
    before, after = [], []
    inputs, outputs = list(call.inputs), list(call.outputs)
    for position in narrow:
        info = call.input(position)
        widening = widenings[info.type]
        if info.value is not None:
            value = widening.value(info)
            inputs[position] = wide = replace(info, type=widening.wide, value=value)
            places.append((wide, value))
            continue
        inputs[position] = wide = replace(info, type=widening.wide)
        memory = Scratch(byte_size(wide.type, info.shape))
        places.append((wide, memory))
        before.append(widening.widen(info, memory))
    for position, info in enumerate(outputs):
        if has_results and info.type in widenings:
            outputs[position] = wide = replace(info, type=widenings[info.type].wide)
            memory = Scratch(byte_size(wide.type, info.shape))
            places.append((wide, memory))
            after.append(widenings[info.type].narrow(memory, info))
    bound = bind(replace(call, inputs=tuple(inputs), outputs=tuple(outputs)))
    if isinstance(bound, HostStep):
        return bind(call)
    steps = [bound] if isinstance(bound, Step) else bound
    return [*before, *(_placed(step, places) for step in steps), *after]


def _placed(step: Step, places: list[tuple[TensorInfo, Argument]]) -> Step:
    """The step with the arguments that stand for widened tensors, or for views of these, replaced by where these lie."""

    def place(argument: Argument) -> Argument:
        if not isinstance(argument, TensorInfo):
            return argument
        return next((memory for info, memory in places if argument is info or argument.index == info.index), argument)

    return replace(step, arguments={name: place(argument) for name, argument in step.arguments.items()})
