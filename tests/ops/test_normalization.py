"""FAKE_QUANT and LOCAL_RESPONSE_NORMALIZATION against LiteRT's reference kernels."""

import numpy as np
import pytest

from jitlite.schemas.errors import InvalidModelError, UnsupportedError
from jitlite.schemas.ops.normalization import FAKE_QUANT, LOCAL_RESPONSE_NORMALIZATION
from jitlite.schemas.ops.spec import Call, infer
from jitlite.schemas.tables import FakeQuantOptions, LocalResponseNormalizationOptions, TensorType
from tests.ops.oracle import check, operand, result

T = TensorType


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 6.0), (-3.7, 0.4), (0.5, 2.0), (-4.0, -1.0), (-6.0, 0.0)])
def test_fake_quant(bits, low, high):
    x = operand(T.FLOAT32, (3, 5, 7), low=-7, high=7)
    check(FAKE_QUANT, FakeQuantOptions(min=low, max=high, num_bits=bits), [x], [result(T.FLOAT32)])


def test_fake_quant_of_halves_infinities_and_nan():
    values = np.array([0.5, 1.5, 2.5, 0.49999997, np.inf, -np.inf, np.nan, -0.0], np.float32)
    check(FAKE_QUANT, FakeQuantOptions(min=0, max=255, num_bits=8), [operand(T.FLOAT32, (8,))], [result(T.FLOAT32)], feeds=[values])


@pytest.mark.parametrize("shape", [(1, 2, 3, 7), (2, 1, 1, 1), (1, 1, 2, 64)])
@pytest.mark.parametrize("radius", [0, 1, 2, 5, 1000])
@pytest.mark.parametrize(("bias", "alpha", "beta"), [(1.0, 1e-2, 0.75), (2.0, 0.5, 1.0), (0.5, 4.0, 0.5)])
def test_local_response_normalization(shape, radius, bias, alpha, beta):
    options = LocalResponseNormalizationOptions(radius=radius, bias=bias, alpha=alpha, beta=beta)
    check(LOCAL_RESPONSE_NORMALIZATION, options, [operand(T.FLOAT32, shape, low=-10, high=10)], [result(T.FLOAT32)], tolerance=1e-5)


def test_windows_with_infinities():
    values = np.array([1, np.inf, 2, 3, np.nan, 4, 5, 6, 1e30, 7], np.float32).reshape(1, 1, 1, 10)
    options = LocalResponseNormalizationOptions(radius=2, bias=1, alpha=1, beta=0.5)
    check(LOCAL_RESPONSE_NORMALIZATION, options, [operand(T.FLOAT32, (1, 1, 1, 10))], [result(T.FLOAT32)], feeds=[values])


LRN = LocalResponseNormalizationOptions(radius=1, bias=1, alpha=1, beta=1)


@pytest.mark.parametrize(
    ("spec", "options", "input", "error", "message"),
    [
        (FAKE_QUANT, FakeQuantOptions(min=0, max=1, num_bits=8, narrow_range=True), operand(T.FLOAT32, (2,)), UnsupportedError, "narrow"),
        (FAKE_QUANT, FakeQuantOptions(min=0, max=1, num_bits=0), operand(T.FLOAT32, (2,)), InvalidModelError, "1 to 16 bits"),
        (FAKE_QUANT, FakeQuantOptions(min=0, max=1, num_bits=40), operand(T.FLOAT32, (2,)), InvalidModelError, "1 to 16 bits"),
        (FAKE_QUANT, FakeQuantOptions(min=1, max=1, num_bits=8), operand(T.FLOAT32, (2,)), InvalidModelError, "min < max"),
        (FAKE_QUANT, FakeQuantOptions(min=0, max=float("inf"), num_bits=8), operand(T.FLOAT32, (2,)), InvalidModelError, "finite"),
        (FAKE_QUANT, FakeQuantOptions(min=0, max=1, num_bits=8), operand(T.INT8, (2,)), InvalidModelError, "FLOAT32"),
        (LOCAL_RESPONSE_NORMALIZATION, LRN, operand(T.FLOAT32, (2, 3, 4)), InvalidModelError, "rank 4"),
        (LOCAL_RESPONSE_NORMALIZATION, LRN, operand(T.INT8, (1, 2, 3, 4)), InvalidModelError, "FLOAT32"),
    ],
)
def test_illegal_calls(spec, options, input, error, message):
    with pytest.raises(error, match=message):
        infer(Call(spec, options, (input.info(0),)))
