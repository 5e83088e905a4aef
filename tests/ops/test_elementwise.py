"""Element-by-element arithmetic against LiteRT's reference kernels."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.elementwise  # noqa: F401 - registers the bindings
from jitlite.interpreter.binding.registry import BINDINGS
from jitlite.schemas.dtypes import INTEGER_RANGE
from jitlite.schemas.errors import ExecutionError, InvalidModelError
from jitlite.schemas.ops import elementwise as ops
from jitlite.schemas.ops.spec import OpSpec, infer
from jitlite.schemas.tables import ActivationFunctionType as Fused
from jitlite.schemas.tables import AddOptions, DivOptions, MulOptions, SubOptions, TensorType
from jitlite.schemas.write import write_model
from tests.ops.oracle import OPTIMIZED, REFERENCE, build, call, check, constant, operand, result, run

T = TensorType
F32, I32, I64, I8, U8 = T.FLOAT32, T.INT32, T.INT64, T.INT8, T.UINT8
FUSED: dict[OpSpec, Any] = {ops.ADD: AddOptions, ops.SUB: SubOptions, ops.MUL: MulOptions, ops.DIV: DivOptions}


def name(item):
    return getattr(item, "name", str(item))


def on(type: TensorType, grids):
    """Grids given for INT8, for an 8-bit type."""
    return [(scale, zero_point + 128 * (type is U8)) for scale, zero_point in grids]


def options(spec: OpSpec, fused: Fused = Fused.NONE) -> Any:
    if spec in FUSED:
        return FUSED[spec](fused_activation_function=fused)
    return None if spec.options is None else spec.options()


SHAPES = [
    ((5,), (5,)),
    ((), ()),
    ((2, 3, 4), (2, 3, 4)),
    ((2, 3, 4), (4,)),
    ((2, 3, 4), ()),
    ((1,), (2, 3)),
    ((2, 3, 1), (2, 3, 4)),
    ((2, 1, 4), (1, 3, 1)),
    ((2, 1, 3, 1, 2), (1, 2, 1, 2, 1)),
    ((2, 1, 2, 1, 2, 1, 2, 1), (1, 2, 1, 2, 1, 2, 1, 2)),
    ((1, 7, 7, 33), (1, 1, 1, 33)),
    ((0, 3), (1, 3)),
]
BINARY = [
    (ops.ADD, F32, {}),
    (ops.SUB, F32, {}),
    (ops.MUL, F32, {}),
    (ops.DIV, F32, {"low": 0.5, "high": 90}),
    (ops.POW, F32, {"low": 0.1, "high": 6}),
    (ops.MINIMUM, F32, {}),
    (ops.MAXIMUM, F32, {}),
    (ops.SQUARED_DIFFERENCE, F32, {}),
    (ops.FLOOR_DIV, F32, {"low": 0.5, "high": 9}),
    (ops.FLOOR_MOD, F32, {"low": -9, "high": 9}),
    (ops.ADD, I32, {}),
    (ops.SUB, I32, {}),
    (ops.MUL, I32, {}),
    (ops.DIV, I32, {"low": -9, "high": -1}),
    (ops.POW, I32, {"low": 0, "high": 7}),
    (ops.MINIMUM, I32, {}),
    (ops.MAXIMUM, I32, {}),
    (ops.SQUARED_DIFFERENCE, I32, {}),
    (ops.FLOOR_DIV, I32, {"low": -9, "high": -1}),
    (ops.FLOOR_MOD, I32, {"low": -9, "high": -1}),
    (ops.ADD, I64, {}),
    (ops.SUB, I64, {}),
    (ops.MUL, I64, {}),
    (ops.MINIMUM, I64, {}),
    (ops.MAXIMUM, I64, {}),
    (ops.FLOOR_MOD, I64, {"low": -9, "high": -1}),
    (ops.FLOOR_DIV, I8, {"low": -9, "high": -1}),
    (ops.FLOOR_MOD, I8, {"low": -9, "high": -1}),
]


@pytest.mark.parametrize(("spec", "type", "limits"), BINARY, ids=lambda item: getattr(item, "name", None))
@pytest.mark.parametrize(("a", "b"), SHAPES, ids=str)
def test_plain_arithmetic(spec, type, limits, a, b):
    check(spec, options(spec), [operand(type, a), operand(type, b, **limits)], [result(type)])


ADD_SHAPES = [
    ((2, 3, 4), (2, 3, 4)),
    ((2, 3, 4), (4,)),
    ((2, 3, 1), (2, 1, 4)),
    ((), (300,)),
    ((70, 1), (1, 2)),
    ((1, 8), (45, 1)),
    ((9, 1), (32,)),
]
GRIDS = [
    ((0.05, 3), (0.05, 3), (0.1, -7)),
    ((0.1, -128), (0.003, 127), (0.05, 0)),
    ((0.02, 5), (0.5, -20), (0.9, 100)),
    ((0.013, -1), (0.017, 44), (0.0131, -128)),
]


@pytest.mark.parametrize("fused", Fused, ids=lambda item: item.name)
@pytest.mark.parametrize(
    ("spec", "type"),
    [(spec, type) for spec in FUSED for type in (F32, I32, I64, I8, U8) if (spec, type) != (ops.DIV, I64)],
    ids=lambda item: item.name,
)
def test_fused_activations(spec, type, fused):
    grids = on(type, GRIDS[3]) if type in (I8, U8) else ((None, 0),) * 3
    shift = 128 * (type is U8)
    limits = {"low": 1 + shift if spec is ops.DIV else None, "high": 40 + shift}
    a, b = operand(type, (4, 50), *grids[0], high=40 + shift), operand(type, (50,), *grids[1], **limits)
    resolver = OPTIMIZED if fused in (Fused.TANH, Fused.SIGN_BIT) else REFERENCE
    check(spec, options(spec, fused), [a, b], [result(type, *grids[2])], resolver=resolver)


EIGHT_BITS = [
    *[(spec, I8) for spec in (ops.ADD, ops.SUB, ops.MUL, ops.SQUARED_DIFFERENCE, ops.MINIMUM, ops.MAXIMUM)],
    *[(spec, U8) for spec in (ops.ADD, ops.SUB, ops.MUL, ops.MINIMUM, ops.MAXIMUM)],
]


@pytest.mark.parametrize(("spec", "type"), EIGHT_BITS, ids=name)
@pytest.mark.parametrize("grids", GRIDS, ids=str)
@pytest.mark.parametrize(("a", "b"), ADD_SHAPES, ids=str)
def test_arithmetic_of_bytes(spec, type, grids, a, b):
    a_grid, b_grid, y_grid = on(type, grids)
    check(spec, options(spec), [operand(type, a, *a_grid), operand(type, b, *b_grid)], [result(type, *y_grid)])


def every_pair(type=I8):
    a, b = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    return [values.reshape(-1).view(np.int8 if type is I8 else np.uint8) for values in (a, b)]


@pytest.mark.parametrize(("spec", "type"), [row for row in EIGHT_BITS if row[0] not in (ops.MINIMUM, ops.MAXIMUM)], ids=name)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_every_pair_of_bytes(spec, type, data):
    scales = st.floats(2**-10, 1.0, width=32)
    grids = on(type, [(data.draw(scales), data.draw(st.integers(-128, 127))) for _ in range(3)])
    inputs = [operand(type, (65536,), *grid) for grid in grids[:2]]
    check(spec, options(spec), inputs, [result(type, *grids[2])], threads=(1,), feeds=every_pair(type))


@pytest.mark.parametrize("type", [I8, U8], ids=name)
@pytest.mark.parametrize("shapes", [((), (300,)), ((300,), (1, 1)), ((5, 7, 1), (1,))], ids=str)
@pytest.mark.parametrize("spec", [ops.ADD, ops.SUB, ops.MUL], ids=name)
def test_a_single_constant_makes_a_table(spec, shapes, type):
    """One byte at a time; the constant may be either operand, and of a shape with more dimensions than the other."""
    grids, variable = on(type, GRIDS[3]), int(len(shapes[0]) == 0)
    for constant_value in INTEGER_RANGE[type]:
        inputs = [operand(type, shape, *grid) for shape, grid in zip(shapes, grids)]
        inputs[1 - variable] = operand(type, shapes[1 - variable], *grids[1 - variable], value=constant_value)
        check(spec, options(spec), inputs, [result(type, *grids[2])])


@pytest.mark.parametrize("shapes", [((4, 5, 6, 3), (3,)), ((1, 7), (70, 7)), ((13, 3), (1, 3)), ((2, 31, 5), (1, 1, 5))], ids=str)
@pytest.mark.parametrize("spec", [ops.ADD, ops.SUB, ops.MUL], ids=name)
def test_constants_that_repeat_in_short_rows(spec, shapes):
    variable = int(np.prod(shapes[0]) < np.prod(shapes[1]))
    for type in (I8, U8):
        grids = on(type, GRIDS[3])
        inputs = [operand(type, shape, *grid) for shape, grid in zip(shapes, grids)]
        least, count = INTEGER_RANGE[type][0], int(np.prod(shapes[1 - variable]))
        value = least + np.arange(count) * (255 // (count - 1))
        inputs[1 - variable] = operand(type, shapes[1 - variable], *grids[1 - variable], value=value)
        check(spec, options(spec), inputs, [result(type, *grids[2])], threads=(1, 2, 5))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), type=st.sampled_from([I8, U8]), spec=st.sampled_from([ops.ADD, ops.MUL, ops.MAXIMUM]))
def test_any_broadcast_of_bytes(data, type, spec):
    """Rows shorter and longer than vectors, repeated operands, and threads whose parts begin inside of rows."""
    output = data.draw(st.lists(st.sampled_from([1, 2, 3, 4, 8, 15, 16, 31, 33, 70]), max_size=3))
    shapes = []
    for _ in range(2):
        kept = data.draw(st.integers(0, len(output)))
        shapes.append(tuple(dim if data.draw(st.booleans()) else 1 for dim in output[len(output) - kept :]))
    grids = on(type, GRIDS[0])
    inputs = [operand(type, shape, *grid) for shape, grid in zip(shapes, grids)]
    check(spec, options(spec), inputs, [result(type, *(grids[0] if spec is ops.MAXIMUM else grids[2]))], threads=(1, 2, 5))


@pytest.mark.parametrize(
    ("scales", "kernel"),
    [
        ((0.013, 0.017, 0.0131), "sum_by_pairs"),
        ((0.05, 0.05, 0.1), "sum_by_pairs"),
        ((0.5, 0.5, 0.01), "sum_by_pairs"),
        ((0.03, 0.0004, 0.9), "sum_by_pairs"),
        ((0.00599759491160512, 0.009935867041349411, 0.018488667905330658), "sum_by_pairs_corrected"),
        ((0.009935867041349411, 0.00599759491160512, 0.018488667905330658), "sum_by_pairs_corrected"),
        ((0.05, 0.07, 0.1), "sum_exactly"),
    ],
    ids=str,
)
@pytest.mark.parametrize(("type", "suffix"), [(I8, "qs8"), (U8, "qu8")], ids=name)
def test_sums_by_pairs_only_where_every_pair_of_bytes_agrees(scales, kernel, type, suffix):
    middle = 0 if type is I8 else 128
    inputs = [operand(type, (65536,), scales[0], 3 + middle), operand(type, (65536,), scales[1], middle - 4)]
    y = result(type, scales[2], 5 + middle)
    step = BINDINGS[ops.ADD](call(ops.ADD, AddOptions(), inputs, [operand(type, (65536,), scales[2], 5 + middle)]))
    assert step.kernel == f"{kernel}_{suffix}"
    for spec in (ops.ADD, ops.SUB):
        check(spec, options(spec), inputs, [y], threads=(1,), feeds=every_pair(type))


@settings(max_examples=15, deadline=None)
@given(scales=st.tuples(*[st.floats(2**-6, 1.0, width=32)] * 3), zero_points=st.tuples(*[st.integers(-128, 127)] * 3))
@example(scales=(0.05, 0.3, 0.01), zero_points=(-3, -128, 7))
def test_every_quotient_of_bytes(scales, zero_points):
    for type in (I8, U8):
        grids = on(type, zip(scales, zero_points))
        feeds = [values[every_pair(type)[1] != grids[1][1]] for values in every_pair(type)]
        inputs = [operand(type, feeds[0].shape, *grid) for grid in grids[:2]]
        check(ops.DIV, DivOptions(), inputs, [result(type, *grids[2])], threads=(1,), feeds=feeds)


POSITIVE = {"low": 1e-3, "high": 50}
UNARY = [
    (ops.ABS, F32, {}),
    (ops.ABS, I32, {}),
    (ops.NEG, F32, {}),
    (ops.NEG, I32, {}),
    (ops.NEG, I64, {}),
    (ops.EXP, F32, {"low": -80, "high": 80}),
    (ops.LOG, F32, POSITIVE),
    (ops.SQRT, F32, POSITIVE),
    (ops.RSQRT, F32, POSITIVE),
    (ops.SQUARE, F32, {}),
    (ops.SIN, F32, {}),
    (ops.COS, F32, {}),
    (ops.FLOOR, F32, {}),
    (ops.CEIL, F32, {}),
    (ops.ROUND, F32, {}),
    (ops.SIGN, F32, {}),
    (ops.SIGN, I32, {}),
]


@pytest.mark.parametrize(("spec", "type", "limits"), UNARY, ids=lambda item: getattr(item, "name", None))
@pytest.mark.parametrize("shape", [(), (1,), (3, 37), (2, 3, 5, 7, 2), (0, 4)], ids=str)
def test_functions_of_one_operand(spec, type, limits, shape):
    lacks = spec in (ops.CEIL, ops.ROUND) or (spec, type) == (ops.ABS, I32)
    check(spec, options(spec), [operand(type, shape, **limits)], [result(type)], resolver=OPTIMIZED if lacks else REFERENCE)


def test_functions_of_special_floats():
    x = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1e-40, 3e38], np.float32)
    for spec in (ops.ABS, ops.NEG, ops.EXP, ops.LOG, ops.SQRT, ops.RSQRT, ops.SQUARE, ops.FLOOR, ops.SIGN):
        check(spec, options(spec), [operand(F32, x.shape)], [result(F32)], feeds=[x], threads=(1,))


def test_arithmetic_of_special_floats():
    """Sums beyond the largest float32 stay finite: the reference clamps even without a fused activation."""
    values = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1.0, -1.0, 3e38, -3e38], np.float32)
    feeds = [values.repeat(len(values)), np.tile(values, len(values))]
    shape = feeds[0].shape
    for spec in (ops.ADD, ops.SUB, ops.MUL, ops.DIV, ops.MINIMUM, ops.MAXIMUM, ops.SQUARED_DIFFERENCE, ops.FLOOR_MOD):
        check(spec, options(spec), [operand(F32, shape), operand(F32, shape)], [result(F32)], feeds=feeds, threads=(1,))


def test_integers_wrap():
    for type in (I32, I64):
        edges = np.array([np.iinfo(np.dtype(type.name.lower())).min, -1, 0, 1, np.iinfo(np.dtype(type.name.lower())).max])
        feeds = [edges.repeat(5).astype(type.name.lower()), np.tile(edges, 5).astype(type.name.lower())]
        for spec in (ops.ADD, ops.SUB, ops.MUL):
            check(spec, options(spec), [operand(type, (25,)), operand(type, (25,))], [result(type)], feeds=feeds, threads=(1,))


def test_the_most_negative_integer_divided_by_minus_one():
    """LiteRT divides in C there, which traps; the results wrap."""
    least = np.iinfo(np.int32).min
    for spec, expected in ((ops.DIV, least), (ops.FLOOR_DIV, least), (ops.FLOOR_MOD, 0)):
        assert evaluate(spec, [np.array([least], np.int32), np.array([-1], np.int32)], I32)[0] == expected
    assert evaluate(ops.FLOOR_MOD, [np.array([np.iinfo(np.int64).min]), np.array([-1])], I64)[0] == 0


def evaluate(spec, feeds, type, scales=((None, 0),) * 3):
    inputs = [operand(type, value.shape, *scale) for value, scale in zip(feeds, scales)]
    return run(write_model(build(spec, options(spec), inputs, [result(type, *scales[-1])])), feeds)[0]


@pytest.mark.parametrize(
    ("spec", "type", "scales"),
    [
        (ops.DIV, I32, ((None, 0),) * 3),
        (ops.DIV, I8, ((0.5, 0), (0.5, 0), (0.5, 0))),
        (ops.FLOOR_DIV, F32, ((None, 0),) * 3),
        (ops.FLOOR_DIV, I32, ((None, 0),) * 3),
        (ops.FLOOR_MOD, I32, ((None, 0),) * 3),
        (ops.FLOOR_MOD, I64, ((None, 0),) * 3),
    ],
    ids=lambda item: getattr(item, "name", None),
)
def test_division_by_zero_fails(spec, type, scales):
    feeds = [np.array([1, 2]).astype(type.name.lower()), np.array([3, 0]).astype(type.name.lower())]
    with pytest.raises(ExecutionError, match=f"{spec.name}.*divisor"):
        evaluate(spec, feeds, type, scales)


def test_a_negative_integer_exponent_fails():
    with pytest.raises(ExecutionError, match="POW"):
        evaluate(ops.POW, [np.array([2], np.int32), np.array([-1], np.int32)], I32)


def every_byte(least=-128):
    return [np.arange(least, 128).astype(np.int8)]


ONE_BYTE_GRIDS = [((0.05, 3), (0.05, -3)), ((0.011, -100), (0.03, 7)), ((0.1, -128), (0.1, -128))]


@pytest.mark.parametrize("grids", ONE_BYTE_GRIDS, ids=str)
@pytest.mark.parametrize("spec", [ops.ABS, ops.NEG, ops.EXP, ops.LOG, ops.SQRT, ops.RSQRT], ids=lambda item: item.name)
def test_int8_functions(spec, grids):
    least = grids[0][1] if spec in (ops.SQRT, ops.RSQRT) else -128
    feeds = every_byte(least)
    check(spec, options(spec), [operand(I8, feeds[0].shape, *grids[0])], [result(I8, *grids[1])], feeds=feeds)


@pytest.mark.parametrize("spec", [ops.SQRT, ops.RSQRT], ids=lambda item: item.name)
def test_int8_roots_of_negative_numbers_fail(spec):
    with pytest.raises(ExecutionError, match=spec.name):
        evaluate(spec, [np.array([4, 5], np.int8)], I8, ((0.1, 5),))


@pytest.mark.parametrize("type", [F32, I32], ids=lambda item: item.name)
@pytest.mark.parametrize("count", [2, 3, 5])
def test_add_n(type, count):
    check(ops.ADD_N, None, [operand(type, (3, 40))] * count, [result(type)])


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_broadcast(data):
    output = data.draw(st.lists(st.integers(1, 4), max_size=6))
    shapes = []
    for _ in range(2):
        kept = data.draw(st.integers(0, len(output)))
        shapes.append(tuple(dim if data.draw(st.booleans()) else 1 for dim in output[len(output) - kept :]))
    check(ops.SUB, SubOptions(), [operand(F32, shape) for shape in shapes], [result(F32)], threads=(1, 2, 5))


def test_constant_operands_are_folded():
    folded = check(ops.MUL, MulOptions(), [constant([2.0, 3.0], F32), constant([5.0], F32)], [result(F32)])
    assert folded[0].tolist() == [10.0, 15.0]


x8, y8 = operand(I8, (4,), 0.5, 3), operand(I8, (4,), 0.5, 3)
f4, i4 = operand(F32, (4,)), operand(I32, (4,))
INVALID = [
    (ops.ADD, None, [f4, f4], [result(F32)], "options AddOptions are required, found none"),
    (ops.ADD, AddOptions(), [f4], [result(F32)], "2 to 2 operands are required, found 1"),
    (ops.ADD, AddOptions(), [f4, None], [result(F32)], "operand 'input2' is required, found none"),
    (ops.ADD, AddOptions(), [f4, i4], [result(F32)], "operand 'input2' must be FLOAT32 as 'input1' is, found INT32"),
    (ops.ADD, AddOptions(), [f4, f4], [result(I32)], "output 't2' must be FLOAT32, found INT32"),
    (ops.ADD, AddOptions(), [f4, operand(F32, (3,))], [result(F32)], "shapes that broadcast"),
    (ops.ADD, AddOptions(), [f4, operand(F32, (1,) * 9)], [result(F32)], "at most 8 dimensions, found 9"),
    (ops.ADD, AddOptions(), [operand(T.BOOL, (4,))] * 2, [result(T.BOOL)], "must be one of FLOAT32.*, found BOOL"),
    (ops.ADD, AddOptions(), [x8, operand(I8, (4,))], [result(I8, 0.5)], "must be quantized, found no scale"),
    (ops.ADD, AddOptions(), [x8, y8], [result(I8)], "must be quantized, found no scale"),
    (ops.ADD, AddOptions(), [x8, operand(I8, (4,), 0.0)], [result(I8, 0.5)], "positive scale, found 0"),
    (ops.ADD, AddOptions(), [x8, operand(I8, (4,), 0.5, 200)], [result(I8, 0.5)], "zero point from -128 to 127, found 200"),
    (ops.ADD, AddOptions(), [x8, operand(I8, (4,), [0.5] * 4)], [result(I8, 0.5)], "one scale is required, found 4"),
    (ops.MUL, MulOptions(), [operand(T.INT16, (4,), 0.5, 1)] * 2, [result(T.INT16, 0.5)], "zero point 0, found 1"),
    (ops.POW, None, [operand(I64, (4,))] * 2, [result(I64)], "must be one of FLOAT32, INT32, found INT64"),
    (ops.ADD_N, None, [f4, operand(F32, (1,))], [result(F32)], r"operand 1 must have shape \(4,\)"),
    (ops.ADD_N, None, [f4], [result(F32)], "operands are required, found 1"),
    (ops.FLOOR, None, [i4], [result(I32)], "must be one of FLOAT32.*, found INT32"),
]


@pytest.mark.parametrize(("spec", "table", "inputs", "outputs", "message"), INVALID, ids=lambda item: getattr(item, "name", None))
def test_broken_rules_are_named(spec, table, inputs, outputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(call(spec, table, inputs, outputs))


VERSIONS = [
    (ops.ADD, AddOptions(), [f4, f4], 1),
    (ops.ADD, AddOptions(), [x8, y8], 2),
    (ops.ADD, AddOptions(pot_scale_int16=False), [operand(T.INT16, (4,), 0.5)] * 2, 3),
    (ops.ADD, AddOptions(), [operand(I64, (4,))] * 2, 4),
    (ops.ADD, AddOptions(), [operand(T.INT16, (4,))] * 2, 5),
    (ops.SUB, SubOptions(), [operand(F32, (1, 2, 1, 2, 1)), f4], 3),
    (ops.MUL, MulOptions(), [x8, y8], 2),
    (ops.DIV, DivOptions(), [operand(F32, (1, 2, 1, 2, 4)), f4], 2),
    (ops.MINIMUM, None, [operand(I8, (1, 2, 1, 2, 4)), operand(I8, (4,))], 3),
    (ops.ABS, None, [i4], 5),
    (ops.ABS, None, [x8], 2),
    (ops.RSQRT, None, [x8], 2),
    (ops.FLOOR_DIV, None, [f4, f4], 2),
    (ops.FLOOR_DIV, None, [i4, i4], 1),
    (ops.SIGN, None, [i4], 2),
]


@pytest.mark.parametrize(("spec", "table", "inputs", "version"), VERSIONS, ids=lambda item: getattr(item, "name", None))
def test_versions(spec, table, inputs, version):
    assert spec.version(call(spec, table, inputs)) == version
    assert version <= spec.max_version


def test_a_product_multiplier_of_one_needs_version_three():
    assert ops.MUL.version(call(ops.MUL, MulOptions(), [x8, y8], [result(I8, 0.25)])) == 3
    assert ops.MUL.version(call(ops.MUL, MulOptions(), [x8, y8], [result(I8, 0.26)])) == 2


def test_scales_that_vanish_in_float32_are_refused():
    x = operand(T.INT8, (4,), 1e-40)
    with pytest.raises(InvalidModelError, match="scales whose product is above 0 in float32 are required, found 0"):
        BINDINGS[ops.RSQRT](call(ops.RSQRT, None, [x], [x]))
