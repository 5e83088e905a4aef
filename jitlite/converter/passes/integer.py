"""Rules that let operators between DEQUANTIZE and QUANTIZE work on the whole numbers themselves, with the graph's own grids.

What moves elements takes DEQUANTIZE behind it or QUANTIZE in front of it; what computes becomes its 8-bit (or 16-bit) form. Numbers of
uint8 are held as int8, 128 less, which the kernels with one scale a channel need; such changes of type alone are exact, and those left over
between operators are dropped again. Operators without such a form stay between DEQUANTIZE and QUANTIZE.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from jitlite.converter.builder import Builder
from jitlite.converter.graph import Graph, Node, Value
from jitlite.converter.grids import Grid
from jitlite.converter.passes.channels import (
    average_at_16_bits,
    average_by_weights,
    factor_into_grid,
    round_constants,
    scale_channels_by_weights,
)
from jitlite.converter.passes.neighbours import WIDEST_STEP, result_grid, whole_numbers
from jitlite.converter.passes.tables import read_a_function_from_a_table, read_functions_from_a_table
from jitlite.converter.rewrite import rule
from jitlite.schemas.errors import InvalidModelError, UnsupportedError
from jitlite.schemas.ops.activation import GELU, RELU, RELU6, RELU_0_TO_1, RELU_N1_TO_1
from jitlite.schemas.ops.conversion import DEQUANTIZE, QUANTIZE
from jitlite.schemas.ops.elementwise import ADD, EXP, LOG, MAXIMUM, MINIMUM, RSQRT, SQRT, SQUARED_DIFFERENCE
from jitlite.schemas.ops.pool import AVERAGE_POOL_2D
from jitlite.schemas.ops.reduce import ARG_MAX, ARG_MIN
from jitlite.schemas.ops.resize import RESIZE_BILINEAR
from jitlite.schemas.ops.spec import NeedsValue, OpSpec, QuantKind, load_specs
from jitlite.schemas.tables import BuiltinOperator, TensorType

AVERAGING = frozenset({AVERAGE_POOL_2D.name, RESIZE_BILINEAR.name})
"""Operators whose results keep the grid of their operand but are rounded to it."""
MOVING = tuple(spec.name for spec in load_specs().values() if spec.quant.kind is QuantKind.SAME and len(spec.outputs) == 1)
COMPUTING = tuple(
    spec.name
    for spec in load_specs().values()
    if spec.quant.kind in (QuantKind.FREE, QuantKind.FIXED) and spec.code is not BuiltinOperator.QUANTIZE
)
BOUNDS = {RELU.name: (0.0, np.inf), RELU6.name: (0.0, 6.0), RELU_N1_TO_1.name: (-1.0, 1.0), RELU_0_TO_1.name: (0.0, 1.0)}
NEAR_ONE = 1.0 - 2.0**-10
INTEGER = "integer"
"""What the name of a new result ends in until it takes that of the value it stands for."""
WITHOUT_INTEGERS = tuple(
    spec.name for spec in load_specs().values() if spec.quant.kind is QuantKind.FLOAT and spec.name not in ("QUANTIZE", "DEQUANTIZE")
)
COARSE_AT_16_BITS = frozenset({EXP.name, LOG.name, GELU.name})
"""Operators whose kernels for int16 read between entries of a table, and may be hundreds of steps off."""
TYPES = {"int8": TensorType.INT8, "uint8": TensorType.UINT8, "int16": TensorType.INT16}


def _is(node: Node | None, spec: OpSpec) -> bool:
    return node is not None and node.op is spec


def _reals(node: Node) -> list[int]:
    """The places of the operands that carry real numbers, weights and biases aside."""
    assert isinstance(node.op, OpSpec)
    quant = node.op.quant
    places = range(len(node.inputs)) if quant.activations is None else quant.activations
    return [place for place in places if node.optional(place) is not None and place not in (quant.weight, quant.bias)]


def _quantized(builder: Builder, value: Value, grid: Grid) -> Value:
    """The whole numbers nearest to a value of real numbers."""
    if value.data is not None:
        return builder.graph.constant(grid.quantized(value.data), value.name, grid)
    return builder.op(QUANTIZE, value, grid=grid)


def _replace(graph: Graph, node: Node, operands: Sequence[Value | None], grid: Grid) -> tuple[Value, ...] | str:
    """Adds the node's operator over whole numbers, with results on the grid; or the reason its specification gives against it."""
    assert isinstance(node.op, OpSpec)
    builder = Builder(graph, node.outputs[0].name)
    try:
        made = builder.ops(node.op, *operands, options=node.options, suffix=INTEGER, grids=[grid] * len(node.outputs))
    except (InvalidModelError, UnsupportedError, NeedsValue) as error:
        return f"operands its integer form takes are required: {error}"
    if any(value.dtype != np.dtype(grid.dtype) for value in made):
        graph.remove_dead()
        return f"an integer form with results of {grid.dtype} is required"
    return made


