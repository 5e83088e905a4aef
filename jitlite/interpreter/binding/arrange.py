"""Bindings of REVERSE_SEQUENCE, MATRIX_DIAG, MATRIX_SET_DIAG, ZEROS_LIKE, BUCKETIZE and BROADCAST_ARGS."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.arrays import computes
from jitlite.interpreter.binding.boxes import BOXES, Loop, element_bytes
from jitlite.interpreter.binding.registry import HostStep, Step, binds, kernels
from jitlite.schemas.ops.arrange import BROADCAST_ARGS, BUCKETIZE, MATRIX_DIAG, MATRIX_SET_DIAG, REVERSE_SEQUENCE, ZEROS_LIKE
from jitlite.schemas.ops.spec import Call
from jitlite.schemas.tables import TensorType

Array = NDArray[Any]
K = kernels("arrange")
_INDICES = {TensorType.INT32: "i32", TensorType.INT64: "i64"}


@binds(REVERSE_SEQUENCE)
def reverse_sequence(call: Call) -> Step:
    x, lengths, y = call.input(0), call.input(1), call.outputs[0]
    batch, seq = call.options.batch_dim, call.options.seq_dim
    first, second = min(batch, seq), max(batch, seq)
    return K.step(
        f"reverse_sequence_{_INDICES[lengths.type]}",
        x=x,
        lengths=lengths,
        y=y,
        outer=prod(x.shape[:first]),
        first=x.shape[first],
        between=prod(x.shape[first + 1 : second]),
        second=x.shape[second],
        run=prod(x.shape[second + 1 :]) * element_bytes(call, x),
        is_batch_first=int(batch < seq),
    )


@binds(MATRIX_DIAG)
def matrix_diag(call: Call) -> Step:
    x, y = call.input(0), call.outputs[0]
    return K.step(f"diagonal_x{8 * element_bytes(call, x)}", x=x, y=y, count=prod(x.shape[:-1]), size=x.shape[-1])


@binds(MATRIX_SET_DIAG)
def matrix_set_diag(call: Call) -> Step:
    x, values, y = call.input(0), call.input(1), call.outputs[0]
    *outer, rows, columns = x.shape
    kernel = f"set_diagonal_x{8 * element_bytes(call, x)}"
    return K.step(kernel, x=x, values=values, y=y, count=prod(outer), rows=rows, columns=columns)


@binds(ZEROS_LIKE)
def zeros_like(call: Call) -> Step:
    y = call.outputs[0]
    return BOXES.copy(np.zeros(8, np.uint8), y, [Loop(y.size, 0, 1)], element_bytes(call, y))


@binds(BUCKETIZE)
def bucketize(call: Call) -> HostStep:
    """Integers are compared as float32, float64 as it is; a NaN comes last."""
    boundaries = np.array(call.options.boundaries, np.float32)

    def place(operands: Sequence[Array]) -> Array:
        values = operands[0] if operands[0].dtype == np.float64 else operands[0].astype(np.float32)
        return np.searchsorted(boundaries.astype(values.dtype), values, side="right").astype(np.int32)

    return computes(place)


@binds(BROADCAST_ARGS)
def broadcast_args(call: Call) -> Step:
    a, b, y = call.input(0), call.input(1), call.outputs[0]
    return K.step(f"broadcast_shapes_{_INDICES[a.type]}", a=a, b=b, y=y, a_rank=a.size, b_rank=b.size, rank=y.size)
