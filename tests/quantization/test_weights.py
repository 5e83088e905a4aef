"""The schemes that change weights alone: dynamic-range and float16."""

import numpy as np
import pytest

from jitlite.quantization import Recipe, compare_models, plan_quantization, quantize
from jitlite.schemas.errors import UnsupportedError
from jitlite.schemas.model import operator_code_of, operator_name, tensor_data
from jitlite.schemas.tables import MulOptions, TensorType
from jitlite.schemas.write import write_model
from tests.quantization import litert
from tests.quantization.conformance import check
from tests.quantization.models import B, ModelBuilder, classifier

DYNAMIC = Recipe("dynamic")


def layers():
    """A large convolution, depthwise convolution and dense layer, and a small one."""
    build = ModelBuilder()
    x = build.input("x", (1, 4, 4, 128))
    first = build.conv(x, 16, "first", size=1)
    second = build.depthwise(x, "second")
    flat = build.reshape(build.concat([first, second], "both"), (16, 144), "flat")
    return build.done(build.dense(build.dense(flat, 64, "third"), 4, "fourth"))


def stored(model, name):
    (tensor,) = [tensor for tensor in model.subgraphs[0].tensors if tensor.name == name]
    return tensor


def versions(model):
    return {operator_name(model, op): operator_code_of(model, op).version for op in model.subgraphs[0].operators}


def test_large_weights_become_int8_and_activations_stay_float():
    model = layers()
    found = quantize(model, DYNAMIC)
    check(found)
    kinds = {t.name: (t.type.name, len(t.quantization.scale) if t.quantization else 0) for t in found.subgraphs[0].tensors if "/" in t.name}
    assert kinds == {
        "first/weights": ("INT8", 16),
        "first/bias": ("FLOAT32", 0),
        "second/weights": ("INT8", 128),
        "second/bias": ("FLOAT32", 0),
        "third/weights": ("INT8", 1),
        "third/bias": ("FLOAT32", 0),
        "fourth/weights": ("FLOAT32", 0),
        "fourth/bias": ("FLOAT32", 0),
        "flat/shape": ("INT32", 0),
    }
    assert {"CONV_2D": 5, "DEPTHWISE_CONV_2D": 6, "CONCATENATION": 1}.items() <= versions(found).items()
    dense = [operator_code_of(found, op).version for op in found.subgraphs[0].operators if operator_name(found, op) == "FULLY_CONNECTED"]
    assert dense == [3, 1]
    assert len(write_model(found)) < len(write_model(model)) / 2
    feeds = litert.random_feeds(model, 3)
    assert compare_models(model, found, feeds, litert.run).outputs[0].sqnr_db > 30


def test_one_scale_for_all_channels_needs_older_versions_only():
    found = quantize(layers(), Recipe("dynamic", per_channel=False))
    check(found)
    assert {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 4}.items() <= versions(found).items()
    litert.interpreter(found).allocate_tensors()


@pytest.mark.parametrize(("least", "count"), [(0, 4), (1024, 3), (3000, 1), (9216, 1)])
def test_small_weights_stay_float(least, count):
    plan = plan_quantization(layers(), Recipe("dynamic", min_weight_elements=least))
    assert plan.quantized_count == count
    assert all(f"fewer than {least} elements" in op.reason for op in plan.float_operators)


def test_reasons_name_only_operators_with_weights():
    plan = plan_quantization(layers(), Recipe("dynamic", float_nodes=("CONV_2D",), float_tensors=("third/.*",)))
    assert [(op.name, op.reason.split(" ")[0]) for op in plan.float_operators] == [
        ("CONV_2D", "float_nodes"),
        ("FULLY_CONNECTED", "float_tensors"),
        ("FULLY_CONNECTED", "its"),
    ]


