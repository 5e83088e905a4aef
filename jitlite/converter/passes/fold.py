"""Types, shapes and constant folding of an ONNX graph in one walk from the inputs to the outputs.

Because every input shape is a number here, chains such as Shape, Gather, Concat, Reshape become constants on the way, and each result's
shape is known before its users are looked at. Subgraphs are written out or closed on the way (see `unroll`, `enclose`).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Array, Graph, Node, OnnxOp, Value, constants
from jitlite.converter.importer import ONNX_ERRORS, element_dtype
from jitlite.converter.passes.enclose import enclose
from jitlite.converter.passes.grids import grid_behind
from jitlite.converter.passes.quantized import expand_quantized
from jitlite.converter.passes.sequences import Sequences, concerns_sequences, resolve
from jitlite.converter.passes.shapes import FOREIGN, correct_shapes
from jitlite.converter.passes.sizes import UnknownSizes
from jitlite.converter.passes.subgraphs import IMPURE, SUBGRAPH_OPS, Scopes
from jitlite.converter.passes.turns import fix_turns
from jitlite.converter.passes.unroll import FEW_NODES, unrolled
from jitlite.converter.problems import Illegal, Problems, Unlowerable
from jitlite.schemas.ops.operands import INT32_MAX

FORBIDDEN = "shape inference says"
MAX_INFERENCE_ELEMENTS = 4096
"""Constants up to this size are shown to shape inference, which reads shapes, axes and sizes from them."""
RECURRENT = frozenset({"RNN", "GRU", "LSTM"})
"""Operators whose evaluator leaves out attributes (clip)."""
FLATTENING = frozenset({"Softmax", "LogSoftmax", "Hardmax"})
NOT_FLATTENING_SINCE = 13
"""Operators that joined axes up to this version, which the evaluator does not."""
MAX_UNSIZED_ELEMENTS = 1 << 20
FOLDED_CONSTANTS = 16
"""How many constants of the largest size that one may have are folded altogether; more where the model stores more."""
MAX_EVALUATED_WORK = 1 << 27
"""Elements read and written, or multiply-adds, of an operator that is evaluated."""
MAX_SLOW_ELEMENTS = 1 << 12
SLOW = frozenset(
    {
        *("Conv", "ConvInteger", "ConvTranspose", "QLinearConv", "DeformConv", "MaxPool", "AveragePool", "LpPool", "MaxUnpool", "Col2Im"),
        *("Resize", "Upsample", "GridSample", "RoiAlign", "MaxRoiPool", "AffineGrid", "NonMaxSuppression", "DFT", "STFT", "CenterCropPad"),
        *(
            "Attention",
            "LinearAttention",
            "RotaryEmbedding",
            "Einsum",
            "ScatterND",
            "ScatterElements",
            "GatherND",
            "TfIdfVectorizer",
            "Unique",
        ),
        *("TopK", "LRN", "Det", "Hardmax", "StringNormalizer", "StringSplit", "MelWeightMatrix", "ReverseSequence", "BlackmanWindow"),
    }
)
"""Operators that the evaluator walks through in Python, element by element; `MAX_SLOW_ELEMENTS` at most are given to it."""
MAX_DERIVED_ELEMENTS = 16
"""Constants up to this size may follow from sizes which stand for others: shapes, places, numbers."""
REPEATING = frozenset({"ConstantOfShape", "Expand", "Shape", "Identity"})
"""Operators whose results are the same all along an axis, however long, if their operands are."""
EVALUATED_SINCE = {"QuantizeLinear": 21, "DequantizeLinear": 21, "BatchNormalization": 14}
"""Opsets whose definition the evaluator has of operators that it does not know in all earlier ones, which they include."""


@dataclass(frozen=True, slots=True)
class _Source:
    """What the walk reads besides the graph."""

    scopes: Scopes
    opsets: dict[str, int]
    limit_bytes: int
    problems: Problems
    sizes: UnknownSizes
    budget: "_Budget"
    sequences: Sequences = field(default_factory=dict)
    derived: set[Value] = field(default_factory=set)
    """Constants that follow from sizes which stand for others."""

    def may_fold(self, node: Node) -> bool:
        """False for a range or a large constant that follows from a size which stands for others: the operator that makes it is kept."""
        if not self.sizes.are_tried or node.kind in REPEATING or self.derived.isdisjoint(value for value in node.inputs if value):
            return True
        is_small = all(value.shape is not None and value.size <= MAX_DERIVED_ELEMENTS for value in node.outputs)
        return is_small and node.kind != "Range"


@dataclass(slots=True)
class _Budget:
    """The bytes that folded constants may still take, and how many nodes of subgraphs have been written out."""

    left: int
    written: list[int] = field(default_factory=lambda: [0])


def fold_constants(
    graph: Graph,
    names: dict[str, Value],
    opsets: dict[str, int],
    limit_bytes: int,
    problems: Problems,
    sizes: UnknownSizes | None = None,
    budget: "_Budget | None" = None,
) -> None:
    """Gives every value its shape and dtype where they follow, and replaces computed constants of at most `limit_bytes` by their data.

    Nodes that break a rule of shape inference are added to `problems`. A result whose size only the run tells gets one from `sizes`.
    """
    unknown = UnknownSizes({}, None) if sizes is None else sizes
    if budget is None:
        stored = sum(value.data.nbytes for value in names.values() if value.data is not None)
        budget = _Budget(max(FOLDED_CONSTANTS * limit_bytes, 4 * stored))
    source = _Source(Scopes(names, opsets, written=budget.written), opsets, limit_bytes, problems, unknown, budget)
    waiting = deque(graph.nodes)
    while waiting:
        node = waiting.popleft()
        try:
            waiting.extendleft(reversed(_settled(graph, node, source)))
        except Unlowerable as reason:
            problems.add(node, str(reason), [] if reason.operand is None else [node.optional(reason.operand)])
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            problems.add(node, f"its attributes, operands and subgraphs do not fit each other: {error}")
    graph.sort()
    graph.remove_dead()


def _without_subgraphs(graph: Graph, node: Node, source: _Source) -> list[Node]:
    """Writes a node's subgraphs out where that takes few nodes or nothing else will do, else encloses them; the nodes added."""

    def finish(body: Graph, names: dict[str, Value]) -> None:
        _fold_body(body, names, source)

    attempts: tuple[Callable[[], list[Node]], ...] = (
        lambda: unrolled(graph, node, source.scopes, FEW_NODES),
        lambda: enclose(graph, node, source.scopes, finish),
        lambda: unrolled(graph, node, source.scopes),
    )
    fix_turns(graph, node, source.scopes)
    reasons = []
    for attempt in attempts:
        try:
            return attempt()
        except Unlowerable as reason:
            reasons.append(reason)
    operand = next((reason.operand for reason in reasons if reason.operand is not None), None)
    source.problems.add(node, str(reasons[1]), [] if operand is None else [node.optional(operand)])
    return []


