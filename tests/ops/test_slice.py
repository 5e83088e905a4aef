import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.slice  # noqa: F401 - fills the registry
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.ops.slice import REVERSE_V2, SLICE, STRIDED_SLICE
from jitlite.schemas.ops.spec import Call, NeedsValue, infer
from jitlite.schemas.tables import ReverseV2Options, SliceOptions, StridedSliceOptions, TensorType
from tests.ops.oracle import OPTIMIZED, REFERENCE, check, constant, like, operand

T = TensorType
MOVED_TYPES = [T.FLOAT32, T.INT8, T.UINT8, T.INT16, T.INT32, T.INT64, T.BOOL]


def indices(*values):
    return constant(np.array(values, np.int32))


@pytest.mark.parametrize("type", MOVED_TYPES)
@pytest.mark.parametrize(
    ("shape", "begin", "size"),
    [
        ((5,), (1,), (3,)),
        ((4, 6), (1, 2), (2, -1)),
        ((2, 5, 6, 3), (0, 1, 2, 0), (2, 3, 2, 3)),
        ((2, 5, 6, 3), (1, 0, 0, 1), (1, -1, -1, 1)),
        ((3, 4), (3, 0), (0, 4)),
        ((2, 1, 3, 2, 2, 2), (0, 0, 1, 0, 1, 0), (2, 1, 2, 1, 1, 2)),
    ],
)
def test_slice(type, shape, begin, size):
    x = operand(type, shape)
    check(SLICE, SliceOptions(), [x, indices(*begin), indices(*size)], [like(x)])


def test_slice_by_int64_operands():
    x = operand(T.FLOAT32, (4, 6))
    begin, size = (operand(T.INT64, (2,), value=value) for value in ([1, 2], [-1, 3]))
    check(SLICE, None, [x, begin, size], [like(x)])


@settings(max_examples=60, deadline=None)
@given(data=st.data(), type=st.sampled_from([T.FLOAT32, T.INT8, T.INT64]))
def test_slice_of_any_window(data, type):
    shape = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=5))
    begin = [data.draw(st.integers(0, dim - 1)) for dim in shape]
    size = [data.draw(st.sampled_from([-1, *range(1, dim - first + 1)])) for dim, first in zip(shape, begin)]
    x = operand(type, shape)
    check(SLICE, None, [x, indices(*begin), indices(*size)], [like(x)])


@pytest.mark.parametrize("type", MOVED_TYPES)
@pytest.mark.parametrize(
    ("shape", "begin", "end", "strides", "masks"),
    [
        ((6,), (1,), (5,), (2,), {}),
        ((6,), (4,), (0,), (-2,), {}),
        ((6,), (-1,), (-7,), (-1,), {}),
        ((6,), (2,), (0,), (1,), {"end_mask": 1}),
        ((6,), (4,), (0,), (-1,), {"begin_mask": 1, "end_mask": 1}),
        ((6,), (-100,), (100,), (1,), {}),
        ((6,), (4,), (2,), (1,), {}),
        ((4, 5), (1, 0), (2, 5), (1, 1), {"shrink_axis_mask": 1}),
        ((4, 5), (-1, 1), (0, 4), (1, 2), {"shrink_axis_mask": 1}),
        ((4, 5), (1, 2), (2, 3), (1, 1), {"shrink_axis_mask": 3}),
        ((4, 5), (1,), (3,), (1,), {}),
        ((2, 3, 4, 5), (0, 1), (0, 4), (1, 2), {"ellipsis_mask": 1}),
        ((2, 3, 4, 5), (1, 0, 1), (2, 0, 4), (1, 1, 2), {"ellipsis_mask": 2, "shrink_axis_mask": 1}),
        ((4, 5), (0, 1, 0), (0, 3, 5), (1, 1, 1), {"new_axis_mask": 1}),
        ((4, 5), (1, 0, 1), (3, 0, 4), (1, 1, 2), {"new_axis_mask": 2}),
        ((4, 5), (0, 0, 1), (0, 0, 4), (1, 1, 2), {"ellipsis_mask": 1, "new_axis_mask": 2}),
        ((3, 4, 5), (0, 0, 0), (0, 0, 0), (1, 1, 1), {"begin_mask": 7, "end_mask": 7}),
        ((2, 6, 6, 3), (0, 5, 5, 0), (2, -7, 0, 3), (1, -2, -3, 1), {}),
    ],
)
def test_strided_slice(type, shape, begin, end, strides, masks):
    x = operand(type, shape)
    # The reference set stops at version 5.
    resolver = OPTIMIZED if "ellipsis_mask" in masks or "new_axis_mask" in masks else REFERENCE
    operands = [x, indices(*begin), indices(*end), indices(*strides)]
    check(STRIDED_SLICE, StridedSliceOptions(**masks), operands, [like(x)], resolver=resolver)


