"""Rules on TFLite operators: constants into weights and biases, activations into the operators before them, reshapes into one."""

import numpy as np

from jitlite.converter.builder import Builder
from jitlite.converter.graph import Array, Graph, Node, Value
from jitlite.converter.grids import moved
from jitlite.converter.passes.layout_rules import BROADCASTING, UNARY
from jitlite.converter.rewrite import rule
from jitlite.schemas.ops.activation import LOGISTIC, PRELU, RELU, RELU6, RELU_0_TO_1, RELU_N1_TO_1
from jitlite.schemas.ops.concat import CONCATENATION
from jitlite.schemas.ops.conv import CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV
from jitlite.schemas.ops.conversion import CAST, DEQUANTIZE, QUANTIZE
from jitlite.schemas.ops.elementwise import ABS, ADD, DIV, EXP, MUL, RSQRT, SQRT, SUB
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.matmul import FULLY_CONNECTED
from jitlite.schemas.ops.pad import BROADCAST_TO, PAD, PADV2
from jitlite.schemas.ops.pool import AVERAGE_POOL_2D, MAX_POOL_2D
from jitlite.schemas.ops.reshape import PACK, RESHAPE
from jitlite.schemas.ops.shapes import same_padding
from jitlite.schemas.tables import ActivationFunctionType, MulOptions, PackOptions, Padding

NONE = ActivationFunctionType.NONE
CLAMPS = {
    RELU.name: ActivationFunctionType.RELU,
    RELU6.name: ActivationFunctionType.RELU6,
    RELU_N1_TO_1.name: ActivationFunctionType.RELU_N1_TO_1,
}
NOT_NEGATIVE = frozenset(spec.name for spec in (RELU, RELU6, RELU_0_TO_1, LOGISTIC, ABS, EXP))
CLAMPS_AT_ZERO = frozenset({ActivationFunctionType.RELU, ActivationFunctionType.RELU6})
FUSING = frozenset(spec.name for spec in (CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, ADD, SUB, MUL, DIV, AVERAGE_POOL_2D, MAX_POOL_2D))
NEUTRAL = {MUL.name: (1, (0, 1)), DIV.name: (1, (1,)), ADD.name: (0, (0, 1)), SUB.name: (0, (1,))}
"""The number that changes nothing, and the operands that may be it."""
MAX_BROADCAST_RANK = 4
"""Of what all runtimes' kernels of two operands repeat."""
WEIGHTED: dict[str, tuple[int, int, int]] = {
    CONV_2D.name: (1, 0, 2),
    DEPTHWISE_CONV_2D.name: (1, 3, 2),
    FULLY_CONNECTED.name: (1, 0, 2),
    TRANSPOSE_CONV.name: (1, 0, 3),
}
"""Operators with weights: the operand of the weights, its axis of output channels, the operand of the bias."""


def sole_producer(graph: Graph, value: Value) -> Node | None:
    """The node that makes a value only one operand reads; None for inputs, constants, outputs and shared values."""
    shared = value in graph.outputs or sum(value.uses.values()) != 1
    return None if shared else value.producer


def _fused(node: Node) -> ActivationFunctionType:
    found: ActivationFunctionType = getattr(node.options, "fused_activation_function", NONE)
    return found


def _per_channel(constant: Value, channels: int) -> Array | None:
    """The constant as one number a channel (last axis); None where it varies along another axis."""
    assert constant.data is not None
    dims = constant.dims
    if constant.size != 1 and (dims[-1] != channels or constant.size != channels):
        return None
    return np.broadcast_to(constant.data.reshape(-1), (channels,))


def _weighted_operand(graph: Graph, node: Node) -> tuple[Node, Value, Array] | str:
    """The convolution or product before an arithmetic node, the constant operand, and that constant per channel; or why there is none."""
    constants = [index for index in (0, 1) if node.input(index).is_constant]
    if len(constants) != 1 or (node.kind in (SUB.name, DIV.name) and constants != [1]):
        return "one constant operand is required (of SUB and DIV the second)"
    x, constant = node.input(1 - constants[0]), node.input(constants[0])
    producer = sole_producer(graph, x)
    if producer is None or producer.kind not in WEIGHTED or _fused(producer) != NONE:
        return "an operand made by a convolution or product without activation, and read by nothing else, is required"
    weight, axis, _ = WEIGHTED[producer.kind]
    if producer.input(weight).data is None or node.output.dims != x.dims or x.dtype != np.float32:
        return "constant float32 weights and a result of the operand's shape are required"
    channels = _per_channel(constant, producer.input(weight).dims[axis])
    if channels is None:
        return f"a constant that varies along the last axis alone is required, found shape {constant.dims}"
    return producer, constant, channels


