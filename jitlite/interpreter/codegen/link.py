"""A linker for leaf libraries: one ELF64 relocatable object → one shared library, on x86-64 and AArch64.

It covers what LLVM emits for kernels: code, read-only data, references between them, and calls into the mathematics library. Anything else
(writable data, thread-local storage, unknown relocations) is an error, so that a library is either right or not made. Numbers and layouts
are those of the System V ABI and its two processor supplements.
"""

import struct
from dataclasses import dataclass, field

_X86_64, _AARCH64 = 62, 183
_ALLOC, _EXEC, _WRITE = 2, 4, 1
_PAGE = 0x10000
_LIBM = "libm.so.6"
_SUBSTITUTES = {"memcpy": "memmove"}
"""Functions by others that do the same: a reference without a version finds glibc's oldest memcpy, which knows no wide vectors."""

_EHDR, _SHDR, _PHDR, _SYM, _RELA, _DYN = "<16sHHIQQQIHHHHHH", "<IIQQQQIIQQ", "<IIQQQQQQ", "<IBBHQQ", "<QQq", "<QQ"


def _align(value: int, boundary: int) -> int:
    return (value + boundary - 1) // boundary * boundary


@dataclass(slots=True)
class _Section:
    name: str
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    boundary: int
    address: int = 0


@dataclass(slots=True)
class _Symbol:
    name: str
    binding: int
    kind: int
    section: int
    value: int
    size: int


@dataclass(slots=True)
class _Object:
    data: bytes
    machine: int
    sections: list[_Section]
    symbols: list[_Symbol]
    relocations: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    """(section, offset, symbol, type, addend)"""

    @property
    def loaded(self) -> list[int]:
        return [i for i, s in enumerate(self.sections) if s.flags & _ALLOC and s.kind in (1, 14, 15) and s.size and s.name != ".eh_frame"]


