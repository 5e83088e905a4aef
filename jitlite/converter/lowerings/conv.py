"""Convolutions. One spatial axis is treated as two, the first of size 1."""

from collections.abc import Sequence

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.lowerings.windows import MAX_WINDOW, Span, output_sizes, padded, spans, spatial_sizes, window_steps
from jitlite.schemas.ops.concat import CONCATENATION
from jitlite.schemas.ops.conv import CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV
from jitlite.schemas.ops.pad import PAD
from jitlite.schemas.ops.shapes import same_padding
from jitlite.schemas.ops.slice import SLICE
from jitlite.schemas.tables import ConcatenationOptions, Conv2DOptions, DepthwiseConv2DOptions, Padding, TransposeConvOptions


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
        operand, padding = padded(ctx, image, axes)
        h, w = axes
        depthwise = group == channels and group > 1
        options: Conv2DOptions | DepthwiseConv2DOptions = Conv2DOptions(padding=padding)
        if depthwise:
            options = DepthwiseConv2DOptions(padding=padding, depth_multiplier=weight.dims[0] // channels)
        options.stride_h, options.stride_w = h.stride, w.stride
        options.dilation_h_factor, options.dilation_w_factor = h.dilation, w.dilation
        filters = ctx.transpose(weight, (1, 2, 3, 0) if depthwise else (0, 2, 3, 1))
        return ctx.op(DEPTHWISE_CONV_2D if depthwise else CONV_2D, operand, filters, bias, options=options)

    return ctx.channels_last(x, apply)


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

    def apply(image: Value) -> Value:
        width = channels // group
        parts = [image] if group == 1 else ctx.split_channels(image, range(0, channels, width), [width] * group)
        results = []
        for index, part in enumerate(parts):
            filters = weight[index * width : (index + 1) * width].transpose(1, 2, 3, 0)
            units = filters.shape[0]
            results.append(_upsampled(ctx, part, filters, None if bias is None else bias[index * units : (index + 1) * units], axes))
        return results[0] if group == 1 else ctx.op(CONCATENATION, *results, options=ConcatenationOptions(axis=3))

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


def _transposed_spans(ctx: Context, node: Node, sizes: Sequence[int], kernel: Sequence[int]) -> tuple[Span, Span]:
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
    if count == 1:
        found.insert(0, Span(1, 1, 1, 1, 0, 0, 1))
    return found[0], found[1]


def _upsampled(ctx: Context, x: Value, filters: Array, bias: Array | None, axes: tuple[Span, Span]) -> Value:
    h, w = axes
    fulls = [(span.size - 1) * span.stride + span.kernel for span in axes]
    same = all(
        -(-span.output // span.stride) == span.size and same_padding(span.output, span.size, span.kernel, span.stride)[0] == span.before
        for span in axes
    )
    exact = all(span.before == 0 and span.output == full for span, full in zip(axes, fulls))
    options = TransposeConvOptions(padding=Padding.SAME if same and not exact else Padding.VALID, stride_h=h.stride, stride_w=w.stride)
    target = [span.output for span in axes] if same or exact else fulls
    operands = [ctx.indices([x.dims[0], *target, filters.shape[0]]), ctx.constant(filters), x]
    y = ctx.op(TRANSPOSE_CONV, *operands, *([ctx.constant(bias)] if bias is not None else []), options=options)
    if same or exact:
        return y
    kept = [min(span.output, full - span.before) for span, full in zip(axes, fulls)]
    if any(span.before or count != full for span, count, full in zip(axes, kept, fulls)):
        y = ctx.op(SLICE, y, ctx.indices([0, h.before, w.before, 0]), ctx.indices([-1, *kept, -1]))
    if any(count != span.output for span, count in zip(axes, kept)):
        ctx.require(
            bias is None or not np.any(bias),
            "an output within the reach of the kernel is required where there is a bias, found output_padding beyond it",
        )
        y = ctx.op(PAD, y, ctx.constant([[0, 0], *([0, span.output - count] for span, count in zip(axes, kept)), [0, 0]], "int32"))
    return y
