"""What a model holds, as plain data: ports, operators, sizes, quantization, and what jitlite cannot do with it."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jitlite.schemas import Model, read_model, verify
from jitlite.schemas.dtypes import INTEGER_RANGE
from jitlite.schemas.errors import ConversionError
from jitlite.schemas.model import builtin_code, constant_indices, operator_name
from jitlite.schemas.runtime_version import METADATA, minimum_runtime
from jitlite.schemas.tables import SubGraph, Tensor, TensorType
from jitlite.tools.metadata import describe_metadata
from jitlite.tools.ports import Port
from jitlite.tools.runners import OnnxModel
from jitlite.tools.support import unsupported_operators
from jitlite.tools.transposes import left_transposes, transposes_dict


def describe_tflite(path: Path) -> dict[str, Any]:
    """A .tflite file; InvalidModelError when it is none."""
    model = verify(read_model(path))
    main = model.subgraphs[0]
    return {
        "model": str(path),
        "format": "tflite",
        "description": model.description,
        "size_bytes": path.stat().st_size,
        "inputs": [_tensor(main.tensors[index]) for index in main.inputs],
        "outputs": [_tensor(main.tensors[index]) for index in main.outputs],
        "signatures": {
            found.signature_key: {
                "inputs": {entry.name: main_name(model, found.subgraph_index, entry.tensor_index) for entry in found.inputs},
                "outputs": {entry.name: main_name(model, found.subgraph_index, entry.tensor_index) for entry in found.outputs},
            }
            for found in model.signature_defs
        },
        "subgraphs": len(model.subgraphs),
        "tensors": sum(len(graph.tensors) for graph in model.subgraphs),
        "operators": _operators(model),
        "transposes": transposes_dict(left_transposes(model)),
        "constants": _constants(model),
        "quantization": quantization_summary(model),
        "metadata": {entry.name: len(model.buffers[entry.buffer].data) for entry in model.metadata},
        "notes": describe_metadata(model, path),
        "min_runtime": needed_runtime(model),
        "stated_min_runtime": stated_runtime(model),
        "unsupported": [asdict(item) for item in unsupported_operators(model)],
    }


def main_name(model: Model, subgraph: int, tensor: int) -> str:
    """A tensor's name in one of the subgraphs."""
    return model.subgraphs[subgraph].tensors[tensor].name


def _tensor(tensor: Tensor) -> dict[str, Any]:
    scales = [] if tensor.quantization is None else tensor.quantization.scale
    points = [] if tensor.quantization is None else tensor.quantization.zero_point
    return {
        "name": tensor.name,
        "dtype": tensor.type.name.lower(),
        "shape": list(tensor.shape_signature or tensor.shape),
        "quantization": {"scale": scales[0], "zero_point": points[0] if points else 0} if len(scales) == 1 else None,
    }


