"""The grids that constants lie on: where DequantizeLinear made them, and behind operators that only move their elements."""

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Node
from jitlite.converter.grids import Grid, grid_of


def grid_behind(node: Node) -> Grid | None:
    """The grid of the result of an ONNX node of constants; None where it has none or it is not known."""
    x, y = node.optional(0), node.outputs[0]
    if x is None or x.shape is None or y.shape is None:
        return None
    if node.kind == "DequantizeLinear":
        scale, zero_point = node.input(1).data, node.optional(2)
        blocked = bool(attribute(node, "block_size", 0))
        if scale is None or x.dtype is None or blocked or (zero_point is not None and zero_point.data is None):
            return None
        return grid_of(scale, None if zero_point is None else zero_point.data, x.dtype, attribute(node, "axis", 1), x.shape)
    if x.grid is None:
        return None
    if node.kind == "Transpose":
        return x.grid.transposed(attribute(node, "perm", list(reversed(range(len(x.shape))))))
    if node.kind in ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"):
        return x.grid.reshaped(x.shape, y.shape)
    return None
