"""ONNX to TFLite."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jitlite.converter.convert import convert_onnx
from jitlite.converter.options import ConvertOptions
from jitlite.converter.rewrite import Trace

if TYPE_CHECKING:
    from jitlite.tools.tflite_converter import OpsSet, Optimize, RepresentativeDataset, TargetSpec, TFLiteConverter

TENSORFLOW_NAMES = frozenset({"OpsSet", "Optimize", "RepresentativeDataset", "TFLiteConverter", "TargetSpec"})

__all__ = ["ConvertOptions", "OpsSet", "Optimize", "RepresentativeDataset", "TFLiteConverter", "TargetSpec", "Trace", "convert_onnx"]


def __getattr__(name: str) -> Any:
    """TensorFlow's names, found here by those who know its API; they wire siblings together, so the tools have them (ADR 15)."""
    if name not in TENSORFLOW_NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("jitlite.tools.tflite_converter"), name)
