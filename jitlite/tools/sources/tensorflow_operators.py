"""Operators of TensorFlow that tf2onnx does not know, in its terms: `HANDLERS` is what its `custom_op_handlers` take."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

DTYPES = {1: np.float32, 10: np.float16, 11: np.float64}


class _Rewriter:
    """Puts ONNX nodes in the place of a TensorFlow node of one floating-point operand and result."""

    def __init__(self, context: Any, node: Any, name: str) -> None:
        self.operand, self.result = node.input[0], node.output[0]
        self._context, self._name = context, name
        self._dtype, self._shape = context.get_dtype(self.result), context.get_shape(self.result)
        context.remove_node(node.name)

    def number(self, value: float) -> Any:
        return self._context.make_const(f"{self._name}_{value:g}", np.array(value, DTYPES[self._dtype])).output[0]

    def make(self, kind: str, *operands: Any) -> Any:
        return self._context.make_node(kind, list(operands), shapes=[self._shape], dtypes=[self._dtype]).output[0]

    def finish(self, kind: str, *operands: Any) -> None:
        self._context.make_node(kind, list(operands), name=self._name, outputs=[self.result], shapes=[self._shape], dtypes=[self._dtype])


def _erfc(context: Any, node: Any, name: str, arguments: Any) -> None:
    """erfc(x) = 1 + erf(-x); Keras writes its exact GELU so."""
    rewriter = _Rewriter(context, node, name)
    rewriter.finish("Add", rewriter.make("Erf", rewriter.make("Neg", rewriter.operand)), rewriter.number(1))


def _expm1(context: Any, node: Any, name: str, arguments: Any) -> None:
    """expm1(x) = max(exp(x) - 1, 0) + elu(min(x, 0)): exact where exp(x) is near 1 from below."""
    rewriter = _Rewriter(context, node, name)
    zero = rewriter.number(0)
    above = rewriter.make("Max", rewriter.make("Sub", rewriter.make("Exp", rewriter.operand), rewriter.number(1)), zero)
    rewriter.finish("Add", above, rewriter.make("Elu", rewriter.make("Min", rewriter.operand, zero)))


HANDLERS: Mapping[str, tuple[Callable[..., None], list[Any]]] = {"Erfc": (_erfc, []), "Expm1": (_expm1, [])}
