"""The rules of a single tensor: shape, quantization and the bytes of its constant data."""

from __future__ import annotations

import math
from math import prod

from jitlite.schemas import dtypes, sparsity
from jitlite.schemas.model import broken_rule
from jitlite.schemas.strings import string_places
from jitlite.schemas.tables import (
    BlockwiseQuantization,
    Model,
    MultiAxisQuantization,
    QuantizationParameters,
    SubGraph,
    Tensor,
    TensorType,
)

MAX_RANK = 16
"""Dimensions a tensor may have; the operators of the format take at most 8."""

MAX_ELEMENTS = (1 << 31) - 1
"""Elements a tensor may have, not counting dimensions of 0: indices are 32-bit integers."""

_INT32 = dtypes.INTEGER_RANGE[TensorType.INT32]
_WITHOUT_DATA = frozenset({TensorType.RESOURCE, TensorType.VARIANT})


class TensorRules:
    """Checks the tensors of one model; a string table that several tensors share is read once."""

    def __init__(self, model: Model) -> None:
        self.buffers = model.buffers
        self.external_ids = frozenset(external.id for external in model.external_buffers)
        self.string_tables: set[tuple[int, int]] = set()

    def verify(self, subgraph: SubGraph, tensor: Tensor, where: str) -> None:
        """InvalidModelError for the first rule a tensor breaks."""
        _shape(tensor, where)
        if tensor.buffer >= len(self.buffers):
            raise broken_rule(f"{where}.buffer", f"an index below {len(self.buffers)}", tensor.buffer)
        if tensor.quantization is not None:
            _quantization(subgraph, tensor, tensor.quantization, f"{where}.quantization")
        data = self.buffers[tensor.buffer].data
        if tensor.external_buffer:
            if tensor.external_buffer not in self.external_ids:
                raise broken_rule(f"{where}.external_buffer", "the id of an external buffer", tensor.external_buffer)
            if len(data):
                raise broken_rule(where, "either a buffer with data or an external buffer", "both")
        if len(data):
            if tensor.is_variable:
                raise broken_rule(where, "a variable without constant data", f"{len(data)} bytes")
            self._data(tensor, data, where)

    def _data(self, tensor: Tensor, data: bytes | bytearray | memoryview, where: str) -> None:
        shape = tensor.shape
        if tensor.type is TensorType.STRING:
            table = (tensor.buffer, prod(shape))
            if table not in self.string_tables:
                string_places(data, shape, where)
                self.string_tables.add(table)
            return
        if tensor.type in _WITHOUT_DATA:
            raise broken_rule(where, f"a {tensor.type.name} tensor without constant data", f"{len(data)} bytes")
        if tensor.sparsity is not None:
            shape = [sparsity.stored_values(tensor.sparsity, shape, f"{where}.sparsity")]
        expected = dtypes.byte_size(tensor.type, shape)
        if len(data) != expected:
            raise broken_rule(where, f"{expected} bytes of data for {tensor.type.name} {tensor.shape}", len(data))


def _shape(tensor: Tensor, where: str) -> None:
    shape, declared = tensor.shape, tensor.shape_signature
    if len(shape) > MAX_RANK:
        raise broken_rule(f"{where}.shape", f"at most {MAX_RANK} dimensions", len(shape))
    if any(dim < 0 for dim in shape):
        raise broken_rule(f"{where}.shape", "dimensions of 0 or more", shape)
    if prod(dim for dim in shape if dim) > MAX_ELEMENTS:
        raise broken_rule(f"{where}.shape", f"at most {MAX_ELEMENTS} elements", shape)
    if declared and (len(declared) != len(shape) or any(a not in (-1, b) for a, b in zip(declared, shape))):
        raise broken_rule(f"{where}.shape_signature", f"-1 or the dimension in each place of {shape}", declared)


def _quantization(subgraph: SubGraph, tensor: Tensor, parameters: QuantizationParameters, where: str) -> None:
    details = parameters.details
    if details is not None:
        if isinstance(details, (BlockwiseQuantization, MultiAxisQuantization)):
            _details(subgraph, tensor, details, f"{where}.details")
        return
    scales, zero_points = parameters.scale, parameters.zero_point
    if not scales:
        return
    if len(scales) > 1:
        axis = parameters.quantized_dimension
        if not 0 <= axis < len(tensor.shape):
            raise broken_rule(f"{where}.quantized_dimension", f"a dimension of {tensor.shape}", axis)
        if len(scales) != tensor.shape[axis]:
            raise broken_rule(f"{where}.scale", f"1 or {tensor.shape[axis]} scales for dimension {axis} of {tensor.shape}", len(scales))
    if len(zero_points) != len(scales):
        raise broken_rule(f"{where}.zero_point", f"{len(scales)} zero points, one a scale,", len(zero_points))
    if not (all(map(math.isfinite, scales)) and min(scales) >= 0 and max(scales) > 0):
        found = next((scale for scale in scales if not 0 < scale < math.inf), 0.0)
        raise broken_rule(f"{where}.scale", "finite scales above 0 (but for channels of zeros)", found)
    low, high = dtypes.INTEGER_RANGE.get(tensor.type, _INT32)
    low, high = max(low, _INT32[0]), min(high, _INT32[1])
    if not low <= min(zero_points) <= max(zero_points) <= high:
        found = next(zero_point for zero_point in zero_points if not low <= zero_point <= high)
        raise broken_rule(f"{where}.zero_point", f"zero points from {low} to {high} for {tensor.type.name}", found)


def _details(subgraph: SubGraph, tensor: Tensor, details: BlockwiseQuantization | MultiAxisQuantization, where: str) -> None:
    count = len(subgraph.tensors)
    if not 0 <= details.scales < count:
        raise broken_rule(f"{where}.scales", f"a tensor index below {count}", details.scales)
    if not -1 <= details.zero_points < count:
        raise broken_rule(f"{where}.zero_points", f"-1 or a tensor index below {count}", details.zero_points)
    if isinstance(details, BlockwiseQuantization):
        if any(size < 1 for size in details.block_shape or [details.block_size]):
            raise broken_rule(where, "blocks of 1 or more", details.block_shape or details.block_size)
        return
    if details.block_size < 0:
        raise broken_rule(f"{where}.block_size", "0 or more", details.block_size)
    axes = details.quantized_dimensions
    if len(set(axes)) != len(axes) or any(not 0 <= axis < len(tensor.shape) for axis in axes):
        raise broken_rule(f"{where}.quantized_dimensions", f"different dimensions of {tensor.shape}", axes)
