"""Convolutions over one to three spatial axes. One is treated as two, the first of size 1.

CONV_3D has no groups: a grouped one over three axes is a sum of those over height and width for each place along the kernel's depth.
"""

from collections.abc import Sequence

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.lowerings.slice import sliced
from jitlite.converter.lowerings.windows import MAX_WINDOW, UNIT, Span, Spans, output_sizes, padded, spans, spatial_sizes, window_steps
from jitlite.schemas.ops.concat import CONCATENATION
from jitlite.schemas.ops.conv import CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV
from jitlite.schemas.ops.conv3d import CONV_3D, CONV_3D_TRANSPOSE
from jitlite.schemas.ops.elementwise import ADD
from jitlite.schemas.ops.pad import PAD
from jitlite.schemas.ops.shapes import same_padding
from jitlite.schemas.ops.slice import SLICE
from jitlite.schemas.tables import (
    ConcatenationOptions,
    Conv2DOptions,
    Conv3DOptions,
    DepthwiseConv2DOptions,
    Padding,
    TransposeConvOptions,
)


@lowers("Conv")
def conv(ctx: Context, node: Node) -> Value:
    x, weight = ctx.input(0), ctx.input(1)
    sizes = spatial_sizes(ctx, x)
    ctx.require(weight.rank == x.rank, f"weights of rank {x.rank} are required, found shape {weight.dims}")
    kernel = attribute(node, "kernel_shape", list(weight.dims[2:]))
    ctx.require(tuple(kernel) == weight.dims[2:], f"kernel_shape {weight.dims[2:]} is required, found {kernel}")
    group, channels = attribute(node, "group", 1), x.dims[1]
    ctx.require(
        group >= 1 and weight.dims[1] * group == channels, f"{weight.dims[1] * group} input channels are required, found {channels}"
    )
    ctx.require(weight.dims[0] % group == 0, f"output channels divisible by {group} are required, found {weight.dims[0]}")
    axes = spans(ctx, node, sizes, kernel, output_sizes(node))
    if weight.rank == 3:
        weight = ctx.reshape(weight, (*weight.dims[:2], 1, weight.dims[2]))
    bias = ctx.optional(2) or ctx.like(x, np.zeros(weight.dims[0]))

    def apply(image: Value) -> Value:
        if len(axes) == 2:
            return _convolved(ctx, image, weight, bias, axes, group)
        return _convolved_volume(ctx, image, weight, bias, axes) if group == 1 else _summed_planes(ctx, image, weight, bias, axes, group)

    return ctx.channels_last(x, apply)


