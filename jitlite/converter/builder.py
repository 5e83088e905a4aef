"""Adding TFLite operators to a graph, each checked by its own specification as it is made."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from jitlite.converter.element_types import dtype_of, stored, type_of
from jitlite.converter.graph import Array, Graph, Node, Shape, Value
from jitlite.converter.grids import Grid, moved
from jitlite.converter.kernel_types import require_kernel
from jitlite.schemas.errors import UnsupportedError
from jitlite.schemas.ops.reshape import RESHAPE, TRANSPOSE
from jitlite.schemas.ops.spec import Call, NeedsValue, OpSpec, TensorInfo, infer
from jitlite.schemas.table import Table

Permutation = tuple[int, ...]
Declared = tuple[Shape, np.dtype[Any]]
"""The shape and type of a result."""


def tensor_info(value: Value) -> TensorInfo:
    """The value as operator specifications see it."""
    assert value.dtype is not None, f"the type of '{value.name}' is not known"
    table = None if value.grid is None or value.dtype.kind not in "iu" else value.grid.table()
    held = None if value.data is None else stored(value.data)
    return TensorInfo(value.dims, type_of(value.dtype), held, table, name=value.name)


def call_of(node: Node, version: int = 1) -> Call:
    """The node as operator specifications see it, its outputs declared."""
    assert isinstance(node.op, OpSpec)
    operands = tuple(None if value is None else tensor_info(value) for value in node.inputs)
    outputs = tuple(tensor_info(value) for value in node.outputs)
    return Call(node.op, node.options, operands, outputs, version, where=f"{node.op.name} '{node.outputs[0].name}'")


class Builder:
    """Appends operators to a graph; new values are named after `prefix`."""

    def __init__(self, graph: Graph, prefix: str) -> None:
        self.graph = graph
        self.prefix = prefix
        self.created: set[Value] = set()

    def constant(self, data: Array | Sequence[Any], dtype: DTypeLike | None = None, grid: Grid | None = None) -> Value:
        """A constant; UnsupportedError for whole numbers that `dtype` cannot hold."""
        given = np.asarray(data)
        made = given.astype(given.dtype if dtype is None else dtype, copy=False)
        if given.dtype.kind in "iuO" and made is not given and not np.array_equal(made, given):
            raise UnsupportedError(
                f"constant of '{self.prefix}': numbers that fit {made.dtype} are required, found {given.min()} to {given.max()}"
            )
        return self.graph.constant(made, f"{self.prefix};constant", grid)

    def indices(self, numbers: Sequence[int] | int) -> Value:
        """An INT32 constant, as every axis, size and shape operand is."""
        return self.constant(np.asarray(numbers, np.int64), np.int32)

    def op(self, spec: OpSpec, *operands: Value | None, options: Table | None = None, suffix: str = "", grid: Grid | None = None) -> Value:
        """The only output of a new operator. Raises InvalidModelError or UnsupportedError where its specification refuses the call."""
        return self.ops(spec, *operands, options=options, suffix=suffix, grids=() if grid is None else [grid])[0]

    def ops(
        self,
        spec: OpSpec,
        *operands: Value | None,
        options: Table | None = None,
        suffix: str = "",
        grids: Sequence[Grid | None] = (),
        declared: Sequence[Declared] = (),
        bodies: Sequence[Graph] = (),
    ) -> tuple[Value, ...]:
        """All outputs of a new operator; `grids` says which numbers they hold where these are quantized, `declared` their shapes and
        types where these do not follow from the operands; control flow takes `bodies`.
        """
        if options is None and spec.options is not None:
            options = spec.options()
        infos = tuple(None if value is None else tensor_info(value) for value in operands)
        name = f"{self.prefix};{suffix or spec.name.lower()}"
        outputs = tuple(TensorInfo(shape, type_of(dtype), name=name) for shape, dtype in declared)
        if grids:
            outputs = tuple(TensorInfo((), type_of(np.dtype(grid.dtype)), quantization=grid.table(), name=name) for grid in grids if grid)
        try:
            found = infer(Call(spec, options, infos, outputs, where=f"{spec.name} of '{self.prefix}'"))
        except NeedsValue:
            if not declared:
                raise
            found = [(shape, type_of(dtype)) for shape, dtype in declared]
        require_kernel(spec, infos, self.prefix)
        grids = [*grids, *[None] * (len(found) - len(grids))]
        made = tuple(self.graph.value(name, shape, dtype_of(kind), grid) for (shape, kind), grid in zip(found, grids, strict=True))
        self.graph.add_node(Node(spec, operands, made, name, options=options, bodies=tuple(bodies)))
        self.created.update(made)
        return made

    def reshape(self, x: Value, shape: Sequence[int], suffix: str = "") -> Value:
        """The elements in another shape, given in numbers; the value itself where it has that shape."""
        wanted: Shape = tuple(int(dim) for dim in shape)
        if wanted == x.dims:
            return x
        if x.data is not None:
            return self.constant(x.data.reshape(wanted), grid=moved(x.grid, lambda grid: grid.reshaped(x.dims, wanted)))
        return self.op(RESHAPE, x, self.indices(wanted), suffix=suffix, grid=moved(x.grid, lambda grid: grid.reshaped(x.dims, wanted)))

    def transpose(self, x: Value, permutation: Sequence[int], suffix: str = "") -> Value:
        """Output axis i is input axis permutation[i]; the value itself where nothing moves."""
        if tuple(permutation) == tuple(range(x.rank)):
            return x
        if x.data is not None:
            return self.constant(x.data.transpose(tuple(permutation)), grid=moved(x.grid, lambda grid: grid.transposed(permutation)))
        grid = moved(x.grid, lambda grid: grid.transposed(permutation))
        return self.op(TRANSPOSE, x, self.indices(tuple(permutation)), suffix=suffix, grid=grid)

    def as_output(self, value: Value) -> Value:
        """The value where it can become one more graph output under a name of its own, else a copy made by RESHAPE."""
        if value.producer is not None and value not in self.graph.outputs:
            return value
        return self.op(RESHAPE, value, self.indices(value.dims), grid=value.grid)

    def like(self, x: Value, number: float | Array) -> Value:
        """A constant of the same element type as `x`."""
        return self.constant(np.asarray(number, x.dtype))
