import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.depthwise_conv  # noqa: F401 - fills the registry
from jitlite.schemas.ops.conv import DEPTHWISE_CONV_2D
from jitlite.schemas.write import write_model
from tests.ops.oracle import build, check, operand, result, run
from tests.ops.test_conv import (
    FLOAT,
    RELU,
    RELU6,
    RELU_N1_TO_1,
    VALID,
    T,
    Y,
    activations,
    biases,
    depthwise_options,
    floats,
    image,
    weights,
)

CASES = [
    pytest.param((1, 1, 1, 1), (1, 1, 1, 1), depthwise_options(), id="1x1x1"),
    pytest.param((2, 7, 8, 5), (1, 3, 3, 5), depthwise_options(), id="few channels"),
    pytest.param((1, 9, 19, 8), (1, 3, 3, 8), depthwise_options(), id="8 channels"),
    pytest.param((1, 9, 38, 8), (1, 3, 3, 8), depthwise_options(stride=(2, 2)), id="8 channels, strides"),
    pytest.param((1, 6, 9, 12), (1, 3, 3, 12), depthwise_options(), id="12 channels"),
    pytest.param((1, 7, 8, 16), (1, 3, 3, 16), depthwise_options(VALID), id="valid"),
    pytest.param((2, 9, 21, 16), (1, 3, 3, 16), depthwise_options(stride=(2, 2)), id="16 channels, strides"),
    pytest.param((1, 9, 12, 32), (1, 3, 3, 32), depthwise_options(stride=(2, 2)), id="32 channels, strides"),
    pytest.param((1, 5, 6, 32), (1, 3, 3, 32), depthwise_options(), id="32 channels"),
    pytest.param((1, 7, 8, 45), (1, 3, 3, 45), depthwise_options(stride=(2, 2)), id="channels that overlap"),
    pytest.param((1, 7, 5, 64), (1, 3, 3, 64), depthwise_options(activation=RELU), id="64 channels"),
    pytest.param((2, 3, 3, 120), (1, 3, 3, 120), depthwise_options(), id="blocks of all widths"),
    pytest.param((1, 3, 150, 64), (1, 3, 3, 64), depthwise_options(), id="parts of a row"),
    pytest.param((1, 4, 600, 9), (1, 3, 4, 9), depthwise_options(stride=(1, 2)), id="parts of a row, strides"),
    pytest.param((2, 7, 7, 130), (1, 3, 3, 130), depthwise_options(activation=RELU6), id="a strip, parts of its channels"),
    pytest.param((2, 14, 14, 45), (1, 3, 3, 45), depthwise_options(stride=(2, 2)), id="a strip, strides"),
    pytest.param((1, 15, 13, 33), (1, 3, 3, 33), depthwise_options(stride=(2, 2)), id="a strip, strides and padding on both sides"),
    pytest.param((1, 9, 21, 20), (1, 3, 3, 20), depthwise_options(VALID), id="strips that overlap"),
    pytest.param((1, 1, 28, 17), (1, 3, 3, 17), depthwise_options(), id="strips of one row"),
    pytest.param((1, 2, 56, 16), (1, 3, 3, 16), depthwise_options(stride=(2, 2)), id="strips of one row, strides"),
    pytest.param((2, 33, 33, 20), (1, 3, 3, 20), depthwise_options(dilation=(2, 2)), id="strips, dilations"),
    pytest.param((1, 11, 46, 17), (1, 3, 3, 17), depthwise_options(VALID, dilation=(3, 2)), id="strips that overlap, dilations"),
    pytest.param((1, 3, 28, 33), (1, 3, 3, 33), depthwise_options(dilation=(5, 4)), id="strips, dilations larger than the image"),
    pytest.param((1, 9, 8, 24), (1, 5, 3, 24), depthwise_options(dilation=(2, 3), activation=RELU6), id="dilations"),
    pytest.param((1, 19, 18, 16), (1, 3, 3, 16), depthwise_options(dilation=(4, 4)), id="16 channels, dilations"),
    pytest.param((1, 10, 11, 8), (1, 3, 3, 8), depthwise_options(dilation=(3, 3), stride=(2, 2)), id="dilations and strides"),
    pytest.param((1, 9, 12, 40), (1, 5, 5, 40), depthwise_options(), id="5x5"),
    pytest.param((1, 11, 12, 16), (1, 5, 5, 16), depthwise_options(stride=(2, 2)), id="5x5, strides"),
    pytest.param((1, 12, 13, 8), (1, 5, 5, 8), depthwise_options(dilation=(2, 2)), id="5x5, dilations"),
    pytest.param((1, 9, 40, 70), (1, 7, 7, 70), depthwise_options(), id="7x7"),
    pytest.param((1, 5, 14, 20), (1, 4, 4, 20), depthwise_options(), id="4x4"),
    pytest.param((1, 2, 30, 10), (1, 1, 9, 10), depthwise_options(stride=(1, 3)), id="one row of taps"),
    pytest.param((1, 23, 1, 64), (1, 23, 1, 64), depthwise_options(VALID), id="one pixel of a column"),
    pytest.param((2, 40, 1, 18), (1, 31, 1, 18), depthwise_options(), id="a column"),
    pytest.param((1, 49, 40, 1), (1, 10, 8, 8), depthwise_options(8, stride=(2, 2), activation=RELU), id="8 from one channel"),
    pytest.param((1, 7, 8, 1), (1, 3, 3, 32), depthwise_options(32), id="from one channel"),
    pytest.param((1, 7, 8, 3), (1, 3, 3, 48), depthwise_options(16), id="multiplier 16"),
    pytest.param((2, 7, 8, 9), (1, 3, 3, 18), depthwise_options(2, VALID, activation=RELU), id="multiplier 2"),
    pytest.param((1, 7, 8, 2), (1, 3, 3, 6), depthwise_options(3, activation=RELU_N1_TO_1), id="6 from 2 channels"),
    pytest.param((1, 2, 2, 20), (1, 5, 5, 20), depthwise_options(), id="window larger than the image"),
    pytest.param((1, 1, 90, 8), (1, 1, 700, 8), depthwise_options(), id="a long window"),
    pytest.param((1, 2, 900, 9), (1, 1, 600, 9), depthwise_options(VALID), id="a long window inside the image"),
]
"""Images, filters and options."""


