"""One interface to the engines that are compared: open a model with its inputs set, then run it as often as you like."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Source = Path | bytes

OURS, LITERT, ONNXRUNTIME, REFERENCE = "jitlite", "litert", "onnxruntime", "reference"
TITLES = {OURS: "jitlite", LITERT: "LiteRT", ONNXRUNTIME: "ONNX Runtime"}


class Session(Protocol):
    """A model that is loaded and has its inputs: `run` computes the outputs and nothing else."""

    run: Callable[[], object]

    def outputs(self) -> list[Array]:
        """The results of the last run as real numbers, in the model's order."""
        ...


class _TfliteSession:
    """A session of an interpreter with LiteRT's interface."""

    def __init__(self, interpreter: Any, feeds: Sequence[Array]) -> None:
        inputs = interpreter.get_input_details()
        for details, value in zip(inputs, feeds, strict=True):
            if tuple(details["shape"]) != value.shape:
                interpreter.resize_tensor_input(details["index"], value.shape)
        interpreter.allocate_tensors()
        for details, value in zip(inputs, feeds, strict=True):
            interpreter.set_tensor(details["index"], value)
        self.interpreter = interpreter
        self.run: Callable[[], object] = interpreter.invoke

    def outputs(self) -> list[Array]:
        found = []
        for details in self.interpreter.get_output_details():
            values, (scale, zero_point) = self.interpreter.get_tensor(details["index"]), details["quantization"]
            found.append((values.astype(np.float64) - zero_point) * scale if scale else values)
        return found


class _OnnxSession:
    """A session of ONNX Runtime whose inputs and outputs are bound, so that a run copies nothing."""

    def __init__(self, source: Source, feeds: Sequence[Array], num_threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads, options.inter_op_num_threads = num_threads, 1
        model = source if isinstance(source, bytes) else str(source)
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        binding = session.io_binding()
        for entry, value in zip(session.get_inputs(), feeds, strict=True):
            binding.bind_ortvalue_input(entry.name, onnxruntime.OrtValue.ortvalue_from_numpy(value))
        for entry in session.get_outputs():
            binding.bind_output(entry.name)
        self.binding = binding
        self.run: Callable[[], object] = lambda: session.run_with_iobinding(binding)

    def outputs(self) -> list[Array]:
        return [np.asarray(value) for value in self.binding.copy_outputs_to_cpu()]


def open_session(engine: str, source: Source, feeds: Sequence[Array], num_threads: int) -> Session:
    """A session of the engine whose first run is done; raises whatever the engine raises on models it cannot run.

    REFERENCE is LiteRT with its reference kernels.
    """
    session: Session
    if engine == ONNXRUNTIME:
        session = _OnnxSession(source, feeds, num_threads)
    else:
        session = _TfliteSession(_interpreter(engine, source, num_threads), feeds)
    session.run()
    return session


def _interpreter(engine: str, source: Source, num_threads: int) -> Any:
    where = {"model_content": source} if isinstance(source, bytes) else {"model_path": str(source)}
    if engine == OURS:
        from jitlite.interpreter import Interpreter

        return Interpreter(**where, num_threads=num_threads)
    from ai_edge_litert.interpreter import Interpreter as LiteRT
    from ai_edge_litert.interpreter import OpResolverType

    kernels = OpResolverType.BUILTIN_REF if engine == REFERENCE else OpResolverType.AUTO
    return LiteRT(**where, num_threads=num_threads, experimental_op_resolver_type=kernels)


def difference(found: Sequence[Array], expected: Sequence[Array]) -> float:
    """The largest difference of any numeric output relative to its largest magnitude; infinite where shapes differ."""
    worst = 0.0
    for one, other in zip(found, expected, strict=True):
        if one.shape != other.shape:
            return float("inf")
        if other.size and other.dtype.kind in "fiub":
            one, other = np.nan_to_num(one.astype(np.float64)), np.nan_to_num(other.astype(np.float64))
            worst = max(worst, float(np.abs(one - other).max() / max(float(np.abs(other).max()), 1e-9)))
    return worst


_OPERATORS = (
    re.compile(r"no lowering for operator ([\w.]+)"),
    re.compile(r"operator \d+ \(([\w.]+)"),
    re.compile(r"unresolved custom op: ([\w.]+)", re.IGNORECASE),
)
_PATH = re.compile(r"(?<!\w)(?:/[\w.+-]+)+/([\w.+-]+)")


def reason_of(error: Exception) -> str:
    """Why an engine cannot run a model, in one line without paths: the operators that stand in the way where the message names them."""
    text = _PATH.sub(r"\1", str(error).strip())
    operators = next((found for pattern in _OPERATORS if (found := list(dict.fromkeys(pattern.findall(text))))), [])
    lines = text.splitlines() or [type(error).__name__]
    if operators:
        first = re.sub(r"^.*?\): ", "", lines[0])
        return ", ".join(operators) + (f": {first}" if len(operators) == len(lines) == 1 and len(first) < 160 else "")
    return (lines[1] if len(lines) > 1 and lines[0].endswith("converted") else lines[0]).strip()[:200]
