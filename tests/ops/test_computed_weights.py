"""Quantized weights and biases that are computed, here inputs of the model: plans are made for the values they have."""

import numpy as np
import pytest

from jitlite.interpreter import Interpreter
from jitlite.schemas.ops.conv import CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV
from jitlite.schemas.ops.matmul import FULLY_CONNECTED
from jitlite.schemas.tables import (
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    Padding,
    TensorType,
    TransposeConvOptions,
)
from jitlite.schemas.write import write_model
from tests.ops.execution import assert_close
from tests.ops.oracle import build, constant, operand, random_values, reference, result

T = TensorType
X = {T.INT8: (0.05, -3), T.UINT8: (0.05, 120), T.INT16: (0.002, 0), T.FLOAT32: (None, 0)}
W = {T.INT8: (0.02, 0), T.UINT8: (0.02, 10), T.FLOAT32: (None, 0)}
BIAS = {T.INT8: T.INT32, T.UINT8: T.INT32, T.INT16: T.INT64, T.FLOAT32: T.FLOAT32}
PAIRS = [(T.INT8, T.INT8), (T.UINT8, T.UINT8), (T.INT16, T.INT8), (T.FLOAT32, T.INT8)]

SIZES = {"stride_h": 1, "stride_w": 1}
OPERATORS = [
    (CONV_2D, Conv2DOptions(padding=Padding.SAME, **SIZES), (6, 3, 3, 4), 6),
    (DEPTHWISE_CONV_2D, DepthwiseConv2DOptions(padding=Padding.SAME, depth_multiplier=1, **SIZES), (1, 3, 3, 4), 4),
    (TRANSPOSE_CONV, TransposeConvOptions(padding=Padding.SAME, **SIZES), (6, 3, 3, 4), 6),
    (FULLY_CONNECTED, FullyConnectedOptions(keep_num_dims=True), (5, 4), 5),
]


@pytest.mark.parametrize(("x_type", "w_type"), PAIRS, ids=lambda item: item.name)
@pytest.mark.parametrize(("spec", "options", "shape", "channels"), OPERATORS, ids=lambda item: getattr(item, "name", None))
def test_run_after_run(spec, options, shape, channels, x_type, w_type):
    if spec in (TRANSPOSE_CONV, DEPTHWISE_CONV_2D) and x_type is T.FLOAT32:
        pytest.skip("the reference reads a scale for each channel though there is but one")
    (x_scale, x_zero), (w_scale, w_zero) = X[x_type], W[w_type]
    image = operand(x_type, (1, 5, 6, 4), x_scale, x_zero, low=-2 if x_type is T.FLOAT32 else None, high=2 if x_type is T.FLOAT32 else None)
    filter = operand(w_type, shape, w_scale, w_zero, low=-127 if w_type is T.INT8 else None)
    bias = operand(BIAS[x_type], (channels,), None if x_scale is None else x_scale * w_scale, low=-9, high=9)
    inputs = [image, filter, bias]
    if spec is TRANSPOSE_CONV:
        inputs = [constant([1, 5, 6, channels]), filter, image, bias]
    content = write_model(build(spec, options, inputs, [result(x_type, None if x_scale is None else x_scale * 5, x_zero)]))
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    given = [item for item in inputs if item.value is None]
    feeds = [random_values(item, np.random.default_rng(0)) for item in given]
    for seed in range(4):
        feeds = [random_values(item, np.random.default_rng(seed + 1)) for item in given] if seed % 2 else feeds
        for detail, value in zip(interpreter.get_input_details(), feeds, strict=True):
            interpreter.set_tensor(detail["index"], value)
        interpreter.invoke()
        (found,) = (interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details())
        assert_close(found, reference(content, feeds)[0], 1e-5, 1.0)
