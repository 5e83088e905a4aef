import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.pad  # noqa: F401 - fills the registry
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.ops.pad import BROADCAST_TO, FILL, MIRROR_PAD, PAD, PADV2, RANGE, TILE
from jitlite.schemas.ops.spec import Call, NeedsValue, infer
from jitlite.schemas.tables import (
    BroadcastToOptions,
    FillOptions,
    MirrorPadMode,
    MirrorPadOptions,
    PadOptions,
    PadV2Options,
    RangeOptions,
    TensorType,
    TileOptions,
)
from tests.ops.oracle import OPTIMIZED, call, check, constant, like, operand, result

T = TensorType
MOVED_TYPES = [T.FLOAT32, T.INT8, T.UINT8, T.INT16, T.INT32, T.INT64]
REFLECT, SYMMETRIC = MirrorPadMode.REFLECT, MirrorPadMode.SYMMETRIC


def typed(type, shape):
    """8-bit types are quantized with a zero point other than 0."""
    if type in (T.INT8, T.UINT8):
        return operand(type, shape, 0.25, 5)
    return operand(type, shape, 0.25) if type is T.INT16 else operand(type, shape)


def rows(*pairs):
    return constant(np.array(pairs, np.int32).reshape(-1, 2))


PADDED = [
    ((3,), [(1, 2)]),
    ((2, 5, 6, 3), [(0, 0), (1, 2), (0, 1), (0, 0)]),
    ((2, 5, 6, 3), [(0, 0), (1, 1), (1, 1), (0, 0)]),
    ((2, 3, 2, 2), [(1, 0), (0, 2), (1, 1), (2, 1)]),
    ((2, 3), [(0, 0), (0, 0)]),
    ((2, 2, 2, 1, 3), [(0, 1), (1, 0), (0, 0), (2, 2), (1, 1)]),
]


@pytest.mark.parametrize("type", MOVED_TYPES)
@pytest.mark.parametrize(("shape", "sides"), PADDED)
def test_pad(type, shape, sides):
    x = typed(type, shape)
    check(PAD, PadOptions(), [x, rows(*sides)], [like(x)])


@pytest.mark.parametrize("type", MOVED_TYPES)
@pytest.mark.parametrize(("shape", "sides"), PADDED)
def test_padv2(type, shape, sides):
    x = typed(type, shape)
    check(PADV2, PadV2Options(), [x, rows(*sides), typed(type, ())], [like(x)])


def test_pad_by_int64_operand():
    x = operand(T.FLOAT32, (2, 3))
    check(PAD, None, [x, operand(T.INT64, (2, 2), value=[[1, 0], [2, 1]])], [like(x)])


@settings(max_examples=60, deadline=None)
@given(data=st.data(), type=st.sampled_from([T.FLOAT32, T.INT8]))
def test_pad_of_any_shape(data, type):
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    side = st.integers(0, 3)
    x = typed(type, shape)
    check(PAD, None, [x, rows(*[(data.draw(side), data.draw(side)) for _ in shape])], [like(x)])


@pytest.mark.parametrize("type", MOVED_TYPES)
@pytest.mark.parametrize("mode", [REFLECT, SYMMETRIC])
@pytest.mark.parametrize(
    ("shape", "sides"),
    [((4,), [(3, 2)]), ((2, 5, 6, 3), [(0, 0), (2, 1), (3, 3), (0, 0)]), ((3, 2), [(1, 2), (1, 1)]), ((2, 3, 2), [(1, 1), (2, 0), (0, 1)])],
)
def test_mirror_pad(type, mode, shape, sides):
    x = typed(type, shape)
    check(MIRROR_PAD, MirrorPadOptions(mode=mode), [x, rows(*sides)], [like(x)])


@settings(max_examples=60, deadline=None)
@given(data=st.data(), mode=st.sampled_from([REFLECT, SYMMETRIC]))
def test_mirror_pad_of_any_shape(data, mode):
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    edge = 1 if mode is REFLECT else 0
    sides = [(data.draw(st.integers(0, dim - edge)), data.draw(st.integers(0, dim - edge))) for dim in shape]
    x = operand(T.INT32, shape)
    check(MIRROR_PAD, MirrorPadOptions(mode=mode), [x, rows(*sides)], [like(x)])


