"""What the model benchmark measures: networks, each in one precision or several, prepared as files for every engine.

A .tflite file is measured as it is. An ONNX file is converted to float32 and quantized to int8 by jitlite; ONNX Runtime gets the ONNX file
itself and an int8 form that its own static quantization makes (QDQ, per-channel weights, uint8 activations).
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import jitlite
from benchmarks.engines import LITERT, ONNXRUNTIME, OURS, Array, reason_of
from jitlite.quantization import Recipe
from jitlite.schemas.errors import JitliteError
from jitlite.schemas.model import operator_name, tensor_data
from jitlite.schemas.read import read_model
from jitlite.schemas.tables import Model, TensorType
from jitlite.tools.errors import ToolError
from jitlite.tools.feeds import random_samples
from jitlite.tools.runners import OnnxModel, TfliteModel, is_onnx

Shapes = Mapping[str, Sequence[int | None]]

CALIBRATION_SAMPLES = 4
"""Random ones: enough for every kernel to work on numbers of the usual size, which is all that speed depends on."""

SHAPES: Mapping[str, Shapes] = {
    "o0584_ch_ppocr_mobile_v2_0_cls_infer": {"x": (1, 3, 48, 192)},
    "o0599_melspectrogram": {"input": (1, 16000)},
    "o0608_run_1663915512_stage_0": {"input": (1, 3, 100, 160)},
    "o0609_run_1663829550_stage_0": {"input": (1, 3, 100, 160)},
    "o0624_model": {"input": (1, 20)},
    "o0632_rawi_v2_int8": {"input": (1, 20)},
    "o0633_rawi_v3_int8": {"input": (1, 20)},
    "o0666_ch_pp_ocrv4_rec_infer": {"x": (1, 3, 48, 320)},
    "o0669_320n": {"images": (1, 3, 320, 320)},
    "o1012_yunet_s_dynamic": {"input": (1, 3, 320, 320)},
    "o1020_ten_vad": {"input_1": (1, 3, 41), **{f"input_{index}": (1, 64) for index in (2, 3, 6, 7)}},
    "o1064_encoder_model": {"input_1": (1, 10, 28)},
    "o1065_decoder_model": {"input_2": (1, 10, 32)},
}
"""Input shapes of the corpus's models with dimensions of any size, by file name."""

INT8, FLOAT, OTHER = "int8", "float", "other"
KINDS = {"int8": INT8, "uint8": INT8, "float32": FLOAT, "float16": FLOAT}
"""The kind a precision counts for; every other precision is OTHER."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model file for one engine and a file with its inputs in order."""

    model: Path
    feeds: Path


@dataclass(frozen=True, slots=True)
class Subject:
    """One network in one precision: a candidate for each engine, or why there is none.

    `counts` is False for those that stand beside another only to compare precisions.
    """

    name: str
    network: str
    precision: str
    origin: str
    candidates: Mapping[str, Candidate]
    problems: Mapping[str, str] = field(default_factory=dict)
    counts: bool = True

    @property
    def kind(self) -> str:
        return KINDS.get(self.precision, OTHER)


def find_models(corpus: Path) -> dict[Path, str]:
    """The corpus's models in the order of their names, and the precision its manifest states; none where there is no corpus."""
    manifest = corpus / "manifest.json"
    entries = json.loads(manifest.read_text()) if manifest.exists() else []
    found = {corpus / "models" / f"{entry['id']}.{entry['format']}": entry["scheme"] for entry in entries}
    return {path: found[path] for path in sorted(found, key=lambda path: path.name) if path.exists()}


def prepare(path: Path, folder: Path, shapes: Shapes, precision: str = "") -> list[Subject]:
    """The subjects a model file makes; what they need besides it is written to `folder`. What cannot be prepared has its reasons.

    `shapes` gives inputs of an ONNX model sizes by name, `precision` says what a .tflite file counts as, where that is known.
    """
    if is_onnx(path):
        return _prepare_onnx(path, folder, shapes or SHAPES.get(path.stem, {}))
    return _prepare_tflite(path, folder, precision)


