"""CONV_3D and CONV_3D_TRANSPOSE against LiteRT's reference kernels."""

import pytest

from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.ops.conv3d import CONV_3D, CONV_3D_TRANSPOSE
from jitlite.schemas.ops.spec import Call, infer
from jitlite.schemas.tables import ActivationFunctionType, Conv3DOptions, Padding, TensorType
from tests.ops.oracle import check, constant, operand, result

T = TensorType
A = ActivationFunctionType


def options(padding=Padding.SAME, strides=(1, 1, 1), dilations=(1, 1, 1), activation=A.NONE):
    return Conv3DOptions(
        padding=padding,
        stride_d=strides[0],
        stride_h=strides[1],
        stride_w=strides[2],
        dilation_d_factor=dilations[0],
        dilation_h_factor=dilations[1],
        dilation_w_factor=dilations[2],
        fused_activation_function=activation,
    )


def floats(*shape):
    return operand(T.FLOAT32, shape, low=-2, high=2)


@pytest.mark.parametrize("padding", [Padding.SAME, Padding.VALID])
@pytest.mark.parametrize(
    ("strides", "dilations"), [((1, 1, 1), (1, 1, 1)), ((2, 1, 3), (1, 1, 1)), ((1, 1, 1), (2, 1, 2)), ((2, 2, 2), (1, 2, 1))]
)
@pytest.mark.parametrize("filter", [(1, 1, 1), (2, 3, 2), (3, 1, 2)])
def test_conv_3d(padding, strides, dilations, filter):
    x, weight = floats(2, 5, 6, 7, 3), floats(*filter, 3, 4)
    check(CONV_3D, options(padding, strides, dilations), [x, weight], [result(T.FLOAT32)], tolerance=1e-5, floor=1.0)


@pytest.mark.parametrize("activation", [A.NONE, A.RELU, A.RELU6, A.RELU_N1_TO_1])
def test_conv_3d_bias_and_activation(activation):
    inputs = [floats(1, 3, 4, 2, 2), floats(2, 2, 2, 2, 5), floats(5)]
    check(CONV_3D, options(activation=activation), inputs, [result(T.FLOAT32)], tolerance=1e-5, floor=1.0)


def test_conv_3d_wide_dilation():
    inputs = [floats(1, 3, 3, 3, 2), floats(3, 3, 3, 2, 2)]
    check(CONV_3D, options(dilations=(100, 2, 1000)), inputs, [result(T.FLOAT32)], tolerance=1e-5, floor=1.0)


@pytest.mark.parametrize("padding", [Padding.SAME, Padding.VALID])
@pytest.mark.parametrize(
    ("strides", "dilations"), [((1, 1, 1), (1, 1, 1)), ((2, 1, 3), (1, 1, 1)), ((1, 1, 1), (2, 1, 2)), ((2, 2, 2), (1, 2, 1))]
)
@pytest.mark.parametrize("filter", [(1, 1, 1), (2, 3, 2), (3, 1, 2)])
def test_conv_3d_transpose(padding, strides, dilations, filter):
    size = (5, 6, 7)
    windows = [
        -(-n // s) if padding is Padding.SAME else (n - (k - 1) * d - 1) // s + 1 for n, s, d, k in zip(size, strides, dilations, filter)
    ]
    inputs = [constant([2, *size, 4]), floats(*filter, 4, 3), floats(2, *windows, 3)]
    check(CONV_3D_TRANSPOSE, options(padding, strides, dilations), inputs, [result(T.FLOAT32)], tolerance=1e-5, floor=1.0)


def test_conv_3d_transpose_bias_and_activation():
    inputs = [constant([1, 4, 4, 4, 5]), floats(2, 2, 2, 5, 3), floats(1, 2, 2, 2, 3), floats(5)]
    check(CONV_3D_TRANSPOSE, options(strides=(2, 2, 2), activation=A.RELU), inputs, [result(T.FLOAT32)], tolerance=1e-5, floor=1.0)


X, W = floats(1, 4, 4, 4, 2), floats(2, 2, 2, 2, 3)


@pytest.mark.parametrize(
    ("spec", "options", "inputs", "message"),
    [
        (CONV_3D, options(), [floats(4, 4, 4, 2), W], "rank 5"),
        (CONV_3D, options(), [floats(1, 4, 4, 4, 3), W], "2 input channels"),
        (CONV_3D, options(), [X, W, floats(2)], "bias of 3"),
        (CONV_3D, options(strides=(0, 1, 1)), [X, W], "stride_d from 1"),
        (CONV_3D, options(dilations=(1, 1, 0)), [X, W], "dilation_w_factor from 1"),
        (CONV_3D, options(Padding.VALID), [X, floats(5, 1, 1, 2, 3)], "VALID window"),
        (CONV_3D, options(), [X, floats(0, 1, 1, 2, 3)], "at least 1"),
        (CONV_3D, options(), [operand(T.INT8, (1, 4, 4, 4, 2)), W], "FLOAT32"),
        (CONV_3D_TRANSPOSE, options(), [constant([1, 4, 4, 4, 3]), W, X], "3 input channels"),
        (CONV_3D_TRANSPOSE, options(), [constant([2, 4, 4, 4, 2]), W, floats(1, 4, 4, 4, 3)], "batch 1"),
        (CONV_3D_TRANSPOSE, options(), [constant([1, 4, 4, 5, 2]), W, floats(1, 4, 4, 4, 3)], "windows fit"),
        (CONV_3D_TRANSPOSE, options(), [constant([1, 4, -4, 4, 2]), W, floats(1, 4, 4, 4, 3)], "dimensions in"),
    ],
)
def test_illegal_calls(spec, options, inputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(Call(spec, options, tuple(item.info(index) for index, item in enumerate(inputs))))
