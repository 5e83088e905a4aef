"""The models that are damaged."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

ARCHIVE = Path(__file__).parent / "models.zip"
ONNX_ARCHIVE = Path(__file__).parent / "onnx_models.zip"
MOST_BYTES = 64 << 10
"""Larger models of a folder are left out: what damage does to them shows in small ones, far faster."""


def samples(folders: Sequence[Path] = (), archived: Path = ARCHIVE, suffix: str = ".tflite") -> list[tuple[str, bytes]]:
    """The archive's models and the small ones below some folders, by name and in order."""
    with zipfile.ZipFile(archived) as archive:
        found = [(name, archive.read(name)) for name in sorted(archive.namelist())]
    for folder in folders:
        paths = sorted(folder.rglob(f"*{suffix}"))
        found += [(str(path.relative_to(folder)), path.read_bytes()) for path in paths if 0 < path.stat().st_size <= MOST_BYTES]
    return found