def _prepare_tflite(path: Path, folder: Path, precision: str) -> list[Subject]:
    try:
        model = read_model(path)
        precision, network = precision or precision_of(model), network_of(model)
        mine = Candidate(path, _tflite_feeds(path, folder))
    except (JitliteError, ToolError) as error:
        return [Subject(path.stem, path.stem, "unknown", "tflite", {}, {OURS: reason_of(error)})]
    subject = Subject(path.stem, network, precision, "tflite", {OURS: mine, LITERT: mine})
    if precision != "float32":
        return [subject]
    try:
        int8 = _quantize(path, folder)
    except JitliteError as error:
        beside = Subject(f"{path.stem} as int8", network, "int8", "tflite", {}, {OURS: reason_of(error)}, counts=False)
    else:
        beside = Subject(f"{path.stem} as int8", network, "int8", "tflite", {OURS: int8}, counts=False)
    return [subject, beside]


def _prepare_onnx(path: Path, folder: Path, shapes: Shapes) -> list[Subject]:
    float32 = folder / f"{path.stem}.float32.tflite"
    forms: dict[str, tuple[dict[str, Candidate], dict[str, str]]] = {"float32": ({}, {}), "int8": ({}, {})}

    def attempt(engines: Sequence[str], precision: str, make: Callable[[], Candidate]) -> bool:
        """Makes a candidate for these engines or keeps the reason why not."""
        candidates, problems = forms[precision]
        try:
            found = make()
        except Exception as error:  # ONNX Runtime raises whatever it comes upon
            problems.update(dict.fromkeys(engines, reason_of(error)))
            return False
        candidates.update(dict.fromkeys(engines, found))
        return True

    def convert() -> Candidate:
        jitlite.save(jitlite.convert(path, shapes=shapes), float32)
        return Candidate(float32, _tflite_feeds(float32, folder))

    if attempt((OURS, LITERT), "float32", convert):
        attempt((ONNXRUNTIME,), "float32", lambda: Candidate(path, _onnx_feeds(path, float32, folder)))
        attempt((OURS, LITERT), "int8", lambda: _quantize(float32, folder))
        attempt((ONNXRUNTIME,), "int8", lambda: _ort_int8(path, float32, folder))
    else:
        forms["int8"][1].update(forms["float32"][1])
    return [Subject(f"{path.stem} {name}", path.stem, name, "onnx", *form) for name, form in forms.items()]


def _quantize(float32: Path, folder: Path) -> Candidate:
    int8 = folder / f"{float32.stem.removesuffix('.float32')}.int8.tflite"
    runner = TfliteModel(float32)
    samples = list(random_samples(runner.inputs, CALIBRATION_SAMPLES, 0))
    jitlite.save(jitlite.quantize(float32, samples, Recipe("int8", io_type="float32")), int8)
    return Candidate(int8, _tflite_feeds(int8, folder))


def _tflite_feeds(path: Path, folder: Path) -> Path:
    runner = TfliteModel(path)
    (sample,) = random_samples(runner.inputs, 1, 0)
    return _save_feeds(folder / f"{path.name}.npz", [port.to_raw(np.asarray(sample[port.name])) for port in runner.inputs])


def _onnx_feeds(path: Path, float32: Path, folder: Path) -> Path:
    """The arrays of the converted model's feeds in the order of the ONNX model's inputs."""
    return _save_feeds(folder / f"{path.name}.npz", list(_onnx_samples(path, float32, 1)[0].values()))