def set_bias(graph: Graph, producer: Node, bias: Array) -> None:
    place = WEIGHTED[producer.kind][2]
    operands = [*producer.inputs, *[None] * (place + 1 - len(producer.inputs))]
    operands[place] = graph.constant(bias.astype(np.float32), f"{producer.name};bias")
    graph.set_inputs(producer, operands)


def bias_of(producer: Node) -> Array | None:
    """The bias, zeros where there is none; None where it is not constant."""
    weight, axis, place = WEIGHTED[producer.kind]
    held = producer.optional(place)
    if held is None:
        return np.zeros(producer.input(weight).dims[axis], np.float32)
    return held.data


def _absorb(graph: Graph, node: Node, producer: Node) -> None:
    """Makes the producer compute the node's result, under the node's name, with its fused activation."""
    if _fused(node) != NONE and producer.options is not None:
        producer.options = producer.options.copy(fused_activation_function=_fused(node))
    graph.absorb(node.output, producer.output)
    graph.remove(node)


@rule("merge scales", MUL.name)
def merge_scales(graph: Graph, node: Node) -> str | None:
    """Two factors of a product over quantized weights become one, which need not be negative where each is."""
    found = [index for index in (0, 1) if node.input(index).is_constant]
    inner = sole_producer(graph, node.input(1 - found[0])) if len(found) == 1 else None
    if inner is None or inner.kind != MUL.name or _fused(inner) != NONE:
        return "a constant factor of a product without activation, which nothing else reads, is required"
    weighted = _weighted_operand(graph, inner)
    if isinstance(weighted, str):
        return weighted
    producer, constant, factors = weighted
    outer = _per_channel(node.input(found[0]), len(factors))
    if outer is None or producer.input(WEIGHTED[producer.kind][0]).grid is None or node.output.dims != inner.output.dims:
        return "quantized weights, and a factor that varies along the last axis alone, are required"
    product = (factors.astype(np.float64) * outer).astype(np.float32)
    graph.set_inputs(node, [producer.output, graph.constant(product, constant.name)])
    return None


@rule("scale into weights", MUL.name, DIV.name)
def scale_into_weights(graph: Graph, node: Node) -> str | None:
    found = _weighted_operand(graph, node)
    if isinstance(found, str):
        return found
    producer, _, factor = found
    bias = bias_of(producer)
    if bias is None:
        return "a constant bias is required"
    if _fused(node) != NONE and producer.kind == TRANSPOSE_CONV.name:
        return "TRANSPOSE_CONV without activation is required"
    if node.kind == DIV.name:
        if not np.all(factor):
            return "a divisor without zeros is required"
        factor = 1 / factor.astype(np.float64)
    weight, axis, _ = WEIGHTED[producer.kind]
    data = producer.input(weight).data
    assert data is not None
    shape = [-1 if place == axis else 1 for place in range(data.ndim)]
    scaled = (data * factor.reshape(shape)).astype(np.float32)
    if not np.all(np.isfinite(scaled)):
        return "finite weights are required"
    held = producer.input(weight)
    grid = moved(held.grid, lambda grid: grid.scaled(np.asarray(factor), axis))
    graph.set_input(producer, weight, graph.constant(scaled, held.name, grid))
    if producer.optional(WEIGHTED[producer.kind][2]) is not None:
        set_bias(graph, producer, bias * factor)
    _absorb(graph, node, producer)
    return None


@rule("shift into bias", ADD.name, SUB.name)
def shift_into_bias(graph: Graph, node: Node) -> str | None:
    found = _weighted_operand(graph, node)
    if isinstance(found, str):
        return found
    producer, _, shift = found
    bias = bias_of(producer)
    if bias is None:
        return "a constant bias is required"
    if _fused(node) != NONE and producer.kind == TRANSPOSE_CONV.name:
        return "TRANSPOSE_CONV without activation is required"
    set_bias(graph, producer, bias - shift if node.kind == SUB.name else bias + shift)
    _absorb(graph, node, producer)
    return None


