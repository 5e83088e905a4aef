"""Operators on tensors of strings, those of LiteRT's kernels that take them; tests/interpreter/test_strings.py has their way in and out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitlite.interpreter.registry import load_bindings
from jitlite.schemas.dtypes import numpy_dtype
from jitlite.schemas.errors import ExecutionError, InvalidModelError, UnsupportedError
from jitlite.schemas.ops.comparison import EQUAL, NOT_EQUAL
from jitlite.schemas.ops.concat import CONCATENATION
from jitlite.schemas.ops.gather import GATHER, GATHER_ND
from jitlite.schemas.ops.pad import BROADCAST_TO, FILL, TILE
from jitlite.schemas.ops.reshape import EXPAND_DIMS, PACK, RANK, RESHAPE, SHAPE, SQUEEZE, TRANSPOSE
from jitlite.schemas.ops.slice import REVERSE_V2, SLICE, STRIDED_SLICE
from jitlite.schemas.ops.spec import Call, infer
from jitlite.schemas.tables import (
    BroadcastToOptions,
    ConcatenationOptions,
    EqualOptions,
    ExpandDimsOptions,
    FillOptions,
    GatherNdOptions,
    GatherOptions,
    NotEqualOptions,
    PackOptions,
    RankOptions,
    ReshapeOptions,
    ReverseV2Options,
    ShapeOptions,
    SliceOptions,
    SqueezeOptions,
    StridedSliceOptions,
    TensorType,
    TileOptions,
    TransposeOptions,
)
from jitlite.schemas.write import write_model
from tests.ops.oracle import OPTIMIZED, build, check, constant, like, operand, reference, result, run

T = TensorType
INDICES = (T.INT16, T.INT32, T.INT64)
load_bindings()


def words(*shape):
    """A run-time operand; a constant one for a scalar, of which LiteRT's set_tensor stores an address."""
    return operand(T.STRING, shape, value=None if shape else b"a scalar")


@pytest.mark.parametrize(
    ("shape", "wanted"), [((2, 3), (3, 2)), ((4,), (2, -1)), ((1,), ()), ((), (1, 1)), ((2, 0), (0, 5)), ((2, 1, 3), (6,))]
)
def test_reshape(shape, wanted):
    check(RESHAPE, ReshapeOptions(new_shape=list(wanted)), [words(*shape)], [result(T.STRING)])
    if wanted:
        check(RESHAPE, ReshapeOptions(), [words(*shape), constant(wanted)], [result(T.STRING)])


def test_reshape_by_a_run_time_shape():
    inputs = [words(2, 3), operand(T.INT32, (2,))]
    feeds = [np.array([[b"a", b"", b"ccc"], [b"d", b"e", b"f"]], np.object_), np.array([3, 2], np.int32)]
    check(RESHAPE, ReshapeOptions(), inputs, [result(T.STRING, shape=(3, 2))], feeds=feeds)


@pytest.mark.parametrize(("shape", "axes"), [((1, 3, 1), []), ((1, 3, 1), [0]), ((1, 3, 1), [-1, 0]), ((2,), []), ((1, 1), [])])
def test_squeeze(shape, axes):
    check(SQUEEZE, SqueezeOptions(squeeze_dims=axes), [words(*shape)], [result(T.STRING)], resolver=OPTIMIZED)


@pytest.mark.parametrize(("shape", "axis"), [((2, 3), 0), ((2, 3), 1), ((2, 3), -1), ((4,), 1)])
def test_expand_dims(shape, axis):
    check(EXPAND_DIMS, ExpandDimsOptions(), [words(*shape), constant(axis)], [result(T.STRING)])


def test_scalars_are_set_and_read():
    x = operand(T.STRING, ())
    content = write_model(build(EXPAND_DIMS, ExpandDimsOptions(), [x, constant(0)], [result(T.STRING)]))
    assert run(content, [np.array(b"ab", np.object_)])[0].tolist() == [b"ab"]


