import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.selection  # noqa: F401 - fills the registry
from jitlite.schemas.errors import ExecutionError, InvalidModelError
from jitlite.schemas.ops.selection import NON_MAX_SUPPRESSION_V4, NON_MAX_SUPPRESSION_V5, UNIQUE, WHERE
from jitlite.schemas.ops.spec import Call, infer
from jitlite.schemas.tables import TensorType, UniqueOptions, WhereOptions
from jitlite.schemas.write import write_model
from tests.ops.oracle import build, check, constant, operand, random_values, reference, result, run

T = TensorType
HARD, SOFT = NON_MAX_SUPPRESSION_V4, NON_MAX_SUPPRESSION_V5


@pytest.mark.parametrize("type", [T.BOOL, T.FLOAT32, T.INT64, T.INT32, T.INT8, T.UINT8, T.UINT32])
@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 3, 4), (2, 1, 3, 2)])
@pytest.mark.parametrize("is_constant", [True, False])
def test_where(type, shape, is_constant):
    x = operand(type, shape, low=0, high=1)
    value = random_values(x, np.random.default_rng(1))
    feeds = [] if is_constant else [value]
    inputs = [constant(value, type)] if is_constant else [x]
    check(WHERE, WhereOptions(), inputs, [result(T.INT64, shape=(1, len(shape)))], feeds=feeds)


@pytest.mark.parametrize("value", [np.zeros((2, 3), np.bool_), np.zeros((0, 3), np.bool_), np.ones((2, 3), np.bool_)], ids=str)
def test_where_finds_nothing_and_everything(value):
    """LiteRT's interface cannot return a tensor without elements."""
    content = write_model(build(WHERE, WhereOptions(), [operand(T.BOOL, value.shape)], [result(T.INT64, shape=(1, 2))]))
    assert run(content, [value])[0].tolist() == np.argwhere(value).tolist()


@pytest.mark.parametrize("type", [T.INT8, T.INT16, T.INT32, T.INT64, T.FLOAT32, T.UINT8])
@pytest.mark.parametrize("index", [T.INT32, T.INT64])
@pytest.mark.parametrize("is_constant", [True, False])
def test_unique(type, index, is_constant):
    value = random_values(operand(type, (30,), low=0, high=9), np.random.default_rng(1)).round()
    inputs = [constant(value, type)] if is_constant else [operand(type, (30,))]
    outputs = [result(type, shape=(1,)), result(index, shape=(30,))]
    check(UNIQUE, UniqueOptions(idx_out_type=index), inputs, outputs, feeds=[] if is_constant else [value])


@pytest.mark.parametrize(
    "values", [[1, np.nan, 0, np.nan, 2, -1], [np.nan, 1, 2, np.nan], [0.0, -0.0, np.inf, np.nan, -np.inf, np.nan]], ids=str
)
def test_unique_treats_nan_as_the_reference_does(values):
    outputs = [result(T.FLOAT32, shape=(1,)), result(T.INT32, shape=(len(values),))]
    feeds = [np.array(values, np.float32)]
    check(UNIQUE, UniqueOptions(idx_out_type=T.INT32), [operand(T.FLOAT32, (len(values),))], outputs, feeds=feeds)


def test_unique_of_nothing():
    outputs = [result(T.INT32, shape=(1,)), result(T.INT32, shape=(0,))]
    found = run(write_model(build(UNIQUE, UniqueOptions(), [operand(T.INT32, (0,))], outputs)), [np.zeros(0, np.int32)])
    assert [item.shape for item in found] == [(0,), (0,)]


def random_boxes(count, seed):
    rng = np.random.default_rng(seed)
    return rng.random((count, 4), np.float32), rng.integers(0, 20, count).astype(np.float32) / 20


def suppression(spec, count, most, iou, score, sigma=0.0):
    limits = [constant(np.float32(value), T.FLOAT32) for value in (iou, score, sigma)]
    inputs = [operand(T.FLOAT32, (count, 4)), operand(T.FLOAT32, (count,)), constant(most), *limits[: 3 if spec is SOFT else 2]]
    outputs = [result(T.INT32), *([result(T.FLOAT32)] if spec is SOFT else []), result(T.INT32)]
    return inputs, outputs


