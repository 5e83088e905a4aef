"""What stands around an operator on real numbers: the whole numbers in front of it, the grid behind it."""

import numpy as np

from jitlite.converter.graph import Graph, Node, Value
from jitlite.converter.grids import Grid
from jitlite.schemas.ops.conversion import DEQUANTIZE, QUANTIZE

WIDEST_STEP = 1.75
"""How many steps of the result one step of what it is rounded from may be, so that both roundings together are off by one at most."""


def whole_numbers(value: Value) -> Value | None:
    """The whole numbers on one grid that DEQUANTIZE turns into this value."""
    node = value.producer
    if node is None or node.op is not DEQUANTIZE:
        return None
    numbers = node.input(0)
    return numbers if numbers.grid is not None and numbers.grid.is_per_tensor else None


def result_grid(graph: Graph, node: Node) -> Grid | str:
    """The one grid all results are quantized to; the reason where there is none."""
    wanted = "results quantized to one grid are required"
    grids = set()
    for value in node.outputs:
        if value.dtype != np.float32:
            return f"{wanted}, found {value.dtype}"
        if value in graph.outputs:
            return f"{wanted}, found the output '{value.name}' of real numbers"
        for user in value.uses:
            if user.op is not QUANTIZE:
                return f"{wanted}, found real numbers for {user.kind} '{user.outputs[0].name}'"
            grids.add(user.output.grid)
    grid = grids.pop() if len(grids) == 1 else None
    if grid is None:
        return f"{wanted}, found {len(grids)}"
    return grid if grid.is_per_tensor else f"{wanted}, found {len(grid.scales)} scales"
