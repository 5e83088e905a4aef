import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.gather  # noqa: F401 - fills the registry
from jitlite.schemas.errors import ExecutionError, InvalidModelError
from jitlite.schemas.ops.gather import GATHER, GATHER_ND, ONE_HOT, TOPK_V2
from jitlite.schemas.ops.spec import Call, infer
from jitlite.schemas.tables import GatherNdOptions, GatherOptions, OneHotOptions, TensorType, TopKV2Options
from jitlite.schemas.write import write_model
from tests.ops.oracle import OPTIMIZED, build, check, constant, like, operand, random_values, reference, result, run

T = TensorType
MOVED_TYPES = [T.FLOAT32, T.INT8, T.UINT8, T.INT16, T.INT32, T.INT64, T.BOOL]


def positions(type, shape, bound):
    return operand(type, shape, low=0, high=bound - 1)


GATHERED = [
    ((5,), (3,), 0, 0),
    ((4, 3), (2,), 0, 0),
    ((4, 3), (5,), 1, 0),
    ((4, 3, 2), (2, 2), -2, 0),
    ((4, 3, 5), (), 1, 0),
    ((2, 4, 3), (2, 3), 1, 1),
    ((2, 3, 4, 5), (2, 3, 2), 2, 2),
    ((2, 3, 4, 5), (2, 6), 2, 1),
    ((2, 4, 3), (2, 3), 1, -1),
]


@pytest.mark.parametrize("type", MOVED_TYPES)
@pytest.mark.parametrize("index", [T.INT16, T.INT32, T.INT64])
@pytest.mark.parametrize(("shape", "where", "axis", "batch_dims"), GATHERED)
def test_gather(type, index, shape, where, axis, batch_dims):
    x = operand(type, shape)
    inputs = [x, positions(index, where, shape[axis])]
    check(GATHER, GatherOptions(axis=axis, batch_dims=batch_dims), inputs, [like(x)], resolver=OPTIMIZED)


@pytest.mark.parametrize("index", [T.INT32, T.INT64])
@pytest.mark.parametrize(("shape", "axis"), [((12,), 0), ((2, 12, 3), 1), ((2, 3, 12), 2)])
@pytest.mark.parametrize(
    "where",
    [
        [[0, 1, 2], [1, 2, 3], [9, 10, 11]],
        [4, 5, 6, 7, 0, 1, 8, 9, 10, 11],
        [8, 9, 10, 11, 0, 1, 2, 3],
        [11, 10, 9],
        [5],
        list(range(12)),
    ],
    ids=str,
)
def test_constant_positions(where, shape, axis, index):
    x = operand(T.FLOAT32, shape)
    check(GATHER, GatherOptions(axis=axis), [x, constant(where, index)], [like(x)], resolver=OPTIMIZED, threads=(1, 2, 5))


def test_constant_positions_of_batches():
    x, where = operand(T.INT8, (2, 3, 8, 2)), [[0, 1, 4, 5], [6, 7, 2, 3]]
    check(GATHER, GatherOptions(axis=2, batch_dims=1), [x, constant(where)], [like(x)], resolver=OPTIMIZED)


@pytest.mark.parametrize("where", [[3, 4, 5, 6], [-1, 0, 1], [0, 1, 2, 2**31 - 1, -(2**31), 1 - 2**31]], ids=str)
def test_constant_positions_out_of_range_fail_at_run_time(where):
    content = write_model(build(GATHER, GatherOptions(), [operand(T.FLOAT32, (6,)), constant(where)], [result(T.FLOAT32)]))
    with pytest.raises(ExecutionError, match="an index inside its bound is required"):
        run(content, [np.zeros(6, np.float32)])


@settings(max_examples=60, deadline=None)
@given(data=st.data(), type=st.sampled_from([T.FLOAT32, T.INT8]))
def test_gather_of_any_shape(data, type):
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    axis = data.draw(st.integers(0, len(shape) - 1))
    batch_dims = data.draw(st.integers(0, axis))
    where = shape[:batch_dims] + data.draw(st.lists(st.integers(1, 4), max_size=2))
    x = operand(type, shape)
    options = GatherOptions(axis=axis, batch_dims=batch_dims)
    check(GATHER, options, [x, positions(T.INT32, where, shape[axis])], [like(x)], seed=data.draw(st.integers(0, 99)), resolver=OPTIMIZED)


