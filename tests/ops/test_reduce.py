import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.reduce  # noqa: F401 - fills the registry
from jitlite.interpreter import Interpreter, OpResolverType
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.ops.reduce import (
    ARG_MAX,
    ARG_MIN,
    CUMSUM,
    MEAN,
    REDUCE_ALL,
    REDUCE_ANY,
    REDUCE_MAX,
    REDUCE_MIN,
    REDUCE_PROD,
    SUM,
)
from jitlite.schemas.ops.spec import Call, NeedsValue, infer
from jitlite.schemas.tables import ArgMaxOptions, ArgMinOptions, CumsumOptions, ReducerOptions, TensorType
from jitlite.schemas.write import write_model
from tests.ops.oracle import OPTIMIZED, build, call, check, constant, like, operand, random_values, reference, result, run

T = TensorType

AXES = [
    ((6,), (0,)),
    ((3, 5), (0,)),
    ((3, 5), (1,)),
    ((3, 5), (0, 1)),
    ((3, 5), (-1, -1)),
    ((2, 7, 7, 5), (1, 2)),
    ((2, 3, 4, 5), (3,)),
    ((2, 3, 4, 5), (0, 2)),
    ((2, 3, 4, 5), (1, 3)),
    ((2, 3, 4, 5), (0, 1, 2, 3)),
    ((2, 1, 4, 5), (1,)),
    ((2, 3, 2, 3, 2), (0, 2, 4)),
    ((1, 70, 3), (1,)),
    ((2, 70), (1,)),
    ((2, 3), ()),
]
NUMBERS = [T.FLOAT32, T.INT32, T.INT64]


def axes_of(*axes):
    return constant(np.array(axes, np.int32))


@pytest.mark.parametrize("keep_dims", [False, True])
@pytest.mark.parametrize("spec", [SUM, MEAN, REDUCE_MAX, REDUCE_MIN])
@pytest.mark.parametrize("type", NUMBERS)
@pytest.mark.parametrize(("shape", "axes"), AXES)
def test_reductions_of_numbers(spec, type, shape, axes, keep_dims):
    # Elements of one sign: where sums cancel, the order of additions decides the last digits.
    x = operand(type, shape, low=0, high=8) if type is T.FLOAT32 else operand(type, shape)
    check(spec, ReducerOptions(keep_dims=keep_dims), [x, axes_of(*axes)], [like(x)], tolerance=1e-5)


@pytest.mark.parametrize("type", NUMBERS)
@pytest.mark.parametrize(("shape", "axes"), AXES)
def test_products(type, shape, axes):
    x = operand(type, shape, low=1, high=3)
    check(REDUCE_PROD, ReducerOptions(), [x, axes_of(*axes)], [like(x)], tolerance=1e-5)


@pytest.mark.parametrize("spec", [REDUCE_ANY, REDUCE_ALL])
@pytest.mark.parametrize(("shape", "axes"), AXES)
def test_logical_reductions(spec, shape, axes):
    x = operand(T.BOOL, shape)
    check(spec, ReducerOptions(), [x, axes_of(*axes)], [like(x)])


@pytest.mark.parametrize("spec", [REDUCE_MAX, REDUCE_MIN])
@pytest.mark.parametrize("type", [T.INT8, T.UINT8, T.INT16])
@pytest.mark.parametrize(("shape", "axes"), AXES)
def test_quantized_extremes(spec, type, shape, axes):
    x = operand(type, shape, 0.25, 0 if type is T.INT16 else 3)
    check(spec, ReducerOptions(), [x, axes_of(*axes)], [like(x)])


WIDE = [
    ((1, 300, 1, 33), (1,)),
    ((2, 700, 70), (1,)),
    ((2, 3, 5, 2, 150), (1, 3)),
    ((1100, 17), (0,)),
    ((600, 300), (0,)),
    ((2, 1, 3, 64), (1, 2)),
    ((3, 5000), (1,)),
    ((2, 3, 4, 100), (1, 3)),
    ((40, 23), (1,)),
    ((1, 77, 96, 8), (1, 2)),
    ((2, 700, 24), (1,)),
    ((4200, 3), (0,)),
    ((3, 96, 40), (0, 1)),
    ((2, 5, 3, 31, 45), (1, 3)),
    ((70000,), (0,)),
]


