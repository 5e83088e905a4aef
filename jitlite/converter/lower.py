"""Lowering: every ONNX node becomes TFLite operators, each on its own, without looking at its neighbours."""

from collections.abc import Mapping, Sequence

import numpy as np

from jitlite.converter import lowerings
from jitlite.converter.builder import Builder
from jitlite.converter.graph import Graph, Node, OnnxOp, Value
from jitlite.converter.lowerings.context import check_type
from jitlite.converter.lowerings.registry import lowering_for
from jitlite.converter.lowerings.widening import lower_in_some_type
from jitlite.converter.problems import Problems, Unlowerable
from jitlite.schemas.errors import InvalidModelError, UnsupportedError
from jitlite.schemas.ops.operands import INT32_MAX
from jitlite.schemas.ops.reshape import RESHAPE
from jitlite.schemas.ops.slice import SLICE
from jitlite.schemas.ops.spec import NeedsValue

assert lowerings.__all__

QUANTIZATIONS = frozenset({"QuantizeLinear", "DequantizeLinear"})
MOST_PLACES = 1 << 24
PLACED = frozenset({"AffineGrid", "DFT", "DeformConv", "EyeLike", "MaxUnpool", "RoiAlign", "STFT", "Scatter", "ScatterElements", "Trilu"})
"""Operators lowered to constants about as large as their results and operands, which have `MOST_PLACES` elements at most."""


def lower_graph(source: Graph, problems: Problems) -> Graph:
    """A graph of TFLite operators with the same inputs, outputs and value names; it takes the place of `source`, whose nodes change.

    Raises ConversionError with `problems` and the nodes that have no TFLite form.
    """
    target, known = _lowered(source, problems)
    problems.raise_any()
    return _finished(source, target, known)


def _lowered(source: Graph, problems: Problems) -> tuple[Graph, dict[Value, Value]]:
    """The nodes of a graph lowered, and the new value for each old one. Those without a TFLite form are added to `problems`."""
    target = Graph(source.name)
    target.has_any_length = source.has_any_length
    known: dict[Value, Value] = {}
    for value in source.inputs:
        known[value] = target.add_input(target.value(value.name, value.shape, value.dtype))
    for node in source.nodes:
        try:
            results = _lower(target, node, known, problems)
            _check_count(source, node, results)
        except Unlowerable as reason:
            problems.add(node, str(reason), _missing_constants(node, reason.operand))
        except (InvalidModelError, UnsupportedError) as error:
            problems.add(node, str(error))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            problems.add(node, f"its attributes and operands do not fit each other: {error}")
        except NeedsValue as need:
            message = f"operand {need.index} must be constant, found a value known only at run time"
            problems.add(node, message, _whole_numbers(node))
        else:
            known.update(zip(node.outputs, results, strict=False))
    return target, known


def _finished(source: Graph, target: Graph, known: Mapping[Value, Value], is_body: bool = False) -> Graph:
    for value in source.outputs:
        found = known.get(value) or _copied(target, value)
        target.outputs.append(_output(target, value, _computed(target, found) if is_body else found))
    target.sort()
    target.remove_dead()
    return target


def _check_count(source: Graph, node: Node, results: Sequence[Value]) -> None:
    if not results:
        return
    for value in node.outputs[len(results) :]:
        if value.uses or value in source.outputs:
            raise Unlowerable(f"{len(results)} outputs at most are supported, found output '{value.name}' in use")


def _missing_constants(node: Node, operand: int | None) -> list[Value | None]:
    """The operands whose values a node lacks: a known one, or the numbers its results' shapes depend on."""
    if operand is not None:
        return [node.optional(operand)]
    return [] if all(value.shape is not None for value in node.outputs) else _whole_numbers(node)


def _whole_numbers(node: Node) -> list[Value | None]:
    return [value for value in node.inputs if value is not None and value.dtype is not None and value.dtype.kind in "iu"]


