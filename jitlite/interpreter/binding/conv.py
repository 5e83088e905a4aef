"""Steps of convolutions: lays out constant and computed filters, quantizes activations for INT8 weights."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding import products_q16
from jitlite.interpreter.binding.neighbours import best_count, merged
from jitlite.interpreter.binding.panels import (
    COLUMNS,
    bias_or_zeros,
    bounds,
    by_panel,
    interleave,
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
    signed_bytes,
    widened,
)
from jitlite.interpreter.binding.products import (
    HYBRID,
    Sizes,
    batches_of,
    by_run,
    fixed_point_rounding,
    float_step,
    lines,
    packed_right,
    product_ranges,
    quantized_step,
    shared_multiplier,
    sliding_sizes,
)
from jitlite.interpreter.binding.products_q16 import is_q16
from jitlite.interpreter.binding.registry import Argument, Bound, Scratch, Step, binds, fuses, kernels, no_kernel
from jitlite.interpreter.binding.windows import Windows, around, is_pointwise, sliding
from jitlite.schemas.ops.conv import CONV_2D, TRANSPOSE_CONV
from jitlite.schemas.ops.pad import paddings
from jitlite.schemas.ops.spec import Call, TensorInfo
from jitlite.schemas.record import replace
from jitlite.schemas.tables import BuiltinOperator, TensorType

PREPARE = kernels("prepare")

_TYPES = "FLOAT32 with FLOAT32, INT8 or INT4 weights, INT8 and INT16 with INT8 or INT4 weights and UINT8 with UINT8 weights"


def _filter(weight: TensorInfo) -> NDArray[np.generic]:
    assert weight.value is not None
    return weight.value


class _Taps:
    """Every `step`-th tap of a filter from `first` on, in reverse order when `is_reversed`: along height and width."""

    def __init__(self, first: tuple[int, int] = (0, 0), step: tuple[int, int] = (1, 1), is_reversed: bool = False) -> None:
        self._first, self._step, self._is_reversed = first, step, is_reversed

    def of(self, weights: NDArray[np.generic]) -> NDArray[np.generic]:
        """The taps of weights [channels, height, width, depth]."""
        taken = weights[:, self._first[0] :: self._step[0], self._first[1] :: self._step[1]]
        return np.ascontiguousarray(taken[:, ::-1, ::-1] if self._is_reversed else taken)

    def along(self, axis: int, size: int) -> tuple[int, int, int]:
        """The index of the first along an axis of `size` taps, the step to the next, and how many there are."""
        first, step = self._first[axis], self._step[axis]
        count = max(-(-(size - first) // step), 0)
        return (first + (count - 1) * step, -step, count) if self._is_reversed else (first, step, count)


def _packed_f32(weight: TensorInfo, bias: TensorInfo | None, s: Sizes, taps: _Taps) -> tuple[list[Step], Argument, Argument]:
    """Packed weights and bias of float products, and the steps that make them where they are not constant."""
    bias_steps, packed_bias = _bias_f32(bias, s)
    if is_constant(weight):
        return bias_steps, pack(by_run(taps.of(_filter(weight)), s), s.groups), packed_bias
    channels, (_, height, width, depth) = s.out_c // s.groups, weight.shape
    (y, y_step, rows), (x, x_step, columns) = taps.along(0, height), taps.along(1, width)
    row, pixel = width * depth, depth
    packed = Scratch(4 * s.groups * panels(channels) * COLUMNS * rows * columns * depth)
    steps = (height * row, y_step * row, x_step * pixel, 1, channels * height * row, y * row + x * pixel)
    sizes = np.array([s.groups, channels, rows, columns, depth, *steps], np.int64)
    return [*bias_steps, PREPARE.step("pack_f32", source=weight, target=packed, sizes=sizes)], packed, packed_bias


def _bias_f32(bias: TensorInfo | None, s: Sizes) -> tuple[list[Step], Argument]:
    if is_constant(bias):
        return [], np.ascontiguousarray(by_panel(bias_or_zeros(bias, s.out_c, np.float32), s.groups))
    assert bias is not None
    channels = s.out_c // s.groups
    padded = Scratch(4 * s.groups * panels(channels) * COLUMNS)
    sizes = np.array([s.groups, channels, 1, 1, 1, 1, 1, 1, 1, channels, 0], np.int64)
    return [PREPARE.step("pack_f32", source=bias, target=padded, sizes=sizes)], padded


def _has_zero_points(weight: TensorInfo, groups: int) -> bool:
    """True when the reference quantizes float activations with a zero point: for different scales a channel, or groups."""
    assert weight.quantization is not None
    return groups > 1 or len(set(weight.quantization.scale)) > 1


def quantized_image(x: TensorInfo, has_zero_points: bool, outside: int = 1) -> tuple[Step, dict[str, Argument]]:
    """The step that quantizes an image batch by batch, and the arguments that hold its results: `outside` zero points for each batch."""
    batches, values = x.shape[0], x.size // max(x.shape[0], 1)
    made: dict[str, Argument] = {
        "x": Scratch(x.size),
        "scales": Scratch(4 * batches),
        "zero_points": Scratch(4 * batches),
        "outside": Scratch(batches * outside),
    }
    step = PREPARE.step(
        "quantize_asymmetric" if has_zero_points else "quantize_symmetric",
        x=x,
        y=made["x"],
        scales=made["scales"],
        zero_points=made["zero_points"],
        outside=made["outside"],
        sizes=np.array([batches, 1, values, values, values, 1, outside], np.int64),
    )
    return step, made


def _hybrid(x: TensorInfo, weight: TensorInfo, bias: TensorInfo | None, y: TensorInfo, s: Windows, clamp: dict[str, float]) -> list[Step]:
    """Quantizes the image at run time, then multiplies integers."""
    quantize, made = quantized_image(x, _has_zero_points(weight, s.groups))
    channels = interleave(scales(weight, s.out_c).astype(np.float32), bias_or_zeros(bias, s.out_c, np.float32), groups=s.groups)
    return [quantize, _hybrid_step(y, _filter(weight), sliding_sizes(s, 1, is_flat=False), channels, made, clamp)]


def _hybrid_step(
    y: TensorInfo,
    weights: NDArray[np.generic],
    sizes: Sizes,
    channels: NDArray[np.float32],
    made: dict[str, Argument],
    clamp: dict[str, float],
) -> Step:
    """The step that multiplies a quantized image with weights [channels, height, width, depth]; `channels` holds scales and bias."""
    right = packed_right(weights, 0, sizes)
    return HYBRID.step(
        "product_f32_qc8w",
        y=y,
        w=right.w,
        sums=right.sums,
        bias=np.zeros_like(np.asarray(right.sums)),
        batches=batches_of(sizes),
        lines=lines(sizes, 1),
        sizes=sizes.array(),
        by_row=0,
        channels=channels,
        **made,
        **clamp,
    )


def _zero_point(x: TensorInfo, weight: TensorInfo) -> int:
    return 0 if x.type is TensorType.INT8 else weight.zero_point


def _quantized_step(
    call: Call, x: TensorInfo, weight: TensorInfo, bias: TensorInfo | None, y: TensorInfo, s: Sizes, w: NDArray[np.generic], count: int
) -> Step:
    """A step for weights [channels, height, width, depth] that compute `count` neighbouring pixels at once."""
    clamp = limits(y, call.options.fused_activation_function)
    channels, zero_point = s.out_c // count, _zero_point(x, weight)
    mantissas, shifts = (multipliers if x.type is TensorType.INT8 else shared_multiplier)(x, weight, y, channels)
    biases = np.tile(bias_or_zeros(bias, channels, np.int32), count)
    ranges = product_ranges(w, biases, x, zero_point)
    rounding = fixed_point_rounding(np.tile(mantissas, count), np.tile(shifts, count), clamp, ranges, s.groups)
    return quantized_step(x, y, packed_right(w, zero_point, s), biases, rounding, clamp, s, batches_of(s))


def exact_convolution(
    call: Call, x: TensorInfo, weight: TensorInfo, bias: TensorInfo | None, y: TensorInfo, s: Windows, clamp: dict[str, float]
) -> list[Step]:
    """Steps of a convolution in which nothing but a result of 8 bits is rounded, with weights [channels, height, width, depth]."""
    if is_float(x):
        sizes = sliding_sizes(s, 4)
        steps, w, packed_bias = _packed_f32(weight, bias, sizes, _Taps())
        return [*steps, float_step(x, y, w, packed_bias, sizes, clamp, batches_of(sizes))]
    count = best_count(s) if _zero_point(x, weight) == 0 else 1
    w, s = merged(_filter(weight), s, count)
    return [_quantized_step(call, x, weight, bias, y, sliding_sizes(s, 1), w, count)]


def _windows(call: Call) -> Windows:
    x, weight = call.input(0), call.input(1)
    return sliding(x.shape, call.outputs[0].shape, (weight.shape[1], weight.shape[2]), call.options, x.shape[3] // weight.shape[3])


@binds(CONV_2D)
def conv_2d(call: Call) -> Bound:
    return _conv_2d(call, call.input(0), _windows(call))


@fuses(BuiltinOperator.PAD, BuiltinOperator.CONV_2D)
def padded_conv_2d(padding: Call, call: Call) -> Bound | None:
    """A convolution that reads the image the padding reads."""
    s = unpadded(padding, call, _windows(call))
    return None if s is None else _conv_2d(call, padding.input(0), s)


def unpadded(padding: Call, call: Call, s: Windows) -> Windows | None:
    """The windows `s` of a convolution of a padded image over that image; None where the padding is not what these windows take for 0."""
    x, padded = padding.input(0), padding.outputs[0]
    has_scale = not x.is_quantized or (x.scale, x.zero_point) == (padded.scale, padded.zero_point)
    is_same = padded is call.input(0) and padded.rank == 4 and has_scale
    return around(x.shape, s, paddings(padding)) if is_same else None


def _conv_2d(call: Call, x: TensorInfo, s: Windows) -> Bound:
    if not is_float(x, call.input(1)):
        require_constants(call, call.input(1), call.input(2))
    weight, bias, y = signed_bytes(x, widened(call.input(1))), call.input(2), call.outputs[0]
    clamp = bounds(call.options.fused_activation_function)
    if is_float(x, weight, bias, y) or is_int8(x, weight, y) or is_uint8(x, weight, y):
        return exact_convolution(call, x, weight, bias, y, s, clamp)
    if is_float(x, bias, y) and weight.type is TensorType.INT8:
        return _hybrid(x, weight, bias, y, s, clamp)
    if is_q16(x, weight, y):
        return products_q16.convolution(call, "conv_2d_qs16", x, weight, bias, s)
    raise no_kernel(call, _TYPES)


def _phase(size: int, window: int, stride: int, pad: int, phase: int) -> tuple[int, int, int, int]:
    """Of one dimension of a transposed convolution, the results that lie at `phase` from a multiple of the stride behind the padding.

    Returns the first of them, how many there are, how many taps reach them and the padding of the convolution that computes them.
    """
    first = (phase - pad) % stride
    taps = max(-(-(window - phase) // stride), 0)
    return first, max(-(-(size - first) // stride), 0), taps, taps - 1 - (first + pad - phase) // stride


class _Phase(NamedTuple):
    """A convolution that computes every so many-th pixel of a transposed one, with the reversed taps that reach them, if any do."""

    windows: Windows
    taps: _Taps
    is_empty: bool
    first: tuple[int, int]
    steps: tuple[int, int]

    def sizes(self, y: TensorInfo, item_bytes: int) -> Sizes:
        return self._spread(sliding_sizes(self.windows, item_bytes, is_flat=False), y, 1)

    def _spread(self, s: Sizes, y: TensorInfo, count: int) -> Sizes:
        """Sizes whose results are those of `count` neighbours and lie where the phase's pixels are."""
        row, pixel = y.shape[2] * y.shape[3], y.shape[3]
        at = self.first[0] * row + self.first[1] * pixel
        s = replace(s, y_at=at, y_batch=y.shape[1] * row, y_row=self.steps[0] * row, y_column=count * self.steps[1] * pixel)
        return replace(s, runs_h=0, runs_w=0, line_w=0) if self.is_empty else s

    def quantized(self, weights: NDArray[np.generic], y: TensorInfo, zero_point: int) -> tuple[NDArray[np.generic], Sizes, int]:
        """Its filter, sizes and how many neighbours it computes at once."""
        w = self.taps.of(weights)
        is_mergeable = zero_point == 0 and self.steps[1] == 1 and not self.is_empty and not is_pointwise(self.windows)
        count = best_count(self.windows) if is_mergeable else 1
        w, s = merged(w, self.windows, count)
        return w, self._spread(sliding_sizes(s, 1, is_flat=False), y, count), count


