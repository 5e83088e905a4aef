"""DILATE, STABLEHLO_PAD and REDUCE_WINDOW against LiteRT's reference kernels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitlite.schemas.errors import InvalidModelError, UnsupportedError
from jitlite.schemas.model import new_operator_code
from jitlite.schemas.ops.spec import Call, infer
from jitlite.schemas.ops.window import DILATE, REDUCE_WINDOW, STABLEHLO_PAD, STABLEHLO_REDUCE_WINDOW
from jitlite.schemas.tables import (
    AddOptions,
    BuiltinOperator,
    DilateOptions,
    MaximumMinimumOptions,
    MulOptions,
    Operator,
    ReduceWindowFunction,
    ReduceWindowOptions,
    StablehloPadOptions,
    StablehloReduceWindowOptions,
    SubGraph,
    Tensor,
    TensorType,
)
from jitlite.schemas.write import write_model
from tests.ops.execution import assert_close
from tests.ops.oracle import build, check, constant, operand, random_values, reference, result, run

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


def with_body(model, body):
    """The model with one more subgraph, of the named operator on two scalars (none: it returns its second operand)."""
    type = model.subgraphs[0].tensors[0].type
    graph = SubGraph(tensors=[Tensor(shape=[], type=type, name=name) for name in "abc"], inputs=[0, 1], outputs=[2 if body else 1])
    if body:
        model.operator_codes.append(new_operator_code(BuiltinOperator[body], 1))
        table = {"ADD": AddOptions(), "MUL": MulOptions(), "MAXIMUM": MaximumMinimumOptions()}.get(body)
        graph.operators = [Operator(opcode_index=1, inputs=[0, 1], outputs=[2], builtin_options=table)]
    model.subgraphs.append(graph)
    return write_model(model)


def stablehlo_windows(axes):
    sizes, strides, base, dilations, low, high = zip(*axes, strict=True)
    return StablehloReduceWindowOptions(
        window_dimensions=list(sizes),
        window_strides=list(strides),
        base_dilations=list(base),
        window_dilations=list(dilations),
        padding=[edge for pair in zip(low, high) for edge in pair],
        body_subgraph_index=1,
    )


@pytest.mark.parametrize("type", [T.INT8, T.INT32, T.INT64, T.FLOAT32, T.FLOAT64])
@pytest.mark.parametrize("body", ["ADD", "STABLEHLO_MULTIPLY", "STABLEHLO_MINIMUM", "MAXIMUM", "STABLEHLO_ADD", "STABLEHLO_MAXIMUM"])
def test_stablehlo_reduce_window(type, body):
    options = stablehlo_windows([(2, 1, 2, 1, 1, 0), (3, 2, 1, 2, -1, 2)])
    small = {"low": 0, "high": 3} if "MUL" in body else {}
    inputs = [operand(type, (3, 7), **small), operand(type, (), **small)]
    content = with_body(build(STABLEHLO_REDUCE_WINDOW, options, inputs, [result(type)]), body)
    feeds = [random_values(item, np.random.default_rng(1)) for item in inputs]
    assert_close(run(content, feeds)[0], reference(content, feeds)[0], 1e-6)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(st.integers(1, 4), *[st.integers(1, 3)] * 4, *[st.integers(-2, 3)] * 2),
        min_size=1,
        max_size=3,
    )
)
def test_stablehlo_windows(axes):
    shape = [axis[0] for axis in axes]
    sizes = [(n - 1) * base + 1 + low + high for n, _, _, base, _, low, high in axes]
    windows = all(size >= (window - 1) * dilation + 1 for size, (_, window, _, _, dilation, _, _) in zip(sizes, axes))
    if windows and all(n - 1 >= 0 and -low < size and -high < size for n, size, (*_, low, high) in zip(shape, sizes, axes)):
        inputs = [operand(T.INT16, shape), operand(T.INT16, ())]
        options = stablehlo_windows([axis[1:] for axis in axes])
        content = with_body(build(STABLEHLO_REDUCE_WINDOW, options, inputs, [result(T.INT16)]), "STABLEHLO_MAXIMUM")
        feeds = [random_values(item, np.random.default_rng(1)) for item in inputs]
        assert_close(run(content, feeds)[0], reference(content, feeds)[0], 0)


def test_bodies_that_are_not_supported():
    inputs = [operand(T.FLOAT32, (3, 7)), operand(T.FLOAT32, ())]
    model = build(STABLEHLO_REDUCE_WINDOW, stablehlo_windows([(1, 1, 1, 1, 0, 0)] * 2), inputs, [result(T.FLOAT32)])
    with pytest.raises(UnsupportedError, match="a body of one operator"):
        run(with_body(model, ""), [np.zeros((3, 7), np.float32), np.zeros((), np.float32)])


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
        (STABLEHLO_REDUCE_WINDOW, stablehlo_windows([(1, 1, 1, 1, 0, 0)]), [X, ONE], "2 values of window_dimensions"),
        (STABLEHLO_REDUCE_WINDOW, stablehlo_windows([(1, 1, 0, 1, 0, 0)] * 2), [X, ONE], "base_dilations of at least 1"),
        (STABLEHLO_REDUCE_WINDOW, stablehlo_windows([(1, 1, 1, 1, -2, 0)] * 2), [X, ONE], "with padding"),
        (STABLEHLO_REDUCE_WINDOW, stablehlo_windows([(1, 1, 1, 1, 2**15, 0)] * 2), [X, ONE], "with padding"),
        (REDUCE_WINDOW, ReduceWindowOptions(), [X, ONE, *window((1, 1), (1, 1), (1, 1))], "a function"),
        (REDUCE_WINDOW, ADD, [operand(T.UINT16, (2,)), ONE, *window((1,), (1,), (1,))], "BOOL or"),
    ],
)
def test_illegal_calls(spec, options, inputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(Call(spec, options, tuple(item.info(index) for index, item in enumerate(inputs))))
