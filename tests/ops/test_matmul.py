import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.matmul  # noqa: F401 - fills the registry
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.ops.matmul import BATCH_MATMUL, FULLY_CONNECTED
from jitlite.schemas.ops.spec import infer
from jitlite.schemas.tables import (
    ActivationFunctionType,
    BatchMatMulOptions,
    FullyConnectedOptions,
    TensorType,
)
from jitlite.schemas.write import write_model
from tests.ops.oracle import build, call, check, operand, result, run

T = TensorType
NONE, RELU, RELU6, RELU_N1_TO_1 = (ActivationFunctionType[name] for name in ("NONE", "RELU", "RELU6", "RELU_N1_TO_1"))
FLOAT = {"tolerance": 1e-5, "floor": 2.0}
Y = [result(T.FLOAT32)]


def activations(*shape):
    return operand(T.FLOAT32, shape, low=-2, high=2)


def floats(*shape, seed=1):
    return operand(T.FLOAT32, shape, value=np.random.default_rng(seed).normal(0, 0.5, shape))


def weights(*shape, per_channel=True, zero_point=0, seed=2):
    rng = np.random.default_rng(seed)
    scale = rng.uniform(0.004, 0.02, shape[0]) if per_channel else 0.01
    return operand(T.INT8, shape, scale, zero_point, value=rng.choice([-127, 127, 0, 1, -1, -50, 77, 3], shape))


def biases(count, scale=None, seed=3):
    return operand(T.INT32, (count,), scale, value=np.random.default_rng(seed).integers(-3000, 3000, count))


def rows(*shape, zero_point=5):
    return operand(T.INT8, shape, 0.03, zero_point)


def fc(activation=NONE, keep_num_dims=False, asymmetric=False):
    return FullyConnectedOptions(fused_activation_function=activation, keep_num_dims=keep_num_dims, asymmetric_quantize_inputs=asymmetric)


PRODUCTS = [
    pytest.param((1, 1), (1, 1), fc(), id="1x1"),
    pytest.param((1, 64), (10, 64), fc(), id="one row"),
    pytest.param((1, 9), (70, 9), fc(RELU), id="one row, several panels"),
    pytest.param((5, 7), (16, 7), fc(RELU6), id="fewer rows than a tile"),
    pytest.param((6, 7), (16, 7), fc(RELU_N1_TO_1), id="one tile"),
    pytest.param((13, 33), (37, 33), fc(), id="odd sizes"),
    pytest.param((2, 3, 2, 6), (5, 12), fc(), id="flattened"),
    pytest.param((2, 3, 6), (5, 6), fc(keep_num_dims=True), id="kept dimensions"),
]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("x", "w", "options"), PRODUCTS)
def test_fully_connected(x, w, options, bias):
    operands = [activations(*x), floats(*w), floats(w[0], seed=3) if bias else None]
    check(FULLY_CONNECTED, options, operands, Y, **FLOAT, threads=(1, 2, 7))


@pytest.mark.parametrize("constants", [(), (1,), (2,)])
def test_fully_connected_with_weights_computed_at_run_time(constants):
    shapes = [(7, 9), (21, 9), (21,)]
    operands = [floats(*shape) if index in constants else activations(*shape) for index, shape in enumerate(shapes)]
    check(FULLY_CONNECTED, fc(), operands, Y, **FLOAT, threads=(1, 2, 7))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize(("x", "w", "options"), PRODUCTS)
def test_fully_connected_int8(x, w, options, per_channel, bias):
    operands = [rows(*x), weights(*w, per_channel=per_channel), biases(w[0], 0.0003) if bias else None]
    check(FULLY_CONNECTED, options, operands, [result(T.INT8, 0.07, -9)], threads=(1, 2, 7))


@pytest.mark.parametrize("zero_point", [-128, -3, 127])
@pytest.mark.parametrize("is_constant", [True, False])
def test_fully_connected_int8_with_a_weight_zero_point(is_constant, zero_point):
    w = weights(19, 33, per_channel=False, zero_point=zero_point)
    if not is_constant:
        w = operand(T.INT8, w.shape, 0.01, zero_point)
    check(FULLY_CONNECTED, fc(RELU), [rows(8, 33), w, biases(19, 0.0003)], [result(T.INT8, 0.3, -9)], threads=(1, 2, 7))


@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize(("x", "w", "options"), PRODUCTS)
def test_fully_connected_of_floats_with_int8_weights(x, w, options, per_channel, asymmetric):
    options = options.copy(asymmetric_quantize_inputs=asymmetric)
    operands = [activations(*x), weights(*w, per_channel=per_channel), floats(w[0], seed=3)]
    check(FULLY_CONNECTED, options, operands, Y, **FLOAT, threads=(1, 2, 7))