def _settle(graph: Graph, node: Node, made: Sequence[Value]) -> None:
    """Puts whole numbers in the place of the quantized results of a node."""
    for old, new in zip(node.outputs, made, strict=True):
        for user in old.users:
            if user.output in graph.outputs:
                graph.redirect(user.output, new)
            else:
                graph.replace_uses(user.output, new)
                graph.take_name(user.output, new)
            graph.remove(user)
    graph.remove(node)


def _can_settle(graph: Graph, node: Node) -> bool:
    return all(sum(user.output in graph.outputs for user in value.uses) <= 1 for value in node.outputs)


@rule("hold bytes signed", QUANTIZE.name)
def hold_signed(graph: Graph, node: Node) -> str | None:
    grid = node.output.grid
    if node.input(0).dtype != np.float32 or grid is None or grid.dtype != "uint8" or not grid.is_per_tensor:
        return "real numbers quantized to uint8 are required"
    made = Builder(graph, node.output.name).op(QUANTIZE, node.input(0), suffix="int8", grid=grid.signed())
    graph.set_input(node, 0, made)
    return None


@rule("quantized twice", QUANTIZE.name)
def quantized_twice(graph: Graph, node: Node) -> str | None:
    """QUANTIZE of what DEQUANTIZE made takes the whole numbers, and none is needed where the grid is the same."""
    y, x = node.output, whole_numbers(node.input(0))
    inner = node.input(0).producer
    if x is None and node.input(0).grid is not None and inner is not None and _is_retyped(inner):
        x = inner.input(0)
    if x is None or y.grid is None or not y.grid.is_per_tensor:
        return "an operand on one grid is required"
    if x.grid == y.grid and graph.can_redirect(y, x):
        unnamed = x.name.endswith(f";{INTEGER}") and y not in graph.outputs
        graph.redirect(y, x)
        graph.remove(node)
        if unnamed and inner is not None and inner.op is QUANTIZE:
            graph.rename(x, node.input(0).name.removesuffix(";int8"))
        elif unnamed:
            graph.take_name(y, x)
        return None
    if x.dtype == np.int16 and y.dtype == np.uint8:
        return "types one QUANTIZE goes between are required"
    graph.set_input(node, 0, x)
    return None


def _is_retyped(node: Node) -> bool:
    """True for QUANTIZE between int8 and uint8 that keeps every real number."""
    if node.op is not QUANTIZE:
        return False
    before, after = node.input(0).grid, node.output.grid
    return before is not None and after is not None and before != after and before.signed() == after.signed()


@rule("drop change of type", DEQUANTIZE.name)
def drop_change_of_type(graph: Graph, node: Node) -> str | None:
    inner = node.input(0).producer
    if inner is None or not _is_retyped(inner):
        return "an operand whose type QUANTIZE changed is required"
    graph.set_input(node, 0, inner.input(0))
    return None


@rule("quantize in one step", QUANTIZE.name)
def quantize_in_one_step(graph: Graph, node: Node) -> str | None:
    """QUANTIZE to one type of bytes and then to the other quantizes to the other at once, where nothing reads the first."""
    inner = node.input(0).producer
    if inner is None or inner.op is not QUANTIZE or not _is_retyped(node) or inner.input(0).dtype != np.float32:
        return "an operand that QUANTIZE made of real numbers is required"
    if len(node.input(0).uses) != 1 or node.input(0) in graph.outputs:
        return "an operand nothing else reads is required"
    graph.set_input(node, 0, inner.input(0))
    return None


