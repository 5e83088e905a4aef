"""Walks: how element-by-element kernels step through operands of different shapes, in the fewest and longest loops."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.registry import Step, kernels
from jitlite.schemas.ops.spec import Shape, TensorInfo
from jitlite.schemas.tables import TensorType

FLOATS = kernels("elementwise")
ARITHMETIC = {
    TensorType.FLOAT32: ("add", "sub", "mul", "div", "minimum", "maximum", "squared_difference", "floor_div"),
    TensorType.INT32: ("add", "sub", "mul", "minimum", "maximum", "squared_difference"),
}
"""Operations that one kernel has for a type, by the number it knows them by."""


def _strides(shape: Shape, rank: int) -> list[int]:
    """Element strides of a dense operand seen with `rank` dims, 0 along those it repeats."""
    found, step = [], 1
    for dim in reversed((1,) * (rank - len(shape)) + tuple(shape)):
        found.append(0 if dim == 1 else step)
        step *= dim
    return found[::-1]


def loops(output: Shape, operands: Sequence[Shape]) -> list[tuple[int, ...]]:
    """The fewest loops, innermost first, that visit every result once in order: (dim, stride of each operand)."""
    strides = [_strides(shape, len(output)) for shape in operands]
    merged: list[tuple[int, ...]] = []
    for axis in reversed(range(len(output))):
        if output[axis] == 1:
            continue
        loop = (output[axis], *(stride[axis] for stride in strides))
        if merged and all(outer == inner * merged[-1][0] for outer, inner in zip(loop[1:], merged[-1][1:])):
            merged[-1] = (merged[-1][0] * loop[0], *merged[-1][1:])
        else:
            merged.append(loop)
    return merged or [(1, *[1] * len(operands))]


def walk(output: Shape, *operands: Shape) -> NDArray[np.int64]:
    """The block `kernels.broadcast` describes: [total, columns, step of each operand, rank, (dim, stride of each operand) × rank]."""
    row, *outer = loops(output, operands) if 0 not in output else [(1, *[1] * len(operands))]
    block: list[Any] = [prod(output), *row, len(outer)]
    for loop in outer:
        block += loop
    return np.array(block, np.int64)


def real_products(a: TensorInfo, a_shape: Shape, b: TensorInfo, b_shape: Shape, y: TensorInfo) -> Step:
    """The step y = a · b of float32 with broadcasting; the operands are seen with the given shapes."""
    settings = np.array([-np.inf, np.inf, ARITHMETIC[TensorType.FLOAT32].index("mul")], np.float64)
    return FLOATS.step("arithmetic_f32", a=a, b=b, y=y, walk=walk(y.shape, a_shape, b_shape), settings=settings)