@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize("row", [[0, 0, 0], [5, 0, 1], [-5, 0, -1], [1e-30, 0, 0], [-1, 0.5, 0.25]])
def test_quantization_of_unusual_rows(row, asymmetric):
    feed = np.array([row, [1, 2, 3]], np.float32)
    check(FULLY_CONNECTED, fc(asymmetric=asymmetric), [activations(2, 3), weights(4, 3), floats(4)], Y, feeds=[feed], tolerance=1e-5)


def test_requantization_of_every_magnitude():
    """Biases alone as sums: INT32 extremes and halves, with multipliers that shift left and right by up to 31 bits."""
    units = 1200
    rng = np.random.default_rng(5)
    exponents = rng.integers(-34, 12, units)
    scale = np.ldexp(rng.choice([0.5, 0.75, 0.999999, 0.500001, 0.6180339], units), exponents)
    magnitude = rng.integers(0, 31, units)
    bias = rng.choice([-1, 1], units) * (np.int64(1) << magnitude) + rng.integers(-1, 2, units)
    bias = np.clip(np.where(exponents > 0, bias >> exponents.clip(0), bias), -(2**31), 2**31 - 1)
    w = operand(T.INT8, (units, 1), scale, value=np.ones((units, 1)))
    x = operand(T.INT8, (1, 1), 1.0, 0)
    for value in (0, 1, -1):
        check(
            FULLY_CONNECTED,
            fc(),
            [x, w, operand(T.INT32, (units,), value=bias)],
            [result(T.INT8, 1.0, 3)],
            feeds=[np.array([[value]], np.int8)],
        )


def narrow_weights(type, *shape, per_channel=True):
    """Packed weights of 4 or 2 bits."""
    size = -(-int(np.prod(shape)) * {T.INT4: 4, T.INT2: 2}[type] // 8)
    scale = np.linspace(0.01, 0.03, shape[0]) if per_channel else 0.02
    return operand(type, shape, scale, value=np.random.default_rng(4).integers(0, 256, size, np.uint8))


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("type", [T.INT4, T.INT2])
@pytest.mark.parametrize(("depth", "units"), [(8, 5), (7, 3), (64, 33)])
def test_fully_connected_int8_with_narrow_weights(type, depth, units, per_channel):
    w = narrow_weights(type, units, depth, per_channel=per_channel)
    check(FULLY_CONNECTED, fc(), [rows(3, depth), w, biases(units)], [result(T.INT8, 0.05, -4)])


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("type", [T.INT4, T.INT2])
@pytest.mark.parametrize(("depth", "units"), [(8, 5), (64, 33)])
def test_fully_connected_of_floats_with_narrow_weights(type, depth, units, per_channel):
    w = narrow_weights(type, units, depth, per_channel=per_channel)
    check(FULLY_CONNECTED, fc(), [activations(3, depth), w, floats(units)], Y, tolerance=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 20), st.integers(1, 50), st.integers(1, 70), st.integers(1, 9), st.integers(-128, 127))
def test_any_fully_connected(height, depth, units, threads, zero_point):
    w, bias = floats(units, depth), floats(units, seed=3)
    check(FULLY_CONNECTED, fc(), [activations(height, depth), w, bias], Y, **FLOAT, threads=(1, threads))
    operands = [rows(height, depth, zero_point=zero_point), weights(units, depth), biases(units)]
    check(FULLY_CONNECTED, fc(), operands, [result(T.INT8, 0.05, 2)], threads=(1, threads))


BATCHES = [((), ()), ((3,), (3,)), ((3,), ()), ((), (3,)), ((2, 3), (2, 3)), ((2, 1), (3,)), ((1, 3), (2, 1)), ((2, 1, 2), (1, 3, 1))]


def sides(batches, adj_x, adj_y, height=7, depth=9, columns=18):
    left, right = batches
    return left + ((depth, height) if adj_x else (height, depth)), right + ((columns, depth) if adj_y else (depth, columns))


@pytest.mark.parametrize("adj_y", [False, True])
@pytest.mark.parametrize("adj_x", [False, True])
@pytest.mark.parametrize("batches", BATCHES, ids=str)
def test_batch_matmul(batches, adj_x, adj_y):
    options = BatchMatMulOptions(adj_x=adj_x, adj_y=adj_y)
    left, right = sides(batches, adj_x, adj_y)
    check(BATCH_MATMUL, options, [activations(*left), activations(*right)], Y, **FLOAT, threads=(1, 2, 7))
    check(BATCH_MATMUL, options, [activations(*left), floats(*right)], Y, **FLOAT)