@pytest.mark.parametrize("type", [*MOVED_TYPES, T.BOOL])
@pytest.mark.parametrize(
    ("shape", "times"), [((3,), (2,)), ((2, 3), (1, 3)), ((2, 3), (4, 1)), ((2, 3, 2), (2, 1, 3)), ((1, 2, 1, 3), (2, 2, 2, 2))]
)
def test_tile(type, shape, times):
    x = typed(type, shape)
    check(TILE, TileOptions(), [x, constant(np.array(times, np.int32))], [like(x)], resolver=OPTIMIZED)


@pytest.mark.parametrize("type", [*MOVED_TYPES, T.BOOL])
@pytest.mark.parametrize(
    ("shape", "wanted"),
    [((3,), (2, 3)), ((2, 1), (2, 4)), ((1, 3, 1), (2, 3, 4)), ((2, 3), (2, 3)), ((), (2, 2)), ((4, 1, 1), (3, 4, 2, 5))],
)
def test_broadcast_to(type, shape, wanted):
    x = typed(type, shape)
    check(BROADCAST_TO, BroadcastToOptions(), [x, constant(np.array(wanted, np.int32))], [like(x)])


@pytest.mark.parametrize("type", [*MOVED_TYPES, T.BOOL])
@pytest.mark.parametrize("dims", [(5,), (2, 3), (4, 1, 2)])
@pytest.mark.parametrize("counted", [T.INT32, T.INT64])
def test_fill(type, dims, counted):
    value = typed(type, ())
    check(FILL, FillOptions(), [operand(counted, (len(dims),), value=dims), value], [like(value)])