def _phases(x: TensorInfo, weight: TensorInfo, y: TensorInfo, options: object) -> Iterator[_Phase]:
    """A transposed convolution as convolutions with the reversed taps of a phase: tap t of the input at i reaches i · stride - pad + t."""
    back = sliding(y.shape, x.shape, (weight.shape[1], weight.shape[2]), options)
    steps = back.stride_h, back.stride_w
    for row in range(back.stride_h):
        y_first, y_count, taps_h, pad_h = _phase(y.shape[1], weight.shape[1], back.stride_h, back.pad_h, row)
        for column in range(back.stride_w):
            x_first, x_count, taps_w, pad_w = _phase(y.shape[2], weight.shape[2], back.stride_w, back.pad_w, column)
            if y_count == 0 or x_count == 0:
                continue
            image = x.shape[0], x.shape[1], x.shape[2], x.shape[3], y_count, x_count, y.shape[3]
            is_empty = taps_h == 0 or taps_w == 0
            window = (1, 1, 1, 1, 1, 1, 0, 0, 1) if is_empty else (taps_h, taps_w, 1, 1, 1, 1, pad_h, pad_w, 1)
            taps = _Taps((row, column), steps, is_reversed=True)
            yield _Phase(Windows(*image, *window), taps, is_empty, (y_first, x_first), steps)


