"""Functions of one number of 8 bits, read from a table of their 256 results.

This serves what has no integer form, or none exact enough: CAST of the number to an index, GATHER from the table. The results are those
of the real functions, quantized once.
"""

import math
from collections.abc import Callable

import numpy as np

from jitlite.converter.builder import Builder
from jitlite.converter.graph import Array, Graph, Node, Value
from jitlite.converter.grids import Grid
from jitlite.converter.rewrite import rule
from jitlite.schemas.ops import activation, comparison, elementwise
from jitlite.schemas.ops.complex import ATAN2
from jitlite.schemas.ops.conversion import CAST, DEQUANTIZE, QUANTIZE
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.ops.spec import OpSpec, QuantKind
from jitlite.schemas.tables import ActivationFunctionType, CastOptions, GatherOptions, TensorType

MAX_OPERATORS = 64
Function = Callable[..., Array]

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _gelu(node: Node, x: Array) -> Array:
    is_approximate = getattr(node.options, "approximate", False)
    inner = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)) if is_approximate else _erf(x / math.sqrt(2))
    return np.asarray(x / 2 * (1 + inner))


def _leaky(node: Node, x: Array) -> Array:
    return np.where(x > 0, x, x * np.float32(getattr(node.options, "alpha", 0.0)))


def _bounded(low: float, high: float) -> Function:
    return lambda node, x: np.clip(x, low, high)


def _plain(function: Callable[..., Array]) -> Function:
    return lambda node, *operands: function(*operands)


FUNCTIONS: dict[OpSpec, Function] = {
    activation.RELU: _bounded(0, np.inf),
    activation.RELU6: _bounded(0, 6),
    activation.RELU_N1_TO_1: _bounded(-1, 1),
    activation.RELU_0_TO_1: _bounded(0, 1),
    activation.LEAKY_RELU: _leaky,
    activation.PRELU: _plain(lambda x, slope: np.asarray(np.where(x >= 0, x, x * slope))),
    activation.ELU: _plain(lambda x: np.maximum(x, 0) + np.expm1(np.minimum(x, 0))),
    activation.LOGISTIC: _plain(lambda x: 1 / (1 + np.exp(-x))),
    activation.TANH: _plain(np.tanh),
    activation.HARD_SWISH: _plain(lambda x: x * np.clip(x + 3, 0, 6) / 6),
    activation.GELU: _gelu,
    elementwise.ABS: _plain(np.abs),
    elementwise.NEG: _plain(np.negative),
    elementwise.EXP: _plain(np.exp),
    elementwise.LOG: _plain(np.log),
    elementwise.SQRT: _plain(np.sqrt),
    elementwise.RSQRT: _plain(lambda x: 1 / np.sqrt(x)),
    elementwise.SQUARE: _plain(np.square),
    elementwise.SIN: _plain(np.sin),
    elementwise.COS: _plain(np.cos),
    elementwise.FLOOR: _plain(np.floor),
    elementwise.CEIL: _plain(np.ceil),
    elementwise.ROUND: _plain(np.round),
    elementwise.SIGN: _plain(np.sign),
    elementwise.ADD: _plain(np.add),
    elementwise.SUB: _plain(np.subtract),
    elementwise.MUL: _plain(np.multiply),
    elementwise.DIV: _plain(np.divide),
    ATAN2: _plain(np.arctan2),
    elementwise.POW: _plain(np.power),
    elementwise.MINIMUM: _plain(np.minimum),
    elementwise.MAXIMUM: _plain(np.maximum),
    elementwise.SQUARED_DIFFERENCE: _plain(lambda x, y: np.square(x - y)),
    comparison.LESS: _plain(np.less),
    comparison.LESS_EQUAL: _plain(np.less_equal),
    comparison.GREATER: _plain(np.greater),
    comparison.GREATER_EQUAL: _plain(np.greater_equal),
    comparison.EQUAL: _plain(np.equal),
    comparison.NOT_EQUAL: _plain(np.not_equal),
    comparison.LOGICAL_AND: _plain(np.logical_and),
    comparison.LOGICAL_OR: _plain(np.logical_or),
    comparison.LOGICAL_NOT: _plain(np.logical_not),
    comparison.SELECT_V2: _plain(np.where),
    CAST: lambda node, x: x.astype(node.output.dtype),
}
"""What an operator computes of the elements of its operands, which are float32 or truth values."""
CLAMPS: dict[ActivationFunctionType, tuple[float, float]] = {
    ActivationFunctionType.NONE: (-np.inf, np.inf),
    ActivationFunctionType.RELU: (0, np.inf),
    ActivationFunctionType.RELU6: (0, 6),
    ActivationFunctionType.RELU_N1_TO_1: (-1, 1),
}


