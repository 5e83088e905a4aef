"""Reading FlexBuffers, the format of custom operators' options (https://flatbuffers.dev/flexbuffers)."""

import struct

from jitlite.schemas.errors import InvalidModelError

Scalar = bool | int | float | None
Value = Scalar | str | bytes | tuple["Value", ...] | dict[str, "Value"]

_NULL, _INT, _UINT, _FLOAT, _KEY, _STRING, _INDIRECT_INT, _INDIRECT_UINT, _INDIRECT_FLOAT, _MAP, _VECTOR = range(11)
_BLOB, _BOOL = 25, 26
_ELEMENTS = {11: _INT, 12: _UINT, 13: _FLOAT, 14: _KEY, 15: _STRING, 36: _BOOL}
"""Vectors of one type: what their elements are."""
_FIXED = {first + kind: (2 + i, kind) for i, first in enumerate((15, 18, 21)) for kind in (_INT, _UINT, _FLOAT)}
"""Vectors of two to four numbers: how many and of which type."""
_MOST_VALUES, _MOST_LEVELS = 1 << 16, 32
_SCALARS = (_NULL, _INT, _UINT, _FLOAT, _INDIRECT_INT, _INDIRECT_UINT, _INDIRECT_FLOAT, _BOOL)
_INTEGERS = {_INT: True, _UINT: False, _INDIRECT_INT: True, _INDIRECT_UINT: False}
_FLOATS = {2: "<e", 4: "<f", 8: "<d"}


_MOST_KEY_BYTES = 1 << 12


class _Reader:
    """Checked reads of little-endian numbers. What others share may be read again, but not without end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._values = self._level = 0
        self._left = 16 * len(data) + (1 << 16)

    def bytes(self, at: int, count: int) -> bytes:
        if not 0 <= at <= len(self._data) - count:
            raise InvalidModelError(f"FlexBuffers: offsets inside {len(self._data)} bytes are required, found {at}")
        self._left -= count
        if self._left < 0:
            raise InvalidModelError("FlexBuffers: values that are read a few times each are required, found some that many others share")
        return self._data[at : at + count]

    def integer(self, at: int, width: int, signed: bool = False) -> int:
        return int.from_bytes(self.bytes(at, width), "little", signed=signed)

    def real(self, at: int, width: int) -> float:
        if width not in _FLOATS:
            raise InvalidModelError(f"FlexBuffers: floats of 2, 4 or 8 bytes are required, found {width}")
        return float(struct.unpack(_FLOATS[width], self.bytes(at, width))[0])

    def target(self, at: int, width: int) -> int:
        """Where the offset stored at a place points to: offsets count backwards."""
        return at - self.integer(at, width)

    def key(self, at: int) -> str:
        end = self._data.find(b"\0", max(at, 0), max(at, 0) + _MOST_KEY_BYTES)
        if end < 0:
            raise InvalidModelError(f"FlexBuffers: keys of less than {_MOST_KEY_BYTES} bytes are required, found one without an end")
        return self.bytes(at, end - at).decode(errors="replace")

    def scalar(self, at: int, width: int, packed_type: int) -> Scalar:
        """A value in place, or what an indirect one points to."""
        kind = packed_type >> 2
        if kind in (_INDIRECT_INT, _INDIRECT_UINT, _INDIRECT_FLOAT):
            at, width = self.target(at, width), 1 << (packed_type & 3)
        if kind in _INTEGERS:
            return self.integer(at, width, _INTEGERS[kind])
        if kind in (_FLOAT, _INDIRECT_FLOAT):
            return self.real(at, width)
        return bool(self.integer(at, width)) if kind == _BOOL else None

    def value(self, at: int, width: int, packed_type: int) -> Value:
        """A value of any type. Values that others share are read once for each: InvalidModelError for more of them than options have."""
        kind = packed_type >> 2
        if kind in _SCALARS:
            return self.scalar(at, width, packed_type)
        at, width = self.target(at, width), 1 << (packed_type & 3)
        if kind == _KEY:
            return self.key(at)
        if kind in (_STRING, _BLOB):
            text = self.bytes(at, self.integer(at - width, width))
            return text if kind == _BLOB else text.decode(errors="replace")
        if kind == _MAP:
            return self.map(at, width)
        count, element = _FIXED.get(kind) or (self.integer(at - width, width), _ELEMENTS.get(kind))
        types = self.bytes(at + count * width, count) if kind == _VECTOR else None
        if element is None and types is None:
            raise InvalidModelError(f"FlexBuffers: types up to 26, and 36, are required, found {kind}")
        self._enter(count)
        found = tuple(self.value(at + i * width, width, (element or 0) << 2 if types is None else types[i]) for i in range(count))
        self._level -= 1
        return found

    def map(self, at: int, width: int) -> dict[str, Value]:
        """The map whose values start at a place."""
        entries = self.entries(at, width)
        self._enter(len(entries))
        found = {key: self.value(place, width, packed_type) for key, (place, packed_type) in entries.items()}
        self._level -= 1
        return found

    def entries(self, at: int, width: int) -> dict[str, tuple[int, int]]:
        """Where the values of a map are, and their types."""
        count = self.integer(at - width, width)
        keys, key_width = self.target(at - 3 * width, width), self.integer(at - 2 * width, width)
        if key_width not in (1, 2, 4, 8):
            raise InvalidModelError(f"FlexBuffers: keys of 1, 2, 4 or 8 bytes are required, found {key_width}")
        types = self.bytes(at + count * width, count)
        return {self.key(self.target(keys + i * key_width, key_width)): (at + i * width, types[i]) for i in range(count)}

    def _enter(self, count: int) -> None:
        self._values += count
        self._level += 1
        if self._values > _MOST_VALUES or self._level > _MOST_LEVELS:
            raise InvalidModelError(f"FlexBuffers: at most {_MOST_VALUES} values on {_MOST_LEVELS} levels are required, found more")

    def root(self) -> tuple[int, int]:
        """Where the values of the map that is the buffer's root start, and their width."""
        end = len(self._data)
        width, packed_type = self.integer(end - 1, 1), self.integer(end - 2, 1)
        if width not in (1, 2, 4, 8) or packed_type >> 2 != _MAP:
            raise InvalidModelError(f"FlexBuffers: a map is required, found a root of type {packed_type >> 2} and width {width}")
        return self.target(end - 2 - width, width), 1 << (packed_type & 3)


def read_map(data: bytes) -> dict[str, Value]:
    """The map that is a buffer's root: vectors as tuples, blobs as bytes.

    InvalidModelError where the root is no map or the data are damaged.
    """
    reader = _Reader(data)
    return reader.map(*reader.root())


def read_scalars(data: bytes) -> dict[str, Scalar]:
    """The scalars of the map that is a buffer's root, by key; strings, vectors and maps in it are None.

    InvalidModelError where the root is no map or the data are damaged.
    """
    reader = _Reader(data)
    values, width = reader.root()
    return {key: reader.scalar(place, width, packed_type) for key, (place, packed_type) in reader.entries(values, width).items()}
