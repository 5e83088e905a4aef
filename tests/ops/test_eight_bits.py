"""Products of bytes whose outputs spread over the whole range, so that every rounding shows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.conv
import jitlite.interpreter.binding.depthwise_conv
import jitlite.interpreter.binding.matmul  # noqa: F401 - these fill the registry
from jitlite.schemas.dtypes import INTEGER_RANGE
from jitlite.schemas.ops.conv import CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV
from jitlite.schemas.ops.matmul import FULLY_CONNECTED
from jitlite.schemas.tables import Conv2DOptions, DepthwiseConv2DOptions, FullyConnectedOptions, Padding, TensorType, TransposeConvOptions
from tests.ops.oracle import check, constant, operand, result

T = TensorType
SAME = Padding.SAME
SPREAD = 45.0
"""Wanted deviation of the outputs."""


def bytes_of(type, shape, axis, rng, zero_point):
    """Weights with every value of the type and, in INT8, a scale a channel."""
    low, high = INTEGER_RANGE[type]
    value = np.clip(np.rint(rng.normal(zero_point, rng.uniform(10, 60), shape)), max(low, -127), high)
    scale = 0.01 if type is T.UINT8 else rng.uniform(0.006, 0.012, shape[axis])
    return operand(type, shape, scale, zero_point, axis=axis, value=value)


def outputs_of(type, image, weights, depth, zero_point):
    """An output operand in which sums of `depth` products deviate by SPREAD steps."""
    low, high = INTEGER_RANGE[type]
    noise = np.std(np.arange(low, high + 1) - image.quantization.zero_point[0]) + abs((low + high) / 2 - image.quantization.zero_point[0])
    real = weights.value.astype(np.float64) - weights.quantization.zero_point[0]
    deviation = noise * np.sqrt(np.mean(real**2)) * np.sqrt(depth) * image.quantization.scale[0] * 0.01
    return result(type, deviation / SPREAD, zero_point)


def products(name, type, seed, zero_points):
    """An operator, its options, operands and output."""
    rng = np.random.default_rng(seed)
    image_point, weight_point, output_point = zero_points
    if type is T.INT8:
        image_point, weight_point, output_point = image_point - 128, 0, output_point - 128
    channels = 24

    def image(*shape):
        return operand(type, shape, 0.0231, image_point)

    def biases(count):
        return operand(T.INT32, (count,), value=rng.integers(-2000, 2000, count))

    if name == "conv":
        x, w = image(1, 20, 21, 9), bytes_of(type, (channels, 3, 3, 9), 0, rng, weight_point)
        return CONV_2D, Conv2DOptions(stride_h=1, stride_w=1), [x, w, biases(channels)], outputs_of(type, x, w, 81, output_point)
    if name == "pointwise":
        x, w = image(1, 20, 21, 40), bytes_of(type, (channels, 1, 1, 40), 0, rng, weight_point)
        return CONV_2D, Conv2DOptions(stride_h=1, stride_w=1), [x, w, biases(channels)], outputs_of(type, x, w, 40, output_point)
    if name == "depthwise":
        x, w = image(1, 30, 31, channels), bytes_of(type, (1, 3, 3, channels), 3, rng, weight_point)
        options = DepthwiseConv2DOptions(stride_h=1, stride_w=1, depth_multiplier=1)
        return DEPTHWISE_CONV_2D, options, [x, w, biases(channels)], outputs_of(type, x, w, 9, output_point)
    if name == "transpose":
        x, w = image(1, 10, 11, 9), bytes_of(type, (channels, 3, 3, 9), 0, rng, weight_point)
        operands = [constant([1, 20, 22, channels]), w, x, biases(channels)]
        return (
            TRANSPOSE_CONV,
            TransposeConvOptions(padding=SAME, stride_h=2, stride_w=2),
            operands,
            outputs_of(type, x, w, 20, output_point),
        )
    x, w = image(60, 70), bytes_of(type, (90, 70), 0, rng, weight_point)
    return FULLY_CONNECTED, FullyConnectedOptions(), [x, w, biases(90)], outputs_of(type, x, w, 70, output_point)


NAMES = ["conv", "pointwise", "depthwise", "transpose", "fully connected"]


def check_products(name, type, seed, zero_points):
    spec, options, operands, output = products(name, type, seed, zero_points)
    (found,) = check(spec, options, operands, [output], seed=seed, threads=(1, 2))
    return found


@pytest.mark.parametrize("zero_points", [(128, 128, 128), (0, 204, 0), (131, 87, 97), (255, 255, 0), (7, 0, 255)])
@pytest.mark.parametrize("type", [T.INT8, T.UINT8])
@pytest.mark.parametrize("name", NAMES)
def test_outputs_that_use_the_range(name, type, zero_points):
    found = check_products(name, type, 0, zero_points)
    if zero_points == (128, 128, 128):
        assert np.ptp(found.astype(np.int64)) > 160


byte = st.integers(0, 255)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(NAMES), st.sampled_from([T.INT8, T.UINT8]), st.integers(0, 10**6), st.tuples(byte, byte, byte))
def test_any_zero_points(name, type, seed, zero_points):
    check_products(name, type, seed, zero_points)
