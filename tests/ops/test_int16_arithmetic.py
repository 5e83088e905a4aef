"""Element-by-element arithmetic on INT16 and UINT32 operands."""

import numpy as np
import pytest

from jitlite.schemas.errors import ExecutionError, UnsupportedError
from jitlite.schemas.ops import activation, comparison, elementwise
from jitlite.schemas.tables import (
    ActivationFunctionType,
    AddOptions,
    DivOptions,
    EqualOptions,
    FloorDivOptions,
    FloorModOptions,
    GreaterEqualOptions,
    GreaterOptions,
    LessEqualOptions,
    LessOptions,
    MaximumMinimumOptions,
    MulOptions,
    NegOptions,
    NotEqualOptions,
    SubOptions,
    TensorType,
)
from jitlite.schemas.write import write_model
from tests.ops.oracle import OPTIMIZED, build, check, operand, result, run

T = TensorType
SHAPES = [((4, 50), (4, 50)), ((4, 50), (1,)), ((3, 1, 7), (5, 1)), ((2, 3, 4, 5, 2), (2, 3, 4, 5, 2))]
FUSED = [ActivationFunctionType.NONE, ActivationFunctionType.RELU6, ActivationFunctionType.RELU_N1_TO_1]
SUMS = [(elementwise.ADD, AddOptions), (elementwise.SUB, SubOptions)]


def short(shape, scale=None):
    return operand(T.INT16, shape, scale, low=-32768, high=32767)


@pytest.mark.parametrize(("spec", "options"), SUMS, ids=["add", "sub"])
@pytest.mark.parametrize("scales", [(0.001, 0.001, 0.002), (0.003, 0.0001, 0.002), (1.0, 0.5, 0.01)])
@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_sums(spec, options, scales, a, b):
    for fused in FUSED:
        settings = options(pot_scale_int16=False, fused_activation_function=fused)
        check(spec, settings, [short(a, scales[0]), short(b, scales[1])], [result(T.INT16, scales[2])])


@pytest.mark.parametrize(("spec", "options"), SUMS, ids=["add", "sub"])
@pytest.mark.parametrize("scales", [(2**-12, 2**-12), (2**-14, 2**-12), (2**-12, 2**-15)])
def test_sums_by_shifts(spec, options, scales):
    operands = [short((4, 50), scale) for scale in scales]
    check(spec, options(pot_scale_int16=True), operands, [result(T.INT16, 2**-12)])
    check(spec, options(pot_scale_int16=True), [operand(T.INT16, (9,), 0.01), operand(T.INT16, (9,), 2**-8)], [result(T.INT16, 0.01)])


def test_sums_by_shifts_need_an_operand_with_the_scale_of_the_output():
    operands = [short((4, 50), 2**-10)] * 2
    with pytest.raises(UnsupportedError, match=r"2\^-10"):
        check_without_reference(operands)


def check_without_reference(operands):
    content = write_model(build(elementwise.ADD, AddOptions(pot_scale_int16=True), operands, [result(T.INT16, 2**-12)]))
    run(content, [np.zeros((4, 50), np.int16)] * 2)


@pytest.mark.parametrize("scales", [(0.001, 0.001, 0.002), (0.003, 0.01, 0.0002)])
@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_products(scales, a, b):
    for fused in FUSED:
        settings = MulOptions(fused_activation_function=fused)
        check(elementwise.MUL, settings, [short(a, scales[0]), short(b, scales[1])], [result(T.INT16, scales[2])])


@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_products_of_unsigned_integers(a, b):
    check(elementwise.MUL, MulOptions(), [operand(T.UINT32, a, high=2**32 - 1), operand(T.UINT32, b)], [result(T.UINT32)])


@pytest.mark.parametrize("alpha", [(1, 1, 7), (5, 7), (2, 5, 7)])
def test_prelu(alpha):
    slopes = operand(T.INT8, alpha, 0.01, 3)
    check(activation.PRELU, None, [short((2, 5, 7), 0.001), slopes], [result(T.INT16, 0.0007)])


@pytest.mark.parametrize(("a", "b"), SHAPES)
@pytest.mark.parametrize("spec", [elementwise.MINIMUM, elementwise.MAXIMUM])
def test_extremes(spec, a, b):
    check(spec, MaximumMinimumOptions(), [short(a), short(b)], [result(T.INT16)])


@pytest.mark.parametrize(("spec", "options"), [(elementwise.FLOOR_DIV, FloorDivOptions), (elementwise.FLOOR_MOD, FloorModOptions)])
def test_divisions(spec, options):
    x, y = short((4, 50)), operand(T.INT16, (4, 50), low=1, high=500)
    check(spec, options(), [x, y], [result(T.INT16)], resolver=OPTIMIZED)
    check(spec, options(), [x, operand(T.INT16, (4, 50), low=-9, high=-1)], [result(T.INT16)], resolver=OPTIMIZED)


def test_division_by_zero():
    content = write_model(build(elementwise.FLOOR_DIV, FloorDivOptions(), [short((4,))] * 2, [result(T.INT16)]))
    with pytest.raises(ExecutionError, match="a divisor other than 0"):
        run(content, [np.ones(4, np.int16), np.zeros(4, np.int16)])


def test_negation():
    check(elementwise.NEG, NegOptions(), [operand(T.INT16, (300,), low=-32767, high=32767)], [result(T.INT16)])


COMPARISONS = [
    (comparison.EQUAL, EqualOptions),
    (comparison.NOT_EQUAL, NotEqualOptions),
    (comparison.LESS, LessOptions),
    (comparison.LESS_EQUAL, LessEqualOptions),
    (comparison.GREATER, GreaterOptions),
    (comparison.GREATER_EQUAL, GreaterEqualOptions),
]


@pytest.mark.parametrize(("spec", "options"), COMPARISONS, ids=lambda item: getattr(item, "name", None))
@pytest.mark.parametrize(("a", "b"), SHAPES)
@pytest.mark.parametrize("scales", [(None, None), (0.5, 0.25), (0.01, 0.01), (2**-15, 2**-14)])
def test_comparisons(spec, options, a, b, scales):
    if spec is comparison.NOT_EQUAL and scales == (None, None):
        pytest.skip("LiteRT leaves the result as it finds it")
    operands = [operand(T.INT16, shape, scale, low=-40, high=40) for shape, scale in zip((a, b), scales)]
    check(spec, options(), operands, [result(T.BOOL)], resolver=OPTIMIZED)


def test_plain_integers_that_are_not_equal():
    content = write_model(build(comparison.NOT_EQUAL, NotEqualOptions(), [short((3,))] * 2, [result(T.BOOL)]))
    (found,) = run(content, [np.array([1, 2, -3], np.int16), np.array([1, 3, -3], np.int16)])
    assert found.tolist() == [False, True, False]


@pytest.mark.parametrize("scales", [(0.001, 0.001, 0.002), (0.003, 0.01, 0.0002)])
@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_quotients(scales, a, b):
    """Of dividends and divisors for which LiteRT shifts by 31 bits at most: it leaves open what further shifts give."""
    for fused in FUSED:
        for low, high in ((1, 255), (-255, -1)):
            divisor = operand(T.INT16, b, scales[1], low=low, high=high)
            settings = DivOptions(fused_activation_function=fused)
            dividend = operand(T.INT16, a, scales[0], low=300, high=32767)
            check(elementwise.DIV, settings, [dividend, divisor], [result(T.INT16, scales[2])])