@pytest.mark.parametrize("adj", [False, True])
@pytest.mark.parametrize("batches", BATCHES, ids=str)
def test_outer_products(batches, adj):
    left, right = sides(batches, adj, adj, 31, 1, 2)
    options = BatchMatMulOptions(adj_x=adj, adj_y=adj)
    check(BATCH_MATMUL, options, [activations(*left), activations(*right)], Y, **FLOAT, threads=(1, 2, 7))
    for columns in (1, 2, 16, 23):
        left, right = sides(batches, adj, adj, 71, 1, columns)
        quantized = [rows(*left), operand(T.INT8, right, 0.02, -11)]
        check(BATCH_MATMUL, options, quantized, [result(T.INT8, 0.05, 4)], threads=(1, 3))


@pytest.mark.parametrize("adj_y", [False, True])
@pytest.mark.parametrize("adj_x", [False, True])
@pytest.mark.parametrize("batches", BATCHES, ids=str)
def test_batch_matmul_int8(batches, adj_x, adj_y):
    options = BatchMatMulOptions(adj_x=adj_x, adj_y=adj_y)
    left, right = sides(batches, adj_x, adj_y)
    x, w = rows(*left), operand(T.INT8, right, 0.02, -11)
    check(BATCH_MATMUL, options, [x, w], [result(T.INT8, 0.05, 4)], threads=(1, 2, 7))
    constant = operand(T.INT8, right, 0.02, -11, value=np.random.default_rng(0).integers(-128, 128, right))
    check(BATCH_MATMUL, options, [x, constant], [result(T.INT8, 0.05, 4)])
    check(BATCH_MATMUL, options, [x, w], [result(T.INT32)])


@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize("adj_y", [False, True])
@pytest.mark.parametrize("adj_x", [False, True])
@pytest.mark.parametrize("batches", [((), ()), ((3,), (3,)), ((3,), ()), ((), (3,))], ids=str)
def test_batch_matmul_of_floats_with_int8(batches, adj_x, adj_y, asymmetric):
    options = BatchMatMulOptions(adj_x=adj_x, adj_y=adj_y, asymmetric_quantize_inputs=asymmetric)
    left, right = sides(batches, adj_x, adj_y)
    check(BATCH_MATMUL, options, [activations(*left), weights(*right, per_channel=False)], Y, **FLOAT)


def test_batch_matmul_of_floats_with_int8_over_two_batch_dimensions():
    """The reference takes the row scales of other batches here, so the expected values are computed from the definition."""
    left, right = (2, 3, 4, 8), (2, 3, 8, 5)
    w = weights(*right, per_channel=False)
    x = np.random.default_rng(4).normal(size=left).astype(np.float32)
    content = write_model(build(BATCH_MATMUL, BatchMatMulOptions(), [activations(*left), w], Y))
    found = run(content, [x])[0]
    scale = np.abs(x).max(-1, keepdims=True) / np.float32(127)
    expected = np.rint(x / scale).astype(np.int64) @ w.value.astype(np.int64) * scale * np.float32(0.01)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


X, W, B = activations(6, 8), floats(5, 8), floats(5)
QX, QW, QB = rows(6, 8), weights(5, 8), biases(5)


