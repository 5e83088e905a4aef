"""Comparisons, logic and selection against LiteRT's reference kernels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.comparison  # noqa: F401 - registers the bindings
from jitlite.schemas.dtypes import numpy_dtype
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.ops import comparison as ops
from jitlite.schemas.ops.spec import infer
from jitlite.schemas.tables import TensorType
from tests.ops.oracle import call, check, operand, result

T = TensorType
F32, I32, I64, I8, U8, BOOL = T.FLOAT32, T.INT32, T.INT64, T.INT8, T.UINT8, T.BOOL
EQUALITY = [ops.EQUAL, ops.NOT_EQUAL]
COMPARISONS = [*EQUALITY, ops.LESS, ops.LESS_EQUAL, ops.GREATER, ops.GREATER_EQUAL]
SHAPES = [
    ((5,), (5,)),
    ((), ()),
    ((2, 3, 40), (40,)),
    ((), (2, 3)),
    ((2, 3, 1), (2, 1, 4)),
    ((2, 1, 3, 1, 2), (1, 2, 1, 2, 1)),
    ((0, 3), (1, 3)),
]


def name(item):
    return getattr(item, "name", None)


@pytest.mark.parametrize(("a", "b"), SHAPES, ids=str)
@pytest.mark.parametrize("type", [F32, I32, I64, BOOL], ids=name)
@pytest.mark.parametrize("spec", COMPARISONS, ids=name)
def test_comparison(spec, type, a, b):
    if type is BOOL and spec not in EQUALITY:
        with pytest.raises(InvalidModelError, match="found BOOL"):
            infer(call(spec, None, [operand(type, a), operand(type, b)]))
        return
    limits = {} if type is BOOL else {"low": -2, "high": 2}
    check(spec, None, [operand(type, a, **limits), operand(type, b, **limits)], [result(BOOL)])


@pytest.mark.parametrize("spec", COMPARISONS, ids=name)
def test_special_floats_and_large_integers(spec):
    values = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45], np.float32)
    feeds = [values.repeat(7), np.tile(values, 7)]
    check(spec, None, [operand(F32, (49,))] * 2, [result(BOOL)], feeds=feeds)
    values = np.array([2**63 - 1, -(2**63), 2**53, 2**53 + 1, 0], np.int64)
    feeds = [values.repeat(5), np.tile(values, 5)]
    check(spec, None, [operand(I64, (25,))] * 2, [result(BOOL)], feeds=feeds)


@settings(max_examples=25, deadline=None)
@given(scales=st.tuples(*[st.floats(2**-10, 0.96875, width=32)] * 2), zero_points=st.tuples(*[st.integers(-128, 127)] * 2))
def test_every_pair_of_bytes(scales, zero_points):
    patterns = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    for type in (I8, U8):
        feeds = [values.view(numpy_dtype(type)).reshape(-1) for values in patterns]
        inputs = [operand(type, (65536,), scale, zero_point + 128 * (type is U8)) for scale, zero_point in zip(scales, zero_points)]
        for spec in COMPARISONS:
            check(spec, None, inputs, [result(BOOL)], feeds=feeds, threads=(1,))


@pytest.mark.parametrize(("a", "b"), SHAPES, ids=str)
@pytest.mark.parametrize("spec", COMPARISONS, ids=name)
def test_broadcasting_of_bytes(spec, a, b):
    check(spec, None, [operand(I8, a, 0.1, 5), operand(I8, b, 0.07, -3)], [result(BOOL)])
    check(spec, None, [operand(U8, a, 0.1, 5), operand(U8, b, 0.07, 130)], [result(BOOL)])


@pytest.mark.parametrize(("a", "b"), SHAPES, ids=str)
@pytest.mark.parametrize("spec", [ops.LOGICAL_AND, ops.LOGICAL_OR], ids=name)
def test_logic(spec, a, b):
    check(spec, None, [operand(BOOL, a), operand(BOOL, b)], [result(BOOL)])


def test_not():
    for shape in ((), (7,), (2, 3, 4), (0,)):
        check(ops.LOGICAL_NOT, None, [operand(BOOL, shape)], [result(BOOL)])


SELECTED = [F32, I32, I64, T.INT16, I8, BOOL, T.UINT8, T.FLOAT64, T.UINT32]
SELECT_SHAPES = [
    ((3, 40), (3, 40), (3, 40)),
    ((), (), ()),
    ((3,), (3, 2, 5), (3, 2, 5)),
    ((), (2, 5), (2, 5)),
    ((1,), (), (1, 1)),
    ((3,), (3,), (3,)),
    ((0, 2), (0, 2), (0, 2)),
]
BROADCAST_SHAPES = [
    ((3, 40), (40,), (3, 40)),
    ((3, 1), (3, 40), (1, 40)),
    ((40,), (), (3, 1)),
    ((), (3, 4), (4,)),
    ((2, 1, 3, 1, 2), (1, 2, 1, 2, 1), ()),
    ((1, 3), (0, 3), (3,)),
    ((2, 1, 2, 1, 2, 1, 2, 1), (1, 2, 1, 2, 1, 2, 1, 2), (2,)),
]


@pytest.mark.parametrize("shapes", SELECT_SHAPES, ids=str)
@pytest.mark.parametrize("type", SELECTED, ids=name)
def test_select(type, shapes):
    inputs = [operand(BOOL, shapes[0]), operand(type, shapes[1]), operand(type, shapes[2])]
    check(ops.SELECT, None, inputs, [result(type, shape=shapes[1])], tolerance=0)


@pytest.mark.parametrize("shapes", [SELECT_SHAPES[0], *BROADCAST_SHAPES], ids=str)
@pytest.mark.parametrize("type", SELECTED, ids=name)
def test_select_v2(type, shapes):
    inputs = [operand(BOOL, shapes[0]), operand(type, shapes[1]), operand(type, shapes[2])]
    check(ops.SELECT_V2, None, inputs, [result(type)], tolerance=0)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_select(data):
    output = data.draw(st.lists(st.integers(1, 4), max_size=5))
    shapes = []
    for _ in range(3):
        kept = data.draw(st.integers(0, len(output)))
        shapes.append(tuple(dim if data.draw(st.booleans()) else 1 for dim in output[len(output) - kept :]))
    inputs = [operand(BOOL, shapes[0]), operand(I32, shapes[1]), operand(I32, shapes[2])]
    check(ops.SELECT_V2, None, inputs, [result(I32)], threads=(1, 2, 5))


def test_a_selection_of_single_elements_keeps_the_declared_shape():
    inputs = [operand(BOOL, (1,)), operand(F32, ()), operand(F32, (1, 1))]
    for spec in (ops.SELECT, ops.SELECT_V2):
        for shape in ((), (1,), (1, 1, 1)):
            assert check(spec, None, inputs, [result(F32, shape=shape)])[0].shape == shape


b4, f4, x8 = operand(BOOL, (4,)), operand(F32, (4,)), operand(I8, (4,), 0.5, 3)
INVALID = [
    (ops.EQUAL, [f4, operand(I32, (4,))], [result(BOOL)], "operand 'input2' must be FLOAT32 as 'input1' is, found INT32"),
    (ops.EQUAL, [f4, f4], [result(F32)], "must be BOOL, found FLOAT32"),
    (ops.EQUAL, [f4, operand(F32, (3,))], [result(BOOL)], "shapes that broadcast"),
    (ops.LESS, [operand(T.STRING, (4,))] * 2, [result(BOOL)], "must be one of .*, found STRING"),
    (ops.LESS, [x8, operand(I8, (4,))], [result(BOOL)], "must be quantized, found no scale"),
    (ops.LOGICAL_AND, [f4, f4], [result(BOOL)], "must be one of BOOL, found FLOAT32"),
    (ops.LOGICAL_NOT, [b4, b4], [result(BOOL)], "operands are required, found 2"),
    (ops.SELECT, [f4, f4, f4], [result(F32)], "operand 'condition' must be one of BOOL, found FLOAT32"),
    (ops.SELECT, [b4, f4, x8], [result(F32)], "operand 'y' must be FLOAT32 as 'x' is, found INT8"),
    (ops.SELECT, [b4, f4, operand(F32, (1,))], [result(F32)], "must have one shape"),
    (ops.SELECT, [b4, operand(F32, (3, 4)), operand(F32, (3, 4))], [result(F32)], "operand 'condition' must be a scalar"),
    (ops.SELECT_V2, [b4, operand(F32, (3,)), f4], [result(F32)], "shapes that broadcast"),
    (ops.SELECT_V2, [operand(BOOL, (1,) * 9), f4, f4], [result(F32)], "at most 8 dimensions, found 9"),
    (ops.SELECT_V2, [b4, operand(T.STRING, (4,)), operand(T.STRING, (4,))], [result(T.STRING)], "found STRING"),
]


@pytest.mark.parametrize(("spec", "inputs", "outputs", "message"), INVALID, ids=name)
def test_broken_rules_are_named(spec, inputs, outputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(call(spec, None, inputs, outputs))


VERSIONS = [
    (ops.EQUAL, [f4, f4], 1),
    (ops.EQUAL, [x8, x8], 2),
    (ops.EQUAL, [operand(T.INT16, (4,))] * 2, 5),
    (ops.NOT_EQUAL, [operand(T.INT16, (4,))] * 2, 4),
    (ops.NOT_EQUAL, [operand(T.STRING, (4,))] * 2, 3),
    (ops.LESS, [operand(T.INT16, (4,))] * 2, 3),
    (ops.GREATER, [x8, x8], 2),
    (ops.LOGICAL_AND, [b4, b4], 1),
    (ops.SELECT, [b4, f4, f4], 1),
    (ops.SELECT, [operand(BOOL, (1,) * 5), operand(F32, (1,) * 5), operand(F32, (1,) * 5)], 3),
    (ops.SELECT_V2, [b4, f4, f4], 1),
]


@pytest.mark.parametrize(("spec", "inputs", "version"), VERSIONS, ids=name)
def test_versions(spec, inputs, version):
    assert spec.version(call(spec, None, inputs)) == version
    assert version <= spec.max_version
