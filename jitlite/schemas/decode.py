"""Decoding FlatBuffers tables from their slots: every offset is checked against the file before it is followed."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from jitlite.schemas.errors import InvalidModelError, UnsupportedError
from jitlite.schemas.table import Kind, Slot, Table

MAX_TABLES = 2_000_000
"""Tables a model may hold; the largest models seen hold fifty thousand."""

MAX_STRUCTURE_BYTES = 128 << 20
"""Bytes of tables, texts and number vectors a model may hold besides its buffers."""

_STRUCTS = {code: struct.Struct("<" + code).unpack_from for code in "?bBHiIqQfd"}
_UOFFSET = struct.Struct("<I").unpack_from
_SOFFSET = struct.Struct("<i").unpack_from
_VOFFSETS = struct.Struct("<HH").unpack_from
_VOFFSET = struct.Struct("<H").unpack_from
_MIN_TABLE_COST = 32

T = TypeVar("T", bound=Table)


class Damage(Exception):  # noqa: N818
    """What is required and what was found; the path grows from the inside out while the decoder unwinds."""

    def __init__(self, required: str, found: str, where: str = "") -> None:
        self.required = required
        self.found = found
        self.path = [where] if where else []

    def where(self) -> str:
        return "".join(reversed(self.path)).lstrip(".") or "the root"


@contextmanager
def reported(source: str) -> Iterator[None]:
    """Turns Damage into InvalidModelError, which names the source if it has a name."""
    try:
        yield
    except Damage as damage:
        prefix = f"{source}: " if source else ""
        raise InvalidModelError(f"{prefix}{damage.where()}: {damage.required} required, found {damage.found}") from None


_Field = tuple[str, "Callable[[Slot, int], Any]", int, Slot]
"""A field's name, what decodes it, its offset in the table and its slot."""

_Layout = tuple[list[_Field], list[str], int]
"""The fields of one class that one vtable places, checked to lie inside the table; its lists that are absent; the table's size."""


