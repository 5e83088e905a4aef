"""The large constants of an ONNX model, kept apart from its protobuf: views of the bytes they lie in, which are never copied.

In the protobuf a stub is left of each: an initialiser with a name, a type and a shape, without data.
"""

import mmap
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto
from onnx.helper import tensor_dtype_to_np_dtype

Array = NDArray[Any]

LEAST_BYTES = 4096
"""Smaller constants stay in the protobuf, where onnx's own tools read shapes and axes from them."""
MOST_READ_BYTES = 64 << 20
"""Files up to this size are read; larger ones are mapped, and must not be cut while a model is in use."""
MOST_FIELDS = 4_000_000
PACKED = frozenset(number for name, number in TensorProto.DataType.items() if name in ("UINT4", "INT4", "FLOAT4E2M1", "UINT2", "INT2"))

MODEL_GRAPH, GRAPH_INITIALIZER, TENSOR_RAW_DATA = 7, 5, 9
"""Field numbers of onnx.proto."""
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types of protobuf."""


class _Unusual(Exception):  # noqa: N818 - leaves the file to protobuf, which reads it or says what is wrong
    """The file's fields do not lie as writers lay them."""


def file_bytes(file: Any) -> Array:
    """An open file's bytes: read, or mapped where they are many."""
    size = os.fstat(file.fileno()).st_size
    if size <= MOST_READ_BYTES:
        return np.frombuffer(file.read(), np.uint8)
    return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)


def parse_without_weights(content: Array, weights: dict[str, Array]) -> onnx.ModelProto:
    """The model in a file's bytes, with its large initialisers in `weights`. DecodeError for what is no protobuf."""
    try:
        cut, views = _without_data(content.data)
    except _Unusual:
        return onnx.ModelProto.FromString(content.tobytes())
    model = onnx.ModelProto.FromString(cut)
    for index, view in views.items():
        put(model.graph.initializer[index], np.frombuffer(view, np.uint8), weights)
    return model


def copy_without_weights(source: onnx.ModelProto, weights: dict[str, Array]) -> onnx.ModelProto:
    """A copy of the model, with its large initialisers in `weights`. DecodeError for messages too deep to be copied."""
    model = onnx.ModelProto()
    _copy_fields(source, model, "graph")
    if source.HasField("graph"):
        model.graph.SetInParent()
        _copy_fields(source.graph, model.graph, "initializer")
        for tensor in source.graph.initializer:
            data = tensor.raw_data if tensor.HasField("raw_data") else b""
            stub = model.graph.initializer.add()
            if len(data) < LEAST_BYTES:
                stub.CopyFrom(tensor)
                continue
            _copy_fields(tensor, stub, "raw_data")
            put(stub, np.frombuffer(data, np.uint8), weights)
    return model


def put(stub: TensorProto, data: Array, weights: dict[str, Array]) -> None:
    """Keeps the bytes of a tensor in `weights`; in the tensor itself where they do not fit it, so that who decodes it says so."""
    found = _shaped(stub, data)
    if found is None or stub.name in weights:
        stub.raw_data = data.tobytes()
    else:
        weights[stub.name] = found


def put_back(model: onnx.ModelProto, weights: dict[str, Array]) -> None:
    """Puts the data of all stubs into the model."""
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            tensor.raw_data = weights.pop(tensor.name).tobytes()


def check_without_weights(model: onnx.ModelProto, weights: dict[str, Array]) -> None:
    """Onnx's check of a model with stubs, which take the place of inputs meanwhile. ValidationError for an illegal one."""
    stubs = {tensor.name: tensor for tensor in model.graph.initializer if tensor.name in weights}
    if not stubs:
        onnx.checker.check_model(model)
        return
    checked = onnx.ModelProto()
    checked.CopyFrom(model)
    kept = [tensor for tensor in checked.graph.initializer if tensor.name not in stubs]
    del checked.graph.initializer[:]
    checked.graph.initializer.extend(kept)
    named = {info.name for info in checked.graph.input}
    for name, tensor in stubs.items():
        if name not in named:
            checked.graph.input.append(onnx.helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims)))
    onnx.checker.check_model(checked)