def test_indices_of_no_depth_read_everything():
    content = write_model(build(GATHER_ND, GatherNdOptions(), [words(2), operand(T.INT32, (3, 0))], [result(T.STRING)]))
    assert run(content, [np.array([b"a", b"b"], np.object_), np.zeros((3, 0), np.int32)])[0].tolist() == [[b"a", b"b"]] * 3


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("where", [(3,), (2, 2), (), (0,)])
def test_gather(where, index):
    positions = operand(index, where, low=0, high=4)
    check(GATHER, GatherOptions(), [words(5), positions], [result(T.STRING)], resolver=OPTIMIZED)


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize(("shape", "where"), [((3, 4), (5, 2)), ((3, 4), (2, 1)), ((3, 4, 2), (2, 2, 2)), ((4,), (1,))])
def test_gather_nd(shape, where, index):
    indices = operand(index, where, low=0, high=min(shape) - 1)
    check(GATHER_ND, GatherNdOptions(), [words(*shape), indices], [result(T.STRING)], resolver=OPTIMIZED)


@pytest.mark.parametrize("wrong", [-1, 4, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize(("spec", "options", "where"), [(GATHER, GatherOptions(), (3,)), (GATHER_ND, GatherNdOptions(), (3, 1))])
def test_positions_out_of_range_fail_at_run_time(spec, options, where, wrong):
    feeds = [np.array([b"a", b"b", b"c", b"d"], np.object_), np.array([0, 3, wrong], np.int32).reshape(where)]
    content = write_model(build(spec, options, [words(4), operand(T.INT32, where)], [result(T.STRING)]))
    with pytest.raises(ExecutionError, match="an index inside its bound is required"):
        run(content, feeds)
    with pytest.raises(RuntimeError):
        reference(content, feeds, OPTIMIZED)


@pytest.mark.parametrize("index", [T.INT32, T.INT64])
@pytest.mark.parametrize("dims", [(2, 3), (0, 2), (4,)])
def test_fill(dims, index):
    check(FILL, FillOptions(), [constant(dims, index), words()], [result(T.STRING)])
    inputs, feeds = [operand(index, (len(dims),)), words()], [np.array(dims, numpy_dtype(index))]
    check(FILL, FillOptions(), inputs, [result(T.STRING, shape=dims)], feeds=feeds)


@pytest.mark.parametrize("index", [T.INT32, T.INT64])
@pytest.mark.parametrize(
    ("shape", "begin", "size"),
    [((4, 3), (1, 0), (2, -1)), ((5,), (2,), (3,)), ((2, 3, 2, 2, 2), (0, 1, 0, 1, 0), (2, 1, 2, 1, -1)), ((3,), (1,), (0,))],
)
def test_slice(shape, begin, size, index):
    check(SLICE, SliceOptions(), [words(*shape), constant(begin, index), constant(size, index)], [result(T.STRING)])


@pytest.mark.parametrize(
    ("shape", "begin", "end", "strides", "masks"),
    [
        ((4, 3), (0, 0), (4, 3), (2, 1), {}),
        ((4, 3), (3, 2), (-5, 0), (-1, -1), {}),
        ((4, 3), (1, 0), (2, 3), (1, 1), {"shrink_axis_mask": 1}),
        ((4, 3), (0, 1), (0, 2), (1, 1), {"begin_mask": 1, "end_mask": 1}),
        ((2, 3, 2), (0, 1), (0, 2), (1, 1), {"ellipsis_mask": 1}),
        ((3,), (0, 0), (0, 3), (1, 2), {"new_axis_mask": 1}),
        ((3,), (1,), (2,), (1,), {"shrink_axis_mask": 1}),
        ((4,), (3,), (1,), (1,), {}),
    ],
)
def test_strided_slice(shape, begin, end, strides, masks):
    operands = [constant(bounds) for bounds in (begin, end, strides)]
    check(STRIDED_SLICE, StridedSliceOptions(**masks), [words(*shape), *operands], [result(T.STRING)], resolver=OPTIMIZED)


@pytest.mark.parametrize("index", [T.INT32, T.INT64])
@pytest.mark.parametrize(("shape", "times"), [((2, 3), (2, 2)), ((3,), (3,)), ((2, 2, 2), (1, 2, 3)), ((2, 3), (0, 2)), ((2,), (1,))])
def test_tile(shape, times, index):
    check(TILE, TileOptions(), [words(*shape), constant(times, index)], [result(T.STRING)])


@pytest.mark.parametrize(("spec", "options"), [(EQUAL, EqualOptions()), (NOT_EQUAL, NotEqualOptions())])
@pytest.mark.parametrize(
    ("first", "second"), [((3, 4), (3, 4)), ((3, 4), ()), ((3, 1), (4,)), ((2, 1, 3), (1, 4, 1)), ((0, 2), (0, 2)), ((), ())]
)
def test_equal(spec, options, first, second):
    check(spec, options, [words(*first), words(*second)], [result(T.BOOL)])


def test_equal_with_a_constant():
    choices = operand(T.STRING, (3,), value=[b"a", b"", "ä€".encode()])
    check(EQUAL, EqualOptions(), [words(20, 1), choices], [result(T.BOOL)])


@pytest.mark.parametrize(("spec", "options"), [(SHAPE, ShapeOptions(out_type=T.INT32)), (RANK, RankOptions())])
def test_shapes(spec, options):
    check(spec, options, [words(2, 3)], [result(T.INT32)])


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_slices_of_any_shape(data):
    shape = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    begins = [data.draw(st.integers(-6, 6)) for _ in shape]
    ends = [data.draw(st.integers(-6, 6)) for _ in shape]
    strides = [data.draw(st.sampled_from([-3, -2, -1, 1, 2, 3])) for _ in shape]
    items = [f"{place}".encode() for place in range(int(np.prod(shape)))]
    feed = np.array(items, np.object_).reshape(shape)
    inputs = [words(*shape), constant(begins), constant(ends), constant(strides)]
    check(STRIDED_SLICE, StridedSliceOptions(), inputs, [result(T.STRING)], feeds=[feed], resolver=OPTIMIZED)


@pytest.mark.parametrize(
    ("spec", "options", "inputs"),
    [
        (TRANSPOSE, TransposeOptions(), [words(2, 3), constant([1, 0])]),
        (CONCATENATION, ConcatenationOptions(axis=0), [words(2), words(2)]),
        (PACK, PackOptions(values_count=2), [words(2), words(2)]),
        (REVERSE_V2, ReverseV2Options(), [words(2), constant([0])]),
        (BROADCAST_TO, BroadcastToOptions(), [words(2), constant([3, 2])]),
    ],
)
def test_operators_that_take_no_strings(spec, options, inputs):
    """LiteRT refuses them too."""
    content = write_model(build(spec, options, inputs, [result(T.STRING)]))
    feeds = [np.full(item.shape, b"a", np.object_) for item in inputs if item.value is None]
    with pytest.raises(UnsupportedError, match=spec.name):
        run(content, feeds)
    with pytest.raises((RuntimeError, ValueError)):
        reference(content, feeds)


def test_gather_takes_vectors_of_strings_only():
    inputs = (words(2, 2).info(0), operand(T.INT32, (1,)).info(1))
    with pytest.raises(InvalidModelError, match="rank 1"):
        infer(Call(GATHER, GatherOptions(), inputs))


@pytest.mark.parametrize(
    ("spec", "operands", "version"),
    [
        (SLICE, [words(2), constant([0]), constant([1])], 3),
        (TILE, [words(2), constant([2])], 2),
        (FILL, [constant([2]), words()], 2),
        (EQUAL, [words(2), words(2)], 3),
        (GATHER_ND, [words(2), constant([[0]])], 2),
    ],
)
def test_versions(spec, operands, version):
    described = Call(spec, spec.options(), tuple(item.info(index) for index, item in enumerate(operands)))
    assert spec.version(described) == version


def test_like_keeps_the_type():
    assert like(words(2)).type is T.STRING
