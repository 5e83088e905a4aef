"""The language of the other parts: what a .tflite model is, read, written, checked and printed."""

from typing import TYPE_CHECKING, Any

from jitlite.schemas.errors import (
    CalibrationError,
    ConversionError,
    ConversionWarning,
    ExecutionError,
    InvalidModelError,
    JitliteError,
    UnsupportedError,
)
from jitlite.schemas.read import read_model
from jitlite.schemas.tables import (
    Buffer,
    BuiltinOperator,
    Metadata,
    Model,
    Operator,
    OperatorCode,
    QuantizationParameters,
    SignatureDef,
    SubGraph,
    Tensor,
    TensorMap,
    TensorType,
)
from jitlite.schemas.verify import verify

if TYPE_CHECKING:
    from jitlite.schemas.text import format_model, format_operator
    from jitlite.schemas.write import save_model, write_model

_ON_DEMAND = {
    "format_model": "text",
    "format_operator": "text",
    "save_model": "write",
    "write_model": "write",
}

__all__ = [
    "Buffer",
    "BuiltinOperator",
    "CalibrationError",
    "ConversionError",
    "ConversionWarning",
    "ExecutionError",
    "InvalidModelError",
    "JitliteError",
    "Metadata",
    "Model",
    "Operator",
    "OperatorCode",
    "QuantizationParameters",
    "SignatureDef",
    "SubGraph",
    "Tensor",
    "TensorMap",
    "TensorType",
    "UnsupportedError",
    "format_model",
    "format_operator",
    "read_model",
    "save_model",
    "verify",
    "write_model",
]


def __getattr__(name: str) -> Any:
    """Imports a function's module on first use: writing needs flatbuffers, reading does not."""
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_ON_DEMAND[name]}"), name)
    globals()[name] = value
    return value
