"""Operators on types NumPy lacks: BFLOAT16, and integers of which several share a byte."""

import numpy as np
import pytest

from jitlite.schemas.ops import activation, comparison, concat, elementwise, gather, pad, reshape, window
from jitlite.schemas.ops import complex as complex_ops
from jitlite.schemas.ops import slice as slicing
from jitlite.schemas.ops.conversion import CAST
from jitlite.schemas.tables import (
    CastOptions,
    ConcatenationOptions,
    DilateOptions,
    GatherNdOptions,
    GatherOptions,
    GreaterOptions,
    LessOptions,
    MaximumMinimumOptions,
    NegOptions,
    PadOptions,
    PadV2Options,
    ReverseV2Options,
    SelectV2Options,
    SliceOptions,
    StablehloPadOptions,
    TensorType,
    TransposeOptions,
    UnpackOptions,
)
from tests.ops.casts import check_between_casts
from tests.ops.oracle import check, constant, operand, result

T = TensorType
B16 = T.BFLOAT16
CORNERS = [0.0, -0.0, 1.0, -1.5, 2.5, 7.9, -8.5, 15.4, -3.0, 1e-40, 3e38, 1.00390625, 1.01171875, np.inf, -np.inf, np.nan]


def short(*shape, value=None):
    bits = None if value is None else np.asarray(value, np.float32).view(np.uint32) >> 16
    return operand(B16, shape, low=-6, high=6, value=bits)


@pytest.mark.parametrize("target", [T.FLOAT32, T.FLOAT64, T.FLOAT16, T.INT64, T.INT32, T.INT16, T.UINT16, T.INT8, T.UINT8, T.BOOL])
def test_casts_from_bfloat16(target):
    options = CastOptions(in_data_type=B16, out_data_type=target)
    check_between_casts(CAST, options, [short(16)], [result(target)], feeds=[np.array(CORNERS, np.float32)])


@pytest.mark.parametrize("source", [T.FLOAT64, T.FLOAT16, T.INT64, T.INT32, T.UINT32, T.INT16, T.UINT16, T.INT8, T.UINT8, T.BOOL])
def test_casts_to_bfloat16(source):
    check_between_casts(CAST, CastOptions(in_data_type=source, out_data_type=B16), [operand(source, (3, 50))], [result(B16)])


@pytest.mark.parametrize("other", [T.FLOAT32, T.FLOAT64, T.FLOAT16, T.INT64, T.INT32, T.INT16, T.INT8, T.UINT8, T.BOOL, T.COMPLEX64])
def test_casts_of_complex_numbers(other):
    check(CAST, CastOptions(), [operand(T.COMPLEX64, (4, 9))], [result(other)])
    check(CAST, CastOptions(), [operand(other, (4, 9))], [result(T.COMPLEX64)])


@pytest.mark.parametrize("target", [T.INT4, T.UINT4, T.INT2])
@pytest.mark.parametrize("shape", [(16,), (3, 5), (1,)])
def test_casts_to_packed_integers(target, shape):
    feeds = [np.resize(np.array(CORNERS, np.float32), shape)]
    options = CastOptions(in_data_type=T.FLOAT32, out_data_type=target)
    check_between_casts(CAST, options, [operand(T.FLOAT32, shape)], [result(target)], feeds=feeds)


FUNCTIONS = [
    (activation.LOGISTIC, None),
    (activation.TANH, None),
    (elementwise.NEG, NegOptions()),
    (elementwise.FLOOR, None),
    (elementwise.ROUND, None),
]


@pytest.mark.parametrize(("spec", "options"), FUNCTIONS, ids=lambda item: getattr(item, "name", None))
def test_functions_of_bfloat16(spec, options):
    check_between_casts(spec, options, [short(4, 33)], [result(B16)], tolerance=1e-2)


PAIRS = [
    (elementwise.MINIMUM, MaximumMinimumOptions(), B16),
    (elementwise.MAXIMUM, MaximumMinimumOptions(), B16),
    (comparison.LESS, LessOptions(), T.BOOL),
    (comparison.GREATER, GreaterOptions(), T.BOOL),
    (complex_ops.ATAN2, None, B16),
]


@pytest.mark.parametrize(("spec", "options", "type"), PAIRS, ids=lambda item: getattr(item, "name", None))
def test_single_pairs_of_bfloat16(spec, options, type):
    check_between_casts(spec, options, [short(), short()], [result(type)], tolerance=1e-2)
    check_between_casts(spec, options, [short(), short(value=1.5)], [result(type)], tolerance=1e-2)