@pytest.mark.parametrize("type", MOVED_TYPES)
@pytest.mark.parametrize("index", [T.INT16, T.INT32, T.INT64])
@pytest.mark.parametrize(
    ("shape", "where"), [((3, 3), (4, 2)), ((3, 3, 2), (2, 2, 2)), ((3, 4), (5, 1)), ((3, 3, 3), (2, 3)), ((4,), (1,))]
)
def test_gather_nd(type, index, shape, where):
    x = operand(type, shape)
    check(GATHER_ND, GatherNdOptions(), [x, positions(index, where, min(shape))], [like(x)], resolver=OPTIMIZED)


def test_positions_without_indices_read_everything():
    x = operand(T.FLOAT32, (2, 3))
    value = np.arange(6, dtype=np.float32).reshape(2, 3)
    content = write_model(build(GATHER_ND, None, [x, operand(T.INT32, (4, 0))], [like(x)]))
    assert (run(content, [value, np.zeros((4, 0), np.int32)])[0] == value).all()


@pytest.mark.parametrize("wrong", [-1, 4, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize(("spec", "options", "where"), [(GATHER, GatherOptions(), (3,)), (GATHER_ND, None, (3, 1))])
def test_positions_out_of_range_fail_at_run_time(spec, options, where, wrong):
    x = operand(T.FLOAT32, (4, 2))
    feeds = [np.zeros((4, 2), np.float32), np.array([0, 3, wrong], np.int32).reshape(where)]
    content = write_model(build(spec, options, [x, operand(T.INT32, where)], [like(x)]))
    with pytest.raises(ExecutionError, match="an index inside its bound is required"):
        run(content, feeds)
    with pytest.raises(RuntimeError):
        reference(content, feeds, OPTIMIZED)


@pytest.mark.parametrize("type", [T.FLOAT32, T.INT8, T.UINT8, T.INT32, T.INT64, T.BOOL])
@pytest.mark.parametrize("index", [T.INT32, T.INT64])
@pytest.mark.parametrize(
    ("shape", "depth", "axis"), [((4,), 5, -1), ((2, 3), 4, 0), ((2, 3), 4, 1), ((2, 3), 4, 2), ((), 3, 0), ((0,), 3, -1)]
)
def test_one_hot(type, index, shape, depth, axis):
    values = [operand(type, ()), operand(type, ())]
    inputs = [operand(index, shape, low=-2, high=depth + 1), constant(depth), *values]
    check(ONE_HOT, OneHotOptions(axis=axis), inputs, [result(type)], resolver=OPTIMIZED)


@pytest.mark.parametrize("type", [t for t in MOVED_TYPES if t is not T.BOOL])
@pytest.mark.parametrize(("shape", "k"), [((7,), 3), ((3, 9), 9), ((2, 3, 20), 5), ((4, 6), 1), ((3, 1), 1)])
def test_top_k(type, shape, k):
    x = operand(type, shape, low=-5, high=5)
    check(TOPK_V2, TopKV2Options(), [x, constant(k)], [like(x), result(T.INT32)], resolver=OPTIMIZED)


def test_top_k_puts_nan_last():
    x = operand(T.FLOAT32, (6,))
    feeds = [np.array([np.nan, 1, -np.inf, np.nan, 3, 1], np.float32)]
    check(TOPK_V2, None, [x, constant(6)], [like(x), result(T.INT32)], feeds=feeds, resolver=OPTIMIZED)


@pytest.mark.parametrize("type", [T.FLOAT32, T.INT16, T.UINT8])
@pytest.mark.parametrize("k", [constant(4), constant(4, T.INT16)], ids=lambda k: k.type.name)
def test_short_positions_of_top_k(type, k):
    x = operand(type, (3, 8), low=-5, high=5)
    check(TOPK_V2, None, [x, k], [like(x), result(T.INT16)], resolver=OPTIMIZED)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_top_k_sorts(data):
    rows, size = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 40))
    k = data.draw(st.integers(1, size))
    x = operand(T.INT32, (rows, size), low=-3, high=3)
    values = random_values(x, np.random.default_rng(data.draw(st.integers(0, 999))))
    order = np.argsort(-values, axis=1, kind="stable")[:, :k]
    content = write_model(build(TOPK_V2, None, [x, constant(k)], [like(x), result(T.INT32)]))
    found, places = run(content, [values])
    assert (places == order).all()
    assert (found == np.take_along_axis(values, order, 1)).all()


F32 = operand(T.FLOAT32, (4, 5))
ONE = operand(T.FLOAT32, ())