def _text_at(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode()


def _parse(data: bytes) -> _Object:
    header = struct.unpack_from(_EHDR, data)
    machine, table, count, names = header[2], header[6], header[12], header[13]
    if machine not in (_X86_64, _AARCH64):
        raise ValueError(f"object file: machine 62 (x86-64) or 183 (AArch64) is required, found {machine}")
    raw = [struct.unpack_from(_SHDR, data, table + 64 * i) for i in range(count)]
    sections = [_Section(_text_at(data, raw[names][4] + s[0]), s[1], s[2], s[4], s[5], s[6], s[7], s[8]) for s in raw]
    found = _Object(data, machine, sections, [])
    for section in sections:
        if section.kind == 2:
            strings = sections[section.link].offset
            for i in range(section.size // 24):
                at, info, _, index, value, size = struct.unpack_from(_SYM, data, section.offset + 24 * i)
                name = _text_at(data, strings + at)
                name = _SUBSTITUTES.get(name, name) if index == 0 else name
                found.symbols.append(_Symbol(name, info >> 4, info & 15, index, value, size))
    loaded = set(found.loaded)
    for section in sections:
        if section.kind == 4 and section.info in loaded:
            for i in range(section.size // 24):
                offset, info, addend = struct.unpack_from(_RELA, data, section.offset + 24 * i)
                found.relocations.append((section.info, offset, info >> 32, info & 0xFFFFFFFF, addend))
    writable = [sections[i].name for i in loaded if sections[i].flags & _WRITE]
    if writable:
        raise ValueError(f"object file: only code and read-only data are required, found {writable}")
    return found


class _Image:
    """The library's bytes up to its writable part, with the patches relocations ask for."""

    def __init__(self, size: int) -> None:
        self.data = bytearray(size)

    def word(self, at: int) -> int:
        return int(struct.unpack_from("<I", self.data, at)[0])

    def set_word(self, at: int, value: int) -> None:
        struct.pack_into("<I", self.data, at, value & 0xFFFFFFFF)

    def set_page_address(self, at: int, target: int) -> None:
        pages = (target >> 12) - (at >> 12)
        self.set_word(at, (self.word(at) & ~0x60FFFFE0) | ((pages & 3) << 29) | (((pages >> 2) & 0x7FFFF) << 5))

    def relocate_x86_64(self, kind: int, at: int, target: int) -> None:
        if kind not in (2, 4):
            raise ValueError(f"x86-64 relocation: type 2 or 4 is required, found {kind}")
        self.set_word(at, target - at)

    def relocate_aarch64(self, kind: int, at: int, target: int) -> None:
        scales = {277: 0, 278: 0, 284: 1, 285: 2, 286: 3, 299: 4}
        if kind == 275:
            self.set_page_address(at, target)
        elif kind in (282, 283):
            self.set_word(at, (self.word(at) & ~0x3FFFFFF) | (((target - at) >> 2) & 0x3FFFFFF))
        elif kind in scales:
            self.set_word(at, self.word(at) | (((target & 0xFFF) >> scales[kind]) << 10))
        elif kind == 261:
            self.set_word(at, target - at)
        else:
            raise ValueError(f"AArch64 relocation: a known type is required, found {kind}")


def _stub(image: _Image, machine: int, at: int, slot: int) -> None:
    """Writes the jump through `slot` that calls to an external function go to."""
    if machine == _X86_64:
        image.data[at : at + 6] = b"\xff\x25" + struct.pack("<i", slot - (at + 6))
        return
    struct.pack_into("<4I", image.data, at, 0x90000010, 0xF9400211, 0xD61F0220, 0xD503201F)
    image.set_page_address(at, slot)
    image.set_word(at + 4, image.word(at + 4) | (((slot & 0xFFF) >> 3) << 10))


def _hash_table(names: list[str]) -> bytes:
    """The System V symbol hash of `names`, which are symbols 1, 2, …"""
    buckets = max(1, len(names) // 2)
    heads, chains = [0] * buckets, [0] * (len(names) + 1)
    for number, name in enumerate(names, 1):
        value = 0
        for byte in name.encode():
            value = (value << 4) + byte
            top = value & 0xF0000000
            value = (value ^ (top >> 24)) & ~top
        chains[number], heads[value % buckets] = heads[value % buckets], number
    return struct.pack(f"<{2 + buckets + len(chains)}I", buckets, len(chains), *heads, *chains)


class _Tables:
    """Dynamic symbol, string, hash and relocation tables, which stand before the code."""

    def __init__(self, externals: list[str], exports: list[_Symbol]) -> None:
        self.externals, self.exports = externals, exports
        self.strings = bytearray(b"\0")
        self.places: dict[str, int] = {}
        for name in [*self.externals, *(s.name for s in self.exports), _LIBM]:
            self.places[name] = len(self.strings)
            self.strings += name.encode() + b"\0"
        self.hash = _hash_table([*self.externals, *(s.name for s in self.exports)])
        self.symbols_at = 64 + 56 * 4
        self.strings_at = self.symbols_at + 24 * (1 + len(self.externals) + len(self.exports))
        self.hash_at = _align(self.strings_at + len(self.strings), 8)
        self.relocations_at = _align(self.hash_at + len(self.hash), 8)
        self.end = self.relocations_at + 24 * len(self.externals)

    def write(self, image: _Image, machine: int, sections: list[_Section], slots: dict[str, int]) -> None:
        at = self.symbols_at + 24
        for name in self.externals:
            struct.pack_into(_SYM, image.data, at, self.places[name], 0x12, 0, 0, 0, 0)
            at += 24
        for s in self.exports:
            struct.pack_into(_SYM, image.data, at, self.places[s.name], 0x10 | s.kind, 0, 1, sections[s.section].address + s.value, s.size)
            at += 24
        image.data[self.strings_at : self.strings_at + len(self.strings)] = self.strings
        image.data[self.hash_at : self.hash_at + len(self.hash)] = self.hash
        kind = 6 if machine == _X86_64 else 1025
        for i, name in enumerate(self.externals):
            struct.pack_into(_RELA, image.data, self.relocations_at + 24 * i, slots[name], ((i + 1) << 32) | kind, 0)

    def dynamic(self) -> bytes:
        """The dynamic section: needed library, tables, and binding of everything at load time."""
        entries = [(4, self.hash_at), (5, self.strings_at), (6, self.symbols_at), (10, len(self.strings)), (11, 24)]
        if self.externals:
            entries = [
                (1, self.places[_LIBM]),
                *entries,
                (7, self.relocations_at),
                (8, 24 * len(self.externals)),
                (9, 24),
                (24, 0),
                (30, 8),
            ]
        return b"".join(struct.pack(_DYN, *entry) for entry in [*entries, (0, 0)])


def link(data: bytes) -> bytes:
    """The shared library made of one object file; ValueError where the object holds what this linker does not cover."""
    source = _parse(data)
    used = {source.symbols[r[2]].name for r in source.relocations if source.symbols[r[2]].section == 0}
    exports = [s for s in source.symbols if s.binding == 1 and s.kind in (1, 2) and s.section not in (0, 0xFFF2)]
    tables = _Tables(sorted(used), exports)

    position = tables.end
    for i in sorted(source.loaded, key=lambda i: bool(source.sections[i].flags & _EXEC)):
        section = source.sections[i]
        section.address = position = _align(position, max(section.boundary, 16))
        position += section.size
    stubs = {name: _align(position, 16) + 16 * i for i, name in enumerate(tables.externals)}
    code_end = _align(position, 16) + 16 * len(stubs)
    file_at = _align(code_end, 16)
    writable_at = _align(code_end, _PAGE) + file_at % _PAGE
    slots = {name: writable_at + 8 * i for i, name in enumerate(tables.externals)}

    image = _Image(file_at)
    for i in source.loaded:
        section = source.sections[i]
        image.data[section.address : section.address + section.size] = data[section.offset : section.offset + section.size]
    for name, at in stubs.items():
        _stub(image, source.machine, at, slots[name])
    relocate = image.relocate_x86_64 if source.machine == _X86_64 else image.relocate_aarch64
    for index, offset, number, kind, addend in source.relocations:
        symbol = source.symbols[number]
        place = stubs[symbol.name] if symbol.section == 0 else source.sections[symbol.section].address + symbol.value
        relocate(kind, source.sections[index].address + offset, place + addend)
    tables.write(image, source.machine, source.sections, slots)
    return _finish(image, source.machine, code_end, writable_at, 8 * len(slots), tables.dynamic())


def _finish(image: _Image, machine: int, code_end: int, writable_at: int, slots_size: int, dynamic: bytes) -> bytes:
    """Adds the headers and the writable part: jump slots, then the dynamic section."""
    file_at, tail = len(image.data), bytes(slots_size) + dynamic
    segments = [
        (1, 5, 0, 0, code_end, code_end, _PAGE),
        (1, 6, file_at, writable_at, len(tail), len(tail), _PAGE),
        (2, 6, file_at + slots_size, writable_at + slots_size, len(dynamic), len(dynamic), 8),
        (0x6474E551, 6, 0, 0, 0, 0, 16),
    ]
    identity = b"\x7fELF\x02\x01\x01"
    struct.pack_into(_EHDR, image.data, 0, identity, 3, machine, 1, 0, 64, 0, 0, 64, 56, len(segments), 64, 0, 0)
    for i, (kind, flags, offset, address, in_file, in_memory, boundary) in enumerate(segments):
        struct.pack_into(_PHDR, image.data, 64 + 56 * i, kind, flags, offset, address, address, in_file, in_memory, boundary)
    return bytes(image.data) + tail