def _shaped(tensor: TensorProto, data: Array) -> Array | None:
    """The elements of a tensor; None where there are not as many as its shape asks for, or their type shares bytes."""
    if tensor.data_location == TensorProto.EXTERNAL or tensor.data_type in PACKED or not tensor.name:
        return None
    if any(dim < 0 for dim in tensor.dims):
        return None
    try:
        dtype: np.dtype[Any] = np.dtype(tensor_dtype_to_np_dtype(tensor.data_type))
        return np.asarray(data.view(dtype).reshape(tuple(tensor.dims)))
    except (KeyError, TypeError, ValueError):
        return None


def _copy_fields(source: Any, target: Any, left_out: str) -> None:
    for descriptor, value in source.ListFields():
        if descriptor.name == left_out:
            continue
        held = getattr(target, descriptor.name)
        if hasattr(held, "extend"):
            held.extend(value)
        elif descriptor.message_type is not None:
            held.CopyFrom(value)
        else:
            setattr(target, descriptor.name, value)


def _without_data(content: memoryview) -> tuple[bytes, dict[int, memoryview]]:
    """A serialized model without the raw data of its large initialisers, and these by the number of the initialiser."""
    views: dict[int, memoryview] = {}
    parts: list[bytes | memoryview] = []
    count = graphs = 0
    for number, start, begin, end in _fields(content, MOST_FIELDS):
        if number != MODEL_GRAPH:
            parts.append(content[start:end])
            continue
        graphs += 1
        inner: list[bytes | memoryview] = []
        graph = content[begin:end]
        for field, first, data, stop in _fields(graph, MOST_FIELDS):
            if field != GRAPH_INITIALIZER:
                inner.append(graph[first:stop])
                continue
            tensor = graph[data:stop]
            raw = [span for span in _fields(tensor, MOST_FIELDS) if span[0] == TENSOR_RAW_DATA] if len(tensor) >= LEAST_BYTES else []
            if len(raw) == 1 and raw[0][3] - raw[0][2] >= LEAST_BYTES:
                _, opening, at, closing = raw[0]
                views[count] = tensor[at:closing]
                tensor_bytes = bytes(tensor[:opening]) + bytes(tensor[closing:])
                inner += [_tag(GRAPH_INITIALIZER), _varint(len(tensor_bytes)), tensor_bytes]
            else:
                inner.append(graph[first:stop])
            count += 1
        parts += [_tag(MODEL_GRAPH), _varint(sum(map(len, inner))), *inner]
    if graphs != 1:
        raise _Unusual
    return b"".join(parts), views


def _fields(content: memoryview, most: int) -> Iterator[tuple[int, int, int, int]]:
    """The fields of a message: (number, start, start of its bytes, end), 0 for the number of one that holds no bytes."""
    place = 0
    while place < len(content):
        most -= 1
        if most < 0:
            raise _Unusual
        start = place
        tag, place = _read_varint(content, place)
        number, kind = tag >> 3, tag & 7
        begin = place
        if kind == VARINT:
            _, place = _read_varint(content, place)
        elif kind == BYTES:
            size, begin = _read_varint(content, place)
            place = begin + size
        elif kind in (FIXED64, FIXED32):
            place += 8 if kind == FIXED64 else 4
        else:
            raise _Unusual
        if place > len(content):
            raise _Unusual
        yield number if kind == BYTES else 0, start, begin, place


def _read_varint(content: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(content) and shift < 70:
        byte = content[place]
        value |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            return value, place
        shift += 7
    raise _Unusual


def _varint(value: int) -> bytes:
    made = bytearray()
    while value >= 0x80:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def _tag(number: int) -> bytes:
    return _varint(number << 3 | BYTES)