@pytest.mark.parametrize(("x", "w", "options"), CASES)
def test_depthwise_conv_2d(x, w, options):
    check(DEPTHWISE_CONV_2D, options, [activations(*x), floats(*w), floats(w[3], seed=3)], Y, **FLOAT, threads=(1, 2, 7))


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize(("x", "w", "options"), CASES)
def test_depthwise_conv_2d_int8(x, w, options, per_channel):
    operands = [image(*x), weights(*w, axis=3, per_channel=per_channel), biases(w[3])]
    check(DEPTHWISE_CONV_2D, options, operands, [result(T.INT8, 0.03, -9)], threads=(1, 2, 7))


def unsigned_image(*shape, zero_point=121):
    return operand(T.UINT8, shape, 0.03, zero_point)


def unsigned_weights(*shape, zero_point=130, least=0, seed=2):
    value = np.random.default_rng(seed).choice([least, 255, zero_point, zero_point - 1, 77, 140], shape)
    return operand(T.UINT8, shape, 0.01, zero_point, value=value)


@pytest.mark.parametrize(("zero_point", "least"), [(130, 0), (130, 20), (0, 0), (255, 0)])
@pytest.mark.parametrize(("x", "w", "options"), CASES)
def test_depthwise_conv_2d_uint8(x, w, options, zero_point, least):
    operands = [unsigned_image(*x), unsigned_weights(*w, zero_point=zero_point, least=least), biases(w[3])]
    check(DEPTHWISE_CONV_2D, options, operands, [result(T.UINT8, 0.05, 119)], threads=(1, 2, 7))


