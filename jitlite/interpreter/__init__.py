"""Runs .tflite models with compiled kernels; LiteRT's names, NumPy and the standard library only."""

from jitlite.interpreter.custom import CustomOperator, custom_kernel, custom_operator
from jitlite.interpreter.interpreter import Interpreter, OpResolverType, SignatureRunner

__all__ = ["CustomOperator", "Interpreter", "OpResolverType", "SignatureRunner", "custom_kernel", "custom_operator"]
