"""Reading a .tflite file: every offset is checked against the file before it is followed."""

from __future__ import annotations

import mmap
import os

from jitlite.schemas.decode import Damage, Decoder, reported
from jitlite.schemas.record import Record
from jitlite.schemas.tables import Model

Source = str | os.PathLike[str] | bytes | bytearray | memoryview


def read_model(source: Source) -> Model:
    """The model in a file (mapped read-only) or in bytes; buffers are views of it.

    Raises InvalidModelError for any damage to the structure, saying where; `verify` checks what the structure means. Bytes kept behind
    the flatbuffer (files above 2 GiB) become ordinary buffers. External buffers stay as they are: no other file is opened.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        view = memoryview(source).toreadonly()
        return _decoded("", view if view.format == "B" and view.ndim == 1 else view.cast("B"))
    return read_mapped(map_file(source))


class MappedFile(Record):
    """A file's bytes, mapped read-only, and what tells this state of the file from others."""

    path: str
    data: memoryview
    state: tuple[int, ...]
    changed_ns: int


def map_file(path: str | os.PathLike[str]) -> MappedFile:
    name = os.fspath(path)
    with open(name, "rb") as file:
        found = os.fstat(file.fileno())
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if found.st_size else b"")
    state = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
    return MappedFile(name, data, state, max(found.st_mtime_ns, found.st_ctime_ns))


def read_mapped(file: MappedFile) -> Model:
    """`read_model` of a mapped file."""
    return _decoded(file.path, file.data)


def _decoded(name: str, data: memoryview) -> Model:
    with reported(name):
        model = Decoder(data, b"TFL3").root(Model)
        _resolve_ranges(model, data)
    return model


def _resolve_ranges(model: Model, data: memoryview) -> None:
    """Turns offset and size into data; 0 and 1 are placeholders of writers and mean no range."""
    for index, buffer in enumerate(model.buffers):
        if buffer.offset > 1:
            if len(buffer.data):
                raise Damage("either data or offset", "both", f"buffers[{index}]")
            buffer.data = _range(data, buffer.offset, buffer.size, f"buffers[{index}]")
            buffer.offset = buffer.size = 0
    for number, subgraph in enumerate(model.subgraphs):
        for index, op in enumerate(subgraph.operators):
            if op.large_custom_options_offset > 1:
                where = f"subgraphs[{number}].operators[{index}]"
                if len(op.custom_options):
                    raise Damage("either custom_options or large_custom_options_offset", "both", where)
                op.custom_options = _range(data, op.large_custom_options_offset, op.large_custom_options_size, where)
                op.large_custom_options_offset = op.large_custom_options_size = 0


def _range(data: memoryview, offset: int, size: int, where: str) -> memoryview:
    if size > len(data) or offset > len(data) - size:
        raise Damage(f"a range inside the {len(data)} byte file", f"{size} bytes at {offset}", where)
    return data[offset : offset + size]
