"""Activation functions and normalisations against LiteRT's reference kernels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.activation  # noqa: F401 - registers the bindings
from jitlite.schemas.dtypes import INTEGER_RANGE, numpy_dtype
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.ops import activation as ops
from jitlite.schemas.ops.spec import infer
from jitlite.schemas.tables import ActivationFunctionType, GeluOptions, L2NormOptions, LeakyReluOptions, SoftmaxOptions, TensorType
from jitlite.schemas.write import write_model
from tests.ops.oracle import OPTIMIZED, build, call, check, operand, result, run

T = TensorType
F32, I8, U8 = T.FLOAT32, T.INT8, T.UINT8


def every(type):
    return np.arange(256).astype(np.uint8).view(numpy_dtype(type))


def on(type, grid):
    """A grid given for INT8, for an 8-bit type."""
    return grid[0], grid[1] + 128 * (type is U8)


UNARY = [
    (ops.RELU, None, {}),
    (ops.RELU6, None, {}),
    (ops.RELU_N1_TO_1, None, {}),
    (ops.RELU_0_TO_1, None, {}),
    (ops.LEAKY_RELU, LeakyReluOptions(alpha=0.1), {}),
    (ops.ELU, None, {}),
    (ops.LOGISTIC, None, {}),
    (ops.TANH, None, {}),
    (ops.HARD_SWISH, None, {}),
    (ops.GELU, GeluOptions(), {}),
    (ops.GELU, GeluOptions(approximate=True), {}),
    (ops.SOFTMAX, SoftmaxOptions(beta=1.0), {"low": -30, "high": 30}),
    (ops.SOFTMAX, SoftmaxOptions(beta=0.3), {"low": -80, "high": 80}),
    (ops.LOG_SOFTMAX, None, {"low": -30, "high": 30}),
    (ops.L2_NORMALIZATION, L2NormOptions(), {}),
]


def special(spec, options):
    """Tolerances of what the reference computes roughly: LOGISTIC below -9 is exp x, GELU's tanh form and LOG_SOFTMAX are differences."""
    if spec is ops.ELU:
        return {"resolver": OPTIMIZED}
    if spec in (ops.LOGISTIC, ops.LOG_SOFTMAX):
        return {"floor": 0.2}
    return {"floor": 1.0} if getattr(options, "approximate", False) else {}


@pytest.mark.parametrize(("spec", "options", "limits"), UNARY, ids=lambda item: getattr(item, "name", None))
@pytest.mark.parametrize("shape", [(1,), (7, 1), (3, 37), (2, 3, 5, 7, 2), (0, 4)], ids=str)
def test_float(spec, options, limits, shape):
    check(spec, options, [operand(F32, shape, **limits)], [result(F32)], **special(spec, options))


def test_float_accuracy():
    """Every function on a dense range, where an approximation would show."""
    x = np.linspace(-12, 12, 24001, dtype=np.float32)
    for spec, options, _ in UNARY[:11]:
        check(spec, options, [operand(F32, x.shape)], [result(F32)], feeds=[x], **special(spec, options), threads=(1,))


def test_float_extremes():
    x = np.array([np.inf, -np.inf, np.nan, 1e30, -1e30, 100, -100, 1e-30, -1e-30, 0.0], np.float32)
    for spec, options, _ in UNARY[:11]:
        check(spec, options, [operand(F32, x.shape)], [result(F32)], feeds=[x], **special(spec, options), threads=(1,))


def test_rows_of_zeros_have_norm_zero():
    x = np.array([[0, 0, 0], [1e-8, 0, 0]], np.float32)
    check(ops.L2_NORMALIZATION, L2NormOptions(), [operand(F32, x.shape)], [result(F32)], feeds=[x])


PRELU_SHAPES = [((2, 3, 4), (4,)), ((2, 3, 4), (3, 1)), ((2, 3, 4), (2, 3, 4)), ((2, 3, 4), (1, 1, 1)), ((1, 5, 6, 7), (1, 1, 7))]


@pytest.mark.parametrize(("x", "alpha"), PRELU_SHAPES, ids=str)
def test_prelu(x, alpha):
    check(ops.PRELU, None, [operand(F32, x), operand(F32, alpha)], [result(F32)])
    for type in (I8, U8):
        inputs = [operand(type, x, *on(type, (0.1, 4))), operand(type, alpha, *on(type, (0.01, -9)))]
        check(ops.PRELU, None, inputs, [result(type, *on(type, (0.07, -20)))])


