"""Converted models in jitlite and LiteRT beside the engine's own results."""

from collections import Counter
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter as LiteRT
from numpy.typing import NDArray

from jitlite import Interpreter
from jitlite.schemas import Model, read_model, verify, write_model
from jitlite.schemas.model import operator_name

Array = NDArray[Any]

TOLERANCE = 1e-4
"""Largest difference of float models, relative to the largest value of an output."""


def needs(*modules: str) -> list[pytest.MarkDecorator]:
    """The marks of a module of tests that need these engines, which nothing here imports; engines warn about themselves."""
    missing = [name for name in modules if find_spec(name) is None]
    return [
        pytest.mark.engines,
        pytest.mark.skipif(bool(missing), reason=f"{' and '.join(missing)} not installed: make test-engines"),
        pytest.mark.filterwarnings("ignore"),
    ]


def run(content: bytes, feed: Mapping[str, Array], key: str | None = None) -> dict[str, Array]:
    """The outputs of a signature in jitlite; LiteRT's are the same but for rounding."""
    runners = [engine(model_content=content).get_signature_runner(key) for engine in (Interpreter, LiteRT)]
    ours, theirs = (runner(**feed) for runner in runners)
    for name, value in theirs.items():
        assert distance(ours[name], value) < TOLERANCE, f"jitlite and LiteRT differ in '{name}'"
    return ours


def distance(found: Array, wanted: Array) -> float:
    """The largest difference, relative to the largest wanted value."""
    assert found.shape == wanted.shape
    return float(np.abs(found.astype(np.float64) - wanted).max() / max(np.abs(wanted).max(), 1e-6))


def agree(model: Model | bytes, feed: Mapping[str, Array], wanted: Mapping[str, Any], key: str | None = None) -> Counter[str]:
    """Runs a float model, and counts its operators."""
    content = model if isinstance(model, bytes) else write_model(model)
    found = run(content, feed, key)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert distance(found[name], np.asarray(value)) < TOLERANCE, name
    return operators(content)


def operators(content: bytes) -> Counter[str]:
    model = verify(read_model(content))
    return Counter(operator_name(model, op) for graph in model.subgraphs for op in graph.operators)


def quantized(content: bytes, name: str, values: Array, output: str, key: str | None = None) -> Array:
    """The real values of an output of an integer model for real values of its input, sample by sample."""
    runner = Interpreter(model_content=content).get_signature_runner(key)
    inputs, outputs = runner.get_input_details()[name], runner.get_output_details()[output]
    (scale, zero_point), dtype = inputs["quantization"], np.dtype(inputs["dtype"])
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        values = np.clip(np.round(values / scale) + zero_point, limits.min, limits.max).astype(dtype)
    found = np.concatenate([runner(**{name: sample[np.newaxis]})[output] for sample in values])
    if found.dtype.kind in "iu":
        scale, zero_point = outputs["quantization"]
        return (found.astype(np.float32) - zero_point) * scale
    return found
