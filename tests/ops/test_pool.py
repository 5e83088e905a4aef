import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.pool  # noqa: F401 - fills the registry
from jitlite.schemas.errors import InvalidModelError, UnsupportedError
from jitlite.schemas.ops.pool import AVERAGE_POOL_2D, L2_POOL_2D, MAX_POOL_2D
from jitlite.schemas.ops.spec import infer
from jitlite.schemas.tables import ActivationFunctionType, Padding, Pool2DOptions, TensorType
from jitlite.schemas.write import write_model
from tests.ops.oracle import build, call, check, like, operand, result, run

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


def image(*shape, zero_point=-7):
    return operand(T.INT8, shape, 0.04, zero_point)


CASES = [
    pytest.param((1, 1, 1, 1), options((1, 1), (1, 1)), id="1x1x1"),
    pytest.param((2, 8, 8, 3), options(), id="halves"),
    pytest.param((1, 7, 9, 70), options((3, 3), (2, 2)), id="same, odd sizes, several chunks"),
    pytest.param((1, 7, 9, 64), options((3, 2), (1, 3), VALID), id="valid"),
    pytest.param((1, 7, 7, 65), options((7, 7), (7, 7), VALID), id="global"),
    pytest.param((1, 3, 4, 5), options((9, 11), (1, 1)), id="window larger than the image"),
    pytest.param((1, 9, 9, 4), options((2, 2), (5, 4), VALID), id="gaps between windows"),
]


@pytest.mark.parametrize("activation", [NONE, RELU, RELU6, RELU_N1_TO_1])
@pytest.mark.parametrize(("shape", "pool"), CASES)
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_pool(spec, shape, pool, activation):
    pool = pool.copy(fused_activation_function=activation)
    check(spec, pool, [activations(*shape)], [result(T.FLOAT32)], **FLOAT, threads=(1, 2, 7))
    if spec is not L2_POOL_2D:
        x = image(*shape)
        check(spec, pool, [x], [like(x)], threads=(1, 2, 7))


@pytest.mark.parametrize("value", [-128, -1, 0, 1, 127])
@pytest.mark.parametrize("spec", [AVERAGE_POOL_2D, MAX_POOL_2D], ids=lambda spec: spec.name)
def test_pool_int8_of_one_value(spec, value):
    x = image(1, 5, 5, 20)
    found = check(spec, options((3, 3), (1, 1)), [x], [like(x)], feeds=[np.full(x.shape, value, np.int8)])
    assert (found[0] == value).all()


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
    st.integers(-128, 127),
)
def test_any_pool(spec, shape, window, stride, zero_point):
    fits = window[0] <= shape[1] and window[1] <= shape[2]
    for padding in [SAME, VALID] if fits else [SAME]:
        pool = options(window, stride, padding, RELU6)
        check(spec, pool, [activations(*shape)], [result(T.FLOAT32)], **FLOAT)
        if spec is not L2_POOL_2D:
            x = image(*shape, zero_point=zero_point)
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
        (MAX_POOL_2D, options(), operand(T.INT8, (1, 8, 8, 3)), [], r"1 quantization scale\(s\) are required, found none"),
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


def test_pool_does_not_support_other_activations():
    with pytest.raises(UnsupportedError, match="is supported, found TANH"):
        infer(call(MAX_POOL_2D, options(activation=ActivationFunctionType.TANH), [X]))


def test_pool_without_a_kernel():
    x = operand(T.UINT8, (1, 8, 8, 3), 0.1, 3)
    content = write_model(build(MAX_POOL_2D, options(), [x], [like(x)]))
    with pytest.raises(UnsupportedError, match=r"FLOAT32 and INT8 are supported, found \(UINT8\)"):
        run(content, [])


@pytest.mark.parametrize(("type", "version"), [(T.FLOAT32, 1), (T.UINT8, 1), (T.INT8, 2), (T.INT16, 3)])
def test_versions(type, version):
    assert MAX_POOL_2D.version(call(MAX_POOL_2D, options(), [operand(type, (1, 4, 4, 1), 0.1)])) == version
