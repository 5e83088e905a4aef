"""Reading ONNX tensors that are stored beside the model.

A tensor's location is text from an untrusted file. It may only name a regular file with one link inside the model's own folder, reached
without symbolic links; offset and length must fit that file and the tensor exactly. Everything is checked before a byte is read, and once
more on the opened file.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import onnx
from onnx import TensorProto
from onnx.helper import tensor_dtype_to_np_dtype

from jitlite.converter.weights import LEAST_BYTES, Array, file_bytes, put
from jitlite.schemas.errors import ConversionError

Files: TypeAlias = dict[tuple[int, int, int], Array]
"""The bytes of files by device, number and size."""

KEYS = frozenset({"location", "offset", "length", "checksum"})


def load_external_data(model: onnx.ModelProto, folder: Path | None, weights: dict[str, Array]) -> None:
    """Moves the bytes of every external tensor into the model, those of large initialisers as views of the files into `weights`.

    Raises ConversionError naming the tensor and the broken rule.
    """
    files: Files = {}
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            data = _read(tensor, folder, files)
            if data.nbytes < LEAST_BYTES:
                tensor.raw_data = data.tobytes()
            else:
                put(tensor, data, weights)
    for tensor in stored_tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL:
            tensor.raw_data = _read(tensor, folder, files).tobytes()


def stored_tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """Every tensor in the model: initialisers and attributes, in subgraphs and functions too."""
    yield from _graph_tensors(model.graph)
    for function in model.functions:
        yield from _node_tensors(function.node)
    for training in model.training_info:
        yield from _graph_tensors(training.initialization)
        yield from _graph_tensors(training.algorithm)


def _graph_tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _node_tensors(graph.node)


def _node_tensors(nodes: Iterable[onnx.NodeProto]) -> Iterator[TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            for graph in (attribute.g, *attribute.graphs):
                yield from _graph_tensors(graph)


def _read(tensor: TensorProto, folder: Path | None, files: Files) -> Array:
    """The bytes of an external tensor, which is none from now on."""
    if folder is None:
        raise _refused(tensor, "external data need a model read from a path, found a ModelProto")
    entries = {entry.key: entry.value for entry in tensor.external_data}
    unknown = sorted(set(entries) - KEYS)
    if unknown or len(entries) != len(tensor.external_data):
        raise _refused(tensor, f"the keys {', '.join(sorted(KEYS))} are allowed once each, found {', '.join(unknown) or 'a repeated key'}")
    path = _contained_path(tensor, folder, entries.get("location", ""))
    wanted = _stored_bytes(tensor)
    offset = _count(tensor, entries, "offset", 0)
    length = _count(tensor, entries, "length", wanted)
    if length != wanted:
        raise _refused(tensor, f"shape and type require {wanted} bytes, found length {length}")
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        before = os.lstat(path)
        with open(os.open(path, flags), "rb") as file:
            opened = os.fstat(file.fileno())
            if (before.st_dev, before.st_ino) != (opened.st_dev, opened.st_ino):
                raise _refused(tensor, f"'{path.name}' changed while it was opened")
            if not stat.S_ISREG(opened.st_mode) or opened.st_nlink != 1:
                raise _refused(tensor, f"a regular file with one link is required, '{path.name}' is not")
            if offset > opened.st_size or length > opened.st_size - offset:
                raise _refused(tensor, f"{length} bytes at offset {offset} are required, '{path.name}' has {opened.st_size} bytes")
            key = opened.st_dev, opened.st_ino, opened.st_size
            if key not in files:
                files[key] = file_bytes(file)
    except OSError as error:
        raise _refused(tensor, f"cannot read '{path.name}': {error.strerror}") from error
    found = files[key][offset : offset + length]
    if len(found) != length:
        raise _refused(tensor, f"{length} bytes are required, '{path.name}' gave {len(found)}")
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]
    return found


def _contained_path(tensor: TensorProto, folder: Path, location: str) -> Path:
    """The file a location names; ConversionError unless it lies inside the folder and no part of the way there is a symbolic link."""
    parts = location.replace("\\", "/").split("/")
    if not location or "\0" in location or ":" in parts[0] or any(part in ("", "..") for part in parts):
        raise _refused(tensor, f"a location inside the model's folder is required, found {_short(location)}")
    root = Path(os.path.realpath(folder))
    path = root
    for part in parts:
        path = path / part
        try:
            is_link = stat.S_ISLNK(os.lstat(path).st_mode)
        except OSError as error:
            raise _refused(tensor, f"cannot read {_short(location)}: {error.strerror}") from error
        if is_link:
            raise _refused(tensor, f"a location without symbolic links is required, found {_short(location)}")
    if not Path(os.path.realpath(path)).is_relative_to(root):
        raise _refused(tensor, f"a location inside the model's folder is required, found {_short(location)}")
    return path


def _short(location: str) -> str:
    return repr(location if len(location) <= 80 else f"{location[:80]}…")


def _stored_bytes(tensor: TensorProto) -> int:
    count = 1
    for dim in tensor.dims:
        if dim < 0:
            raise _refused(tensor, f"dimensions of at least 0 are required, found {dim}")
        count *= dim
    if tensor.data_type in (TensorProto.UINT4, TensorProto.INT4):
        return (count + 1) // 2
    try:
        return count * int(tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    except (KeyError, TypeError, ValueError) as error:
        raise _refused(tensor, f"a known element type is required, found {tensor.data_type}") from error


def _count(tensor: TensorProto, entries: dict[str, str], key: str, default: int) -> int:
    text = entries.get(key)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise _refused(tensor, f"{key} must be a decimal number of bytes, found {text[:40]!r}")
    return int(text)


def _refused(tensor: TensorProto, message: str) -> ConversionError:
    return ConversionError(f"external data of tensor '{tensor.name}': {message}")
