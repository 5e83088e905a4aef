"""Metadata as tools for tasks read it: a flatbuffer of its own in a buffer of the model, and files behind the model, as a ZIP archive."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping

from jitlite.schemas.decode import Decoder, reported
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.metadata_tables import ModelMetadata
from jitlite.schemas.tables import Buffer, Metadata, Model
from jitlite.schemas.write import write_table

ENTRY = "TFLITE_METADATA"
"""The name of the model's entry."""
IDENTIFIER = b"M001"
PARSER_VERSION = "1.0.0"
"""The first parser that knows all that is written here."""
MOST_FILE_BYTES = 64 << 20
"""Of a file behind a model, once unpacked."""


def metadata_of(model: Model) -> ModelMetadata | None:
    """What the model's metadata say; None where it has none. InvalidModelError where they are damaged."""
    for entry in model.metadata:
        if entry.name == ENTRY:
            if entry.buffer >= len(model.buffers):
                raise InvalidModelError(f"metadata '{ENTRY}': a buffer below {len(model.buffers)} required, found {entry.buffer}")
            with reported(f"metadata '{ENTRY}'"):
                return Decoder(memoryview(model.buffers[entry.buffer].data).cast("B"), IDENTIFIER).root(ModelMetadata)
    return None


def set_metadata(model: Model, metadata: ModelMetadata) -> None:
    """Puts metadata into the model, in place of what it had."""
    model.metadata = [entry for entry in model.metadata if entry.name != ENTRY]
    model.metadata.append(Metadata(name=ENTRY, buffer=len(model.buffers)))
    model.buffers.append(Buffer(data=write_table(metadata, IDENTIFIER)))


def archive_behind(size: int, files: Mapping[str, bytes]) -> bytes:
    """The archive of files that belongs behind a model of so many bytes; nothing where there are no files."""
    if not files:
        return b""
    archived = _Behind(size)
    with zipfile.ZipFile(archived, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return archived.getvalue()


def files_behind(path: str | os.PathLike[str], names: frozenset[str]) -> dict[str, bytes]:
    """Those of the named files that lie behind the model in a file. InvalidModelError where the archive is damaged."""
    found: dict[str, bytes] = {}
    if not names or not zipfile.is_zipfile(path):
        return found
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if entry.filename in names and entry.file_size <= MOST_FILE_BYTES:
                    found[entry.filename] = archive.read(entry)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError) as error:
        raise InvalidModelError(f"files behind the model: a ZIP archive required, found a damaged one: {error}") from error
    return found


class _Behind(io.BytesIO):
    """A file of which the first bytes lie elsewhere."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def tell(self) -> int:
        return super().tell() + self._size

    def seek(self, offset: int, whence: int = 0) -> int:
        return super().seek(offset - (self._size if whence == 0 else 0), whence) + self._size
