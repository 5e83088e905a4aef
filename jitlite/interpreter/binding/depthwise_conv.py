"""Steps of depthwise convolutions: lays out filters, gives images a channel for each output channel, quantizes them for INT8 weights."""

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding import neighbours, products_q16
from jitlite.interpreter.binding.conv import exact_convolution, quantized_image, unpadded
from jitlite.interpreter.binding.depthwise_quads import (
    LEAST_CHANNELS,
    cost_of,
    layouts_of,
    ones_of,
    packed_taps,
    places_of,
    quads_of,
)
from jitlite.interpreter.binding.panels import (
    COLUMNS,
    bias_or_zeros,
    bounds,
    by_panel,
    is_constant,
    is_float,
    is_int8,
    is_uint8,
    limits,
    multipliers,
    pack,
    panels,
    require_constants,
    scales,
    widened,
)
from jitlite.interpreter.binding.products import product_ranges, shared_multiplier
from jitlite.interpreter.binding.products_q16 import is_q16
from jitlite.interpreter.binding.registry import Argument, Bound, Scratch, Step, binds, fuses, kernels, no_kernel
from jitlite.interpreter.binding.rounding import Int32s, certify_quantized
from jitlite.interpreter.binding.windows import Windows, sliding
from jitlite.schemas.dtypes import numpy_dtype
from jitlite.schemas.ops.conv import DEPTHWISE_CONV_2D
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.record import replace
from jitlite.schemas.tables import BuiltinOperator, TensorType

FLOAT = kernels("depthwise_conv_f32")
QUANTIZED = kernels("depthwise_conv_q8")
HYBRID = kernels("depthwise_conv_hybrid")
CHANNELS = kernels("channels")
PREPARE = kernels("prepare")

_TYPES = "FLOAT32 with FLOAT32, INT8 or INT4 weights, INT8 and INT16 with INT8 or INT4 weights and UINT8 with UINT8 weights"
_SLACK = 64
"""Numbers that may be read behind an image's last."""


def _along_width(s: Windows) -> Windows:
    """The same convolution with height and width exchanged where the image is a column, so that pixels lie beside each other."""
    if s.in_w > 1 or s.window_w > 1 or s.out_w > 1:
        return s
    return s._replace(
        in_h=1,
        in_w=s.in_h,
        out_h=1,
        out_w=s.out_h,
        window_h=1,
        window_w=s.window_h,
        stride_h=1,
        stride_w=s.stride_h,
        dilation_h=1,
        dilation_w=s.dilation_h,
        pad_h=0,
        pad_w=s.pad_h,
    )


def _copied(source: Argument, target: Argument, pixels: int, before: int, after: int, times: int, is_float: bool) -> Step:
    """The step that gives pixels more or fewer channels."""
    kernel = "copy_channels_f32" if is_float else "copy_channels_x8"
    return CHANNELS.step(kernel, x=source, y=target, sizes=np.array([pixels, before, after, times], np.int64))