@pytest.mark.parametrize(
    ("type", "bounds"),
    [
        (T.INT32, (0, 5, 1)),
        (T.INT32, (3, -4, -2)),
        (T.INT32, (2, 9, 3)),
        (T.INT64, (10, 0, -3)),
        (T.FLOAT32, (0, 1, 0.1)),
        (T.FLOAT32, (3, -2, -0.7)),
        (T.FLOAT32, (1, 100, 0.3)),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_range(type, bounds, known):
    inputs = [operand(type, (), value=bound) for bound in bounds]
    if known:
        check(RANGE, RangeOptions(), inputs, [result(type)], tolerance=0, resolver=OPTIMIZED)
        return
    inputs[1] = operand(type, ())
    feeds = [np.array(bounds[1], np.float32 if type is T.FLOAT32 else np.int32 if type is T.INT32 else np.int64)]
    check(RANGE, RangeOptions(), inputs, [result(type, shape=(1,))], tolerance=0, feeds=feeds, resolver=OPTIMIZED)


F32 = operand(T.FLOAT32, (4, 5))


def scalars(type, *values):
    return [operand(type, (), value=value) for value in values]


@pytest.mark.parametrize(
    ("spec", "options", "inputs", "message"),
    [
        (PAD, None, [F32, rows((1, 1))], r"operand 'paddings' of shape \(2, 2\)"),
        (PAD, None, [F32, rows((1, -1), (0, 0))], "paddings of 0 or more"),
        (PAD, None, [F32, rows((2**31 - 1, 0), (0, 0))], "output dimensions in"),
        (PAD, None, [F32, rows((2**20, 0), (2**20, 0))], "an output of at most 2147483647 elements"),
        (PAD, None, [operand(T.FLOAT32, (1,) * 9), rows(*[(0, 0)] * 9)], "rank 0 to 8"),
        (PAD, PadV2Options(), [F32, rows((0, 0), (0, 0))], "options PadOptions are required"),
        (PADV2, None, [F32, rows((0, 0), (0, 0)), constant(1)], "of one type"),
        (PADV2, None, [F32, rows((0, 0), (0, 0)), operand(T.FLOAT32, (2,))], "one element"),
        (MIRROR_PAD, MirrorPadOptions(mode=REFLECT), [F32, rows((4, 0), (0, 0))], "paddings of at most 3"),
        (MIRROR_PAD, MirrorPadOptions(mode=SYMMETRIC), [F32, rows((0, 0), (0, 6))], "paddings of at most 5"),
        (MIRROR_PAD, MirrorPadOptions(mode=SYMMETRIC), [F32, rows((0, 0), (0, -1))], "paddings of 0 or more"),
        (TILE, None, [F32, constant([2])], r"operand 'multiples' of shape \(2,\)"),
        (TILE, None, [F32, constant([2, -1])], "multiples of 0 or more"),
        (TILE, None, [F32, constant([2**16, 2**16])], "an output of at most"),
        (BROADCAST_TO, None, [F32, constant([5])], "broadcasts to"),
        (BROADCAST_TO, None, [F32, constant([4, 6])], "broadcasts to"),
        (BROADCAST_TO, None, [F32, constant([[4, 5]])], "rank 1"),
        (FILL, None, [constant([-1]), operand(T.FLOAT32, ())], "output dimensions in"),
        (FILL, None, [constant([2**16, 2**16]), operand(T.FLOAT32, ())], "an output of at most"),
        (FILL, None, [constant([2]), operand(T.FLOAT32, (1,))], r"operand 'value' of shape \(\)"),
        (RANGE, None, scalars(T.INT32, 0, 5, 0), "a step from start towards limit"),
        (RANGE, None, scalars(T.INT32, 0, 5, -1), "a step from start towards limit"),
        (RANGE, None, scalars(T.INT32, -(2**31), 2**31 - 1, 1), "output dimensions in"),
        (RANGE, None, scalars(T.FLOAT32, 0, np.inf, 1), "finite bounds"),
        (RANGE, None, scalars(T.FLOAT32, 0, 3e38, 1e-38), "output dimensions in"),
        (RANGE, None, scalars(T.INT8, 0, 5, 1), "type INT32 or INT64 or FLOAT32"),
        (RANGE, None, [*scalars(T.INT32, 0, 5), *scalars(T.INT64, 1)], "of one type"),
    ],
)
def test_illegal_calls(spec, options, inputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(Call(spec, options, tuple(item.info(index) for index, item in enumerate(inputs))))


def test_padding_value_has_the_scale_of_the_output():
    inputs = (operand(T.INT8, (2,), 0.5).info(0), rows((1, 1)).info(1), operand(T.INT8, (), 0.25).info(2))
    with pytest.raises(InvalidModelError, match="scale, zero point"):
        infer(Call(PADV2, None, inputs, (operand(T.INT8, (4,), 0.5).info(3),)))


def test_paddings_known_at_run_time():
    x = operand(T.FLOAT32, (2, 3))
    feeds = [np.ones((2, 3), np.float32), np.array([[1, 0], [0, 2]], np.int32)]
    assert check(PAD, None, [x, operand(T.INT32, (2, 2))], [operand(T.FLOAT32, (1, 1))], feeds=feeds)[0].shape == (3, 5)
    with pytest.raises(NeedsValue):
        infer(Call(PAD, None, (x.info(0), operand(T.INT32, (2, 2)).info(1))))


def test_results_have_few_dimensions():
    with pytest.raises(InvalidModelError, match="an output of at most 16 dimensions is required, found 40000"):
        infer(call(FILL, None, [constant([7] * 40_000), operand(T.INT32, ())]))


@pytest.mark.parametrize(
    ("spec", "type", "rank", "version"),
    [
        (PAD, T.FLOAT32, 4, 1),
        (PAD, T.INT8, 4, 2),
        (PAD, T.INT16, 4, 3),
        (PADV2, T.INT8, 5, 4),
        (PAD, T.BOOL, 2, 5),
        (MIRROR_PAD, T.INT8, 4, 2),
        (TILE, T.INT8, 2, 3),
        (BROADCAST_TO, T.FLOAT32, 2, 2),
        (BROADCAST_TO, T.INT8, 2, 3),
        (RANGE, T.INT64, 0, 2),
    ],
)
def test_versions(spec, type, rank, version):
    assert spec.version(Call(spec, None, (operand(type, (1,) * rank).info(0),))) == version
