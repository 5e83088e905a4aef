"""RFFT2D, REAL, IMAG, COMPLEX_ABS and ATAN2 against LiteRT's reference kernels."""

import numpy as np
import pytest

from jitlite.interpreter.binding import complex as binding
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.ops.complex import ATAN2, COMPLEX_ABS, IMAG, REAL, RFFT2D
from jitlite.schemas.ops.spec import Call, NeedsValue, infer
from jitlite.schemas.tables import ATan2Options, Rfft2dOptions, TensorType
from jitlite.schemas.write import write_model
from tests.ops.oracle import build, check, constant, operand, reference, result

T = TensorType


@pytest.mark.parametrize(
    ("shape", "lengths"),
    [
        ((4, 4), (4, 4)),
        ((1, 8), (1, 8)),
        ((3, 5), (4, 8)),
        ((2, 3, 9, 20), (8, 16)),
        ((7, 400), (1, 512)),
        ((5, 3), (2, 2)),
        ((2, 6, 1), (8, 2)),
    ],
)
def test_rfft2d(shape, lengths):
    x = operand(T.FLOAT32, shape, low=-2, high=2)
    check(RFFT2D, Rfft2dOptions(), [x, constant(lengths)], [result(T.COMPLEX64)], tolerance=2e-6, floor=10.0)


def test_rfft2d_of_many_matrices(monkeypatch):
    monkeypatch.setattr(binding, "_CHUNK", 40)
    x = operand(T.FLOAT32, (7, 4, 4), low=-2, high=2)
    check(RFFT2D, Rfft2dOptions(), [x, constant((4, 4))], [result(T.COMPLEX64)], tolerance=2e-6, floor=10.0)


def test_rfft2d_lengths_at_run_time():
    x, lengths = operand(T.FLOAT32, (3, 6), low=-2, high=2), operand(T.INT32, (2,))
    feeds = [np.arange(18, dtype=np.float32).reshape(3, 6), np.array([4, 8], np.int32)]
    check(RFFT2D, Rfft2dOptions(), [x, lengths], [result(T.COMPLEX64, shape=(4, 5))], tolerance=1e-5, feeds=feeds)


@pytest.mark.parametrize("spec", [REAL, IMAG, COMPLEX_ABS])
@pytest.mark.parametrize(("type", "part"), [(T.COMPLEX64, T.FLOAT32), (T.COMPLEX128, T.FLOAT64)])
@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 1, 4, 2)])
def test_parts(spec, type, part, shape):
    check(spec, None, [operand(type, shape)], [result(part)])


def test_magnitude_of_extremes():
    values = np.array([3e38 + 1e38j, 1e-42 + 1e-42j, np.inf + 1j, np.nan + 1j, complex(np.inf, np.nan)], np.complex64)
    check(COMPLEX_ABS, None, [operand(T.COMPLEX64, (5,))], [result(T.FLOAT32)], feeds=[values], floor=1e-41)


@pytest.mark.parametrize("type", [T.FLOAT32, T.FLOAT64, T.FLOAT16])
@pytest.mark.parametrize("shape", [(), (7,), (2, 1, 3, 1, 2)])
def test_atan2(type, shape):
    y = operand(type, shape)
    check(ATAN2, ATan2Options(), [y, y], [result(type)], tolerance=1e-3 if type is T.FLOAT16 else 1e-6)


def test_atan2_of_zeros_and_infinities():
    numbers = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan], np.float32)
    y, x = (grid.ravel() for grid in np.meshgrid(numbers, numbers))
    spec = operand(T.FLOAT32, (49,))
    found = check(ATAN2, ATan2Options(), [spec, spec], [result(T.FLOAT32)], feeds=[y, x])
    expected = reference(write_model(build(ATAN2, ATan2Options(), [spec, spec], [result(T.FLOAT32)])), [y, x])
    assert (np.signbit(found[0]) == np.signbit(expected[0]))[~np.isnan(expected[0])].all()


@pytest.mark.parametrize(
    ("spec", "inputs", "message"),
    [
        (RFFT2D, [operand(T.FLOAT32, (4,)), constant([4, 4])], "rank 2"),
        (RFFT2D, [operand(T.FLOAT64, (4, 4)), constant([4, 4])], "FLOAT32"),
        (RFFT2D, [operand(T.FLOAT32, (4, 4)), constant([4, 6])], "powers of two"),
        (RFFT2D, [operand(T.FLOAT32, (4, 4)), constant([0, 4])], "powers of two"),
        (RFFT2D, [operand(T.FLOAT32, (4, 4)), constant([-8, 4])], "powers of two"),
        (RFFT2D, [operand(T.FLOAT32, (4, 4)), constant([2, 4, 4])], "shape"),
        (RFFT2D, [operand(T.FLOAT32, (4, 4)), constant([2**30, 2**30])], "at most"),
        (REAL, [operand(T.FLOAT32, (4,))], "COMPLEX64 or COMPLEX128"),
        (ATAN2, [operand(T.FLOAT32, (4,)), operand(T.FLOAT32, (1,))], "one shape"),
        (ATAN2, [operand(T.FLOAT32, (4,)), operand(T.FLOAT64, (4,))], "FLOAT32"),
        (ATAN2, [operand(T.INT32, (4,)), operand(T.INT32, (4,))], "FLOAT32"),
    ],
)
def test_illegal_calls(spec, inputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(Call(spec, None, tuple(item.info(index) for index, item in enumerate(inputs))))


def test_lengths_are_needed():
    with pytest.raises(NeedsValue):
        infer(Call(RFFT2D, None, (operand(T.FLOAT32, (4, 4)).info(0), operand(T.INT32, (2,)).info(1))))