@pytest.mark.parametrize(
    ("options", "inputs", "outputs", "message"),
    [
        (fc(), [X, floats(8), B], [], "'weights': rank 2"),
        (fc(), [X, floats(0, 8), B], [], "'weights': dimensions of at least 1"),
        (fc(), [X, floats(5, 0), B], [], "'weights': dimensions of at least 1"),
        (fc(), [X, floats(5, 7), B], [], "input elements divisible by the weights' depth 7 are required"),
        (fc(keep_num_dims=True), [activations(4, 6), floats(5, 8), B], [], "a last dimension of 8 is required, found 6"),
        (fc(keep_num_dims=True), [activations(), floats(5, 1), B], [], "found a scalar"),
        (fc(), [X, W, floats(4)], [], "a bias of 5 elements"),
        (fc(), [X, W, QB], [], "a bias of type FLOAT32"),
        (fc(), [QX, QW, B], [], "a bias of type INT32"),
        (fc(), [QX, W, B], [], "found INT8 with FLOAT32"),
        (fc(), [operand(T.INT8, (6, 8)), QW, QB], [], "'input': 1 quantization scale"),
        (fc(), [QX, operand(T.INT8, (5, 8), [0.1] * 4), QB], [], "1 or 5 quantization scale"),
        (fc(), [QX, operand(T.INT8, (5, 8), [0.1] * 5, axis=1), QB], [], "scales along dimension 0"),
        (fc(), [X, weights(5, 8, per_channel=False, zero_point=2), B], [], "a zero point of 0 is required, found 2"),
        (
            fc(),
            [QX, weights(5, 8, per_channel=False), biases(5, 0.5)],
            [result(T.INT8, 0.1)],
            "a bias scale of 0.0003 is required, found 0.5",
        ),
        (fc(), [X], [], "2 to 3 operands are required, found 1"),
    ],
)
def test_fully_connected_refuses(options, inputs, outputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(call(FULLY_CONNECTED, options, inputs, outputs))


@pytest.mark.parametrize(
    ("options", "inputs", "message"),
    [
        (BatchMatMulOptions(), [activations(8), activations(8, 4)], "'lhs': rank 2 to 5"),
        (BatchMatMulOptions(), [activations(3, 8), activations(1, 1, 1, 1, 8, 4)], "'rhs': rank 2 to 5"),
        (BatchMatMulOptions(), [activations(3, 8), activations(7, 4)], "matching inner dimensions are required, found 8 and 7"),
        (BatchMatMulOptions(adj_y=True), [activations(3, 8), activations(8, 4)], "found 8 and 4"),
        (BatchMatMulOptions(), [activations(2, 3, 8), activations(3, 8, 4)], r"shapes that broadcast are required, found \[2\] and \[3\]"),
        (BatchMatMulOptions(), [activations(3, 0), activations(0, 4)], "dimensions of at least 1"),
        (BatchMatMulOptions(), [activations(3, 8), operand(T.INT16, (8, 4), 0.1)], "found FLOAT32 with INT16"),
        (BatchMatMulOptions(), [rows(3, 8), operand(T.INT8, (8, 4))], "'rhs': 1 quantization scale"),
    ],
)
def test_batch_matmul_refuses(options, inputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(call(BATCH_MATMUL, options, inputs))


S = operand(T.INT16, (6, 8), 0.1)


@pytest.mark.parametrize(
    ("spec", "options", "inputs", "version"),
    [
        (FULLY_CONNECTED, fc(), [X, W, B], 1),
        (FULLY_CONNECTED, fc(), [X, W, None], 1),
        (FULLY_CONNECTED, fc(), [X, weights(5, 8, per_channel=False), B], 3),
        (FULLY_CONNECTED, fc(), [QX, QW, QB], 4),
        (FULLY_CONNECTED, fc(keep_num_dims=True), [X, W, B], 5),
        (FULLY_CONNECTED, fc(), [X, W], 6),
        (FULLY_CONNECTED, fc(), [S, operand(T.INT16, (5, 8), 0.1), QB], 7),
        (FULLY_CONNECTED, fc(asymmetric=True), [X, weights(5, 8, per_channel=False), B], 9),
        (FULLY_CONNECTED, fc(), [QX, operand(T.INT4, (5, 8), 0.1), QB], 10),
        (FULLY_CONNECTED, FullyConnectedOptions(quantized_bias_type=T.INT32), [S, QW, QB], 11),
        (FULLY_CONNECTED, fc(), [X, QW, B], 12),
        (FULLY_CONNECTED, fc(), [S, operand(T.INT4, (5, 8), 0.1), QB], 13),
        (FULLY_CONNECTED, fc(), [QX, operand(T.INT2, (5, 8), 0.1), QB], 14),
        (BATCH_MATMUL, BatchMatMulOptions(), [X, activations(8, 4)], 1),
        (BATCH_MATMUL, BatchMatMulOptions(), [QX, rows(8, 4)], 2),
        (BATCH_MATMUL, BatchMatMulOptions(), [S, operand(T.INT16, (8, 4), 0.1)], 3),
        (BATCH_MATMUL, BatchMatMulOptions(asymmetric_quantize_inputs=True), [X, rows(8, 4, zero_point=0)], 4),
    ],
)
def test_versions(spec, options, inputs, version):
    assert spec.version(call(spec, options, inputs)) == version


@pytest.mark.parametrize(
    ("spec", "options", "inputs", "output"),
    [
        (FULLY_CONNECTED, fc(), [activations(0, 8), W, B], result(T.FLOAT32)),
        (FULLY_CONNECTED, fc(), [rows(0, 8), QW, QB], result(T.INT8, 0.1)),
        (FULLY_CONNECTED, fc(), [activations(0, 8), QW, B], result(T.FLOAT32)),
        (BATCH_MATMUL, BatchMatMulOptions(), [activations(0, 3, 8), activations(0, 8, 4)], result(T.FLOAT32)),
    ],
)
def test_no_rows(spec, options, inputs, output):
    assert check(spec, options, inputs, [output])[0].size == 0
