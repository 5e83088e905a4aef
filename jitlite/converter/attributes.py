"""Reading ONNX attributes, and operands that older opsets spelled as attributes."""

from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, helper

from jitlite.converter.graph import Array, Node
from jitlite.converter.importer import decode_tensor
from jitlite.converter.problems import Unlowerable


def attribute(node: Node, name: str, default: Any = None) -> Any:
    """The attribute's value: numbers, lists of numbers, text, an array for a tensor, a GraphProto; `default` where it is absent."""
    found = node.attributes.get(name)
    if found is None:
        return default
    if not isinstance(found, AttributeProto):
        return found
    value = helper.get_attribute_value(found)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, onnx.TensorProto):
        return decode_tensor(value)
    return list(value) if found.type in (AttributeProto.INTS, AttributeProto.FLOATS) else value


def constant_operand(node: Node, index: int) -> Array | None:
    """The value of an operand that must be constant when it is there; None when it is absent."""
    operand = node.optional(index)
    if operand is None:
        return None
    if operand.data is None:
        raise Unlowerable(f"operand {index} '{operand.name}' must be constant, found a value known only at run time", index)
    return operand.data


def integers(node: Node, name: str, index: int) -> list[int] | None:
    """Integers given as the attribute `name` or, in later opsets, as operand `index`; None where neither is there."""
    given = attribute(node, name)
    if given is not None:
        return [int(item) for item in given]
    data = constant_operand(node, index)
    return None if data is None else [int(item) for item in np.asarray(data).ravel()]


def scalar(node: Node, name: str, index: int) -> float | None:
    """A number given as the attribute `name` or, in later opsets, as operand `index` with one element."""
    given = attribute(node, name)
    if given is not None:
        return float(given)
    data = constant_operand(node, index)
    if data is None:
        return None
    if data.size != 1:
        raise Unlowerable(f"operand {index} with one element is required, found shape {data.shape}")
    return float(np.asarray(data).reshape(()))
