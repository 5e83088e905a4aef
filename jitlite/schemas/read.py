"""Reading a .tflite file: every offset is checked against the file before it is followed."""

from __future__ import annotations

import mmap
import os

from jitlite.schemas.decode import Damage, Decoder, reported
from jitlite.schemas.tables import Model

Source = str | os.PathLike[str] | bytes | bytearray | memoryview


def read_model(source: Source) -> Model:
    """The model in a file (mapped read-only) or in bytes; buffers are views of it.

    Raises InvalidModelError for any damage to the structure, saying where; `verify` checks what the structure means. Bytes kept behind
    the flatbuffer (files above 2 GiB) become ordinary buffers. External buffers stay as they are: no other file is opened.
    """
    name, data = _open(source)
    with reported(name):
        model = Decoder(data, b"TFL3").root(Model)
        _resolve_ranges(model, data)
    return model


def _open(source: Source) -> tuple[str, memoryview]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        view = memoryview(source).toreadonly()
        return "", view if view.format == "B" and view.ndim == 1 else view.cast("B")
    path = os.fspath(source)
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return path, memoryview(b"")
        return path, memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


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
