"""Convolutions and matrix products of INT16 activations."""

import numpy as np
import pytest

from jitlite.schemas.ops.conv import CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV
from jitlite.schemas.ops.matmul import BATCH_MATMUL, FULLY_CONNECTED
from jitlite.schemas.tables import (
    ActivationFunctionType,
    BatchMatMulOptions,
    FullyConnectedOptions,
    TensorType,
    TransposeConvOptions,
)
from tests.ops.oracle import check, constant, operand, result
from tests.ops.test_conv import RELU6, SAME, VALID, conv_options, depthwise_options, weights

T = TensorType
RELU = ActivationFunctionType.RELU
Y = [result(T.INT16, 0.002)]


def image(*shape, scale=0.0005):
    return operand(T.INT16, shape, scale, low=-32768, high=32767)


def wide_biases(count, type=T.INT64, most=2**20):
    return operand(type, (count,), value=np.random.default_rng(3).integers(-most, most, count))


def with_bias_type(options, type):
    options.quantized_bias_type = type
    return options


CONVOLUTIONS = [
    pytest.param((1, 1, 1, 3), (5, 1, 1, 3), conv_options(), id="one pixel"),
    pytest.param((2, 6, 7, 4), (6, 3, 3, 4), conv_options(), id="same"),
    pytest.param((1, 7, 8, 3), (4, 3, 2, 3), conv_options(VALID, (2, 3), activation=RELU), id="valid, strides"),
    pytest.param((1, 9, 9, 2), (3, 3, 3, 2), conv_options(SAME, dilation=(2, 3), activation=RELU6), id="dilated"),
    pytest.param((1, 5, 5, 6), (4, 3, 3, 3), conv_options(), id="two groups"),
    pytest.param((1, 2, 2, 300), (3, 2, 2, 300), conv_options(), id="deep"),
]


@pytest.mark.parametrize(("x", "w", "options"), CONVOLUTIONS)
@pytest.mark.parametrize("per_channel", [True, False])
def test_conv_2d(x, w, options, per_channel):
    check(CONV_2D, options, [image(*x), weights(*w, per_channel=per_channel), wide_biases(w[0])], Y)


def test_sums_that_wrap_in_32_bits():
    options = with_bias_type(conv_options(), T.INT32)
    check(CONV_2D, options, [image(1, 5, 5, 40), weights(7, 3, 3, 40), wide_biases(7, T.INT32)], [result(T.INT16, 0.02)])


def test_sums_longer_than_32_bits():
    x, w = image(1, 3, 3, 600, scale=1.0), weights(7, 3, 3, 600)
    check(CONV_2D, conv_options(), [x, w, wide_biases(7, most=2**40)], [result(T.INT16, 20.0)])


def test_int4_weights():
    w = operand(T.INT4, (3, 3, 3, 4), 0.1, value=np.random.default_rng(0).integers(0, 256, 3 * 3 * 3 * 4 // 2))
    check(CONV_2D, conv_options(), [image(1, 4, 4, 4), w, wide_biases(3)], Y)


DEPTHWISE = [
    pytest.param((2, 6, 7, 4), (1, 3, 3, 4), depthwise_options(), id="same"),
    pytest.param((1, 7, 8, 3), (1, 3, 2, 6), depthwise_options(2, VALID, (2, 2), activation=RELU), id="multiplier 2"),
    pytest.param((1, 9, 9, 1), (1, 3, 3, 5), depthwise_options(5, SAME, dilation=(2, 2)), id="one channel"),
]


@pytest.mark.parametrize(("x", "w", "options"), DEPTHWISE)
def test_depthwise_conv_2d(x, w, options):
    check(DEPTHWISE_CONV_2D, options, [image(*x), weights(*w, axis=3), wide_biases(w[3])], Y)
    check(DEPTHWISE_CONV_2D, options, [image(*x), weights(*w, axis=3)], Y)


@pytest.mark.parametrize("bias", [None, T.INT64, T.INT32])
@pytest.mark.parametrize(
    ("x", "w", "y", "padding", "stride"),
    [
        ((1, 4, 5, 3), (6, 3, 3, 3), (1, 8, 10, 6), SAME, (2, 2)),
        ((2, 3, 3, 4), (2, 2, 3, 4), (2, 6, 9, 2), VALID, (2, 3)),
        ((1, 3, 3, 2), (2, 1, 1, 2), (1, 6, 6, 2), SAME, (2, 2)),
    ],
)
def test_transpose_conv(bias, x, w, y, padding, stride):
    options = TransposeConvOptions(padding=padding, stride_h=stride[0], stride_w=stride[1])
    inputs = [constant(y), weights(*w), image(*x)]
    if bias is not None:
        options = with_bias_type(options, bias)
        inputs.append(wide_biases(w[0], bias))
    check(TRANSPOSE_CONV, options, inputs, Y)


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("bias", [None, T.INT64, T.INT32])
@pytest.mark.parametrize("shape", [(1, 9), (4, 300), (2, 3, 16)])
def test_fully_connected(shape, bias, per_channel):
    options = FullyConnectedOptions(keep_num_dims=len(shape) > 2, fused_activation_function=RELU)
    inputs = [image(*shape), weights(7, shape[-1], per_channel=per_channel)]
    if bias is not None:
        options = with_bias_type(options, bias)
        inputs.append(wide_biases(7, bias))
    check(FULLY_CONNECTED, options, inputs, Y)


def test_fully_connected_zero_point():
    w = operand(T.INT8, (5, 200), 0.01, 7, value=np.random.default_rng(0).integers(-128, 128, (5, 200)))
    check(FULLY_CONNECTED, FullyConnectedOptions(), [image(3, 200), w, wide_biases(5)], Y)


@pytest.mark.parametrize("type", [T.INT16, T.INT8])
@pytest.mark.parametrize(("adj_x", "adj_y"), [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize(("x_batch", "y_batch"), [((), ()), ((2,), (2,)), ((3, 1), (2,))])
def test_batch_matmul(type, adj_x, adj_y, x_batch, y_batch):
    x = image(*x_batch, *((6, 5) if adj_x else (5, 6)))
    low, high = (-32768, 32767) if type is T.INT16 else (-128, 127)
    w = operand(type, (*y_batch, *((4, 6) if adj_y else (6, 4))), 0.001 if type is T.INT16 else 0.01, low=low, high=high)
    check(BATCH_MATMUL, BatchMatMulOptions(adj_x=adj_x, adj_y=adj_y), [x, w], [result(T.INT16, 0.02)])


@pytest.mark.parametrize("bias", [None, T.INT64])
def test_fully_connected_with_int16_weights(bias):
    w = operand(T.INT16, (7, 40), 0.001, value=np.random.default_rng(1).integers(-32768, 32768, (7, 40)))
    inputs = [image(3, 40), w]
    if bias is not None:
        inputs.append(wide_biases(7, bias))
    check(FULLY_CONNECTED, with_bias_type(FullyConnectedOptions(), T.INT64), inputs, [result(T.INT16, 0.02)])


def test_fully_connected_with_int4_weights():
    w = operand(T.INT4, (5, 8), 0.01, value=np.random.default_rng(0).integers(0, 256, 20))
    check(FULLY_CONNECTED, FullyConnectedOptions(), [image(3, 8), w, wide_biases(5)], Y)
