"""Small quantized models, by hand and by ONNX Runtime, and comparing converted operators one by one with its integers."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.version_converter
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from onnx import helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from jitlite.schemas.model import operator_name
from jitlite.schemas.tables import Model, Operator, SubGraph, TensorType
from jitlite.schemas.write import write_model
from tests.converter.agreement import Array, converted, kinds, node, onnx_model, run_onnx, run_tflite

INTEGERS = (TensorType.INT8, TensorType.UINT8, TensorType.INT16)
IMAGE = (1, 8, 10, 12)
PERMUTATIONS = {"nhwc": (0, 2, 3, 1), "nwc": (0, 2, 1)}


class _Feeds(CalibrationDataReader):
    def __init__(self, feeds: Sequence[Mapping[str, Array]]) -> None:
        self._feeds: Iterator[Mapping[str, Array]] = iter(feeds)

    def get_next(self) -> Mapping[str, Array] | None:
        return next(self._feeds, None)


def quantized(
    model: onnx.ModelProto, feeds: Sequence[Mapping[str, Array]], folder: Path, form: QuantFormat, **options: Any
) -> onnx.ModelProto:
    """What ONNX Runtime's quantizer makes of a float model, its ranges taken from these feeds."""
    version = max(13, next(entry.version for entry in model.opset_import if not entry.domain))
    model = onnx.version_converter.convert_version(model, version)
    paths = [str(folder / f"{name}.onnx") for name in ("float", "prepared", "quantized")]
    onnx.save(model, paths[0])
    quant_pre_process(paths[0], paths[1], skip_symbolic_shape=True)
    quantize_static(paths[1], paths[2], _Feeds(feeds), quant_format=form, **options)
    return onnx.load(paths[2])


