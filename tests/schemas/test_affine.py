"""Fixed-point multipliers of arrays against those of single numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jitlite.schemas.affine import quantize_multiplier, quantize_multipliers, quantized_activation_range
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.tables import ActivationFunctionType, TensorType

EDGES = [0.0, 1.0, 0.5, 1 - 2**-40, 2**-31, 2**-32, 2**-33, 2.0**30, 2.0**31, 2.0**30 - 1, -0.3, -(1 - 2**-40), 1e300, 1e-300]


@given(arrays(np.float64, st.integers(0, 9), elements=st.one_of(st.floats(-(2.0**33), 2.0**33), st.sampled_from(EDGES))))
def test_arrays_give_what_numbers_give(reals):
    mantissas, shifts = quantize_multipliers(reals)
    assert mantissas.dtype == shifts.dtype == np.int32
    assert list(zip(mantissas.tolist(), shifts.tolist())) == [quantize_multiplier(float(real)) for real in reals]


@pytest.mark.parametrize("real", [np.inf, -np.inf, np.nan])
def test_multipliers_must_be_finite(real):
    with pytest.raises(InvalidModelError, match="a finite ratio of scales is required"):
        quantize_multiplier(real)
    with pytest.raises(InvalidModelError, match="finite ratios of scales are required"):
        quantize_multipliers(np.array([1.0, real]))


def test_a_clamp_at_a_scale_too_small_to_divide_by():
    assert quantized_activation_range(ActivationFunctionType.RELU6, 1e-45, -9, TensorType.INT8) == (-9, 127)
