"""BITCAST, BITWISE_XOR and RIGHT_SHIFT against LiteRT's reference kernels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitlite.schemas.errors import InvalidModelError, UnsupportedError
from jitlite.schemas.ops.bitwise import BITCAST, BITWISE_XOR, RIGHT_SHIFT
from jitlite.schemas.ops.spec import Call, infer
from jitlite.schemas.tables import BitcastOptions, BitwiseXorOptions, RightShiftOptions, TensorType
from tests.ops.oracle import check, operand, result

T = TensorType
INTEGERS = [T.INT8, T.UINT8, T.INT16, T.UINT16, T.INT32, T.UINT32]
OPTIONS = {BITWISE_XOR: BitwiseXorOptions(), RIGHT_SHIFT: RightShiftOptions()}


@pytest.mark.parametrize(
    ("source", "shape", "target"),
    [
        (T.FLOAT32, (2, 3), T.INT32),
        (T.INT32, (), T.FLOAT32),
        (T.FLOAT32, (2, 3), T.UINT8),
        (T.INT64, (3,), T.INT16),
        (T.UINT8, (3, 4), T.INT32),
        (T.INT16, (2, 4), T.FLOAT64),
        (T.INT32, (2,), T.INT64),
        (T.FLOAT16, (5,), T.UINT16),
        (T.COMPLEX64, (2, 2), T.FLOAT32),
        (T.INT32, (0, 2), T.INT64),
    ],
)
def test_bitcast(source, shape, target):
    x = operand(source, shape, low=0 if target in (T.FLOAT32, T.FLOAT64) else None, high=100)
    check(BITCAST, BitcastOptions(), [x], [result(target)], tolerance=0)


@pytest.mark.parametrize("type", INTEGERS)
@pytest.mark.parametrize("spec", OPTIONS)
@pytest.mark.parametrize(
    ("a", "b"), [((2, 3), (2, 3)), ((), ()), ((2, 3, 1, 4), (3, 5, 1)), ((1, 4), (1,)), ((2, 1, 2, 1, 3), (2, 1, 2, 1, 3))]
)
def test_integers(spec, type, a, b):
    edges = np.iinfo(type.name.lower())
    low, high = max(edges.min, -(2**31)), edges.max
    check(
        spec, OPTIONS[spec], [operand(type, a, low=low, high=high), operand(type, b, low=max(low, -40), high=min(high, 40))], [result(type)]
    )


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 3), max_size=4), st.data())
def test_shifts_broadcast(shape, data):
    other = [data.draw(st.sampled_from([1, dim])) for dim in shape][data.draw(st.integers(0, len(shape))) :]
    check(RIGHT_SHIFT, RightShiftOptions(), [operand(T.INT16, shape), operand(T.INT16, other, low=-3, high=20)], [result(T.INT16)])


@pytest.mark.parametrize(
    ("spec", "inputs", "output", "error", "message"),
    [
        (BITCAST, [operand(T.INT16, (3,))], T.INT32, InvalidModelError, "last dimension of 2"),
        (BITCAST, [operand(T.INT16, ())], T.INT32, InvalidModelError, "last dimension of 2"),
        (BITCAST, [operand(T.STRING, (3,))], T.INT32, UnsupportedError, "whole bytes"),
        (BITCAST, [operand(T.INT16, (3,))], T.INT4, UnsupportedError, "whole bytes"),
        (BITWISE_XOR, [operand(T.INT64, (3,)), operand(T.INT64, (3,))], T.INT64, InvalidModelError, "INT8 or"),
        (BITWISE_XOR, [operand(T.INT8, (3,)), operand(T.INT16, (3,))], T.INT8, InvalidModelError, "one type"),
        (RIGHT_SHIFT, [operand(T.INT8, (3,)), operand(T.INT8, (2,))], T.INT8, InvalidModelError, "broadcast"),
    ],
)
def test_illegal_calls(spec, inputs, output, error, message):
    infos = tuple(item.info(index) for index, item in enumerate(inputs))
    with pytest.raises(error, match=message):
        infer(Call(spec, None, infos, (result(output).info(9),)))
