"""FULLY_CONNECTED of bytes with INT16 results."""

import numpy as np
import pytest

from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.ops.matmul import FULLY_CONNECTED
from jitlite.schemas.ops.spec import infer
from jitlite.schemas.tables import ActivationFunctionType, FullyConnectedOptions, FullyConnectedOptionsWeightsFormat, TensorType
from tests.ops.oracle import call, check, operand, result

T = TensorType
A = ActivationFunctionType
SHUFFLED = FullyConnectedOptionsWeightsFormat.SHUFFLED4x16INT8


def operands(rows, units, depth, x_zero_point=128, w_zero_point=128):
    rng = np.random.default_rng(3)
    x = operand(T.UINT8, (rows, depth), 0.05, x_zero_point)
    w = operand(T.UINT8, (units, depth), 0.02, w_zero_point, value=rng.integers(0, 256, (units, depth)))
    return [x, w, operand(T.INT32, (units,), 0.05 * 0.02, value=rng.integers(-9000, 9000, units))]


@pytest.mark.parametrize("activation", [A.NONE, A.RELU, A.RELU6])
@pytest.mark.parametrize(("rows", "units", "depth"), [(1, 3, 5), (6, 33, 70)])
@pytest.mark.parametrize("scale", [0.005, 2.0**-12])
def test_products(activation, rows, units, depth, scale):
    options = FullyConnectedOptions(fused_activation_function=activation)
    check(FULLY_CONNECTED, options, operands(rows, units, depth, 120, 100), [result(T.INT16, scale)])


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize(("units", "depth"), [(4, 16), (12, 48)])
@pytest.mark.parametrize("scale", [0.005, 2.0**-12])
def test_shuffled_weights(rows, units, depth, scale):
    outputs = [result(T.INT16, scale), result(T.UINT8, 0.05, 128)]
    check(FULLY_CONNECTED, FullyConnectedOptions(weights_format=SHUFFLED), operands(rows, units, depth), outputs)


@pytest.mark.parametrize(
    ("sizes", "outputs", "message"),
    [
        ((1, 6, 16), 2, r"weights of whole blocks of 4 x 16 are required, found \[6, 16\]"),
        ((1, 4, 24), 2, r"weights of whole blocks of 4 x 16 are required, found \[4, 24\]"),
        ((3, 4, 16), 2, r"1 or 4 rows of 16 are required, found shape \[3, 16\]"),
        ((1, 4, 16), 1, "2 results are required for shuffled weights, found 1"),
    ],
)
def test_broken_rules_of_shuffled_weights_are_named(sizes, outputs, message):
    results = [result(T.INT16, 0.005), result(T.UINT8, 0.05, 128)][:outputs]
    with pytest.raises(InvalidModelError, match=message):
        infer(call(FULLY_CONNECTED, FullyConnectedOptions(weights_format=SHUFFLED), operands(*sizes), results))


def test_shuffled_weights_are_bytes():
    inputs = [operand(T.FLOAT32, (1, 16)), operand(T.FLOAT32, (4, 16)), operand(T.FLOAT32, (4,))]
    with pytest.raises(InvalidModelError, match="UINT8 operands and INT16 results are required"):
        infer(call(FULLY_CONNECTED, FullyConnectedOptions(weights_format=SHUFFLED), inputs, [result(T.FLOAT32)]))