def test_dynamic_range_needs_weights():
    build = ModelBuilder()
    model = build.done(build.unary(B.RELU, build.input("x", (1, 4)), "y"))
    with pytest.raises(UnsupportedError, match="float weights with an int8 form are required, found none"):
        quantize(model, DYNAMIC)
    with pytest.raises(UnsupportedError, match="CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED: its weights have fewer than 1024 elements"):
        quantize(small_classifier(), DYNAMIC)


def small_classifier():
    build = ModelBuilder()
    x = build.input("x", (1, 4, 4, 2))
    flat = build.reshape(build.depthwise(build.conv(x, 2, "a"), "b"), (1, 32), "flat")
    return build.done(build.dense(flat, 2, "y"))


def test_constants_are_stored_as_float16():
    model = classifier()
    found = quantize(model, Recipe("float16"))
    check(found)
    halves = {t.name for t in found.subgraphs[0].tensors if t.type is TensorType.FLOAT16}
    assert halves == {f"{layer}/{part}_float16" for layer in ("first", "second", "scores") for part in ("weights", "bias")}
    original = tensor_data(model, stored(model, "first/weights"))
    np.testing.assert_array_equal(tensor_data(found, stored(found, "first/weights_float16")), original.astype(np.float16))
    assert versions(found)["DEQUANTIZE"] == 3
    feeds = litert.random_feeds(model, 3)
    assert compare_models(model, found, feeds, litert.run).outputs[0].sqnr_db > 50
    with pytest.raises(ValueError, match="the scheme int8 or dynamic is required, found float16"):
        plan_quantization(model, Recipe("float16"))


def test_constants_float16_cannot_hold_stay_float32():
    build = ModelBuilder()
    y = build.input("x", (1, 2))
    values = {"large": [1e5, 1], "single": [1e-9], "plain": [1, 2], "endless": [np.inf, 1]}
    for name, value in values.items():
        operand = build.constant(name, np.float32(value))
        y = build.op(B.MUL, [y, operand], [build.tensor(f"{name}/y", (1, 2))], MulOptions())[0]
    found = quantize(build.done(y), Recipe("float16"))
    check(found)
    kinds = {t.name: t.type.name for t in found.subgraphs[0].tensors if "/" not in t.name}
    assert kinds == {
        "x": "FLOAT32",
        "large": "FLOAT32",
        "single": "FLOAT32",
        "plain": "FLOAT32",
        "plain_float16": "FLOAT16",
        "endless": "FLOAT32",
        "endless_float16": "FLOAT16",
    }


@pytest.mark.parametrize("selectors", [{"float_nodes": ("CONV_2D",)}, {"float_tensors": ("first/.*",)}])
def test_recipes_keep_constants_in_float32(selectors):
    found = quantize(classifier(), Recipe("float16", **selectors))
    check(found)
    assert stored(found, "first/weights").type is TensorType.FLOAT32
    assert "second/weights_float16" in {tensor.name for tensor in found.subgraphs[0].tensors}
    assert not any(tensor.name == "first/weights_float16" for tensor in found.subgraphs[0].tensors)


def test_a_constant_named_by_some_readers_only_exists_twice():
    build = ModelBuilder()
    x, shared = build.input("x", (1, 4)), build.weights("shared", 4)
    product = build.op(B.MUL, [x, shared], [build.tensor("product", (1, 4))], MulOptions())[0]
    model = build.done(build.add(product, shared, "y"))
    found = quantize(model, Recipe("float16", float_nodes=("MUL",)))
    check(found)
    assert sorted(t.name for t in found.subgraphs[0].tensors if t.name.startswith("shared")) == ["shared", "shared_1", "shared_float16"]
    feeds = litert.random_feeds(model, 2)
    assert compare_models(model, found, feeds, litert.run).tensor("product").sqnr_db == float("inf")


def test_float16_needs_constants():
    build = ModelBuilder()
    with pytest.raises(UnsupportedError, match="a float32 constant that float16 can hold is required, found none"):
        quantize(build.done(build.unary(B.RELU, build.input("x", (1, 4)), "y")), Recipe("float16"))
