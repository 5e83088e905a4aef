"""Sizes that depend on values and are known only when a model runs: of what NonZero, Compress, Unique, NonMaxSuppression … find.

A model with one such size is lowered for several numbers in its place, as it is where a dimension of an input is dynamic (see `dynamic`).
A result that is nothing but an output of the model has the shape the model declares.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import onnx

from jitlite.converter.attributes import attribute
from jitlite.converter.graph import Node, Shape
from jitlite.converter.problems import Problems


def _found(node: Node, size: int) -> list[Shape]:
    """The shapes of NonZero, one column for each place."""
    return [(len(node.input(0).dims), size)]


def _compressed(node: Node, size: int) -> list[Shape]:
    x, axis = node.input(0).dims, attribute(node, "axis")
    shape: Shape = (size,) if axis is None else tuple(size if place == axis % len(x) else dim for place, dim in enumerate(x))
    return [shape]


def _unique(node: Node, size: int) -> list[Shape]:
    x, axis = node.input(0), attribute(node, "axis")
    count = x.size if axis is None else x.dims[axis]
    shapes: list[Shape] = [*_compressed(node, size), (size,), (count,), (size,)]
    return shapes[: len(node.outputs)]


def _suppressed(node: Node, size: int) -> list[Shape]:
    return [(size, 3)]


def _counted(node: Node, size: int) -> list[Shape]:
    return [(size,)]


def _added_up(node: Node, size: int) -> list[Shape]:
    """The final states of a Loop, and what its turns add up."""
    items = node.bodies[0].outputs[-len(node.outputs) :]
    return [item.dims if value.shape is not None else (size, *item.dims) for value, item in zip(node.outputs, items, strict=True)]


SHAPES: dict[str, Callable[[Node, int], list[Shape]]] = {
    "NonZero": _found,
    "Compress": _compressed,
    "Unique": _unique,
    "NonMaxSuppression": _suppressed,
    "Range": _counted,
    "ConstantOfShape": _counted,
    "Loop": _added_up,
}
"""The shapes of the results when the size is a number."""


FOUND = "a size found at run time"
FOUND_SIZES = (11, 17, (29,))
"""Numbers that stand for such a size: primes that are no likely size of anything else."""


@dataclass(slots=True)
class UnknownSizes:
    """The number that stands for an unknown size, None where there may be none; `declared` are shapes of the model's outputs by name."""

    declared: Mapping[str, Shape]
    number: int | None
    are_tried: bool = False
    """True where sizes of inputs stand for others too, so that nothing may depend on what they are."""
    are_lengths_tried: bool = False
    """True where sizes beside the batch are among these."""
    owner: Node | None = field(default=None)
    """The node whose result has that size."""

    def settle(self, node: Node, problems: Problems) -> None:
        """Gives the results of a node their shapes where the node is one of those whose results only the run can tell."""
        if node.kind not in SHAPES or all(value.shape is not None for value in node.outputs):
            return
        if all(not value.uses and value.name in self.declared for value in node.outputs):
            for value in node.outputs:
                value.shape = self.declared[value.name]
            return
        if any(value is not None and value.shape is None for value in node.inputs):
            return
        if node.kind == "ConstantOfShape" and node.input(0).size != 1:
            return
        if self.number is None:
            problems.add(node, "a result whose size does not depend on values is required inside a loop or a branch")
        elif self.owner is not None:
            problems.add(node, "one result at most whose size depends on values is supported, found another", node.inputs)
        else:
            self.owner = node
            for value, shape in zip(node.outputs, SHAPES[node.kind](node, self.number), strict=True):
                value.shape = shape


def declared_outputs(model: onnx.ModelProto) -> dict[str, Shape]:
    """The shapes of those outputs that declare all of their dimensions."""
    found: dict[str, Shape] = {}
    for info in model.graph.output:
        tensor = info.type.tensor_type
        if tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim):
            found[info.name] = tuple(int(dim.dim_value) for dim in tensor.shape.dim)
    return found
