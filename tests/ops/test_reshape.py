import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.reshape  # noqa: F401 - fills the registry
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.ops.reshape import EXPAND_DIMS, PACK, RANK, RESHAPE, SHAPE, SQUEEZE, TRANSPOSE, UNPACK
from jitlite.schemas.ops.spec import Call, NeedsValue, infer
from jitlite.schemas.tables import (
    ExpandDimsOptions,
    PackOptions,
    RankOptions,
    ReshapeOptions,
    ShapeOptions,
    SqueezeOptions,
    TensorType,
    TransposeOptions,
    UnpackOptions,
)
from jitlite.schemas.write import write_model
from tests.ops.oracle import build, check, constant, like, operand, result, run

T = TensorType
MOVED_TYPES = [T.FLOAT32, T.INT8, T.UINT8, T.INT16, T.INT32, T.INT64, T.BOOL]


def typed(type, shape):
    """An operand of the type, quantized where the type usually is."""
    if type is T.INT8:
        return operand(type, shape, 0.5, -3)
    return operand(type, shape)


@pytest.mark.parametrize("type", [T.FLOAT32, T.INT8, T.INT64, T.BOOL])
@pytest.mark.parametrize(
    ("shape", "wanted"),
    [((2, 3, 4), (4, 6)), ((2, 3, 4), (-1, 3)), ((2, 3, 4), (24,)), ((1,), ()), ((), (1, 1)), ((2, 0, 3), (0, -1)), ((4,), (2, -1, 1))],
)
def test_reshape_by_operand(type, shape, wanted):
    x = typed(type, shape)
    check(RESHAPE, None, [x, constant(np.array(wanted, np.int32))], [like(x)])


@pytest.mark.parametrize(("shape", "wanted"), [((2, 6), (3, 4)), ((2, 6), (-1, 2)), ((1, 1), (0,))])
def test_reshape_by_options(shape, wanted):
    x = operand(T.FLOAT32, shape)
    check(RESHAPE, ReshapeOptions(new_shape=list(wanted)), [x], [like(x)])


def test_reshape_to_a_shape_known_at_run_time():
    x = operand(T.FLOAT32, (2, 6))
    feeds = [np.arange(12, dtype=np.float32).reshape(2, 6), np.array([3, -1], np.int32)]
    found = check(RESHAPE, None, [x, operand(T.INT32, (2,))], [operand(T.FLOAT32, (3, 4))], feeds=feeds)
    assert found[0].shape == (3, 4)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((1, 3, 1, 2), []), ((1, 3, 1, 2), [0]), ((1, 3, 1, 2), [-2]), ((1, 3, 1, 2), [0, 2]), ((1, 1), [0, -2]), ((2, 3), []), ((1,), [])],
)
def test_squeeze(shape, axes):
    x = operand(T.FLOAT32, shape)
    check(SQUEEZE, SqueezeOptions(squeeze_dims=axes), [x], [like(x)])


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
@pytest.mark.parametrize("type", [T.FLOAT32, T.INT8])
def test_expand_dims(axis, type):
    x = typed(type, (2, 3))
    check(EXPAND_DIMS, ExpandDimsOptions(), [x, constant(axis)], [like(x)])


@pytest.mark.parametrize("type", MOVED_TYPES)
@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((3,), (0,)),
        ((5, 7), (1, 0)),
        ((2, 17, 19, 5), (0, 3, 1, 2)),
        ((2, 5, 17, 19), (0, 2, 3, 1)),
        ((3, 4, 5), (2, 1, 0)),
        ((2, 3, 4, 4), (0, 2, 1, 3)),
        ((2, 3, 4, 5, 2), (4, 1, -2, 0, 2)),
        ((2, 1, 3, 2, 1, 2), (5, 4, 3, 2, 1, 0)),
        ((0, 3), (1, 0)),
    ],
)
def test_transpose(type, shape, axes):
    x = typed(type, shape)
    check(TRANSPOSE, TransposeOptions(), [x, constant(np.array(axes, np.int32))], [like(x)])


