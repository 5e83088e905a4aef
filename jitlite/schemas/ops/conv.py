"""Convolutions: CONV_2D (grouped too), DEPTHWISE_CONV_2D and TRANSPOSE_CONV.

Layouts: activations NHWC; filters OHWI, where I is the input channels of one group; depthwise filters 1HWO with
O = input channels · depth multiplier; transposed convolution filters OHWI with O the channels of the result.
"""

import numpy as np

from jitlite.schemas.ops.operands import bounded
from jitlite.schemas.ops.quantized import (
    WeightTypes,
    check_bias,
    check_outputs,
    check_per_tensor,
    check_types,
    check_weight,
    check_zero_points_are_zero,
    is_hybrid,
    is_per_channel,
)
from jitlite.schemas.ops.shapes import MAX_STEP, check_nonempty, check_rank, check_steps, output_size
from jitlite.schemas.ops.spec import Call, OpSpec, Quant, QuantKind, Shape, TensorInfo, define
from jitlite.schemas.tables import (
    ActivationFunctionType,
    BuiltinOperator,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    TensorType,
    TransposeConvOptions,
)

T = TensorType
_MAX_DEPTHWISE_STEP = 2**15 - 1

_TYPES: WeightTypes = {
    (T.FLOAT32, T.FLOAT32): (T.FLOAT32,),
    (T.INT8, T.INT8): (T.INT32,),
    (T.INT8, T.INT4): (T.INT32,),
    (T.UINT8, T.UINT8): (T.INT32,),
    (T.INT16, T.INT8): (T.INT64, T.INT32),
    (T.FLOAT32, T.INT8): (T.FLOAT32,),
    (T.FLOAT32, T.INT4): (T.FLOAT32,),
    (T.FLOAT32, T.UINT8): (T.FLOAT32,),
}
_CONV_2D_TYPES: WeightTypes = {**_TYPES, (T.INT16, T.INT4): (T.INT64, T.INT32)}
_TRANSPOSE_TYPES: WeightTypes = {pair: bias for pair, bias in _TYPES.items() if pair[1] in (T.FLOAT32, T.INT8) or pair[0] == T.UINT8}


def _check_operands(call: Call, x: TensorInfo, weight: TensorInfo, bias: TensorInfo | None, types: WeightTypes) -> None:
    """Ranks, dimensions, types and the activation's parameters."""
    check_rank(call, "input", x.shape, 4)
    check_rank(call, "weights", weight.shape, 4)
    check_nonempty(call, "input", x.shape, 1)
    check_nonempty(call, "weights", weight.shape)
    check_types(call, x, weight, bias, types)
    check_per_tensor(call, "input", x)
    check_outputs(call)


def _check_weight(call: Call, weight: TensorInfo, bias: TensorInfo | None, axis: int) -> None:
    channels = weight.shape[axis]
    check_weight(call, "weights", weight, channels, axis)
    check_zero_points_are_zero(call, "weights", weight)
    check_bias(call, bias, channels)


def _check_dilated_steps(call: Call, limit: int) -> None:
    o = call.options
    check_steps(
        call, limit, stride_h=o.stride_h, stride_w=o.stride_w, dilation_h_factor=o.dilation_h_factor, dilation_w_factor=o.dilation_w_factor
    )


def _slid(call: Call, x: TensorInfo, weight: TensorInfo, channels: int) -> Shape:
    o = call.options
    height = output_size(call, o.padding, x.shape[1], weight.shape[1], o.stride_h, o.dilation_h_factor)
    width = output_size(call, o.padding, x.shape[2], weight.shape[2], o.stride_w, o.dilation_w_factor)
    return bounded(call, (x.shape[0], height, width, channels))


def _conv_2d(call: Call) -> list[tuple[Shape, TensorType]]:
    x, weight, bias = call.input(0), call.input(1), call.input(2)
    _check_operands(call, x, weight, bias, _CONV_2D_TYPES)
    _check_dilated_steps(call, MAX_STEP)
    channels_in, channels_out, group = x.shape[3], weight.shape[0], weight.shape[3]
    call.require(channels_in % group == 0, f"input channels divisible by the filter's {group} are required, found {channels_in}")
    groups = channels_in // group
    call.require(channels_out % groups == 0, f"output channels divisible by {groups} groups are required, found {channels_out}")
    _check_weight(call, weight, bias, axis=0)
    return [(_slid(call, x, weight, channels_out), x.type)]


def _depthwise_conv_2d(call: Call) -> list[tuple[Shape, TensorType]]:
    x, weight, bias = call.input(0), call.input(1), call.optional_input(2)
    _check_operands(call, x, weight, bias, _TYPES)
    _check_dilated_steps(call, _MAX_DEPTHWISE_STEP)
    channels_in, channels_out = x.shape[3], weight.shape[3]
    call.require(weight.shape[0] == 1, f"weights of shape [1, h, w, channels] are required, found {list(weight.shape)}")
    call.require(
        channels_out % channels_in == 0, f"output channels divisible by {channels_in} input channels are required, found {channels_out}"
    )
    _check_weight(call, weight, bias, axis=3)
    return [(_slid(call, x, weight, channels_out), x.type)]


