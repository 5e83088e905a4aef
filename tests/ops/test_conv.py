import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.conv
import jitlite.interpreter.binding.depthwise_conv  # noqa: F401 - these fill the registry
from jitlite.schemas.errors import InvalidModelError, UnsupportedError
from jitlite.schemas.ops.conv import CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV
from jitlite.schemas.ops.spec import NeedsValue, infer
from jitlite.schemas.tables import (
    ActivationFunctionType,
    BlockwiseQuantization,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    Padding,
    QuantizationParameters,
    TensorType,
    TransposeConvOptions,
)
from jitlite.schemas.write import write_model
from tests.ops.oracle import Operand, build, call, check, constant, operand, reference, result, run

T = TensorType
SAME, VALID = Padding.SAME, Padding.VALID
NONE, RELU, RELU6, RELU_N1_TO_1 = (ActivationFunctionType[name] for name in ("NONE", "RELU", "RELU6", "RELU_N1_TO_1"))
FLOAT = {"tolerance": 1e-5, "floor": 2.0}
Y = [result(T.FLOAT32)]


def activations(*shape):
    return operand(T.FLOAT32, shape, low=-2, high=2)


def floats(*shape, seed=1):
    return operand(T.FLOAT32, shape, value=np.random.default_rng(seed).normal(0, 0.5, shape))


def weights(*shape, axis=0, per_channel=True, seed=2):
    """INT8 weights with a scale a channel, extreme values among them."""
    rng = np.random.default_rng(seed)
    scale = rng.uniform(0.004, 0.02, shape[axis]) if per_channel else 0.01
    value = rng.choice([-127, 127, 0, 1, -1, -50, 77, 3], shape)
    return operand(T.INT8, shape, scale, axis=axis, value=value)


def biases(count, seed=3):
    return operand(T.INT32, (count,), value=np.random.default_rng(seed).integers(-3000, 3000, count))


def image(*shape, zero_point=5):
    return operand(T.INT8, shape, 0.03, zero_point)


def conv_options(padding=SAME, stride=(1, 1), dilation=(1, 1), activation=NONE):
    return Conv2DOptions(
        padding=padding,
        stride_h=stride[0],
        stride_w=stride[1],
        dilation_h_factor=dilation[0],
        dilation_w_factor=dilation[1],
        fused_activation_function=activation,
    )


def depthwise_options(multiplier=1, padding=SAME, stride=(1, 1), dilation=(1, 1), activation=NONE):
    return DepthwiseConv2DOptions(
        padding=padding,
        stride_h=stride[0],
        stride_w=stride[1],
        dilation_h_factor=dilation[0],
        dilation_w_factor=dilation[1],
        depth_multiplier=multiplier,
        fused_activation_function=activation,
    )


CONVOLUTIONS = [
    pytest.param((1, 1, 1, 1), (1, 1, 1, 1), conv_options(), id="1x1x1"),
    pytest.param((1, 1, 1, 3), (17, 1, 1, 3), conv_options(), id="pointwise on one pixel"),
    pytest.param((2, 5, 6, 8), (16, 1, 1, 8), conv_options(), id="pointwise"),
    pytest.param((1, 5, 7, 8), (16, 1, 1, 8), conv_options(stride=(2, 2)), id="pointwise, strides"),
    pytest.param((2, 9, 14, 5), (19, 3, 3, 5), conv_options(), id="same"),
    pytest.param((2, 9, 14, 5), (19, 3, 3, 5), conv_options(VALID), id="valid"),
    pytest.param((1, 10, 9, 4), (6, 3, 3, 4), conv_options(stride=(2, 2)), id="strides"),
    pytest.param((1, 10, 9, 4), (6, 3, 2, 4), conv_options(VALID, (3, 1)), id="unequal window and strides"),
    pytest.param((1, 12, 13, 3), (4, 3, 3, 3), conv_options(dilation=(2, 3)), id="dilations"),
    pytest.param((1, 12, 20, 3), (4, 3, 3, 3), conv_options(dilation=(3, 1), stride=(1, 2)), id="dilation and strides"),
    pytest.param((1, 3, 3, 2), (3, 7, 7, 2), conv_options(), id="window larger than the image"),
    pytest.param((1, 28, 28, 1), (32, 3, 3, 1), conv_options(activation=RELU), id="one input channel"),
    pytest.param((1, 7, 16, 12), (8, 3, 3, 3), conv_options(), id="groups"),
    pytest.param((2, 7, 16, 6), (36, 1, 1, 3), conv_options(VALID, (1, 2)), id="groups of several panels"),
    pytest.param((1, 1, 40, 3), (5, 1, 9, 3), conv_options(stride=(1, 4)), id="one row"),
    pytest.param((1, 6, 8, 16), (32, 3, 3, 16), conv_options(activation=RELU6), id="relu6"),
    pytest.param((1, 6, 8, 16), (32, 3, 3, 16), conv_options(activation=RELU_N1_TO_1), id="relu_n1_to_1"),
]


