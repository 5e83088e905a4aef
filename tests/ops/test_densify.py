"""DENSIFY: sparse constants as dense tensors."""

import numpy as np
import pytest

from jitlite.schemas.errors import InvalidModelError, UnsupportedError
from jitlite.schemas.ops.reshape import DENSIFY
from jitlite.schemas.ops.spec import infer
from jitlite.schemas.sparsity import dense_values
from jitlite.schemas.tables import Buffer, DensifyOptions, Tensor, TensorType
from jitlite.schemas.write import write_model
from tests.ops.oracle import build, call, like, operand, reference, run
from tests.quantization.test_prepare import sparse_blocks, sparse_rows

T = TensorType
DTYPES = {T.FLOAT32: np.float32, T.FLOAT16: np.float16, T.INT8: np.int8}


def content_of(type, dense, sparsity, values):
    """A model that makes `dense` of a sparse constant."""
    scale = 0.5 if type is T.INT8 else None
    weight = operand(type, dense.shape, scale, value=dense)
    model = build(DENSIFY, DensifyOptions(), [weight], [like(weight)])
    tensor = model.subgraphs[0].tensors[0]
    tensor.sparsity = sparsity
    model.buffers[tensor.buffer] = Buffer(data=values.tobytes())
    return write_model(model)


@pytest.mark.parametrize("type", DTYPES)
@pytest.mark.parametrize("layout", [lambda dense: sparse_rows(dense, "uint16"), lambda dense: sparse_blocks(dense, (1, 4))])
def test_densify(type, layout):
    rng = np.random.default_rng(0)
    dense = (rng.integers(-9, 9, (6, 8)) * (rng.random((6, 8)) < 0.4)).astype(DTYPES[type])
    content = content_of(type, dense, *layout(dense))
    (found,) = run(content, [])
    (expected,) = reference(content, [])
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found, dense)


def test_a_computed_operand_is_refused():
    x = operand(T.FLOAT32, (2, 3))
    with pytest.raises(InvalidModelError, match="a constant operand"):
        infer(call(DENSIFY, DensifyOptions(), [x]))


def test_a_huge_dense_tensor_is_refused():
    dense = np.zeros((2, 4), np.float32)
    sparsity, values = sparse_rows(dense)
    with pytest.raises(UnsupportedError, match="bytes of dense data"):
        dense_values(Tensor(name="w", shape=[2**15, 2**15], type=T.FLOAT32, sparsity=sparsity), values.tobytes())
