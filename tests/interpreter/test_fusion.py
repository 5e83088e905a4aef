"""Operators that run as one step: the same results as one by one, and only where nobody else looks at what is between them."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter as LiteRT
from ai_edge_litert.interpreter import OpResolverType

from jitlite.interpreter import Interpreter
from jitlite.schemas.ops.activation import RELU, RELU6, RELU_N1_TO_1
from jitlite.schemas.ops.conv import CONV_2D
from jitlite.schemas.ops.elementwise import ADD, MUL
from jitlite.schemas.tables import (
    ActivationFunctionType,
    AddOptions,
    Conv2DOptions,
    MulOptions,
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
