"""Operators on whole numbers that become convolutions, or part of a grid, because these say what they compute exactly enough."""

from dataclasses import replace

import numpy as np

from jitlite.converter.builder import Builder
from jitlite.converter.graph import Array, Graph, Node, Value
from jitlite.converter.grids import Grid
from jitlite.converter.passes.fuse import sole_producer
from jitlite.converter.passes.neighbours import WIDEST_STEP, result_grid, whole_numbers
from jitlite.converter.rewrite import rule
from jitlite.schemas.ops.activation import PRELU
from jitlite.schemas.ops.conv import DEPTHWISE_CONV_2D
from jitlite.schemas.ops.conversion import QUANTIZE
from jitlite.schemas.ops.elementwise import ADD, MUL, SUB
from jitlite.schemas.ops.matmul import BATCH_MATMUL
from jitlite.schemas.ops.pool import AVERAGE_POOL_2D
from jitlite.schemas.ops.reshape import RESHAPE
from jitlite.schemas.ops.resize import RESIZE_BILINEAR
from jitlite.schemas.ops.shapes import same_padding
from jitlite.schemas.ops.spec import OpSpec
from jitlite.schemas.tables import ActivationFunctionType, DepthwiseConv2DOptions, Padding, Pool2DOptions

NONE = ActivationFunctionType.NONE
LARGEST = 127
FINER = 128
"""How many steps of int16 are one of int8, whose numbers differ from their zero point by 255 at most."""
MOST_MOVED = 0.3
SCALABLE = frozenset({ADD.name, SUB.name, MUL.name, BATCH_MATMUL.name})
"""Operators whose integer forms take any scale of the result, and whose results are not weighted."""


@rule("average by weights", AVERAGE_POOL_2D.name)
def average_by_weights(graph: Graph, node: Node) -> str | None:
    """An average rounded to much finer steps than its operand's is a convolution of each channel with equal weights."""
    x, grid, old = whole_numbers(node.input(0)), result_grid(graph, node), node.options
    assert isinstance(old, Pool2DOptions)
    if x is None or x.grid is None or isinstance(grid, str) or x.grid.scales[0] < WIDEST_STEP * grid.scales[0]:
        return f"an operand with steps from {WIDEST_STEP:g} times the result's on is required"
    spans = zip(x.dims[1:3], node.output.dims[1:3], (old.stride_h, old.stride_w), (old.filter_height, old.filter_width), strict=True)
    if old.padding != Padding.VALID and any(sum(same_padding(size, out, window, step)) for size, out, step, window in spans):
        return "windows inside the operand are required"
    taps, channels = old.filter_height * old.filter_width, x.dims[3]
    shape = (1, old.filter_height, old.filter_width, channels)
    weight = graph.constant(np.full(shape, 1 / taps, np.float32), f"{node.output.name};weights", Grid("int8", (1 / taps,), (0,)))
    bias = graph.constant(np.zeros(channels, np.float32), f"{node.output.name};bias")
    options = DepthwiseConv2DOptions(padding=Padding.VALID, depth_multiplier=1, stride_h=old.stride_h, stride_w=old.stride_w)
    options.fused_activation_function = old.fused_activation_function
    graph.become(node, DEPTHWISE_CONV_2D, [node.input(0), weight, bias], options=options)
    return None


@rule("average at 16 bits", AVERAGE_POOL_2D.name, RESIZE_BILINEAR.name)
def average_at_16_bits(graph: Graph, node: Node) -> str | None:
    """What is rounded to much finer steps than its operand's has the operand in finer steps, too."""
    x, grid = whole_numbers(node.input(0)), result_grid(graph, node)
    if isinstance(grid, str) or len(node.output.users) != 1:
        return grid if isinstance(grid, str) else "one QUANTIZE behind it is required"
    if x is None or x.grid is None or x.grid.dtype != "int8" or grid.dtype not in ("int8", "uint8"):
        return "an operand and a result on one grid of 8 bits each are required"
    if x.grid.scales[0] < WIDEST_STEP * grid.scales[0]:
        return f"an operand with steps from {WIDEST_STEP:g} times the result's on is required"
    wide = Grid("int16", (x.grid.scales[0] / FINER,), (0,))
    builder = Builder(graph, node.output.name)
    assert isinstance(node.op, OpSpec)
    made = builder.op(node.op, builder.op(QUANTIZE, x, grid=wide), *node.inputs[1:], options=node.options, grid=wide)
    graph.set_input(node.output.users[0], 0, made)
    graph.remove(node)
    return None


