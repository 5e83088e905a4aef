import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from jitlite.quantization.parameters import (
    LARGEST_BIAS,
    MIN_SCALE,
    TensorParams,
    activation_params,
    bias_params,
    params_of,
    smallest_weight_scale,
    weight_params,
)
from jitlite.schemas.tables import BlockwiseQuantization, QuantizationParameters, TensorType

REALS = st.floats(-1e9, 1e9, width=32)
WEIGHTS = arrays(np.float32, array_shapes(min_dims=1, max_dims=4, max_side=5), elements=st.floats(-1e3, 1e3, width=32))


@given(REALS, REALS)
def test_zero_is_exact_and_round_trips_stay_within_half_a_step(a, b):
    low, high = min(a, b), max(a, b)
    params = activation_params(low, high)
    (scale,), (zero_point,) = params.scale, params.zero_point
    assert float(np.float32(scale)) == scale
    assert -128 <= zero_point <= 127
    assert params.dequantize(params.quantize(np.zeros(1, np.float32)))[0] == 0.0
    assume(high - low > 255 * MIN_SCALE)
    values = np.linspace(min(low, 0), max(high, 0), 97).astype(np.float32)
    error = np.abs(params.dequantize(params.quantize(values)).astype(np.float64) - values)
    # float32 results carry a relative error of 2^-24, and the float64 quotient behind a tie may fall on either side.
    assert error.max() <= scale / 2 * (1 + 1e-5) + np.abs(values).max() * 2.0**-23


@given(REALS, REALS)
def test_bounds_are_the_ends_of_the_grid(a, b):
    params = activation_params(min(a, b), max(a, b))
    ends = params.dequantize(np.int8([-128, 127]))
    np.testing.assert_allclose(params.bounds, ends, rtol=1e-6)


@pytest.mark.parametrize(
    ("low", "high", "scale", "zero_point"),
    [
        (0.0, 0.0, 1.0, 0),
        (0.0, 255.0, 1.0, -128),
        (-255.0, 0.0, 1.0, 127),
        (-128.0, 127.0, 1.0, 0),
        (10.0, 255.0, 1.0, -128),
        (-255.0, -10.0, 1.0, 127),
        (0.0, 1e-30, MIN_SCALE, -128),
    ],
)
def test_known_ranges(low, high, scale, zero_point):
    assert activation_params(low, high) == TensorParams(TensorType.INT8, (scale,), (zero_point,))


@given(WEIGHTS, st.booleans())
def test_weights_are_symmetric_and_within_half_a_step(values, per_channel):
    axis = values.ndim - 1 if per_channel else None
    params = weight_params(values, axis)
    integers = params.quantize(values)
    assert len(params.scale) == (values.shape[-1] if per_channel else 1)
    assert set(params.zero_point) == {0}
    assert integers.dtype == np.int8
    assert np.abs(integers.astype(int)).max(initial=0) <= 127
    error = np.abs(params.dequantize(integers).astype(np.float64) - values)
    assert (error <= np.asarray(params.scale) / 2 * (1 + 1e-5)).all()


def test_every_channel_uses_the_whole_range_and_empty_ones_take_the_largest_scale():
    values = np.float32([[1, 0, -254], [-0.5, 0, 3]])
    params = weight_params(values, 1)
    assert params.scale == pytest.approx((1 / 127, 2.0, 2.0))
    assert np.abs(params.quantize(values)).max(axis=0).tolist() == [127, 0, 127]
    assert weight_params(np.zeros((2, 2), np.float32), None).scale == (1.0,)


def test_tiny_weights_get_scales_that_keep_the_bias_in_int32():
    weights, bias = np.float32([[1e-12], [1.0]]), np.float32([50.0, 50.0])
    floor = smallest_weight_scale(bias, 0.01)
    per_channel = weight_params(weights, 0, floor)
    integers = bias_params(0.01, per_channel).quantize(bias)
    assert np.abs(integers.astype(np.int64)).max() <= LARGEST_BIAS
    assert per_channel.scale[0] > weight_params(weights, 0).scale[0]
    assert per_channel.scale[1] == weight_params(weights, 0).scale[1]
    shared = weight_params(weights * 1e-9, None, floor)
    assert np.abs(bias_params(0.01, shared).quantize(bias).astype(np.int64)).max() <= LARGEST_BIAS


def test_a_bias_has_the_product_of_scales():
    weights = TensorParams(TensorType.INT8, (0.5, 0.25), (0, 0))
    assert bias_params(0.5, weights) == TensorParams(TensorType.INT32, (0.25, 0.125), (0, 0))


def test_tables_hold_the_parameters_and_read_back():
    params = TensorParams(TensorType.INT8, (0.5, 0.25), (0, 0), axis=3)
    table = params.table()
    assert table == QuantizationParameters(scale=[0.5, 0.25], zero_point=[0, 0], quantized_dimension=3)
    assert params_of(table, TensorType.INT8) == params


@pytest.mark.parametrize(
    ("quantization", "kind"),
    [
        (None, TensorType.INT8),
        (QuantizationParameters(min=[0.0], max=[1.0]), TensorType.INT8),
        (QuantizationParameters(scale=[1.0]), TensorType.FLOAT32),
        (QuantizationParameters(scale=[1.0], details=BlockwiseQuantization()), TensorType.INT8),
    ],
)
def test_tensors_without_scales_have_no_integer_form(quantization, kind):
    assert params_of(quantization, kind) is None


def test_one_zero_point_counts_for_every_scale():
    found = params_of(QuantizationParameters(scale=[1.0, 2.0], zero_point=[3]), TensorType.INT8)
    assert found.zero_point == (3, 3)
    assert params_of(QuantizationParameters(scale=[1.0]), TensorType.INT8).zero_point == (0,)
