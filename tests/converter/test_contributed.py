"""Float operators of com.microsoft against ONNX Runtime."""

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from jitlite.schemas.errors import ConversionError
from tests.converter.agreement import Array, assert_close, converted, floats, kinds, run_onnx, run_tflite

X, IMAGE = floats(2, 3, 8), floats(1, 3, 6, 7)


def check(kind: str, operands: list[Array | None], outputs: int = 1, domain: str = "com.microsoft", **attributes: Any) -> Any:
    """The first operand is an input, the others are stored; the last result is the model's."""
    names = [f"x{place}" if operand is not None else "" for place, operand in enumerate(operands)]
    results = ["y", *[""] * max(0, outputs - 2), *(["last"] if outputs > 1 else [])]
    stored = [numpy_helper.from_array(data, name) for name, data in zip(names[1:], operands[1:], strict=True) if data is not None]
    made = helper.make_node(kind, names, results, domain=domain, **attributes)
    shown = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in results if name]
    for info in shown:
        info.type.tensor_type.shape.SetInParent()
    x = operands[0]
    assert x is not None
    graph = helper.make_graph([made], "test", [helper.make_tensor_value_info("x0", TensorProto.FLOAT, x.shape)], shown, stored)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    source = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    tflite = converted(source)
    assert_close(run_tflite(tflite, {"x0": x}), run_onnx(source, {"x0": x}))
    return kinds(tflite)


@pytest.mark.parametrize(
    ("activation", "numbers"),
    [("Relu", []), ("LeakyRelu", [0.3]), ("Clip", [0.0, 6.0]), ("HardSigmoid", [0.2, 0.4]), ("Tanh", []), ("", [])],
)
@pytest.mark.parametrize("more", [False, True])
def test_fused_conv(activation: str, numbers: list[float], more: bool) -> None:
    attributes: dict[str, Any] = {"activation": activation} if activation else {}
    attributes |= {"activation_params": numbers} if numbers else {}
    operands = [IMAGE, floats(4, 3, 3, 3, seed=1), floats(4, seed=2), *([floats(1, 4, 6, 7, seed=3)] if more else [])]
    check("FusedConv", operands, kernel_shape=[3, 3], pads=[1, 1, 1, 1], **attributes)


def test_fused_conv_is_one_operator() -> None:
    found = check("FusedConv", [IMAGE, floats(4, 3, 3, 3, seed=1), floats(4, seed=2)], kernel_shape=[3, 3], activation="Relu")
    assert set(found) == {"CONV_2D", "TRANSPOSE"}


@pytest.mark.parametrize("attributes", [{"activation": "Relu"}, {"activation": "LeakyRelu", "activation_alpha": 0.2, "transB": 1}])
def test_fused_gemm(attributes: dict[str, Any]) -> None:
    shape = (5, 8) if attributes.get("transB") else (8, 5)
    check("FusedGemm", [floats(3, 8), floats(*shape, seed=1), floats(5, seed=2)], **attributes)


@pytest.mark.parametrize(
    ("a", "b", "attributes"),
    [
        ((2, 3, 8), (2, 8, 4), {"alpha": 0.5}),
        ((2, 8, 3), (2, 8, 4), {"transA": 1}),
        ((2, 3, 8), (2, 4, 8), {"transB": 1, "alpha": 0.125}),
        ((5, 1, 3, 8), (2, 4, 8), {"transB": 1}),
    ],
)
def test_fused_matmul(a: tuple[int, ...], b: tuple[int, ...], attributes: dict[str, Any]) -> None:
    check("FusedMatMul", [floats(*a), floats(*b, seed=1)], **attributes)


@pytest.mark.parametrize(
    ("kind", "bias", "attributes"),
    [
        ("Gelu", False, {}),
        ("BiasGelu", True, {}),
        ("FastGelu", False, {}),
        ("FastGelu", True, {}),
        ("QuickGelu", False, {}),
        ("QuickGelu", False, {"alpha": 1.0}),
    ],
)
def test_gelu(kind: str, bias: bool, attributes: dict[str, Any]) -> None:
    check(kind, [X, *([floats(8, seed=1)] if bias else [])], **attributes)


@pytest.mark.parametrize("outputs", [1, 4])
@pytest.mark.parametrize("bias", [False, True])
def test_skip_layer_normalization(outputs: int, bias: bool) -> None:
    vectors = [floats(8, seed=seed) for seed in (2, 3, 4)]
    check("SkipLayerNormalization", [X, floats(2, 3, 8, seed=1), *vectors[: 2 + bias]], outputs, epsilon=1e-5)
    check("SkipSimplifiedLayerNormalization", [X, floats(2, 3, 8, seed=1), *vectors[: 1 + bias]], outputs, epsilon=1e-6)


def test_simplified_layer_normalization() -> None:
    check("SimplifiedLayerNormalization", [X, floats(8, seed=1)], domain="", axis=-1, epsilon=1e-6)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("zeros", ["", "packed", "real"])
def test_product_with_weights_packed_in_blocks(bits: int, zeros: str) -> None:
    """96 rows in blocks of 32, and a last block that is not full."""
    count, depth, blocks = 5, 80, 3
    rng = np.random.default_rng(0)
    data = rng.integers(0, 256, (count, blocks, 32 * bits // 8), np.uint8)
    middle = {
        "": None,
        "packed": rng.integers(0, 256, (count, -(-blocks * bits // 8)), np.uint8),
        "real": floats(count, blocks, seed=3, low=0, high=1 << bits),
    }[zeros]
    operands = [floats(2, 3, depth), data, floats(count, blocks, seed=1, low=0.01, high=0.05), middle, None, floats(count, seed=2)]
    if bits == 8 and zeros == "real":
        pytest.skip("ONNX Runtime has no such kernel")
    assert set(check("MatMulNBits", operands, K=depth, N=count, bits=bits, block_size=32)) <= {"FULLY_CONNECTED", "RESHAPE"}


@pytest.mark.parametrize(
    ("operands", "attributes", "message"),
    [
        ([floats(2, 32)], {"K": 32, "N": 2, "block_size": 32}, "operand 1 is required, found none"),
        ([floats(2, 32), np.zeros((2, 1, 8), np.uint8)], {"K": 32, "N": 2, "block_size": 32}, "must have 32 elements, found 16"),
        ([floats(2, 32)], {"K": 32, "N": 2, "block_size": 32, "bits": 5}, "2, 4 or 8 bits"),
    ],
)
def test_broken_products_of_packed_weights_are_refused(operands: list[Array | None], attributes: dict[str, int], message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        check("MatMulNBits", operands, **attributes)