def _transpose_conv(call: Call) -> list[tuple[Shape, TensorType]]:
    target, weight, x, bias = call.input(0), call.input(1), call.input(2), call.optional_input(3)
    _check_operands(call, x, weight, bias, _TRANSPOSE_TYPES)
    o = call.options
    check_steps(call, _MAX_DEPTHWISE_STEP, stride_h=o.stride_h, stride_w=o.stride_w)
    call.require(target.type == T.INT32, f"an output shape of type INT32 is required, found {target.type.name}")
    call.require(target.shape == (4,), f"an output shape of 4 elements is required, found shape {list(target.shape)}")
    call.require(x.shape[3] == weight.shape[3], f"{weight.shape[3]} input channels are required, found {x.shape[3]}")
    _check_weight(call, weight, bias, axis=0)
    n, h, w, c = (int(d) for d in np.asarray(call.constant(0)))
    found = f"found output shape {[n, h, w, c]}"
    call.require(n == x.shape[0], f"batch {x.shape[0]} is required, {found}")
    call.require(c == weight.shape[0], f"{weight.shape[0]} output channels are required, {found}")
    call.require(h >= 1 and w >= 1, f"a height and width of at least 1 are required, {found}")
    windows = output_size(call, o.padding, h, weight.shape[1], o.stride_h), output_size(call, o.padding, w, weight.shape[2], o.stride_w)
    required = f"an output shape over which {list(x.shape[1:3])} windows fit is required"
    call.require(windows == x.shape[1:3], f"{required}, {found} for {list(windows)}")
    return [(bounded(call, (n, h, w, c)), x.type)]


def _has_int16_bias_type(call: Call, x: TensorInfo, weight: TensorInfo) -> bool:
    return x.type == T.INT16 and weight.type == T.INT8 and call.options.quantized_bias_type != T.FLOAT32


def _conv_2d_version(call: Call) -> int:
    x, weight = call.input(0), call.input(1)
    if _has_int16_bias_type(call, x, weight):
        return 8
    if weight.shape[3] != x.shape[3]:
        return 6
    if is_hybrid(x, weight):
        return 5 if is_per_channel(weight) else 2
    if x.type == T.INT8:
        return 7 if weight.type == T.INT4 else 3
    return 4 if x.type == T.INT16 else 1


def _depthwise_conv_2d_version(call: Call) -> int:
    x, weight, o = call.input(0), call.input(1), call.options
    if x.type == T.INT16:
        return 5
    if is_hybrid(x, weight):
        return 6 if is_per_channel(weight) else 4
    if x.type == T.INT8:
        return 7 if weight.type == T.INT4 else 3
    return 2 if (o.dilation_h_factor, o.dilation_w_factor) != (1, 1) else 1


def _transpose_conv_version(call: Call) -> int:
    weight, x = call.input(1), call.input(2)
    if _has_int16_bias_type(call, x, weight):
        return 5
    if call.options.fused_activation_function != ActivationFunctionType.NONE:
        return 4
    if call.optional_input(3) is not None:
        return 3
    return 2 if weight.type == T.INT8 else 1


CONV_2D = define(
    OpSpec(
        "CONV_2D",
        BuiltinOperator.CONV_2D,
        inputs=("input", "filter", "bias"),
        infer=_conv_2d,
        options=Conv2DOptions,
        quant=Quant(QuantKind.FREE, activations=(0,), weight=1, axis=0, bias=2),
        version=_conv_2d_version,
        max_version=8,
    )
)

DEPTHWISE_CONV_2D = define(
    OpSpec(
        "DEPTHWISE_CONV_2D",
        BuiltinOperator.DEPTHWISE_CONV_2D,
        inputs=("input", "filter", "bias?"),
        infer=_depthwise_conv_2d,
        options=DepthwiseConv2DOptions,
        quant=Quant(QuantKind.FREE, activations=(0,), weight=1, axis=3, bias=2),
        version=_depthwise_conv_2d_version,
        max_version=7,
    )
)

TRANSPOSE_CONV = define(
    OpSpec(
        "TRANSPOSE_CONV",
        BuiltinOperator.TRANSPOSE_CONV,
        inputs=("output_shape", "weights", "input", "bias?"),
        infer=_transpose_conv,
        options=TransposeConvOptions,
        quant=Quant(QuantKind.FREE, activations=(2,), weight=1, axis=0, bias=3),
        version=_transpose_conv_version,
        max_version=5,
    )
)