@pytest.mark.parametrize(
    ("spec", "options", "inputs", "message"),
    [
        (GATHER, GatherOptions(axis=2), [F32, operand(T.INT32, (2,))], r"an axis in \[-2, 2\)"),
        (GATHER, GatherOptions(axis=0, batch_dims=1), [F32, operand(T.INT32, (4,))], r"batch_dims in \[0, 0\]"),
        (GATHER, GatherOptions(axis=1, batch_dims=-3), [F32, operand(T.INT32, (4, 2))], r"batch_dims in \[0, 1\]"),
        (GATHER, GatherOptions(axis=1, batch_dims=1), [F32, operand(T.INT32, (3, 2))], "1 equal leading dimensions"),
        (GATHER, GatherOptions(), [F32, operand(T.FLOAT32, (2,))], "type INT16 or INT32 or INT64"),
        (GATHER, GatherOptions(), [operand(T.FLOAT32, ()), operand(T.INT32, (2,))], r"an axis in \[0, 0\)"),
        (GATHER, GatherOptions(), [operand(T.INT8, (1, 2**20)), operand(T.INT32, (2**20,))], "an output of at most"),
        (GATHER_ND, None, [F32, operand(T.INT32, (2, 3))], "a last dimension of at most 2"),
        (GATHER_ND, None, [F32, operand(T.INT32, ())], "rank 1"),
        (GATHER_ND, None, [operand(T.FLOAT32, (0, 2)), operand(T.INT32, (1, 1))], "an input with elements"),
        (ONE_HOT, OneHotOptions(axis=2), [operand(T.INT32, (3,)), constant(2), ONE, ONE], r"an axis in \[-1, 1\]"),
        (ONE_HOT, OneHotOptions(axis=-2), [operand(T.INT32, (3,)), constant(2), ONE, ONE], r"an axis in \[-1, 1\]"),
        (ONE_HOT, OneHotOptions(axis=-1), [operand(T.INT32, (3,)), constant(-2), ONE, ONE], "output dimensions in"),
        (ONE_HOT, OneHotOptions(axis=-1), [operand(T.INT32, (3,)), constant(2), ONE, constant(1)], "of one type"),
        (ONE_HOT, OneHotOptions(axis=-1), [operand(T.INT32, (3,)), constant([1, 2]), ONE, ONE], "one element"),
        (ONE_HOT, OneHotOptions(axis=-1), [operand(T.INT32, (2**16,)), constant(2**16), ONE, ONE], "an output of at most"),
        (TOPK_V2, None, [F32, constant(6)], "k of at most 5"),
        (TOPK_V2, None, [operand(T.FLOAT32, ()), constant(1)], "rank 1"),
        (TOPK_V2, None, [F32, constant([1, 2])], "one element"),
    ],
)
def test_illegal_calls(spec, options, inputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(Call(spec, options, tuple(item.info(index) for index, item in enumerate(inputs))))


def test_top_k_positions_fit_their_type():
    inputs = (operand(T.FLOAT32, (2**15,)).info(0), constant(1).info(1))
    outputs = (operand(T.FLOAT32, (1,)).info(2), operand(T.INT16, (1,)).info(3))
    with pytest.raises(InvalidModelError, match="INT16 positions"):
        infer(Call(TOPK_V2, None, inputs, outputs))


@pytest.mark.parametrize(
    ("spec", "options", "types", "version"),
    [
        (GATHER, GatherOptions(), (T.FLOAT32, T.INT32), 1),
        (GATHER, GatherOptions(), (T.INT8, T.INT32), 2),
        (GATHER, GatherOptions(), (T.BOOL, T.INT32), 3),
        (GATHER, GatherOptions(), (T.INT16, T.INT32), 4),
        (GATHER, GatherOptions(batch_dims=1), (T.INT8, T.INT32), 5),
        (GATHER, GatherOptions(), (T.INT8, T.INT16), 6),
        (GATHER_ND, None, (T.INT8, T.INT32), 1),
        (GATHER_ND, None, (T.INT16, T.INT32), 3),
        (GATHER_ND, None, (T.FLOAT32, T.INT16), 4),
        (GATHER_ND, None, (T.BOOL, T.INT32), 5),
        (TOPK_V2, None, (T.FLOAT32, T.INT32), 1),
        (TOPK_V2, None, (T.INT8, T.INT32), 2),
        (TOPK_V2, None, (T.INT16, T.INT32), 3),
    ],
)
def test_versions(spec, options, types, version):
    inputs = tuple(operand(type, (2, 2)).info(index) for index, type in enumerate(types))
    assert spec.version(Call(spec, options, inputs)) == version
