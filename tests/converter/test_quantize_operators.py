"""The operators that quantize, and those on whole numbers, one row a case, against ONNX Runtime."""

from typing import Any

import numpy as np
import pytest

from tests.converter.agreement import Array, check_node, floats


def case(kind: str, *operands: Array | None, constant: tuple[int, ...] = (), opset: int = 21, name: str = "", **attributes: Any) -> Any:
    return pytest.param(kind, operands, constant, opset, attributes, id=f"{kind}-{opset}-{name}".rstrip("-"))


def whole(dtype: str, *shape: int, seed: int = 0) -> Array:
    bounds = np.iinfo(dtype)
    low, high = max(int(bounds.min), -40000), min(int(bounds.max), 70000)
    return np.random.default_rng(seed).integers(low, high + 1, shape).astype(dtype)


def scales(*shape: int) -> Array:
    return floats(*shape, seed=9, low=0.01, high=0.05)


X = floats(2, 3, 4, low=-4, high=4)
FIXED, FREE = (1, 2), ()
ONE = {kind: (np.float32(0.0173), np.array(zero, kind)) for kind, zero in (("uint8", 131), ("int8", -7), ("int16", 5), ("uint16", 32000))}

QUANTIZE = [
    *(case("QuantizeLinear", X, *ONE[kind], constant=where, name=f"{kind} {where}") for kind in ONE for where in (FIXED, FREE)),
    *(
        case("QuantizeLinear", X, *ONE[kind], constant=FIXED, opset=opset, name=kind)
        for kind in ("uint8", "int8")
        for opset in (10, 13, 19)
    ),
    case("QuantizeLinear", X, np.float32(0.02), constant=(1,), name="no zero point"),
    case("QuantizeLinear", X, scales(3), whole("int8", 3), constant=FIXED, axis=1, name="axis"),
    case("QuantizeLinear", X, scales(4), whole("uint8", 4), constant=FREE, axis=-1, name="last axis at run time"),
    case("QuantizeLinear", X, scales(2, 3, 2), whole("int8", 2, 3, 2), constant=FIXED, axis=2, block_size=2, name="blocks"),
    case("QuantizeLinear", X, scales(2, 3, 2), whole("uint8", 2, 3, 2), constant=FREE, axis=2, block_size=2, name="blocks at run time"),
    case("QuantizeLinear", X.astype(np.float16), np.float16(0.02), np.uint8(120), constant=FIXED, name="float16"),
    case("DynamicQuantizeLinear", X, opset=11, name="around zero"),
    case("DynamicQuantizeLinear", X + 9, opset=11, name="above zero"),
    case("DynamicQuantizeLinear", X - 9, opset=11, name="below zero"),
    case("DynamicQuantizeLinear", np.zeros((2, 3), np.float32), opset=11, name="zero"),
]
DEQUANTIZE = [
    *(
        case("DequantizeLinear", whole(kind, 2, 3, 4), *ONE[kind], constant=where, name=f"{kind} {where}")
        for kind in ONE
        for where in (FIXED, FREE)
    ),
    case("DequantizeLinear", whole("int16", 2, 3), np.float32(0.1), np.int16(0), constant=FIXED, name="int16 around zero"),
    case("DequantizeLinear", whole("int32", 2, 3), np.float32(0.1), constant=(1,), name="int32"),
    case("DequantizeLinear", whole("int8", 2, 3, 4), scales(3), whole("int8", 3, seed=1), constant=FIXED, axis=-2, name="axis"),
    case("DequantizeLinear", whole("uint8", 2, 3, 4), scales(4), whole("uint8", 4, seed=1), constant=FREE, axis=2, name="axis at run time"),
    case("DequantizeLinear", whole("int8", 2, 3, 4), scales(2, 3, 2), constant=(1,), axis=2, block_size=2, name="blocks"),
    case("DequantizeLinear", whole("uint8", 2, 3), np.float16(0.02), np.uint8(3), constant=FIXED, name="to float16"),
]
PRODUCTS = [
    case("MatMulInteger", whole("uint8", 3, 8), whole("int8", 8, 5), opset=10, name="plain"),
    case(
        "MatMulInteger",
        whole("uint8", 3, 8),
        whole("int8", 8, 5),
        np.uint8(7),
        np.int8(3),
        constant=(1, 2, 3),
        opset=10,
        name="zero points",
    ),
    case(
        "MatMulInteger",
        whole("uint8", 3, 8),
        whole("uint8", 8, 5),
        np.uint8(7),
        whole("uint8", 5),
        constant=(1, 3),
        opset=10,
        name="columns",
    ),
    case("MatMulInteger", whole("int8", 2, 3, 8), whole("int8", 2, 8, 5), opset=10, name="stacked"),
    case("MatMulInteger", np.full((2, 1500), 255, np.uint8), np.full((1500, 3), 253, np.uint8), opset=10, name="large sums"),
    case(
        "MatMulInteger",
        np.full((2, 1500), 255, np.uint8),
        np.full((1500, 3), 253, np.uint8),
        constant=(1,),
        opset=10,
        name="large, constant",
    ),
    case("ConvInteger", whole("uint8", 1, 3, 6, 7), whole("uint8", 4, 3, 3, 3), np.uint8(100), np.uint8(120), opset=10, pads=[1, 1, 0, 2]),
    case(
        "ConvInteger",
        whole("uint8", 1, 4, 6, 7),
        whole("int8", 4, 1, 3, 3),
        np.uint8(9),
        constant=(1, 2),
        opset=10,
        group=4,
        strides=[2, 1],
        name="groups",
    ),
]


@pytest.mark.parametrize(("kind", "operands", "constant", "opset", "attributes"), [*QUANTIZE, *DEQUANTIZE, *PRODUCTS])
def test_operator_agrees_with_onnxruntime(
    kind: str, operands: tuple[Array, ...], constant: tuple[int, ...], opset: int, attributes: dict[str, Any]
) -> None:
    outputs = 3 if kind == "DynamicQuantizeLinear" else 1
    check_node(kind, *(np.asarray(each) for each in operands), constant=constant, opset=opset, outputs=outputs, **attributes)