def _operators(model: Model) -> list[dict[str, Any]]:
    """Counts by operator name and version, the most frequent first."""
    counts: Counter[tuple[str, int]] = Counter()
    for graph in model.subgraphs:
        for op in graph.operators:
            counts[operator_name(model, op), model.operator_codes[op.opcode_index].version] += 1
    return [
        {"op": name, "version": version, "count": count}
        for (name, version), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def _constants(model: Model) -> dict[str, dict[str, int]]:
    """Bytes and tensors of constants by type; a buffer that several tensors share counts once."""
    found: dict[str, dict[str, int]] = {}
    seen: set[int] = set()
    for graph in model.subgraphs:
        for index in sorted(constant_indices(model, graph)):
            tensor = graph.tensors[index]
            entry = found.setdefault(tensor.type.name.lower(), {"tensors": 0, "bytes": 0})
            entry["tensors"] += 1
            if tensor.buffer not in seen:
                seen.add(tensor.buffer)
                entry["bytes"] += len(model.buffers[tensor.buffer].data)
    return found


def quantization_summary(model: Model) -> dict[str, Any]:
    """How the main subgraph computes: how many operators make integers, how many floats, and one word for the whole.

    The word is "float32", "float16" (weights stored in 16 bits), "dynamic" (8-bit weights, float results), "int8", "uint8" or "int16"
    (every real-valued result quantized to that) or "mixed".
    """
    graph = model.subgraphs[0]
    results = [graph.tensors[index] for op in graph.operators for index in op.outputs]
    quantized = Counter(tensor.type.name.lower() for tensor in results if _is_quantized(tensor))
    floats = sum(tensor.type is TensorType.FLOAT32 for tensor in results)
    weights = [tensor for tensor in _constant_tensors(model, graph) if tensor.type is TensorType.FLOAT16 or _is_quantized(tensor)]
    return {
        "scheme": _scheme(quantized, floats, weights, _edges(model, graph)),
        "float_results": floats,
        "quantized_results": sum(quantized.values()),
        "quantized_constants": sum(_is_quantized(tensor) for tensor in weights),
        "per_channel_constants": sum(tensor.quantization is not None and len(tensor.quantization.scale) > 1 for tensor in weights),
    }


def _scheme(quantized: Counter[str], floats: int, weights: list[Tensor], edges: int) -> str:
    if quantized and floats <= edges:
        kinds = [kind for kind in quantized if kind != "int32"]
        return kinds[0] if len(kinds) == 1 else "mixed"
    if quantized:
        return "mixed"
    if any(_is_quantized(tensor) for tensor in weights):
        return "dynamic"
    return "float16" if weights else "float32"


def _edges(model: Model, graph: SubGraph) -> int:
    """Float results that only hand quantized values out: those of DEQUANTIZE."""
    return sum(builtin_code(model.operator_codes[op.opcode_index]).name == "DEQUANTIZE" for op in graph.operators)


def _constant_tensors(model: Model, graph: SubGraph) -> list[Tensor]:
    return [graph.tensors[index] for index in constant_indices(model, graph)]


def _is_quantized(tensor: Tensor) -> bool:
    return tensor.type in INTEGER_RANGE and tensor.quantization is not None and bool(tensor.quantization.scale)


def stated_runtime(model: Model) -> str | None:
    """The oldest runtime that loads the model, as its metadata say."""
    for entry in model.metadata:
        if entry.name == METADATA:
            return bytes(model.buffers[entry.buffer].data).split(b"\0")[0].decode("ascii", "replace")
    return None


def needed_runtime(model: Model) -> str | None:
    """The oldest runtime that has the operator versions of the model; None where none of them is known."""
    codes = [(builtin_code(code), code.version) for code in model.operator_codes]
    return minimum_runtime(codes) or None


def describe_onnx(path: Path) -> dict[str, Any]:
    """An ONNX file; ConversionError when it is none. `unsupported` lists what stands in the way of a conversion."""
    from jitlite.converter import convert_onnx

    model = OnnxModel(path)
    graph = model.proto.graph
    counts = Counter(f"{node.domain}.{node.op_type}" if node.domain else node.op_type for node in graph.node)
    try:
        convert_onnx(path)
        problems = []
    except ConversionError as error:
        problems = [line.strip() for line in str(error).splitlines()]
    return {
        "model": str(path),
        "format": "onnx",
        "producer": f"{model.proto.producer_name} {model.proto.producer_version}".strip(),
        "size_bytes": path.stat().st_size,
        "opset": {entry.domain or "ai.onnx": entry.version for entry in model.proto.opset_import},
        "inputs": [_onnx_port(port) for port in model.inputs],
        "outputs": [_onnx_port(port) for port in model.outputs],
        "operators": [{"op": name, "count": count} for name, count in counts.most_common()],
        "initializers": len(graph.initializer),
        "unsupported": problems,
    }


def _onnx_port(port: Port) -> dict[str, Any]:
    return {"name": port.name, "dtype": str(port.dtype), "shape": list(port.shape), "quantization": None}
