"""Transposed convolutions over one to three spatial axes."""

from collections.abc import Sequence

import numpy as np

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conv import convolved, volume_options
from jitlite.converter.lowerings.registry import lowers
from jitlite.converter.lowerings.slice import sliced
from jitlite.converter.lowerings.windows import MAX_WINDOW, UNIT, Span, Spans, output_sizes, spatial_sizes, window_steps
from jitlite.schemas.ops.concat import CONCATENATION
from jitlite.schemas.ops.conv import TRANSPOSE_CONV
from jitlite.schemas.ops.conv3d import CONV_3D_TRANSPOSE
from jitlite.schemas.ops.elementwise import ADD
from jitlite.schemas.ops.pad import PAD
from jitlite.schemas.ops.shapes import same_padding
from jitlite.schemas.ops.slice import SLICE
from jitlite.schemas.tables import ConcatenationOptions, Padding, TransposeConvOptions

MOST_GROUPS = 4
"""Images with more groups are convolved at once with zeros between their elements."""


@lowers("ConvTranspose")
def conv_transpose(ctx: Context, node: Node) -> Value:
    """TRANSPOSE_CONV per group; dilated kernels are written out with zeros, cropping follows where SAME padding does not say it."""
    x, weight = ctx.input(0), ctx.input(1)
    sizes = spatial_sizes(ctx, x)
    ctx.require(weight.rank == x.rank, f"weights of rank {x.rank} are required, found shape {weight.dims}")
    group, channels = attribute(node, "group", 1), x.dims[1]
    ctx.require(
        weight.dims[0] == channels and group >= 1 and channels % group == 0,
        f"{weight.dims[0]} input channels divisible by {group} are required, found {channels}",
    )
    dilations = window_steps(ctx, node, "dilations", len(sizes))
    if group > MOST_GROUPS or any(step > 1 for step in dilations):
        ctx.data(1)
    weight = _dilated(ctx, weight, dilations)
    axes = _transposed_spans(ctx, node, sizes, weight.dims[2:])
    if weight.rank == 3:
        weight = ctx.reshape(weight, (*weight.dims[:2], 1, weight.dims[2]))
    bias = ctx.optional(2)

    def apply(image: Value) -> Value:
        width = channels // group
        if group > MOST_GROUPS and len(axes) == 2:
            return _among_zeros(ctx, image, weight, bias, axes, group)
        parts = [image] if group == 1 else ctx.split_channels(image, range(0, channels, width), [width] * group)
        results = []
        for index, part in enumerate(parts):
            filters = _rows(ctx, weight, range(index * width, (index + 1) * width))
            units = weight.dims[1]
            shift = None if bias is None else _rows(ctx, bias, range(index * units, (index + 1) * units))
            results.append(_upsampled(ctx, part, filters, shift, axes))
        return results[0] if group == 1 else ctx.op(CONCATENATION, *results, options=ConcatenationOptions(axis=len(axes) + 1))

    return ctx.channels_last(x, apply)


def _rows(ctx: Context, x: Value, rows: range) -> Value:
    """Part of the first axis."""
    if x.data is not None:
        return ctx.constant(x.data[rows.start : rows.stop], grid=x.grid if x.grid is None or x.grid.is_per_tensor or x.grid.axis else None)
    return sliced(ctx, x, [rows, *(range(dim) for dim in x.dims[1:])])


