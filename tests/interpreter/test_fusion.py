"""Operators that run as one step: the same results as one by one, and only where nobody else looks at what is between them."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter as LiteRT
from ai_edge_litert.interpreter import OpResolverType

from jitlite.interpreter import Interpreter
from jitlite.schemas.ops.activation import LOGISTIC, RELU, RELU6, RELU_N1_TO_1
from jitlite.schemas.ops.conv import CONV_2D, DEPTHWISE_CONV_2D
from jitlite.schemas.ops.elementwise import ADD, MUL
from jitlite.schemas.ops.pad import PAD
from jitlite.schemas.tables import (
    ActivationFunctionType,
    AddOptions,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    MulOptions,
    Padding,
    QuantizationParameters,
    TensorType,
)

from .models import GraphBuilder, content, new_model

FUSED = ActivationFunctionType.RELU


def labels(interpreter):
    return [label for _, label, _ in interpreter.profile()]


def results(model, feeds):
    """Outputs here, fused and one by one, and in LiteRT; and the steps' names when fused."""
    found = []
    fused = Interpreter(model_content=model)
    single = Interpreter(model_content=model, experimental_preserve_all_tensors=True)
    lite = LiteRT(model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1)
    for interpreter in (fused, single, lite):
        interpreter.allocate_tensors()
        for details, value in zip(interpreter.get_input_details(), feeds, strict=True):
            interpreter.set_tensor(details["index"], value)
        interpreter.invoke()
        found.append([interpreter.get_tensor(details["index"]) for details in interpreter.get_output_details()])
    return found, labels(fused)


def pair(first, options, second, scale=None, second_scale=None):
    """A model of an operator on two images or on an image and weights, and an activation behind it."""
    model = new_model()
    graph = GraphBuilder(model)
    type = TensorType.FLOAT32 if scale is None else TensorType.INT8

    def image(own):
        return {} if own is None else {"quantization": QuantizationParameters(scale=[own], zero_point=[3])}

    x = graph.tensor((1, 4, 4, 3), type, **image(scale))
    graph.graph.inputs.append(x)
    if first is CONV_2D:
        w = graph.constant(np.random.default_rng(0).normal(0, 1, (5, 3, 3, 3)))
        inputs, shape = [x, w, graph.constant(np.zeros(5))], (1, 4, 4, 5)
    else:
        other = graph.tensor((1, 4, 4, 3), type, **image(scale))
        graph.graph.inputs.append(other)
        inputs, shape = [x, other], (1, 4, 4, 3)
    between = graph.tensor(shape, type, **image(scale))
    y = graph.tensor(shape, type, **image(second_scale or scale))
    graph.op(first, inputs, [between], options)
    graph.op(second, [between], [y])
    graph.finish(y)
    feeds = [np.random.default_rng(i).normal(0, 4, (1, 4, 4, 3)).astype(np.float32) for i in range(len(graph.graph.inputs))]
    if scale is not None:
        feeds = [np.clip(feed * 30, -128, 127).astype(np.int8) for feed in feeds]
    return model, graph, between, feeds


@pytest.mark.parametrize("second", [RELU, RELU6, RELU_N1_TO_1], ids=lambda spec: spec.name)
@pytest.mark.parametrize(
    ("first", "options", "scale"),
    [
        (ADD, AddOptions(), None),
        (MUL, MulOptions(), None),
        (CONV_2D, Conv2DOptions(stride_h=1, stride_w=1, dilation_h_factor=1, dilation_w_factor=1), None),
        (ADD, AddOptions(), 0.05),
        (MUL, MulOptions(), 0.05),
    ],
    ids=["ADD", "MUL", "CONV_2D", "ADD int8", "MUL int8"],
)
def test_an_activation_joins_its_producer(first, options, scale, second):
    model, _, _, feeds = pair(first, options, second, scale)
    (fused, single, lite), steps = results(content(model), feeds)
    assert steps == [f"{first.name}+{second.name}"]
    for found, alone, expected in zip(fused, single, lite):
        np.testing.assert_array_equal(found, alone)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_an_activation_stays_where_its_producer_has_one():
    model, _, _, feeds = pair(ADD, AddOptions(fused_activation_function=FUSED), RELU6)
    (fused, single, lite), steps = results(content(model), feeds)
    assert steps == ["ADD", "RELU6"]
    np.testing.assert_array_equal(fused[0], single[0])
    np.testing.assert_allclose(fused[0], lite[0], rtol=1e-6)


