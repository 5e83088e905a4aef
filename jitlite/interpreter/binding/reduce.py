"""Bindings of reductions, positions of extremes and running sums."""

from math import prod

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.arrays import computes
from jitlite.interpreter.binding.boxes import BOXES, Loop, element_bytes, strides
from jitlite.interpreter.binding.registry import Argument, HostStep, Scratch, Step, binds, kernels, no_kernel
from jitlite.schemas.affine import quantize_multiplier
from jitlite.schemas.dtypes import INTEGER_RANGE, numpy_dtype
from jitlite.schemas.ops.reduce import (
    ARG_MAX,
    ARG_MIN,
    CUMSUM,
    MEAN,
    REDUCE_ALL,
    REDUCE_ANY,
    REDUCE_MAX,
    REDUCE_MIN,
    REDUCE_PROD,
    SUM,
    reduced_axes,
    running_axis,
)
from jitlite.schemas.ops.spec import Call, Shape
from jitlite.schemas.record import replace
from jitlite.schemas.tables import TensorType

# Families are named where a call needs them, so that a model compiles those of its types alone.
_FAMILIES = {TensorType.FLOAT32: "reduce", TensorType.INT32: "reduce_int", TensorType.INT64: "reduce_int"}
_NUMBERS = {TensorType.FLOAT32: "f32", TensorType.INT32: "i32", TensorType.INT64: "i64"}
_REVERSED = {TensorType.FLOAT32: -(2**31), TensorType.INT32: -1}
"""The bits of 32 that, flipped, turn the order of numbers round."""
_QUANTIZED = {TensorType.INT8: "qs8", TensorType.UINT8: "qu8", TensorType.INT16: "qs16"}
_COMPARED = {TensorType.FLOAT32: "f32", TensorType.INT8: "i8", TensorType.UINT8: "u8", TensorType.INT32: "i32", TensorType.BOOL: "u8"}
_FLIPS = {TensorType.INT8: 128, TensorType.UINT8: 0, TensorType.BOOL: 0}
"""What makes patterns of bytes ascend."""
_NAMES = {SUM: "sum", MEAN: "mean", REDUCE_PROD: "prod", REDUCE_MAX: "max", REDUCE_MIN: "min", REDUCE_ANY: "max", REDUCE_ALL: "min"}
_TRUTHS = {SUM: "max", REDUCE_PROD: "min"}
"""What sums and products of truth values are."""
_NEUTRAL = {SUM: 0, REDUCE_PROD: 1, REDUCE_ANY: False, REDUCE_ALL: True}
_LARGEST_PROD_SHIFT = 7


def _loops(shape: Shape, axes: tuple[int, ...]) -> dict[str, Argument]:
    """The loops of a reduction, as the kernels want them; dimensions of size 1 vanish and neighbours of one kind become one loop."""
    groups: list[tuple[bool, int, int]] = []
    for axis, (dim, stride) in enumerate(zip(shape, strides(shape))):
        is_reduced = axis in axes
        if dim == 1:
            continue
        if groups and groups[-1][0] == is_reduced:
            groups[-1] = (is_reduced, groups[-1][1] * dim, stride)
        else:
            groups.append((is_reduced, dim, stride))
    ends_reduced, size, _ = groups.pop() if groups else (False, 1, 1)
    kept = [group[1:] for group in groups if not group[0]]
    reduced = [group[1:] for group in groups if group[0]]
    return {
        "kept": _packed(kept),
        "reduced": _packed(reduced),
        "lanes": 1 if ends_reduced else size,
        "run": size if ends_reduced else 1,
        "depth": prod(size for size, _ in reduced),
        "outputs": prod(size for size, _ in kept) * (1 if ends_reduced else size),
    }


def _packed(loops: list[tuple[int, int]]) -> NDArray[np.int64]:
    return np.array([len(loops), *(size for size, _ in loops), *(stride for _, stride in loops)], np.int64)


def _of_nothing(call: Call) -> Step:
    """The result over axes without elements: neutral elements, the type's bounds for extremes, NaN (0 in integers) for means."""
    y = call.outputs[0]
    dtype = numpy_dtype(y.type)
    if call.spec in (REDUCE_MAX, REDUCE_MIN):
        limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(np.uint8 if dtype.kind == "b" else dtype)
        value = limits.min if call.spec is REDUCE_MAX else limits.max
    elif call.spec is MEAN:
        value = np.nan if dtype.kind == "f" else 0
    else:
        value = _NEUTRAL[call.spec]
    return BOXES.copy(np.array([value], dtype), y, [Loop(y.size, 0, 1)], element_bytes(call, y))


