"""Operators in Python, as functions of the arrays of their operands."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.registry import HostStep

Array = NDArray[Any]


def computes(function: Callable[[Sequence[Array]], Array]) -> HostStep:
    """A step that stores function(operands), all of which must be present; floating-point exceptions pass in silence, as in kernels."""

    def run(arrays: Sequence[Array | None]) -> list[Array]:
        with np.errstate(all="ignore"):
            return [function([array for array in arrays if array is not None])]

    return HostStep(run)
