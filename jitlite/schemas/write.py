"""Writing a .tflite file. The same model always gives the same bytes."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import flatbuffers
from flatbuffers import number_types

from jitlite.schemas.errors import UnsupportedError
from jitlite.schemas.table import Kind, Slot, Table, is_default
from jitlite.schemas.tables import Buffer, Metadata, Model, Operator, SignatureDef, SubGraph, Tensor, TensorMap

MAX_FILE_BYTES = (1 << 31) - 1
"""The largest file that 32-bit offsets reach."""

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

DATA_ALIGN = 16
LENGTH_BYTES = 4
PLACEHOLDER = 2
"""Not 0, which would not be written."""

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

    Nothing is checked but that every value fits its field (ValueError otherwise): `verify` says whether the model is legal. Files above
    2 GiB keep buffer data behind the flatbuffer, whose offsets do not reach further.
    """
    return b"".join(file_parts(model))


def save_model(model: Model, path: str | os.PathLike[str]) -> None:
    """Writes a model to a file, which appears complete or not at all; an existing file is replaced. Buffer data are not copied."""
    target = Path(path)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.{uuid4().hex}")
    try:
        with open(unfinished, "xb") as file:
            for part in file_parts(model):
                file.write(part)
        os.replace(unfinished, target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def file_parts(model: Model) -> Iterator[bytes | memoryview]:
    """The file of `write_model` piece by piece: everything but the data of buffers, then these, each as it lies in memory.

    Raises UnsupportedError where what is not data of buffers is too large.
    """
    held = [memoryview(buffer.data).cast("B") for buffer in model.buffers]
    writer = _Writer(is_outside=False)
    front = writer.front(model, b"TFL3")
    starts, size = _places(held, len(front))
    if size > MAX_FILE_BYTES:
        writer = _Writer(is_outside=True)
        front = writer.front(model, b"TFL3")
        starts, size = _places(held, len(front))
    writer.set_places(front, starts, [len(data) for data in held])
    yield memoryview(front)
    place = len(front)
    for data, start in zip(held, starts, strict=True):
        if len(data):
            yield bytes(start - LENGTH_BYTES - place) + struct.pack("<I", 0 if writer.is_outside else len(data))
            yield data
            place = start + len(data)


def write_table(root: Table, identifier: bytes) -> bytes:
    """A flatbuffer of any root."""
    return bytes(_Writer(is_outside=False).front(root, identifier))


def _places(held: Sequence[memoryview], place: int) -> tuple[list[int], int]:
    """Where each buffer's data start behind a flatbuffer's other parts of so many bytes, and where the last ends."""
    starts = []
    for data in held:
        starts.append(-(-(place + LENGTH_BYTES) // DATA_ALIGN) * DATA_ALIGN)
        place = starts[-1] + len(data) if len(data) else place
    return starts, place


class _Writer:
    """Writes tables; buffers get their data's place afterwards: inside the flatbuffer's reach or, with `is_outside`, as offset and size."""

    def __init__(self, is_outside: bool) -> None:
        self.is_outside = is_outside
        self.builder = flatbuffers.Builder(1024)
        self.orders: dict[type[Table], tuple[Slot, ...]] = {}
        self.shared: dict[tuple[int, bytes], int] = {}
        self.buffers: list[tuple[int, Buffer]] = []
        """The offsets of the tables of buffers, in their order."""

    def front(self, root: Table, identifier: bytes) -> bytearray:
        """The flatbuffer without the data of buffers."""
        try:
            self.builder.Finish(self.table(root), identifier)
        except flatbuffers.builder.BuilderSizeError:
            raise UnsupportedError(
                f"write_model: files up to {MAX_FILE_BYTES} bytes besides the data of buffers are supported, this model needs more"
            ) from None
        return bytearray(self.builder.Output())

    def set_places(self, front: bytearray, starts: Sequence[int], sizes: Sequence[int]) -> None:
        """Enters where the data of buffers lie."""
        data, offset, size = (next(slot for slot in Buffer.SLOTS if slot.name == name) for name in ("data", "offset", "size"))
        for (end, buffer), start, count in zip(self.buffers, starts, sizes, strict=True):
            if not len(buffer.data):
                continue
            table = len(front) - end
            vtable = table - struct.unpack_from("<i", front, table)[0]
            if self.is_outside:
                for slot, number in ((offset, start), (size, count)):
                    struct.pack_into("<Q", front, table + _entry(front, vtable, slot), number)
            else:
                place = table + _entry(front, vtable, data)
                struct.pack_into("<I", front, place, start - LENGTH_BYTES - place)

    def table(self, value: Table) -> int:
        """Writes a table after everything it refers to and returns its offset."""
        if isinstance(value, Buffer):
            return self._buffer(value)
        return self._table(value)

    def _buffer(self, buffer: Buffer) -> int:
        """Writes a buffer with nothing where its data will be entered."""
        held = buffer
        if len(buffer.data) and self.is_outside:
            held = Buffer(offset=PLACEHOLDER, size=PLACEHOLDER)
        place = self._table(held, b"" if len(buffer.data) and not self.is_outside else None)
        self.buffers.append((place, buffer))
        return place

    def _table(self, value: Table, data: bytes | None = None) -> int:
        kind: type[Table] = type(value)
        slot = None
        try:
            stored = []
            for slot in self._order(kind):
                item = value.__dict__[slot.name]
                if data is not None and slot.kind is Kind.RAW:
                    stored.append((slot, self._numbers(data, slot)))
                elif not is_default(slot, item) or slot.name in WRITTEN_EMPTY.get(kind, ()):
                    stored.append((slot, item if slot.kind in INLINE else self._outside(slot, item)))
            builder = self.builder
            builder.StartObject(kind.WIDTH)
            for slot, place in stored:
                if slot.kind in INLINE:
                    builder.PrependSlot(_FLAGS[slot.format], slot.index, place, None)
                else:
                    builder.PrependUOffsetTRelativeSlot(slot.index, place, 0)
                if slot.kind is Kind.UNION:
                    builder.PrependUint8Slot(slot.index - 1, slot.codes[type(value.__dict__[slot.name])], 0)
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


def _entry(front: bytearray, vtable: int, slot: Slot) -> int:
    """How far into a table its field lies."""
    return int(struct.unpack_from("<H", front, vtable + 4 + 2 * slot.index)[0])
