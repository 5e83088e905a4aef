"""Steps of convolutions: packs constant filters, folds input zero points into biases, quantizes activations for INT8 weights."""

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.matmul import Product, float_product, quantized_product
from jitlite.interpreter.binding.panels import (
    COLUMNS,
    bias_or_zeros,
    bounds,
    by_panel,
    interleave,
    is_constant,
    is_float,
    is_int8,
    limits,
    multipliers,
    pack,
    pack_s8,
    panels,
    scales,
    tap_sums,
    wrapped,
)
from jitlite.interpreter.binding.registry import Argument, Bound, Scratch, Step, binds, kernels, no_kernel
from jitlite.interpreter.binding.windows import Windows, is_pointwise, sliding
from jitlite.schemas.ops.conv import CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.tables import TensorType

CONV = kernels("conv")
DEPTHWISE = kernels("depthwise_conv")
TRANSPOSE = kernels("transpose_conv")
PREPARE = kernels("prepare")

_TYPES = "FLOAT32 with FLOAT32 or INT8 weights and INT8 with INT8 weights"


def _require_constants(call: Call, weight: TensorInfo, bias: TensorInfo | None) -> None:
    if not is_constant(weight, bias):
        raise call.unsupported("INT8 weights and their bias are supported as constants, found one computed at run time")


def _filter(weight: TensorInfo) -> NDArray[np.generic]:
    assert weight.value is not None
    return weight.value


def _packed_f32(weight: TensorInfo, bias: TensorInfo | None, s: Windows) -> tuple[list[Step], dict[str, Argument]]:
    """Arguments `w` and `bias` of the float kernels, and the steps that make them where they are not constant."""
    if is_constant(weight, bias):
        zeros_or_bias = bias_or_zeros(bias, s.out_c, np.float32)
        return [], {"w": pack(_filter(weight), s.groups), "bias": np.ascontiguousarray(by_panel(zeros_or_bias, s.groups))}
    channels = s.out_c // s.groups
    depth = weight.size // s.out_c
    columns = s.groups * panels(channels) * COLUMNS
    packed, packed_bias = Scratch(columns * depth * 4), Scratch(columns * 4)
    weight_sizes = np.array([s.groups, channels, depth, depth, 1, channels * depth], np.int64)
    bias_sizes = np.array([s.groups, channels, 1, 1, 1, channels], np.int64)
    source = np.zeros(s.out_c, np.float32) if bias is None else bias
    steps = [
        PREPARE.step("pack_f32", source=weight, target=packed, sizes=weight_sizes),
        PREPARE.step("pack_f32", source=source, target=packed_bias, sizes=bias_sizes),
    ]
    return steps, {"w": packed, "bias": packed_bias}


def _folded_bias(weight: NDArray[np.generic], bias: TensorInfo | None, zero_point: int, axis: int) -> NDArray[np.int32]:
    """The bias minus the zero point times the sum of each output channel's weights, wrapped to int32."""
    sums = _channel_sums(weight, axis).astype(np.int64)
    return wrapped(bias_or_zeros(bias, sums.size, np.int32).astype(np.int64) - zero_point * sums)


def _has_zero_points(weight: TensorInfo, groups: int) -> bool:
    """True when the reference quantizes float activations with a zero point: for different scales a channel, or groups."""
    assert weight.quantization is not None
    return groups > 1 or len(set(weight.quantization.scale)) > 1


def _quantized(x: TensorInfo, has_zero_points: bool) -> tuple[Step, dict[str, Argument]]:
    """The step that quantizes an image batch by batch, and the arguments that hold its results."""
    batches, channels, values = x.shape[0], x.shape[3], x.size // max(x.shape[0], 1)
    made: dict[str, Argument] = {
        "x": Scratch(x.size),
        "scales": Scratch(4 * batches),
        "zero_points": Scratch(4 * batches),
        "outside": Scratch(batches * channels),
    }
    step = PREPARE.step(
        "quantize_asymmetric" if has_zero_points else "quantize_symmetric",
        x=x,
        y=made["x"],
        scales=made["scales"],
        zero_points=made["zero_points"],
        outside=made["outside"],
        sizes=np.array([batches, 1, values, values, values, 1, channels], np.int64),
    )
    return step, made


def _channel_sums(weight: NDArray[np.generic], axis: int) -> NDArray[np.int32]:
    """The sum of each output channel's weights, wrapped to int32."""
    others = tuple(i for i in range(weight.ndim) if i != axis)
    return wrapped(weight.astype(np.int64).sum(others))


def _rows(s: Windows) -> Product:
    """A pointwise convolution as a product of pixels with filters."""
    first = np.zeros(1, np.int64)
    return Product(s.batches * s.in_h * s.in_w, s.out_c, s.in_c, first, first, 1)


def _conv_2d_qs8(call: Call, s: Windows) -> Bound:
    x, weight, bias, y = call.input(0), call.input(1), call.input(2), call.outputs[0]
    activation = call.options.fused_activation_function
    _require_constants(call, weight, bias)
    w = _filter(weight)
    scale = multipliers(x, weight, y, s.out_c)
    if is_pointwise(s):
        channels = interleave(bias_or_zeros(bias, s.out_c, np.int32), *scale)
        return quantized_product(x, weight, y, _rows(s), channels, limits(y, activation))
    return CONV.step(
        "conv_2d_qs8",
        x=x,
        w=pack_s8(w, s.groups),
        channels=interleave(_folded_bias(w, bias, x.zero_point, 0), *scale, groups=s.groups),
        y=y,
        outside=np.full(s.in_c, x.zero_point, np.int8),
        sizes=s.sizes(),
        limits=limits(y, activation),
    )


