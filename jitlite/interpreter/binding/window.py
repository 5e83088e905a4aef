"""Bindings of the operators that stretch tensors and reduce windows of them, in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from jitlite.interpreter.binding.arrays import computes
from jitlite.interpreter.binding.registry import HostStep, binds, plans
from jitlite.schemas.ops.spec import Call
from jitlite.schemas.ops.window import (
    DILATE,
    REDUCE_WINDOW,
    STABLEHLO_PAD,
    STABLEHLO_REDUCE_WINDOW,
    Stretch,
    Windows,
    dilation,
    padding,
    reduction,
    stretched_windows,
    windows,
)
from jitlite.schemas.tables import ReduceWindowFunction

if TYPE_CHECKING:
    from jitlite.interpreter.plan import Planner
    from jitlite.interpreter.program import ProgramOptions

Array = NDArray[Any]

_MANY_ELEMENTS = 4096
"""Elements of a window from which on NumPy reduces it in an order of its own."""


def stretched(x: Array, stretch: Stretch, value: Array) -> Array:
    """The elements of x in a tensor of `value`, each where the layout has it; those that fall outside are left out."""
    y = np.full(stretch.shape, value.reshape(-1)[0], x.dtype)
    source, target = [], []
    for n, low, step, size in zip(x.shape, stretch.low, stretch.step, stretch.shape):
        first, last = max(0, -(low // step)), min(n - 1, (size - 1 - low) // step)
        if first > last:
            return y
        source.append(slice(first, last + 1))
        start = low + first * step
        target.append(slice(start, start + (last - first) * step + 1, step))
    y[tuple(target)] = x[tuple(source)]
    return y


@binds(DILATE)
def dilate(call: Call) -> HostStep:
    layout = dilation(call)
    return computes(lambda operands: stretched(operands[0], layout, operands[2]))


@binds(STABLEHLO_PAD)
def stablehlo_pad(call: Call) -> HostStep:
    layout = padding(call)
    return computes(lambda operands: stretched(operands[0], layout, operands[1]))


def _greater(a: Array, b: Array) -> Array:
    return np.where(a >= b, a, b)


def _smaller(a: Array, b: Array) -> Array:
    return np.where(a <= b, a, b)


def _both(a: Array, b: Array) -> Array:
    return np.logical_and(a, b).astype(a.dtype)


def _either(a: Array, b: Array) -> Array:
    return np.logical_or(a, b).astype(a.dtype)


_F = ReduceWindowFunction
_FUNCTIONS: dict[ReduceWindowFunction, tuple[Callable[[Array, Array], Array], np.ufunc]] = {
    _F.ADD: (np.add, np.add),
    _F.MUL: (np.multiply, np.multiply),
    _F.MAXIMUM: (_greater, np.maximum),
    _F.MINIMUM: (_smaller, np.minimum),
    _F.ALL: (_both, np.logical_and),
    _F.ANY: (_either, np.logical_or),
}


def reduces(looks: Windows, function: ReduceWindowFunction) -> HostStep:
    """A step that reduces the windows of its first operand to the second one's type, from that value on; truth values count as bytes."""

    def run(operands: Sequence[Array]) -> Array:
        x = stretched(operands[0], looks.stretch, operands[1])
        initial = operands[1].reshape(-1)[0]
        if x.dtype == np.bool_:
            return _reduced(x.view(np.int8), looks, function, initial.view(np.int8)).view(np.bool_)
        return _reduced(x, looks, function, initial)

    return computes(run)


def _reduced(x: Array, looks: Windows, function: ReduceWindowFunction, initial: Any) -> Array:
    shape = looks.shape
    y = np.full(shape, initial, x.dtype)
    if y.size == 0:
        return y
    combine, whole = _FUNCTIONS[function]
    if prod(looks.sizes) > _MANY_ELEMENTS:
        return combine(y, _whole_windows(x, looks, whole))
    for places in product(*map(range, looks.sizes)):
        starts = [place * dilation for place, dilation in zip(places, looks.dilations)]
        part = tuple(slice(start, start + (n - 1) * stride + 1, stride) for start, n, stride in zip(starts, shape, looks.strides))
        y = combine(y, x[part])
    return y


def _whole_windows(x: Array, looks: Windows, function: np.ufunc) -> Array:
    spans = [(size - 1) * dilation + 1 for size, dilation in zip(looks.sizes, looks.dilations)]
    every = [slice(None, None, stride) for stride in looks.strides] + [slice(None, None, dilation) for dilation in looks.dilations]
    view = sliding_window_view(x, spans)[tuple(every)]
    found: Array = function.reduce(view, axis=tuple(range(x.ndim, 2 * x.ndim))).astype(x.dtype)
    return found


@binds(REDUCE_WINDOW)
def reduce_window(call: Call) -> HostStep:
    return reduces(windows(call), call.options.reduce_function)


@plans(STABLEHLO_REDUCE_WINDOW)
def stablehlo_reduce_window(planner: Planner, call: Call, options: ProgramOptions) -> tuple[Call, HostStep]:
    function = reduction(call, planner.operators_of(call.options.body_subgraph_index))
    return call, reduces(stretched_windows(call), function)
