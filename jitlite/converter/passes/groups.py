"""What a reshape does to axes: groups of neighbouring axes become groups of others that hold the same elements."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import NamedTuple

import numpy as np

from jitlite.converter.builder import Permutation
from jitlite.converter.graph import Shape


class Group(NamedTuple):
    """Axes of the operand and axes of the result that hold the same elements; axes of size 1 belong to none."""

    before: tuple[int, ...]
    after: tuple[int, ...]


def groups(before: Shape, after: Shape) -> list[Group]:
    """The smallest groups of a reshape, in order."""
    old = [axis for axis, dim in enumerate(before) if dim != 1]
    new = [axis for axis, dim in enumerate(after) if dim != 1]
    found = []
    i = j = 0
    while i < len(old) and j < len(new):
        start_i, start_j = i, j
        left, right = before[old[i]], after[new[j]]
        i, j = i + 1, j + 1
        while left != right:
            if left < right:
                left *= before[old[i]]
                i += 1
            else:
                right *= after[new[j]]
                j += 1
        found.append(Group(tuple(old[start_i:i]), tuple(new[start_j:j])))
    return found


def order_before(before: Shape, after: Shape, order: Permutation) -> Permutation | None:
    """The permutation of axes in front of a reshape that does what `order` does behind it; None where there is none."""
    if 0 in before:
        return None
    wanted = [axis for axis in order if after[axis] != 1]
    found = {group.after[0]: group for group in groups(before, after)}
    result: list[int] = []
    while wanted:
        group = found.get(wanted[0])
        if group is None or tuple(wanted[: len(group.after)]) != group.after:
            return None
        result += group.before
        del wanted[: len(group.after)]
    for axis, dim in enumerate(before):
        if dim == 1:
            result.insert(axis, axis)
    return tuple(result)


def refinement(before: Shape, after: Shape) -> tuple[list[int], list[list[int]], list[list[int]]] | None:
    """The sizes of the parts into which both shapes' axes split, and the parts of each axis of one and of the other shape.

    None where an axis of one shape begins within a part of the other, as in (2, 3) and (3, 2).
    """
    ends = [np.cumprod(dims, dtype=np.int64).tolist() for dims in (before, after)]
    if 0 in before or 0 in after:
        return None
    cuts = sorted({1, *ends[0], *ends[1]})
    if any(above % below for below, above in pairwise(cuts)):
        return None
    starts = [[1, *points[:-1]] for points in ends]
    parts = [
        [[index for index, cut in enumerate(cuts[:-1]) if start <= cut < end] for start, end in zip(first, last, strict=True)]
        for first, last in zip(starts, ends, strict=True)
    ]
    return [above // below for below, above in pairwise(cuts)], parts[0], parts[1]


def joined(dims: Sequence[int], order: Sequence[int]) -> tuple[list[int], Permutation]:
    """A transpose with fewer axes that moves the same elements: axes that stay together become one."""
    runs: list[list[int]] = []
    for axis in order:
        if runs and axis == runs[-1][-1] + 1:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    lain = sorted(runs)
    return [prod(dims[axis] for axis in run) for run in lain], tuple(lain.index(run) for run in runs)
