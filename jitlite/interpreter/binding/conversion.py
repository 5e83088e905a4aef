"""Bindings of number format changes."""

from itertools import pairwise

import numpy as np

from jitlite.interpreter.binding import lookup
from jitlite.interpreter.binding.boxes import BOXES
from jitlite.interpreter.binding.registry import Argument, Scratch, Step, binds, kernels, no_kernel
from jitlite.interpreter.binding.widening import packing, unpacking
from jitlite.interpreter.codegen.immediate import call_kernel
from jitlite.schemas.affine import quantize_multiplier
from jitlite.schemas.dtypes import INTEGER_RANGE, byte_size
from jitlite.schemas.ops.conversion import CAST, DEQUANTIZE, QUANTIZE, has_lost_scale, is_per_channel
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.tables import TensorType

K = kernels("conversion")
RARE = {"cast": kernels("cast"), "q8": kernels("conversion_q8")}
"""Families compiled when a plan first needs them, not with every model that has such operators."""
T = TensorType

_FLOATS = {T.FLOAT32: "f32", T.FLOAT64: "f64"}
_INTEGERS = {T.INT64: "i64", T.INT32: "i32", T.UINT32: "u32", T.INT16: "i16", T.UINT16: "u16", T.INT8: "i8", T.UINT8: "u8", T.BOOL: "u8"}
_THROUGH_FLOAT32 = {T.FLOAT16: "f16", T.BFLOAT16: "bf16", T.COMPLEX64: "c64"}
_SUFFIXES = _FLOATS | _THROUGH_FLOAT32 | _INTEGERS | {T.BOOL: "bool"}
_DIRECT = {
    *((source, T.FLOAT32) for source in (T.INT32, T.INT16, T.UINT16, T.INT8, T.UINT8, T.BOOL)),
    *((T.FLOAT32, target) for target in (T.INT32, T.BOOL)),
    *((source, T.INT32) for source in (T.UINT8, T.BOOL)),
    (T.INT32, T.BOOL),
}
"""Casts that one kernel does besides those from and to INT64 and FLOAT64."""


_PACKED = {T.INT2: "i2", T.INT4: "i4", T.UINT4: "u4"}
"""The types of which several elements share a byte."""
_BYTES = {T.INT8: "qs8", T.UINT8: "qu8"}
_LEAST_SCALE, _GREATEST_SCALE = 2.0**-100, 2.0**100
_FLOAT_MAX = float(np.finfo(np.float32).max)


def _path(source: TensorType, target: TensorType) -> list[TensorType]:
    """The types a cast passes through, the widest of the source's kind first; some are reached through FLOAT32 alone."""
    if source is target:
        return [source]
    if target in _THROUGH_FLOAT32:
        return [*_path(source, T.FLOAT32), target]
    if (source, target) in _DIRECT:
        return [source, target]
    if source in _THROUGH_FLOAT32:
        return [source, *_path(T.FLOAT32, target)]
    widest = T.FLOAT64 if source in _FLOATS else T.INT64
    return [source, target] if widest in (source, target) else [source, widest, target]


@binds(CAST)
def cast(call: Call) -> list[Step]:
    x, y = call.input(0), call.outputs[0]
    if x.type in _PACKED and y.type is T.FLOAT32:
        unpacked = Scratch(x.size)
        return [unpacking(x, unpacked), RARE["cast"].step("cast_i8_f32", x=unpacked, y=y, count=x.size)]
    if x.type is T.FLOAT32 and y.type in _PACKED:
        unpacked = Scratch(x.size)
        return [RARE["cast"].step(f"cast_f32_{_PACKED[y.type]}", x=x, y=unpacked, count=x.size), packing(unpacked, y)]
    if x.type not in _SUFFIXES or y.type not in _SUFFIXES:
        raise no_kernel(call, ", ".join(member.name for member in _SUFFIXES))
    path = _path(x.type, y.type)
    if len(path) == 1:
        return [BOXES.copy_bytes(x, y, byte_size(x.type, x.shape))]
    steps = []
    held: Argument = x
    for source, target in pairwise(path):
        result: Argument = y if target is path[-1] else Scratch(byte_size(target, x.shape))
        name = f"cast_{_INTEGERS.get(source) or _SUFFIXES[source]}_{_SUFFIXES[target]}"
        steps.append(RARE["cast"].step(name, x=held, y=result, count=x.size))
        held = result
    return steps


