import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.scatter  # noqa: F401 - fills the registry
from jitlite.schemas.errors import ExecutionError, InvalidModelError, UnsupportedError
from jitlite.schemas.ops.scatter import (
    DYNAMIC_UPDATE_SLICE,
    SCATTER_ND,
    SEGMENT_SUM,
    SPARSE_TO_DENSE,
    UNSORTED_SEGMENT_MAX,
    UNSORTED_SEGMENT_MIN,
    UNSORTED_SEGMENT_PROD,
    UNSORTED_SEGMENT_SUM,
)
from jitlite.schemas.ops.spec import Call, infer
from jitlite.schemas.tables import SparseToDenseOptions, TensorType
from jitlite.schemas.write import write_model
from tests.ops.oracle import OPTIMIZED, build, check, constant, like, operand, reference, result, run

T = TensorType
SEGMENTS = [UNSORTED_SEGMENT_SUM, UNSORTED_SEGMENT_PROD, UNSORTED_SEGMENT_MAX, UNSORTED_SEGMENT_MIN]


def options(spec):
    return spec.options()


@pytest.mark.parametrize("type", [T.FLOAT32, T.UINT8, T.BOOL, T.INT8, T.INT64, T.INT32])
@pytest.mark.parametrize(
    ("indices", "shape"),
    [((4, 1), (8,)), ((3, 1), (4, 5)), ((2, 3, 2), (3, 4)), ((5, 2), (3, 3, 2)), ((2, 0), (3,)), ((0, 1), (4, 2)), ((1,), (6,))],
)
def test_scatter_nd(type, indices, shape):
    places = operand(T.INT32, indices, low=0, high=min(shape) - 1)
    updates = operand(type, (*indices[:-1], *shape[indices[-1] :]))
    if updates.shape == ():
        return
    check(SCATTER_ND, options(SCATTER_ND), [places, updates, constant(shape)], [like(updates)])


def test_scatter_nd_of_a_shape_known_when_it_runs():
    inputs = [constant([[0], [2]]), operand(T.FLOAT32, (2, 3)), operand(T.INT32, (2,))]
    feeds = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array([4, 3], np.int32)]
    check(SCATTER_ND, options(SCATTER_ND), inputs, [result(T.FLOAT32, shape=(4, 3))], feeds=feeds)


@pytest.mark.parametrize("wrong", [-1, 4, 2**31 - 1])
def test_scattering_outside_fails_at_run_time(wrong):
    inputs = [operand(T.INT32, (2, 1)), operand(T.FLOAT32, (2,)), constant([4])]
    content = write_model(build(SCATTER_ND, options(SCATTER_ND), inputs, [result(T.FLOAT32)]))
    feeds = [np.array([[0], [wrong]], np.int32), np.ones(2, np.float32)]
    with pytest.raises(ExecutionError, match="an index inside its bound"):
        run(content, feeds)
    with pytest.raises(RuntimeError):
        reference(content, feeds)


@pytest.mark.parametrize("type", [T.INT32, T.INT64, T.INT8, T.UINT8, T.FLOAT32])
@pytest.mark.parametrize("index", [T.INT32, T.INT64])
@pytest.mark.parametrize(
    ("places", "shape", "values"),
    [
        (3, (5,), ()),
        ([0, 2, 4], (6,), (3,)),
        ([0, 2, 2], (6,), (3,)),
        ([[0, 1], [2, 3]], (3, 4), (2,)),
        ([[0, 1, 1]], (2, 2, 2), ()),
        ([[0, 1, 1, 2], [1, 0, 0, 0]], (2, 2, 2, 3), (2,)),
    ],
)
def test_sparse_to_dense(type, index, places, shape, values):
    inputs = [constant(places, index), constant(shape, index), operand(type, values), operand(type, ())]
    check(SPARSE_TO_DENSE, SparseToDenseOptions(), inputs, [result(type)])


def test_sparse_values_outside_fail_at_run_time():
    inputs = [operand(T.INT32, (2,)), constant([4]), operand(T.FLOAT32, (2,)), operand(T.FLOAT32, ())]
    content = write_model(build(SPARSE_TO_DENSE, SparseToDenseOptions(), inputs, [result(T.FLOAT32)]))
    feeds = [np.array([0, 4], np.int32), np.ones(2, np.float32), np.zeros((), np.float32)]
    with pytest.raises(ExecutionError, match="an index inside its bound"):
        run(content, feeds)
    with pytest.raises(RuntimeError):
        reference(content, feeds)


