"""Matrices of 4 and 2 bits whose rows are quantized block by block, in NumPy: products with them, and rows of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.arrays import computes
from jitlite.interpreter.binding.registry import HostStep
from jitlite.schemas.affine import activation_bounds
from jitlite.schemas.dtypes import BITS, numpy_dtype, unpacked_elements
from jitlite.schemas.errors import ExecutionError
from jitlite.schemas.ops.quantized import block_size
from jitlite.schemas.ops.spec import Call, TensorInfo

Array = NDArray[Any]

_CHUNK_ELEMENTS = 1 << 20
"""About how many elements of a matrix are unpacked at a time."""


class BlockRows:
    """Rows of a packed matrix as float32 numbers."""

    def __init__(self, matrix: TensorInfo, size: int) -> None:
        assert matrix.block_scales is not None
        rows, self.depth = matrix.shape
        self.scales = matrix.block_scales.astype(np.float32).reshape(rows, self.depth // size)
        self._patterns = unpacked_elements(np.arange(256, dtype=np.uint8), matrix.type, (256, 8 // BITS[matrix.type])).astype(np.float32)

    def of(self, data: Array, chosen: slice | Array) -> Array:
        """The chosen rows of the matrix whose bytes are `data`."""
        patterns = data.reshape(len(self.scales), -1).view(np.uint8)[chosen]
        count = self.scales.shape[1]
        blocks = self._patterns[patterns].reshape(len(patterns), count, self.depth // max(count, 1))
        products: Array = blocks * self.scales[chosen][:, :, None]
        return products.reshape(len(patterns), self.depth)


def quantized_rows(x: Array) -> tuple[Array, Array, Array]:
    """Rows of float32 as INT8 with a scale and a zero point each, in the reference's arithmetic; all results are float32."""
    low = np.minimum(x.min(axis=1, initial=0), 0).astype(np.float64)
    high = np.maximum(x.max(axis=1, initial=0), 0).astype(np.float64)
    scale = np.where(low == high, 1.0, (high - low) / 255)
    nearer_low = 128 + np.abs(low / scale) < 127 + np.abs(high / scale)
    zero_point = np.where(nearer_low, -128 - low / scale, 127 - high / scale)
    zero_point = np.clip(np.trunc(zero_point + np.copysign(0.5, zero_point)), -128, 127).astype(np.float32)
    scale = scale.astype(np.float32)
    raw = zero_point[:, None] + x * (np.float32(1) / scale)[:, None]
    quantized = np.clip(np.trunc(raw + np.copysign(np.float32(0.5), raw)), -128, 127)
    is_zero = (low == high)[:, None]
    return np.where(is_zero, np.float32(0), quantized), scale, np.where(is_zero[:, 0], np.float32(0), zero_point)


def blockwise_product(call: Call) -> HostStep:
    """FULLY_CONNECTED: activations quantized row by row, times weights unpacked some rows at a time."""
    weights, bias, y = call.input(1), call.optional_input(2), call.outputs[0]
    size = block_size(call, "weights", weights)
    assert size is not None
    rows, (units, depth) = BlockRows(weights, size), weights.shape
    low, high = activation_bounds(call.options.fused_activation_function)
    together = max(1, _CHUNK_ELEMENTS // depth)

    def run(operands: Sequence[Array]) -> Array:
        quantized, scale, zero_point = quantized_rows(operands[0].reshape(-1, depth))
        centred, found = quantized - zero_point[:, None], np.empty((len(quantized), units), np.float32)
        for first in range(0, units, together):
            part = slice(first, min(first + together, units))
            found[:, part] = centred @ rows.of(operands[1], part).T
        found *= scale[:, None]
        found += operands[2] if bias is not None else 0
        return np.clip(found, low, high).astype(np.float32).reshape(y.shape)

    return computes(run)


def blockwise_rows(call: Call) -> HostStep:
    """EMBEDDING_LOOKUP."""
    table, y = call.input(1), call.outputs[0]
    size = block_size(call, "value", table)
    assert size is not None
    rows, dtype = BlockRows(table, size), numpy_dtype(y.type)

    def look_up(operands: Sequence[Array]) -> Array:
        chosen = operands[0].astype(np.int64)
        if not ((chosen >= 0) & (chosen < table.shape[0])).all():
            raise ExecutionError(f"{call.where}: an index inside its bound is required, found one outside")
        return rows.of(operands[1], chosen).astype(dtype).reshape(y.shape)

    return computes(look_up)
