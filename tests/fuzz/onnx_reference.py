"""What ONNX Runtime gives for a damaged model, beside what the converted model gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto

from jitlite.converter.importer import decode_tensor
from tests.fuzz.onnx_edits import all_nodes, all_tensors
from tests.fuzz.phase import in_reference

TOLERANCE = 3e-3
QUANTIZED_TOLERANCE = 0.05
MOST_ROUNDED = 0.03
"""Of models with whole numbers in place of real ones: some steps of 8 bits, and few elements at the edge of a step."""
LARGEST = 1e9
NARROW = frozenset({TensorProto.UINT8, TensorProto.INT8, TensorProto.UINT16, TensorProto.INT16, TensorProto.UINT4, TensorProto.INT4})
RANDOM = frozenset({"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli", "Dropout"})
UNDEFINED = frozenset({"QLinearSoftmax", "Scatter", "ScatterElements", "ScatterND", "MaxUnpool", "TensorScatter"})
"""Operators whose results the standard leaves open for some operands, writing to one place twice; QLinearSoftmax, of whose sums of one
element ONNX Runtime's 256 becomes 0.
"""


class WrongError(Exception):
    """A converted model that gives other numbers than ONNX Runtime."""


def compared(content: bytes, feed: Mapping[str, NDArray[Any]], found: Mapping[str, NDArray[Any]]) -> str:
    """ "same", "unlike" where ONNX Runtime does not take the model, "open" where it may differ; WrongError for other numbers."""
    model = onnx.ModelProto.FromString(content)
    kinds = {node.op_type for node in all_nodes(model)}
    if _is_open(model, kinds):
        return "open"
    step = _largest_step(model) if any("Quantize" in kind or kind.startswith("QLinear") for kind in kinds) else 0.0
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    with in_reference():
        try:
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            wanted = dict(zip([item.name for item in session.get_outputs()], session.run(None, dict(feed)), strict=True))
        except Exception:  # whatever it says: it is not under test
            wanted = {}
    if not wanted:
        return "unlike"
    for name, reference in wanted.items():
        if not isinstance(reference, np.ndarray) or name not in found:
            raise WrongError(f"output '{name}': {type(reference).__name__} is required, found {found.get(name)!r}")
        _check_output(name, found[name], reference, step)
    return "same"


def _is_open(model: onnx.ModelProto, kinds: set[str]) -> bool:
    """True where the standard does not say what comes out: random numbers, places written twice, numbers a type does not hold."""
    attributes = [(node.op_type, item) for node in all_nodes(model) for item in node.attribute]
    if kinds & (RANDOM | UNDEFINED) or any(item.name == "sorted" and not item.i for _, item in attributes):
        return True
    if any(kind == "Cast" and item.name == "to" and item.i in NARROW for kind, item in attributes):
        return True
    if "Squeeze" in kinds and any(0 in tensor.dims for tensor in all_tensors(model)):  # no axes: all of them, or none
        return True
    numbers = [number for _, item in attributes for number in (item.f, *item.floats)]
    for tensor in all_tensors(model):
        data = decode_tensor(tensor)
        with np.errstate(all="ignore"):
            numbers += data.reshape(-1).astype(np.float64).tolist() if data.dtype.kind == "f" else []
    return not all(abs(number) < LARGEST for number in numbers)


def _largest_step(model: onnx.ModelProto) -> float:
    """The largest scale among a model's constants, and a little: results at the edge between two steps are rounded either way."""
    scales = [decode_tensor(tensor) for tensor in model.graph.initializer if "scale" in tensor.name]
    return max([1e-9, *(1.01 * float(np.abs(scale).max()) for scale in scales if scale.size and scale.dtype.kind == "f")])


def _check_output(name: str, found: NDArray[Any], wanted: NDArray[Any], step: float) -> None:
    """WrongError unless the results agree where the reference is finite: kernels do not all hand NaN on."""
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        raise WrongError(f"output '{name}': {wanted.dtype} {wanted.shape} is required, found {found.dtype} {found.shape}")
    if wanted.dtype.kind == "f":
        a, b = found.astype(np.float64), wanted.astype(np.float64)
        with np.errstate(all="ignore"):
            finite = np.isfinite(b)
            scale = max(float(np.abs(b[finite]).max(initial=0)), 1e-3)
            apart = ~(np.abs(a - b)[finite] <= max(step, (QUANTIZED_TOLERANCE if step else TOLERANCE) * scale))
        is_same = apart.mean() <= MOST_ROUNDED if step and apart.size else not apart.any()
    elif step and wanted.dtype.kind in "iu":
        is_same = bool(np.all(np.abs(found.astype(np.int64) - wanted.astype(np.int64)) <= 1))
    else:
        is_same = np.array_equal(found, wanted)
    if not is_same:
        raise WrongError(f"output '{name}': {wanted.reshape(-1)[:6]} is required, found {found.reshape(-1)[:6]}")