@pytest.mark.parametrize("type", [T.INT32, T.FLOAT32])
@pytest.mark.parametrize("shape", [(6,), (6, 3), (6, 2, 2)])
@pytest.mark.parametrize("ids", [[0, 0, 1, 1, 2, 3], [0] * 6, [0, 1, 2, 3, 4, 5]], ids=str)
@pytest.mark.parametrize("is_constant", [True, False])
def test_segment_sum(type, shape, ids, is_constant):
    x = operand(type, shape)
    value = np.arange(np.prod(shape), dtype="float32" if type is T.FLOAT32 else "int32").reshape(shape) - 7
    feeds = [value] if is_constant else [value, np.array(ids, np.int32)]
    segments = constant(ids) if is_constant else operand(T.INT32, (6,))
    shape = (ids[-1] + 1, *shape[1:])
    check(SEGMENT_SUM, options(SEGMENT_SUM), [x, segments], [result(type, shape=shape)], feeds=feeds, resolver=OPTIMIZED)


@pytest.mark.parametrize("spec", SEGMENTS, ids=str)
@pytest.mark.parametrize("type", [T.INT32, T.FLOAT32])
@pytest.mark.parametrize(
    ("shape", "ids"), [((6,), [0, 2, 2, -1, 0, 3]), ((3, 4), [3, 1, 3]), ((2, 2, 3), [[1, 2], [-5, 1]]), ((2, 2), 2), ((0, 2), [])], ids=str
)
@pytest.mark.parametrize("is_constant", [True, False])
def test_unsorted_segments(spec, type, shape, ids, is_constant):
    x, ids = operand(type, shape), np.array(ids, np.int32)
    value = np.random.default_rng(0).normal(0, 40000, shape).astype("float32" if type is T.FLOAT32 else "int32")
    segments = constant(ids) if is_constant else operand(T.INT32, ids.shape)
    feeds = [value] if is_constant else [value, ids]
    check(spec, options(spec), [x, segments, constant(4)], [like(x)], feeds=feeds)


@pytest.mark.parametrize("spec", SEGMENTS, ids=str)
def test_segments_ignore_nan_where_the_reference_does(spec):
    value = np.array([np.nan, 1, 2, np.nan, -np.inf, np.inf], np.float32)
    x, ids = operand(T.FLOAT32, (6,)), constant([0, 0, 1, 1, 2, 3])
    if spec in (UNSORTED_SEGMENT_MAX, UNSORTED_SEGMENT_MIN):
        check(spec, options(spec), [x, ids, constant([5])], [like(x)], feeds=[value])


def test_segment_numbers_out_of_range_fail_at_run_time():
    x, ids = operand(T.FLOAT32, (2,)), operand(T.INT32, (2,))
    content = write_model(build(UNSORTED_SEGMENT_SUM, options(UNSORTED_SEGMENT_SUM), [x, ids, constant(3)], [like(x)]))
    feeds = [np.ones(2, np.float32), np.array([0, 3], np.int32)]
    with pytest.raises(ExecutionError, match="an index inside its bound"):
        run(content, feeds)
    with pytest.raises(RuntimeError):
        reference(content, feeds)


@pytest.mark.parametrize("type", [T.FLOAT32, T.INT8, T.UINT8, T.INT16, T.INT32, T.INT64, T.BOOL, T.FLOAT16])
@pytest.mark.parametrize("index", [T.INT32, T.INT64])
@pytest.mark.parametrize(
    ("shape", "part"),
    [((5,), (2,)), ((4, 6), (2, 6)), ((4, 6), (4, 2)), ((2, 5, 3), (1, 2, 3)), ((2, 5, 3), (1, 2, 2)), ((3, 3), (3, 3)), ((3, 4), (0, 4))],
)
def test_dynamic_update_slice(type, index, shape, part):
    x = operand(type, shape)
    inputs = [x, operand(type, part), operand(index, (len(shape),), low=-2, high=4)]
    check(DYNAMIC_UPDATE_SLICE, options(DYNAMIC_UPDATE_SLICE), inputs, [like(x)])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_dynamic_update_slice_of_any_shape(data):
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    part = [data.draw(st.integers(0, dim)) for dim in shape]
    x = operand(T.INT32, shape)
    inputs = [x, operand(T.INT32, part), operand(T.INT32, (len(shape),), low=-1, high=5)]
    seed = data.draw(st.integers(0, 99))
    check(DYNAMIC_UPDATE_SLICE, options(DYNAMIC_UPDATE_SLICE), inputs, [like(x)], seed=seed, threads=(1, 2, 5))


F32 = operand(T.FLOAT32, (4, 3))