def _among_zeros(ctx: Context, image: Value, weight: Value, bias: Value | None, axes: Spans, group: int) -> Value:
    """The convolution, with the kernel turned round, of the image with stride - 1 zeros between its elements."""
    assert weight.data is not None, "the kernel is constant"
    windows, rows, kept = [], [[0, 0]], [range(image.dims[0])]
    for place, span in enumerate(axes, 1):
        image = _spread_out(ctx, image, place, span.stride)
        size, low = image.dims[place], span.kernel - 1 - span.before
        high = span.output + span.before - size
        rows.append([max(0, low), max(0, high)])
        kept.append(range(max(0, -low), size - max(0, -high)))
        windows.append(Span(len(kept[place]) + sum(rows[place]), span.kernel, 1, 1, 0, 0, span.output))
    image = sliced(ctx, image, [*kept, range(image.dims[3])])
    if np.any(rows):
        image = ctx.op(PAD, image, ctx.constant([*rows, [0, 0]], np.int32))
    channels, units, *kernel = weight.dims
    turned = weight.data[:, :, ::-1, ::-1].reshape(group, channels // group, units, *kernel)
    grid = weight.grid if weight.grid is not None and weight.grid.is_per_tensor else None
    filters = ctx.constant(turned.swapaxes(1, 2).reshape(group * units, channels // group, *kernel), grid=grid)
    return convolved(ctx, image, filters, bias or ctx.like(image, np.zeros(group * units)), tuple(windows), group)


def _spread_out(ctx: Context, image: Value, place: int, stride: int) -> Value:
    """The NHWC image with stride - 1 zeros behind each element along one axis."""
    if stride == 1:
        return image
    n, height, width, channels = image.dims
    shape = (n, height, 1, width * channels) if place == 1 else (n * height, width, 1, channels)
    rows = [[0, 0], [0, 0], [0, stride - 1], [0, 0]]
    apart = ctx.op(PAD, ctx.reshape(image, shape), ctx.constant(rows, np.int32))
    return ctx.reshape(apart, (n, height * stride, width, channels) if place == 1 else (n, height, width * stride, channels))


def _dilated(ctx: Context, given: Value, dilations: Sequence[int]) -> Value:
    """The kernel with dilation - 1 zeros between its taps."""
    weight: Array | None = given.data
    if weight is None or all(step == 1 for step in dilations):
        return given
    spread = [(size - 1) * step + 1 for size, step in zip(weight.shape[2:], dilations)]
    ctx.require(max(spread) <= MAX_WINDOW, f"dilated kernels of at most {MAX_WINDOW} elements a side are required, found {spread}")
    wide = np.zeros((*weight.shape[:2], *spread), weight.dtype)
    wide[(slice(None), slice(None), *(slice(None, None, step) for step in dilations))] = weight
    return ctx.constant(wide, grid=given.grid)


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


def _upsampled(ctx: Context, x: Value, filters: Value, bias: Value | None, axes: Spans) -> Value:
    """A channels-last image or volume with the filters (I, O, kernel) of one group."""
    fulls = [(span.size - 1) * span.stride + span.kernel for span in axes]
    same = all(
        -(-span.output // span.stride) == span.size and same_padding(span.output, span.size, span.kernel, span.stride)[0] == span.before
        for span in axes
    )
    exact = all(span.before == 0 and span.output == full for span, full in zip(axes, fulls))
    padding = Padding.SAME if same and not exact else Padding.VALID
    if same or exact:
        return _transposed(ctx, x, filters, bias, axes, padding, [span.output for span in axes])
    kept = [min(span.output, full - span.before) for span, full in zip(axes, fulls)]
    is_short = any(count != span.output for span, count in zip(axes, kept))
    y = _transposed(ctx, x, filters, None if is_short else bias, axes, padding, fulls)
    if any(span.before or count != full for span, count, full in zip(axes, kept, fulls)):
        y = ctx.op(SLICE, y, ctx.indices([0, *(span.before for span in axes), 0]), ctx.indices([-1, *kept, -1]))
    if is_short:
        y = ctx.op(PAD, y, ctx.constant([[0, 0], *([0, span.output - count] for span, count in zip(axes, kept)), [0, 0]], "int32"))
        y = y if bias is None else ctx.op(ADD, y, bias)
    return y


def _transposed(ctx: Context, x: Value, filters: Value, bias: Value | None, axes: Spans, padding: Padding, target: Sequence[int]) -> Value:
    """The builtin, to a result of these sizes."""
    operands = [x] if bias is None else [x, bias]
    shape = ctx.indices([x.dims[0], *target, filters.dims[1]])
    if len(axes) == 3:
        kernel = ctx.transpose(filters, (2, 3, 4, 1, 0))
        return ctx.op(CONV_3D_TRANSPOSE, shape, kernel, *operands, options=volume_options(padding, axes))
    options = TransposeConvOptions(padding=padding, stride_h=axes[0].stride, stride_w=axes[1].stride)
    return ctx.op(TRANSPOSE_CONV, shape, ctx.transpose(filters, (1, 2, 3, 0)), *operands, options=options)