@rule("scale channels by weights", MUL.name, ADD.name, SUB.name)
def scale_channels_by_weights(graph: Graph, node: Node) -> str | None:
    """A factor and a summand for each channel, as a normalisation leaves them, are a convolution of each channel with one weight."""
    grid = result_grid(graph, node)
    if isinstance(grid, str):
        return grid
    x, factors, shifts = _affine(graph, node)
    numbers = None if x is None else whole_numbers(x)
    if x is None or numbers is None or numbers.grid is None or numbers.grid.signed().dtype != "int8" or x.dims != node.output.dims:
        return "an operand on one grid of 8 bits is required"
    if factors is None or shifts is None:
        return "constants along the last axis alone are required"
    sizes = np.where(factors == 0, 1, np.abs(factors)) / LARGEST
    weights = Grid("int8", tuple(sizes.astype(np.float32).tolist()), (0,) * len(sizes), 3)
    builder, count = Builder(graph, node.output.name), len(factors)
    weight = builder.constant(factors.reshape(1, 1, 1, count), np.float32, weights)
    options = DepthwiseConv2DOptions(padding=Padding.VALID, depth_multiplier=1, stride_h=1, stride_w=1)
    options.fused_activation_function = _fused(node)
    image = builder.reshape(x, x.dims if x.rank == 4 else (1, x.size // count, 1, count))
    made = builder.op(DEPTHWISE_CONV_2D, image, weight, builder.constant(shifts, np.float32), options=options)
    graph.absorb(node.output, builder.reshape(made, node.output.dims))
    graph.remove(node)
    return None


def _fused(node: Node) -> ActivationFunctionType:
    return getattr(node.options, "fused_activation_function", NONE)


def _by_channel(constant: Value, result: Value) -> Array | None:
    """The constant as one finite number a channel of the result."""
    count = result.dims[-1] if result.rank else 0
    if constant.data is None or constant.size not in (1, count) or (constant.size > 1 and constant.dims[-1] != count):
        return None
    found = np.broadcast_to(constant.data.reshape(-1), (count,)).astype(np.float32)
    return found if count and np.all(np.isfinite(found)) else None


def _affine(graph: Graph, node: Node) -> tuple[Value | None, Array | None, Array | None]:
    """The operand of a product or sum with constants, perhaps of a sum behind a product, the factors and the summands."""
    place = 1 if node.input(1).data is not None else 0
    x, found = node.input(1 - place), _by_channel(node.input(place), node.output)
    if found is None or node.op is MUL:
        return x, found, None if found is None else np.zeros_like(found)
    if node.op is SUB and place == 0:
        return x, -np.ones_like(found), found
    inner, shifts = sole_producer(graph, x), -found if node.op is SUB else found
    if inner is None or inner.op is not MUL or _fused(inner) != NONE:
        return x, np.ones_like(found), shifts
    return *_affine(graph, inner)[:2], shifts


@rule("round constants", PRELU.name, ADD.name, SUB.name, MUL.name)
def round_constants(graph: Graph, node: Node) -> str | None:
    """Slopes, summands and factors of 8 bits, where that moves no result by more than a part of a step."""
    grid, place = result_grid(graph, node), 0 if node.input(0).data is not None else 1
    numbers, constant = whole_numbers(node.input(1 - place)), node.input(place)
    if isinstance(grid, str):
        return grid
    if (
        numbers is None
        or numbers.grid is None
        or constant.data is None
        or constant.grid is not None
        or not np.all(np.isfinite(constant.data))
    ):
        return "an operand on one grid, and a finite constant on none, are required"
    steps = _covering(constant.data)
    ends = [abs(end - numbers.grid.zero_points[0]) * numbers.grid.scales[0] for end in numbers.grid.bounds]
    factor = 1.0 if node.op in (ADD, SUB) else ends[0] if node.op is PRELU else max(ends)
    off = factor * steps.scales[0] / 2 / grid.scales[0]
    if not off <= MOST_MOVED:
        return f"a constant that 8 bits round to {MOST_MOVED} of a step of the result is required, found {off:.2f}"
    reals = (steps.quantized(constant.data).astype(np.float32) - steps.zero_points[0]) * np.float32(steps.scales[0])
    graph.set_input(node, place, graph.constant(reals, constant.name, steps))
    return None


def _covering(reals: Array) -> Grid:
    """The grid of int8 whose ends are those of the numbers and zero."""
    low, high = min(0.0, float(reals.min(initial=0.0))), max(0.0, float(reals.max(initial=0.0)))
    scale = float(np.float32((high - low) / 255)) or 1.0
    return Grid("int8", (scale,), (int(np.clip(round(-low / scale) - 128, -128, 127)),))


@rule("factor into grid", MUL.name)
def factor_into_grid(graph: Graph, node: Node) -> str | None:
    """One factor for all numbers changes their grid alone: they are quantized as if without it, and count for that much more."""
    grid, place = result_grid(graph, node), 1 if node.input(1).data is not None else 0
    if isinstance(grid, str) or len(node.output.users) != 1:
        return grid if isinstance(grid, str) else "one QUANTIZE behind it is required"
    factor, product = node.input(place).data, sole_producer(graph, node.input(1 - place))
    if factor is None or factor.size != 1 or not 0 < float(factor.reshape(-1)[0]) < np.inf or _fused(node) != NONE:
        return "one constant factor above zero and no activation are required"
    if product is None or product.kind not in SCALABLE or product.output.dims != node.output.dims:
        return f"an operand made by {', '.join(sorted(SCALABLE))}, and read by nothing else, is required"
    inner = replace(grid, scales=(float(np.float32(grid.scales[0] / float(factor.reshape(-1)[0]))),))
    if not 0 < inner.scales[0] < np.inf:
        return "a grid whose scale float32 holds is required"
    builder = Builder(graph, node.output.name)
    numbers = builder.op(QUANTIZE, product.output, grid=inner)
    held = builder.op(RESHAPE, numbers, builder.indices(numbers.dims), grid=grid)
    (user,) = node.output.users
    graph.absorb(user.output, held)
    graph.remove(user)
    graph.remove(node)
    return None