@settings(max_examples=30, deadline=None)
@given(scales=st.tuples(*[st.floats(2**-9, 0.5, width=32)] * 3), zero_points=st.tuples(*[st.integers(-128, 127)] * 3))
def test_prelu_of_every_pair_of_bytes(scales, zero_points):
    for type in (I8, U8):
        feeds = [values.reshape(-1) for values in np.meshgrid(every(type), every(type))]
        x, alpha, y = (on(type, grid) for grid in zip(scales, zero_points))
        inputs = [operand(type, (65536,), *x), operand(type, (65536,), *alpha)]
        check(ops.PRELU, None, inputs, [result(type, *y)], feeds=feeds, threads=(1,))


GRIDS = [((0.05, 3), (0.05, -3)), ((0.011, -100), (0.03, 7)), ((0.3, 20), (0.011, -128)), ((0.1, -128), (0.0625, 127))]


def types_of(spec):
    """The 8-bit types an operator takes."""
    return (I8,) if spec is ops.ELU else (I8, U8)


OWN_GRID = {ops.LOGISTIC: (1 / 256, -128), ops.TANH: (1 / 128, 0)}


@pytest.mark.parametrize("grids", GRIDS, ids=str)
@pytest.mark.parametrize(
    ("spec", "options"),
    [(spec, options) for spec, options, _ in UNARY[:11]] + [(ops.LEAKY_RELU, LeakyReluOptions(alpha=-0.7))],
    ids=lambda item: getattr(item, "name", None),
)
def test_every_byte(spec, options, grids):
    for type in types_of(spec):
        output = result(type, *on(type, OWN_GRID.get(spec, grids[1])))
        inputs = [operand(type, (256,), *on(type, grids[0]))]
        check(spec, options, inputs, [output], feeds=[every(type)], **special(spec, options))


@settings(max_examples=60, deadline=None)
@given(
    x_scale=st.floats(2**-12, 0.5, width=32),
    y_scale=st.floats(2**-8, 0.5, width=32),
    zero_points=st.tuples(st.integers(-128, 127), st.integers(-128, 127)),
)
def test_every_byte_on_any_grid(x_scale, y_scale, zero_points):
    for spec, options, _ in UNARY[:11]:
        # Where it shifts by more than 15 bits, the reference's HARD_SWISH is undefined.
        if spec is ops.HARD_SWISH and not 2**-8 < x_scale / y_scale < 2**7:
            continue
        for type in types_of(spec):
            output = result(type, *on(type, OWN_GRID.get(spec, (y_scale, zero_points[1]))))
            inputs = [operand(type, (256,), *on(type, (x_scale, zero_points[0])))]
            check(spec, options, inputs, [output], feeds=[every(type)], **special(spec, options), threads=(1,))


ROWS = [
    (ops.SOFTMAX, SoftmaxOptions(beta=1.0), (1 / 256, -128)),
    (ops.SOFTMAX, SoftmaxOptions(beta=2.5), (1 / 256, -128)),
    (ops.LOG_SOFTMAX, None, (16 / 256, 127)),
    (ops.L2_NORMALIZATION, L2NormOptions(), (1 / 128, 0)),
]


@pytest.mark.parametrize(
    "shape",
    [
        (5,),
        (4, 1),
        (3, 10),
        (37, 5),
        (64, 4),
        (100, 31),
        (150, 1),
        (70, 40),
        (200, 127),
        (90, 128),
        (2, 40),
        (3, 63),
        (2, 64),
        (2, 3, 120),
        (0, 3),
    ],
    ids=str,
)
@pytest.mark.parametrize("grid", [(0.1, 3), (0.003, -128), (0.9, 100), (0.02, 127)], ids=str)
@pytest.mark.parametrize(("spec", "options", "output"), ROWS, ids=lambda item: getattr(item, "name", None))
def test_rows_of_bytes(spec, options, output, grid, shape):
    for type in (I8, U8):
        check(spec, options, [operand(type, shape, *on(type, grid))], [result(type, *on(type, output))])


@pytest.mark.parametrize(("spec", "options", "output"), ROWS, ids=lambda item: getattr(item, "name", None))
def test_long_rows_of_bytes(spec, options, output):
    for type in (I8, U8):
        check(spec, options, [operand(type, (2, 1001), *on(type, (0.3, 7)))], [result(type, *on(type, output))])


def test_a_flat_int8_softmax_over_many_classes():
    """LiteRT's reference kernel aborts the process once the sum of exponentials passes 256."""
    x = np.zeros((1, 1000), np.int8)
    content = write_model(build(ops.SOFTMAX, SoftmaxOptions(beta=1.0), [operand(I8, x.shape, 0.1)], [result(I8, 1 / 256, -128)]))
    assert (run(content, [x])[0] == -128).all()


@settings(max_examples=30, deadline=None)
@given(scale=st.floats(2**-10, 1, width=32), depth=st.integers(1, 40), seed=st.integers(0, 1000))
def test_softmax_of_bytes_to_int16(scale, depth, seed):
    for type in (I8, U8):
        x = operand(type, (3, depth), scale, 5)
        check(ops.SOFTMAX, SoftmaxOptions(beta=1), [x], [result(T.INT16, 1 / 65536, -32768)], seed=seed)