@rule("divide by multiplying", DIV.name)
def divide_by_multiplying(graph: Graph, node: Node) -> str | None:
    """A division by a constant or by a root becomes a multiplication, which 8-bit kernels have."""
    x, divisor = node.input(0), node.input(1)
    if x.dtype != np.float32:
        return "float32 operands are required"
    options = MulOptions(fused_activation_function=_fused(node))
    if divisor.data is not None:
        with np.errstate(divide="ignore", over="ignore"):
            inverse = (1 / divisor.data.astype(np.float64)).astype(np.float32)
        if not np.all(np.isfinite(inverse)) or not np.all(np.isfinite(divisor.data)):
            return "a constant whose reciprocal is finite is required"
        graph.become(node, MUL, [x, graph.constant(inverse, divisor.name)], options=options)
        return None
    root = sole_producer(graph, divisor)
    if root is None or root.kind != SQRT.name:
        return "a divisor that is constant, or a root nothing else reads, is required"
    graph.become(root, RSQRT, root.inputs)
    graph.rename(divisor, f"{node.output.name};rsqrt")
    graph.become(node, MUL, [x, divisor], options=options)
    return None


@rule("activation into operator", *CLAMPS)
def fuse_activation(graph: Graph, node: Node) -> str | None:
    producer = sole_producer(graph, node.input(0))
    if producer is None or producer.kind not in FUSING or node.input(0).dtype != np.float32:
        return "an operand made by an operator that clamps, and read by nothing else, is required"
    if _fused(producer) != NONE:
        return f"an operator without activation is required, found {_fused(producer).name}"
    assert producer.options is not None
    producer.options = producer.options.copy(fused_activation_function=CLAMPS[node.kind])
    graph.absorb(node.output, producer.output)
    graph.remove(node)
    return None


@rule("merge reshapes", RESHAPE.name)
def merge_reshapes(graph: Graph, node: Node) -> str | None:
    producer = node.input(0).producer
    if producer is None or producer.kind != RESHAPE.name:
        return "an operand made by RESHAPE is required"
    graph.set_input(node, 0, producer.input(0))
    return None


@rule("channel order into weights", GATHER.name)
def channel_order_into_weights(graph: Graph, node: Node) -> str | None:
    """Picking channels of a convolution's or product's result becomes picking rows of its weights."""
    producer, positions, options = sole_producer(graph, node.input(0)), node.input(1).data, node.options
    assert options is not None
    rank = node.input(0).rank
    if positions is None or positions.ndim != 1 or options.axis % rank != rank - 1 or options.batch_dims:  # type: ignore[attr-defined]
        return "constant positions along the last axis are required"
    if producer is None or producer.kind not in (CONV_2D.name, FULLY_CONNECTED.name):
        return "an operand made by CONV_2D or FULLY_CONNECTED, and read by nothing else, is required"
    weight, bias = producer.input(1).data, bias_of(producer)
    if weight is None or bias is None:
        return "constant weights and bias are required"
    if producer.kind == CONV_2D.name and producer.input(0).dims[-1] != producer.input(1).dims[-1]:
        return "a convolution of one group is required"
    grid = moved(producer.input(1).grid, lambda grid: grid.picked(positions, 0))
    graph.set_input(producer, 1, graph.constant(weight[positions], producer.input(1).name, grid))
    held = producer.optional(WEIGHTED[producer.kind][2])
    if held is not None and held.dtype != np.float32:
        steps = moved(held.grid, lambda grid: grid.picked(positions, 0))
        graph.set_input(producer, WEIGHTED[producer.kind][2], graph.constant(bias[positions], held.name, steps))
    else:
        set_bias(graph, producer, bias[positions])
    producer.output.shape = node.output.dims
    graph.absorb(node.output, producer.output)
    graph.remove(node)
    return None


@rule("channel order into next weights", CONV_2D.name, FULLY_CONNECTED.name)
def channel_order_into_next_weights(graph: Graph, node: Node) -> str | None:
    """Channels that a GATHER only puts in another order are matched by reordering those of the weights."""
    gather, weight = node.input(0).producer, node.input(1)
    if gather is None or gather.kind != GATHER.name or gather.options is None or weight.data is None:
        return "an operand made by GATHER and constant weights are required"
    x, positions = gather.input(0), gather.input(1).data
    along_last = gather.options.axis % x.rank == x.rank - 1 and not gather.options.batch_dims  # type: ignore[attr-defined]
    if positions is None or not along_last or not np.array_equal(np.sort(positions), np.arange(weight.dims[-1])):
        return "every position along the last axis once, in an order that is constant, is required"
    if x.dims[-1] != weight.dims[-1] or (weight.grid is not None and weight.grid.axis == weight.rank - 1):
        return "weights for as many channels, on grids along other axes, are required"
    turned = np.empty_like(weight.data)
    turned[..., positions] = weight.data
    graph.set_inputs(node, [x, graph.constant(turned, weight.name, weight.grid), *node.inputs[2:]])
    return None


