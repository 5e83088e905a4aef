"""The tree that stores a sparse tensor: one level a dimension, dense or compressed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jitlite.schemas.model import broken_rule
from jitlite.schemas.table import Table
from jitlite.schemas.tables import DimensionMetadata, DimensionType, Int32Vector, SparsityParameters, Uint8Vector, Uint16Vector

MAX_VALUES = (1 << 31) - 1
"""Values a sparse tensor may store."""


def stored_values(sparsity: SparsityParameters, shape: list[int], where: str) -> int:
    """The number of values a well-formed tree stores; InvalidModelError says what is wrong with any other tree.

    Levels follow `traversal_order`: first the dimensions of the tensor, each divided by its block size, then the block dimensions, which
    are dense.
    """
    rank, blocks = len(shape), len(sparsity.block_map)
    levels = rank + blocks
    order = sparsity.traversal_order
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


def _values(vector: Table | None, where: str) -> NDArray[np.int64]:
    if isinstance(vector, Uint8Vector):
        return np.frombuffer(vector.values, np.uint8).astype(np.int64)
    if isinstance(vector, (Int32Vector, Uint16Vector)):
        return np.array(vector.values, np.int64)
    raise broken_rule(where, "a vector", "none")