@settings(max_examples=60, deadline=None)
@given(data=st.data(), type=st.sampled_from([T.FLOAT32, T.INT8, T.INT16, T.INT64]))
def test_transpose_of_any_shape(data, type):
    rank = data.draw(st.integers(2, 6))
    shape = tuple(data.draw(st.lists(st.sampled_from([1, 2, 3, 4, 5, 8]), min_size=rank, max_size=rank)))
    axes = data.draw(st.permutations(range(rank)))
    x = typed(type, shape)
    check(TRANSPOSE, TransposeOptions(), [x, constant(np.array(axes, np.int32))], [like(x)])


def test_transpose_of_large_planes():
    x = operand(T.FLOAT32, (1, 70, 33, 3))
    for axes in ([0, 3, 1, 2], [0, 2, 1, 3], [3, 2, 1, 0]):
        check(TRANSPOSE, None, [x, constant(np.array(axes, np.int32))], [like(x)])


@pytest.mark.parametrize("output", [T.INT32, T.INT64])
@pytest.mark.parametrize("shape", [(2, 0, 5), (7,)])
def test_shape(output, shape):
    check(SHAPE, ShapeOptions(out_type=output), [operand(T.FLOAT32, shape)], [result(output)])


def test_scalars_where_the_reference_returns_nothing_or_old_memory():
    x, value = operand(T.FLOAT32, ()), np.array(3, np.float32)
    moved = build(TRANSPOSE, None, [x, constant(np.zeros(0, np.int32))], [operand(T.FLOAT32, ())])
    assert run(write_model(moved), [value])[0] == value
    shape = build(SHAPE, ShapeOptions(out_type=T.INT64), [x], [operand(T.INT64, (0,))])
    assert run(write_model(shape), [value])[0].shape == (0,)


@pytest.mark.parametrize("shape", [(2, 3, 5), ()])
def test_rank(shape):
    check(RANK, RankOptions(), [operand(T.INT8, shape)], [result(T.INT32)])


@pytest.mark.parametrize("type", [t for t in MOVED_TYPES if t is not T.BOOL])
@pytest.mark.parametrize(
    ("shape", "axis", "count"), [((2, 3), 0, 3), ((2, 3), 1, 2), ((2, 3), 2, 3), ((2, 3), -1, 1), ((), 0, 4), ((2, 0), 1, 2)]
)
def test_pack(type, shape, axis, count):
    x = typed(type, shape)
    check(PACK, PackOptions(values_count=count, axis=axis), [x] * count, [like(x)])


@pytest.mark.parametrize("type", [t for t in MOVED_TYPES if t is not T.INT64])
@pytest.mark.parametrize(("shape", "axis"), [((3, 2, 4), 0), ((3, 2, 4), 1), ((3, 2, 4), -1), ((5,), 0), ((2, 1, 3), 1)])
def test_unpack(type, shape, axis):
    x = typed(type, shape)
    count = shape[axis]
    check(UNPACK, UnpackOptions(num=count, axis=axis), [x], [like(x)] * count)


F32 = operand(T.FLOAT32, (2, 3))


