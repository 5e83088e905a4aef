"""Nodes of element types that the operators of .tflite lack: computed in another type, between casts.

Operators that only move elements move the bits of a type of the same size. In others whole numbers take a type that holds all of theirs,
so that only overflow could differ, and casting back wraps as the narrow type would. Halves become float32; so do doubles, the format's
arithmetic having no more: their results are as precise as float32.
"""

from collections.abc import Callable, Sequence

import numpy as np

from jitlite.converter.element_types import BFLOAT16, PACKED_BOUNDS
from jitlite.converter.graph import Graph, Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conversion import cast_to, same_bits
from jitlite.converter.lowerings.registry import Lowering
from jitlite.converter.problems import Unlowerable
from jitlite.schemas.errors import InvalidModelError, UnsupportedError

COMPUTED_IN = {
    np.dtype(narrow): np.dtype(wide)
    for narrow, wide in {
        "float16": "float32",
        "float64": "float32",
        "int8": "int32",
        "uint8": "int32",
        "int16": "int32",
        "uint16": "int32",
        "uint32": "int64",
    }.items()
} | {BFLOAT16: np.dtype(np.float32), **dict.fromkeys(PACKED_BOUNDS, np.dtype(np.int32))}

MOVED_AS = {
    np.dtype(given): np.dtype(moved)
    for given, moved in {
        "float64": "int64",
        "uint64": "int64",
        "uint32": "int32",
        "uint16": "int16",
        "float16": "int16",
        "bool": "uint8",
    }.items()
}
MOVING = frozenset(
    {
        *("Concat", "Split", "Slice", "Gather", "GatherElements", "GatherND", "Compress", "ReverseSequence", "Tile", "Expand"),
        *("Transpose", "DepthToSpace", "SpaceToDepth", "TensorScatter"),
    }
)
"""Operators whose results consist of elements of those operands that have their type."""


def lower_in_some_type(target: Graph, node: Node, operands: Sequence[Value | None], function: Lowering) -> tuple[Context, list[Value]]:
    """The context and the results of lowering a node in its own type or, where .tflite lacks that, in the one it is computed in."""
    context = Context(target, node, operands)
    try:
        return context, _results(context, node, function)
    except (Unlowerable, InvalidModelError, UnsupportedError):
        moved = _attempt(target, node, operands, function, _same_size) if node.kind in MOVING else None
        found = moved or _attempt(target, node, operands, function, _wider)
        if found is None:
            raise
    return found


def _attempt(
    target: Graph,
    node: Node,
    operands: Sequence[Value | None],
    function: Lowering,
    change: Callable[[Context, Node, Value], Value],
) -> tuple[Context, list[Value]] | None:
    """The context and the results with changed operands; None where nothing changes or the node has no form in those types either."""
    context = Context(target, node, operands)
    context.operands = [None if value is None else change(context, node, value) for value in operands]
    if all(changed is value for changed, value in zip(context.operands, operands, strict=True)):
        return None
    try:
        found = _results(context, node, function)
    except (Unlowerable, InvalidModelError, UnsupportedError):
        return None
    back = same_bits if change is _same_size else cast_to
    return context, [
        value if wanted.dtype is None or value.dtype == wanted.dtype else back(context, value, wanted.dtype)
        for wanted, value in zip(node.outputs, found, strict=False)
    ]


def _results(context: Context, node: Node, function: Lowering) -> list[Value]:
    found = function(context, node)
    return [found] if isinstance(found, Value) else list(found)


def _wider(context: Context, node: Node, value: Value) -> Value:
    if value.dtype not in COMPUTED_IN:
        return value
    wide = COMPUTED_IN[value.dtype]
    return context.constant(value.data, wide) if value.data is not None else cast_to(context, value, wide)


def _same_size(context: Context, node: Node, value: Value) -> Value:
    if value.dtype not in MOVED_AS or value.dtype != node.outputs[0].dtype:
        return value
    return same_bits(context, value, MOVED_AS[value.dtype])
