"""DILATE, STABLEHLO_PAD and REDUCE_WINDOW against LiteRT's reference kernels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.ops.spec import Call, infer
from jitlite.schemas.ops.window import DILATE, REDUCE_WINDOW, STABLEHLO_PAD
from jitlite.schemas.tables import DilateOptions, ReduceWindowFunction, ReduceWindowOptions, StablehloPadOptions, TensorType
from tests.ops.oracle import check, constant, operand, result

T = TensorType
F = ReduceWindowFunction
MOVED = [T.FLOAT32, T.INT8, T.INT16, T.INT64, T.BOOL, T.UINT8, T.FLOAT16, T.FLOAT64]
REDUCED = [T.BOOL, T.INT8, T.INT16, T.INT32, T.INT64, T.UINT8, T.FLOAT32, T.FLOAT64]


@pytest.mark.parametrize("type", MOVED)
@pytest.mark.parametrize(
    ("shape", "dilations"), [((4,), (3,)), ((2, 3), (1, 1)), ((3, 2), (2, 1)), ((2, 1, 3), (1, 4, 2)), ((1, 2, 3, 2), (3, 2, 1, 1))]
)
def test_dilate(type, shape, dilations):
    check(DILATE, DilateOptions(), [operand(type, shape), constant(dilations), operand(type, ())], [result(type)])


def test_dilate_at_run_time():
    feeds = [np.arange(6, dtype=np.int32).reshape(2, 3), np.array([2, 3], np.int32), np.array(-1, np.int32)]
    inputs = [operand(T.INT32, (2, 3)), operand(T.INT32, (2,)), operand(T.INT32, ())]
    check(DILATE, DilateOptions(), inputs, [result(T.INT32, shape=(3, 7))], feeds=feeds)


def pad(low, high, interior):
    return StablehloPadOptions(edge_padding_low=list(low), edge_padding_high=list(high), interior_padding=list(interior))


@pytest.mark.parametrize("type", MOVED)
def test_stablehlo_pad(type):
    check(STABLEHLO_PAD, pad((1, -1, 0), (0, 2, -2), (0, 2, 1)), [operand(type, (2, 3, 4)), operand(type, ())], [result(type)])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(-6, 4), st.integers(-6, 4), st.integers(0, 3)), min_size=1, max_size=4))
def test_stablehlo_pads_and_crops(axes):
    shape, low, high, interior = zip(*axes, strict=True)
    if all((n - 1) * (i + 1) + 1 + before + after > 0 for n, before, after, i in axes):
        check(STABLEHLO_PAD, pad(low, high, interior), [operand(T.INT32, shape), operand(T.INT32, (1,))], [result(T.INT32)])


def window(sizes, strides, dilations):
    return [constant(values, T.INT64) for values in (sizes, strides, dilations)]


@pytest.mark.parametrize("type", REDUCED)
@pytest.mark.parametrize("function", [F.ADD, F.MUL, F.MINIMUM, F.MAXIMUM, F.ALL, F.ANY])
def test_reduce_window(type, function):
    small = {"low": 0, "high": 3} if function is F.MUL else {}
    inputs = [operand(type, (3, 6, 5), **small), operand(type, (), **small), *window((2, 3, 2), (1, 2, 1), (1, 1, 2))]
    check(REDUCE_WINDOW, ReduceWindowOptions(reduce_function=function), inputs, [result(type)])


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from([F.ADD, F.MAXIMUM]),
    st.lists(st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2)), min_size=1, max_size=4),
)
def test_windows(function, axes):
    shape, *looks = zip(*axes, strict=True)
    if all(n >= (size - 1) * dilation + 1 for n, size, _, dilation in axes):
        inputs = [operand(T.INT16, shape), operand(T.INT16, ()), *window(*looks)]
        check(REDUCE_WINDOW, ReduceWindowOptions(reduce_function=function), inputs, [result(T.INT16)])


def test_large_windows():
    for function in (F.ADD, F.MAXIMUM, F.ANY):
        inputs = [operand(T.INT16, (90, 70)), operand(T.INT16, ()), *window((80, 60), (1, 3), (1, 1))]
        check(REDUCE_WINDOW, ReduceWindowOptions(reduce_function=function), inputs, [result(T.INT16)])


X, ONE = operand(T.FLOAT32, (2, 3)), operand(T.FLOAT32, ())
ADD = ReduceWindowOptions(reduce_function=F.ADD)


@pytest.mark.parametrize(
    ("spec", "options", "inputs", "message"),
    [
        (DILATE, None, [X, constant([0, 1]), ONE], "at least 1"),
        (DILATE, None, [X, constant([1]), ONE], "shape"),
        (DILATE, None, [X, constant([2**30, 2**30]), ONE], "dimensions in"),
        (DILATE, None, [X, constant([1, 1]), constant(1)], "one type"),
        (DILATE, None, [ONE, constant(np.zeros(0)), ONE], "rank 1"),
        (STABLEHLO_PAD, pad((1,), (1,), (1,)), [X, ONE], "2 values of edge_padding_low"),
        (STABLEHLO_PAD, pad((1, 1), (1, 1), (1, -1)), [X, ONE], "0 or more"),
        (STABLEHLO_PAD, pad((2**62, 1), (2**62, 1), (0, 0)), [X, ONE], "dimensions in"),
        (STABLEHLO_PAD, pad((1, 1), (1, 1), (0, 0)), [X, X], "one padding value"),
        (REDUCE_WINDOW, ADD, [X, ONE, *window((0, 1), (1, 1), (1, 1))], "at least 1"),
        (REDUCE_WINDOW, ADD, [X, ONE, *window((1,), (1,), (1,))], "shape"),
        (REDUCE_WINDOW, ADD, [X, X, *window((1, 1), (1, 1), (1, 1))], "one initial value"),
        (REDUCE_WINDOW, ReduceWindowOptions(), [X, ONE, *window((1, 1), (1, 1), (1, 1))], "a function"),
        (REDUCE_WINDOW, ADD, [operand(T.UINT16, (2,)), ONE, *window((1,), (1,), (1,))], "BOOL or"),
    ],
)
def test_illegal_calls(spec, options, inputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(Call(spec, options, tuple(item.info(index) for index, item in enumerate(inputs))))
