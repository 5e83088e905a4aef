import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.concat  # noqa: F401 - fills the registry
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.ops.concat import CONCATENATION, SPLIT, SPLIT_V
from jitlite.schemas.ops.spec import Call, infer
from jitlite.schemas.tables import ActivationFunctionType, ConcatenationOptions, SplitOptions, SplitVOptions, TensorType
from tests.ops.oracle import UNKNOWN, check, constant, like, operand

T = TensorType
MOVED_TYPES = [T.FLOAT32, T.INT8, T.UINT8, T.INT16, T.INT32, T.INT64]


def typed(type, shape):
    return operand(type, shape, 0.25, -7) if type is T.INT8 else operand(type, shape, 0.25, 3) if type is T.UINT8 else operand(type, shape)


@pytest.mark.parametrize("type", [*MOVED_TYPES, T.BOOL])
@pytest.mark.parametrize(
    ("shape", "axis", "sizes"),
    [
        ((2, 3), 0, (1, 4)),
        ((2, 3, 4), 1, (3, 1, 2)),
        ((2, 3, 4), -1, (4, 1, 5)),
        ((4,), 0, (4, 0, 2)),
        ((2, 5, 5, 3), 3, (3, 8)),
        ((2, 2), 1, (7,)),
    ],
)
def test_concatenation(type, shape, axis, sizes):
    inputs = [typed(type, [size if d == axis % len(shape) else dim for d, dim in enumerate(shape)]) for size in sizes]
    check(CONCATENATION, ConcatenationOptions(axis=axis), inputs, [like(inputs[0])])


def test_concatenation_with_a_constant():
    x, y = operand(T.FLOAT32, (2, 3)), operand(T.FLOAT32, (2, 1), value=[[5], [6]])
    check(CONCATENATION, ConcatenationOptions(axis=1), [x, y], [like(x)])


@settings(max_examples=60, deadline=None)
@given(data=st.data(), type=st.sampled_from([T.FLOAT32, T.INT8, T.INT16]))
def test_concatenation_of_any_shapes(data, type):
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    inputs = [typed(type, [size if d == axis % len(shape) else dim for d, dim in enumerate(shape)]) for size in sizes]
    check(CONCATENATION, ConcatenationOptions(axis=axis), inputs, [like(inputs[0])])


@pytest.mark.parametrize("type", MOVED_TYPES)
@pytest.mark.parametrize(
    ("shape", "axis", "count"), [((6, 2), 0, 3), ((2, 6), 1, 2), ((2, 3, 4), -2, 3), ((5,), 0, 1), ((1, 4, 4, 8), 3, 4)]
)
def test_split(type, shape, axis, count):
    x = typed(type, shape)
    check(SPLIT, SplitOptions(num_splits=count), [constant(axis), x], [like(x)] * count)


@pytest.mark.parametrize("type", MOVED_TYPES)
@pytest.mark.parametrize(
    ("shape", "axis", "sizes"), [((6, 2), 0, (1, 2, 3)), ((2, 6), 1, (4, -1)), ((2, 3, 4), 2, (1, -1, 1)), ((5,), 0, (5,))]
)
def test_split_v(type, shape, axis, sizes):
    x = typed(type, shape)
    check(SPLIT_V, SplitVOptions(num_splits=len(sizes)), [x, constant(np.array(sizes)), constant(axis)], [like(x)] * len(sizes))


def test_split_of_nothing():
    x = operand(T.FLOAT32, (0, 2))
    assert infer(Call(SPLIT, SplitOptions(num_splits=3), (constant(0).info(0), x.info(1)), (x.info(2),) * 3)) == [((0, 2), T.FLOAT32)] * 3


F32 = operand(T.FLOAT32, (4, 5))


