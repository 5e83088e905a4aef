"""Channels of zeros: the converter gives their weights a scale of 0."""

import numpy as np
import pytest

import jitlite.interpreter.binding.conv
import jitlite.interpreter.binding.depthwise_conv
import jitlite.interpreter.binding.matmul  # noqa: F401 - fills the registry
from jitlite.schemas.ops.conv import CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV
from jitlite.schemas.ops.matmul import FULLY_CONNECTED
from jitlite.schemas.tables import Conv2DOptions, DepthwiseConv2DOptions, FullyConnectedOptions, Padding, TensorType, TransposeConvOptions
from tests.ops.oracle import check, constant, operand, result

T = TensorType
CHANNELS = 20
LAYERS = {
    "FULLY_CONNECTED": (FULLY_CONNECTED, FullyConnectedOptions(), (4, 33), (CHANNELS, 33), 0),
    "CONV_2D": (CONV_2D, Conv2DOptions(padding=Padding.SAME, stride_h=1, stride_w=1), (2, 5, 6, 3), (CHANNELS, 3, 3, 3), 0),
    "DEPTHWISE_CONV_2D": (
        DEPTHWISE_CONV_2D,
        DepthwiseConv2DOptions(padding=Padding.SAME, stride_h=1, stride_w=1, depth_multiplier=1),
        (2, 5, 6, CHANNELS),
        (1, 3, 3, CHANNELS),
        3,
    ),
    "TRANSPOSE_CONV": (
        TRANSPOSE_CONV,
        TransposeConvOptions(padding=Padding.SAME, stride_h=2, stride_w=2),
        (2, 4, 5, 3),
        (CHANNELS, 3, 3, 3),
        0,
    ),
}


@pytest.mark.parametrize("type", [T.INT8, T.INT16, T.FLOAT32])
@pytest.mark.parametrize("name", LAYERS)
def test_channels_of_zeros_have_a_scale_of_zero(name, type):
    spec, options, x, w, axis = LAYERS[name]
    rng = np.random.default_rng(0)
    scales = np.where(np.arange(CHANNELS) % 3 == 1, 0, rng.uniform(0.004, 0.02, CHANNELS))
    shape = [1] * len(w)
    shape[axis] = CHANNELS
    values = rng.integers(-127, 127, w) * (scales != 0).reshape(shape)
    weights = operand(T.INT8, w, scales, axis=axis, value=values)
    bias_type = {T.INT8: T.INT32, T.INT16: T.INT64, T.FLOAT32: T.FLOAT32}[type]
    bias = operand(bias_type, (CHANNELS,), value=rng.integers(-300, 300, CHANNELS))
    image = {T.INT8: operand(type, x, 0.03, 5), T.INT16: operand(type, x, 0.001), T.FLOAT32: operand(type, x, low=-2, high=2)}[type]
    y = {T.INT8: result(type, 0.06, -3), T.INT16: result(type, 0.002), T.FLOAT32: result(type)}[type]
    before = [constant([x[0], 2 * x[1], 2 * x[2], CHANNELS])] if spec is TRANSPOSE_CONV else []
    inputs = [*before, weights, image, bias] if before else [image, weights, bias]
    check(spec, options, inputs, [y], tolerance=1e-5, floor=2.0, threads=(1, 3))