@rule("drop bounds of the grid", QUANTIZE.name)
def drop_bounds_of_the_grid(graph: Graph, node: Node) -> str | None:
    """Numbers beyond the ends of a grid are quantized to its ends anyway."""
    x, grid = node.input(0), node.output.grid
    if x.dtype != np.float32 or grid is None or not grid.is_per_tensor:
        return "real numbers quantized to one grid are required"
    while x.producer is not None and _bounds_nothing(x.producer, grid):
        x = x.producer.input(0)
    if x is node.input(0):
        return "an operand bounded at the ends of the grid or beyond is required"
    graph.set_input(node, 0, x)
    return None


def _bounds_nothing(node: Node, grid: Grid) -> bool:
    low, high = BOUNDS.get(node.kind, (-np.inf, np.inf))
    bounds = [np.array([low]), np.array([high])]
    if node.op in (MAXIMUM, MINIMUM):
        given = node.input(1).data
        if given is None:
            return False
        bounds[node.op is MINIMUM] = given
    elif node.kind not in BOUNDS:
        return False
    is_kept = node.input(0).data is None and node.input(0).dims == node.output.dims
    return is_kept and all(bool(np.all(grid.quantized(bound) == end)) for bound, end in zip(bounds, grid.bounds, strict=True))


@rule("quantize before moving", *MOVING)
def quantize_before_moving(graph: Graph, node: Node) -> str | None:
    grid = result_grid(graph, node)
    if isinstance(grid, str) or not _can_settle(graph, node):
        return grid if isinstance(grid, str) else "results that are one graph output each are required"
    if node.kind in AVERAGING:
        return "an operator that rounds nothing is required"
    builder, places = Builder(graph, node.outputs[0].name), _reals(node)
    if any(node.input(place).dtype != np.float32 for place in places):
        return "operands of float32 are required"
    operands = [_quantized(builder, value, grid) if place in places and value else value for place, value in enumerate(node.inputs)]
    made = _replace(graph, node, operands, grid)
    if isinstance(made, str):
        graph.remove_dead()
        return made
    _settle(graph, node, made)
    return None


def _found_among(node: Node, numbers: Mapping[int, Value | None]) -> str:
    missing = [place for place, value in numbers.items() if value is None]
    return _found(node.input(missing[0])) if missing else f"found {len(numbers)} operands on several"


@rule("move whole numbers", *MOVING)
def move_whole_numbers(graph: Graph, node: Node) -> str | None:
    """Moving elements and then making real numbers of them is the same the other way round."""
    places = _reals(node)
    found = {place: whole_numbers(node.input(place)) for place in places if node.input(place).data is None}
    grids = {None if value is None else value.grid for value in found.values()}
    grid = grids.pop() if len(grids) == 1 else None
    if grid is None:
        return f"operands on one grid are required, {_found_among(node, found)}"
    if node.kind in AVERAGING:
        wanted = result_grid(graph, node)
        if isinstance(wanted, str) or grid.scales[0] >= WIDEST_STEP * wanted.scales[0]:
            return wanted if isinstance(wanted, str) else f"results with steps above the operand's divided by {WIDEST_STEP:g} are required"
    constants = [node.input(place) for place in places if place not in found]
    if not all(value.data is not None and grid.contains(value.data) for value in constants):
        return "constants on the operands' grid are required"
    builder = Builder(graph, node.outputs[0].name)
    operands = [
        found.get(place) or (_quantized(builder, value, grid) if place in places and value else value)
        for place, value in enumerate(node.inputs)
    ]
    made = _replace(graph, node, operands, grid)
    if isinstance(made, str):
        return made
    for old, new in zip(node.outputs, made, strict=True):
        real = builder.op(DEQUANTIZE, new)
        graph.absorb(old, real)
    graph.remove(node)
    return None