def _lower(target: Graph, node: Node, known: dict[Value, Value], problems: Problems) -> Sequence[Value]:
    assert isinstance(node.op, OnnxOp)
    if node in problems.reported:
        return ()
    function = lowering_for(node.op)
    if problems.is_tainted((*node.inputs, *node.outputs)):
        problems.tainted.update(node.outputs)
        return ()
    for value in node.inputs:
        if value is not None:
            check_type(value)
            if value.shape is None:
                raise Unlowerable(f"operand '{value.name}' must have a shape known before it runs")
            if value not in known:
                known[value] = _copied(target, value)
    _check_sizes(node)
    if all(value.shape is not None and 0 in value.shape and value.dtype is not None and value.dtype.kind != "O" for value in node.outputs):
        return [target.constant(np.zeros(value.dims, value.dtype), value.name) for value in node.outputs]
    if not _lower_bodies(node, problems):
        problems.tainted.update(node.outputs)
        return ()
    operands = [None if value is None else known[value] for value in node.inputs]
    if node.op.name not in QUANTIZATIONS:
        operands = [value if value is None else _bare(target, value) for value in operands]
    context, results = lower_in_some_type(target, node, operands, function)
    for value, result in zip(node.outputs, results, strict=False):
        if value.shape is not None and value.shape != result.dims:
            raise Unlowerable(f"a result of shape {value.shape} is required, the lowering gives {result.dims}")
        if value.dtype is not None and value.dtype != result.dtype:
            raise Unlowerable(f"a result of type {value.dtype} is required, the lowering gives {result.dtype}")
        if result in context.created:
            context.created.discard(result)
            target.rename(result, value.name)
    return results


def _lower_bodies(node: Node, problems: Problems) -> bool:
    """Puts graphs of TFLite operators in the place of a node's bodies; False where one has a node without a TFLite form."""
    made = [(body, *_lowered(body, problems)) for body in node.bodies]
    if any(value not in known and value.data is None for body, _, known in made for value in body.outputs):
        return False
    node.bodies = tuple(_finished(body, target, known, is_body=True) for body, target, known in made)
    return True


def _check_sizes(node: Node) -> None:
    """Unlowerable for results that no tensor holds, and for those of operators in `PLACED` that would take too large constants."""
    for value in node.outputs:
        if value.shape is not None and value.size > INT32_MAX:
            raise Unlowerable(f"results of at most {INT32_MAX} elements are required, found shape {value.shape}")
    if node.kind in PLACED or (node.kind == "MaxPool" and len(node.outputs) > 1):
        for operand in (*node.inputs, *node.outputs):
            if operand is not None and operand.shape is not None and operand.size > MOST_PLACES:
                raise Unlowerable(f"tensors of at most {MOST_PLACES} elements are supported, found shape {operand.shape}")


def _bare(target: Graph, value: Value) -> Value:
    """The same whole numbers without a grid, so that no operator takes them for the real numbers they stand for."""
    if value.grid is None or value.data is not None:
        return value
    return Builder(target, value.name).op(RESHAPE, value, Builder(target, value.name).indices(value.dims), suffix="bare")


def _copied(target: Graph, constant: Value) -> Value:
    assert constant.data is not None, f"'{constant.name}' was never lowered"
    return target.constant(constant.data, constant.name, constant.grid)


def _computed(target: Graph, value: Value) -> Value:
    """The value as what an operator gives: LiteRT 2.3 frees memory it does not own where a branch returns what it can fold beforehand."""
    if value.data is None:
        return value
    build = Builder(target, value.name)
    elements = build.reshape(value, (value.size,))
    return build.reshape(build.op(SLICE, elements, build.indices([0]), build.indices([value.size])), value.dims)


def _output(target: Graph, wanted: Value, found: Value) -> Value:
    """The graph output, under exactly its ONNX name."""
    made = Builder(target, wanted.name).as_output(found)
    if made.name != wanted.name:
        target.rename(made, wanted.name)
    return made
