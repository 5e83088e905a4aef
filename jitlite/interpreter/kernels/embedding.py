"""Rows of quantized tables as float32."""

from typing import Any

import numpy as np

from jitlite.interpreter.kernels.abi import Status, f32p, i8p, i32, i32p, i64, kernel, span, u8p

_single: Any = np.float32
_OK = int(Status.OK)
_OUTSIDE = int(Status.INDEX_OUT_OF_RANGE)


@kernel
def dequantize_rows_i8(
    lookup: i32p, table: i8p, scales: f32p, y: f32p, count: i64, rows: i64, columns: i64, thread: i64, threads: i64
) -> i32:
    """y[i] = table[lookup[i]] · scales[lookup[i]] for `count` rows of `columns` numbers."""
    start, stop = span(count, thread, threads)
    for i in range(start, stop):
        row = lookup[i]
        if row < 0 or row >= rows:
            return _OUTSIDE
        source, target, scale = row * columns, i * columns, scales[row]
        for column in range(columns):
            y[target + column] = _single(table[source + column]) * scale
    return _OK


@kernel
def dequantize_rows_packed(
    lookup: i32p, table: u8p, scales: f32p, y: f32p, count: i64, rows: i64, columns: i64, bits: i64, thread: i64, threads: i64
) -> i32:
    """The same for numbers of 4 or 2 bits, low bits first. As in the reference a row starts with the byte that holds its first number."""
    start, stop = span(count, thread, threads)
    per_byte, half = 8 // bits, 1 << (bits - 1)
    for i in range(start, stop):
        row = lookup[i]
        if row < 0 or row >= rows:
            return _OUTSIDE
        source, target, scale = row * columns // per_byte, i * columns, scales[row]
        for column in range(columns):
            value = (table[source + column // per_byte] >> (column % per_byte * bits)) & (2 * half - 1)
            y[target + column] = _single((value ^ half) - half) * scale
    return _OK
