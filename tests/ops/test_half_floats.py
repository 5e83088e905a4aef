"""Operators on FLOAT16 operands."""

import numpy as np
import pytest

from jitlite.schemas.ops import activation, comparison, elementwise
from jitlite.schemas.tables import (
    AddOptions,
    CosOptions,
    EqualOptions,
    GeluOptions,
    GreaterOptions,
    LessEqualOptions,
    MaximumMinimumOptions,
    MulOptions,
    NegOptions,
    SoftmaxOptions,
    TensorType,
)
from tests.ops.oracle import OPTIMIZED, check, operand, result

T = TensorType
ROUNDED = {"tolerance": 2e-3, "floor": 0.5, "resolver": OPTIMIZED}


def half(*shape, value=None):
    return operand(T.FLOAT16, shape, low=-6, high=6, value=value)


UNARY = [
    (activation.LOGISTIC, None),
    (activation.TANH, None),
    (activation.GELU, GeluOptions()),
    (activation.GELU, GeluOptions(approximate=True)),
    (activation.SOFTMAX, SoftmaxOptions(beta=1)),
    (elementwise.NEG, NegOptions()),
    (elementwise.SIN, None),
    (elementwise.COS, CosOptions()),
    (elementwise.FLOOR, None),
    (elementwise.ROUND, None),
]


@pytest.mark.parametrize(("spec", "options"), UNARY, ids=lambda item: getattr(item, "name", None))
def test_functions(spec, options):
    check(spec, options, [half(4, 33)], [result(T.FLOAT16)], **ROUNDED)


BINARY = [
    (elementwise.ADD, AddOptions()),
    (elementwise.MUL, MulOptions()),
    (elementwise.MINIMUM, MaximumMinimumOptions()),
    (elementwise.MAXIMUM, MaximumMinimumOptions()),
]


@pytest.mark.parametrize(("spec", "options"), BINARY, ids=lambda item: getattr(item, "name", None))
@pytest.mark.parametrize("constant", [False, True])
def test_arithmetic(spec, options, constant):
    value = np.random.default_rng(4).normal(size=(4, 33)) if constant else None
    check(spec, options, [half(4, 33), half(4, 33, value=value)], [result(T.FLOAT16)], **ROUNDED)


COMPARISONS = [(comparison.EQUAL, EqualOptions()), (comparison.GREATER, GreaterOptions()), (comparison.LESS_EQUAL, LessEqualOptions())]


@pytest.mark.parametrize(("spec", "options"), COMPARISONS, ids=lambda item: getattr(item, "name", None))
def test_comparisons(spec, options):
    check(spec, options, [half(4, 33), half(4, 33)], [result(T.BOOL)], resolver=OPTIMIZED)
