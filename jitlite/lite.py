"""The names of `tf.lite`, for scripts written for it: `from jitlite import lite`, then `lite.` where `tf.lite.` stood."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jitlite.interpreter import Interpreter
    from jitlite.tools.tflite_converter import OpsSet, Optimize, RepresentativeDataset, TargetSpec, TFLiteConverter

_ON_DEMAND = {
    "Interpreter": "jitlite.interpreter",
    "OpsSet": "jitlite.tools.tflite_converter",
    "Optimize": "jitlite.tools.tflite_converter",
    "RepresentativeDataset": "jitlite.tools.tflite_converter",
    "TFLiteConverter": "jitlite.tools.tflite_converter",
    "TargetSpec": "jitlite.tools.tflite_converter",
}

__all__ = ["Interpreter", "OpsSet", "Optimize", "RepresentativeDataset", "TFLiteConverter", "TargetSpec"]


def __getattr__(name: str) -> Any:
    """Imports a name on first use: a script that only runs models loads no converter."""
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_ON_DEMAND[name]), name)
    globals()[name] = value
    return value
