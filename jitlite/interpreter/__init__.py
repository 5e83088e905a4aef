"""Runs .tflite models with compiled kernels; LiteRT's names, NumPy and the standard library only."""

from jitlite.interpreter.interpreter import Interpreter, OpResolverType, SignatureRunner
from jitlite.interpreter.plan import PythonOperator

__all__ = ["Interpreter", "OpResolverType", "PythonOperator", "SignatureRunner"]
