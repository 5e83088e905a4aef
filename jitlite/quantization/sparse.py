"""Sparse constants as dense arrays."""

import numpy as np
from numpy.typing import NDArray

from jitlite.schemas.dtypes import numpy_dtype
from jitlite.schemas.sparsity import stored_values
from jitlite.schemas.table import Table
from jitlite.schemas.tables import DimensionType, Int32Vector, Tensor, Uint8Vector, Uint16Vector


def dense_values(tensor: Tensor, data: bytes | bytearray | memoryview) -> NDArray[np.generic]:
    """The dense array of a sparse tensor; InvalidModelError when the tree that places its values is not well formed.

    Level by level every node of the tree is one partial coordinate: dense levels multiply them, compressed levels list their children.
    """
    sparsity = tensor.sparsity
    assert sparsity is not None
    rank, order = len(tensor.shape), sparsity.traversal_order
    count = stored_values(sparsity, tensor.shape, f"tensor '{tensor.name}'")
    paths: NDArray[np.int64] = np.zeros((1, 0), np.int64)
    for metadata in sparsity.dim_metadata:
        if metadata.format is DimensionType.DENSE:
            children = np.tile(np.arange(metadata.dense_size), len(paths))
            paths = np.repeat(paths, metadata.dense_size, axis=0)
        else:
            children = _values(metadata.array_indices)
            paths = np.repeat(paths, np.diff(_values(metadata.array_segments)), axis=0)
        paths = np.column_stack([paths, children])
    places = np.zeros((rank, count), np.int64)
    for level in range(len(order)):
        if order[level] < rank:
            places[order[level]] += paths[:, level] * _block_size(tensor, order[level])
        else:
            places[sparsity.block_map[order[level] - rank]] += paths[:, level]
    dense = np.zeros(tensor.shape, numpy_dtype(tensor.type))
    dense[tuple(places)] = np.frombuffer(data, dense.dtype, count)
    return dense


def _block_size(tensor: Tensor, dim: int) -> int:
    sparsity = tensor.sparsity
    assert sparsity is not None
    if dim not in sparsity.block_map:
        return 1
    level = sparsity.traversal_order.index(len(tensor.shape) + sparsity.block_map.index(dim))
    return sparsity.dim_metadata[level].dense_size


def _values(vector: Table | None) -> NDArray[np.int64]:
    if isinstance(vector, Uint8Vector):
        return np.frombuffer(vector.values, np.uint8).astype(np.int64)
    assert isinstance(vector, (Int32Vector, Uint16Vector))
    return np.asarray(vector.values, np.int64)
