"""Convolutions over one to three spatial axes. One is treated as two, the first of size 1.

CONV_3D has no groups: a grouped one over three axes is a sum of those over height and width for each place along the kernel's depth.
"""

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.lowerings.slice import sliced
from jitlite.converter.lowerings.windows import UNIT, Spans, output_sizes, padded, spans, spatial_sizes
from jitlite.schemas.ops.conv import CONV_2D, DEPTHWISE_CONV_2D
from jitlite.schemas.ops.conv3d import CONV_3D
from jitlite.schemas.ops.elementwise import ADD
from jitlite.schemas.tables import (
    Conv2DOptions,
    Conv3DOptions,
    DepthwiseConv2DOptions,
    Padding,
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
            return convolved(ctx, image, weight, bias, axes, group)
        return _convolved_volume(ctx, image, weight, bias, axes) if group == 1 else _summed_planes(ctx, image, weight, bias, axes, group)

    return ctx.channels_last(x, apply)


def convolved(ctx: Context, image: Value, weight: Value, bias: Value, axes: Spans, group: int) -> Value:
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


def volume_options(padding: Padding, axes: Spans) -> Conv3DOptions:
    d, h, w = axes
    options = Conv3DOptions(padding=padding, stride_d=d.stride, stride_h=h.stride, stride_w=w.stride)
    options.dilation_d_factor, options.dilation_h_factor, options.dilation_w_factor = d.dilation, h.dilation, w.dilation
    return options


def _convolved_volume(ctx: Context, image: Value, weight: Value, bias: Value, axes: Spans) -> Value:
    operand, padding = padded(ctx, image, axes)
    return ctx.op(CONV_3D, operand, ctx.transpose(weight, (2, 3, 4, 1, 0)), bias, options=volume_options(padding, axes))


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
        result = convolved(ctx, planes, filters, shift, tuple(plane), group)
        total = result if total is None else ctx.op(ADD, total, result)
    assert total is not None, "a kernel has at least one element"
    return ctx.reshape(total, (n, depth.output, *total.dims[1:]))
