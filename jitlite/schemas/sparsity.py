"""Sparse tensors: the tree that stores one, a level a dimension, dense or compressed; the dense array it stands for; scales of blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.schemas.dtypes import byte_size, numpy_dtype
from jitlite.schemas.errors import UnsupportedError
from jitlite.schemas.model import broken_rule, tensor_data
from jitlite.schemas.table import Table
from jitlite.schemas.tables import (
    DimensionMetadata,
    DimensionType,
    Int32Vector,
    Model,
    SparsityParameters,
    SubGraph,
    Tensor,
    TensorType,
    Uint8Vector,
    Uint16Vector,
)

MAX_VALUES = (1 << 31) - 1
"""Values a sparse tensor may store."""
MAX_DENSE_BYTES = 1 << 30


def stored_values(sparsity: SparsityParameters, shape: list[int], where: str) -> int:
    """The number of values a well-formed tree stores; InvalidModelError says what is wrong with any other tree.

    Levels follow `traversal_order`: first the dimensions of the tensor, each divided by its block size, then the block dimensions, which
    are dense.
    """
    rank, blocks = len(shape), len(sparsity.block_map)
    levels = rank + blocks
    order = sparsity.traversal_order
    if rank == 0:
        raise broken_rule(f"{where}.dim_metadata", "a tensor with dimensions", "a scalar")
    if sorted(order[:rank]) != list(range(rank)) or sorted(order[rank:]) != list(range(rank, levels)):
        raise broken_rule(f"{where}.traversal_order", f"the {rank} dimensions, then the {blocks} block dimensions, each once", order)
    if len(sparsity.dim_metadata) != levels:
        raise broken_rule(f"{where}.dim_metadata", f"{levels} levels", len(sparsity.dim_metadata))
    if any(not 0 <= dim < rank for dim in sparsity.block_map) or len(set(sparsity.block_map)) != blocks:
        raise broken_rule(f"{where}.block_map", f"different dimensions below {rank}", sparsity.block_map)
    sizes = list(shape) + [0] * blocks
    for level in range(rank, levels):
        metadata = sparsity.dim_metadata[level]
        dim, size = sparsity.block_map[order[level] - rank], metadata.dense_size
        if metadata.format is not DimensionType.DENSE or size < 1 or sizes[dim] % size:
            found = f"{metadata.format.name} of {size}"
            raise broken_rule(f"{where}.dim_metadata[{level}]", f"a dense block that divides dimension {dim} of {shape}", found)
        sizes[dim] //= size
        sizes[order[level]] = size
    count = 1
    for level, metadata in enumerate(sparsity.dim_metadata):
        count = _level(metadata, count, sizes[order[level]], f"{where}.dim_metadata[{level}]")
        if count > MAX_VALUES:
            raise broken_rule(where, f"at most {MAX_VALUES} values", count)
    return count


def _level(metadata: DimensionMetadata, parents: int, size: int, where: str) -> int:
    """The number of nodes on a level below `parents` nodes."""
    if metadata.format is DimensionType.DENSE:
        if metadata.dense_size != size:
            raise broken_rule(f"{where}.dense_size", size, metadata.dense_size)
        return parents * size
    segments = _values(metadata.array_segments, f"{where}.array_segments")
    indices = _values(metadata.array_indices, f"{where}.array_indices")
    if len(segments) != parents + 1 or segments[0] != 0 or (np.diff(segments) < 0).any() or segments[-1] != len(indices):
        required = f"{parents + 1} ascending places from 0 to {len(indices)}"
        raise broken_rule(f"{where}.array_segments", required, f"{len(segments)} values")
    if len(indices) and (indices.min() < 0 or indices.max() >= size):
        raise broken_rule(f"{where}.array_indices", f"indices below {size}", f"{indices.min()} to {indices.max()}")
    rising = np.diff(indices) > 0
    starts = segments[1:-1]
    rising[starts[(starts > 0) & (starts < len(indices))] - 1] = True
    if not rising.all():
        raise broken_rule(f"{where}.array_indices", "ascending indices in every segment", "others")
    return len(indices)


def dense_values(tensor: Tensor, data: bytes | bytearray | memoryview) -> NDArray[np.generic]:
    """The dense array of a sparse tensor; InvalidModelError when the tree that places its values is not well formed.

    A dense array of more than MAX_DENSE_BYTES is an UnsupportedError.

    Level by level every node of the tree is one partial coordinate: dense levels multiply them, compressed levels list their children.
    """
    sparsity = tensor.sparsity
    assert sparsity is not None
    rank, order = len(tensor.shape), sparsity.traversal_order
    if byte_size(tensor.type, tensor.shape) > MAX_DENSE_BYTES:
        found = byte_size(tensor.type, tensor.shape)
        raise UnsupportedError(f"tensor '{tensor.name}': at most {MAX_DENSE_BYTES} bytes of dense data are supported, found {found}")
    count = stored_values(sparsity, tensor.shape, f"tensor '{tensor.name}'")
    paths: NDArray[np.int64] = np.zeros((1, 0), np.int64)
    for metadata in sparsity.dim_metadata:
        if metadata.format is DimensionType.DENSE:
            children = np.tile(np.arange(metadata.dense_size), len(paths))
            paths = np.repeat(paths, metadata.dense_size, axis=0)
        else:
            children = _values(metadata.array_indices, tensor.name)
            paths = np.repeat(paths, np.diff(_values(metadata.array_segments, tensor.name)), axis=0)
        paths = np.column_stack([paths, children])
    places = np.zeros((rank, count), np.int64)
    for level in range(len(order)):
        if order[level] < rank:
            places[order[level]] += paths[:, level] * _block_size(tensor, order[level])
        else:
            places[sparsity.block_map[order[level] - rank]] += paths[:, level]
    dense = np.zeros(tensor.shape, numpy_dtype(tensor.type))
    dense[tuple(places)] = np.frombuffer(data, dense.dtype, count)
    dense.flags.writeable = False
    return dense


def _block_size(tensor: Tensor, dim: int) -> int:
    sparsity = tensor.sparsity
    assert sparsity is not None
    if dim not in sparsity.block_map:
        return 1
    level = sparsity.traversal_order.index(len(tensor.shape) + sparsity.block_map.index(dim))
    return sparsity.dim_metadata[level].dense_size


def constant_data(model: Model, tensor: Tensor) -> NDArray[np.generic] | None:
    """The constant data of a tensor as `tensor_data` gives it, those of a sparse tensor as a dense array."""
    if tensor.sparsity is None:
        return tensor_data(model, tensor)
    data = model.buffers[tensor.buffer].data
    return dense_values(tensor, data) if len(data) else None


def block_scales(model: Model, graph: SubGraph, tensor: Tensor) -> NDArray[np.generic] | None:
    """The scales of a tensor quantized block by block, where they are constant."""
    details: Any = tensor.quantization.details if tensor.quantization is not None else None
    if details is None or type(details).__name__ != "BlockwiseQuantization":
        return None
    scales = graph.tensors[details.scales]
    return None if scales.is_variable or scales.type is TensorType.STRING else constant_data(model, scales)


def _values(vector: Table | None, where: str) -> NDArray[np.int64]:
    if isinstance(vector, Uint8Vector):
        return np.frombuffer(vector.values, np.uint8).astype(np.int64)
    if isinstance(vector, (Int32Vector, Uint16Vector)):
        return np.array(vector.values, np.int64)
    raise broken_rule(where, "a vector", "none")