@binds(MEAN)
@binds(SUM)
@binds(REDUCE_PROD)
@binds(REDUCE_MAX)
@binds(REDUCE_MIN)
@binds(REDUCE_ANY)
@binds(REDUCE_ALL)
def reduce(call: Call) -> Step | HostStep:
    x, y = call.input(0), call.outputs[0]
    if x.size == 0:
        return _of_nothing(call)
    name, loops = _NAMES[call.spec], _loops(x.shape, reduced_axes(call))
    if x.type is TensorType.BOOL and call.spec is not MEAN:
        name = _TRUTHS.get(call.spec, name)
        return kernels("reduce_q8").step(f"{name}_qu8", x=x, y=y, **loops)
    if x.type in _QUANTIZED:
        return _quantized(call, name, loops)
    if x.type not in _NUMBERS:
        raise no_kernel(call, " or ".join(known.name for known in (*_NUMBERS, *_QUANTIZED)))
    family, numbers = kernels(_FAMILIES[x.type]), _NUMBERS[x.type]
    if call.spec is REDUCE_PROD:
        return kernels("reduce_prod").step(f"prod_{numbers}", x=x, y=y, **loops)
    if call.spec is MEAN and x.type is not TensorType.FLOAT32:
        return family.step(f"mean_{numbers}", x=x, y=y, sums=Scratch(8 * y.size), **loops)
    if x.type is TensorType.INT64:
        return family.step(f"{name}_i64", x=x, y=y, **loops)
    if call.spec in (SUM, MEAN):
        return family.step(f"sum_{numbers}", x=x, y=y, setting=x.size // y.size if call.spec is MEAN else 1, **loops)
    return family.step(f"extreme_{numbers}", x=x, y=y, setting=0 if call.spec is REDUCE_MAX else _REVERSED[x.type], **loops)


def _quantized(call: Call, name: str, loops: dict[str, Argument]) -> Step | HostStep:
    x, y, family = call.input(0), call.outputs[0], kernels("reduce_q8")
    if call.spec is SUM and call.is_reference and x.type is TensorType.INT8:
        x, y = replace(x, type=TensorType.UINT8), replace(y, type=TensorType.UINT8)
    suffix = _QUANTIZED[x.type]
    if call.spec in (REDUCE_MAX, REDUCE_MIN):
        return family.step(f"{name}_{suffix}", x=x, y=y, **loops)
    if call.spec is REDUCE_PROD and not (x.is_quantized or y.is_quantized):
        axes = tuple(reduced_axes(call))
        return computes(lambda operands: np.prod(operands[0], axes, dtype=operands[0].dtype).reshape(y.shape))
    if not (x.is_quantized and y.is_quantized) or (call.spec is REDUCE_PROD and x.type is TensorType.UINT8):
        raise no_kernel(call, "FLOAT32, INT32, INT64 and quantized INT8 and INT16 (UINT8 too for sums and means)")
    low, high = INTEGER_RANGE[y.type]
    bounds = {"low": low, "high": high}
    if call.spec is REDUCE_PROD:
        # The scale of n factors, spread over n rescaling steps.
        mantissa, shift = quantize_multiplier(x.scale / y.scale ** (1 / (x.size // y.size)))
        if shift > _LARGEST_PROD_SHIFT:
            raise call.unsupported(f"scales whose ratio is below {2**_LARGEST_PROD_SHIFT} are supported, found {x.scale} and {y.scale}")
        points = {"x_zero_point": x.zero_point, "y_zero_point": y.zero_point}
        return family.step(f"prod_{suffix}", x=x, y=y, mantissa=mantissa, shift=shift, **points, **bounds, **loops)
    count = x.size // y.size
    mantissa, shift = quantize_multiplier(x.scale / y.scale)
    if call.spec is MEAN:
        mantissa, shift = _divided(mantissa, shift, count)
    return kernels("sum_q8").step(
        f"sum_{suffix}",
        x=x,
        y=y,
        sums=Scratch(4 * y.size),
        offset=x.zero_point * count,
        mantissa=mantissa,
        shift=shift,
        zero_point=y.zero_point,
        **bounds,
        **loops,
    )


def _divided(mantissa: int, shift: int, count: int) -> tuple[int, int]:
    """A multiplier divided by `count`; its precision is kept as far as 64 bits and the smallest shift allow."""
    spare = min(count.bit_length() - 1, 32, 31 + shift)
    return (mantissa << spare) // count, shift - spare


@binds(ARG_MAX)
@binds(ARG_MIN)
def extreme_position(call: Call) -> Step:
    x, y, axis = call.input(0), call.outputs[0], running_axis(call)
    if x.type not in _COMPARED:
        raise no_kernel(call, " or ".join(known.name for known in _COMPARED))
    index = "i64" if y.type is TensorType.INT64 else "i32"
    size, inner = x.shape[axis], max(1, prod(x.shape[axis + 1 :]))
    if x.type in _FLIPS and inner == 1:
        flip = _FLIPS[x.type] ^ (0 if call.spec is ARG_MAX else 255)
        return kernels("extremes").step(f"extreme_position_of_rows_8_{index}", x=x, y=y, rows=y.size, size=size, flip=flip)
    sign = 1 if call.spec is ARG_MAX else -1
    kernel = f"extreme_position_{_COMPARED[x.type]}_{index}"
    return kernels("extremes").step(kernel, x=x, y=y, columns=y.size, size=size, inner=inner, sign=sign)


@binds(CUMSUM)
def cumulative_sum(call: Call) -> Step:
    x, y, axis = call.input(0), call.outputs[0], running_axis(call)
    if x.type not in _NUMBERS:
        raise no_kernel(call, " or ".join(known.name for known in _NUMBERS))
    return kernels("sequences").step(
        f"cumulative_sum_{_NUMBERS[x.type]}",
        x=x,
        y=y,
        outer=prod(x.shape[:axis]) if x.size else 0,
        size=x.shape[axis],
        inner=max(1, prod(x.shape[axis + 1 :])),
        exclusive=int(call.options.exclusive),
        reverse=int(call.options.reverse),
    )
