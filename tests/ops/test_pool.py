import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.pool  # noqa: F401 - fills the registry
from jitlite.schemas.dtypes import numpy_dtype
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.ops.pool import AVERAGE_POOL_2D, L2_POOL_2D, MAX_POOL_2D
from jitlite.schemas.ops.spec import infer
from jitlite.schemas.tables import ActivationFunctionType, Padding, Pool2DOptions, TensorType
from tests.ops.oracle import call, check, like, operand, result

T = TensorType
SAME, VALID = Padding.SAME, Padding.VALID
NONE, RELU, RELU6, RELU_N1_TO_1 = (ActivationFunctionType[name] for name in ("NONE", "RELU", "RELU6", "RELU_N1_TO_1"))
SPECS = [AVERAGE_POOL_2D, MAX_POOL_2D, L2_POOL_2D]
FLOAT = {"tolerance": 1e-6, "floor": 10.0}


def options(window=(2, 2), stride=(2, 2), padding=SAME, activation=NONE):
    return Pool2DOptions(
        padding=padding,
        stride_h=stride[0],
        stride_w=stride[1],
        filter_height=window[0],
        filter_width=window[1],
        fused_activation_function=activation,
    )


def activations(*shape):
    return operand(T.FLOAT32, shape, low=-9, high=9)


QUANTIZED = {T.INT8: -7, T.UINT8: 121, T.INT16: 0}


def image(*shape, type=T.INT8, zero_point=None):
    return operand(type, shape, 0.04, QUANTIZED[type] if zero_point is None else zero_point)


CASES = [
    pytest.param((1, 1, 1, 1), options((1, 1), (1, 1)), id="1x1x1"),
    pytest.param((2, 8, 8, 3), options(), id="halves"),
    pytest.param((1, 7, 9, 70), options((3, 3), (2, 2)), id="same, odd sizes, several chunks"),
    pytest.param((1, 7, 9, 64), options((3, 2), (1, 3), VALID), id="valid"),
    pytest.param((1, 7, 7, 65), options((7, 7), (7, 7), VALID), id="global"),
    pytest.param((1, 3, 4, 5), options((9, 11), (1, 1)), id="window larger than the image"),
    pytest.param((1, 9, 9, 4), options((2, 2), (5, 4), VALID), id="gaps between windows"),
    pytest.param((1, 9, 9, 24), options((2, 2), (5, 4), VALID), id="gaps between windows of many channels"),
    pytest.param((2, 6, 90, 15), options((3, 3), (1, 1)), id="few channels, several parts of a row"),
    pytest.param((1, 3, 900, 3), options((2, 700), (1, 50)), id="few channels, a window wider than a row's part"),
    pytest.param((1, 2, 3, 400), options((2, 3), (2, 3)), id="one window, threads share channels"),
]


@pytest.mark.parametrize("activation", [NONE, RELU, RELU6, RELU_N1_TO_1])
@pytest.mark.parametrize(("shape", "pool"), CASES)
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_pool(spec, shape, pool, activation):
    pool = pool.copy(fused_activation_function=activation)
    check(spec, pool, [activations(*shape)], [result(T.FLOAT32)], **FLOAT, threads=(1, 2, 7))
    for type in QUANTIZED if spec is not L2_POOL_2D else ():
        x = image(*shape, type=type)
        check(spec, pool, [x], [like(x)], threads=(1, 2, 7))


@pytest.mark.parametrize(
    ("type", "value"), [*((T.INT8, v) for v in (-128, -1, 0, 1, 127)), *((T.UINT8, v) for v in (0, 1, 128, 255)), (T.INT16, -32768)]
)
@pytest.mark.parametrize("channels", [3, 20])
@pytest.mark.parametrize("spec", [AVERAGE_POOL_2D, MAX_POOL_2D], ids=lambda spec: spec.name)
def test_pool_of_one_value(spec, channels, type, value):
    x = image(1, 5, 5, channels, type=type)
    feed = np.full(x.shape, value, numpy_dtype(type))
    found = check(spec, options((3, 3), (1, 1)), [x], [like(x)], feeds=[feed])
    assert (found[0] == value).all()