@rule("interleave by packing", GATHER.name)
def interleave_by_packing(graph: Graph, node: Node) -> str | None:
    """The first channels of all parts of a CONCATENATION, the second ones, and so on: what PACK along a new last axis makes."""
    join, positions, options = sole_producer(graph, node.input(0)), node.input(1).data, node.options
    if join is None or join.kind != CONCATENATION.name or join.options is None or options is None or _fused(join) != NONE:
        return "an operand made by CONCATENATION, and read by nothing else, is required"
    x, parts = node.input(0), [value for value in join.inputs if value is not None]
    axes = {options.axis % x.rank, join.options.axis % x.rank}  # type: ignore[attr-defined]
    if axes != {x.rank - 1} or positions is None or len({value.dims for value in parts}) != 1 or x.grid is not None:
        return "parts of one size along the last axis are required"
    if not np.array_equal(positions, np.arange(x.dims[-1]).reshape(len(parts), -1).T.reshape(-1)):
        return "positions that take turns between the parts are required"
    builder = Builder(graph, node.output.name)
    packed = builder.op(PACK, *parts, options=PackOptions(values_count=len(parts), axis=x.rank))
    graph.become(node, RESHAPE, [packed, builder.indices(node.output.dims)])
    return None


@rule("reshape after elements", *(spec.name for spec in (*UNARY, *BROADCASTING) if spec not in (CAST, PRELU, QUANTIZE, DEQUANTIZE)))
def reshape_after_elements(graph: Graph, node: Node) -> str | None:
    """An operator on single elements moves in front of the reshapes of its operands, so that reshapes meet and activations fuse.

    Its result then is called "name;reshaped": the elements of "name" in another shape.
    """
    found = _common_shape(graph, node)
    if isinstance(found, str):
        return found
    y, moved = node.output, graph.value(f"{node.output.name};reshaped", found, node.output.dtype, node.output.grid)
    operands = [
        value if value is None or value.data is not None or value.producer is None else value.producer.input(0) for value in node.inputs
    ]
    shape = graph.constant(np.asarray(y.dims, np.int32), f"{y.name};shape")
    graph.add_node(Node(node.op, tuple(operands), (moved,), node.name, options=node.options))
    graph.become(node, RESHAPE, [moved, shape])
    return None


def _common_shape(graph: Graph, node: Node) -> tuple[int, ...] | str:
    """The shape before the reshapes that make every operand that is not constant; or why there is none."""
    shapes = set()
    if node.output.grid is not None and not node.output.grid.is_per_tensor:
        return "a result on one grid is required"
    for value in node.inputs:
        if value is not None and value.data is None:
            reshape = sole_producer(graph, value)
            if reshape is None or reshape.kind != RESHAPE.name or value.dims != node.output.dims or reshape.input(0).grid != value.grid:
                return "operands of the result's shape, each made by a RESHAPE that nothing else reads, are required"
            shapes.add(reshape.input(0).dims)
    if len(shapes) != 1:
        return f"operands of one shape before they are reshaped are required, found {sorted(shapes)}"
    (shape,) = shapes
    for value in node.inputs:
        if value is not None and value.data is not None and value.size != 1:
            kept = shape[-1:] == node.output.dims[-1:] and value.dims[-1] == value.size == shape[-1]
            if not kept or value.rank > len(shape):
                return f"constants along a last axis that the reshape keeps are required, found shape {value.dims}"
        elif value is not None and value.data is not None and value.rank > len(shape):
            return f"constants of at most {len(shape)} axes are required, found shape {value.dims}"
    return shape


@rule("drop broadcast", *(spec.name for spec in BROADCASTING if spec is not PRELU))
def drop_broadcast(graph: Graph, node: Node) -> str | None:
    """Operators that repeat their operands themselves need none that repeats them."""
    if node.output.rank > MAX_BROADCAST_RANK:
        return f"at most {MAX_BROADCAST_RANK} axes are required, found {node.output.rank}"
    for index, value in enumerate(node.inputs):
        producer = None if value is None else value.producer
        if producer is None or producer.kind != BROADCAST_TO.name:
            continue
        operands = [*node.inputs[:index], producer.input(0), *node.inputs[index + 1 :]]
        if np.broadcast_shapes(*(operand.dims for operand in operands if operand is not None)) == node.output.dims:
            graph.set_inputs(node, operands)
            return None
    return "an operand made by BROADCAST_TO beside one of the result's shape is required"


@rule("drop neutral operand", *NEUTRAL)
def drop_neutral_operand(graph: Graph, node: Node) -> str | None:
    """Times or by 1, plus or minus 0."""
    number, places = NEUTRAL[node.kind]
    found = [place for place in places if node.input(place).data is not None and np.all(node.input(place).data == number)]
    if len(found) != 1 or _fused(node) != NONE:
        return f"a constant operand of {number} alone and no activation are required"
    x = node.input(1 - found[0])
    if x.dims != node.output.dims or x.grid != node.output.grid or x.is_constant or not graph.can_redirect(node.output, x):
        return "another operand of the result's shape and grid, which can take its name, is required"
    graph.redirect(node.output, x)
    graph.remove(node)
    return None