def integers(model: onnx.ModelProto, feeds: Mapping[str, Array], as_written: bool = False) -> dict[str, Array]:
    """Every integer tensor ONNX Runtime computes, by name, and the model's outputs."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    inferred = {info.name: info for info in onnx.shape_inference.infer_shapes(model).graph.value_info}
    outputs = [info.name for info in model.graph.output]
    whole = onnx.TensorProto.INT8, onnx.TensorProto.UINT8, onnx.TensorProto.INT16, onnx.TensorProto.UINT16
    for each in model.graph.node:
        for name in each.output:
            made = each.op_type.startswith("Q")
            known = inferred.get(name)
            if name not in outputs and (made or (known is not None and known.type.tensor_type.elem_type in whole)):
                watched.graph.output.append(helper.make_empty_tensor_value_info(name))
    names = [info.name for info in watched.graph.output]
    return dict(zip(names, run_onnx(watched, feeds, as_written), strict=True))


def as_onnx_had_it(name: str, known: Mapping[str, Array]) -> Array | None:
    """What the tensor `name` of a converted model holds according to ONNX Runtime; None where it has no counterpart."""
    base = max((each for each in known if name == each or name.startswith(f"{each};")), key=len, default=None)
    if base is None:
        return None
    found = known[base]
    for suffix in name[len(base) + 1 :].split(";") if name != base else ():
        if suffix == "int8" and found.dtype == np.uint8:
            found = (found.astype(np.int16) - 128).astype(np.int8)
        elif suffix.startswith("perm") and suffix[4:].isdigit() and sorted(suffix[4:]) == [str(axis) for axis in range(found.ndim)]:
            found = found.transpose([int(axis) for axis in suffix[4:]])
        elif suffix in PERMUTATIONS and found.ndim == len(PERMUTATIONS[suffix]):
            found = found.transpose(PERMUTATIONS[suffix])
        elif suffix != "int8":
            return None
    return found


def steps_apart(model: Model, known: Mapping[str, Array]) -> dict[str, tuple[str, int]]:
    """How far each operator's integers are from ONNX Runtime's, given ONNX Runtime's own operands; by the result's name with its kind.

    Operators between two tensors that ONNX Runtime knows are run together.
    """
    graph = model.subgraphs[0]
    makers = {index: op for op in graph.operators for index in op.outputs}
    found = {}
    for op in graph.operators:
        for index in op.outputs:
            wanted = as_onnx_had_it(graph.tensors[index].name, known)
            if wanted is None or graph.tensors[index].type not in INTEGERS or list(wanted.shape) != list(graph.tensors[index].shape):
                continue
            operators, inputs = _behind(model, makers, index, known)
            result = _run(model, operators, inputs, index, known)
            found[graph.tensors[index].name] = (operator_name(model, op), int(np.abs(result.astype(np.int64) - wanted).max()))
    return found


def _behind(model: Model, makers: Mapping[int, Operator], target: int, known: Mapping[str, Array]) -> tuple[list[Operator], list[int]]:
    """The operators between a tensor and those ONNX Runtime knows, in order, and these."""
    graph, chosen, inputs, waiting = model.subgraphs[0], [], [], [target]
    while waiting:
        index = waiting.pop()
        op = makers[index]
        if op in chosen:
            continue
        chosen.append(op)
        for operand in op.inputs:
            if operand < 0 or len(model.buffers[graph.tensors[operand].buffer].data):
                continue
            if operand in makers and as_onnx_had_it(graph.tensors[operand].name, known) is None:
                waiting.append(operand)
            elif operand not in inputs:
                inputs.append(operand)
    return [op for op in graph.operators if op in chosen], inputs


def _run(model: Model, operators: list[Operator], inputs: list[int], target: int, known: Mapping[str, Array]) -> Array:
    graph = model.subgraphs[0]
    part = model.copy(
        subgraphs=[SubGraph(tensors=graph.tensors, inputs=inputs, outputs=[target], operators=operators, name="part")], signature_defs=[]
    )
    engine = Interpreter(
        model_content=write_model(part), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, num_threads=1
    )
    engine.allocate_tensors()
    for place, index in zip(engine.get_input_details(), inputs, strict=True):
        value = as_onnx_had_it(graph.tensors[index].name, known)
        assert value is not None, graph.tensors[index].name
        engine.set_tensor(place["index"], np.ascontiguousarray(value))
    engine.invoke()
    return engine.get_tensor(engine.get_output_details()[0]["index"])


def float_operators(model: Model) -> list[str]:
    """The operators that work on real numbers, QUANTIZE and DEQUANTIZE aside."""
    graph = model.subgraphs[0]
    return [
        operator_name(model, op)
        for op in graph.operators
        if operator_name(model, op) not in ("QUANTIZE", "DEQUANTIZE")
        and any(index >= 0 and graph.tensors[index].type is TensorType.FLOAT32 for index in (*op.inputs, *op.outputs))
    ]


def weights(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32) / np.float32(np.sqrt(np.prod(shape[1:])))


def chain(*nodes: onnx.NodeProto, shape: Sequence[int] = IMAGE, opset: int = 17, **constants: Array) -> onnx.ModelProto:
    """A model from "x" of this shape to "y"."""
    return onnx_model(nodes, {"x": (shape, np.float32)}, ["y"], constants, opset)


def feeds(model: onnx.ModelProto, count: int, seed: int = 0) -> list[dict[str, Array]]:
    rng = np.random.default_rng(seed)
    stored = {tensor.name for tensor in model.graph.initializer}
    shapes = {i.name: [dim.dim_value or 1 for dim in i.type.tensor_type.shape.dim] for i in model.graph.input if i.name not in stored}
    return [{name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()} for _ in range(count)]


def check_steps(model: onnx.ModelProto, given: Sequence[Mapping[str, Array]], as_written: bool = False) -> Counter[str]:
    """Asserts that nothing works on real numbers and that each operator is within one step; the kinds of operators."""
    made = converted(model)
    assert float_operators(made) == []
    for feed in given:
        apart = steps_apart(made, integers(model, feed, as_written) | dict(feed))
        assert {name: steps for name, steps in apart.items() if steps[1] > 1} == {}
        if not apart:
            step = max(tensor.quantization.scale[0] for tensor in made.subgraphs[0].tensors[-2:] if tensor.quantization)
            np.testing.assert_allclose(run_tflite(made, feed)[0], run_onnx(model, feed)[0], rtol=0, atol=1.01 * step)
    return kinds(made)


def between(*nodes: onnx.NodeProto, grid: str = "uint8", shape: Sequence[int] = (2, 3, 40), **constants: Array) -> onnx.ModelProto:
    """Operators from "d" to "n" behind DequantizeLinear and in front of QuantizeLinear, over all numbers from -4 to 4."""
    kind = np.dtype(grid)
    middle, low = (np.iinfo(kind).max + np.iinfo(kind).min + 1) // 2, np.iinfo(kind).min
    stored = {"s": np.array(4 / (middle - low), np.float32), "z": np.array(middle + 3, kind), "t": np.array(0.013, np.float32)}
    pair = [node("QuantizeLinear", ["x", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["d"])]
    last = [node("QuantizeLinear", ["n", "t", "z"], ["p"]), node("DequantizeLinear", ["p", "t", "z"], ["y"])]
    return chain(*pair, *nodes, *last, shape=shape, opset=21, **stored, **constants)
