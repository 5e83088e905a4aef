"""Writing a .tflite file. The same model always gives the same bytes."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import flatbuffers
from flatbuffers import number_types

from jitlite.schemas.errors import UnsupportedError
from jitlite.schemas.table import Kind, Slot, Table, is_default
from jitlite.schemas.tables import Metadata, Model, Operator, SignatureDef, SubGraph, Tensor, TensorMap

MAX_FILE_BYTES = (1 << 31) - 1
"""The largest file that 32-bit offsets reach and this writer makes."""

WRITTEN_EMPTY: Mapping[type[Table], frozenset[str]] = {
    Model: frozenset({"operator_codes", "subgraphs", "buffers"}),
    SubGraph: frozenset({"tensors", "inputs", "outputs", "operators"}),
    Operator: frozenset({"inputs", "outputs"}),
    Tensor: frozenset({"shape"}),
    SignatureDef: frozenset({"inputs", "outputs", "signature_key"}),
    TensorMap: frozenset({"name"}),
    Metadata: frozenset({"name"}),
}
"""Fields that LiteRT follows without asking whether they are there."""

INLINE = frozenset({Kind.NUMBER, Kind.CHOICE})

_FLAGS = {
    "?": number_types.BoolFlags,
    "b": number_types.Int8Flags,
    "B": number_types.Uint8Flags,
    "h": number_types.Int16Flags,
    "H": number_types.Uint16Flags,
    "i": number_types.Int32Flags,
    "I": number_types.Uint32Flags,
    "q": number_types.Int64Flags,
    "Q": number_types.Uint64Flags,
    "f": number_types.Float32Flags,
    "d": number_types.Float64Flags,
}


def write_model(model: Model) -> bytes:
    """The file of a model; buffer data are aligned to 16 bytes from its start.

    Nothing is checked but that every value fits its field (ValueError otherwise): `verify` says whether the model is legal. Raises
    UnsupportedError above 2 GiB.
    """
    size = 1024 + sum(len(buffer.data) + 64 for buffer in model.buffers)
    if size > MAX_FILE_BYTES:
        raise UnsupportedError(f"write_model: files up to {MAX_FILE_BYTES} bytes are supported, this model has {size} bytes of buffers")
    writer = _Writer(size)
    try:
        root = writer.table(model)
        writer.builder.Finish(root, b"TFL3")
    except flatbuffers.builder.BuilderSizeError:
        raise UnsupportedError(f"write_model: files up to {MAX_FILE_BYTES} bytes are supported, this model needs more") from None
    return bytes(writer.builder.Output())


def save_model(model: Model, path: str | os.PathLike[str]) -> None:
    """Writes a model to a file, which appears complete or not at all; an existing file is replaced."""
    target = Path(path)
    data = write_model(model)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.{uuid4().hex}")
    try:
        with open(unfinished, "xb") as file:
            file.write(data)
        os.replace(unfinished, target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


class _Writer:
    def __init__(self, size: int) -> None:
        self.builder = flatbuffers.Builder(size)
        self.orders: dict[type[Table], tuple[Slot, ...]] = {}
        self.shared: dict[tuple[int, bytes], int] = {}

    def table(self, value: Table) -> int:
        """Writes a table after everything it refers to and returns its offset."""
        kind = type(value)
        slot = None
        try:
            stored = []
            for slot in self._order(kind):
                item = value.__dict__[slot.name]
                if not is_default(slot, item) or slot.name in WRITTEN_EMPTY.get(kind, ()):
                    stored.append((slot, item if slot.kind in INLINE else self._outside(slot, item), item))
            builder = self.builder
            builder.StartObject(kind.WIDTH)
            for slot, place, item in stored:
                if slot.kind in INLINE:
                    builder.PrependSlot(_FLAGS[slot.format], slot.index, place, None)
                else:
                    builder.PrependUOffsetTRelativeSlot(slot.index, place, 0)
                if slot.kind is Kind.UNION:
                    builder.PrependUint8Slot(slot.index - 1, slot.codes[type(item)], 0)
            return int(builder.EndObject())
        except (struct.error, TypeError, OverflowError, UnicodeError) as error:
            raise ValueError(f"{kind.__name__}.{slot.name if slot else ''}: {error}") from None

    def _order(self, kind: type[Table]) -> tuple[Slot, ...]:
        """The slots of a class, the widest first: nothing is lost to padding."""
        order = self.orders.get(kind)
        if order is None:
            order = self.orders[kind] = tuple(sorted(kind.SLOTS, key=lambda slot: (-slot.size, slot.index)))
        return order

    def _outside(self, slot: Slot, item: Any) -> int:
        """Writes what a slot refers to and returns its offset."""
        if slot.kind is Kind.TEXT:
            data = item.encode("utf-8", "surrogateescape")
            return self._paste(data + b"\0", len(data), slot)
        if slot.kind is Kind.RAW:
            return self._paste(memoryview(item).cast("B"), None, slot)
        if slot.kind in (Kind.NUMBERS, Kind.CHOICES):
            return self._numbers(struct.pack(f"<{len(item)}{slot.format}", *item), slot)
        if slot.kind is Kind.TABLES:
            return self._tables(slot, item)
        expected = tuple(slot.codes) or (slot.target,)
        if type(item) not in expected:
            raise TypeError(f"a table that belongs here required, found {type(item).__name__}")
        return self.table(item)

    def _numbers(self, data: bytes, slot: Slot) -> int:
        """Writes a vector of numbers, once however many tables hold the same: most per-channel zero points are all zeros."""
        key = slot.item_bytes, data
        place = self.shared.get(key)
        if place is None:
            place = self.shared[key] = self._paste(data, None, slot)
        return place

    def _paste(self, data: bytes | memoryview, count: int | None, slot: Slot) -> int:
        """Writes a vector whose bytes are ready; a text counts one item less than it has bytes."""
        builder = self.builder
        item_bytes = slot.item_bytes if count is None else 1
        builder.StartVector(item_bytes, len(data) // item_bytes, slot.align)
        builder.head -= len(data)
        builder.Bytes[builder.head : builder.head + len(data)] = data
        builder.vectorNumElems = len(data) // item_bytes if count is None else count
        return int(builder.EndVector())

    def _tables(self, slot: Slot, items: list[Table]) -> int:
        for item in items:
            if type(item) is not slot.target:
                raise TypeError(f"a list of {slot.target.__name__} required, found {type(item).__name__} in it")
        places = [self.table(item) for item in items]
        self.builder.StartVector(4, len(places), 4)
        for place in reversed(places):
            self.builder.PrependUOffsetTRelative(place)
        return int(self.builder.EndVector())
