"""FLOAT32 activations with quantized weights of rarer kinds: UINT8 bytes taken for INT8, and transposed convolutions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitlite.schemas.ops.conv import CONV_2D, TRANSPOSE_CONV
from jitlite.schemas.ops.matmul import FULLY_CONNECTED
from jitlite.schemas.tables import ActivationFunctionType, Conv2DOptions, FullyConnectedOptions, Padding, TensorType, TransposeConvOptions
from tests.ops.oracle import check, constant, operand, result

T = TensorType
A = ActivationFunctionType
ROUNDED = {"tolerance": 1e-5, "floor": 1.0}


def real(*shape):
    return operand(T.FLOAT32, shape, low=-4, high=4)


def bias(count):
    return constant(np.random.default_rng(7).normal(size=count), T.FLOAT32)


def bytes_of(shape, zero_point):
    values = np.random.default_rng(5).integers(-127, 128, shape).astype(np.int8).view(np.uint8)
    return operand(T.UINT8, shape, 0.02, zero_point, value=values)


@pytest.mark.parametrize("zero_point", [0, 128])
@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize("has_bias", [False, True])
def test_fully_connected_of_unsigned_bytes(zero_point, asymmetric, has_bias):
    options = FullyConnectedOptions(asymmetric_quantize_inputs=asymmetric)
    inputs = [real(6, 16), bytes_of((5, 16), zero_point), bias(5) if has_bias else None]
    check(FULLY_CONNECTED, options, inputs, [result(T.FLOAT32)], **ROUNDED)


@pytest.mark.parametrize("asymmetric", [False, True])
def test_fully_connected_of_unsigned_bytes_with_several_scales(asymmetric):
    weights = bytes_of((5, 16), 0)
    several = operand(T.UINT8, (5, 16), np.linspace(0.01, 0.03, 5), value=weights.value)
    options = FullyConnectedOptions(asymmetric_quantize_inputs=asymmetric)
    check(FULLY_CONNECTED, options, [real(6, 16), several, bias(5)], [result(T.FLOAT32)], **ROUNDED)


def test_fully_connected_with_tanh():
    weights = operand(T.INT8, (5, 16), 0.02, value=np.random.default_rng(5).integers(-127, 128, (5, 16)))
    options = FullyConnectedOptions(fused_activation_function=A.TANH)
    check(FULLY_CONNECTED, options, [real(6, 16), weights, bias(5)], [result(T.FLOAT32)], **ROUNDED)


@pytest.mark.parametrize("zero_point", [0, 128])
def test_convolution_of_unsigned_bytes(zero_point):
    options = Conv2DOptions(padding=Padding.SAME, stride_h=1, stride_w=2)
    check(CONV_2D, options, [real(2, 6, 7, 4), bytes_of((6, 3, 3, 4), zero_point), bias(6)], [result(T.FLOAT32)], **ROUNDED)


def transposed(padding, strides, window, image=(2, 5, 4, 7), channels=6, activation=A.NONE, has_bias=True):
    """A hybrid TRANSPOSE_CONV whose windows just fit its output, checked."""
    sizes = [n * s if padding is Padding.SAME else (n - 1) * s + k for n, s, k in zip(image[1:3], strides, window)]
    weights = np.random.default_rng(3).integers(-127, 128, (channels, *window, image[3]))
    filter = operand(T.INT8, weights.shape, np.linspace(0.01, 0.03, channels), value=weights)
    options = TransposeConvOptions(padding=padding, stride_h=strides[0], stride_w=strides[1], fused_activation_function=activation)
    inputs = [constant([image[0], *sizes, channels]), filter, real(*image), *([bias(channels)] if has_bias else [])]
    check(TRANSPOSE_CONV, options, inputs, [result(T.FLOAT32)], **ROUNDED)


@pytest.mark.parametrize("padding", [Padding.SAME, Padding.VALID])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (3, 1)])
@pytest.mark.parametrize("window", [(3, 3), (2, 4), (1, 1)])
def test_transposed_convolution(padding, strides, window):
    transposed(padding, strides, window)


@pytest.mark.parametrize(("activation", "has_bias"), [(A.RELU, True), (A.RELU6, False), (A.RELU_N1_TO_1, True)])
def test_transposed_convolution_with_activation(activation, has_bias):
    transposed(Padding.SAME, (2, 2), (3, 3), activation=activation, has_bias=has_bias)


@settings(max_examples=25, deadline=None)
@given(
    padding=st.sampled_from([Padding.SAME, Padding.VALID]),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    window=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    image=st.tuples(st.integers(1, 2), st.integers(1, 5), st.integers(1, 5), st.integers(1, 9)),
    channels=st.integers(2, 33),
)
def test_transposed_convolution_of_any_size(padding, strides, window, image, channels):
    transposed(padding, strides, window, image, channels)
