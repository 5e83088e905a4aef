"""Functions of INT16 operands."""

import numpy as np
import pytest

from jitlite.interpreter.binding.interpolation import values
from jitlite.schemas.ops import activation as ops
from jitlite.schemas.ops.elementwise import ABS, EXP, LOG, RSQRT, SQRT
from jitlite.schemas.tables import AbsOptions, ExpOptions, GeluOptions, LeakyReluOptions, SoftmaxOptions, TensorType
from tests.ops.oracle import OPTIMIZED, REFERENCE, check, operand, result

T = TensorType
EVERY = values().astype(np.int16).reshape(256, 256)
POSITIVE = np.arange(2**15, dtype=np.int16)


def check_all(spec, options, scale, y_scale, feed=EVERY, resolver=REFERENCE):
    check(spec, options, [operand(T.INT16, feed.shape, scale)], [result(T.INT16, y_scale)], feeds=[feed], resolver=resolver)


@pytest.mark.parametrize("scale", [2.0**-12, 2.0**-11, 0.0003, 0.01, 1.5, 1e-6])
def test_logistic_and_tanh(scale):
    check_all(ops.LOGISTIC, None, scale, 2.0**-15)
    check_all(ops.TANH, None, scale, 2.0**-15)


@pytest.mark.parametrize(("scale", "y_scale"), [(0.001, 0.001), (0.001, 0.0004), (0.0005, 0.01)])
def test_clamps(scale, y_scale):
    check_all(ops.RELU, None, scale, y_scale)
    check_all(ops.RELU6, None, scale, y_scale)
    check_all(ops.LEAKY_RELU, LeakyReluOptions(alpha=0.3), scale, y_scale)
    check_all(ops.LEAKY_RELU, LeakyReluOptions(alpha=-1.5), scale, y_scale)
    check_all(ABS, AbsOptions(), scale, y_scale)


def test_plain_absolute_values():
    x = operand(T.INT16, EVERY.shape)
    check(ABS, AbsOptions(), [x], [result(T.INT16)], feeds=[EVERY], resolver=OPTIMIZED)


@pytest.mark.parametrize("approximate", [False, True])
def test_gelu(approximate):
    check_all(ops.GELU, GeluOptions(approximate=approximate), 0.0002, 0.0002, resolver=OPTIMIZED)


@pytest.mark.parametrize(("scale", "y_scale"), [(0.0002, 0.02), (0.0001, 0.001)])
def test_exp(scale, y_scale):
    check_all(EXP, ExpOptions(), scale, y_scale)


@pytest.mark.parametrize(("scale", "y_scale"), [(0.0002, 0.0003), (0.01, 0.001)])
def test_log_and_roots(scale, y_scale):
    check_all(LOG, None, scale, y_scale)
    check_all(SQRT, None, scale, y_scale, feed=POSITIVE)
    check_all(RSQRT, None, scale, y_scale, feed=POSITIVE)


@pytest.mark.parametrize("scale", [0.0001, 0.0003, 0.01])
@pytest.mark.parametrize("shape", [(4, 10), (3, 1), (2, 5, 300), (1, 1500)])
@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_softmax(scale, shape, beta):
    x = operand(T.INT16, shape, scale, low=-32768, high=32767)
    check(ops.SOFTMAX, SoftmaxOptions(beta=beta), [x], [result(T.INT16, 2.0**-15)])
