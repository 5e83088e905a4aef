import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.arrange  # noqa: F401 - fills the registry
from jitlite.schemas.errors import ExecutionError, InvalidModelError
from jitlite.schemas.ops.arrange import BROADCAST_ARGS, BUCKETIZE, MATRIX_DIAG, MATRIX_SET_DIAG, REVERSE_SEQUENCE, ZEROS_LIKE
from jitlite.schemas.ops.spec import Call, infer
from jitlite.schemas.tables import BucketizeOptions, ReverseSequenceOptions, TensorType
from jitlite.schemas.write import write_model
from tests.ops.oracle import build, check, constant, like, operand, reference, result, run

T = TensorType
DIAGONALS = [T.FLOAT32, T.UINT8, T.INT8, T.INT16, T.INT32, T.INT64]


@pytest.mark.parametrize("type", [T.FLOAT32, T.UINT8, T.INT16, T.INT32, T.INT64])
@pytest.mark.parametrize("index", [T.INT32, T.INT64])
@pytest.mark.parametrize(
    ("shape", "seq", "batch"), [((4, 5), 1, 0), ((4, 5), 0, 1), ((3, 2, 5, 2), 2, 0), ((5, 2, 3), 0, 2), ((2, 3, 4, 3), 1, 2)]
)
def test_reverse_sequence(type, index, shape, seq, batch):
    x, lengths = operand(type, shape), operand(index, (shape[batch],), low=0, high=shape[seq])
    check(REVERSE_SEQUENCE, ReverseSequenceOptions(seq_dim=seq, batch_dim=batch), [x, lengths], [like(x)])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_reverse_sequence_of_any_shape(data):
    shape = data.draw(st.lists(st.integers(1, 5), min_size=2, max_size=5))
    seq, batch = data.draw(st.permutations(range(len(shape))))[:2]
    x, lengths = operand(T.INT32, shape), operand(T.INT32, (shape[batch],), low=-1, high=shape[seq])
    options, seed = ReverseSequenceOptions(seq_dim=seq, batch_dim=batch), data.draw(st.integers(0, 99))
    check(REVERSE_SEQUENCE, options, [x, lengths], [like(x)], seed=seed, threads=(1, 2, 5))


def test_sequences_longer_than_there_is_room_fail_at_run_time():
    x, lengths = operand(T.FLOAT32, (2, 3)), operand(T.INT32, (2,))
    content = write_model(build(REVERSE_SEQUENCE, ReverseSequenceOptions(seq_dim=1), [x, lengths], [like(x)]))
    with pytest.raises(ExecutionError, match="out of its range"):
        run(content, [np.zeros((2, 3), np.float32), np.array([1, 4], np.int32)])


@pytest.mark.parametrize("type", DIAGONALS)
@pytest.mark.parametrize("shape", [(1,), (5,), (2, 3), (2, 3, 4)])
def test_matrix_diag(type, shape):
    x = operand(type, shape)
    check(MATRIX_DIAG, MATRIX_DIAG.options(), [x], [like(x)])


@pytest.mark.parametrize("type", DIAGONALS)
@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 5), (5, 2), (2, 3, 4), (2, 2, 4, 3)])
def test_matrix_set_diag(type, shape):
    x, values = operand(type, shape), operand(type, (*shape[:-2], min(shape[-2:])))
    check(MATRIX_SET_DIAG, MATRIX_SET_DIAG.options(), [x, values], [like(x)])


@pytest.mark.parametrize("type", [T.FLOAT32, T.INT32, T.INT64])
@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 400), (2, 3, 4, 5, 6)])
def test_zeros_like(type, shape):
    x = operand(type, shape)
    assert not check(ZEROS_LIKE, ZEROS_LIKE.options(), [x], [like(x)])[0].any()


@pytest.mark.parametrize("type", [T.FLOAT32, T.FLOAT64, T.INT32, T.INT64])
@pytest.mark.parametrize("boundaries", [[0.0], [-3.0, -0.5, 0.0, 1.0, 2.5], [1.0, 1.0, 1.0], [-1e9, 16777216.0]], ids=str)
@pytest.mark.parametrize("shape", [(50,), (4, 5), (2, 3, 4)])
def test_bucketize(type, boundaries, shape):
    check(BUCKETIZE, BucketizeOptions(boundaries=boundaries), [operand(type, shape)], [result(T.INT32)])