@pytest.mark.parametrize(("height", "width"), [(1, 2), (3, 1), (7, 9), (60, 61), (1, 6000)])
@pytest.mark.parametrize("channels", [1, 16])
def test_average_of_any_sum(height, width, channels):
    """Sums from the lowest to the highest there can be, and those around each place where the quotient changes."""
    elements = height * width
    x = image(64, height, width, channels)
    totals = np.unique(np.linspace(-128 * elements, 127 * elements, 64 * channels).astype(np.int64))
    feed = np.zeros((len(totals), elements), np.int64)
    feed += (totals // elements)[:, None]
    feed[np.arange(elements) < (totals - feed.sum(1))[:, None]] += 1
    feed = np.resize(feed, (64, channels, height, width)).transpose(0, 2, 3, 1).astype(np.int8)
    check(AVERAGE_POOL_2D, options((height, width), (1, 1), VALID), [x], [like(x)], feeds=[feed])


@pytest.mark.parametrize("spec", [MAX_POOL_2D], ids=lambda spec: spec.name)
@pytest.mark.parametrize("channels", [2, 3, 5, 21])
def test_max_pool_passes_nan_over(spec, channels):
    x = activations(1, 6, 7, channels)
    feed = np.random.default_rng(0).normal(size=x.shape).astype(np.float32)
    feed[np.random.default_rng(1).random(x.shape) < 0.3] = np.nan
    check(spec, options((2, 3), (1, 2)), [x], [result(T.FLOAT32)], feeds=[feed])


def test_average_pool_rounds_halves_away_from_zero():
    x = image(1, 1, 2, 8)
    feed = np.array([[3, -3, 1, -1, 0, 127, -128, 5], [0, 0, 0, 0, 1, 126, -127, -10]], np.int8).reshape(x.shape)
    found = check(AVERAGE_POOL_2D, options((1, 2), (1, 2)), [x], [like(x)], feeds=[feed])
    assert found[0].ravel().tolist() == [2, -2, 1, -1, 1, 127, -128, -3]


def test_max_pool_of_the_lowest_floats():
    lowest = np.finfo(np.float32).min
    x = operand(T.FLOAT32, (1, 2, 2, 3))
    found = check(MAX_POOL_2D, options(), [x], [result(T.FLOAT32)], feeds=[np.full(x.shape, lowest, np.float32)])
    assert (found[0] == lowest).all()


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(SPECS),
    st.tuples(st.integers(1, 2), st.integers(1, 8), st.integers(1, 8), st.integers(1, 70)),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.sampled_from([T.INT8, T.UINT8]),
    st.integers(0, 127),
)
def test_any_pool(spec, shape, window, stride, type, zero_point):
    fits = window[0] <= shape[1] and window[1] <= shape[2]
    for padding in [SAME, VALID] if fits else [SAME]:
        pool = options(window, stride, padding, RELU6)
        check(spec, pool, [activations(*shape)], [result(T.FLOAT32)], **FLOAT)
        if spec is not L2_POOL_2D:
            x = image(*shape, type=type, zero_point=zero_point)
            check(spec, pool, [x], [like(x)])


X = activations(1, 8, 8, 3)


@pytest.mark.parametrize(
    ("spec", "pool", "x", "y", "message"),
    [
        (MAX_POOL_2D, options(), activations(8, 8, 3), [], "rank 4 is required"),
        (MAX_POOL_2D, options(), activations(1, 0, 8, 3), [], "dimensions of at least 1"),
        (MAX_POOL_2D, options(stride=(0, 1)), X, [], "stride_h from 1 to 16777216 is required, found 0"),
        (MAX_POOL_2D, options(stride=(1, -2)), X, [], "stride_w from 1"),
        (MAX_POOL_2D, options(window=(0, 0)), X, [], "filter_height from 1"),
        (MAX_POOL_2D, options(window=(1, 2**31 - 1)), X, [], "filter_width from 1"),
        (MAX_POOL_2D, options(window=(9, 1), padding=VALID), X, [], "a VALID window of at most 8 elements is required, found 9"),
        (MAX_POOL_2D, options(), operand(T.INT32, (1, 8, 8, 3)), [], "INT16 is required, found INT32"),
        (L2_POOL_2D, options(), image(1, 8, 8, 3), [], "FLOAT32 is required, found INT8"),
        (
            MAX_POOL_2D,
            options(),
            operand(T.INT8, (1, 8, 8, 3)),
            [result(T.INT8, 0.05)],
            r"1 quantization scale\(s\) are required, found none",
        ),
        (MAX_POOL_2D, options(activation=RELU), operand(T.INT8, (1, 8, 8, 3)), [], "a scale is required for the activation RELU"),
        (AVERAGE_POOL_2D, options(), image(1, 8, 8, 3), [result(T.INT8, 0.05, -7)], "scale 0.04 and zero point -7 are required"),
        (AVERAGE_POOL_2D, options(), image(1, 8, 8, 3), [result(T.INT8, 0.04, -6)], "found 0.04 and -6"),
        (
            AVERAGE_POOL_2D,
            options((2**12, 2**12)),
            operand(T.INT16, (1, 2**12, 2**12, 1), 0.1),
            [],
            "a window of at most 32768 elements is required for int32 sums",
        ),
    ],
)
def test_pool_refuses(spec, pool, x, y, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(call(spec, pool, [x], y))


@pytest.mark.parametrize(("type", "version"), [(T.FLOAT32, 1), (T.UINT8, 1), (T.INT8, 2), (T.INT16, 3)])
def test_versions(type, version):
    assert MAX_POOL_2D.version(call(MAX_POOL_2D, options(), [operand(type, (1, 4, 4, 1), 0.1)])) == version


@pytest.mark.parametrize("spec", [AVERAGE_POOL_2D, MAX_POOL_2D], ids=lambda spec: spec.name)
@pytest.mark.parametrize("type", [T.INT8, T.INT16])
def test_plain_integers(spec, type):
    check(spec, options(window=(3, 2), stride=(2, 1)), [operand(type, (2, 7, 6, 5))], [result(type)])