@pytest.mark.parametrize(
    ("spec", "options", "inputs", "outputs", "message"),
    [
        (RESHAPE, None, [F32, constant([4, 2])], 1, "a shape of 6 elements"),
        (RESHAPE, None, [F32, constant([-1, -1])], 1, "at most one dimension -1"),
        (RESHAPE, None, [F32, constant([-2, 3])], 1, "dimensions of -1 or more"),
        (RESHAPE, None, [F32, constant([-1, 4])], 1, "a shape of 6 elements"),
        (RESHAPE, None, [F32], 1, "found neither"),
        (SQUEEZE, SqueezeOptions(squeeze_dims=[0]), [F32], 1, "dimensions of size 1"),
        (SQUEEZE, SqueezeOptions(squeeze_dims=[2]), [F32], 1, r"an axis in \[-2, 2\)"),
        (SQUEEZE, ReshapeOptions(), [F32], 1, "options SqueezeOptions are required, found ReshapeOptions"),
        (EXPAND_DIMS, None, [F32, constant(3)], 1, r"an axis in \[-3, 3\)"),
        (EXPAND_DIMS, None, [F32, constant([0, 1])], 1, "one element"),
        (TRANSPOSE, None, [F32, constant([0, 0])], 1, "a permutation of 2 axes"),
        (TRANSPOSE, None, [F32, constant([0, 2])], 1, r"an axis in \[-2, 2\)"),
        (TRANSPOSE, None, [F32, constant([0])], 1, r"shape \(2,\)"),
        (TRANSPOSE, None, [F32, operand(T.INT64, (2,), value=[0, 1])], 1, "type INT32"),
        (TRANSPOSE, None, [operand(T.FLOAT32, (1,) * 9), constant(list(range(9)))], 1, "rank 0 to 8"),
        (SHAPE, ShapeOptions(out_type=T.FLOAT32), [F32], 1, "output type INT32 or INT64"),
        (PACK, PackOptions(values_count=3), [F32, F32], 1, "values_count 2"),
        (PACK, PackOptions(values_count=2, axis=3), [F32, F32], 1, r"an axis in \[-3, 3\)"),
        (PACK, PackOptions(values_count=2), [F32, operand(T.FLOAT32, (3, 2))], 1, "operands like the first"),
        (PACK, PackOptions(values_count=2), [F32, operand(T.INT32, (2, 3))], 1, "operands like the first"),
        (UNPACK, UnpackOptions(num=3, axis=0), [F32], 3, "num 2 is required"),
        (UNPACK, UnpackOptions(num=2, axis=0), [F32], 3, "2 outputs are required"),
        (UNPACK, UnpackOptions(num=0, axis=0), [operand(T.FLOAT32, (0, 3))], 0, "elements"),
    ],
)
def test_illegal_calls(spec, options, inputs, outputs, message):
    infos = tuple(item.info(index) for index, item in enumerate(inputs))
    results = tuple(operand(T.FLOAT32, ()).info(index) for index in range(outputs))
    with pytest.raises(InvalidModelError, match=message):
        infer(Call(spec, options, infos, results))


def test_pack_refuses_operands_of_another_scale():
    inputs = tuple(operand(T.INT8, (2,), scale).info(0) for scale in (0.5, 0.25))
    with pytest.raises(InvalidModelError, match="scale, zero point"):
        infer(Call(PACK, PackOptions(values_count=2), inputs, (operand(T.INT8, (2, 2), 0.5).info(2),)))


@pytest.mark.parametrize(("spec", "count"), [(RESHAPE, 1), (TRANSPOSE, 2), (EXPAND_DIMS, 1)])
def test_shapes_that_depend_on_run_time_values(spec, count):
    inputs = (operand(T.FLOAT32, (2, 3)).info(0), operand(T.INT32, (count,)).info(1))
    with pytest.raises(NeedsValue) as request:
        infer(Call(spec, None, inputs))
    assert request.value.index == 1


@pytest.mark.parametrize(
    ("type", "rank", "version"),
    [
        (T.FLOAT32, 4, 1),
        (T.INT8, 4, 2),
        (T.BOOL, 4, 3),
        (T.FLOAT32, 5, 4),
        (T.INT16, 4, 5),
        (T.FLOAT32, 6, 6),
        (T.INT4, 4, 7),
        (T.INT8, 7, 8),
    ],
)
def test_transpose_versions(type, rank, version):
    x = operand(type, (1,) * rank).info(0)
    assert TRANSPOSE.version(Call(TRANSPOSE, None, (x,))) == version
