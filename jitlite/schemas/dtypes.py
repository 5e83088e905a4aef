"""Tensor types: their NumPy element types and their sizes in a file."""

from collections.abc import Sequence
from math import prod

import numpy as np

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
_BITS = {
    TensorType.INT4: 4,
    TensorType.UINT4: 4,
    TensorType.INT2: 2,
    TensorType.BFLOAT16: 16,
    TensorType.FLOAT8_E4M3FN: 8,
    TensorType.FLOAT8_E5M2: 8,
}

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


def tensor_type(dtype: np.dtype | type | str) -> TensorType:
    """The tensor type of a NumPy dtype; UnsupportedError when the format has none."""
    found = _FROM_NUMPY.get(np.dtype(dtype))
    if found is None:
        raise UnsupportedError(f"NumPy dtype {np.dtype(dtype)}: the format has no such tensor type")
    return found


def is_packed(tensor_type: TensorType) -> bool:
    """True for types of which several elements share a byte."""
    return _BITS.get(tensor_type, 8) < 8


def byte_size(tensor_type: TensorType, shape: Sequence[int]) -> int:
    """Bytes of a dense tensor; 4- and 2-bit types round up to whole bytes.

    UnsupportedError for types without a fixed element size (strings, resources, variants).
    """
    count = prod(shape)
    if tensor_type in _BITS:
        return (count * _BITS[tensor_type] + 7) // 8
    if tensor_type not in _NUMPY:
        raise UnsupportedError(f"tensor type {tensor_type.name}: elements have no fixed size")
    return count * np.dtype(_NUMPY[tensor_type]).itemsize