@pytest.mark.parametrize(
    ("spec", "options", "inputs", "message"),
    [
        (CONCATENATION, ConcatenationOptions(axis=2), [F32, F32], r"an axis in \[-2, 2\)"),
        (CONCATENATION, ConcatenationOptions(axis=0), [F32, operand(T.FLOAT32, (4, 4))], "operands like the first"),
        (CONCATENATION, ConcatenationOptions(axis=0), [F32, operand(T.FLOAT32, (4,))], "operands like the first"),
        (CONCATENATION, ConcatenationOptions(axis=0), [F32, operand(T.INT32, (4, 5))], "operands like the first"),
        (CONCATENATION, ConcatenationOptions(axis=0), [operand(T.FLOAT32, ())] * 2, "rank 1"),
        (
            CONCATENATION,
            ConcatenationOptions(axis=0, fused_activation_function=ActivationFunctionType.RELU),
            [F32, F32],
            "fused activation NONE",
        ),
        (CONCATENATION, ConcatenationOptions(axis=0), [operand(T.INT8, (2**30,))] * 2, "output dimensions in"),
        (CONCATENATION, ConcatenationOptions(axis=0), [], "operands are required"),
        (SPLIT, SplitOptions(num_splits=3), [constant(0), F32], "a size that 3 divides"),
        (SPLIT, SplitOptions(num_splits=0), [constant(0), F32], "num_splits above 0"),
        (SPLIT, SplitOptions(num_splits=-2), [constant(0), F32], "num_splits above 0"),
        (SPLIT, SplitOptions(num_splits=2**31 - 1), [constant(0), operand(T.FLOAT32, (0,))], "num_splits of at most 1 is required"),
        (SPLIT, SplitOptions(num_splits=2), [constant(2), F32], r"an axis in \[-2, 2\)"),
        (SPLIT_V, SplitVOptions(num_splits=2), [F32, constant([1, 2]), constant(0)], "sizes that add up to 4"),
        (SPLIT_V, SplitVOptions(num_splits=2), [F32, constant([5, -1]), constant(0)], "sizes that add up to 4"),
        (SPLIT_V, SplitVOptions(num_splits=2), [F32, constant([-1, -1]), constant(0)], "at most one -1"),
        (SPLIT_V, SplitVOptions(num_splits=2), [F32, constant([6, -2]), constant(0)], "at most one -1"),
        (SPLIT_V, SplitVOptions(num_splits=3), [F32, constant([2, 2]), constant(0)], r"operand 'sizes' of shape \(3,\)"),
    ],
)
def test_illegal_calls(spec, options, inputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(Call(spec, options, tuple(item.info(index) for index, item in enumerate(inputs))))


def test_split_wants_as_many_outputs_as_parts():
    inputs = (constant(0).info(0), F32.info(1))
    with pytest.raises(InvalidModelError, match="2 outputs are required, found 1"):
        infer(Call(SPLIT, SplitOptions(num_splits=2), inputs, (F32.info(2),)))


def test_int8_operands_of_another_scale_are_illegal():
    inputs = tuple(operand(T.INT8, (2,), scale, 1).info(index) for index, scale in enumerate((0.5, 0.25)))
    with pytest.raises(InvalidModelError, match="scale, zero point"):
        infer(Call(CONCATENATION, ConcatenationOptions(axis=0), inputs, (operand(T.INT8, (4,), 0.5, 1).info(2),)))


def test_int16_operands_have_zero_point_zero():
    inputs = (operand(T.INT16, (2,), 0.5, 1).info(0),)
    with pytest.raises(InvalidModelError, match="zero point 0"):
        infer(Call(CONCATENATION, ConcatenationOptions(axis=0), inputs))


@settings(max_examples=60, deadline=None)
@given(
    scales=st.tuples(*[st.floats(2**-12, 2, width=32)] * 3),
    zero_points=st.tuples(*[st.integers(0, 255)] * 3),
    outer=st.integers(1, 5),
    inner=st.sampled_from([1, 2, 63, 70, 300]),
)
def test_uint8_operands_of_other_scales_are_requantized(scales, zero_points, outer, inner):
    every = np.resize(np.arange(256, dtype=np.uint8), (outer, 256))
    inputs = [operand(T.UINT8, shape, *grid) for shape, grid in zip(((outer, 256), (outer, inner)), zip(scales, zero_points))]
    feeds = [every, np.resize(every[0, ::-1], (outer, inner))]
    output = operand(T.UINT8, UNKNOWN, scales[2], zero_points[2])
    check(CONCATENATION, ConcatenationOptions(axis=1), inputs, [output], feeds=feeds)
    check(CONCATENATION, ConcatenationOptions(axis=1), inputs, [operand(T.UINT8, UNKNOWN, scales[0], zero_points[0])], feeds=feeds)


def test_int16_operands_of_another_scale_are_copied_as_they_are():
    inputs = [operand(T.INT16, (2,), scale, 0) for scale in (0.5, 0.25)]
    check(CONCATENATION, ConcatenationOptions(axis=0), inputs, [operand(T.INT16, UNKNOWN, 0.5, 0)])


@pytest.mark.parametrize(
    ("spec", "type", "version"),
    [
        (CONCATENATION, T.FLOAT32, 1),
        (CONCATENATION, T.INT8, 2),
        (CONCATENATION, T.INT16, 3),
        (SPLIT, T.INT8, 2),
        (SPLIT, T.INT32, 3),
        (SPLIT_V, T.INT8, 2),
    ],
)
def test_versions(spec, type, version):
    x = operand(type, (2,)).info(0)
    inputs = (constant(0).info(1), x) if spec is SPLIT else (x,)
    assert spec.version(Call(spec, None, inputs)) == version


@pytest.mark.parametrize("axis", [1, -1])
def test_split_along_an_axis_of_64_bits(axis):
    x = operand(T.FLOAT32, (3, 4))
    check(SPLIT, SplitOptions(num_splits=2), [constant(axis, T.INT64), x], [like(x)] * 2)
