"""Changes of number format against LiteRT's reference kernels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jitlite.interpreter.binding.conversion  # noqa: F401 - registers the bindings
from jitlite.interpreter.binding.registry import BINDINGS
from jitlite.schemas.dtypes import numpy_dtype
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.ops import conversion as ops
from jitlite.schemas.ops.spec import infer
from jitlite.schemas.tables import CastOptions, TensorType
from jitlite.schemas.write import write_model
from tests.ops.oracle import build, call, check, constant, operand, result, run

T = TensorType
F32, I8, U8, I16, I32 = T.FLOAT32, T.INT8, T.UINT8, T.INT16, T.INT32
INTEGERS = [T.INT64, T.INT32, T.UINT32, T.INT16, T.UINT16, T.INT8, T.UINT8, T.BOOL]
CASTS = [*INTEGERS, T.FLOAT32, T.FLOAT64]


@pytest.mark.parametrize("source", CASTS, ids=lambda item: item.name)
def test_cast(source):
    for target in [*CASTS, T.FLOAT16]:
        low = 0 if target in (T.UINT32, T.UINT16, T.UINT8) else None
        check(ops.CAST, None, [operand(source, (3, 41), low=low)], [result(target)])


def test_cast_from_float16():
    values = np.arange(2**16).astype(np.uint16).view(np.float16)
    finite = np.isfinite(values.astype(np.float32))
    for target, kept in ((T.FLOAT32, finite | True), (T.FLOAT64, finite | True), (T.FLOAT16, finite), (T.INT32, finite), (T.BOOL, finite)):
        x = values[kept]
        check(ops.CAST, None, [operand(T.FLOAT16, x.shape)], [result(target)], feeds=[x], threads=(1,))


def test_cast_to_float16_rounds_to_nearest_even():
    bits = np.concatenate([np.arange(0, 2**31, 2**11 + 1), np.array([0x477FEFFF, 0x477FF000, 0x33000000, 0x33000001, 0x387FFFFF])])
    positive = bits.astype(np.uint32).view(np.float32)
    x = np.concatenate([positive, -positive])
    check(ops.CAST, None, [operand(F32, x.shape)], [result(T.FLOAT16)], feeds=[x], threads=(1,))


@pytest.mark.parametrize("target", INTEGERS, ids=lambda item: item.name)
@pytest.mark.parametrize("source", [T.FLOAT32, T.FLOAT64], ids=lambda item: item.name)
def test_floats_out_of_range_saturate(source, target):
    edges = [0.4, 0.5, 0.99, 1.5, 126.9, 127, 128, 255, 256, 32767, 65535, 65536, 2**31 - 1, 2**31, 2**32, 2**63, 1e30, np.inf]
    x = np.array([*edges, *(-edge for edge in edges), np.nan], numpy_dtype(source))
    check(ops.CAST, None, [operand(source, x.shape)], [result(target)], feeds=[x], threads=(1,))


def test_integers_keep_their_low_bits():
    x = np.array([2**63 - 1, -(2**63), 2**32 + 5, -1, 300, -300], np.int64)
    for target in (T.INT32, T.UINT32, T.INT16, T.UINT16, T.INT8, T.UINT8, T.BOOL, T.FLOAT32, T.FLOAT64):
        check(ops.CAST, None, [operand(T.INT64, x.shape)], [result(target)], feeds=[x], threads=(1,))


@pytest.mark.parametrize("shape", [(), (5,), (0, 2), (2, 3, 4)], ids=str)
def test_cast_shapes(shape):
    for source, target in ((F32, F32), (F32, I32), (I8, T.FLOAT16), (T.FLOAT16, U8), (T.BOOL, T.INT64)):
        check(ops.CAST, CastOptions(in_data_type=source, out_data_type=target), [operand(source, shape, low=0)], [result(target)])


def every(type):
    return np.arange(-128, 128).astype(np.uint8).view(numpy_dtype(type))


@pytest.mark.parametrize("grid", [(0.05, 3), (0.007, 100), (1.0, 0)], ids=str)
@pytest.mark.parametrize("target", [I8, U8, I16], ids=lambda item: item.name)
def test_quantize(target, grid):
    ties = (np.arange(-300, 300) + 0.5).astype(np.float32) * np.float32(grid[0])
    near = np.nextafter(ties, np.float32(0))
    for x in (ties, near, np.linspace(-3, 3, 1001, dtype=np.float32), np.array([1e9, -1e9, 3e4, -0.0], np.float32) * np.float32(grid[0])):
        check(ops.QUANTIZE, None, [operand(F32, x.shape)], [result(target, *grid)], feeds=[x])


@settings(max_examples=200, deadline=None)
@given(scale=st.floats(2**-20, 2**20, width=32), zero_point=st.integers(-128, 127))
def test_quantize_near_every_step(scale, zero_point):
    """The floats around each threshold, where a product with the inverse could stray from the quotient."""
    near = ((np.arange(-257, 258) + 0.5) * scale).astype(np.float32).view(np.int32)
    x = (near[:, None] + np.arange(-3, 4, dtype=np.int32)).view(np.float32).reshape(-1)
    for type in (I8, U8):
        check(ops.QUANTIZE, None, [operand(F32, x.shape)], [result(type, scale, zero_point + 128 * (type is U8))], feeds=[x], threads=(1,))


@pytest.mark.parametrize("scale", [2.0**-126, 2.0**-110, 2.0**100, 2.0**120, 0.1], ids=str)
def test_quantize_on_extreme_scales(scale):
    """Scales whose inverse is no normal number divide."""
    x = (np.linspace(-200, 200, 401) * np.float32(scale)).astype(np.float32)
    check(ops.QUANTIZE, None, [operand(F32, x.shape)], [result(I8, scale, 3)], feeds=[x])
    step = BINDINGS[ops.QUANTIZE](call(ops.QUANTIZE, None, [operand(F32, x.shape)], [operand(I8, x.shape, scale, 3)]))
    assert step.kernel == ("quantize_by_product_qs8" if 2**-101 < scale < 2**101 else "quantize_by_quotient_qs8")


@pytest.mark.parametrize("count", [1, 15, 16, 17, 63, 100])
@pytest.mark.parametrize("type", [I8, U8], ids=lambda item: item.name)
def test_conversions_of_few_elements(type, count):
    check(ops.QUANTIZE, None, [operand(F32, (count,), low=-9, high=9)], [result(type, 0.05, 7)])
    check(ops.DEQUANTIZE, None, [operand(type, (count,), 0.05, 7)], [result(F32)], tolerance=0)
    check(ops.QUANTIZE, None, [operand(type, (count,), 0.05, 7)], [result(type, 0.07, 9)])


def test_quantize_of_numbers_beyond_32_bits():
    """They saturate; LiteRT's conversion is undefined there and gives the smallest value on x86."""
    x = np.array([np.inf, -np.inf, 1e30, -1e30, np.nan], np.float32)
    content = write_model(build(ops.QUANTIZE, None, [operand(F32, x.shape)], [result(I8, 0.5, 3)]))
    assert run(content, [x])[0].tolist() == [127, -128, 127, -128, -128]