def _computed(node: Node, operands: list[Array]) -> Array:
    assert isinstance(node.op, OpSpec)
    found = np.asarray(FUNCTIONS[node.op](node, *operands))
    low, high = CLAMPS[getattr(node.options, "fused_activation_function", ActivationFunctionType.NONE)]
    return found if found.dtype == np.bool_ else np.clip(found, low, high).astype(np.float32)


def _operators(graph: Graph, y: Value) -> tuple[Value, list[Node]] | str:
    """The numbers that a value is a function of, element by element, and the operators in between, in order; or why there are none."""
    source: Value | None = None
    found: set[Node] = set()
    waiting = [y]
    while waiting:
        value = waiting.pop()
        node = value.producer
        if value.dtype not in (np.float32, np.bool_):
            return f"real numbers and truth values are required, found {value.dtype}"
        if value.data is not None:
            if not value.size or np.any(value.data != value.data.flat[0]):
                return "constants that are the same number everywhere are required"
        elif node is None or value.dims != y.dims or len(found) > MAX_OPERATORS:
            return "a function of single elements is required"
        elif node.op is DEQUANTIZE:
            if source is not None and source is not node.input(0):
                return "one operand alone is required"
            source = node.input(0)
        elif not isinstance(node.op, OpSpec) or node.op not in FUNCTIONS:
            return f"a function of single elements is required, found {node.kind}"
        elif node not in found:
            found.add(node)
            waiting.extend(operand for operand in node.inputs if operand is not None)
    if source is None or source.grid is None or not source.grid.is_per_tensor or source.grid.dtype not in ("int8", "uint8"):
        return "an operand on one grid of 8 bits is required"
    return source, [node for node in graph.nodes if node in found] if found else []


def _results(source: Grid, operators: list[Node], wanted: Grid) -> Array:
    """What each of the 256 numbers, from 0 or -128 on, becomes. What is no number counts as the least, as in ONNX Runtime."""
    low, high = source.bounds
    reals = ((np.arange(low, high + 1) - source.zero_points[0]) * np.float64(source.scales[0])).astype(np.float32)
    known: dict[Value, Array] = {}
    with np.errstate(all="ignore"):
        for node in operators:
            operands = [reals if _is_source(value) else _known(value, known) for value in map(node.input, range(len(node.inputs)))]
            known[node.output] = _computed(node, operands)
        found = np.broadcast_to(known[operators[-1].output], reals.shape)
    return wanted.quantized(np.where(np.isnan(found), -np.inf, found))


def _is_source(value: Value) -> bool:
    return value.producer is not None and value.producer.op is DEQUANTIZE


def _known(value: Value, known: dict[Value, Array]) -> Array:
    return value.data.reshape(-1)[0] if value.data is not None else known[value]


def _is_simple(operators: list[Node]) -> bool:
    """True for what other rules have integer operators for: one function, or nothing but bounds."""
    return len(operators) == 1 or all(isinstance(node.op, OpSpec) and node.op.quant.kind is QuantKind.SAME for node in operators)


def _looked_up(graph: Graph, node: Node, *, single: bool) -> str | None:
    grid = node.output.grid
    if node.input(0).dtype != np.float32 or grid is None or not grid.is_per_tensor or grid.dtype not in ("int8", "uint8"):
        return "real numbers quantized to one grid of 8 bits are required"
    found = _operators(graph, node.input(0))
    if isinstance(found, str):
        return found
    source, operators = found
    if not operators or (_is_simple(operators) and not single):
        return "several functions are required"
    assert source.grid is not None
    builder, unsigned = Builder(graph, node.output.name), source.grid.unsigned()
    table = builder.constant(_results(unsigned, operators, grid), grid=grid)
    bytes_ = source if source.grid == unsigned else builder.op(QUANTIZE, source, grid=unsigned)
    options = CastOptions(in_data_type=TensorType.UINT8, out_data_type=TensorType.INT32)
    graph.absorb(
        node.output, builder.op(GATHER, table, builder.op(CAST, bytes_, options=options), options=GatherOptions(axis=0), grid=grid)
    )
    graph.remove(node)
    return None


@rule("read functions from a table", QUANTIZE.name)
def read_functions_from_a_table(graph: Graph, node: Node) -> str | None:
    return _looked_up(graph, node, single=False)


@rule("read a function from a table", QUANTIZE.name)
def read_a_function_from_a_table(graph: Graph, node: Node) -> str | None:
    """Where its integer form was refused."""
    return _looked_up(graph, node, single=True)