def _channels(info: TensorInfo) -> dict[str, Argument]:
    """Arguments that describe a grid: the channel of element i is (i / inner) mod channels."""
    assert info.quantization is not None
    scales = np.array(info.quantization.scale, np.float32)
    zero_points = np.broadcast_to(np.array(info.quantization.zero_point or [0], np.int32), scales.shape).copy()
    inner = 1
    for dim in info.shape[info.quantization.quantized_dimension + 1 :] if len(scales) > 1 else info.shape:
        inner *= dim
    return {"count": info.size, "channels": len(scales), "inner": max(inner, 1), "scales": scales, "zero_points": zero_points}


@binds(QUANTIZE)
def quantize(call: Call) -> Step | list[Step]:
    x, y = call.input(0), call.outputs[0]
    if x.type is T.FLOAT32 and y.type in (T.INT4, T.UINT4) and not is_per_channel(y):
        held, (low, high) = Scratch(x.size), (-8, 7) if y.type is T.INT4 else (0, 15)
        return [K.step("quantize_f32_i8", x=x, y=held, **_channels(y), low=low, high=high), packing(held, y)]
    if y.type not in (T.INT8, T.UINT8, T.INT16, T.INT32):
        raise no_kernel(
            call, "FLOAT32 (to INT8, UINT8, INT16, INT4 and UINT4), INT8, UINT8, INT16 and INT32 (to INT8, UINT8, INT16 and INT32)"
        )
    low, high = INTEGER_RANGE[y.type]
    if x.type is T.FLOAT32:
        if y.type in _BYTES and not is_per_channel(y):
            return _quantize_to_bytes(x, y)
        return K.step(f"quantize_f32_{_SUFFIXES[y.type]}", x=x, y=y, **_channels(y), low=low, high=high)
    real = 0.0 if has_lost_scale(x) else float(lookup.scale_of(x)) / float(lookup.scale_of(y))
    if x.type in (T.INT8, T.UINT8):
        return lookup.lookup(x, y, lookup.requantized(x, y, lookup.byte_values(x.type) - x.zero_point, real))
    mantissa, shift = quantize_multiplier(real)
    return K.step(
        f"requantize_{_SUFFIXES[x.type]}_{_SUFFIXES[y.type]}",
        x=x,
        y=y,
        count=x.size,
        zero_point=x.zero_point,
        mantissa=mantissa,
        shift=shift,
        y_zero_point=y.zero_point,
        low=low,
        high=high,
    )


def _quantize_to_bytes(x: TensorInfo, y: TensorInfo) -> Step:
    """By products with the scale's inverse where they are certified to round as quotients do."""
    low, high = INTEGER_RANGE[y.type]
    scale, bounds, certified = float(lookup.scale_of(y)), np.zeros(3, np.float32), np.zeros(1, np.int32)
    if _LEAST_SCALE <= scale <= _GREATEST_SCALE:
        steps = {"first_step": low - y.zero_point + 1, "last_step": high - y.zero_point}
        call_kernel("conversion_q8", "certify_products", scale=scale, **steps, bounds=bounds, certified=certified)
    if certified[0]:
        kernel = f"quantize_by_product_{_BYTES[y.type]}"
    else:
        kernel = f"quantize_by_quotient_{_BYTES[y.type]}"
        bounds = np.array([min((high + 1 - y.zero_point) * scale, _FLOAT_MAX), scale], np.float32)
    return RARE["q8"].step(kernel, x=x, y=y, count=x.size, bounds=bounds, zero_point=y.zero_point)


@binds(DEQUANTIZE)
def dequantize(call: Call) -> Step | list[Step]:
    x, y = call.input(0), call.outputs[0]
    if x.type in _PACKED:
        unpacked = Scratch(x.size)
        return [unpacking(x, unpacked), K.step("dequantize_i8_f32", x=unpacked, y=y, **_channels(x))]
    if x.type is T.FLOAT16:
        return K.step("dequantize_f16_f32", x=x, y=y, count=x.size)
    if x.type not in (T.INT8, T.UINT8, T.INT16):
        raise no_kernel(call, "INT2, INT4, UINT4, INT8, UINT8, INT16, FLOAT16")
    if x.type in _BYTES and not is_per_channel(x):
        scale = float(lookup.scale_of(x))
        return RARE["q8"].step(f"dequantize_{_BYTES[x.type]}", x=x, y=y, count=x.size, scale=scale, zero_point=x.zero_point)
    return K.step(f"dequantize_{_SUFFIXES[x.type]}_f32", x=x, y=y, **_channels(x))
