"""Rules that recognise operators on groups and blocks written out as reshapes and transposes."""

from math import prod

import numpy as np
from onnx import helper

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Graph, Node, OnnxOp, Shape, Value
from jitlite.converter.passes.fuse import sole_producer
from jitlite.converter.rewrite import rule


def _standard(node: Node, name: str, since: int) -> OnnxOp:
    assert isinstance(node.op, OnnxOp)
    return OnnxOp(name, "", since, node.op.opset)


@rule("group normalization", "Reshape")
def group_normalization(graph: Graph, node: Node) -> str | None:
    """InstanceNormalization of channels that are reshaped to groups and back."""
    inner = sole_producer(graph, node.input(0))
    grouped = None if inner is None or inner.kind != "InstanceNormalization" else inner.input(0).producer
    if inner is None or grouped is None or grouped.kind != "Reshape":
        return "an operand made by InstanceNormalization of a Reshape's result is required"
    x, scale, shift = grouped.input(0), inner.input(1).data, inner.input(2).data
    before, after = x.shape, inner.input(0).shape
    if before is None or after is None or len(before) < 2 or x.dtype is None or node.output.shape != before:
        return "a result of the first operand's shape is required"
    if before[0] != after[0] or before[1] % after[1] or scale is None or shift is None:
        return f"groups of channels and constant scales are required, found {before} reshaped to {after}"
    times = before[1] // after[1]
    constants = [graph.constant(data.repeat(times), f"{inner.name};repeated") for data in (scale, shift)]
    attributes = {
        "num_groups": helper.make_attribute("num_groups", after[1]),
        "epsilon": helper.make_attribute("epsilon", attribute(inner, "epsilon", 1e-5)),
    }
    graph.become(node, _standard(node, "GroupNormalization", 21), [x, *constants], attributes)
    return None


def _reshaped_transpose(graph: Graph, node: Node) -> tuple[Value, Shape, list[int]] | None:
    """(x, parts, order) of a Reshape to four axes of the Transpose of x, of four axes, reshaped to six parts."""
    turned = sole_producer(graph, node.input(0))
    split = None if turned is None or turned.kind != "Transpose" else turned.input(0).producer
    if turned is None or split is None or split.kind != "Reshape":
        return None
    x, parts, y = split.input(0), split.output.shape, node.output.shape
    if x.shape is None or parts is None or y is None or (len(x.shape), len(parts), len(y)) != (4, 6, 4):
        return None
    if not prod(x.shape) == prod(parts) == prod(y):
        return None
    return x, parts, attribute(turned, "perm", list(range(6))[::-1])


def _picked(graph: Graph, node: Node, x: Value, positions: list[int]) -> Value:
    """The channels at these positions; `x` where that changes nothing."""
    if positions == list(range(len(positions))):
        return x
    y = graph.value(f"{node.output.name};channels", (x.dims[0], len(positions), *x.dims[2:]), x.dtype)
    operands = [x, graph.constant(np.array(positions, np.int64), f"{node.output.name};order")]
    graph.add_node(Node(_standard(node, "Gather", 13), tuple(operands), (y,), y.name, {"axis": helper.make_attribute("axis", 1)}))
    return y


@rule("depth to space", "Reshape")
def depth_to_space(graph: Graph, node: Node) -> str | None:
    """Channels split into three parts, two of which go to height and width."""
    found = _reshaped_transpose(graph, node)
    if found is None:
        return "a Transpose between Reshapes to six axes and four is required"
    x, parts, order = found
    n, _, h, w = x.dims
    if order[0] != 0 or (order[2], order[4]) != (4, 5) or parts[0] != n or parts[4:] != (h, w):
        return f"height and width that each get a part of the channels are required, found {order} of {parts}"
    depth, rows, columns = order[1], order[3], order[5]
    block = parts[rows]
    if parts[columns] != block or node.output.dims != (n, parts[depth], h * block, w * block):
        return f"square blocks are required, found {parts[rows]} x {parts[columns]}"
    places = np.arange(x.dims[1]).reshape(parts[1:4]).transpose(rows - 1, columns - 1, depth - 1)
    ordered = _picked(graph, node, x, places.reshape(-1).tolist())
    graph.become(node, _standard(node, "DepthToSpace", 13), [ordered], {"blocksize": helper.make_attribute("blocksize", block)})
    return None


@rule("space to depth", "Reshape")
def space_to_depth(graph: Graph, node: Node) -> str | None:
    """Height and width split into blocks, whose elements go to the channels."""
    found = _reshaped_transpose(graph, node)
    if found is None:
        return "a Transpose between Reshapes to six axes and four is required"
    x, parts, order = found
    n, c, h, w = x.dims
    block = parts[3]
    if order[0] != 0 or order[4:] != [2, 4] or parts[:2] != (n, c) or (parts[2] * block, parts[4] * block) != (h, w) or parts[5] != block:
        return f"square blocks of height and width that go to the channels are required, found {order} of {parts}"
    if node.output.dims != (n, c * block * block, h // block, w // block):
        return f"a result of {c * block * block} channels is required, found shape {node.output.dims}"
    deep = graph.value(f"{node.output.name};blocks", node.output.dims, x.dtype)
    blocksize = {"blocksize": helper.make_attribute("blocksize", block)}
    graph.add_node(Node(_standard(node, "SpaceToDepth", 13), (x,), (deep,), deep.name, blocksize))
    lain = [3, 5, 1]
    places = np.arange(c * block * block).reshape(block, block, c).transpose([lain.index(axis) for axis in order[1:4]])
    positions = graph.constant(places.reshape(-1).astype(np.int64), f"{node.output.name};order")
    graph.become(node, _standard(node, "Gather", 13), [deep, positions], {"axis": helper.make_attribute("axis", 1)})
    return None
