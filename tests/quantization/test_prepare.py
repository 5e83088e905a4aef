import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitlite.quantization import Recipe, quantize
from jitlite.quantization.prepare import unpack_constants
from jitlite.schemas.errors import InvalidModelError
from jitlite.schemas.model import operator_name, tensor_data
from jitlite.schemas.sparsity import dense_values
from jitlite.schemas.tables import (
    Conv2DOptions,
    DensifyOptions,
    DequantizeOptions,
    DimensionMetadata,
    DimensionType,
    FullyConnectedOptions,
    Int32Vector,
    Padding,
    QuantizationParameters,
    SparsityParameters,
    Tensor,
    TensorType,
    Uint8Vector,
    Uint16Vector,
)
from jitlite.schemas.write import write_model
from tests.quantization import litert
from tests.quantization.conformance import check
from tests.quantization.models import B, ModelBuilder


def names(model):
    return [operator_name(model, op) for op in model.subgraphs[0].operators]


def half_model():
    """A dense layer that reads its weights through DEQUANTIZE from float16."""
    build = ModelBuilder()
    x = build.input("x", (1, 8))
    halves = build.constant("halves", build.random.normal(size=(4, 8)).astype(np.float16))
    weights = build.op(B.DEQUANTIZE, [halves], [build.tensor("weights", (4, 8))], DequantizeOptions())[0]
    return build.done(build.dense(x, 4, "y", weights=weights)), halves, weights


def test_float16_constants_become_float32():
    model, halves, weights = half_model()
    before = write_model(model)
    prepared = unpack_constants(model, with_hybrid_weights=False)
    assert write_model(model) == before
    assert (names(prepared.model), prepared.operator_indices) == (["FULLY_CONNECTED"], (1,))
    tensors = prepared.model.subgraphs[0].tensors
    expected = tensor_data(model, model.subgraphs[0].tensors[halves]).astype(np.float32)
    np.testing.assert_array_equal(tensor_data(prepared.model, tensors[weights]), expected)


def test_models_with_float16_weights_are_quantized():
    model, _, _ = half_model()
    feeds = litert.random_feeds(model, 3)
    found = quantize(model, Recipe(), feeds, litert.run)
    check(found)
    assert names(found) == ["FULLY_CONNECTED"]


def test_a_constant_the_caller_reads_stays_computed():
    model, _, weights = half_model()
    model.subgraphs[0].outputs.append(weights)
    assert names(unpack_constants(model, with_hybrid_weights=True).model) == ["DEQUANTIZE", "FULLY_CONNECTED"]


def hybrid_model():
    build = ModelBuilder()
    x = build.input("x", (1, 4, 4, 2))
    values = np.int8(build.random.integers(-127, 128, (3, 1, 1, 2)))
    values[..., 0] = 127
    weights = build.constant("weights", values)
    build.graph.tensors[weights].quantization = QuantizationParameters(scale=[0.5, 0.25, 1.0], zero_point=[0, 0, 0])
    options = Conv2DOptions(padding=Padding.SAME, stride_h=1, stride_w=1)
    y = build.op(B.CONV_2D, [x, weights, build.weights("bias", 3)], [build.tensor("y", (1, 4, 4, 3))], options)
    build.model.operator_codes[0].version = 5
    return build.done(*y), weights


def test_dynamic_range_weights_are_unpacked_where_asked():
    model, weights = hybrid_model()
    kept = unpack_constants(model, with_hybrid_weights=False).model
    assert kept.subgraphs[0].operators[0].inputs == model.subgraphs[0].operators[0].inputs
    unpacked = unpack_constants(model, with_hybrid_weights=True).model
    place = unpacked.subgraphs[0].operators[0].inputs[1]
    integers = tensor_data(model, model.subgraphs[0].tensors[weights])
    expected = integers * np.float32([0.5, 0.25, 1.0]).reshape(3, 1, 1, 1)
    np.testing.assert_array_equal(tensor_data(unpacked, unpacked.subgraphs[0].tensors[place]), expected)


def test_dynamic_range_models_are_quantized_without_loss_of_weights():
    model, weights = hybrid_model()
    found = quantize(model, Recipe(), litert.random_feeds(model, 3), litert.run)
    check(found)
    (kept,) = [tensor for tensor in found.subgraphs[0].tensors if tensor.name == "weights"]
    np.testing.assert_array_equal(tensor_data(found, kept), tensor_data(model, model.subgraphs[0].tensors[weights]))
    np.testing.assert_allclose(kept.quantization.scale, [0.5, 0.25, 1.0], rtol=1e-6)


VECTORS = {
    "int32": lambda v: Int32Vector(values=v),
    "uint16": lambda v: Uint16Vector(values=v),
    "uint8": lambda v: Uint8Vector(values=bytes(v)),
}