@pytest.mark.parametrize("type", [T.FLOAT32, T.INT8, T.INT16, T.INT64])
@pytest.mark.parametrize("stride", [2, 3, 4, 5])
@pytest.mark.parametrize("shape", [(511,), (64 * 9,), (3, 400), (12 * 600 + 1,)], ids=str)
def test_strided_slice_of_long_rows(type, stride, shape):
    x, first, step = operand(type, shape), [0] * len(shape), [1] * len(shape)
    for begin in range(stride):
        where = [indices(*first[1:], begin), indices(*shape), indices(*step[1:], stride)]
        check(STRIDED_SLICE, StridedSliceOptions(), [x, *where], [like(x)], threads=(1, 3))


def test_strided_slice_with_ends_relative_to_begins():
    x = operand(T.FLOAT32, (8, 9))
    check(STRIDED_SLICE, StridedSliceOptions(offset=True), [x, indices(2, 1), indices(4, 6), indices(2, 3)], [like(x)], resolver=OPTIMIZED)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_strided_slice_of_any_window(data):
    shape = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    count = data.draw(st.integers(1, len(shape)))
    bound = st.integers(-8, 8)
    begin, end = (data.draw(st.lists(bound, min_size=count, max_size=count)) for _ in range(2))
    strides = data.draw(st.lists(st.sampled_from([-3, -2, -1, 1, 2, 3]), min_size=count, max_size=count))
    shrunk = 0
    for axis in range(count):
        if data.draw(st.booleans()):
            begin[axis] = data.draw(st.integers(-shape[axis], shape[axis] - 1))
            strides[axis] = 1
            shrunk |= 1 << axis
    limit = (1 << count) - 1
    masks = {name: data.draw(st.integers(0, limit)) for name in ("begin_mask", "end_mask")}
    x = operand(T.INT32, shape)
    options = StridedSliceOptions(shrink_axis_mask=shrunk, **masks)
    call = Call(STRIDED_SLICE, options, tuple(item.info(0) for item in (x, indices(*begin), indices(*end), indices(*strides))))
    shape_found = infer(call)[0][0]
    if 0 in shape_found:  # LiteRT's Python interface cannot return a tensor without elements
        return
    check(STRIDED_SLICE, options, [x, indices(*begin), indices(*end), indices(*strides)], [like(x)])


@pytest.mark.parametrize("type", MOVED_TYPES)
@pytest.mark.parametrize(
    ("shape", "axes"), [((5,), (0,)), ((3, 4), (0,)), ((3, 4), (-1,)), ((3, 4), (0, 1)), ((2, 3, 4, 5), (1, 2)), ((2, 3, 4, 5), (2,))]
)
def test_reverse(type, shape, axes):
    x = operand(type, shape)
    check(REVERSE_V2, ReverseV2Options(), [x, indices(*axes)], [like(x)])


F32 = operand(T.FLOAT32, (4, 5))