@pytest.mark.parametrize(
    ("spec", "inputs", "message"),
    [
        (SCATTER_ND, [operand(T.INT32, (2, 1)), operand(T.FLOAT32, (2, 4)), constant([4, 3])], r"of shape \(2, 3\)"),
        (SCATTER_ND, [operand(T.INT32, (2, 3)), operand(T.FLOAT32, (2,)), constant([4, 3])], "a last dimension of at most 2"),
        (SCATTER_ND, [operand(T.INT64, (2, 1)), operand(T.FLOAT32, (2, 3)), constant([4, 3])], "of type INT32"),
        (SCATTER_ND, [operand(T.INT32, (2, 1)), operand(T.INT16, (2, 3)), constant([4, 3])], "of type FLOAT32"),
        (SCATTER_ND, [operand(T.INT32, (2, 1)), F32, constant([-4, 3])], "output dimensions in"),
        (SPARSE_TO_DENSE, [constant([[0, 1]]), constant([4]), constant([1]), constant(0)], "1 indices for each value"),
        (SPARSE_TO_DENSE, [constant([0, 1]), constant([4]), constant([1]), constant(0)], "2 values are required"),
        (SPARSE_TO_DENSE, [constant([[0] * 5]), constant([1] * 5), constant([1]), constant(0)], "at most 4 dimensions"),
        (SEGMENT_SUM, [F32, constant([0, 1, 3, 3])], "segment numbers that rise"),
        (SEGMENT_SUM, [F32, constant([1, 1, 1, 1])], "segment numbers that rise"),
        (SEGMENT_SUM, [F32, constant([0, 1])], r"of shape \(4,\)"),
        (UNSORTED_SEGMENT_SUM, [F32, constant([0, 1]), constant(3)], "a shape that starts"),
        (UNSORTED_SEGMENT_SUM, [F32, constant([0, 1, 0, 0]), constant(-3)], "output dimensions in"),
        (UNSORTED_SEGMENT_SUM, [F32, constant([0, 1, 0, 0]), constant([3, 3])], "one element"),
        (DYNAMIC_UPDATE_SLICE, [F32, operand(T.FLOAT32, (5, 3)), constant([0, 0])], "an update that fits"),
        (DYNAMIC_UPDATE_SLICE, [F32, operand(T.FLOAT32, (3,)), constant([0, 0])], "an update that fits"),
        (DYNAMIC_UPDATE_SLICE, [F32, operand(T.INT32, (2, 2)), constant([0, 0])], "of one type"),
        (DYNAMIC_UPDATE_SLICE, [F32, operand(T.FLOAT32, (2, 2)), constant([0])], r"of shape \(2,\)"),
    ],
)
def test_illegal_calls(spec, inputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(Call(spec, options(spec), tuple(item.info(index) for index, item in enumerate(inputs))))


def unpacked(data, shape):
    return np.stack([data & 15, data >> 4], -1).reshape(-1)[: np.prod(shape)].reshape(shape)


@pytest.mark.parametrize("index", [T.INT32, T.INT64])
@pytest.mark.parametrize(("shape", "part"), [((5,), (2,)), ((4, 7), (2, 7)), ((4, 7), (3, 2)), ((3, 3), (3, 3)), ((2, 5, 3), (1, 2, 2))])
@pytest.mark.parametrize("first", [-1, 0, 1, 9])
def test_updates_of_4_bits(index, shape, part, first):
    """LiteRT's interface cannot return tensors of 4 bits."""
    rng = np.random.default_rng(0)
    data = [rng.integers(0, 256, (np.prod(item) + 1) // 2).astype(np.uint8) for item in (shape, part)]
    inputs = [operand(T.INT4, item, value=value) for item, value in zip((shape, part), data)]
    starts = np.full(len(shape), first, "int32" if index is T.INT32 else "int64")
    content = write_model(build(DYNAMIC_UPDATE_SLICE, None, [*inputs, operand(index, starts.shape)], [like(inputs[0])]))
    expected = unpacked(data[0], shape)
    box = tuple(slice(start, start + size) for start, size in zip(np.clip(first, 0, np.subtract(shape, part)), part))
    expected[box] = unpacked(data[1], part)
    for threads in (1, 3):
        found = run(content, [starts], threads)[0]
        assert (unpacked(found.view(np.uint8), shape) == expected).all()


def test_updates_of_2_bits_are_not_supported():
    x = operand(T.INT2, (4,))
    content = write_model(build(DYNAMIC_UPDATE_SLICE, None, [x, operand(T.INT2, (2,)), constant([1])], [like(x)]))
    with pytest.raises(UnsupportedError, match="elements of whole bytes"):
        run(content, [])


@pytest.mark.parametrize(
    ("spec", "types", "version"),
    [
        (SPARSE_TO_DENSE, (T.INT32, T.INT32, T.FLOAT32), 1),
        (SPARSE_TO_DENSE, (T.INT32, T.INT32, T.INT64), 2),
        (SPARSE_TO_DENSE, (T.INT32, T.INT32, T.UINT8), 3),
        (DYNAMIC_UPDATE_SLICE, (T.FLOAT32, T.FLOAT32, T.INT32), 1),
        (DYNAMIC_UPDATE_SLICE, (T.FLOAT32, T.FLOAT32, T.INT64), 2),
        (DYNAMIC_UPDATE_SLICE, (T.FLOAT16, T.FLOAT16, T.INT64), 3),
        (DYNAMIC_UPDATE_SLICE, (T.INT16, T.INT16, T.INT64), 4),
    ],
)
def test_versions(spec, types, version):
    inputs = tuple(operand(type, (2, 2)).info(index) for index, type in enumerate(types))
    assert spec.version(Call(spec, options(spec), inputs)) == version
