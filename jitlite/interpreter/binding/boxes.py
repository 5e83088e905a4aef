"""Boxes of elements to copy, brought into the fewest and longest loops before a kernel runs them."""

from collections.abc import Sequence
from math import gcd, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.registry import Step, kernels
from jitlite.schemas.dtypes import byte_size, is_packed
from jitlite.schemas.errors import UnsupportedError
from jitlite.schemas.ops.spec import Call, Shape, TensorInfo
from jitlite.schemas.record import Record
from jitlite.schemas.tables import TensorType

Operand = TensorInfo | NDArray[Any]

_WIDEST_BYTES = 8
_SHORTEST_RUN_BYTES = 16
_MANY_ROWS = 8
_LONG_ROW = 512

_ROWS = {1: "copy_runs", 0: "copy_repeats", -1: "copy_reversals"}
"""Kernels for rows of neighbours in the target, by the source's stride."""


class Loop(Record):
    """One loop of a copy: `size` rounds that move on by these strides in source and target."""

    size: int
    x_stride: int
    y_stride: int


class BoxKernels(kernels):
    """The kernels that copy elements, as steps."""

    def copy_bytes(self, x: Operand, y: TensorInfo, n_bytes: int) -> Step:
        """Copies the first `n_bytes` bytes."""
        return self.step("copy_run", x=x, y=y, x_offset=0, y_offset=0, count=n_bytes)

    def copy(self, x: Operand, y: TensorInfo, loops: Sequence[Loop], item_bytes: int, offsets: tuple[int, int] = (0, 0)) -> Step:
        """Copies the elements the loops visit, starting at `offsets` (source, target); strides and offsets count elements.

        The loops' order is free: each element of the target is written once.
        """
        if prod(loop.size for loop in loops) == 0:
            return self.copy_bytes(x, y, 0)
        merged, item_bytes, (x_offset, y_offset) = _widened(_merged(loops), item_bytes, offsets)
        if len(merged) == 1 and merged[0].x_stride == merged[0].y_stride == 1:
            count = merged[0].size * item_bytes
            return self.step("copy_run", x=x, y=y, x_offset=x_offset * item_bytes, y_offset=y_offset * item_bytes, count=count)
        kernel, ordered = _planes(merged, item_bytes)
        unit = item_bytes if kernel == "copy_runs" else 1
        last = ordered[-1]
        ordered = [Loop(loop.size, loop.x_stride * unit, loop.y_stride * unit) for loop in ordered[:-1]]
        ordered.append(Loop(last.size * unit, last.x_stride, last.y_stride))
        return self.step(
            kernel,
            x=x,
            y=y,
            x_offset=x_offset * unit,
            y_offset=y_offset * unit,
            rank=len(ordered),
            dims=np.array([loop.size for loop in ordered], np.int64),
            x_strides=np.array([loop.x_stride for loop in ordered], np.int64),
            y_strides=np.array([loop.y_stride for loop in ordered], np.int64),
        )


BOXES = BoxKernels("boxes")


def element_bytes(call: Call, tensor: TensorInfo) -> int:
    """The size of one element; UnsupportedError for strings and types that share bytes."""
    if is_packed(tensor.type) or tensor.type is TensorType.STRING:
        raise call.unsupported(f"elements of whole bytes are supported, found {tensor.type.name}")
    try:
        return byte_size(tensor.type, ())
    except UnsupportedError as error:
        raise call.unsupported(str(error)) from error


def strides(shape: Shape) -> tuple[int, ...]:
    """Element strides of a dense row-major tensor."""
    found, step = [], 1
    for dim in reversed(shape):
        found.append(step)
        step *= dim
    return tuple(reversed(found))


def _merged(loops: Sequence[Loop]) -> list[Loop]:
    """The same visits in fewer loops, outermost (by target stride) first; neighbours that continue each other on both sides become one."""
    merged: list[Loop] = []
    for loop in sorted((loop for loop in loops if loop.size > 1), key=lambda loop: -abs(loop.y_stride)):
        if merged and (merged[-1].x_stride, merged[-1].y_stride) == (loop.size * loop.x_stride, loop.size * loop.y_stride):
            merged[-1] = Loop(merged[-1].size * loop.size, loop.x_stride, loop.y_stride)
        else:
            merged.append(loop)
    return merged or [Loop(1, 1, 1)]


def _widened(loops: list[Loop], item_bytes: int, offsets: tuple[int, int]) -> tuple[list[Loop], int, tuple[int, int]]:
    """The same bytes as elements of a size kernels exist for: 16-byte elements as pairs, short runs of small ones as one element."""
    x_offset, y_offset = offsets
    if item_bytes > _WIDEST_BYTES:
        parts = item_bytes // _WIDEST_BYTES
        scaled = [Loop(loop.size, loop.x_stride * parts, loop.y_stride * parts) for loop in loops]
        return _merged([*scaled, Loop(parts, 1, 1)]), _WIDEST_BYTES, (x_offset * parts, y_offset * parts)
    run, outer = loops[-1], loops[:-1]
    if run.x_stride != 1 or run.y_stride != 1 or not outer or run.size * item_bytes > _SHORTEST_RUN_BYTES:
        return loops, item_bytes, offsets
    common = gcd(_WIDEST_BYTES // item_bytes, run.size, x_offset, y_offset, *(s for loop in outer for s in (loop.x_stride, loop.y_stride)))
    outer = [Loop(loop.size, loop.x_stride // common, loop.y_stride // common) for loop in outer]
    widened = _merged([*outer, Loop(run.size // common, 1, 1)])
    return widened, item_bytes * common, (x_offset // common, y_offset // common)


def _planes(loops: list[Loop], item_bytes: int) -> tuple[str, list[Loop]]:
    """The kernel for two loops or more, and their order: the last one the target's innermost, before it what makes planes with it."""
    innermost, outer = loops[-1], loops[:-1]
    if not outer:
        innermost, outer = _cut(innermost)
    suffix = f"x{8 * item_bytes}"
    if innermost.y_stride == 1 and innermost.x_stride in _ROWS:
        kernel = _ROWS[innermost.x_stride]
        return kernel if innermost.x_stride == 1 else f"{kernel}_{suffix}", [*_with_many_rows(outer), innermost]
    neighbours = next((place for place, loop in enumerate(outer) if loop.x_stride == 1), None)
    if neighbours is None or innermost.y_stride != 1:
        return f"copy_elements_{suffix}", [*_with_many_rows(outer), innermost]
    return f"copy_transposes_{suffix}", [*outer[:neighbours], *outer[neighbours + 1 :], outer[neighbours], innermost]


def _with_many_rows(loops: list[Loop]) -> list[Loop]:
    """The loops, the last of those with _MANY_ROWS rounds behind the others: going from plane to plane takes longer than a row."""
    place = next((place for place in reversed(range(len(loops))) if loops[place].size >= _MANY_ROWS), len(loops) - 1)
    return [*loops[:place], *loops[place + 1 :], loops[place]]


def _cut(loop: Loop) -> tuple[Loop, list[Loop]]:
    """A single loop as one of _LONG_ROW rounds or more and another around it, so that threads can share them."""
    sizes = range(_LONG_ROW, min(4 * _LONG_ROW, loop.size // 2) + 1)
    size = next((size for size in sizes if loop.size % size == 0), loop.size)
    return Loop(size, loop.x_stride, loop.y_stride), [Loop(loop.size // size, size * loop.x_stride, size * loop.y_stride)]