def sparse_rows(dense, kind="int32"):
    """A matrix with compressed rows: its sparsity and its stored values."""
    segments, indices = [0], []
    for row in dense:
        indices += np.flatnonzero(row).tolist()
        segments.append(len(indices))
    levels = [
        DimensionMetadata(format=DimensionType.DENSE, dense_size=dense.shape[0]),
        DimensionMetadata(format=DimensionType.SPARSE_CSR, array_segments=VECTORS[kind](segments), array_indices=VECTORS[kind](indices)),
    ]
    return SparsityParameters(traversal_order=[0, 1], dim_metadata=levels), dense[dense != 0]


def sparse_blocks(dense, block):
    """A matrix with compressed rows of blocks."""
    rows, columns = dense.shape[0] // block[0], dense.shape[1] // block[1]
    tiles = dense.reshape(rows, block[0], columns, block[1]).transpose(0, 2, 1, 3)
    segments, indices, values = [0], [], []
    for row in tiles:
        kept = [place for place, tile in enumerate(row) if tile.any()]
        indices += kept
        values += [row[place].ravel() for place in kept]
        segments.append(len(indices))
    levels = [
        DimensionMetadata(format=DimensionType.DENSE, dense_size=rows),
        DimensionMetadata(
            format=DimensionType.SPARSE_CSR, array_segments=Int32Vector(values=segments), array_indices=Int32Vector(values=indices)
        ),
        DimensionMetadata(format=DimensionType.DENSE, dense_size=block[0]),
        DimensionMetadata(format=DimensionType.DENSE, dense_size=block[1]),
    ]
    sparsity = SparsityParameters(traversal_order=[0, 1, 2, 3], block_map=[0, 1], dim_metadata=levels)
    return sparsity, np.concatenate(values) if values else np.zeros(0, dense.dtype)


def thinned(seed, shape):
    random = np.random.default_rng(seed)
    return (random.normal(size=shape) * (random.random(shape) < 0.4)).astype(np.float32)


@given(st.integers(0, 1000), st.integers(1, 6), st.integers(1, 6), st.sampled_from(list(VECTORS)))
def test_compressed_rows_unpack(seed, rows, columns, kind):
    dense = thinned(seed, (rows, columns))
    sparsity, values = sparse_rows(dense, kind)
    tensor = Tensor(name="w", shape=list(dense.shape), type=TensorType.FLOAT32, sparsity=sparsity)
    np.testing.assert_array_equal(dense_values(tensor, values.tobytes()), dense)


@given(st.integers(0, 1000), st.integers(1, 3), st.integers(1, 3), st.sampled_from([(1, 4), (2, 2), (2, 1)]))
def test_compressed_blocks_unpack(seed, rows, columns, block):
    dense = thinned(seed, (rows * block[0], columns * block[1]))
    sparsity, values = sparse_blocks(dense, block)
    tensor = Tensor(name="w", shape=list(dense.shape), type=TensorType.FLOAT32, sparsity=sparsity)
    np.testing.assert_array_equal(dense_values(tensor, values.tobytes()), dense)


def test_malformed_sparsity_is_named():
    sparsity, values = sparse_rows(thinned(0, (3, 4)))
    sparsity.traversal_order = [0, 0]
    with pytest.raises(InvalidModelError, match=r"'w'.traversal_order"):
        dense_values(Tensor(name="w", shape=[3, 4], sparsity=sparsity), values.tobytes())


@pytest.mark.parametrize("recipe", [Recipe(), Recipe("dynamic", min_weight_elements=1), Recipe("float16")])
def test_sparse_weights_are_unpacked_and_agree_with_litert(recipe):
    dense = thinned(1, (8, 16))
    sparsity, values = sparse_rows(dense)
    build = ModelBuilder()
    x = build.input("x", (1, 16))
    stored = build.constant("stored", values)
    build.graph.tensors[stored].shape, build.graph.tensors[stored].sparsity = [8, 16], sparsity
    weights = build.op(B.DENSIFY, [stored], [build.tensor("weights", (8, 16))], DensifyOptions())
    y = build.op(B.FULLY_CONNECTED, [x, *weights, -1], [build.tensor("y", (1, 8))], FullyConnectedOptions())
    model = build.done(*y)
    feeds = litert.random_feeds(model, 3)
    prepared = unpack_constants(model, with_hybrid_weights=True)
    np.testing.assert_array_equal(litert.outputs(prepared.model, feeds[0])[0], litert.outputs(model, feeds[0])[0])
    found = quantize(model, recipe, feeds, litert.run)
    check(found)
    assert "DENSIFY" not in names(found)
