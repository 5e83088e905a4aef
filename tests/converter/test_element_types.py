"""Casts to and from the element types NumPy lacks, in LiteRT, against onnx's own conversions."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from onnx import TensorProto, numpy_helper
from onnx.helper import tensor_dtype_to_np_dtype

from jitlite.schemas.write import write_model
from tests.converter.agreement import Array, converted, node, onnx_model

KINDS = ("FLOAT8E4M3FN", "FLOAT8E5M2", "INT4", "UINT4", "INT2")
FINITE = (
    0,
    -0.0,
    0.1,
    -0.3,
    1,
    1.0625,
    1.1875,
    2**-6,
    2**-7,
    1.5 * 2**-9,
    2**-10,
    3e-5,
    2**-17,
    447,
    448,
    450,
    464,
    465,
    -500,
    57344,
    61439,
    1e6,
)
REALS = np.array([*FINITE, np.nan, np.inf, -np.inf], np.float32)


def litert(model: object, feed: Array) -> Array:
    engine = Interpreter(model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, num_threads=1)
    engine.allocate_tensors()
    engine.set_tensor(engine.get_input_details()[0]["index"], feed)
    engine.invoke()
    found: Array = engine.get_tensor(engine.get_output_details()[0]["index"])
    return found


@pytest.mark.parametrize("saturate", [1, 0])
@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back(kind: str, saturate: int) -> None:
    """float32 to the type and back, as onnx rounds, saturates and drops bits."""
    member = TensorProto.DataType.Value(kind)
    dtype = np.dtype(tensor_dtype_to_np_dtype(member))
    options = {"saturate": saturate} if kind.startswith("FLOAT8") else {}
    nodes = [node("Cast", ["x"], ["h"], to=member, **options), node("Cast", ["h"], ["y"], to=1)]
    feed = np.arange(-9, 16).astype(np.float32) if "INT" in kind else REALS
    model = onnx_model(nodes, {"x": feed}, ["y"], opset=25)
    stored = numpy_helper.saturate_cast(feed, dtype) if options and saturate else feed.astype(dtype)
    np.testing.assert_array_equal(litert(write_model(converted(model)), feed), stored.astype(np.float32))


def test_constants_of_four_bits() -> None:
    """Weights of INT4 are folded into what they stand for."""
    dtype = np.dtype(tensor_dtype_to_np_dtype(TensorProto.INT4))
    weight = np.arange(-8, 8).reshape(4, 4).astype(dtype)
    nodes = [node("DequantizeLinear", ["w", "s"], ["d"], axis=0), node("MatMul", ["x", "d"], ["y"])]
    feed = np.eye(4, dtype=np.float32)
    model = onnx_model(nodes, {"x": feed}, ["y"], {"s": np.array([1, 2, 3, 4], np.float32), "w": weight}, opset=21)
    wanted = weight.astype(np.float32) * np.array([[1], [2], [3], [4]])
    np.testing.assert_array_equal(litert(write_model(converted(model)), feed), wanted)