class Decoder:
    """Decodes tables from their slots.

    Tables never refer to their own class, directly or through others, so the depth is bounded by the schema. Offsets may share or
    overlap, so the work is bounded by an allowance proportional to the file.
    """

    def __init__(self, data: memoryview, identifier: bytes) -> None:
        self.data = data
        self.size = len(data)
        self.identifier = identifier
        self.layouts: dict[tuple[type[Table], int], _Layout] = {}
        self.tables_left = MAX_TABLES
        self.structure_bytes = 0
        self.allowance = 8 * self.size + 65536
        self.decoders: Mapping[Kind, Callable[[Slot, int], Any]] = {
            Kind.TEXT: self._text,
            Kind.TABLE: lambda slot, at: self._table(slot.target, self._follow(at)),
            Kind.NUMBERS: self._numbers,
            Kind.CHOICES: self._choices,
            Kind.RAW: self._raw,
            Kind.TABLES: self._tables,
        }

    def root(self, kind: type[T]) -> T:
        if self.size < 8:
            raise Damage("a file of at least 8 bytes", f"{self.size}")
        if self.data[4:8] != self.identifier:
            raise Damage(f"the file identifier {self.identifier!r} at byte 4", repr(bytes(self.data[4:8])))
        return self._table(kind, self._follow(0))

    def _share(self, cost: int) -> None:
        self.allowance -= cost
        if self.allowance < 0:
            raise Damage("parts that do not overlap", "offsets that share bytes until they decode to many times the file's size")

    def _charge(self, cost: int) -> None:
        self.allowance -= cost
        self.structure_bytes += cost
        if self.allowance < 0 or self.structure_bytes > MAX_STRUCTURE_BYTES:
            self._share(0)
            raise UnsupportedError(f"reading: at most {MAX_STRUCTURE_BYTES} bytes of structure are supported, found more")

    def _follow(self, at: int) -> int:
        target: int = at + _UOFFSET(self.data, at)[0]
        if target > self.size - 4:
            raise Damage(f"an offset that stays inside the {self.size} byte file", f"{target - at} at byte {at}")
        return target

    def _vector(self, at: int, item_bytes: int) -> tuple[int, int]:
        data = self.data
        start: int = at + _UOFFSET(data, at)[0]
        if start > self.size - 4:
            self._follow(at)
        count: int = _UOFFSET(data, start)[0]
        start += 4
        if count * item_bytes > self.size - start:
            raise Damage(f"a vector that ends inside the {self.size} byte file", f"{count} items of {item_bytes} bytes at byte {start}")
        return start, count

    def _table(self, kind: type[T], at: int) -> T:
        vtable = at - _SOFFSET(self.data, at)[0]
        layout = self.layouts.get((kind, vtable))
        if layout is None:
            layout = self.layouts[kind, vtable] = self._layout(kind, vtable)
        present, absent_lists, size = layout
        if at + size > self.size:
            raise Damage(f"a table that ends inside the {self.size} byte file", f"{size} bytes at byte {at}")
        self._charge(_MIN_TABLE_COST + size)
        self.tables_left -= 1
        if self.tables_left < 0:
            raise UnsupportedError(f"reading: at most {MAX_TABLES} tables are supported, found more")
        result = kind.__new__(kind)
        fields = result.__dict__
        fields.update(kind.DEFAULTS)
        for name in absent_lists:
            fields[name] = []
        name = ""
        try:
            for name, decode, offset, slot in present:
                fields[name] = decode(slot, at + offset)
        except Damage as damage:
            damage.path.append("." + name)
            raise
        return result

    def _layout(self, kind: type[Table], vtable: int) -> _Layout:
        if not 0 <= vtable <= self.size - 4:
            raise Damage(f"a vtable inside the {self.size} byte file", f"byte {vtable}")
        vtable_bytes, table_bytes = _VOFFSETS(self.data, vtable)
        if vtable_bytes < 4 or vtable_bytes % 2 or vtable + vtable_bytes > self.size:
            raise Damage(f"a vtable of an even size that ends inside the {self.size} byte file", f"{vtable_bytes} bytes at byte {vtable}")
        if table_bytes < 4:
            raise Damage("a table of at least 4 bytes", f"{table_bytes}")

        def place(slot: Slot, index: int, size: int) -> int:
            entry = 4 + 2 * index
            offset: int = _VOFFSET(self.data, vtable + entry)[0] if entry + 2 <= vtable_bytes else 0
            if offset and (offset < 4 or offset + size > table_bytes):
                damage = Damage(f"a field inside its table of {table_bytes} bytes", f"{size} bytes at {offset}")
                damage.path.append("." + slot.name)
                raise damage
            return offset

        present: list[_Field] = []
        for slot in kind.SLOTS:
            offset = place(slot, slot.index, slot.size)
            if not offset:
                continue
            if slot.kind is not Kind.UNION:
                present.append((slot.name, self._decoder(slot), offset, slot))
            elif code_offset := place(slot, slot.index - 1, 1):
                present.append((slot.name, self._union_decoder(code_offset - offset), offset, slot))
        names = {name for name, *_ in present}
        return present, [name for name in kind.LISTS if name not in names], table_bytes

    def _decoder(self, slot: Slot) -> Callable[[Slot, int], Any]:
        if slot.kind is Kind.NUMBER:
            unpack, data = _STRUCTS[slot.format], self.data
            return lambda _, at: unpack(data, at)[0]
        if slot.kind is Kind.CHOICE:
            return self._choice
        return self.decoders[slot.kind]

    def _choice(self, slot: Slot, at: int) -> Any:
        value = _STRUCTS[slot.format](self.data, at)[0]
        member = slot.members.get(value)
        return _member(slot, value) if member is None else member

    def _union_decoder(self, to_code: int) -> Callable[[Slot, int], Table | None]:
        def decode(slot: Slot, at: int) -> Table | None:
            code = self.data[at + to_code]
            if code == 0:
                return None
            target = slot.targets.get(code)
            if target is None:
                raise Damage(f"a union type from 0 to {max(slot.targets)}", f"{code}")
            return self._table(target, self._follow(at))

        return decode

    def _text(self, slot: Slot, at: int) -> str:
        start, count = self._vector(at, 1)
        end = start + count
        if end >= self.size or self.data[end]:
            raise Damage("a text that ends with a zero byte inside the file", f"{count} bytes at byte {start}")
        self._charge(count)
        return str(self.data[start:end], "utf-8", "surrogateescape")

    def _numbers(self, slot: Slot, at: int) -> list[Any]:
        start, count = self._vector(at, slot.item_bytes)
        self._charge(count * slot.item_bytes)
        return list(struct.unpack_from(f"<{count}{slot.format}", self.data, start))

    def _choices(self, slot: Slot, at: int) -> list[Any]:
        return [_member(slot, value) for value in self._numbers(slot, at)]

    def _raw(self, slot: Slot, at: int) -> memoryview:
        start, count = self._vector(at, 1)
        self._share(count)
        return self.data[start : start + count]

    def _tables(self, slot: Slot, at: int) -> list[Table]:
        start, count = self._vector(at, 4)
        target, follow, table = slot.target, self._follow, self._table
        result: list[Table] = []
        try:
            for position in range(start, start + 4 * count, 4):
                result.append(table(target, follow(position)))
        except Damage as damage:
            damage.path.append(f"[{len(result)}]")
            raise
        return result


def _member(slot: Slot, value: int) -> Any:
    member = slot.members.get(value)
    if member is None:
        known = slot.members
        name = type(next(iter(known.values()))).__name__
        raise Damage(f"a {name} from {min(known)} to {max(known)}", f"{value}")
    return member
