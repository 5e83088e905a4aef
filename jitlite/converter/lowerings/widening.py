"""Nodes of element types that the operators of .tflite lack: computed in another type, between casts.

Whole numbers take a type that holds all of theirs, so that only overflow could differ, and casting back wraps as the narrow type would.
Halves become float32; so do doubles, the format's arithmetic having no more: their results are as precise as float32.
"""

from collections.abc import Sequence

import numpy as np

from jitlite.converter.graph import Graph, Node, Value
from jitlite.converter.lowerings.context import Context
from jitlite.converter.lowerings.conversion import cast_to
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
}


def lower_in_some_type(target: Graph, node: Node, operands: Sequence[Value | None], function: Lowering) -> tuple[Context, list[Value]]:
    """The context and the results of lowering a node in its own type or, where .tflite lacks that, in the one it is computed in."""
    context = Context(target, node, operands)
    try:
        return context, _results(context, node, function)
    except (Unlowerable, InvalidModelError, UnsupportedError):
        wider = Context(target, node, operands)
        wider.operands = [_wider(wider, value) for value in operands]
        if all(wide is value for wide, value in zip(wider.operands, operands, strict=True)):
            raise
        try:
            found = _results(wider, node, function)
        except (Unlowerable, InvalidModelError, UnsupportedError):
            found = None
        if found is None:
            raise
    return wider, [
        value if wanted.dtype is None else cast_to(wider, value, wanted.dtype) for wanted, value in zip(node.outputs, found, strict=False)
    ]


def _results(context: Context, node: Node, function: Lowering) -> list[Value]:
    found = function(context, node)
    return [found] if isinstance(found, Value) else list(found)


def _wider(context: Context, value: Value | None) -> Value | None:
    if value is None or value.dtype not in COMPUTED_IN:
        return value
    wide = COMPUTED_IN[value.dtype]
    return context.constant(value.data, wide) if value.data is not None else cast_to(context, value, wide)
