"""Bindings of the operators on the bits of elements."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.arrays import computes
from jitlite.interpreter.binding.boxes import BOXES
from jitlite.interpreter.binding.registry import HostStep, Step, binds
from jitlite.schemas.dtypes import byte_size
from jitlite.schemas.ops.bitwise import BITCAST, BITWISE_XOR, RIGHT_SHIFT
from jitlite.schemas.ops.spec import Call

Array = NDArray[Any]


@binds(BITCAST)
def bitcast(call: Call) -> Step:
    x = call.input(0)
    return BOXES.copy_bytes(x, call.outputs[0], byte_size(x.type, x.shape))


@binds(BITWISE_XOR)
def bitwise_xor(call: Call) -> HostStep:
    return computes(lambda operands: operands[0] ^ operands[1])


@binds(RIGHT_SHIFT)
def right_shift(call: Call) -> HostStep:
    """Arithmetic shifts of signed numbers; by 0 to one bit less than an element has."""
    most = 8 * byte_size(call.input(0).type, ()) - 1

    def shift(operands: Sequence[Array]) -> Array:
        found: Array = operands[0] >> np.clip(operands[1], 0, most)
        return found

    return computes(shift)