@pytest.mark.parametrize(("shape", "axis"), [((3, 4, 5), 0), ((3, 4, 5), 1), ((3, 4, 5), 2), ((4,), 0)], ids=str)
@pytest.mark.parametrize("type", [I8, U8], ids=lambda item: item.name)
def test_per_channel(type, shape, axis):
    scales = np.linspace(0.01, 0.3, shape[axis])
    zero_points = np.arange(shape[axis]) if type is U8 else np.arange(shape[axis]) - 2
    quantized = operand(type, shape, scales, zero_points, axis=axis)
    check(ops.DEQUANTIZE, None, [quantized], [result(F32)], tolerance=0)
    check(ops.QUANTIZE, None, [operand(F32, shape, low=-20, high=20)], [operand(type, shape, scales, zero_points, axis=axis)])


@pytest.mark.parametrize("type", [I8, U8, I16], ids=lambda item: item.name)
def test_dequantize(type):
    zero_point = 0 if type is I16 else 17
    for shape in ((), (7, 33), (0, 3)):
        check(ops.DEQUANTIZE, None, [operand(type, shape, 0.0371, zero_point)], [result(F32)], tolerance=0)


def test_dequantize_float16():
    values = np.arange(2**16).astype(np.uint16).view(np.float16)
    check(ops.DEQUANTIZE, None, [operand(T.FLOAT16, values.shape)], [result(F32)], feeds=[values], tolerance=0)
    check(ops.DEQUANTIZE, None, [constant(values[:100], T.FLOAT16)], [result(F32)], tolerance=0)


MOVES = [(source, target) for source, targets in ops.REQUANTIZATIONS.items() if source is not F32 for target in sorted(targets)]


@pytest.mark.parametrize(("source", "target"), MOVES, ids=lambda item: item.name)
@settings(max_examples=12, deadline=None)
@given(scales=st.tuples(*[st.floats(2**-7, 0.5, width=32)] * 2), zero_points=st.tuples(st.integers(0, 127), st.integers(0, 127)))
def test_requantize(source, target, scales, zero_points):
    zero_points = (0, 0) if source is target is I16 else zero_points
    x = operand(source, (4, 300), scales[0], zero_points[0], low=-30000 if source in (I16, I32) else None, high=30000)
    check(ops.QUANTIZE, None, [x], [result(target, scales[1], zero_points[1])], threads=(1, 2))


