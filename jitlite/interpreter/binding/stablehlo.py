"""Bindings of the StableHLO operators: on kernels of the operators they equal where there are some, in NumPy otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from jitlite.interpreter.binding.arrays import computes
from jitlite.interpreter.binding.broadcast import ARITHMETIC, FLOATS, walk
from jitlite.interpreter.binding.registry import HostStep, Step, binds, kernels, plans
from jitlite.schemas.dtypes import INTEGER_RANGE
from jitlite.schemas.ops.spec import Call, OpSpec, Shape
from jitlite.schemas.ops.stablehlo import (
    STABLEHLO_ADD,
    STABLEHLO_AND,
    STABLEHLO_GATHER,
    STABLEHLO_MAXIMUM,
    STABLEHLO_MINIMUM,
    STABLEHLO_MULTIPLY,
    STABLEHLO_SCATTER,
    STABLEHLO_SHIFT_LEFT,
    Starts,
    Updates,
    combination,
    slices,
    updates,
)
from jitlite.schemas.tables import TensorType

if TYPE_CHECKING:
    from jitlite.interpreter.plan import Planner
    from jitlite.interpreter.program import ProgramOptions

Array = NDArray[Any]
T = TensorType

_FAR = 1 << 32
"""Behind every index and further from them than any window is long."""
_CHUNK = 1 << 20
"""Elements whose indices are computed at a time."""


def _greater(a: Array, b: Array) -> Array:
    return np.where(a < b, b, a)


def _smaller(a: Array, b: Array) -> Array:
    return np.where(b < a, b, a)


def _bind_arithmetic(spec: OpSpec, kernel: str, function: Callable[[Array, Array], Array]) -> None:
    """Binds an operator to a kernel, with its operands the other way round: of a NaN and a number the reference takes the first."""

    def bind(call: Call) -> Step | HostStep:
        b, a, y = call.input(0), call.input(1), call.outputs[0]
        if kernel not in ARITHMETIC.get(a.type, ()):
            return computes(lambda operands: function(operands[0], operands[1]))
        number, steps = ARITHMETIC[a.type].index(kernel), walk(y.shape, a.shape, b.shape)
        if a.type is T.FLOAT32:
            return FLOATS.step("arithmetic_f32", a=a, b=b, y=y, walk=steps, settings=np.array([-np.inf, np.inf, number], np.float64))
        bounds = np.array([*INTEGER_RANGE[T.INT32], number], np.int64)
        return kernels("elementwise_i32").step("arithmetic_i32", a=a, b=b, y=y, walk=steps, settings=bounds)

    binds(spec)(bind)


_bind_arithmetic(STABLEHLO_ADD, "add", np.add)
_bind_arithmetic(STABLEHLO_MULTIPLY, "mul", np.multiply)
_bind_arithmetic(STABLEHLO_MAXIMUM, "maximum", _greater)
_bind_arithmetic(STABLEHLO_MINIMUM, "minimum", _smaller)


@binds(STABLEHLO_AND)
def stablehlo_and(call: Call) -> HostStep:
    return computes(lambda operands: np.bitwise_and(operands[0], operands[1]))


@binds(STABLEHLO_SHIFT_LEFT)
def stablehlo_shift_left(call: Call) -> HostStep:
    """Bits that are shifted out are lost; shifts by fewer than 0 bits lose all."""
    return computes(lambda operands: np.left_shift(operands[0], operands[1]))


def _vectors(indices: Array, starts: Starts, rank: int) -> NDArray[np.int64]:
    """The start along each of `rank` dimensions, 0 where indices say none, in the order of the starts; shape (starts, rank)."""
    last = np.moveaxis(indices, starts.axis, -1) if starts.axis < indices.ndim else indices[..., None]
    found = np.zeros((prod(starts.shape), rank), np.int64)
    found[:, list(starts.dims)] = np.clip(last.reshape(len(found), len(starts.dims)).astype(np.int64), -_FAR, _FAR)
    return found


@binds(STABLEHLO_GATHER)
def stablehlo_gather(call: Call) -> HostStep:
    """Slices that would reach behind the operand start as late as they may."""
    parts, shape = slices(call), call.outputs[0].shape
    limits = np.array([dim - size for dim, size in zip(call.input(0).shape, parts.sizes)], np.int64)
    kept = tuple(0 if dim in parts.collapsed else slice(None) for dim in range(len(parts.sizes)))
    batch = range(len(parts.starts.shape))

    def gather(operands: Sequence[Array]) -> Array:
        x, indices = operands
        if prod(shape) == 0:
            return np.zeros(shape, x.dtype)
        starts = np.clip(_vectors(indices, parts.starts, x.ndim), 0, limits)
        if x.ndim == 0:
            return np.full(shape, x, x.dtype)
        found = sliding_window_view(x, parts.sizes)[tuple(starts.T)][(slice(None), *kept)]
        found = found.reshape((*parts.starts.shape, *found.shape[1:]))
        others = [dim for dim in range(found.ndim) if dim not in parts.offset_dims]
        return np.moveaxis(found, range(found.ndim), [*(others[dim] for dim in batch), *parts.offset_dims])

    return computes(gather)


@plans(STABLEHLO_SCATTER)
def stablehlo_scatter(planner: Planner, call: Call, options: ProgramOptions) -> tuple[Call, HostStep]:
    """Updates in their order; those outside the operand are left out."""
    function = combination(call, planner.operators_of(call.options.update_computation_subgraph_index))
    return call, computes(scatters(updates(call), function))


def scatters(where: Updates, function: str) -> Callable[[Sequence[Array]], Array]:
    """The function of operand, indices and updates that returns the operand with the updates in it."""

    def scatter(operands: Sequence[Array]) -> Array:
        x, indices, values = operands
        y = x.copy()
        flat, count, last = y.reshape(-1), prod(where.starts.shape), range(-len(where.window_dims), 0)
        window = tuple(values.shape[dim] for dim in where.window_dims)
        if y.size == 0 or values.size == 0:
            return y
        rows = np.moveaxis(values, where.window_dims, last).reshape(count, prod(window))
        orders = np.moveaxis(np.arange(values.size).reshape(values.shape), where.window_dims, last).reshape(rows.shape)
        latest = np.full(y.size, -1) if function == "" else None
        starts = _vectors(indices, where.starts, x.ndim)
        for part in _chunks(len(rows), rows.shape[1]):
            places, chosen = _places(starts[part], _spread(window, where.inserted, x.ndim), x.shape)
            if latest is not None:
                chosen = _written_last(latest, places, orders[part].reshape(-1), chosen)
            _combine(flat, places[chosen], rows[part].reshape(-1)[chosen], function)
        return y

    return scatter


def _written_last(latest: Array, places: Array, orders: Array, is_inside: Array) -> Array:
    """Which of the updates inside replace all that came before; `latest` holds the number of each place's newest one."""
    np.maximum.at(latest, places[is_inside], orders[is_inside])
    chosen = is_inside.copy()
    chosen[is_inside] = latest[places[is_inside]] == orders[is_inside]
    return chosen