@binds(CONV_2D)
def conv_2d(call: Call) -> Bound:
    x, weight, bias, y = call.input(0), call.input(1), call.input(2), call.outputs[0]
    groups = x.shape[3] // weight.shape[3]
    s = sliding(x.shape, y.shape, (weight.shape[1], weight.shape[2]), call.options, groups)
    clamp = bounds(call.options.fused_activation_function)
    if is_float(x, weight, bias, y):
        if is_pointwise(s):
            return float_product(x, weight, bias, y, _rows(s), clamp)
        steps, packed = _packed_f32(weight, bias, s)
        outside = np.zeros(s.in_c, np.float32)
        return [*steps, CONV.step("conv_2d_f32", x=x, y=y, outside=outside, sizes=s.sizes(), **packed, **clamp)]
    if is_int8(x, weight, y):
        return _conv_2d_qs8(call, s)
    if is_float(x, bias, y) and weight.type is TensorType.INT8:
        _require_constants(call, weight, bias)
        quantize, made = _quantized(x, _has_zero_points(weight, groups))
        w = _filter(weight)
        channels = interleave(scales(weight, s.out_c).astype(np.float32), bias_or_zeros(bias, s.out_c, np.float32), groups=groups)
        sums = np.ascontiguousarray(by_panel(_channel_sums(w, 0), groups))
        return [
            quantize,
            CONV.step("conv_2d_f32_qc8w", w=pack_s8(w, groups), sums=sums, channels=channels, y=y, sizes=s.sizes(), **made, **clamp),
        ]
    raise no_kernel(call, _TYPES)


@binds(DEPTHWISE_CONV_2D)
def depthwise_conv_2d(call: Call) -> Bound:
    x, weight, bias, y = call.input(0), call.input(1), call.optional_input(2), call.outputs[0]
    s = sliding(x.shape, y.shape, (weight.shape[1], weight.shape[2]), call.options)
    activation = call.options.fused_activation_function
    if is_float(x, weight, y):
        some_bias = np.zeros(s.out_c, np.float32) if bias is None else bias
        return DEPTHWISE.step("depthwise_conv_2d_f32", x=x, w=weight, bias=some_bias, y=y, sizes=s.sizes(), **bounds(activation))
    if is_int8(x, weight, y):
        _require_constants(call, weight, bias)
        folded = _folded_bias(_filter(weight), bias, x.zero_point, 3)
        return DEPTHWISE.step(
            "depthwise_conv_2d_qs8",
            x=x,
            w=weight,
            channels=np.stack([folded, *multipliers(x, weight, y, s.out_c)]),
            y=y,
            sizes=s.sizes(),
            zero_point=x.zero_point,
            limits=limits(y, activation),
        )
    if is_float(x, y) and weight.type is TensorType.INT8:
        _require_constants(call, weight, bias)
        quantize, made = _quantized(x, has_zero_points=True)
        channels = np.stack([scales(weight, s.out_c).astype(np.float32), bias_or_zeros(bias, s.out_c, np.float32)])
        sums = _channel_sums(_filter(weight), 3)
        del made["outside"]
        kernel = "depthwise_conv_2d_f32_qc8w"
        return [
            quantize,
            DEPTHWISE.step(kernel, w=weight, channels=channels, sums=sums, y=y, sizes=s.sizes(), **made, **bounds(activation)),
        ]
    raise no_kernel(call, _TYPES)


def _transposed(call: Call, x: TensorInfo, weight: TensorInfo, y: TensorInfo) -> Windows:
    """Sizes of a transposed convolution; its padding is that of the convolution from the result back to the input."""
    back = sliding(y.shape, x.shape, (weight.shape[1], weight.shape[2]), call.options)
    return back._replace(in_h=back.out_h, in_w=back.out_w, in_c=back.out_c, out_h=back.in_h, out_w=back.in_w, out_c=back.in_c)


@binds(TRANSPOSE_CONV)
def transpose_conv(call: Call) -> Bound:
    weight, x, bias, y = call.input(1), call.input(2), call.optional_input(3), call.outputs[0]
    s = _transposed(call, x, weight, y)
    activation = call.options.fused_activation_function
    if is_float(x, weight, y):
        steps, arguments = _packed_f32(weight, bias, s)
        outside = np.zeros(s.in_c, np.float32)
        return [*steps, TRANSPOSE.step("transpose_conv_f32", x=x, y=y, outside=outside, sizes=s.sizes(), **arguments, **bounds(activation))]
    if is_int8(x, weight, y):
        _require_constants(call, weight, bias)
        w = _filter(weight)
        return TRANSPOSE.step(
            "transpose_conv_qs8",
            x=x,
            w=pack_s8(w),
            tap_sums=tap_sums(w),
            channels=interleave(bias_or_zeros(bias, s.out_c, np.int32), *multipliers(x, weight, y, s.out_c)),
            y=y,
            outside=np.full(s.in_c, x.zero_point, np.int8),
            sizes=s.sizes(),
            zero_point=x.zero_point,
            limits=limits(y, activation),
        )
    raise no_kernel(call, "FLOAT32 and INT8, weights of the same type")