def test_requantize_between_signed_and_unsigned():
    for source, target, shift in ((I8, U8, 128), (U8, I8, -128)):
        x = every(source)
        check(ops.QUANTIZE, None, [operand(source, x.shape, 0.1, 3)], [result(target, 0.1, 3 + shift)], feeds=[x])


f4, x8 = operand(F32, (4,)), operand(I8, (4,), 0.5, 3)
INVALID = [
    (ops.CAST, CastOptions(), [operand(T.STRING, (4,))], [result(F32)], "operand 'input' must be one of .*, found STRING"),
    (ops.CAST, None, [f4], [result(T.STRING)], "result of type .* is required, found STRING"),
    (ops.CAST, None, [operand(T.INT4, (4,))], [result(I32)], "result of type .* is required, found INT32"),
    (ops.CAST, None, [f4], [], "an output type is required"),
    (ops.QUANTIZE, None, [f4], [], "declared output is required"),
    (ops.QUANTIZE, None, [f4], [result(I8)], "must be quantized, found no scale"),
    (ops.QUANTIZE, None, [f4], [result(I32, 0.5)], "result of type .* is required, found INT32"),
    (ops.QUANTIZE, None, [f4], [result(I8, 0.0)], "positive scales, found 0"),
    (ops.QUANTIZE, None, [f4], [result(I8, 0.5, 128)], "zero points from -128 to 127"),
    (ops.QUANTIZE, None, [f4], [operand(I8, (4,), [0.5] * 3)], "must have 4 scales, found 3"),
    (ops.QUANTIZE, None, [f4], [operand(I8, (4,), [0.5] * 4, axis=1)], "quantized dimension below 1, found 1"),
    (ops.QUANTIZE, None, [operand(I16, (4,), 0.5, 1)], [result(I16, 0.5)], "zero point 0, found 1"),
    (ops.DEQUANTIZE, None, [operand(I16, (4,), 0.5, 1)], [result(F32)], "zero point 0, found 1"),
    (ops.QUANTIZE, None, [operand(U8, (4,))], [result(U8, 0.5)], "must be quantized, found no scale"),
    (ops.QUANTIZE, None, [operand(I8, (4,), [0.5] * 4)], [result(I8, 0.5)], "one scale is required where integers are requantized"),
    (ops.DEQUANTIZE, None, [operand(I8, (4,))], [result(F32)], "must be quantized, found no scale"),
    (ops.DEQUANTIZE, None, [f4], [result(F32)], "must be one of .*, found FLOAT32"),
    (ops.DEQUANTIZE, None, [x8], [result(I32)], "must be FLOAT32, found INT32"),
    (ops.DEQUANTIZE, None, [operand(I16, (4,), [0.5] * 4)], [result(F32)], "INT16 operand must have one scale"),
]


@pytest.mark.parametrize(("spec", "options", "inputs", "outputs", "message"), INVALID, ids=lambda item: getattr(item, "name", None))
def test_broken_rules_are_named(spec, options, inputs, outputs, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(call(spec, options, inputs, outputs))


VERSIONS = [
    (ops.CAST, f4, result(I32), 1),
    (ops.CAST, f4, result(T.UINT32), 2),
    (ops.CAST, operand(I8, (4,)), result(F32), 3),
    (ops.CAST, f4, result(T.UINT16), 4),
    (ops.CAST, operand(T.FLOAT16, (4,)), result(F32), 5),
    (ops.CAST, operand(T.INT4, (4,)), result(F32), 6),
    (ops.CAST, f4, result(T.BFLOAT16), 7),
    (ops.CAST, f4, result(T.UINT4), 8),
    (ops.CAST, f4, result(T.FLOAT8_E5M2), 9),
    (ops.QUANTIZE, f4, result(I8, 0.5), 1),
    (ops.QUANTIZE, f4, result(I16, 0.5), 2),
    (ops.QUANTIZE, f4, operand(I8, (4,), [0.5] * 4), 3),
    (ops.QUANTIZE, f4, result(T.INT4, 0.5), 4),
    (ops.QUANTIZE, f4, result(T.UINT4, 0.5), 5),
    (ops.DEQUANTIZE, operand(U8, (4,), 0.5), result(F32), 1),
    (ops.DEQUANTIZE, x8, result(F32), 2),
    (ops.DEQUANTIZE, operand(T.FLOAT16, (4,)), result(F32), 3),
    (ops.DEQUANTIZE, operand(I8, (4,), [0.5] * 4), result(F32), 5),
    (ops.DEQUANTIZE, operand(T.INT4, (4,), 0.5), result(F32), 6),
    (ops.DEQUANTIZE, operand(T.INT2, (4,), 0.5), result(F32), 7),
]


@pytest.mark.parametrize(("spec", "x", "y", "version"), VERSIONS, ids=lambda item: getattr(item, "name", None))
def test_versions(spec, x, y, version):
    assert spec.version(call(spec, None, [x], [y])) == version
    assert version <= spec.max_version