def test_bucketize_compares_as_the_reference_does():
    options = BucketizeOptions(boundaries=[0.10000000149011612, 16777216.0])
    cases = {
        T.FLOAT32: [np.nan, np.inf, 0.1, -0.0],
        T.FLOAT64: [np.nan, 0.1, 0.10000000149011612, 16777217],
        T.INT64: [16777217, 2**62, -5, 0],
    }
    for type, values in cases.items():
        dtype = {T.FLOAT32: np.float32, T.FLOAT64: np.float64, T.INT64: np.int64}[type]
        check(BUCKETIZE, options, [operand(type, (4,))], [result(T.INT32)], feeds=[np.array(values, dtype)])


@pytest.mark.parametrize("index", [T.INT32, T.INT64])
@pytest.mark.parametrize("is_constant", [True, False])
@pytest.mark.parametrize(
    ("a", "b"), [([2, 3], [2, 3]), ([2, 1], [1, 5]), ([3], [4, 2, 1]), ([4, 2, 3], [1, 3]), ([0, 1], [1]), ([1], [7])], ids=str
)
def test_broadcast_args(index, is_constant, a, b):
    values = [np.array(item, "int32" if index is T.INT32 else "int64") for item in (a, b)]
    inputs = [constant(value, index) if is_constant else operand(index, value.shape) for value in values]
    check(BROADCAST_ARGS, None, inputs, [result(index)], feeds=[] if is_constant else values)


def test_shapes_that_do_not_broadcast_fail_at_run_time():
    content = write_model(build(BROADCAST_ARGS, None, [operand(T.INT32, (2,)), operand(T.INT32, (1,))], [result(T.INT32)]))
    with pytest.raises(ExecutionError, match="out of its range"):
        run(content, [np.array([2, 3], np.int32), np.array([4], np.int32)])


@pytest.mark.parametrize("wrong", [[1.0, 0.0], [0.0, float("nan")]], ids=str)
def test_boundaries_that_are_not_sorted(wrong):
    with pytest.raises(InvalidModelError, match="sorted boundaries"):
        infer(Call(BUCKETIZE, BucketizeOptions(boundaries=wrong), (operand(T.FLOAT32, (2,)).info(0),)))


F32 = operand(T.FLOAT32, (4, 3))


@pytest.mark.parametrize(
    ("spec", "options", "inputs", "message"),
    [
        (REVERSE_SEQUENCE, ReverseSequenceOptions(seq_dim=1, batch_dim=1), [F32, operand(T.INT32, (3,))], "two dimensions"),
        (REVERSE_SEQUENCE, ReverseSequenceOptions(seq_dim=-1), [F32, operand(T.INT32, (4,))], "two dimensions"),
        (REVERSE_SEQUENCE, ReverseSequenceOptions(seq_dim=1, batch_dim=2), [F32, operand(T.INT32, (4,))], "two dimensions"),
        (REVERSE_SEQUENCE, ReverseSequenceOptions(seq_dim=1), [F32, operand(T.INT32, (3,))], r"of shape \(4,\)"),
        (REVERSE_SEQUENCE, ReverseSequenceOptions(seq_dim=1), [operand(T.INT8, (4, 3)), operand(T.INT32, (4,))], "of type FLOAT32"),
        (MATRIX_DIAG, None, [operand(T.FLOAT32, ())], "rank 1"),
        (MATRIX_DIAG, None, [operand(T.BOOL, (2,))], "of type FLOAT32"),
        (MATRIX_DIAG, None, [operand(T.INT8, (2**16,))], "an output of at most"),
        (MATRIX_SET_DIAG, None, [F32, operand(T.FLOAT32, (4,))], r"of shape \(3,\)"),
        (MATRIX_SET_DIAG, None, [F32, operand(T.INT32, (3,))], "of one type"),
        (MATRIX_SET_DIAG, None, [operand(T.FLOAT32, (4,)), operand(T.FLOAT32, (4,))], "rank 2"),
        (ZEROS_LIKE, None, [operand(T.INT8, (4,))], "of type FLOAT32"),
        (BUCKETIZE, BucketizeOptions(), [operand(T.INT8, (4,))], "of type FLOAT32"),
        (BROADCAST_ARGS, None, [constant([[1]]), constant([1])], "rank 1"),
        (BROADCAST_ARGS, None, [constant([1]), constant([1], T.INT64)], "of one type"),
    ],
)
def test_illegal_calls(spec, options, inputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(Call(spec, options, tuple(item.info(index) for index, item in enumerate(inputs))))


def test_the_reference_knows_sequences_too_long():
    x, lengths = operand(T.FLOAT32, (2, 3)), operand(T.INT32, (2,))
    content = write_model(build(REVERSE_SEQUENCE, ReverseSequenceOptions(seq_dim=1), [x, lengths], [like(x)]))
    with pytest.raises(RuntimeError):
        reference(content, [np.zeros((2, 3), np.float32), np.array([4, 1], np.int32)])