@pytest.mark.parametrize(
    ("spec", "options", "inputs", "message"),
    [
        (SLICE, None, [F32, indices(0), indices(4)], r"operand 'begin' of shape \(2,\)"),
        (SLICE, None, [F32, indices(0, 0), indices(4, 6)], r"a size of -1 or in \[0, 5\]"),
        (SLICE, None, [F32, indices(0, 0), indices(4, -2)], r"a size of -1 or in \[0, 5\]"),
        (SLICE, None, [F32, indices(5, 0), indices(0, 1)], r"a begin in \[0, 4\]"),
        (SLICE, None, [F32, indices(-1, 0), indices(1, 1)], r"a begin in \[0, 4\]"),
        (SLICE, None, [F32, operand(T.FLOAT32, (2,), value=[0, 0]), indices(1, 1)], "type INT32 or INT64"),
        (STRIDED_SLICE, StridedSliceOptions(), [F32, indices(0), indices(1), indices(0)], "strides other than 0"),
        (STRIDED_SLICE, StridedSliceOptions(), [F32, indices(0), indices(1), indices(-(2**31))], "strides other than 0"),
        (STRIDED_SLICE, StridedSliceOptions(), [F32, indices(0), indices(1, 2), indices(1)], r"operand 'end' of shape \(1,\)"),
        (STRIDED_SLICE, StridedSliceOptions(), [F32, indices(0), indices(1), indices(1, 1)], r"operand 'strides' of shape \(1,\)"),
        (STRIDED_SLICE, StridedSliceOptions(), [F32, indices(0, 0, 0), indices(1, 1, 1), indices(1, 1, 1)], "at most 2 entries"),
        (STRIDED_SLICE, StridedSliceOptions(shrink_axis_mask=1), [F32, indices(4), indices(5), indices(1)], "an index below 4"),
        (STRIDED_SLICE, StridedSliceOptions(shrink_axis_mask=1), [F32, indices(1), indices(0), indices(-1)], "a positive stride"),
        (STRIDED_SLICE, StridedSliceOptions(ellipsis_mask=3), [F32, indices(0, 0), indices(0, 0), indices(1, 1)], "at most one ellipsis"),
        (STRIDED_SLICE, None, [F32, indices(0), indices(1), indices(1)], "options StridedSliceOptions are required"),
        (REVERSE_V2, None, [F32, indices(2)], r"an axis in \[-2, 2\)"),
        (REVERSE_V2, None, [F32, indices(0, -2)], "axes that differ"),
        (REVERSE_V2, None, [operand(T.FLOAT32, (1,) * 9), indices(0)], "rank 0 to 8"),
    ],
)
def test_illegal_calls(spec, options, inputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(Call(spec, options, tuple(item.info(index) for index, item in enumerate(inputs))))


def test_windows_known_at_run_time():
    x = operand(T.FLOAT32, (4, 5))
    feeds = [np.arange(20, dtype=np.float32).reshape(4, 5), np.array([1, 2], np.int32)]
    found = check(SLICE, None, [x, operand(T.INT32, (2,)), indices(2, -1)], [operand(T.FLOAT32, ())], feeds=feeds)
    assert found[0].shape == (2, 3)
    with pytest.raises(NeedsValue) as request:
        infer(Call(SLICE, None, (x.info(0), indices(0, 0).info(1), operand(T.INT32, (2,)).info(2))))
    assert request.value.index == 2


@pytest.mark.parametrize(
    ("spec", "options", "type", "rank", "version"),
    [
        (SLICE, None, T.FLOAT32, 4, 1),
        (SLICE, None, T.INT8, 4, 2),
        (SLICE, None, T.INT16, 4, 4),
        (SLICE, None, T.INT8, 5, 5),
        (STRIDED_SLICE, StridedSliceOptions(), T.FLOAT32, 4, 1),
        (STRIDED_SLICE, StridedSliceOptions(), T.INT8, 4, 2),
        (STRIDED_SLICE, StridedSliceOptions(), T.BOOL, 4, 3),
        (STRIDED_SLICE, StridedSliceOptions(), T.INT8, 5, 4),
        (STRIDED_SLICE, StridedSliceOptions(ellipsis_mask=1), T.INT8, 5, 6),
        (STRIDED_SLICE, StridedSliceOptions(offset=True), T.INT8, 5, 8),
        (REVERSE_V2, None, T.INT8, 2, 3),
    ],
)
def test_versions(spec, options, type, rank, version):
    assert spec.version(Call(spec, options, (operand(type, (1,) * rank).info(0),))) == version