def transposed_floats(
    x: TensorInfo, weight: TensorInfo, bias: TensorInfo | None, y: TensorInfo, options: object, clamp: dict[str, float]
) -> list[Step]:
    """Steps of a transposed convolution in float32; the options have strides and a padding."""
    steps: list[Step] = []
    for phase in _phases(x, weight, y, options):
        s = phase.sizes(y, 4)
        packing, w, packed_bias = _packed_f32(weight, bias, s, phase.taps)
        steps += [*packing, float_step(x, y, w, packed_bias, s, clamp, batches_of(s))]
    return steps


def _transposed_hybrid(call: Call, weight: TensorInfo, x: TensorInfo, bias: TensorInfo | None, y: TensorInfo) -> list[Step]:
    """Steps of a transposed convolution of an image quantized at run time, always with a zero point."""
    quantize, made = quantized_image(x, True)
    channels = interleave(scales(weight, y.shape[3]).astype(np.float32), bias_or_zeros(bias, y.shape[3], np.float32))
    clamp = bounds(call.options.fused_activation_function)
    phases = [(phase.taps.of(_filter(weight)), phase.sizes(y, 1)) for phase in _phases(x, weight, y, call.options)]
    return [quantize, *(_hybrid_step(y, w, s, channels, made, clamp) for w, s in phases)]


@binds(TRANSPOSE_CONV)
def transpose_conv(call: Call) -> Bound:
    weight, x, bias, y = call.input(1), call.input(2), call.optional_input(3), call.outputs[0]
    if not is_float(x, weight):
        require_constants(call, weight, bias)
    if is_q16(x, weight, y):
        windows = sliding(y.shape, x.shape, (weight.shape[1], weight.shape[2]), call.options)
        return products_q16.convolution(call, "transpose_conv_qs16", x, weight, bias, windows)
    if is_float(x, weight, y):
        return transposed_floats(x, weight, bias, y, call.options, bounds(call.options.fused_activation_function))
    if is_int8(x, weight, y) or is_uint8(x, weight, y):
        made = [phase.quantized(_filter(weight), y, _zero_point(x, weight)) for phase in _phases(x, weight, y, call.options)]
        return [_quantized_step(call, x, weight, bias, y, s, w, count) for w, s, count in made]
    if is_float(x, y) and weight.type is TensorType.INT8:
        return _transposed_hybrid(call, weight, x, bias, y)
    raise no_kernel(call, "FLOAT32 with FLOAT32 or INT8 weights, INT8 and UINT8 with weights of the same type, INT16 with INT8 weights")