@settings(max_examples=60, deadline=None)
@given(
    scale=st.floats(2**-12, 2, width=32),
    zero_point=st.integers(-128, 127),
    depth=st.one_of(st.integers(1, 40), st.integers(60, 140)),
    rows=st.sampled_from([6, 6, 40, 70]),
    low=st.integers(-128, 127),
    reach=st.integers(0, 255),
    seed=st.integers(0, 1000),
)
def test_rows_of_bytes_on_any_grid(scale, zero_point, depth, rows, low, reach, seed):
    for type in (I8, U8):
        least = on(type, (scale, low))[1]
        for spec, options, output in ROWS:
            x = operand(type, (rows, depth), *on(type, (scale, zero_point)), low=least, high=min(least + reach, INTEGER_RANGE[type][1]))
            check(spec, options, [x], [result(type, *on(type, output))], seed=seed, threads=(1,))


f4, x8 = operand(F32, (2, 4)), operand(I8, (2, 4), 0.5, 3)
INVALID = [
    (ops.RELU, None, [operand(T.INT32, (4,))], [result(T.INT32)], "must be one of FLOAT32.*, found INT32"),
    (ops.RELU, None, [x8], [result(I8)], "must be quantized, found no scale"),
    (ops.RELU, None, [f4], [result(I8, 0.5)], "must be FLOAT32, found INT8"),
    (ops.LEAKY_RELU, None, [f4], [result(F32)], "options LeakyReluOptions are required"),
    (ops.PRELU, None, [f4, operand(F32, (3, 2, 4))], [result(F32)], "must broadcast to the input's shape"),
    (ops.PRELU, None, [f4, x8], [result(F32)], "operand 'alpha' must be FLOAT32, found INT8"),
    (ops.LOGISTIC, None, [x8], [result(I8, 1 / 128, -128)], "must have scale 0.00390625, found 0.0078125"),
    (ops.HARD_SWISH, None, [x8], [result(I8, 0.5 / 128)], "input scale below 128 times the output's"),
    (ops.SOFTMAX, SoftmaxOptions(beta=1), [operand(F32, ())], [result(F32)], "at least 1 dimension"),
    (ops.SOFTMAX, SoftmaxOptions(beta=1), [x8], [result(I8, 1 / 256, 0)], "zero point -128, found 0"),
    (ops.SOFTMAX, SoftmaxOptions(beta=0), [x8], [result(I8, 1 / 256, -128)], "positive beta is required, found 0"),
    (ops.SOFTMAX, SoftmaxOptions(beta=1), [operand(I8, (4,), 2**-27)], [result(I8, 1 / 256, -128)], "scale · beta"),
    (ops.LOG_SOFTMAX, None, [x8], [result(I8, 1 / 16, -128)], "zero point 127, found -128"),
    (ops.LOG_SOFTMAX, None, [operand(I8, (4,), 2**-27)], [result(I8, 1 / 16, 127)], "scale · beta"),
    (ops.L2_NORMALIZATION, L2NormOptions(), [x8], [result(I8, 1 / 64)], "must have scale 0.0078125"),
    (
        ops.L2_NORMALIZATION,
        L2NormOptions(fused_activation_function=ActivationFunctionType.RELU),
        [f4],
        [result(F32)],
        "fused activation NONE is required, found RELU",
    ),
]


@pytest.mark.parametrize(("spec", "options", "inputs", "outputs", "message"), INVALID, ids=lambda item: getattr(item, "name", None))
def test_broken_rules_are_named(spec, options, inputs, outputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(call(spec, options, inputs, outputs))


VERSIONS = [
    (ops.RELU, f4, 1),
    (ops.RELU, x8, 2),
    (ops.RELU, operand(T.INT16, (4,), 1), 3),
    (ops.RELU6, operand(T.UINT8, (4,), 1), 1),
    (ops.RELU_N1_TO_1, x8, 1),
    (ops.LEAKY_RELU, operand(T.INT16, (4,), 1), 2),
    (ops.TANH, x8, 2),
    (ops.LOGISTIC, operand(T.INT16, (4,), 1), 3),
    (ops.SOFTMAX, operand(T.FLOAT16, (4,)), 4),
    (ops.LOG_SOFTMAX, x8, 2),
    (ops.GELU, x8, 2),
    (ops.HARD_SWISH, x8, 1),
    (ops.L2_NORMALIZATION, x8, 2),
]


@pytest.mark.parametrize(("spec", "x", "version"), VERSIONS, ids=lambda item: getattr(item, "name", None))
def test_versions(spec, x, version):
    assert spec.version(call(spec, None, [x])) == version
    assert version <= spec.max_version