def _widened(source: Argument, s: Windows, channels: int, item_bytes: int) -> tuple[list[Step], Argument]:
    """An image with `channels` channels: each of its own as often as it gives output channels, then some without weights."""
    if s.in_c == channels:
        return [], source
    pixels = s.batches * s.in_h * s.in_w
    wide = Scratch(pixels * channels * item_bytes + _SLACK)
    return [_copied(source, wide, pixels, s.in_c, channels, s.out_c // s.in_c, item_bytes == 4)], wide


def _readable(x: TensorInfo) -> Argument:
    """The tensor; a constant with some numbers behind it, because vectors are read whole."""
    if x.value is None:
        return x
    return np.concatenate([x.value.reshape(-1), np.zeros(_SLACK, x.value.dtype)])


def _packed_f32(weight: TensorInfo, s: Windows) -> tuple[list[Step], Argument]:
    """Weights in panels of COLUMNS channels, tap by tap, and the step that packs them where they are not constant."""
    if is_constant(weight):
        assert weight.value is not None
        return [], pack(weight.value.reshape(-1, s.out_c).T)
    packed = Scratch(4 * weight.size // s.out_c * panels(s.out_c) * COLUMNS)
    sizes = [1, s.out_c, s.window_h, s.window_w, 1, 1, s.window_w * s.out_c, s.out_c, 1, 0, 0]
    return [PREPARE.step("pack_f32", source=weight, target=packed, sizes=np.array(sizes, np.int64))], packed


def _padded_bias(bias: TensorInfo | None, channels: int) -> tuple[list[Step], Argument]:
    if is_constant(bias):
        return [], np.ascontiguousarray(by_panel(bias_or_zeros(bias, channels, np.float32)))
    assert bias is not None
    padded = Scratch(4 * panels(channels) * COLUMNS)
    sizes = np.array([1, channels, 1, 1, 1, 1, 1, 1, 1, channels, 0], np.int64)
    return [PREPARE.step("pack_f32", source=bias, target=padded, sizes=sizes)], padded


def _float_steps(x: TensorInfo, weight: TensorInfo, bias: TensorInfo | None, y: TensorInfo, s: Windows, clamp: dict[str, float]) -> Bound:
    packing, w = _packed_f32(weight, s)
    padding, padded = _padded_bias(bias, s.out_c)
    s = _along_width(s)
    widening, image = _widened(_readable(x), s, s.out_c, 4)
    sizes = s._replace(in_c=s.out_c).sizes()
    return [*packing, *padding, *widening, FLOAT.step("depthwise_conv_2d_f32", x=image, w=w, bias=padded, y=y, sizes=sizes, **clamp)]


class _Blocks:
    """What both kernels on bytes are told of a filter's blocks of channels, over images with `channels` of them."""

    def __init__(self, s: Windows, channels: int) -> None:
        self.s = s._replace(in_c=channels, out_c=channels)
        self.quads = quads_of(s.window_h, s.window_w)
        self.layouts = layouts_of(self.s, self.quads)

    def numbers(self, *rows: NDArray[np.generic]) -> NDArray[np.generic]:
        """Rows of numbers of output channels, each of 4 bytes, block by block."""
        return places_of(np.stack([row.view(np.int32) for row in rows]), self.layouts.blocks)

    def arguments(self, weight: TensorInfo, are_certified: NDArray[np.bool_]) -> dict[str, Argument]:
        layouts, zero_point = self.layouts, _zero_point(weight)
        w, spreads = packed_taps(_real(weight, self.s), self.quads, layouts.blocks, zero_point)
        is_line = 1 - places_of((~are_certified).astype(np.int64), layouts.blocks).max(axis=(1, 2))
        return {
            "w": w,
            "blocks": np.ascontiguousarray(np.column_stack([layouts.blocks, is_line, spreads])),
            "layouts": layouts.table,
            "counts": layouts.counts,
            "memory": layouts.memory,
            "sizes": self.s.sizes(),
        }


def _zero_point(weight: TensorInfo) -> int:
    return weight.zero_point if weight.type is TensorType.UINT8 else 0


def _real(weight: TensorInfo, s: Windows) -> Int32s:
    """Constant 8-bit weights [height, width, channels] less their zero point."""
    assert weight.value is not None
    real: Int32s = weight.value.reshape(s.window_h, s.window_w, -1).astype(np.int32) - np.int32(_zero_point(weight))
    return real


def _quantized_steps(call: Call, x: TensorInfo, weight: TensorInfo, bias: TensorInfo | None, y: TensorInfo, s: Windows) -> Bound:
    clamp = limits(y, call.options.fused_activation_function)
    is_signed = x.type is TensorType.INT8
    mantissas, shifts = (multipliers if is_signed else shared_multiplier)(x, weight, y, s.out_c)
    biases = bias_or_zeros(bias, s.out_c, np.int32)
    assert weight.value is not None
    ranges = product_ranges(weight.value, biases, x, _zero_point(weight), axis=3)
    line = certify_quantized(mantissas, shifts, clamp, ranges)
    s = _along_width(s)
    channels = max(s.out_c, LEAST_CHANNELS)
    widening, image = _widened(_readable(x), s, channels, 1)
    blocks = _Blocks(s, channels)
    sums = _real(weight, s).sum((0, 1), dtype=np.int32)
    pixels = s.batches * s.out_h * s.out_w
    result: Argument = y if channels == s.out_c else Scratch(pixels * channels)
    flip = 128 if is_signed else 0
    step = QUANTIZED.step(
        "depthwise_conv_2d_q8",
        x=image,
        y=result,
        lines=blocks.numbers(biases, sums, *line.words(), mantissas, shifts),
        ones=ones_of(blocks.quads, s.window_w),
        outside=np.full(s.in_w * channels + _SLACK, x.zero_point, numpy_dtype(x.type)),
        zero_point=x.zero_point + flip,
        flip=flip,
        limits=clamp - np.int32(128 - flip),
        **blocks.arguments(weight, line.is_certified),
    )
    narrowing = [] if channels == s.out_c else [_copied(result, y, pixels, channels, s.out_c, 1, False)]
    return [*widening, step, *narrowing]


def _is_dense(weight: TensorInfo, s: Windows) -> bool:
    """True where every output channel sums up all input channels, because there is one."""
    return s.in_c == 1 and s.out_c > 1 and is_constant(weight)


def _is_small(x: TensorInfo, weight: TensorInfo, s: Windows) -> bool:
    """True where the kernel on quads takes longer than a convolution whose filter is zero between different channels."""
    if x.type is not TensorType.INT8 or s.in_c != s.out_c:
        return False
    channels = max(s.out_c, LEAST_CHANNELS)
    copied = 0 if channels == s.out_c else s.batches * (s.in_h * s.in_w + s.out_h * s.out_w)
    return neighbours.cost(s) < cost_of(s._replace(in_c=channels), quads_of(s.window_h, s.window_w)) + copied


def _diagonal(weight: TensorInfo) -> TensorInfo:
    """The filter [1, height, width, channels] as one of CONV_2D, [channels, height, width, channels]."""
    assert weight.value is not None
    _, height, width, channels = weight.shape
    value = np.zeros((channels, height, width, channels), weight.value.dtype)
    own = np.arange(channels)
    value[own, :, :, own] = np.moveaxis(weight.value.reshape(height, width, channels), 2, 0)
    return replace(weight, shape=value.shape, value=value)


def _by_channel(weight: TensorInfo) -> TensorInfo:
    """The filter [1, height, width, channels] as one of CONV_2D, [channels, height, width, 1]."""
    assert weight.value is not None
    value = np.ascontiguousarray(np.moveaxis(weight.value, 3, 0))
    return replace(weight, shape=(value.shape[0], *value.shape[2:], 1), value=value.reshape(value.shape[0], *value.shape[2:], 1))


def _hybrid_steps(x: TensorInfo, weight: TensorInfo, bias: TensorInfo | None, y: TensorInfo, s: Windows, clamp: dict[str, float]) -> Bound:
    """Quantizes the image at run time, then multiplies integers."""
    s = _along_width(s)
    channels = max(s.out_c, LEAST_CHANNELS)
    row = s.in_w * channels + _SLACK
    quantize, made = quantized_image(x, True, row)
    widening, image = _widened(made.pop("x"), s, channels, 1)
    blocks = _Blocks(s, channels)
    sums = _real(weight, s).sum((0, 1), dtype=np.int32)
    pixels = s.batches * s.out_h * s.out_w
    result: Argument = y if channels == s.out_c else Scratch(4 * pixels * channels)
    real = scales(weight, s.out_c).astype(np.float32), bias_or_zeros(bias, s.out_c, np.float32)
    step = HYBRID.step(
        "depthwise_conv_2d_f32_qc8w",
        x=image,
        y=result,
        lines=blocks.numbers(np.zeros_like(sums), sums, *real),
        outside_size=row,
        **made,
        **blocks.arguments(weight, np.ones(s.out_c, np.bool_)),
        **clamp,
    )
    narrowing = [] if channels == s.out_c else [_copied(result, y, pixels, channels, s.out_c, 1, True)]
    return [quantize, *widening, step, *narrowing]


def _windows(call: Call) -> Windows:
    weight = call.input(1)
    return sliding(call.input(0).shape, call.outputs[0].shape, (weight.shape[1], weight.shape[2]), call.options)


@binds(DEPTHWISE_CONV_2D)
def depthwise_conv_2d(call: Call) -> Bound:
    return _depthwise_conv_2d(call, call.input(0), _windows(call))


@fuses(BuiltinOperator.PAD, BuiltinOperator.DEPTHWISE_CONV_2D)
def padded_depthwise_conv_2d(padding: Call, call: Call) -> Bound | None:
    """A convolution that reads the image the padding reads."""
    s = unpadded(padding, call, _windows(call))
    return None if s is None else _depthwise_conv_2d(call, padding.input(0), s)


def _depthwise_conv_2d(call: Call, x: TensorInfo, s: Windows) -> Bound:
    if not is_float(x, call.input(1)):
        require_constants(call, call.input(1), call.optional_input(2))
    weight, bias, y = widened(call.input(1)), call.optional_input(2), call.outputs[0]
    clamp = bounds(call.options.fused_activation_function)
    if (is_float(x, weight, y) or is_int8(x, weight, y) or is_uint8(x, weight, y)) and _is_dense(weight, s):
        return exact_convolution(call, x, _by_channel(weight), bias, y, s, clamp)
    if is_float(x, weight, y):
        return _float_steps(x, weight, bias, y, s, clamp)
    if is_int8(x, weight, y) or is_uint8(x, weight, y):
        if _is_small(x, weight, s):
            return exact_convolution(call, x, _diagonal(weight), bias, y, s, clamp)
        return _quantized_steps(call, x, weight, bias, y, s)
    if is_float(x, y) and weight.type is TensorType.INT8:
        return _hybrid_steps(x, weight, bias, y, s, clamp)
    if is_q16(x, weight, y):
        return products_q16.convolution(call, "depthwise_conv_2d_qs16", x, weight, bias, s)
    raise no_kernel(call, _TYPES)