def _fold_body(body: Graph, names: dict[str, Value], source: _Source) -> None:
    problems = Problems()
    expand_quantized(body, problems)
    sizes = UnknownSizes({}, None, source.sizes.are_tried, source.sizes.are_lengths_tried)
    fold_constants(body, names, source.opsets, source.limit_bytes, problems, sizes, source.budget)
    if problems.lines:
        is_illegal = not source.sizes.are_tried and all(f": {FORBIDDEN}: " in line for line in problems.lines)
        found = "; ".join(problems.lines)
        raise (Illegal if is_illegal else Unlowerable)(f"a subgraph that can be converted is required, found in it {found}")


def _settled(graph: Graph, node: Node, source: _Source) -> list[Node]:
    """Finds out about a node's results; the nodes that came in its place."""
    problems = source.problems
    assert isinstance(node.op, OnnxOp)
    if node.kind in FOREIGN and not problems.is_tainted(node.inputs):
        _infer_foreign(node, problems)
    elif problems.is_tainted(node.inputs) or not node.op.since:
        problems.tainted.update(node.outputs)
    elif concerns_sequences(node, source.sequences):
        return resolve(graph, node, source.scopes, source.sequences)
    elif node.kind in SUBGRAPH_OPS:
        made = _without_subgraphs(graph, node, source)
        if node in graph:
            source.sizes.settle(node, problems)
        return made
    else:
        _infer(node, source)
        if constants(node.inputs) or node.kind in ("Shape", "Size"):
            _fold(graph, node, source)
        if any(value.uses or value in graph.outputs for value in node.outputs):
            source.sizes.settle(node, problems)
    return []


