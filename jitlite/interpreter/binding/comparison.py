"""Bindings of comparisons, logic and selection."""

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding import lookup, strings
from jitlite.interpreter.binding.broadcast import walk
from jitlite.interpreter.binding.registry import Argument, HostStep, Step, binds, kernels, no_kernel
from jitlite.interpreter.binding.widening import through_float32
from jitlite.schemas.affine import multiply_by_quantized_multiplier, quantize_multiplier
from jitlite.schemas.dtypes import INTEGER_RANGE, byte_size
from jitlite.schemas.errors import UnsupportedError
from jitlite.schemas.ops.comparison import (
    EQUAL,
    GREATER,
    GREATER_EQUAL,
    LESS,
    LESS_EQUAL,
    LOGICAL_AND,
    LOGICAL_NOT,
    LOGICAL_OR,
    NOT_EQUAL,
    SELECT,
    SELECT_V2,
)
from jitlite.schemas.ops.spec import Call, OpSpec, Shape, TensorInfo
from jitlite.schemas.tables import TensorType

K, SHORT = kernels("comparison"), kernels("elementwise_i16")
T = TensorType

_SUFFIXES = {T.FLOAT32: "f32", T.INT32: "i32", T.INT64: "i64", T.INT16: "i16", T.BOOL: "u8"}
_LEFT_SHIFT = 8


def _comparable(info: TensorInfo) -> lookup.Integers:
    """What a type's values, in rising order, stand for on a scale all tensors share: 256 steps to one, in the reference's fixed point."""
    low, high = INTEGER_RANGE[info.type]
    shifted = (np.arange(low, high + 1) - info.zero_point) << _LEFT_SHIFT
    mantissa, shift = quantize_multiplier(float(lookup.scale_of(info)))
    return multiply_by_quantized_multiplier(shifted.astype(np.int32), mantissa, shift).astype(np.int64)


def _intervals(a: TensorInfo, b: TensorInfo, less: int, equal: int, negate: int) -> NDArray[np.uint8]:
    """Settings of `within_8`: for every b the values of a below it if `less`, and those equal to it if `equal`, which are neighbours."""
    ascending, bounds = _comparable(a), _comparable(b)
    below, up_to = np.searchsorted(ascending, bounds, "left"), np.searchsorted(ascending, bounds, "right")
    first, stop = (0 * below if less else below), (up_to if equal else below)
    least, greatest = np.where(first < stop, first, 255), np.where(first < stop, stop - 1, 0)
    head = np.zeros(64, np.uint8)
    head[:2] = 128 * (a.type is T.INT8), negate
    return np.concatenate([head, *(lookup.by_pattern(b.type, limit).astype(np.uint8) for limit in (least, greatest))])


def _bind_comparison(spec: OpSpec, *, less: int = 0, equal: int = 0, negate: int = 0, swap: bool = False) -> None:
    def bind(call: Call) -> Step | HostStep:
        a, b = call.input(0), call.input(1)
        if strings.is_string(a):
            return strings.compared(call, np.not_equal if negate else np.equal)
        if swap:
            a, b = b, a
        y = call.outputs[0]
        operands: dict[str, Argument] = {"a": a, "b": b, "y": y, "walk": walk(y.shape, a.shape, b.shape)}
        if a.type in lookup.EIGHT_BITS:
            return lookup.K.step("within_8", **operands, settings=_intervals(a, b, less, equal, negate))
        if a.type is T.INT16 and a.is_quantized and not less:
            return SHORT.step("equal_qs16", **operands, settings=_scaling(a, b, negate))
        if a.type not in _SUFFIXES:
            raise no_kernel(call, "FLOAT32, FLOAT16, INT32, INT64, INT16, INT8, UINT8 and BOOL")
        return K.step(f"compare_{_SUFFIXES[a.type]}", **operands, settings=np.array([less, equal, negate], np.int64))

    binds(spec)(through_float32(bind))


def _scaling(a: TensorInfo, b: TensorInfo, negate: int) -> NDArray[np.int64]:
    """Settings of `equal_qs16`: the reference scales operands of EQUAL and NOT_EQUAL before it compares them, and no others."""
    multipliers = (quantize_multiplier(float(lookup.scale_of(info))) for info in (a, b))
    return np.array([_LEFT_SHIFT, *(word for multiplier in multipliers for word in multiplier), negate], np.int64)


_bind_comparison(EQUAL, equal=1)
_bind_comparison(NOT_EQUAL, equal=1, negate=1)
_bind_comparison(LESS, less=1)
_bind_comparison(LESS_EQUAL, less=1, equal=1)
_bind_comparison(GREATER, less=1, swap=True)
_bind_comparison(GREATER_EQUAL, less=1, equal=1, swap=True)


def _bind_logical(spec: OpSpec, truth: int) -> None:
    """Bit 2a + b of `truth` is the result for a and b."""

    def bind(call: Call) -> Step:
        a, b, y = call.input(0), call.input(1), call.outputs[0]
        return K.step("logical", a=a, b=b, y=y, walk=walk(y.shape, a.shape, b.shape), settings=np.array([truth], np.int64))

    binds(spec)(bind)


_bind_logical(LOGICAL_AND, 0b1000)
_bind_logical(LOGICAL_OR, 0b1110)


@binds(LOGICAL_NOT)
def logical_not(call: Call) -> Step:
    x, y = call.input(0), call.outputs[0]
    table = np.zeros(256, np.uint8)
    table[0] = 1
    return lookup.K.step("lookup_8", x=x, y=y, table=table, count=x.size)


def _select(call: Call, condition_shape: Shape) -> Step:
    condition, x, y, z = call.input(0), call.input(1), call.input(2), call.outputs[0]
    try:
        bits = 8 * byte_size(x.type, ())
    except UnsupportedError as error:
        raise call.unsupported(str(error)) from error
    steps = walk(z.shape, condition_shape, x.shape, y.shape) if z.size != 1 else walk((), (), (), ())
    return K.step(f"select_x{bits}", condition=condition, x=x, y=y, z=z, walk=steps)


@binds(SELECT)
def select(call: Call) -> Step:
    """A condition of rank 1 chooses between whole slices along the first dimension."""
    condition, x = call.input(0), call.input(1)
    is_vector = condition.rank == 1 and condition.shape != x.shape
    return _select(call, condition.shape + (1,) * (x.rank - 1) if is_vector else condition.shape)


@binds(SELECT_V2)
def select_v2(call: Call) -> Step:
    return _select(call, call.input(0).shape)