def _chunks(rows: int, columns: int) -> Iterator[slice]:
    step = max(1, _CHUNK // columns)
    return (slice(row, row + step) for row in range(0, rows, step))


def _spread(window: Shape, inserted: Shape, rank: int) -> Shape:
    """The size of a window along each of the operand's dimensions."""
    sizes = iter(window)
    return tuple(1 if dim in inserted else next(sizes) for dim in range(rank))


def _places(starts: Array, window: Shape, shape: Shape) -> tuple[Array, Array]:
    """For each element of the windows, row by row: its index in the flat operand, and whether it lies inside."""
    count = len(starts)
    places = np.zeros((count, *window), np.int64)
    is_inside = np.ones((count, *window), np.bool_)
    for dim, size in enumerate(shape):
        along = [1] * (len(window) + 1)
        along[0], along[dim + 1] = count, window[dim]
        index = (starts[:, dim, None] + np.arange(window[dim])).reshape(along)
        places *= size
        places += index
        is_inside &= (index >= 0) & (index < size)
    return places.reshape(-1), is_inside.reshape(-1)


def _combine(flat: Array, places: Array, values: Array, function: str) -> None:
    if function == "":
        flat[places] = values
    elif function == "add":
        np.add.at(flat, places, values)
    elif function == "mul":
        np.multiply.at(flat, places, values)
    else:
        known = values == values
        ufunc = np.maximum if function == "maximum" else np.minimum
        ufunc.at(flat, places[known], values[known])