def _convolved(ctx: Context, image: Value, weight: Value, bias: Value, axes: Spans, group: int) -> Value:
    """An NHWC image with weights in ONNX's order."""
    operand, padding = padded(ctx, image, axes)
    (h, w), channels = axes, image.dims[3]
    depthwise = group == channels and group > 1
    options: Conv2DOptions | DepthwiseConv2DOptions = Conv2DOptions(padding=padding)
    if depthwise:
        options = DepthwiseConv2DOptions(padding=padding, depth_multiplier=weight.dims[0] // channels)
    options.stride_h, options.stride_w = h.stride, w.stride
    options.dilation_h_factor, options.dilation_w_factor = h.dilation, w.dilation
    filters = ctx.transpose(weight, (1, 2, 3, 0) if depthwise else (0, 2, 3, 1))
    return ctx.op(DEPTHWISE_CONV_2D if depthwise else CONV_2D, operand, filters, bias, options=options)


def _volume_options(padding: Padding, axes: Spans) -> Conv3DOptions:
    d, h, w = axes
    options = Conv3DOptions(padding=padding, stride_d=d.stride, stride_h=h.stride, stride_w=w.stride)
    options.dilation_d_factor, options.dilation_h_factor, options.dilation_w_factor = d.dilation, h.dilation, w.dilation
    return options


def _convolved_volume(ctx: Context, image: Value, weight: Value, bias: Value, axes: Spans) -> Value:
    operand, padding = padded(ctx, image, axes)
    return ctx.op(CONV_3D, operand, ctx.transpose(weight, (2, 3, 4, 1, 0)), bias, options=_volume_options(padding, axes))


def _summed_planes(ctx: Context, image: Value, weight: Value, bias: Value, axes: Spans, group: int) -> Value:
    depth, *plane = axes
    image, _ = padded(ctx, image, (depth, UNIT, UNIT), allow_same=False)
    n, _, height, width, channels = image.dims
    total: Value | None = None
    for place in range(depth.kernel):
        first = place * depth.dilation
        picked = range(first, first + (depth.output - 1) * depth.stride + 1, depth.stride)
        part = sliced(ctx, image, [range(n), picked, range(height), range(width), range(channels)])
        layer = weight.dims[:2] + weight.dims[3:]
        if weight.data is not None:
            filters = ctx.constant(weight.data[:, :, place])
        else:
            ranges = [range(place, place + 1) if axis == 2 else range(dim) for axis, dim in enumerate(weight.dims)]
            filters = ctx.reshape(sliced(ctx, weight, ranges), layer)
        shift = ctx.like(image, np.zeros(weight.dims[0])) if total is not None else bias
        planes = ctx.reshape(part, (n * depth.output, height, width, channels))
        result = _convolved(ctx, planes, filters, shift, tuple(plane), group)
        total = result if total is None else ctx.op(ADD, total, result)
    assert total is not None, "a kernel has at least one element"
    return ctx.reshape(total, (n, depth.output, *total.dims[1:]))


@lowers("ConvTranspose")
def conv_transpose(ctx: Context, node: Node) -> Value:
    """TRANSPOSE_CONV per group; dilated kernels are written out with zeros, cropping follows where SAME padding does not say it."""
    x, weight = ctx.input(0), ctx.data(1)
    sizes = spatial_sizes(ctx, x)
    ctx.require(weight.ndim == x.rank, f"weights of rank {x.rank} are required, found shape {weight.shape}")
    group, channels = attribute(node, "group", 1), x.dims[1]
    ctx.require(
        weight.shape[0] == channels and channels % group == 0,
        f"{weight.shape[0]} input channels divisible by {group} are required, found {channels}",
    )
    weight = _dilated(ctx, weight, window_steps(ctx, node, "dilations", len(sizes)))
    axes = _transposed_spans(ctx, node, sizes, weight.shape[2:])
    if weight.ndim == 3:
        weight = weight[:, :, None, :]
    bias = ctx.data(2) if ctx.optional(2) is not None else None
    held = ctx.input(1).grid
    grid = held if held is not None and (held.is_per_tensor or held.axis == 1) else None

    def apply(image: Value) -> Value:
        width = channels // group
        parts = [image] if group == 1 else ctx.split_channels(image, range(0, channels, width), [width] * group)
        results = []
        for index, part in enumerate(parts):
            filters = ctx.constant(weight[index * width : (index + 1) * width], grid=grid)
            units = filters.dims[1]
            results.append(_upsampled(ctx, part, filters, None if bias is None else bias[index * units : (index + 1) * units], axes))
        return results[0] if group == 1 else ctx.op(CONCATENATION, *results, options=ConcatenationOptions(axis=len(axes) + 1))

    return ctx.channels_last(x, apply)


def _dilated(ctx: Context, weight: Array, dilations: Sequence[int]) -> Array:
    """The kernel with dilation - 1 zeros between its taps."""
    if all(step == 1 for step in dilations):
        return weight
    spread = [(size - 1) * step + 1 for size, step in zip(weight.shape[2:], dilations)]
    ctx.require(max(spread) <= MAX_WINDOW, f"dilated kernels of at most {MAX_WINDOW} elements a side are required, found {spread}")
    wide = np.zeros((*weight.shape[:2], *spread), weight.dtype)
    wide[(slice(None), slice(None), *(slice(None, None, step) for step in dilations))] = weight
    return wide


def _transposed_spans(ctx: Context, node: Node, sizes: Sequence[int], kernel: Sequence[int]) -> Spans:
    """Each axis: `output` elements are kept of the (size - 1) * stride + kernel the operator makes, `before` are cut off in front."""
    count = len(sizes)
    strides = window_steps(ctx, node, "strides", count)
    extra = attribute(node, "output_padding", [0] * count)
    pads = attribute(node, "pads", [0] * (2 * count))
    wanted = attribute(node, "output_shape")
    auto = attribute(node, "auto_pad", "NOTSET")
    ctx.require(
        len(extra) == count and len(pads) == 2 * count,
        f"{count} output_padding and {2 * count} pads are required, found {extra} and {pads}",
    )
    outputs = output_sizes(node)
    found = []
    for axis in range(count):
        full = (sizes[axis] - 1) * strides[axis] + kernel[axis] + extra[axis]
        before = pads[axis]
        if wanted is not None or auto in ("SAME_UPPER", "SAME_LOWER"):
            total = max(0, full - outputs[axis])
            before = total - total // 2 if auto == "SAME_LOWER" or (wanted is not None and auto != "SAME_UPPER") else total // 2
        elif auto == "VALID":
            before = 0
        ctx.require(before >= 0, f"pads of 0 or more are required, found {pads}")
        found.append(Span(sizes[axis], kernel[axis], strides[axis], 1, before, max(0, full - before - outputs[axis]), outputs[axis]))
    return (UNIT, *found) if count == 1 else tuple(found)


def _upsampled(ctx: Context, x: Value, filters: Value, bias: Array | None, axes: Spans) -> Value:
    """A channels-last image or volume with the filters (I, O, kernel) of one group."""
    fulls = [(span.size - 1) * span.stride + span.kernel for span in axes]
    same = all(
        -(-span.output // span.stride) == span.size and same_padding(span.output, span.size, span.kernel, span.stride)[0] == span.before
        for span in axes
    )
    exact = all(span.before == 0 and span.output == full for span, full in zip(axes, fulls))
    padding = Padding.SAME if same and not exact else Padding.VALID
    target = [span.output for span in axes] if same or exact else fulls
    y = _spread(ctx, x, filters, bias, axes, padding, target)
    if same or exact:
        return y
    kept = [min(span.output, full - span.before) for span, full in zip(axes, fulls)]
    if any(span.before or count != full for span, count, full in zip(axes, kept, fulls)):
        y = ctx.op(SLICE, y, ctx.indices([0, *(span.before for span in axes), 0]), ctx.indices([-1, *kept, -1]))
    if any(count != span.output for span, count in zip(axes, kept)):
        ctx.require(
            bias is None or not np.any(bias),
            "an output within the reach of the kernel is required where there is a bias, found output_padding beyond it",
        )
        y = ctx.op(PAD, y, ctx.constant([[0, 0], *([0, span.output - count] for span, count in zip(axes, kept)), [0, 0]], "int32"))
    return y


def _spread(ctx: Context, x: Value, filters: Value, bias: Array | None, axes: Spans, padding: Padding, target: Sequence[int]) -> Value:
    """The transposed convolution to a result of these sizes."""
    operands = [x] if bias is None else [x, ctx.constant(bias)]
    shape = ctx.indices([x.dims[0], *target, filters.dims[1]])
    if len(axes) == 3:
        kernel = ctx.transpose(filters, (2, 3, 4, 1, 0))
        return ctx.op(CONV_3D_TRANSPOSE, shape, kernel, *operands, options=_volume_options(padding, axes))
    options = TransposeConvOptions(padding=padding, stride_h=axes[0].stride, stride_w=axes[1].stride)
    return ctx.op(TRANSPOSE_CONV, shape, ctx.transpose(filters, (1, 2, 3, 0)), *operands, options=options)