@pytest.mark.parametrize("channels", [130, 40])
def test_depthwise_conv_2d_uint8_with_wide_weights_in_some_channels(channels):
    """Blocks whose weights fit bytes once the zero point is taken off, beside others."""
    value = np.random.default_rng(3).integers(60, 200, (1, 3, 3, channels))
    value[..., :: channels // 2] = 255
    weight = operand(T.UINT8, value.shape, 0.01, 90, value=value)
    check(
        DEPTHWISE_CONV_2D, depthwise_options(), [unsigned_image(1, 6, 7, channels), weight, biases(channels)], [result(T.UINT8, 0.05, 119)]
    )


@pytest.mark.parametrize(("x", "w", "options"), CASES)
def test_depthwise_conv_2d_of_floats_with_int8_weights(x, w, options):
    check(DEPTHWISE_CONV_2D, options, [activations(*x), weights(*w, axis=3), floats(w[3], seed=3)], Y, **FLOAT, threads=(1, 2, 7))


@pytest.mark.parametrize("zero_point", [-128, 0, 127])
@pytest.mark.parametrize("value", [-128, 127])
def test_depthwise_conv_2d_int8_of_extremes(zero_point, value):
    x = image(1, 5, 8, 70, zero_point=zero_point)
    feeds = [np.full(x.shape, value, np.int8)]
    operands = [x, weights(1, 5, 5, 70, axis=3), biases(70)]
    check(DEPTHWISE_CONV_2D, depthwise_options(), operands, [result(T.INT8, 0.5, 3)], feeds=feeds)


@pytest.mark.parametrize("scale", [1e-6, 1e-4, 3e-3, 0.9, 900.0])
def test_depthwise_conv_2d_int8_multipliers(scale):
    """From multipliers far above 1, which saturate, to those that leave one value."""
    operands = [image(1, 4, 9, 20), weights(1, 3, 3, 20, axis=3), biases(20)]
    check(DEPTHWISE_CONV_2D, depthwise_options(), operands, [result(T.INT8, scale, 1)])


def test_depthwise_conv_2d_int8_with_weights_of_4_bits():
    """The reference has no such kernel: weights of 8 bits with the same numbers give what is expected."""
    scale, value = np.linspace(0.01, 0.03, 20), np.random.default_rng(4).integers(-8, 8, (1, 3, 3, 20), np.int8)
    low, high = value.reshape(-1, 2).view(np.uint8).T & 15
    wide, packed = (
        operand(T.INT8, value.shape, scale, axis=3, value=value),
        operand(T.INT4, value.shape, scale, axis=3, value=low | high << 4),
    )
    x, outputs = image(1, 6, 7, 20), [result(T.INT8, 0.07, -9)]
    feeds = [np.random.default_rng(5).integers(-128, 128, x.shape, np.int8)]
    expected = check(DEPTHWISE_CONV_2D, depthwise_options(), [x, wide, biases(20)], outputs, feeds=feeds)
    content = write_model(build(DEPTHWISE_CONV_2D, depthwise_options(), [x, packed, biases(20)], outputs))
    np.testing.assert_array_equal(run(content, feeds)[0], expected[0])


@pytest.mark.parametrize("w", [floats(1, 3, 3, 20), activations(1, 3, 3, 20)], ids=["constant", "run time"])
@pytest.mark.parametrize("bias", [None, floats(20, seed=4), activations(20)], ids=["none", "constant", "run time"])
def test_depthwise_conv_2d_with_operands_computed_at_run_time(w, bias):
    operands = [activations(1, 5, 5, 20), w] + ([] if bias is None else [bias])
    check(DEPTHWISE_CONV_2D, depthwise_options(), operands, Y, **FLOAT, threads=(1, 3))


def test_depthwise_conv_2d_of_infinities():
    """What lies outside the image adds nothing, whatever is inside."""
    x, w = activations(1, 6, 7, 20), operand(T.FLOAT32, (1, 3, 3, 20), value=np.random.default_rng(1).uniform(0.1, 1, (1, 3, 3, 20)))
    feeds = [np.full(x.shape, np.inf, np.float32)]
    check(DEPTHWISE_CONV_2D, depthwise_options(activation=RELU_N1_TO_1), [x, w, floats(20)], Y, **FLOAT, feeds=feeds)


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.integers(1, 2), st.integers(1, 8), st.integers(1, 30)),
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 70), st.integers(1, 3)),
    st.integers(1, 5),
    st.integers(0, 2**20),
)
def test_any_depthwise_conv_2d(image_shape, window, steps, channels, threads, seed):
    x, w = (*image_shape, channels[0]), (1, *window, channels[0] * channels[1])
    options = depthwise_options(channels[1], stride=steps[:2] if steps[2] == 1 else (1, 1), dilation=(steps[2], steps[2]))
    drawn = {"threads": (1, threads), "seed": seed}
    check(DEPTHWISE_CONV_2D, options, [activations(*x), floats(*w, seed=seed), floats(w[3], seed=3)], Y, **FLOAT, **drawn)
    operands = [image(*x, zero_point=-100), weights(*w, axis=3, seed=seed), biases(w[3])]
    check(DEPTHWISE_CONV_2D, options, operands, [result(T.INT8, 0.04, 2)], **drawn)
    operands = [unsigned_image(*x), unsigned_weights(*w, seed=seed), biases(w[3])]
    check(DEPTHWISE_CONV_2D, options, operands, [result(T.UINT8, 0.04, 100)], **drawn)
    check(DEPTHWISE_CONV_2D, options, [activations(*x), weights(*w, axis=3, seed=seed), floats(w[3])], Y, **FLOAT, **drawn)