def _onnx_samples(path: Path, float32: Path, count: int) -> list[dict[str, Array]]:
    """Samples for the ONNX model by input name, of the sizes the converted model was given."""
    ports = {name: port for port in TfliteModel(float32).inputs for name in port.names}
    order = OnnxModel(path).inputs
    found = []
    for sample in random_samples(tuple(dict.fromkeys(ports.values())), count, 0):
        found.append({entry.name: np.asarray(sample[ports[entry.name].name]).astype(entry.dtype) for entry in order})
    return found


def _save_feeds(path: Path, arrays: Sequence[Array]) -> Path:
    np.savez(path, *arrays)
    return path


def _ort_int8(path: Path, float32: Path, folder: Path) -> Candidate:
    """ONNX Runtime's own int8 form of the model; made once for a file and a version."""
    import onnxruntime

    digest = hashlib.sha256(path.read_bytes() + float32.read_bytes() + onnxruntime.__version__.encode()).hexdigest()[:16]
    target = folder / f"{path.stem}.{digest}.ort-int8.onnx"
    if not target.exists():
        _ort_quantize(path, target, _onnx_samples(path, float32, CALIBRATION_SAMPLES))
    return Candidate(target, _onnx_feeds(path, float32, folder))


def _ort_quantize(path: Path, target: Path, samples: Sequence[Mapping[str, Array]]) -> None:
    """Static quantization as ONNX Runtime's documentation advises: a graph with its constants folded, then quantize_static."""
    import onnx
    import onnxruntime
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime is untyped
        def __init__(self) -> None:
            self.samples = iter(samples)

        def get_next(self) -> Mapping[str, Array] | None:
            return next(self.samples, None)

    model = onnx.load(path)
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if opset < 13:  # per-channel scales came with opset 13
        model = onnx.version_converter.convert_version(model, 17)
    folded = target.with_suffix(".folded.onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folded)
    logging.getLogger().setLevel(logging.ERROR)
    onnxruntime.set_default_logger_severity(4)
    try:
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        kinds = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
        quantize_static(str(folded), str(target), Reader(), quant_format=QuantFormat.QDQ, per_channel=True, **kinds)
    finally:
        folded.unlink(missing_ok=True)


def precision_of(model: Model) -> str:
    """int8, uint8, int16, float16, dynamic-range or float32: the type most operators compute, and where that is float, of the weights."""
    graph = model.subgraphs[0]
    made: Counter[TensorType] = Counter()
    constants: set[TensorType] = set()
    for op in graph.operators:
        constants |= {graph.tensors[index].type for index in op.inputs[1:2] if index >= 0 and _has_data(model, graph.tensors[index])}
        if operator_name(model, op) in ("QUANTIZE", "DEQUANTIZE", "RESHAPE"):
            constants |= {graph.tensors[index].type for index in op.inputs[:1]} & {TensorType.FLOAT16}
        else:
            made.update(graph.tensors[index].type for index in op.outputs)
    numbers = (TensorType.FLOAT32, TensorType.INT8, TensorType.UINT8, TensorType.INT16)
    most = max(numbers, key=lambda kind: made[kind])
    if most is not TensorType.FLOAT32:
        return most.name.lower()
    return "float16" if TensorType.FLOAT16 in constants else "dynamic-range" if TensorType.INT8 in constants else "float32"


def network_of(model: Model) -> str:
    """Text that models of one network share in any precision: its operators, their shapes and the sizes of their weights."""
    graph = model.subgraphs[0]
    found: list[Any] = []
    for op in graph.operators:
        name = operator_name(model, op)
        if name not in ("QUANTIZE", "DEQUANTIZE"):
            constants = [tuple(tensor.shape) for tensor in (graph.tensors[i] for i in op.inputs if i >= 0) if _has_data(model, tensor)]
            found.append((name, [tuple(graph.tensors[index].shape) for index in op.outputs], constants))
    return hashlib.sha256(repr(found).encode()).hexdigest()[:12]


def _has_data(model: Model, tensor: Any) -> bool:
    try:
        return tensor_data(model, tensor) is not None
    except JitliteError:
        return True