def _infer_foreign(node: Node, problems: Problems) -> None:
    try:
        FOREIGN[node.kind](node)
    except ONNX_ERRORS as error:
        problems.add(node, f"{FORBIDDEN}: {' '.join(str(error).split())}")


def _infer(node: Node, source: _Source) -> None:
    assert isinstance(node.op, OnnxOp)
    inputs = {value.name: _type_proto(value) for value in node.inputs if value is not None}
    known = {
        value.name: numpy_helper.from_array(value.data)
        for value in node.inputs
        if value is not None and value.data is not None and value.data.size <= MAX_INFERENCE_ELEMENTS
    }
    if node.kind == "Range":
        # runtimes take one element of any shape, of which onnx's own functions make use
        inputs = {name: _scalar(proto) for name, proto in inputs.items()}
        known = {name: numpy_helper.from_array(np.asarray(numpy_helper.to_array(tensor).reshape(-1)[0])) for name, tensor in known.items()}
    if node.kind == "Slice" and 0 in (node.input(0).shape or ()):
        # onnx's inference aborts the process on slices of empty axes.
        source.problems.add(node, f"an operand with elements is required, found shape {node.input(0).shape}")
        return
    versions = [helper.make_opsetid(domain, version) for domain, version in (source.opsets | {node.op.domain: node.op.opset}).items()]
    try:
        schema = onnx.defs.get_schema(node.op.name, node.op.opset, node.op.domain)
        found = onnx.shape_inference.infer_node_outputs(schema, node_proto(node), inputs, known, opset_imports=versions)
    except ONNX_ERRORS as error:
        source.problems.add(node, f"{FORBIDDEN}: {' '.join(str(error).split())}")
        return
    for value in node.outputs:
        if value.name in found and found[value.name].HasField("tensor_type"):
            tensor = found[value.name].tensor_type
            if tensor.elem_type:
                value.dtype = element_dtype(tensor.elem_type, f"'{value.name}'")
            dims = tensor.shape.dim
            if tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in dims):
                value.shape = tuple(int(dim.dim_value) for dim in dims)
    try:
        correct_shapes(node)
    except ValueError as error:
        source.problems.add(node, f"{FORBIDDEN}: {error}")
        return
    for value in node.outputs:
        if value.shape is not None and not all(0 <= dim <= INT32_MAX for dim in value.shape):
            source.problems.add(node, f"dimensions from 0 to {INT32_MAX} are required, found {value.shape}")


def _type_proto(value: Value) -> onnx.TypeProto:
    if value.dtype is None:
        return onnx.TypeProto()
    return helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)


def _scalar(proto: onnx.TypeProto) -> onnx.TypeProto:
    """The type of one element of a tensor with one; others as they are."""
    dims = proto.tensor_type.shape.dim
    one = proto.HasField("tensor_type") and all(dim.dim_value == 1 for dim in dims)
    return helper.make_tensor_type_proto(proto.tensor_type.elem_type, ()) if one else proto


def node_proto(node: Node) -> onnx.NodeProto:
    """The node as ONNX's own tools take it."""
    assert isinstance(node.op, OnnxOp)
    inputs = ["" if value is None else value.name for value in node.inputs]
    proto = helper.make_node(node.op.name, inputs, [value.name for value in node.outputs], name=node.name, domain=node.op.domain)
    proto.attribute.extend(node.attributes.values())
    return proto