@pytest.mark.parametrize(("spec", "options", "type"), PAIRS, ids=lambda item: getattr(item, "name", None))
@pytest.mark.parametrize("shape", [(4, 33), (33,)])
def test_pairs_of_bfloat16(spec, options, type, shape):
    if spec is complex_ops.ATAN2 and shape == (33,):
        shape = (4, 33)
    check_between_casts(spec, options, [short(4, 33), short(*shape)], [result(type)], tolerance=1e-2)
    values = np.random.default_rng(1).normal(size=shape)
    check_between_casts(spec, options, [short(4, 33), short(*shape, value=values)], [result(type)], tolerance=1e-2)


MOVES = [
    (concat.CONCATENATION, ConcatenationOptions(axis=1), [(2, 3), (2, 4)], []),
    (pad.PAD, PadOptions(), [(2, 3)], [constant([[1, 0], [0, 2]])]),
    (gather.GATHER, GatherOptions(axis=1), [(2, 3)], [constant([2, 0])]),
    (gather.GATHER_ND, GatherNdOptions(), [(2, 3)], [constant([[1, 0]])]),
    (slicing.REVERSE_V2, ReverseV2Options(), [(2, 3)], [constant([1])]),
    (reshape.TRANSPOSE, TransposeOptions(), [(2, 3)], [constant([1, 0])]),
    (slicing.SLICE, SliceOptions(), [(2, 3)], [constant([0, 1]), constant([2, 2])]),
]


@pytest.mark.parametrize(("spec", "options", "shapes", "rest"), MOVES, ids=lambda item: getattr(item, "name", None))
def test_moves_of_bfloat16(spec, options, shapes, rest):
    check_between_casts(spec, options, [*(short(*shape) for shape in shapes), *rest], [result(B16)])


def test_unpack_of_bfloat16():
    check_between_casts(reshape.UNPACK, UnpackOptions(num=2, axis=0), [short(2, 3)], [result(B16), result(B16)])


def test_padding_value_of_bfloat16():
    inputs = [short(2, 3), constant([[1, 0], [0, 2]]), short(1, value=[2.5])]
    check_between_casts(pad.PADV2, PadV2Options(), inputs, [result(B16)])


def test_stretching_of_bfloat16():
    stretched = StablehloPadOptions(edge_padding_low=[1, 0], edge_padding_high=[0, 2], interior_padding=[1, 0])
    check_between_casts(window.STABLEHLO_PAD, stretched, [short(2, 3), short(value=1.5)], [result(B16)])
    check_between_casts(window.DILATE, DilateOptions(), [short(2, 3), constant([2, 1]), short(value=1.5)], [result(B16)])


def test_selection_of_bfloat16():
    inputs = [operand(T.BOOL, (2, 3)), short(2, 3), short(3)]
    check_between_casts(comparison.SELECT_V2, SelectV2Options(), inputs, [result(B16)])


PACKED_MOVES = [
    (reshape.TRANSPOSE, TransposeOptions(), [(3, 5)], [constant([1, 0])], (T.INT4, T.UINT4)),
    (reshape.TRANSPOSE, TransposeOptions(), [(3, 1, 5, 2, 3)], [constant([4, 0, 2, 1, 3])], (T.INT4, T.UINT4)),
    (concat.CONCATENATION, ConcatenationOptions(axis=1), [(3, 3), (3, 4)], [], (T.INT4,)),
    (concat.CONCATENATION, ConcatenationOptions(axis=0), [(3, 3), (2, 3), (1, 3)], [], (T.INT4,)),
    (slicing.SLICE, SliceOptions(), [(3, 5)], [constant([0, 1]), constant([2, 3])], (T.INT4,)),
    (gather.GATHER, GatherOptions(axis=0), [(4, 4)], [constant([2, 0, 3])], (T.INT4,)),
]


@pytest.mark.parametrize(("spec", "options", "shapes", "rest", "types"), PACKED_MOVES, ids=lambda item: getattr(item, "name", None))
@pytest.mark.parametrize("scale", [None, 0.5])
def test_moves_of_packed_integers(spec, options, shapes, rest, types, scale):
    for type in types:
        inputs = [operand(type, shape, scale, low=-9, high=16) for shape in shapes]
        check_between_casts(spec, options, [*inputs, *rest], [result(type, scale)])
        values = [np.random.default_rng(2).integers(0, 256, -(-int(np.prod(shape)) // 2)) for shape in shapes]
        inputs = [operand(type, shape, scale, value=value) for shape, value in zip(shapes, values)]
        check_between_casts(spec, options, [*inputs, *rest], [result(type, scale)])


@pytest.mark.parametrize("shape", [(3, 50), (50,), ()])
def test_products_of_complex_numbers(shape):
    from jitlite.schemas.tables import MulOptions

    inputs = [operand(T.COMPLEX64, (3, 50)), operand(T.COMPLEX64, shape)]
    check_between_casts(elementwise.MUL, MulOptions(), inputs, [result(T.COMPLEX64)], tolerance=1e-5)