def test_an_activation_that_rescales_stays():
    model, _, _, feeds = pair(ADD, AddOptions(), RELU, 0.05, 0.02)
    (fused, single, lite), steps = results(content(model), feeds)
    assert steps == ["ADD", "RELU"]
    np.testing.assert_array_equal(fused[0], single[0])
    np.testing.assert_array_equal(fused[0], lite[0])


def test_what_others_read_is_not_fused():
    model, graph, between, feeds = pair(ADD, AddOptions(), RELU)
    graph.finish(*graph.graph.outputs, between)
    (fused, single, lite), steps = results(content(model), feeds)
    assert steps == ["ADD", "RELU"]
    for found, alone, expected in zip(fused, single, lite):
        np.testing.assert_array_equal(found, alone)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def padded(second, type, sides, padding=Padding.VALID, stride=1):
    """A model that pads an image of 5 · 6 pixels and convolves what it made, and an image."""
    model = new_model()
    graph = GraphBuilder(model)
    is_float = type is TensorType.FLOAT32
    rng = np.random.default_rng(1)

    def quantized(scale, zero_point=0):
        return None if is_float else QuantizationParameters(scale=[scale], zero_point=[zero_point])

    shape = (1, 5, 6, 3)
    height, width, depth = (before + size + after for size, (before, after) in zip(shape[1:], sides[1:]))
    filter_shape = (5 if second is CONV_2D else 1, 3, 3, depth)
    channels = 5 if second is CONV_2D else depth
    numbers = rng.normal(0, 1, filter_shape) if is_float else rng.integers(-127, 128, filter_shape)
    sizes = [(size - 3 + stride if padding is Padding.VALID else size + stride - 1) // stride for size in (height, width)]
    x = graph.tensor(shape, type, quantization=quantized(0.05, 9))
    graph.graph.inputs.append(x)
    between = graph.tensor((1, height, width, depth), type, quantization=quantized(0.05, 9))
    w = graph.constant(numbers, np.float32 if is_float else np.int8)
    graph.graph.tensors[w].quantization = quantized(0.02)
    b = graph.constant(np.arange(channels), np.float32 if is_float else np.int32)
    y = graph.tensor((1, *sizes, channels), type, quantization=quantized(0.5, -3))
    strides = {"padding": padding, "stride_h": stride, "stride_w": stride, "dilation_h_factor": 1, "dilation_w_factor": 1}
    options = Conv2DOptions(**strides) if second is CONV_2D else DepthwiseConv2DOptions(**strides, depth_multiplier=1)
    graph.op(PAD, [x, graph.constant(sides, np.int32)], [between])
    graph.op(second, [between, w, b], [y], options)
    graph.finish(y)
    feed = rng.normal(0, 2, shape).astype(np.float32)
    return content(model), [feed if is_float else np.clip(feed * 30, -128, 127).astype(np.int8)]


FUSIBLE = [
    ([(0, 0), (1, 1), (1, 1), (0, 0)], Padding.VALID, 1),
    ([(0, 0), (0, 1), (0, 1), (0, 0)], Padding.VALID, 2),
    ([(0, 0), (2, 0), (1, 2), (0, 0)], Padding.VALID, 1),
    ([(0, 0), (1, 0), (0, 1), (0, 0)], Padding.SAME, 1),
]


@pytest.mark.parametrize("type", [TensorType.FLOAT32, TensorType.INT8], ids=lambda kind: kind.name)
@pytest.mark.parametrize("second", [CONV_2D, DEPTHWISE_CONV_2D], ids=lambda spec: spec.name)
@pytest.mark.parametrize(("sides", "padding", "stride"), FUSIBLE)
def test_a_convolution_pads_its_image_itself(second, type, sides, padding, stride):
    model, feeds = padded(second, type, sides, padding, stride)
    (fused, single, lite), steps = results(model, feeds)
    tolerance = 1e-5 if type is TensorType.FLOAT32 else 0
    assert set(steps) == {f"PAD+{second.name}"}
    for found, alone, expected in zip(fused, single, lite):
        np.testing.assert_allclose(found, alone, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("sides", [[(0, 0), (1, 1), (1, 1), (0, 1)], [(0, 0), (3, 0), (0, 0), (0, 0)], [(0, 0), (0, 0), (0, 4), (0, 0)]])
def test_padding_that_windows_cannot_make_stays(sides):
    model, feeds = padded(CONV_2D, TensorType.FLOAT32, sides)
    (fused, single, lite), steps = results(model, feeds)
    assert {"PAD", "CONV_2D"} <= set(steps)
    for found, alone, expected in zip(fused, single, lite):
        np.testing.assert_array_equal(found, alone)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def gated(type, x_shape, factor_shape=None, activation=ActivationFunctionType.NONE):
    """A model of a factor times LOGISTIC of x: of x itself where there is no other factor."""
    model = new_model()
    graph = GraphBuilder(model)

    def tensor(shape, scale, zero_point):
        own = {"quantization": QuantizationParameters(scale=[scale], zero_point=[zero_point])}
        return graph.tensor(shape, type, **({} if type is TensorType.FLOAT32 else own))

    high = 128 if type is TensorType.UINT8 else 0
    x = tensor(x_shape, 0.06, high - 3)
    factor = x if factor_shape is None else tensor(factor_shape, 0.02, high)
    graph.graph.inputs += [x] if factor == x else [x, factor]
    between, y = tensor(x_shape, 1 / 256, high - 128), tensor(np.broadcast_shapes(x_shape, factor_shape or x_shape), 0.03, high - 100)
    graph.op(LOGISTIC, [x], [between])
    graph.op(MUL, [factor, between], [y], MulOptions(fused_activation_function=activation))
    graph.finish(y)
    rng = np.random.default_rng(0)
    if type is TensorType.FLOAT32:
        return model, [rng.normal(0, 4, shape).astype(np.float32) for shape in (x_shape, factor_shape) if shape is not None]
    dtype = np.uint8 if type is TensorType.UINT8 else np.int8
    return model, [np.resize(np.arange(256, dtype=np.uint8).view(dtype), shape) for shape in (x_shape, factor_shape) if shape is not None]


@pytest.mark.parametrize("activation", [ActivationFunctionType.NONE, ActivationFunctionType.RELU6], ids=lambda item: item.name)
@pytest.mark.parametrize("type", [TensorType.FLOAT32, TensorType.INT8, TensorType.UINT8], ids=lambda item: item.name)
def test_a_factor_joins_a_logistic(type, activation):
    model, feeds = gated(type, (1, 7, 43), activation=activation)
    (fused, single, lite), steps = results(content(model), feeds)
    assert steps == ["LOGISTIC+MUL"]
    np.testing.assert_array_equal(fused[0], single[0])
    np.testing.assert_allclose(fused[0], lite[0], rtol=3e-6 if type is TensorType.FLOAT32 else 0, atol=1e-6)


def test_another_factor_joins_a_logistic():
    model, feeds = gated(TensorType.FLOAT32, (5, 11), (5, 11))
    (fused, single, lite), steps = results(content(model), feeds)
    assert steps == ["LOGISTIC+MUL"]
    np.testing.assert_array_equal(fused[0], single[0])
    np.testing.assert_allclose(fused[0], lite[0], rtol=3e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("type", "x", "factor"),
    [(TensorType.FLOAT32, (5, 1), (5, 11)), (TensorType.FLOAT32, (5, 11), (11,)), (TensorType.INT8, (5, 11), (5, 11))],
    ids=["x repeats", "the factor repeats", "bytes"],
)
def test_other_factors_stay(type, x, factor):
    model, feeds = gated(type, x, factor)
    (fused, single, lite), steps = results(content(model), feeds)
    assert steps == ["LOGISTIC", "MUL"]
    np.testing.assert_array_equal(fused[0], single[0])
    np.testing.assert_allclose(fused[0], lite[0], rtol=3e-6 if type is TensorType.FLOAT32 else 0, atol=1e-6)
