"""Runs .tflite models with compiled kernels; LiteRT's names, NumPy and the standard library only."""

from typing import TYPE_CHECKING, Any

from jitlite.interpreter.custom import CustomOperator, custom_kernel, custom_operator
from jitlite.interpreter.interpreter import Interpreter, OpResolverType, SignatureRunner

if TYPE_CHECKING:
    from jitlite.interpreter.delegates import load_delegate

__all__ = ["CustomOperator", "Interpreter", "OpResolverType", "SignatureRunner", "custom_kernel", "custom_operator", "load_delegate"]


def __getattr__(name: str) -> Any:
    """Imports what few models need when it is asked for."""
    if name != "load_delegate":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from jitlite.interpreter.delegates import load_delegate

    return load_delegate