@rule("drop reshape", RESHAPE.name)
def drop_reshape(graph: Graph, node: Node) -> str | None:
    if node.input(0).dims != node.output.dims or node.input(0).grid != node.output.grid:
        return "a result of the operand's shape and grid is required"
    if not graph.can_redirect(node.output, node.input(0)):
        return "a graph output needs an operator of its own"
    graph.redirect(node.output, node.input(0))
    graph.remove(node)
    return None


@rule("merge pads", PAD.name)
def merge_pads(graph: Graph, node: Node) -> str | None:
    producer = sole_producer(graph, node.input(0))
    rows = node.input(1).data
    if producer is None or producer.kind != PAD.name or rows is None or producer.input(1).data is None:
        return "an operand made by a PAD that nothing else reads is required"
    total = rows + producer.input(1).data
    graph.set_inputs(node, [producer.input(0), graph.constant(total.astype(np.int32), node.input(1).name)])
    return None


@rule("pad maxima with zeros", PADV2.name)
def pad_maxima_with_zeros(graph: Graph, node: Node) -> str | None:
    """Among numbers that are not negative a 0 changes no maximum; unlike the lowest number it lies on the grid of a quantized tensor."""
    x, rows, fill = node.input(0), node.input(1).data, node.input(2).data
    maker = x.producer
    if maker is None or (maker.kind not in NOT_NEGATIVE and CLAMPS_AT_ZERO.isdisjoint([_fused(maker)])) or x.dtype != np.float32:
        return "an operand that is not negative is required"
    if rows is None or fill is None or np.any(fill > 0) or rows.shape != (4, 2) or np.any(rows[[0, 3]]):
        return "constant padding of height and width with a number of at most 0 is required"
    if node.output in graph.outputs or not all(_reaches_inside(user, rows) for user in node.output.uses):
        return "MAX_POOL_2D with windows that reach behind the padding is required"
    graph.become(node, PAD, node.inputs[:2])
    return None


def _reaches_inside(node: Node, rows: Array) -> bool:
    """True for a MAX_POOL_2D none of whose windows lies in the padding alone."""
    options = node.options
    if node.kind != MAX_POOL_2D.name or options is None or options.padding != Padding.VALID:  # type: ignore[attr-defined]
        return False
    windows = (options.filter_height, options.filter_width)  # type: ignore[attr-defined]
    return all(int(rows[axis].max()) < window for axis, window in enumerate(windows, 1))


@rule("pad to SAME at any size", CONV_2D.name, DEPTHWISE_CONV_2D.name)
def pad_to_same_at_any_size(graph: Graph, node: Node) -> str | None:
    """As `pad_to_same` where the rows do not depend on how large the operand is."""
    options = node.options
    assert options is not None
    if (options.stride_h, options.stride_w) != (1, 1):  # type: ignore[attr-defined]
        return "strides of 1 are required"
    return pad_to_same.apply(graph, node)


@rule("pad to SAME", CONV_2D.name, DEPTHWISE_CONV_2D.name)
def pad_to_same(graph: Graph, node: Node) -> str | None:
    """A PAD whose rows are those of SAME padding becomes the padding mode."""
    producer, options = node.input(0).producer, node.options
    if producer is None or producer.kind != PAD.name or producer.input(1).data is None:
        return "an operand made by PAD is required"
    assert options is not None
    if options.padding != Padding.VALID:  # type: ignore[attr-defined]
        return "padding VALID is required"
    rows, x, weight, y = producer.input(1).data, producer.input(0), node.input(1), node.output
    assert rows is not None
    steps = ((options.stride_h, options.dilation_h_factor), (options.stride_w, options.dilation_w_factor))  # type: ignore[attr-defined]
    for axis, (stride, dilation) in enumerate(steps, 1):
        same = same_padding(x.dims[axis], -(-x.dims[axis] // stride), weight.dims[axis], stride, dilation)
        if y.dims[axis] != -(-x.dims[axis] // stride) or tuple(rows[axis].tolist()) != same:
            return f"the padding {same} of SAME is required along axis {axis}, found {rows[axis].tolist()}"
    if np.any(rows[[0, 3]]):
        return "padding of height and width alone is required"
    node.options = options.copy(padding=Padding.SAME)
    graph.set_input(node, 0, x)
    return None
