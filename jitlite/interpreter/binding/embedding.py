"""Bindings of EMBEDDING_LOOKUP (with the kernel of GATHER where types agree) and EMBEDDING_LOOKUP_SPARSE."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.interpreter.binding.arrays import computes
from jitlite.interpreter.binding.blockwise import blockwise_rows
from jitlite.interpreter.binding.boxes import element_bytes
from jitlite.interpreter.binding.registry import Argument, HostStep, Step, binds, kernels
from jitlite.schemas.dtypes import numpy_dtype
from jitlite.schemas.errors import ExecutionError
from jitlite.schemas.ops.embedding import EMBEDDING_LOOKUP, EMBEDDING_LOOKUP_SPARSE, is_hybrid
from jitlite.schemas.ops.spec import Call
from jitlite.schemas.tables import CombinerType, TensorType

Array = NDArray[Any]
_PACKED_BITS = {TensorType.INT4: 4, TensorType.INT2: 2}


def _require_inside(call: Call, indices: Array, bound: int | Array) -> None:
    if not ((indices >= 0) & (indices < bound)).all():
        raise ExecutionError(f"{call.where}: an index inside its bound is required, found one outside")


@binds(EMBEDDING_LOOKUP)
def embedding_lookup(call: Call) -> Step | HostStep:
    if is_hybrid(call):
        return _dequantized(call) if call.input(1).block_scales is None else blockwise_rows(call)
    lookup, table, y = call.input(0), call.input(1), call.outputs[0]
    run = prod(table.shape[1:]) * element_bytes(call, table)
    return kernels("gather").step(
        "gather_i32",
        x=table,
        positions=lookup,
        y=y,
        outer=1,
        count=max(lookup.size, 1),
        rows=lookup.size,
        block=0,
        run=run,
        depth=1,
        bounds=np.array([table.shape[0]], np.int64),
        strides=np.array([run], np.int64),
    )


def _dequantized(call: Call) -> Step | HostStep:
    """Rows times their scale. Bytes are signed, also where the table calls them UINT8: the reference reads them so."""
    lookup, table, y = call.input(0), call.input(1), call.outputs[0]
    assert table.quantization is not None
    rows, columns, bits = table.shape[0], prod(table.shape[1:]), _PACKED_BITS.get(table.type)
    scales = np.broadcast_to(np.array(table.quantization.scale, np.float32), rows).copy()
    if y.type is not TensorType.FLOAT32:
        return _narrow(call, scales, bits)
    arguments: dict[str, Argument] = {"lookup": lookup, "table": table, "scales": scales, "y": y}
    arguments |= {"count": lookup.size, "rows": rows, "columns": columns}
    if bits is None:
        return kernels("embedding").step("dequantize_rows_i8", **arguments)
    return kernels("embedding").step("dequantize_rows_packed", **arguments, bits=bits)


def _narrow(call: Call, scales: Array, bits: int | None) -> HostStep:
    """Rows as float16."""
    table, y = call.input(1), call.outputs[0]
    rows, columns, dtype = table.shape[0], prod(table.shape[1:]), numpy_dtype(y.type)

    def look_up(operands: Sequence[Array]) -> Array:
        chosen, data = operands[0].astype(np.int64), operands[1].reshape(-1).view(np.uint8)
        _require_inside(call, chosen, rows)
        values = data.reshape(rows, columns)[chosen].view(np.int8) if bits is None else _unpacked(data, chosen, columns, bits)
        result: Array = (values.astype(np.float32) * scales[chosen, None]).astype(dtype)
        return result.reshape(y.shape)

    return computes(look_up)


def _unpacked(data: NDArray[np.uint8], rows: NDArray[np.int64], columns: int, bits: int) -> NDArray[np.int8]:
    """Rows of a table of 4 or 2 bits. As in the reference a row starts with the byte that holds its first value."""
    per_byte = 8 // bits
    places = (rows * columns // per_byte)[:, None] + np.arange(columns) // per_byte
    shifts = (8 - bits - np.arange(columns) % per_byte * bits).astype(np.uint8)
    values: NDArray[np.int8] = (data[places] << shifts).view(np.int8) >> (8 - bits)
    return values


@binds(EMBEDDING_LOOKUP_SPARSE)
def embedding_lookup_sparse(call: Call) -> HostStep:
    table, y = call.input(4), call.outputs[0]
    rank = call.input(1).shape[1]
    outer, size = y.shape[: rank - 1], prod(table.shape[1:])
    combiner = call.options.combiner if call.options is not None else CombinerType.SUM

    def combine(operands: Sequence[Array]) -> Array:
        ids, indices, _, weights, values = operands
        _require_inside(call, ids, table.shape[0])
        places = indices[:, : rank - 1].astype(np.int64)
        _require_inside(call, places, np.array(outer, np.int64))
        buckets = places @ np.array([prod(outer[axis + 1 :]) for axis in range(rank - 1)], np.int64)
        result = np.zeros((prod(outer), size), np.float32)
        runs = np.flatnonzero(np.diff(buckets, prepend=-1, append=-1)) if len(buckets) else np.zeros(1, np.int64)
        for start, stop in pairwise(runs.tolist()):
            total = result[buckets[start]]
            for i in range(start, stop):
                total += values[ids[i]].reshape(-1) * weights[i]
            if combiner == CombinerType.MEAN:
                total /= np.add.accumulate(weights[start:stop])[-1]
            elif combiner == CombinerType.SQRTN:
                total /= np.sqrt(np.add.accumulate(weights[start:stop] ** 2)[-1])
        return result.reshape(y.shape)

    return computes(combine)