@pytest.mark.parametrize(("x", "w", "options"), CONVOLUTIONS)
def test_conv_2d(x, w, options):
    check(CONV_2D, options, [activations(*x), floats(*w), floats(w[0], seed=3)], Y, **FLOAT, threads=(1, 2, 7))


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize(("x", "w", "options"), CONVOLUTIONS)
def test_conv_2d_int8(x, w, options, per_channel):
    operands = [image(*x), weights(*w, per_channel=per_channel), biases(w[0])]
    check(CONV_2D, options, operands, [result(T.INT8, 0.07, -9)], threads=(1, 2, 7))


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize(("x", "w", "options"), CONVOLUTIONS)
def test_conv_2d_of_floats_with_int8_weights(x, w, options, per_channel):
    if not per_channel and x[3] != w[3]:
        pytest.skip("the reference reads past the end of a single scale here")
    check(CONV_2D, options, [activations(*x), weights(*w, per_channel=per_channel), floats(w[0], seed=3)], Y, **FLOAT)


@pytest.mark.parametrize(("x", "w", "options"), CONVOLUTIONS[:4])
def test_conv_2d_with_weights_of_4_bits(x, w, options):
    packed = np.random.default_rng(4).integers(0, 256, -(-int(np.prod(w)) // 2), np.uint8)
    weight = operand(T.INT4, w, np.linspace(0.01, 0.03, w[0]), value=packed)
    check(CONV_2D, options, [image(*x), weight, biases(w[0])], [result(T.INT8, 0.2, -4)])
    check(CONV_2D, options, [activations(*x), weight, floats(w[0])], Y, tolerance=1e-5)


@pytest.mark.parametrize("constants", [(), (1,), (2,)])
def test_conv_2d_with_weights_computed_at_run_time(constants):
    shapes = [(1, 6, 9, 4), (22, 3, 3, 2), (22,)]
    operands = [floats(*shape) if index in constants else activations(*shape) for index, shape in enumerate(shapes)]
    check(CONV_2D, conv_options(), operands, Y, **FLOAT, threads=(1, 3))


@pytest.mark.parametrize("zero_point", [-128, 0, 127])
@pytest.mark.parametrize("value", [-128, 127])
def test_conv_2d_int8_of_extremes(zero_point, value):
    x = image(1, 5, 8, 6, zero_point=zero_point)
    feeds = [np.full(x.shape, value, np.int8)]
    check(CONV_2D, conv_options(), [x, weights(17, 3, 3, 6), biases(17)], [result(T.INT8, 0.5, 3)], feeds=feeds)


@pytest.mark.parametrize("scale", [1e-6, 1e-4, 3e-3, 0.9, 900.0])
def test_conv_2d_int8_multipliers(scale):
    """From multipliers far above 1, which saturate, to those that leave one value."""
    check(CONV_2D, conv_options(), [image(1, 4, 9, 3), weights(20, 2, 2, 3), biases(20)], [result(T.INT8, scale, 1)])


@st.composite
def convolution(draw):
    groups = draw(st.integers(1, 3))
    depth, filters = draw(st.integers(1, 5)), draw(st.integers(1, 9)) * draw(st.integers(1, 3))
    size = draw(st.tuples(st.integers(1, 9), st.integers(1, 15)))
    window = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    fits = all((k - 1) * d < s for k, d, s in zip(window, dilation, size))
    padding = draw(st.sampled_from([SAME, VALID])) if fits else SAME
    options = conv_options(padding, stride, dilation, draw(st.sampled_from([NONE, RELU, RELU6, RELU_N1_TO_1])))
    return (draw(st.integers(1, 2)), *size, depth * groups), (filters * groups, *window, depth), options


@settings(max_examples=25, deadline=None)
@given(convolution(), st.integers(1, 9), st.integers(-128, 127))
def test_any_conv_2d(case, threads, zero_point):
    x, w, options = case
    check(CONV_2D, options, [activations(*x), floats(*w), floats(w[0], seed=3)], Y, **FLOAT, threads=(1, threads))
    operands = [image(*x, zero_point=zero_point), weights(*w), biases(w[0])]
    check(CONV_2D, options, operands, [result(T.INT8, 0.06, 2)], threads=(1, threads))


def transposed(stride=(2, 2), padding=SAME, activation=NONE):
    return TransposeConvOptions(padding=padding, stride_h=stride[0], stride_w=stride[1], fused_activation_function=activation)


TRANSPOSED = [
    pytest.param((1, 1, 1, 1), (1, 1, 1, 1), (1, 1), transposed((1, 1)), id="1x1x1"),
    pytest.param((2, 5, 6, 3), (7, 3, 3, 3), (10, 12), transposed(), id="same"),
    pytest.param((1, 5, 6, 3), (20, 3, 3, 3), (9, 11), transposed(), id="odd size"),
    pytest.param((1, 5, 6, 3), (4, 3, 3, 3), (11, 13), transposed(padding=VALID), id="valid"),
    pytest.param((1, 4, 17, 5), (16, 4, 4, 5), (4, 17), transposed((1, 1)), id="no stride"),
    pytest.param((1, 4, 5, 5), (17, 2, 2, 5), (8, 10), transposed(padding=VALID), id="window as large as the stride"),
    pytest.param((1, 4, 5, 5), (3, 1, 1, 5), (12, 15), transposed((3, 3)), id="window smaller than the stride"),
    pytest.param((1, 4, 5, 5), (3, 5, 2, 5), (4, 15), transposed((1, 3)), id="unequal window and strides"),
    pytest.param((1, 3, 3, 2), (3, 3, 3, 2), (8, 7), transposed(padding=VALID), id="output beyond the last window"),
]


@pytest.mark.parametrize(("x", "w", "size", "options"), TRANSPOSED)
def test_transpose_conv(x, w, size, options):
    shape = constant([x[0], *size, w[0]])
    check(TRANSPOSE_CONV, options, [shape, floats(*w), activations(*x), floats(w[0], seed=3)], Y, **FLOAT, threads=(1, 2, 5))
    check(TRANSPOSE_CONV, options, [shape, floats(*w), activations(*x)], Y, **FLOAT)


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize(("x", "w", "size", "options"), TRANSPOSED)
def test_transpose_conv_int8(x, w, size, options, per_channel):
    shape = constant([x[0], *size, w[0]])
    operands = [shape, weights(*w, per_channel=per_channel), image(*x), biases(w[0])]
    check(TRANSPOSE_CONV, options, operands, [result(T.INT8, 0.03, -9)], threads=(1, 2, 5))


@pytest.mark.parametrize("activation", [RELU, RELU6, RELU_N1_TO_1])
def test_transpose_conv_with_an_activation(activation):
    options = transposed(activation=activation)
    operands = [constant([1, 8, 8, 5]), floats(5, 3, 3, 4), activations(1, 4, 4, 4), floats(5, seed=3)]
    check(TRANSPOSE_CONV, options, operands, Y, **FLOAT)


def test_transpose_conv_with_weights_and_a_size_known_at_run_time():
    operands = [operand(T.INT32, (4,)), activations(5, 3, 3, 4), activations(1, 4, 4, 4)]
    rng = np.random.default_rng(0)
    feeds = [
        np.array([1, 8, 7, 5], np.int32),
        rng.normal(size=(5, 3, 3, 4)).astype(np.float32),
        rng.normal(size=(1, 4, 4, 4)).astype(np.float32),
    ]
    content = write_model(build(TRANSPOSE_CONV, transposed(), operands, [operand(T.FLOAT32, (1, 8, 7, 5))]))
    np.testing.assert_allclose(run(content, feeds)[0], reference(content, feeds)[0], rtol=1e-5, atol=1e-5)


X, W, B = activations(1, 8, 8, 4), floats(6, 3, 3, 4), floats(6)
DW = weights(1, 3, 3, 4, axis=3)
QX, QW, QB = image(1, 8, 8, 4), weights(6, 3, 3, 4), biases(6)
QY = result(T.INT8, 0.1, 0, shape=(1, 8, 8, 6))


def requantized(item, **changes):
    q = item.quantization
    fields = {"scale": q.scale, "zero_point": q.zero_point, "quantized_dimension": q.quantized_dimension} | changes
    return Operand(item.type, item.shape, QuantizationParameters(**fields), item.value)


@pytest.mark.parametrize(
    ("options", "inputs", "message"),
    [
        (conv_options(), [activations(8, 8, 4), W, B], "'input': rank 4 is required, found shape"),
        (conv_options(), [X, floats(6, 3, 4), B], "'weights': rank 4"),
        (conv_options(), [activations(1, 0, 8, 4), W, B], "'input': dimensions of at least 1"),
        (conv_options(), [X, floats(6, 0, 3, 4), B], "'weights': dimensions of at least 1"),
        (conv_options(), [X, floats(6, 3, 3, 0), B], "'weights': dimensions of at least 1"),
        (conv_options(stride=(0, 1)), [X, W, B], "stride_h from 1 to 16777216 is required, found 0"),
        (conv_options(stride=(1, -1)), [X, W, B], "stride_w from 1"),
        (conv_options(dilation=(0, 1)), [X, W, B], "dilation_h_factor from 1"),
        (conv_options(dilation=(1, 2**31 - 1)), [X, W, B], "dilation_w_factor from 1"),
        (conv_options(VALID), [activations(1, 2, 8, 4), W, B], "a VALID window of at most 2 elements is required, found 3"),
        (conv_options(), [X, floats(6, 3, 3, 3), B], "input channels divisible by the filter's 3 are required, found 4"),
        (conv_options(), [X, floats(5, 3, 3, 2), floats(5)], "output channels divisible by 2 groups are required, found 5"),
        (conv_options(), [X, W, floats(5)], "a bias of 6 elements is required, found shape"),
        (conv_options(), [X, W, QB], "a bias of type FLOAT32 is required, found INT32"),
        (conv_options(), [QX, QW, B], "a bias of type INT32 is required, found FLOAT32"),
        (conv_options(), [X, W, None], "operand 'bias' is required"),
        (conv_options(), [X, W], "3 to 3 operands are required, found 2"),
        (conv_options(), [QX, W, B], "found INT8 with FLOAT32"),
        (conv_options(), [operand(T.INT8, (1, 8, 8, 4)), QW, QB], "'input': 1 quantization scale"),
        (conv_options(), [requantized(QX, scale=[0.0]), QW, QB], "'input': positive finite scales are required, found 0.0"),
        (conv_options(), [requantized(QX, scale=[float("nan")]), QW, QB], "positive finite scales are required, found nan"),
        (conv_options(), [requantized(QX, zero_point=[2**40]), QW, QB], "zero points from -128 to 127 are required, found 1099511627776"),
        (conv_options(), [requantized(QX, scale=[0.1, 0.2], zero_point=[]), QW, QB], r"1 quantization scale\(s\) are required, found 2"),
        (
            conv_options(),
            [QX, requantized(QW, scale=[0.1] * 5, zero_point=[]), QB],
            r"1 or 6 quantization scale\(s\) are required, found 5",
        ),
        (conv_options(), [QX, requantized(QW, quantized_dimension=3), QB], "scales along dimension 0 are required, found 3"),
        (conv_options(), [QX, requantized(QW, zero_point=[0, 0, 1, 0, 0, 0]), QB], "zero points of 0 are required"),
        (conv_options(), [QX, requantized(QW, scale=[0.1], zero_point=[1]), QB], "a zero point of 0 is required, found 1"),
        (
            conv_options(),
            [QX, QW, requantized(operand(T.INT32, (6,), 0.1, 4), zero_point=[4])],
            "a bias zero point of 0 is required, found 4",
        ),
    ],
)
def test_conv_2d_refuses(options, inputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(call(CONV_2D, options, inputs))


def test_conv_2d_refuses_outputs_without_a_scale():
    with pytest.raises(InvalidModelError, match=r"'output': 1 quantization scale"):
        infer(call(CONV_2D, conv_options(), [QX, QW, QB], [operand(T.INT8, (1, 8, 8, 6))]))


@pytest.mark.parametrize(
    ("options", "inputs", "message"),
    [
        (conv_options(), [QX, requantized(QW, details=BlockwiseQuantization()), QB], "found BlockwiseQuantization"),
    ],
)
def test_conv_2d_does_not_support(options, inputs, message):
    with pytest.raises(UnsupportedError, match=message):
        infer(call(CONV_2D, options, inputs))


@pytest.mark.parametrize(
    ("options", "inputs", "message"),
    [
        (depthwise_options(), [X, floats(2, 3, 3, 4)], r"weights of shape \[1, h, w, channels\] are required, found \[2, 3, 3, 4\]"),
        (depthwise_options(), [X, floats(1, 3, 3, 6)], "output channels divisible by 4 input channels are required, found 6"),
        (depthwise_options(stride=(1, 2**15)), [X, floats(1, 3, 3, 4)], "stride_w from 1 to 32767"),
        (depthwise_options(), [X, floats(1, 3, 3, 4), floats(3)], "a bias of 4 elements"),
        (depthwise_options(), [QX, requantized(DW, scale=[0.1] * 3, zero_point=[])], r"1 or 4 quantization scale"),
        (depthwise_options(), [QX, requantized(DW, quantized_dimension=0)], "scales along dimension 3"),
    ],
)
def test_depthwise_conv_2d_refuses(options, inputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(call(DEPTHWISE_CONV_2D, options, inputs))


@pytest.mark.parametrize(
    ("size", "inputs", "message"),
    [
        (constant([1, 16, 16, 5]), [W, X], "6 output channels are required, found output shape"),
        (constant([2, 16, 16, 6]), [W, X], "batch 1 is required"),
        (constant([1, 0, 16, 6]), [W, X], "height and width of at least 1"),
        (constant([1, -5, 16, 6]), [W, X], "height and width of at least 1"),
        (constant([1, 17, 16, 6]), [W, X], r"an output shape over which \[8, 8\] windows fit is required, found .* for \[9, 8\]"),
        (constant([1, 16, 6]), [W, X], "an output shape of 4 elements"),
        (constant([1, 16, 16, 6], T.INT64), [W, X], "an output shape of type INT32"),
        (constant([1, 16, 16, 6]), [floats(6, 3, 3, 5), X], "5 input channels are required, found 4"),
        (constant([1, 16, 16, 6]), [W, X, floats(4)], "a bias of 6 elements"),
    ],
)
def test_transpose_conv_refuses(size, inputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(call(TRANSPOSE_CONV, transposed(), [size, *inputs]))


def test_transpose_conv_asks_for_its_size():
    with pytest.raises(NeedsValue) as request:
        infer(call(TRANSPOSE_CONV, transposed(), [operand(T.INT32, (4,)), W, X]))
    assert request.value.index == 0


SHORT = operand(T.INT16, (1, 8, 8, 4), 0.1)


@pytest.mark.parametrize(
    ("spec", "options", "inputs", "version"),
    [
        (CONV_2D, conv_options(), [X, W, B], 1),
        (CONV_2D, conv_options(), [X, weights(6, 3, 3, 4, per_channel=False), B], 2),
        (CONV_2D, conv_options(), [QX, QW, QB], 3),
        (CONV_2D, conv_options(), [SHORT, QW, QB], 4),
        (CONV_2D, conv_options(), [X, QW, B], 5),
        (CONV_2D, conv_options(), [X, floats(6, 3, 3, 2), B], 6),
        (CONV_2D, conv_options(), [QX, operand(T.INT4, (6, 3, 3, 4), 0.1), QB], 7),
        (CONV_2D, Conv2DOptions(quantized_bias_type=T.INT32), [SHORT, QW, QB], 8),
        (DEPTHWISE_CONV_2D, depthwise_options(), [X, floats(1, 3, 3, 4)], 1),
        (DEPTHWISE_CONV_2D, depthwise_options(dilation=(1, 2)), [X, floats(1, 3, 3, 4)], 2),
        (DEPTHWISE_CONV_2D, depthwise_options(), [QX, weights(1, 3, 3, 4, axis=3)], 3),
        (DEPTHWISE_CONV_2D, depthwise_options(), [X, weights(1, 3, 3, 4, per_channel=False)], 4),
        (DEPTHWISE_CONV_2D, depthwise_options(), [SHORT, weights(1, 3, 3, 4, axis=3)], 5),
        (DEPTHWISE_CONV_2D, depthwise_options(), [X, weights(1, 3, 3, 4, axis=3)], 6),
        (DEPTHWISE_CONV_2D, depthwise_options(), [QX, operand(T.INT4, (1, 3, 3, 4), 0.1)], 7),
        (TRANSPOSE_CONV, transposed(), [constant([1, 8, 8, 6]), W, X], 1),
        (TRANSPOSE_CONV, transposed(), [constant([1, 8, 8, 6]), QW, QX], 2),
        (TRANSPOSE_CONV, transposed(), [constant([1, 8, 8, 6]), QW, QX, QB], 3),
        (TRANSPOSE_CONV, transposed(activation=RELU), [constant([1, 8, 8, 6]), W, X], 4),
    ],
)
def test_versions(spec, options, inputs, version):
    assert spec.version(call(spec, options, inputs)) == version


@pytest.mark.parametrize(
    ("spec", "options", "inputs", "output"),
    [
        (CONV_2D, conv_options(), [activations(0, 8, 8, 4), W, B], result(T.FLOAT32)),
        (CONV_2D, conv_options(), [image(0, 8, 8, 4), QW, QB], result(T.INT8, 0.1)),
        (CONV_2D, conv_options(), [activations(0, 8, 8, 4), QW, B], result(T.FLOAT32)),
        (DEPTHWISE_CONV_2D, depthwise_options(), [activations(0, 8, 8, 4), floats(1, 3, 3, 4)], result(T.FLOAT32)),
        (TRANSPOSE_CONV, transposed(), [constant([0, 16, 16, 6]), W, activations(0, 8, 8, 4)], result(T.FLOAT32)),
    ],
)
def test_no_images(spec, options, inputs, output):
    assert check(spec, options, inputs, [output])[0].size == 0


@pytest.mark.parametrize("channels", [1, 3, 4, 7, 8, 13, 16, 17])
@pytest.mark.parametrize(
    ("window", "stride", "dilation"),
    [((1, 1), (1, 1), (1, 1)), ((3, 3), (2, 2), (1, 1)), ((2, 5), (1, 3), (1, 1)), ((3, 1), (1, 2), (2, 2))],
)
def test_conv_2d_int8_of_few_channels(channels, window, stride, dilation):
    """Neighbouring pixels are computed together where the output's width allows it."""
    for width in (1, 4, 9, 24):
        operands = [image(2, 6, width, 3), weights(channels, *window, 3), biases(channels)]
        for padding in (SAME, VALID)[: 1 + (width > 10)]:
            check(CONV_2D, conv_options(padding, stride, dilation), operands, [result(T.INT8, 0.07, -9)], threads=(1, 3))


@pytest.mark.parametrize("channels", [1, 2, 4, 7, 13, 26])
@pytest.mark.parametrize("stride", [1, 2])
def test_small_depthwise_convolutions_int8(channels, stride):
    for size in (3, 12, 24):
        operands = [image(1, size, size, channels), weights(1, 3, 3, channels, axis=3), biases(channels)]
        check(DEPTHWISE_CONV_2D, depthwise_options(1, SAME, (stride, stride)), operands, [result(T.INT8, 0.07, -9)], threads=(1, 2))