@pytest.mark.parametrize("type", [T.INT8, T.UINT8])
@pytest.mark.parametrize(("shape", "axes"), WIDE)
def test_many_bytes(type, shape, axes):
    """More than vectors hold, and sums of extremes, which leave 16 bits as soon as they can."""
    x = operand(type, shape, 0.25, 3)
    edges = [np.full(shape, edge) for edge in (np.iinfo(type.name.lower()).min, np.iinfo(type.name.lower()).max)]
    for feeds in (None, *([edge.astype(type.name.lower())] for edge in edges)):
        y = like(x, None, 0.25 if feeds is None else 0.26, 5)
        check(MEAN, ReducerOptions(), [x, axes_of(*axes)], [y], feeds=feeds, threads=(1, 2, 3))
        for spec in (REDUCE_MAX, REDUCE_MIN):
            check(spec, ReducerOptions(), [x, axes_of(*axes)], [like(x)], feeds=feeds, threads=(1, 2, 3))


SCALES = [(0.5, -3, 0.5, -3), (0.5, 7, 0.123, -20), (0.02, -128, 0.7, 11), (1.0, 0, 0.25, 0)]


@pytest.mark.parametrize("keep_dims", [False, True])
@pytest.mark.parametrize(("scale", "zero_point", "y_scale", "y_zero_point"), SCALES)
@pytest.mark.parametrize(("shape", "axes"), [*AXES, ((1, 64, 64, 3), (1, 2)), ((1, 3, 300), (2,))])
def test_quantized_means(shape, axes, scale, zero_point, y_scale, y_zero_point, keep_dims):
    x = operand(T.INT8, shape, scale, zero_point)
    check(MEAN, ReducerOptions(keep_dims=keep_dims), [x, axes_of(*axes)], [like(x, None, y_scale, y_zero_point)])


@pytest.mark.parametrize("spec", [MEAN, SUM])
@pytest.mark.parametrize(("scale", "zero_point", "y_scale", "y_zero_point"), [(0.5, 3, 0.5, 3), (0.1, 128, 0.73, 11), (0.25, 0, 2.5, 200)])
@pytest.mark.parametrize(("shape", "axes"), AXES)
def test_quantized_uint8_sums(spec, shape, axes, scale, zero_point, y_scale, y_zero_point):
    x = operand(T.UINT8, shape, scale, zero_point)
    check(spec, ReducerOptions(), [x, axes_of(*axes)], [like(x, None, y_scale, y_zero_point)])


@pytest.mark.parametrize(("scale", "y_scale"), [(0.001, 0.001), (0.001, 0.0007), (0.02, 0.5)])
@pytest.mark.parametrize(("shape", "axes"), AXES)
def test_quantized_int16_means(shape, axes, scale, y_scale):
    x = operand(T.INT16, shape, scale)
    check(MEAN, ReducerOptions(), [x, axes_of(*axes)], [like(x, None, y_scale)])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_quantized_means_of_any_shape(data):
    shape = data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=5))
    axes = data.draw(st.lists(st.integers(-len(shape), len(shape) - 1), max_size=3))
    x = operand(T.INT8, shape, data.draw(st.floats(0.01, 2)), data.draw(st.integers(-128, 127)))
    y = like(x, None, data.draw(st.floats(0.01, 2)), data.draw(st.integers(-128, 127)))
    check(MEAN, ReducerOptions(), [x, axes_of(*axes)], [y], seed=data.draw(st.integers(0, 99)))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_reductions_of_any_shape(data):
    shape = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=6))
    axes = data.draw(st.lists(st.integers(-len(shape), len(shape) - 1), max_size=4))
    x = operand(T.INT32, shape)
    check(SUM, ReducerOptions(keep_dims=data.draw(st.booleans())), [x, axes_of(*axes)], [like(x)])


