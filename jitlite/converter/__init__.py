"""ONNX to TFLite."""

from jitlite.converter.convert import convert_onnx
from jitlite.converter.options import ConvertOptions

__all__ = ["ConvertOptions", "convert_onnx"]