@rule("compute on whole numbers", *COMPUTING)
def compute_on_whole_numbers(graph: Graph, node: Node) -> str | None:
    grid = result_grid(graph, node)
    if isinstance(grid, str):
        return grid
    if not _can_settle(graph, node) or len(node.outputs) != 1:
        return "one result, which is one graph output at most, is required"
    if grid.dtype not in ("int8", "int16"):
        return f"a result of int8 or int16 is required, found {grid.dtype}"
    if grid.dtype == "int16" and node.kind in COARSE_AT_16_BITS:
        return f"an operator exact to a step of int16 is required, found {node.kind}"
    assert isinstance(node.op, OpSpec)
    builder = Builder(graph, node.output.name)
    operands, bytes_type = _operands(builder, node, grid)
    if isinstance(operands, str):
        graph.remove_dead()
        return operands
    if node.op in (SQRT, RSQRT) and _has_negative(operands[0]):
        graph.remove_dead()
        return "an operand on a grid without numbers below zero is required, at which LiteRT stops"
    result: Grid | None = grid.unsigned() if bytes_type == "uint8" else grid
    if node.op.quant.kind is QuantKind.FIXED:
        result = _fixed(node.op, grid.dtype)
        if result is not None and result.scales[0] >= WIDEST_STEP * grid.scales[0]:
            wide = _fixed(node.op, "int16")
            result = wide if wide is not None and wide.scales[0] < WIDEST_STEP * grid.scales[0] else None
            operands = [_widened(builder, value) for value in operands]
    if result is None or _is_too_fine(node.op, operands, result):
        graph.remove_dead()
        return f"an integer form with steps below {WIDEST_STEP:g} times {grid.scales[0]} is required"
    made = _replace(graph, node, operands, result)
    if isinstance(made, str):
        graph.remove_dead()
        return made
    _settle(graph, node, [made[0] if result == grid else builder.op(QUANTIZE, made[0], grid=grid)])
    return None


def _has_negative(value: Value | None) -> bool:
    return value is not None and value.grid is not None and value.grid.zero_points[0] > value.grid.bounds[0]


def _is_too_fine(spec: OpSpec, operands: Sequence[Value | None], result: Grid) -> bool:
    """True for steps of the result so small beside those of the operands that LiteRT's kernels abort the process."""
    largest = max(value.grid.scales[0] for value in operands[:2] if value is not None and value.grid is not None)
    if spec is ADD:
        return largest >= NEAR_ONE * 2**19 * result.scales[0]
    return spec is SQUARED_DIFFERENCE and (2 * largest) ** 2 >= NEAR_ONE * 2**14 * result.scales[0]


def _fixed(spec: OpSpec, dtype: str) -> Grid | None:
    """The grid an operator's results of this type always have."""
    found = spec.quant.output.get(TYPES[dtype])
    return None if found is None else Grid(dtype, (float(np.float32(found[0])),), (found[1],))


def _widened(builder: Builder, value: Value | None) -> Value | None:
    """The same real numbers as int16."""
    if value is None or value.grid is None or value.dtype == np.int16:
        return value
    return builder.op(QUANTIZE, value, grid=Grid("int16", value.grid.scales, (0,)))


def _operands(builder: Builder, node: Node, grid: Grid) -> tuple[list[Value | None] | str, str]:
    """The operands as whole numbers and their type; a reason in place of them where some cannot be."""
    assert isinstance(node.op, OpSpec)
    quant, operands, kind = node.op.quant, list(node.inputs), grid.dtype
    weight = node.optional(quant.weight) if quant.weight is not None else None
    stored = None
    if weight is not None and weight.data is not None:
        if weight.grid is None or not weight.grid.scales:
            return "weights on a known grid are required", kind
        stored = weight.grid.signed()
        if not stored.is_symmetric:
            if not stored.is_per_tensor or grid.dtype != "int8":
                return "weights with zero point 0 are required, found another and several scales", kind
            kind, stored = "uint8", stored.unsigned()
        if stored.dtype not in ("int8", "uint8"):
            return f"weights of 8 bits are required, found {stored.dtype}", kind
        if not stored.is_per_tensor and stored.axis != quant.axis:
            return f"scales along axis {quant.axis} of the weights are required, found axis {stored.axis}", kind
        if not stored.contains(weight.data):
            return "weights on a known grid are required, found numbers beyond its ends", kind
        operands[quant.weight or 0] = builder.graph.constant(stored.quantized(weight.data), weight.name, stored)
    places = [*_reals(node), *([quant.weight] if weight is not None and weight.data is None and quant.weight is not None else [])]
    for place in places:
        found = _activation(builder, node.input(place), grid.dtype)
        if found is None:
            return f"operand {place} '{node.input(place).name}' on one grid of {grid.dtype} is required, {_found(node.input(place))}", kind
        operands[place] = _quantized_as(builder, found, kind)
    bias = node.optional(quant.bias) if quant.bias is not None else None
    if bias is not None and quant.bias is not None:
        x = operands[_reals(node)[0]]
        if bias.data is None or stored is None or x is None or x.grid is None:
            return "a constant bias and constant weights are required", kind
        operands[quant.bias] = _bias(builder, bias, x.grid.scales[0], stored, "int64" if kind == "int16" else "int32")
        if operands[quant.bias] is None:
            return "a bias that fits int32 is required", kind
    return operands, kind


