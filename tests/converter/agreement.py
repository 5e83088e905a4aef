"""Builds small ONNX models, converts them, and compares LiteRT's and jitlite's results with ONNX Runtime's."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray
from onnx import helper, numpy_helper

import jitlite
from jitlite.converter import ConvertOptions, convert_onnx
from jitlite.schemas.model import operator_name
from jitlite.schemas.read import read_model
from jitlite.schemas.tables import Model
from jitlite.schemas.verify import verify
from jitlite.schemas.write import write_model

Array = NDArray[Any]
IR_VERSION = 10
TOLERANCE = 1e-4


def node(kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, list(inputs), list(outputs), name=f"{kind}_{outputs[0]}", **attributes)


def onnx_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Array | tuple[Sequence[int | str], Any]],
    outputs: Sequence[str],
    constants: Mapping[str, Array] = {},
    opset: int = 17,
) -> onnx.ModelProto:
    """A model whose inputs are given by an array like what they are fed, or by (shape, dtype) where dimensions may be names."""
    infos = []
    for name, given in inputs.items():
        shape, dtype = (given.shape, given.dtype) if isinstance(given, np.ndarray) else given
        infos.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape))
    stored = [numpy_helper.from_array(np.asarray(data), name) for name, data in constants.items()]
    graph = helper.make_graph(list(nodes), "test", infos, [helper.make_empty_tensor_value_info(name) for name in outputs], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION)
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    for info in inferred.graph.output:
        if not info.type.HasField("tensor_type"):
            info.type.CopyFrom(infos[0].type)
        info.type.tensor_type.shape.SetInParent()
    onnx.checker.check_model(inferred)
    return inferred


def run_onnx(model: onnx.ModelProto | str, feeds: Mapping[str, Array], as_written: bool = False) -> list[Array]:
    """ONNX Runtime's results; `as_written` fuses nothing and computes on real numbers between QuantizeLinear and DequantizeLinear.

    Fusing these fails where scales are vectors of one element, as PyTorch's are; a Pad's zeros in front of a MaxPool are taken for the
    pool's own padding.
    """
    options = onnxruntime.SessionOptions()
    if as_written:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.disable_quant_qdq", str(int(as_written)))
    source = model if isinstance(model, str) else model.SerializeToString()
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"]).run(None, dict(feeds))


def run_tflite(model: Model, feeds: Mapping[str, Array]) -> list[Array]:
    """LiteRT's results through the signature, resized to the feeds' shapes.

    Every tensor keeps memory of its own: LiteRT 2.3 otherwise lets an operator that works in place overwrite a tensor
    which a RESHAPE shares and others still read.
    """
    engine = Interpreter(
        model_content=write_model(model),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
        num_threads=1,
    )
    signature = model.signature_defs[0]
    tensors = model.subgraphs[0].tensors
    for entry in signature.inputs:
        if tuple(tensors[entry.tensor_index].shape) != feeds[entry.name].shape:
            engine.resize_tensor_input(entry.tensor_index, feeds[entry.name].shape, strict=True)
    engine.allocate_tensors()
    for entry in signature.inputs:
        engine.set_tensor(entry.tensor_index, feeds[entry.name])
    engine.invoke()
    return [engine.get_tensor(entry.tensor_index) for entry in signature.outputs]


def run_jitlite(model: Model, feeds: Mapping[str, Array]) -> list[Array]:
    """The interpreter's results through the signature."""
    found = jitlite.Interpreter(model_content=write_model(model)).get_signature_runner()(**feeds)
    return [found[entry.name] for entry in model.signature_defs[0].outputs]


def converted(model: onnx.ModelProto | str, options: ConvertOptions = ConvertOptions()) -> Model:  # noqa: B008
    """The converted model after a round trip through its file, verified."""
    return verify(read_model(write_model(convert_onnx(model, options))))


def kinds(model: Model) -> Counter[str]:
    """How many operators of each kind there are."""
    return Counter(operator_name(model, op) for op in model.subgraphs[0].operators)


def assert_close(found: Sequence[Array], wanted: Sequence[Array], tolerance: float = TOLERANCE) -> None:
    """Each result within `tolerance` of the largest wanted magnitude (integers and truth values exactly)."""
    assert len(found) == len(wanted)
    for got, want in zip(found, wanted, strict=True):
        want = np.asarray(want)
        assert got.shape == want.shape
        assert got.dtype == want.dtype
        if want.dtype.kind != "f":
            np.testing.assert_array_equal(got, want)
        else:
            scale = max(float(np.abs(want[np.isfinite(want)]).max(initial=0)), 1e-3)
            np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * scale)


def check(
    model: onnx.ModelProto,
    feeds: Mapping[str, Array],
    tolerance: float = TOLERANCE,
    options: ConvertOptions = ConvertOptions(),  # noqa: B008
) -> Counter[str]:
    """Asserts that the converted model agrees with ONNX Runtime, in LiteRT and in jitlite; the kinds of operators it has."""
    made, wanted = converted(model, options), run_onnx(model, feeds)
    assert_close(run_tflite(made, feeds), wanted, tolerance)
    assert_close(run_jitlite(made, feeds), wanted, tolerance)
    return kinds(made)


def floats(*shape: int, seed: int = 0, low: float = -2.0, high: float = 2.0) -> Array:
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def check_node(
    kind: str,
    *operands: Array,
    constant: Sequence[int] = (),
    opset: int = 17,
    outputs: int = 1,
    tolerance: float = TOLERANCE,
    **attributes: Any,
) -> Counter[str]:
    """`check` of one operator over these operands; those at the positions `constant` are stored in the model."""
    names = [f"x{index}" if operand is not None else "" for index, operand in enumerate(operands)]
    feeds = {names[index]: operand for index, operand in enumerate(operands) if operand is not None and index not in constant}
    stored = {names[index]: operands[index] for index in constant}
    results = [f"y{index}" for index in range(outputs)]
    return check(onnx_model([node(kind, names, results, **attributes)], feeds, results, stored, opset), feeds, tolerance)