@pytest.mark.parametrize(("type", "low", "high"), [(T.INT8, -128, 127), (T.INT16, -(2**15), 2**15 - 1)])
@pytest.mark.parametrize(("scale", "y_scale", "y_zero_point"), [(0.05, 0.9, 9), (0.02, 0.3, 0), (0.1, 20.0, -20)])
@pytest.mark.parametrize(("shape", "axes"), AXES)
def test_signed_sums_are_the_rounded_real_sums(type, low, high, scale, y_scale, y_zero_point, shape, axes):
    """The reference set reads signed elements as unsigned ones, and the optimized set computes in floats."""
    zero_point, y_zero_point = (-7, y_zero_point) if type is T.INT8 else (0, 0)
    x = operand(type, shape, scale, zero_point)
    values = random_values(x, np.random.default_rng(0))
    model = build(SUM, ReducerOptions(), [x, axes_of(*axes)], [like(x, None, y_scale, y_zero_point)])
    found = run(write_model(model), [values])[0]
    centred = values.astype(np.float64) - zero_point
    sums = centred.sum(tuple({axis % len(shape) for axis in axes}))
    expected = np.clip(sums * np.float32(scale) / np.float32(y_scale) + y_zero_point, low, high)
    # The multiplication and the shift round one after the other.
    assert np.abs(found - expected).max() <= 0.5 + 1 / 16


@pytest.mark.parametrize(("scale", "y_scale", "y_zero_point"), [(0.05, 0.9, 9), (0.02, 0.3, 0), (0.1, 20.0, -20)])
@pytest.mark.parametrize(("shape", "axes"), AXES)
def test_sums_of_int8_are_the_reference_s_on_request(scale, y_scale, y_zero_point, shape, axes):
    x = operand(T.INT8, shape, scale, -7)
    values = random_values(x, np.random.default_rng(0))
    model = write_model(build(SUM, ReducerOptions(), [x, axes_of(*axes)], [like(x, None, y_scale, y_zero_point)]))
    interpreter = Interpreter(model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_array_equal(found, reference(model, [values])[0])


@pytest.mark.parametrize("type", [T.INT8, T.INT16])
@pytest.mark.parametrize(("scale", "y_scale"), [(0.1, 0.3), (0.5, 0.5), (0.05, 0.01)])
@pytest.mark.parametrize(("shape", "axes"), AXES)
def test_quantized_products(type, scale, y_scale, shape, axes):
    x = operand(type, shape, scale, -3 if type is T.INT8 else 0, low=-20, high=20)
    check(REDUCE_PROD, ReducerOptions(), [x, axes_of(*axes)], [like(x, None, y_scale, 5 if type is T.INT8 else 0)])


@pytest.mark.parametrize("spec", [SUM, MEAN, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD])
@pytest.mark.parametrize("type", NUMBERS)
def test_reductions_of_nothing(spec, type):
    x = operand(type, (2, 0, 3))
    check(spec, ReducerOptions(), [x, axes_of(1)], [like(x)])


@pytest.mark.parametrize(("spec", "value"), [(REDUCE_MAX, False), (REDUCE_MIN, True)])
def test_extremes_of_no_truth_values(spec, value):
    model = build(spec, ReducerOptions(), [operand(T.BOOL, (2, 0)), axes_of(1)], [result(T.BOOL)])
    assert run(write_model(model), [np.zeros((2, 0), np.bool_)])[0].tolist() == [value, value]


@pytest.mark.parametrize("type", [T.FLOAT32, T.INT8, T.UINT8, T.INT32])
@pytest.mark.parametrize("output", [T.INT32, T.INT64])
@pytest.mark.parametrize(("spec", "options"), [(ARG_MAX, ArgMaxOptions), (ARG_MIN, ArgMinOptions)])
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((9,), 0), ((3, 10), -1), ((4, 3), 0), ((2, 3, 4, 5), 2), ((1, 1), 1), ((40, 21), 1), ((2, 70, 17), 1), ((3, 5, 40), 1), ((3, 33), 1)],
)
def test_positions_of_extremes(spec, options, type, output, shape, axis):
    x = operand(type, shape, low=-4, high=4)
    check(spec, options(output_type=output), [x, constant(axis)], [result(output)])