@pytest.mark.parametrize("spec", [HARD, SOFT], ids=str)
@pytest.mark.parametrize(("count", "most"), [(1, 1), (10, 10), (40, 5), (40, 60), (200, 50), (5, 0), (0, 3)])
@pytest.mark.parametrize(("iou", "score"), [(0.5, 0.0), (0.1, 0.4), (0.9, -1.0), (0.0, 0.2), (1.0, 0.0)])
def test_suppression(spec, count, most, iou, score):
    inputs, outputs = suppression(spec, count, most, iou, score)
    for seed in range(3):
        check(spec, spec.options(), inputs, outputs, feeds=list(random_boxes(count, seed)))


@pytest.mark.parametrize("sigma", [0.05, 0.3, 2.0])
@pytest.mark.parametrize("iou", [0.5, 1.0])
def test_soft_suppression(sigma, iou):
    for seed in range(5):
        inputs, outputs = suppression(SOFT, 50, 40, iou, 0.1, sigma)
        check(SOFT, SOFT.options(), inputs, outputs, feeds=list(random_boxes(50, seed)))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_boxes_of_equal_scores_come_in_the_order_of_the_reference(data):
    count = data.draw(st.integers(1, 30))
    scores = np.array(data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)), np.float32)
    boxes = np.array(data.draw(st.lists(st.integers(0, 4), min_size=4 * count, max_size=4 * count)), np.float32).reshape(count, 4)
    inputs, outputs = suppression(HARD, count, data.draw(st.integers(1, 30)), 0.4, 0.5)
    check(HARD, HARD.options(), inputs, outputs, feeds=[boxes, scores])


def test_a_number_of_boxes_known_when_it_runs():
    inputs, _ = suppression(HARD, 20, 0, 0.5, 0.0)
    inputs[2] = operand(T.INT32, ())
    feeds = [*random_boxes(20, 0), np.array(7, np.int32)]
    check(HARD, HARD.options(), inputs, [result(T.INT32, shape=(7,)), result(T.INT32, shape=())], feeds=feeds)


def test_negative_sigma_fails_at_run_time():
    content = write_model(build(SOFT, SOFT.options(), *suppression(SOFT, 3, 3, 0.5, 0.0, -1.0)))
    with pytest.raises(ExecutionError, match="out of its range"):
        run(content, list(random_boxes(3, 0)))
    with pytest.raises(RuntimeError):
        reference(content, list(random_boxes(3, 0)))


@pytest.mark.parametrize(
    ("spec", "options", "inputs", "message"),
    [
        (WHERE, WhereOptions(), [operand(T.BOOL, ())], "rank 1"),
        (WHERE, WhereOptions(), [operand(T.INT16, (2,))], "of type BOOL"),
        (UNIQUE, UniqueOptions(), [operand(T.INT32, (2, 2))], "rank 1"),
        (UNIQUE, UniqueOptions(idx_out_type=T.INT8), [operand(T.INT32, (2,))], "INT32 or INT64"),
        (HARD, HARD.options(), suppression(HARD, 5, -1, 0.5, 0)[0], "output dimensions in"),
        (HARD, HARD.options(), [operand(T.FLOAT32, (5, 3)), *suppression(HARD, 5, 1, 0.5, 0)[0][1:]], r"of shape \(5, 4\)"),
        (HARD, HARD.options(), [operand(T.FLOAT32, (6, 4)), *suppression(HARD, 5, 1, 0.5, 0)[0][1:]], r"of shape \(6,\)"),
    ],
)
def test_illegal_calls(spec, options, inputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(Call(spec, options, tuple(item.info(index) for index, item in enumerate(inputs))))


@pytest.mark.parametrize(("type", "version"), [(T.BOOL, 1), (T.FLOAT32, 2), (T.INT32, 2)])
def test_versions(type, version):
    assert WHERE.version(Call(WHERE, WhereOptions(), (operand(type, (2,)).info(0),))) == version
