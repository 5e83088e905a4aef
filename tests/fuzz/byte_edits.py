"""Damage to a file's bytes: flips, numbers, pieces cut out, copied or put in, and offsets of the flatbuffer that lead elsewhere."""

import struct
from collections.abc import Callable
from random import Random

NUMBERS = (0, 1, 2, 4, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFE, 0xFFFFFFFF)

Edit = Callable[[bytearray, Random], None]


def flip_bit(data: bytearray, rng: Random) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def put_byte(data: bytearray, rng: Random) -> None:
    data[rng.randrange(len(data))] = rng.randrange(256)


def put_number(data: bytearray, rng: Random) -> None:
    """A number with boundary values, of 1 to 8 bytes, at a multiple of its size."""
    size = rng.choice((1, 2, 4, 4, 8))
    if len(data) >= size:
        at = rng.randrange(len(data) - size + 1) // size * size
        data[at : at + size] = (rng.choice(NUMBERS) * (0x100000001 if size == 8 and rng.random() < 0.3 else 1) & (256**size - 1)).to_bytes(
            size, "little"
        )


def add_to_number(data: bytearray, rng: Random) -> None:
    """An offset, size or value that is a little larger or smaller."""
    if len(data) >= 4:
        at = rng.randrange(len(data) - 3) & ~3
        (value,) = struct.unpack_from("<I", data, at)
        struct.pack_into("<I", data, at, (value + rng.choice((-64, -8, -4, -2, -1, 1, 2, 4, 8, 64))) & 0xFFFFFFFF)


def lead_elsewhere(data: bytearray, rng: Random) -> None:
    """An offset to a random place of the file."""
    if len(data) >= 8:
        at = rng.randrange(len(data) - 3) & ~3
        struct.pack_into("<I", data, at, rng.randrange(len(data)))


def change_vtable(data: bytearray, rng: Random) -> None:
    """An entry of the vtable that some table refers to."""
    tables = [at for at in range(0, len(data) - 4, 4) if 0 <= at - struct.unpack_from("<i", data, at)[0] <= len(data) - 8]
    if tables:
        at = rng.choice(tables)
        vtable = at - struct.unpack_from("<i", data, at)[0]
        (size,) = struct.unpack_from("<H", data, vtable)
        entry = vtable + 2 * rng.randrange(max(1, min(size, 64) // 2))
        if entry + 2 <= len(data):
            struct.pack_into("<H", data, entry, rng.choice((0, 2, 4, 5, 8, 12, 16, 64, 0x7FFF, 0xFFFF, rng.randrange(64))))


def cut_end(data: bytearray, rng: Random) -> None:
    del data[rng.randrange(1, len(data) + 1) :]


def cut_out(data: bytearray, rng: Random) -> None:
    at = rng.randrange(len(data))
    del data[at : at + rng.choice((1, 2, 4, 8, 16, 64))]
    data += b"" if data else b"\0"


def put_in(data: bytearray, rng: Random) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.randbytes(rng.choice((1, 2, 4, 8, 16, 64)))


def copy_piece(data: bytearray, rng: Random) -> None:
    size = min(rng.choice((4, 8, 16, 32)), len(data))
    source, target = rng.randrange(len(data) - size + 1), rng.randrange(len(data) - size + 1)
    data[target : target + size] = data[source : source + size]


EDITS: tuple[Edit, ...] = (
    *(flip_bit, put_byte, put_number, put_number, add_to_number, lead_elsewhere, lead_elsewhere),
    *(change_vtable, change_vtable, cut_end, cut_out, put_in, copy_piece),
)


def damaged_bytes(content: bytes, rng: Random) -> bytes:
    """The file with one to four edits."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        rng.choice(EDITS)(data, rng)
    return bytes(data)
