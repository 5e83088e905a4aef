"""Tensors of strings: the table a file stores them as, and the arrays of `bytes` objects they are everywhere else.

A table is a count, count + 1 places in bytes from its start, then the characters; all integers are int32.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.model import broken_rule
from jitlite.schemas.tables import Model, Tensor

Strings = NDArray[np.object_]
"""An array of `bytes` objects."""

STRING_BYTES = 8
"""Bytes one element of such an array takes; characters are shared between tensors."""


def string_places(data: bytes | bytearray | memoryview, shape: Sequence[int], where: str) -> list[int]:
    """Where the strings of a table for a tensor of this shape start, and where the last one ends; InvalidModelError for a broken table."""
    expected = prod(shape)
    table_bytes = 4 * (expected + 2)
    if len(data) < table_bytes:
        raise broken_rule(where, f"a string table of at least {table_bytes} bytes for {list(shape)}", f"{len(data)} bytes")
    numbers: list[int] = np.frombuffer(data, "<i4", expected + 2).tolist()
    count, places = numbers[0], numbers[1:]
    if count != expected:
        raise broken_rule(where, f"{expected} strings", count)
    if places[0] != table_bytes or places[-1] != len(data) or any(a > b for a, b in pairwise(places)):
        raise broken_rule(where, f"ascending string places from {table_bytes} to {len(data)}", "others")
    return places


def decode_strings(data: bytes | bytearray | memoryview, shape: Sequence[int], where: str) -> Strings:
    """The strings of a table, read-only; InvalidModelError for a broken table."""
    values = filled([bytes(data[start:stop]) for start, stop in pairwise(string_places(data, shape, where))], shape)
    values.flags.writeable = False
    return values


def encode_strings(values: Strings) -> bytes:
    """The table for an array of `bytes` objects."""
    items = [bytes(item) for item in values.reshape(-1)]
    places = np.cumsum([4 * (len(items) + 2), *map(len, items)])
    return np.array([len(items), *places], "<i4").tobytes() + b"".join(items)


def filled(items: Sequence[bytes], shape: Sequence[int]) -> Strings:
    """An array of this shape with these elements."""
    values: Strings = np.empty(len(items), np.object_)
    values[:] = items
    return values.reshape(tuple(shape))


def as_strings(value: Any) -> Strings:
    """An array of `bytes` objects from one of text, bytes or objects of both; text becomes UTF-8. ValueError for anything else."""
    array = np.asarray(value)
    if array.dtype.kind not in "OSU":
        raise ValueError(f"text or bytes are required, found {array.dtype}")
    items = array.reshape(-1).tolist()
    for place, item in enumerate(items):
        if isinstance(item, str):
            items[place] = item.encode()
        elif type(item) is not bytes:
            raise ValueError(f"text or bytes are required, found {type(item).__name__}")
    return filled(items, array.shape)


class StringConstants:
    """The constant strings of a model; each table is decoded once, however many tensors share it."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._decoded: dict[tuple[int, int], Strings] = {}

    def of(self, tensor: Tensor) -> Strings | None:
        """The value of a STRING tensor, read-only, or None when the file holds no data for it."""
        if tensor.buffer >= len(self._model.buffers):
            raise InvalidModelError(f"tensor '{tensor.name}': a buffer below {len(self._model.buffers)} required, found {tensor.buffer}")
        data = self._model.buffers[tensor.buffer].data
        if len(data) == 0:
            return None
        key = tensor.buffer, prod(tensor.shape)
        if key not in self._decoded:
            self._decoded[key] = decode_strings(data, key[1:], f"tensor '{tensor.name}'")
        return self._decoded[key].reshape(tensor.shape)
