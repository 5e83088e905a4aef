"""Matrices quantized block by block: FULLY_CONNECTED and EMBEDDING_LOOKUP."""

import numpy as np
import pytest

from jitlite.interpreter import Interpreter
from jitlite.schemas.dtypes import packed_elements
from jitlite.schemas.errors import ExecutionError, InvalidModelError
from jitlite.schemas.model import new_operator_code
from jitlite.schemas.tables import (
    ActivationFunctionType,
    BlockwiseQuantization,
    Buffer,
    BuiltinOperator,
    FullyConnectedOptions,
    Model,
    Operator,
    QuantizationParameters,
    SubGraph,
    Tensor,
    TensorType,
)
from jitlite.schemas.write import write_model
from tests.ops.execution import assert_close, run
from tests.ops.oracle import OPTIMIZED, reference

T = TensorType
B = BuiltinOperator


def model(code, version, x, shape, block, y, options=None, bias=None, type=T.INT4, scales=None):
    """A model of one operator; `x` and `y` are (type, shape), `shape` that of the packed matrix."""
    rng = np.random.default_rng(4)
    bound = 2 if type is T.INT2 else 8
    matrix = packed_elements(rng.integers(-bound, bound, shape).astype(np.int8), type)
    if scales is None:
        scales = rng.uniform(0.01, 0.05, (shape[0], shape[1] // block)).astype(np.float16)
    details = BlockwiseQuantization(scales=2, zero_points=-1, block_size=block)
    tensors = [
        Tensor(shape=list(x[1]), type=x[0], name="x"),
        Tensor(shape=list(shape), type=type, buffer=1, name="matrix", quantization=QuantizationParameters(details=details)),
        Tensor(shape=list(scales.shape), type=T.FLOAT16 if scales.dtype == np.float16 else T.FLOAT32, buffer=2, name="scales"),
        Tensor(shape=list(y[1]), type=y[0], name="y"),
    ]
    buffers = [Buffer(), Buffer(data=matrix.tobytes()), Buffer(data=scales.tobytes())]
    inputs = [0, 1]
    if bias is not None:
        tensors.append(Tensor(shape=[len(bias)], type=T.FLOAT32, buffer=3, name="bias"))
        buffers.append(Buffer(data=bias.astype(np.float32).tobytes()))
    if code is B.FULLY_CONNECTED:
        inputs.append(4 if bias is not None else -1)
    op = Operator(opcode_index=0, inputs=inputs, outputs=[3], builtin_options=options)
    graph = SubGraph(name="main", tensors=tensors, operators=[op], inputs=[0], outputs=[3])
    return write_model(Model(version=3, buffers=buffers, operator_codes=[new_operator_code(code, version)], subgraphs=[graph]))


@pytest.mark.parametrize("block", [32, 64, 96])
@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("rows", [1, 5])
def test_fully_connected(block, has_bias, rows):
    bias = np.random.default_rng(2).normal(size=8) if has_bias else None
    content = model(B.FULLY_CONNECTED, 10, (T.FLOAT32, (rows, 192)), (8, 192), block, (T.FLOAT32, (rows, 8)), FullyConnectedOptions(), bias)
    x = np.random.default_rng(1).normal(0.3, 2, (rows, 192)).astype(np.float32)
    x[0] *= rows % 5
    assert_close(run(content, [x])[0], reference(content, [x], OPTIMIZED)[0], 1e-5, 1.0)


def test_an_activation_behind_a_product_is_computed():
    """The reference leaves it out; XNNPACK, which LiteRT runs such products with, does not."""
    options = FullyConnectedOptions(fused_activation_function=ActivationFunctionType.RELU)
    content = model(B.FULLY_CONNECTED, 10, (T.FLOAT32, (3, 64)), (8, 64), 32, (T.FLOAT32, (3, 8)), options)
    x = np.random.default_rng(1).normal(0.3, 2, (3, 64)).astype(np.float32)
    assert_close(run(content, [x])[0], np.maximum(reference(content, [x], OPTIMIZED)[0], 0), 1e-5, 1.0)


@pytest.mark.parametrize("type", [T.INT4, T.INT2])
@pytest.mark.parametrize("result", [T.FLOAT32, T.FLOAT16])
@pytest.mark.parametrize("block", [4, 16])
def test_embedding_lookup(type, result, block):
    content = model(B.EMBEDDING_LOOKUP, 5, (T.INT32, (4,)), (6, 16), block, (result, (4, 16)), type=type)
    rows = np.array([5, 0, 3, 3], np.int32)
    assert_close(run(content, [rows])[0], reference(content, [rows])[0], 1e-6)


def test_there_may_be_no_rows_to_look_up():
    interpreter = Interpreter(model_content=model(B.EMBEDDING_LOOKUP, 5, (T.INT32, (4,)), (6, 16), 4, (T.FLOAT32, (4, 16))))
    interpreter.resize_tensor_input(0, [0])
    interpreter.allocate_tensors()
    interpreter.invoke()
    assert interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).shape == (0, 16)


def test_rows_out_of_range_fail_at_run_time():
    content = model(B.EMBEDDING_LOOKUP, 5, (T.INT32, (1,)), (6, 16), 4, (T.FLOAT32, (1, 16)))
    with pytest.raises(ExecutionError, match="an index inside its bound is required"):
        run(content, [np.array([6], np.int32)])


@pytest.mark.parametrize(
    ("shape", "block", "scales", "message"),
    [
        ((6, 16), 5, np.ones((6, 3), np.float16), "rows of whole blocks are required, found 16 elements in blocks of 5"),
        ((6, 16), 4, np.ones((6, 3), np.float16), "24 finite FLOAT16 scales are required, found 18 of float16"),
        ((6, 16), 4, np.ones((6, 4), np.float32), "24 finite FLOAT16 scales are required, found 24 of float32"),
        ((6, 16), 4, np.full((6, 4), np.inf, np.float16), "24 finite FLOAT16 scales are required"),
    ],
)
def test_broken_rules_are_named(shape, block, scales, message):
    content = model(B.EMBEDDING_LOOKUP, 5, (T.INT32, (1,)), shape, block, (T.FLOAT32, (1, shape[1])), scales=scales)
    with pytest.raises(InvalidModelError, match=message):
        run(content, [np.zeros(1, np.int32)])