def _found(value: Value) -> str:
    """What a real operand is that cannot be taken as whole numbers."""
    if value.data is not None:
        return "found constants that lie on none"
    if value.producer is None or value.producer.op is not DEQUANTIZE:
        return "found real numbers of " + ("the graph's input" if value.producer is None else value.producer.kind)
    grid = value.producer.input(0).grid
    return "found no grid" if grid is None else f"found {len(grid.scales)} scales of {grid.dtype}"


def _activation(builder: Builder, value: Value, dtype: str) -> Value | None:
    """The whole numbers a real operand stands for; a constant must lie on a grid exactly."""
    if value.dtype != np.float32:
        return None
    if value.data is None:
        found = whole_numbers(value)
        return found if found is not None and found.grid is not None and found.grid.signed().dtype == dtype else None
    grid = None if value.grid is None else value.grid.signed()
    if grid is None or not grid.is_per_tensor or grid.dtype != dtype:
        size = float(np.abs(value.data).max(initial=0.0))
        if not np.all((np.abs(value.data) == size) | (value.data == 0)) or not np.isfinite(size):
            return None
        grid = Grid(dtype, (size / 127 if size else 1.0,), (0,))
    return builder.graph.constant(grid.quantized(value.data), value.name, grid)


def _quantized_as(builder: Builder, value: Value, kind: str) -> Value:
    """The same real numbers held as another type of bytes."""
    assert value.grid is not None
    if value.grid.dtype == kind:
        return value
    wanted = value.grid.unsigned() if kind == "uint8" else value.grid.signed()
    if value.data is not None:
        shift = wanted.zero_points[0] - value.grid.zero_points[0]
        return builder.graph.constant((value.data.astype(np.int64) + shift).astype(wanted.dtype), value.name, wanted)
    return builder.op(QUANTIZE, value, grid=wanted)


def _bias(builder: Builder, bias: Value, scale: float, weight: Grid, dtype: str) -> Value | None:
    """The bias in steps of the product of the operands' scales."""
    assert bias.data is not None
    count = max(len(weight.scales), 1)
    steps = np.array(weight.scales, np.float64) * scale
    numbers = np.round(bias.data.reshape(-1).astype(np.float64) / steps)
    if not np.all(np.abs(numbers) < 2.0**31):
        return None
    grid = Grid(dtype, tuple(steps.astype(np.float32).tolist()), (0,) * count)
    return builder.graph.constant(numbers.astype(dtype), bias.name, grid)


@rule("place among whole numbers", ARG_MAX.name, ARG_MIN.name)
def place_among_whole_numbers(graph: Graph, node: Node) -> str | None:
    numbers = whole_numbers(node.input(0))
    if numbers is None or numbers.dtype not in (np.int8, np.uint8):
        return "an operand that DEQUANTIZE made of bytes is required"
    graph.set_input(node, 0, numbers)
    return None


@rule("find an integer form", *WITHOUT_INTEGERS)
def find_an_integer_form(graph: Graph, node: Node) -> str | None:
    """Says of operators that no other rule looks at why they stay."""
    if not any(value is not None and value.dtype == np.float32 for value in (*node.inputs, *node.outputs)):
        return "real numbers are required"
    return f"an operator with a form for whole numbers on grids is required, found {node.kind}"


INTEGER_RULES = (
    hold_signed,
    quantized_twice,
    drop_change_of_type,
    drop_bounds_of_the_grid,
    read_functions_from_a_table,
    quantize_before_moving,
    move_whole_numbers,
    average_by_weights,
    average_at_16_bits,
    factor_into_grid,
    compute_on_whole_numbers,
    scale_channels_by_weights,
    round_constants,
    place_among_whole_numbers,
    read_a_function_from_a_table,
    find_an_integer_form,
)
CLOSING_RULES = (drop_change_of_type, quantize_in_one_step)
