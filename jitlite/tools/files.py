"""Writing files so that they appear whole or not at all, and never in place of others unless asked."""

import io
import os
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.tools.errors import ToolError


def check_output(path: Path, force: bool) -> None:
    """ToolError when `path` cannot be written: something is there and `force` is not given, or its folder is missing."""
    if path.is_dir():
        raise ToolError(f"{path}: a file name is required, found a folder")
    if path.exists() and not force:
        raise ToolError(f"{path}: the file exists; --force overwrites it")
    if not path.parent.is_dir():
        raise ToolError(f"{path}: the folder {path.parent} does not exist")


def write_file(path: Path, content: bytes, force: bool) -> None:
    """Writes a file under a temporary name beside `path` and renames it; what stood there before is replaced only with `force`."""
    check_output(path, force)
    descriptor, name = mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        check_output(path, force)
        os.replace(name, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """A .npz file of arrays under any names."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), npy_bytes(array))
    return content.getvalue()


def npy_bytes(array: NDArray[Any]) -> bytes:
    """A .npy file of one array; arrays of `bytes` become those of NumPy's own bytes, which do not keep zeros at the end."""
    content = io.BytesIO()
    plain = array.astype(np.bytes_) if array.dtype == np.object_ else np.asanyarray(array)
    np.lib.format.write_array(content, plain, allow_pickle=False)
    return content.getvalue()
