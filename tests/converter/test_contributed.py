"""Float operators of com.microsoft against ONNX Runtime."""

from typing import Any

import pytest
from onnx import TensorProto, helper, numpy_helper

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
