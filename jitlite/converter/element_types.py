"""Element types of ONNX and of .tflite: NumPy dtypes, those of the ml_dtypes package where NumPy has none."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from onnx.helper import tensor_dtype_to_np_dtype

from jitlite.schemas.dtypes import is_packed, numpy_dtype, packed_elements, tensor_type, unpacked_dtype
from jitlite.schemas.tables import TensorType

_RARE = {
    TensorType[member.replace("FLOAT8E", "FLOAT8_E")]: np.dtype(tensor_dtype_to_np_dtype(TensorProto.DataType.Value(member)))
    for member in ("BFLOAT16", "FLOAT8E4M3FN", "FLOAT8E5M2", "INT4", "UINT4", "INT2")
}
BFLOAT16, FLOAT8E4M3FN, FLOAT8E5M2, INT4, UINT4, INT2 = _RARE.values()
_FROM_RARE = {dtype: kind for kind, dtype in _RARE.items()}
PACKED_BOUNDS = {INT4: (-8, 7), UINT4: (0, 15), INT2: (-2, 1)}
"""The types of which several elements share a byte, with their least and greatest numbers."""


def dtype_of(kind: TensorType) -> np.dtype[Any]:
    """The dtype of one element; UnsupportedError for types ONNX has none like."""
    return _RARE[kind] if kind in _RARE else numpy_dtype(kind)


def type_of(dtype: np.dtype[Any]) -> TensorType:
    """The tensor type that holds such elements; UnsupportedError where .tflite has none, or LiteRT no operator that makes it."""
    return _FROM_RARE[dtype] if dtype in _FROM_RARE else tensor_type(dtype)


def stored(data: NDArray[Any]) -> NDArray[Any]:
    """The elements as the file and the operators' specifications hold them: packed types as bytes, bfloat16 and float8 as patterns."""
    kind = _FROM_RARE.get(data.dtype)
    if kind is None:
        return data
    return (
        packed_elements(data.astype(unpacked_dtype(kind)), kind)
        if is_packed(kind)
        else data.view(np.uint16 if data.itemsize == 2 else np.uint8)
    )