def _fold(graph: Graph, node: Node, source: _Source) -> None:
    assert isinstance(node.op, OnnxOp)
    if node.op.domain or node.kind in IMPURE | RECURRENT or not source.may_fold(node):
        return
    if node.kind in FLATTENING and node.op.since < NOT_FLATTENING_SINCE:
        return
    if not _fits(node, min(source.limit_bytes, source.budget.left)) or not _is_quick(node):
        return
    version = max(node.op.opset, EVALUATED_SINCE.get(node.kind, 0))
    results = _evaluate(node, source.opsets | {node.op.domain: version})
    if results is None:
        return
    for value, result in zip(node.outputs, results, strict=False):
        if value.dtype is not None and value.dtype != result.dtype:
            source.problems.add(node, f"an output of type {value.dtype} is required, evaluation gave {result.dtype}")
            return
        if value.shape is not None and value.shape != result.shape:
            return
    source.budget.left -= sum(result.nbytes for result in results)
    for value, result in zip(node.outputs, results, strict=False):
        folded = graph.constant(result, f"{value.name};folded", grid_behind(node))
        source.scopes.replace(value, folded)
        if node.kind in ("Shape", "Size") or not source.derived.isdisjoint(operand for operand in node.inputs if operand):
            source.derived.add(folded)
        graph.replace_uses(value, folded)
        if value in graph.outputs:
            graph.outputs = [folded if output is value else output for output in graph.outputs]
            graph.take_name(value, folded)


def _fits(node: Node, limit_bytes: int) -> bool:
    """True when every result is known to stay within the limit (NonZero: when its operand is small)."""
    if node.kind == "NonZero":
        return node.input(0).size <= MAX_UNSIZED_ELEMENTS
    sized = all(value.shape is not None and value.dtype is not None for value in node.outputs)
    return sized and all(prod(value.dims) * np.dtype(value.dtype).itemsize <= limit_bytes for value in node.outputs)


def _is_quick(node: Node) -> bool:
    """True when evaluating the node takes a moment: a few thousand elements of operators in Python, some millions of others."""
    if node.kind in ("Shape", "Size", "Constant", "Identity"):
        return True
    elements = sum(prod(value.shape) for value in (*node.inputs, *node.outputs) if value is not None and value.shape is not None)
    if node.kind in SLOW:
        return elements <= MAX_SLOW_ELEMENTS
    if node.kind in ("MatMul", "Gemm", "MatMulInteger", "QLinearMatMul") and node.input(0).shape:
        elements += node.outputs[0].size * max(node.input(0).dims)
        return elements <= 64 * MAX_EVALUATED_WORK
    return elements <= MAX_EVALUATED_WORK


def _evaluate(node: Node, opsets: dict[str, int]) -> list[Array] | None:
    """The results of a node of constants; None when the evaluator cannot tell."""
    if node.kind == "Shape":
        x = node.input(0)
        span = slice(attribute(node, "start", 0), attribute(node, "end"))
        return None if x.shape is None else [np.array(x.shape[span], np.int64)]
    if node.kind == "Size":
        return None if node.input(0).shape is None else [np.array(node.input(0).size, np.int64)]
    if node.kind == "Constant" and "value" in node.attributes:
        return [attribute(node, "value")]
    if node.kind == "Identity":
        return [_data(node.input(0))]
    feeds = {value.name: _data(value) for value in node.inputs if value is not None}
    names = [value.name for value in node.outputs]
    try:
        with np.errstate(all="ignore"):
            results = ReferenceEvaluator(_graph_of(node), opsets=opsets).run(names, feeds)
    except Exception:  # the evaluator raises whatever its operators do; the node then stays and is lowered or reported
        return None
    if not all(isinstance(result, (np.ndarray, np.generic)) for result in results):
        return None
    return [np.asarray(result) for result in results]


def _graph_of(node: Node) -> onnx.GraphProto:
    """A graph of the node alone: the evaluator takes versions of operators from a graph's opsets, not from a node's."""
    operands = [helper.make_empty_tensor_value_info(value.name) for value in dict.fromkeys(node.inputs) if value is not None]
    results = [helper.make_empty_tensor_value_info(value.name) for value in node.outputs]
    return helper.make_graph([node_proto(node)], "folded", operands, results)


def _data(value: Value) -> Array:
    assert value.data is not None, f"'{value.name}' is not constant"
    return value.data
