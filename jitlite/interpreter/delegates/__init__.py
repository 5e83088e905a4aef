"""Delegates: other ways to run operators than the CPU's kernels. `protocol` says what one is, docs/delegates.md how to write one."""

from jitlite.interpreter.delegates.load import load_delegate
from jitlite.interpreter.delegates.protocol import Boundary, Delegate, DelegateKernel, DelegateWarning, Partition, Token

__all__ = ["Boundary", "Delegate", "DelegateKernel", "DelegateWarning", "Partition", "Token", "load_delegate"]
