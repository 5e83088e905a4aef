import numpy as np
import pytest

import jitlite.interpreter.binding.embedding  # noqa: F401 - fills the registry
from jitlite.schemas.errors import ExecutionError, InvalidModelError, UnsupportedError
from jitlite.schemas.ops.embedding import EMBEDDING_LOOKUP, EMBEDDING_LOOKUP_SPARSE
from jitlite.schemas.ops.spec import Call, infer
from jitlite.schemas.tables import BlockwiseQuantization, CombinerType, EmbeddingLookupSparseOptions, QuantizationParameters, TensorType
from jitlite.schemas.write import write_model
from tests.ops.oracle import Operand, build, call, check, constant, operand, random_values, reference, result, run

T = TensorType


def table(type, shape, scale=None, zero_point=0):
    """A constant table of random values, packed where the type is."""
    bits = {T.INT4: 4, T.INT2: 2}.get(type)
    if bits is None:
        value = random_values(operand(type, shape), np.random.default_rng(2))
    else:
        value = np.random.default_rng(2).integers(0, 256, -(-int(np.prod(shape)) * bits // 8))
    return operand(type, shape, scale, zero_point, value=value)


@pytest.mark.parametrize("type", [T.FLOAT32, T.INT8, T.UINT8, T.INT16, T.INT32, T.INT64, T.BOOL])
@pytest.mark.parametrize("shape", [(5, 3), (7, 2, 4), (3, 1)])
@pytest.mark.parametrize("is_constant", [True, False])
def test_embedding_lookup(type, shape, is_constant):
    lookup = operand(T.INT32, (6,), low=0, high=shape[0] - 1)
    rows = table(type, shape) if is_constant else operand(type, shape)
    check(EMBEDDING_LOOKUP, None, [lookup, rows], [result(type)])


@pytest.mark.parametrize("type", [T.INT8, T.UINT8, T.INT4, T.INT2])
@pytest.mark.parametrize("to", [T.FLOAT32, T.FLOAT16])
@pytest.mark.parametrize("shape", [(5, 4), (4, 8), (6, 2, 4), (3, 7), (1, 3), (2, 6)])
@pytest.mark.parametrize("is_per_row", [True, False])
def test_quantized_tables(type, to, shape, is_per_row):
    if shape[0] == 1 and is_per_row:
        return
    lookup = operand(T.INT32, (6,), low=0, high=shape[0] - 1)
    scales = [0.25 * (row + 1) for row in range(shape[0])] if is_per_row else 0.3
    rows = table(type, shape, scales, [0] * shape[0] if is_per_row else 0)
    check(EMBEDDING_LOOKUP, None, [lookup, rows], [result(to)])


@pytest.mark.parametrize("wrong", [-1, 5, 2**31 - 1])
@pytest.mark.parametrize("to", [T.INT8, T.FLOAT32])
def test_rows_that_do_not_exist_fail_at_run_time(wrong, to):
    inputs = [operand(T.INT32, (2,)), table(T.INT8, (5, 4), 0.5)]
    content = write_model(build(EMBEDDING_LOOKUP, None, inputs, [result(to)]))
    feeds = [np.array([0, wrong], np.int32)]
    with pytest.raises(ExecutionError, match="an index inside its bound"):
        run(content, feeds)
    with pytest.raises(RuntimeError):
        reference(content, feeds)


SPARSE = [
    ([1, 3, 0], [[0, 0], [2, 0], [2, 1]], (3, 2)),
    ([1, 3, 0, 3], [[0, 0, 0], [0, 1, 0], [2, 0, 0], [2, 0, 1]], (3, 2, 2)),
    ([2, 2], [[1, 0], [1, 1]], (3, 2)),
    ([2, 2, 1], [[1, 0], [0, 1], [1, 1]], (3, 2)),
    ([2], [[1]], (3,)),
]


@pytest.mark.parametrize("combiner", list(CombinerType))
@pytest.mark.parametrize(("ids", "indices", "shape"), SPARSE, ids=str)
@pytest.mark.parametrize("rows", [(4, 3), (4, 2, 3)])
@pytest.mark.parametrize("is_constant", [True, False])
def test_embedding_lookup_sparse(combiner, ids, indices, shape, rows, is_constant):
    weights, values = operand(T.FLOAT32, (len(ids),), low=0.5, high=4), operand(T.FLOAT32, rows)
    rng = np.random.default_rng(0)
    feeds = [random_values(weights, rng), random_values(values, rng)]
    places = [np.array(item, np.int32) for item in (ids, indices, shape)]
    described = [constant(item) if is_constant else operand(T.INT32, item.shape) for item in places]
    output = result(T.FLOAT32, shape=(*shape[:-1], *rows[1:]))
    options = EmbeddingLookupSparseOptions(combiner=combiner)
    feeds = feeds if is_constant else [*places, *feeds]
    check(EMBEDDING_LOOKUP_SPARSE, options, [*described, weights, values], [output], feeds=feeds)


@pytest.mark.parametrize(("ids", "indices"), [([4], [[0, 0]]), ([-1], [[0, 0]]), ([0], [[3, 0]]), ([0], [[-1, 0]])])
def test_sparse_rows_and_places_that_do_not_exist_fail_at_run_time(ids, indices):
    inputs = [constant(ids), constant(indices), constant([3, 2]), constant([1.0], T.FLOAT32), operand(T.FLOAT32, (4, 3))]
    content = write_model(build(EMBEDDING_LOOKUP_SPARSE, EmbeddingLookupSparseOptions(), inputs, [result(T.FLOAT32)]))
    with pytest.raises(ExecutionError, match="an index inside its bound"):
        run(content, [np.ones((4, 3), np.float32)])


ROWS = operand(T.FLOAT32, (4, 3))
IDS = operand(T.INT32, (2,))


@pytest.mark.parametrize(
    ("inputs", "to", "message"),
    [
        ([operand(T.INT64, (2,)), ROWS], T.FLOAT32, "of type INT32"),
        ([operand(T.INT32, (2, 1)), ROWS], T.FLOAT32, "rank 1"),
        ([IDS, operand(T.FLOAT32, (4,))], T.FLOAT32, "rank 2"),
        ([IDS, operand(T.INT8, (4, 3))], T.FLOAT32, "a quantized table"),
        ([IDS, operand(T.INT8, (4, 3), 0.5, 3)], T.FLOAT32, "zero point 0"),
        ([IDS, operand(T.INT8, (4, 3), [0.5] * 3, [0] * 3, axis=1)], T.FLOAT32, "along dimension 0"),
        ([IDS, operand(T.INT8, (4, 3), [0.5] * 3, [0] * 3)], T.FLOAT32, "4 scales"),
        ([IDS, operand(T.INT16, (4, 3), 0.5)], T.FLOAT32, "of type UINT8"),
    ],
)
def test_illegal_lookups(inputs, to, message):
    with pytest.raises(InvalidModelError, match=message):
        infer(call(EMBEDDING_LOOKUP, None, inputs, [result(to, shape=(2, 3))]))


def test_tables_quantized_block_by_block_need_their_scales():
    rows = Operand(T.INT4, (4, 8), QuantizationParameters(details=BlockwiseQuantization(block_size=4)))
    with pytest.raises(UnsupportedError, match="constant scales of blocks are supported, found none"):
        infer(call(EMBEDDING_LOOKUP, None, [IDS, rows], [result(T.FLOAT32, shape=(2, 8))]))


@pytest.mark.parametrize(
    ("place", "wrong", "message"),
    [(0, constant([0, 1]), r"of shape \(1,\)"), (2, constant([3]), r"of shape \(2,\)"), (2, constant([-3, 2]), "output dimensions in")],
)
def test_illegal_sparse_lookups(place, wrong, message):
    inputs = [constant([0]), constant([[0, 0]]), constant([3, 2]), constant([1.0], T.FLOAT32), ROWS]
    inputs[place] = wrong
    with pytest.raises(InvalidModelError, match=message):
        infer(call(EMBEDDING_LOOKUP_SPARSE, EmbeddingLookupSparseOptions(), inputs))


@pytest.mark.parametrize(
    ("type", "scale", "version"), [(T.FLOAT32, None, 1), (T.INT8, 0.5, 1), (T.INT8, [0.5, 1], 4), (T.INT4, 0.5, 4), (T.INT2, 0.5, 5)]
)
def test_versions(type, scale, version):
    inputs = (IDS.info(0), operand(type, (2, 4), scale).info(1))
    assert EMBEDDING_LOOKUP.version(Call(EMBEDDING_LOOKUP, None, inputs)) == version