@pytest.mark.parametrize("type", [T.FLOAT32, T.INT8, T.UINT8, T.INT32])
@pytest.mark.parametrize(("spec", "options"), [(ARG_MAX, ArgMaxOptions), (ARG_MIN, ArgMinOptions)])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_positions_of_any_shape(spec, options, type, data):
    """Long rows of few values, so that the first of many equal ones is asked for."""
    shape = data.draw(st.sampled_from([(2, 16), (3, 31), (2, 32), (1, 255), (2, 256), (1, 257), (2, 300), (1, 1030), (300, 18), (257, 40)]))
    x = operand(type, shape, low=-1 if type is not T.UINT8 else 0, high=data.draw(st.integers(1, 3)))
    axis = data.draw(st.integers(0, 1))
    check(spec, options(output_type=T.INT32), [x, constant(axis)], [result(T.INT32)], seed=data.draw(st.integers(0, 999)))


def test_every_byte_has_its_place():
    """The extremes of rows in which one byte differs from all others."""
    for type in (T.INT8, T.UINT8):
        low, high = np.iinfo(type.name.lower()).min, np.iinfo(type.name.lower()).max
        for size in (20, 300):
            for spec, options, rest, value in ((ARG_MAX, ArgMaxOptions, low, low + 1), (ARG_MIN, ArgMinOptions, high, high - 1)):
                x = np.full((size, size), rest, type.name.lower())
                np.fill_diagonal(x, value)
                found = check(spec, options(output_type=T.INT64), [operand(type, x.shape), constant(1)], [result(T.INT64)], feeds=[x])
                assert found[0].tolist() == list(range(size))


def test_positions_skip_nan():
    x = operand(T.FLOAT32, (3, 4))
    feeds = [np.array([[np.nan, 1, 3, np.nan], [np.nan] * 4, [2, np.nan, -1, 2]], np.float32)]
    model = build(ARG_MAX, ArgMaxOptions(output_type=T.INT32), [x, constant(1)], [result(T.INT32)])
    assert run(write_model(model), feeds)[0].tolist() == [2, 0, 0]
    rng = np.random.default_rng(0)
    values = rng.integers(0, 9, (20, 50)).astype(np.float32)
    values[:, 0] = 5
    values[rng.random(values.shape) < 0.4] = np.nan
    for spec, options, expected in ((ARG_MAX, ArgMaxOptions, np.nanargmax), (ARG_MIN, ArgMinOptions, np.nanargmin)):
        for axis in (0, 1):
            x, y = operand(T.FLOAT32, values.shape), result(T.INT32)
            model = write_model(build(spec, options(output_type=T.INT32), [x, constant(axis)], [y]))
            assert run(model, [values])[0].tolist() == expected(values, axis).tolist()


