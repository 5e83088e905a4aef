"""What a lowering function works with: the node's operands as TFLite values, and a builder."""

from collections.abc import Callable, Sequence

import numpy as np

from jitlite.converter.builder import Builder
from jitlite.converter.element_types import type_of
from jitlite.converter.graph import Array, Graph, Node, Value
from jitlite.converter.problems import Unlowerable
from jitlite.schemas.errors import UnsupportedError
from jitlite.schemas.ops.pad import BROADCAST_TO
from jitlite.schemas.ops.slice import SLICE
from jitlite.schemas.ops.spec import OpSpec
from jitlite.schemas.table import Table

TO_NHWC = (0, 2, 3, 1)
TO_NCHW = (0, 3, 1, 2)
TO_NDHWC = (0, 2, 3, 4, 1)
TO_NCDHW = (0, 4, 1, 2, 3)


class Context(Builder):
    """A builder that knows the ONNX node being lowered. Operands keep their ONNX axis order; a lowering transposes what needs another."""

    def __init__(self, graph: Graph, node: Node, operands: Sequence[Value | None]) -> None:
        super().__init__(graph, node.outputs[0].name)
        self.node = node
        self.operands = operands

    def input(self, index: int) -> Value:
        """An operand that must be there."""
        found = self.optional(index)
        if found is None:
            raise Unlowerable(f"operand {index} is required, found none")
        return found

    def optional(self, index: int) -> Value | None:
        return self.operands[index] if index < len(self.operands) else None

    def data(self, index: int) -> Array:
        """The value of an operand that must be constant."""
        found = self.input(index)
        if found.data is None:
            raise Unlowerable(f"operand {index} '{found.name}' must be constant, found a value known only at run time", index)
        return found.data

    def require(self, condition: bool, message: str) -> None:
        """Raises Unlowerable with `message` ("what is required, what was found") unless the condition holds."""
        if not condition:
            raise Unlowerable(message)

    def axis(self, axis: int, rank: int) -> int:
        """The axis counted from the front."""
        self.require(-rank <= axis < rank, f"an axis in [{-rank}, {rank}) is required, found {axis}")
        return axis % rank

    def binary(self, spec: OpSpec, a: Value, b: Value | float, options: Table | None = None) -> Value:
        """An operator of two operands; a number becomes a constant of the first one's type."""
        other = b if isinstance(b, Value) else self.like(a, b)
        return self.op(spec, a, other, options=options)

    def to_nhwc(self, x: Value) -> Value:
        y = self.transpose(x, TO_NHWC)
        if y is not x and y.data is None:
            self.graph.rename(y, f"{x.name};nhwc")
        return y

    def to_nchw(self, x: Value) -> Value:
        """Back to ONNX's order; the operator that made `x` is renamed to end in ";nhwc", as the layout pass names it."""
        if x in self.created:
            self.graph.rename(x, f"{self.prefix};nhwc")
        return self.transpose(x, TO_NCHW, "nchw")

    def channels_last(self, x: Value, function: Callable[[Value], Value]) -> Value:
        """Applies a function of a channels-last value to a value in ONNX's order of rank 3 (as height 1), 4 or 5."""
        if x.rank == 3:
            n, c, length = x.dims
            rows = self.reshape(self.transpose(x, (0, 2, 1)), (n, 1, length, c))
            y = function(rows)
            return self.transpose(self.reshape(y, (y.dims[0], y.dims[2], y.dims[3])), (0, 2, 1))
        if x.rank == 5:
            return self.transpose(function(self.transpose(x, TO_NDHWC)), TO_NCDHW)
        return self.to_nchw(function(self.to_nhwc(x)))

    def split_channels(self, x: Value, starts: Sequence[int], sizes: Sequence[int]) -> list[Value]:
        """Slices of the last axis."""
        first = [0] * (x.rank - 1)
        whole = [-1] * (x.rank - 1)
        return [
            self.op(SLICE, x, self.indices([*first, start]), self.indices([*whole, size]))
            for start, size in zip(starts, sizes, strict=True)
        ]


def spread(ctx: Context, *values: Value) -> list[Value]:
    """The values repeated to their common shape, for operators that do not broadcast."""
    shape = np.broadcast_shapes(*(value.dims for value in values))
    return [
        value
        if value.dims == shape
        else ctx.constant(np.broadcast_to(value.data, shape))
        if value.data is not None
        else ctx.op(BROADCAST_TO, value, ctx.indices(shape))
        for value in values
    ]


def check_type(value: Value) -> None:
    """Unlowerable for element types the format lacks."""
    if value.dtype is None:
        raise Unlowerable(f"operand '{value.name}' must be a tensor of known type")
    try:
        type_of(np.dtype(value.dtype))
    except UnsupportedError as error:
        raise Unlowerable(f"operand '{value.name}': {error}") from error
