"""Reading FlexBuffers, the format of custom operators' options (https://flatbuffers.dev/flexbuffers): maps of scalars."""

import struct

from jitlite.schemas.errors import InvalidModelError

Scalar = bool | int | float | None

_NULL, _INT, _UINT, _FLOAT, _INDIRECT_INT, _INDIRECT_UINT, _INDIRECT_FLOAT, _MAP, _BOOL = 0, 1, 2, 3, 6, 7, 8, 9, 26
_INTEGERS = {_INT: True, _UINT: False, _INDIRECT_INT: True, _INDIRECT_UINT: False}
_FLOATS = {2: "<e", 4: "<f", 8: "<d"}


class _Reader:
    """Checked reads of little-endian numbers."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def bytes(self, at: int, count: int) -> bytes:
        if not 0 <= at <= len(self._data) - count:
            raise InvalidModelError(f"FlexBuffers: offsets inside {len(self._data)} bytes are required, found {at}")
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
        end = self._data.find(b"\0", max(at, 0))
        if end < 0:
            raise InvalidModelError("FlexBuffers: keys that end in a zero are required, found one that does not")
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


def read_scalars(data: bytes) -> dict[str, Scalar]:
    """The scalars of the map that is a buffer's root, by key; strings, vectors and maps in it are None.

    InvalidModelError where the root is no map or the data are damaged.
    """
    reader = _Reader(data)
    width, packed_type = reader.integer(len(data) - 1, 1), reader.integer(len(data) - 2, 1)
    if width not in (1, 2, 4, 8) or packed_type >> 2 != _MAP:
        raise InvalidModelError(f"FlexBuffers: a map is required, found a root of type {packed_type >> 2} and width {width}")
    values, width = reader.target(len(data) - 2 - width, width), 1 << (packed_type & 3)
    count = reader.integer(values - width, width)
    keys, key_width = reader.target(values - 3 * width, width), reader.integer(values - 2 * width, width)
    if key_width not in (1, 2, 4, 8):
        raise InvalidModelError(f"FlexBuffers: keys of 1, 2, 4 or 8 bytes are required, found {key_width}")
    types = reader.bytes(values + count * width, count)
    return {
        reader.key(reader.target(keys + i * key_width, key_width)): reader.scalar(values + i * width, width, types[i]) for i in range(count)
    }