@pytest.mark.parametrize("type", NUMBERS)
@pytest.mark.parametrize(("exclusive", "reverse"), [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize(("shape", "axis"), [((6,), 0), ((3, 4), 1), ((3, 4), 0), ((2, 3, 4), -2), ((2, 1, 2), 1)])
def test_cumsum(type, exclusive, reverse, shape, axis):
    x = operand(type, shape)
    options = CumsumOptions(exclusive=exclusive, reverse=reverse)
    check(CUMSUM, options, [x, constant(axis)], [like(x)], tolerance=1e-5, floor=10, resolver=OPTIMIZED)


F32 = operand(T.FLOAT32, (4, 5))


@pytest.mark.parametrize(
    ("spec", "options", "inputs", "message"),
    [
        (MEAN, ReducerOptions(), [F32, axes_of(2)], r"an axis in \[-2, 2\)"),
        (SUM, ReducerOptions(), [F32, axes_of(-3)], r"an axis in \[-2, 2\)"),
        (MEAN, ReducerOptions(), [F32, operand(T.INT64, (1,), value=[0])], "type INT32"),
        (MEAN, None, [F32, axes_of(0)], "options ReducerOptions are required, found none"),
        (REDUCE_ANY, ReducerOptions(), [F32, axes_of(0)], "type BOOL"),
        (ARG_MAX, ArgMaxOptions(output_type=T.INT32), [F32, constant(2)], r"an axis in \[-2, 2\)"),
        (ARG_MAX, ArgMaxOptions(output_type=T.FLOAT32), [F32, constant(0)], "output type INT32 or INT64"),
        (ARG_MAX, ArgMaxOptions(output_type=T.INT32), [F32, constant([0, 1])], "one element"),
        (ARG_MAX, ArgMaxOptions(output_type=T.INT32), [operand(T.FLOAT32, ()), constant(0)], "rank 1"),
        (ARG_MIN, ArgMinOptions(output_type=T.INT32), [operand(T.FLOAT32, (2, 0)), constant(1)], "an axis with elements"),
        (CUMSUM, CumsumOptions(), [F32, constant(-3)], r"an axis in \[-2, 2\)"),
        (CUMSUM, CumsumOptions(), [operand(T.INT8, (2,)), constant(0)], "FLOAT32 or INT32 or INT64"),
    ],
)
def test_illegal_calls(spec, options, inputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(Call(spec, options, tuple(item.info(index) for index, item in enumerate(inputs))))


@pytest.mark.parametrize("spec", [REDUCE_MAX, REDUCE_MIN])
def test_extremes_keep_the_scale(spec):
    inputs = (operand(T.INT8, (2, 2), 0.5).info(0), axes_of(0).info(1))
    with pytest.raises(InvalidModelError, match="scale, zero point"):
        infer(Call(spec, ReducerOptions(), inputs, (operand(T.INT8, (2,), 0.25).info(2),)))


def test_int16_zero_points_are_zero():
    with pytest.raises(InvalidModelError, match="zero point 0"):
        infer(Call(MEAN, ReducerOptions(), (operand(T.INT16, (2, 2), 0.5, 1).info(0), axes_of(0).info(1))))


def test_types_that_cannot_be_reduced_are_named():
    with pytest.raises(InvalidModelError, match=r"of type FLOAT32 or .* is required, found FLOAT64"):
        infer(call(MEAN, ReducerOptions(), [operand(T.FLOAT64, (2,)), axes_of(0)], [result(T.FLOAT64)]))


def test_axes_known_at_run_time():
    x = operand(T.FLOAT32, (2, 3))
    feeds = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array([1], np.int32)]
    assert check(MEAN, ReducerOptions(), [x, operand(T.INT32, (1,))], [operand(T.FLOAT32, ())], feeds=feeds)[0].tolist() == [1, 4]
    with pytest.raises(NeedsValue) as request:
        infer(Call(MEAN, ReducerOptions(), (x.info(0), operand(T.INT32, (1,)).info(1))))
    assert request.value.index == 1


@pytest.mark.parametrize(
    ("spec", "type", "version"),
    [
        (MEAN, T.FLOAT32, 1),
        (MEAN, T.INT8, 2),
        (MEAN, T.INT16, 3),
        (SUM, T.INT8, 2),
        (SUM, T.INT16, 1),
        (REDUCE_MAX, T.INT16, 3),
        (REDUCE_PROD, T.INT16, 2),
        (ARG_MAX, T.BOOL, 3),
        (ARG_MIN, T.INT8, 2),
    ],
)
def test_versions(spec, type, version):
    assert spec.version(Call(spec, None, (operand(type, (2,)).info(0),))) == version


@pytest.mark.parametrize("spec", [SUM, REDUCE_PROD, REDUCE_MAX, REDUCE_MIN], ids=lambda spec: spec.name)
@pytest.mark.parametrize("axis", [0, 1, [0, 1]])
def test_truth_values(spec, axis):
    x = operand(T.BOOL, (4, 3))
    feeds = [np.array([[1, 1, 1], [0, 1, 0], [0, 0, 0], [1, 1, 0]], np.bool_)]
    check(spec, ReducerOptions(), [x, constant(axis)], [result(T.BOOL)], feeds=feeds)


@pytest.mark.parametrize("type", [T.INT8, T.UINT8, T.INT16])
@pytest.mark.parametrize("axes", [[0], [1, 2], [0, 1, 2]])
@pytest.mark.parametrize("keep", [False, True])
def test_products_of_plain_integers_wrap(type, axes, keep):
    check(REDUCE_PROD, ReducerOptions(keep_dims=keep), [operand(type, (3, 4, 5)), axes_of(*axes)], [result(type)])
