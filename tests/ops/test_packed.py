"""Conversions of integers of 2 and 4 bits."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter as LiteRT

from jitlite.interpreter import Interpreter
from jitlite.schemas.dtypes import byte_size, packed_elements, unpacked_dtype, unpacked_elements
from jitlite.schemas.model import new_operator_code
from jitlite.schemas.ops.conversion import CAST, DEQUANTIZE, QUANTIZE
from jitlite.schemas.ops.reshape import TRANSPOSE
from jitlite.schemas.tables import CastOptions, DequantizeOptions, Operator, QuantizeOptions, TensorType, TransposeOptions
from jitlite.schemas.write import write_model
from tests.ops.oracle import OPTIMIZED, build, check, constant, operand, reference, result, run

T = TensorType
BITS = {T.INT4: 4, T.UINT4: 4, T.INT2: 2}


def packed(type, shape, scale=None, zero_point=0, axis=0):
    n_bytes = -(-int(np.prod(shape)) * BITS[type] // 8)
    value = np.random.default_rng(0).integers(0, 256, n_bytes)
    return operand(type, shape, scale, zero_point, axis=axis, value=value)


@pytest.mark.parametrize("type", BITS)
@pytest.mark.parametrize("shape", [(4, 6), (3, 5), (1,), (7, 100)])
def test_constants(type, shape):
    check(CAST, CastOptions(in_data_type=type, out_data_type=T.FLOAT32), [packed(type, shape)], [result(T.FLOAT32)], resolver=OPTIMIZED)
    check(DEQUANTIZE, DequantizeOptions(), [packed(type, shape, 0.3)], [result(T.FLOAT32)], resolver=OPTIMIZED)
    check(DEQUANTIZE, DequantizeOptions(), [packed(type, shape, 0.3, 1)], [result(T.FLOAT32)], resolver=OPTIMIZED)


@pytest.mark.parametrize("type", [T.INT4, T.INT2])
@pytest.mark.parametrize("axis", [0, 1])
def test_scales_by_channel(type, axis):
    scales = np.linspace(0.1, 0.9, (3, 5)[axis])
    check(DEQUANTIZE, DequantizeOptions(), [packed(type, (3, 5), scales, axis=axis)], [result(T.FLOAT32)], resolver=OPTIMIZED)


@pytest.mark.parametrize(("type", "zero_point"), [(T.INT4, 0), (T.INT4, -2), (T.UINT4, 0), (T.UINT4, 8)])
@pytest.mark.parametrize("shape", [(4, 6), (3, 5), (1,)])
def test_there_and_back(type, zero_point, shape):
    """QUANTIZE to a packed type and DEQUANTIZE again, so that nobody sees the packed tensor."""
    x = operand(T.FLOAT32, shape, low=-5, high=5)
    model = build(QUANTIZE, QuantizeOptions(), [x], [result(type, 0.5, zero_point)])
    graph = model.subgraphs[0]
    back = build(DEQUANTIZE, DequantizeOptions(), [operand(type, shape, 0.5, zero_point)], [result(T.FLOAT32)])
    graph.tensors.append(back.subgraphs[0].tensors[1])
    model.operator_codes.append(new_operator_code(DEQUANTIZE.code, back.operator_codes[0].version))
    graph.operators.append(Operator(opcode_index=1, inputs=[1], outputs=[2], builtin_options=DequantizeOptions()))
    graph.outputs = [2]
    content = write_model(model)
    feeds = [np.random.default_rng(1).normal(0, 3, shape).astype(np.float32)]
    (found,) = run(content, feeds, 3)
    (expected,) = reference(content, feeds, OPTIMIZED)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("type", [T.INT4, T.UINT4])
def test_the_interpreter_takes_and_gives_a_byte_for_each_element(type):
    x = operand(type, (3, 5), 0.5)
    content = write_model(build(TRANSPOSE, TransposeOptions(), [x, constant([1, 0])], [result(type, 0.5)]))
    value = np.arange(15).reshape(3, 5).astype(np.uint8 if type is T.UINT4 else np.int8) - (0 if type is T.UINT4 else 8)
    given = []
    for interpreter in (Interpreter(model_content=content), LiteRT(model_content=content, experimental_op_resolver_type=OPTIMIZED)):
        interpreter.allocate_tensors()
        (taken,), (found,) = interpreter.get_input_details(), interpreter.get_output_details()
        assert (taken["dtype"], found["dtype"]) == (value.dtype.type, value.dtype.type)
        interpreter.set_tensor(taken["index"], value)
        interpreter.invoke()
        given.append(interpreter.get_tensor(found["index"]))
    np.testing.assert_array_equal(given[0], given[1], strict=True)


def test_the_interpreter_refuses_packed_bytes():
    content = write_model(build(TRANSPOSE, TransposeOptions(), [operand(T.INT4, (3, 5)), constant([1, 0])], [result(T.INT4)]))
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    with pytest.raises(ValueError, match=r"int8 of shape \(3, 5\) for INT4 is required"):
        interpreter.set_tensor(0, np.zeros(8, np.uint8))


@pytest.mark.parametrize(("type", "values"), [(T.INT4, range(-8, 8)), (T.UINT4, range(16)), (T.INT2, range(-2, 2))])
def test_packing_is_undone_by_unpacking(type, values):
    elements = np.resize(np.array(values, unpacked_dtype(type)), (7, 3))
    packed_bytes = packed_elements(elements, type)
    assert packed_bytes.nbytes == byte_size(type, (7, 3))
    np.testing.assert_array_equal(unpacked_elements(packed_bytes, type, (7, 3)), elements, strict=True)
