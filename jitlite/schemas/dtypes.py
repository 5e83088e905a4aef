"""Tensor types: their NumPy element types and their sizes in a file."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jitlite.schemas.errors import UnsupportedError
from jitlite.schemas.tables import TensorType

_NUMPY: dict[TensorType, str] = {
    TensorType.FLOAT32: "float32",
    TensorType.FLOAT16: "float16",
    TensorType.FLOAT64: "float64",
    TensorType.INT8: "int8",
    TensorType.UINT8: "uint8",
    TensorType.INT16: "int16",
    TensorType.UINT16: "uint16",
    TensorType.INT32: "int32",
    TensorType.UINT32: "uint32",
    TensorType.INT64: "int64",
    TensorType.UINT64: "uint64",
    TensorType.BOOL: "bool",
    TensorType.COMPLEX64: "complex64",
    TensorType.COMPLEX128: "complex128",
}
_FROM_NUMPY = {np.dtype(name): tensor_type for tensor_type, name in _NUMPY.items()}
BITS = {
    TensorType.INT4: 4,
    TensorType.UINT4: 4,
    TensorType.INT2: 2,
    TensorType.BFLOAT16: 16,
    TensorType.FLOAT8_E4M3FN: 8,
    TensorType.FLOAT8_E5M2: 8,
}
"""Bits of an element of the types NumPy lacks."""
_PATTERNS = {TensorType.BFLOAT16: "uint16", TensorType.FLOAT8_E4M3FN: "uint8", TensorType.FLOAT8_E5M2: "uint8"}

INTEGER_RANGE: dict[TensorType, tuple[int, int]] = {
    TensorType.INT4: (-8, 7),
    TensorType.INT8: (-128, 127),
    TensorType.UINT8: (0, 255),
    TensorType.INT16: (-(2**15), 2**15 - 1),
    TensorType.INT32: (-(2**31), 2**31 - 1),
    TensorType.INT64: (-(2**63), 2**63 - 1),
}
"""Smallest and largest value of the integer types quantization uses."""


def has_numpy_dtype(tensor_type: TensorType) -> bool:
    return tensor_type in _NUMPY


def numpy_dtype(tensor_type: TensorType) -> np.dtype:
    """The NumPy dtype of one element; UnsupportedError for types NumPy lacks (strings, bfloat16, float8, 4 and 2 bits, handles)."""
    if tensor_type not in _NUMPY:
        raise UnsupportedError(f"tensor type {tensor_type.name}: NumPy has no such element type")
    return np.dtype(_NUMPY[tensor_type])


def stored_dtype(tensor_type: TensorType) -> np.dtype | None:
    """The NumPy dtype of a stored element, unsigned integers where NumPy lacks the type; None where elements have no whole bytes."""
    name = _NUMPY.get(tensor_type) or _PATTERNS.get(tensor_type)
    return None if name is None else np.dtype(name)


def tensor_type(dtype: np.dtype | type | str) -> TensorType:
    """The tensor type of a NumPy dtype; UnsupportedError when the format has none."""
    found = _FROM_NUMPY.get(np.dtype(dtype))
    if found is None:
        raise UnsupportedError(f"NumPy dtype {np.dtype(dtype)}: the format has no such tensor type")
    return found


def is_packed(tensor_type: TensorType) -> bool:
    """True for types of which several elements share a byte."""
    return BITS.get(tensor_type, 8) < 8


def from_bfloat16(bits: NDArray[Any]) -> NDArray[Any]:
    """The float32 numbers that bfloat16 patterns stand for."""
    wide = bits.astype(np.uint32)
    wide <<= np.uint32(16)
    return wide.view(np.float32)


def to_bfloat16(values: NDArray[Any]) -> NDArray[Any]:
    """The patterns of the bfloat16 numbers nearest to float32 ones, ties to even; NaN keeps its sign alone."""
    bits = np.asarray(values, np.float32).view(np.uint32)
    rounded = (bits.astype(np.uint64) + 0x7FFF + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint64(16)
    return np.where(np.isnan(values), 0x7FC0 | (bits >> np.uint32(16) & np.uint32(0x8000)), rounded).astype(np.uint16)


def unpacked_dtype(tensor_type: TensorType) -> np.dtype:
    """The NumPy dtype that holds an element of a packed type."""
    return np.dtype(np.uint8 if tensor_type is TensorType.UINT4 else np.int8)


def unpacked_elements(data: NDArray[Any], tensor_type: TensorType, shape: Sequence[int]) -> NDArray[Any]:
    """The elements of packed data, a byte each, in the tensor's shape; the first one of a byte is in its lowest bits."""
    bits = BITS[tensor_type]
    fields = (data.view(np.uint8).reshape(-1, 1) >> np.arange(0, 8, bits, dtype=np.uint8)) << np.uint8(8 - bits)
    numbers = fields.view(unpacked_dtype(tensor_type))
    elements: NDArray[Any] = (numbers >> numbers.dtype.type(8 - bits)).reshape(-1)[: prod(shape)]
    return elements.reshape(tuple(shape))


def packed_elements(values: NDArray[Any], tensor_type: TensorType) -> NDArray[Any]:
    """The bytes that hold these elements, of which the lowest bits are kept: what `unpacked_elements` reads."""
    bits = BITS[tensor_type]
    fields = values.reshape(-1).view(np.uint8) & np.uint8((1 << bits) - 1)
    padded = np.zeros((-(-fields.size * bits // 8), 8 // bits), np.uint8)
    padded.reshape(-1)[: fields.size] = fields
    packed: NDArray[Any] = np.bitwise_or.reduce(padded << np.arange(0, 8, bits, dtype=np.uint8), axis=1)
    return packed


def byte_size(tensor_type: TensorType, shape: Sequence[int]) -> int:
    """Bytes of a dense tensor; 4- and 2-bit types round up to whole bytes.

    UnsupportedError for types without a fixed element size (strings, resources, variants).
    """
    count = prod(shape)
    if tensor_type in BITS:
        return (count * BITS[tensor_type] + 7) // 8
    if tensor_type not in _NUMPY:
        raise UnsupportedError(f"tensor type {tensor_type.name}: elements have no fixed size")
    return count * np.dtype(_NUMPY[tensor_type]).itemsize
