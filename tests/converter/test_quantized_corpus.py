"""Networks of the corpus, quantized by ONNX Runtime: nothing in floats inside, each operator within one step, the same answers."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import QuantFormat, QuantType

from tests.converter.agreement import Array, converted, run_onnx, run_tflite
from tests.converter.quantizing import float_operators, integers, quantized, steps_apart

NETWORKS = ["o1029_model_ic", "o1033_vww_96_float", "o1024_pretrainedresnet", "o1004_model_vww", "o0567_model_v8"]
PATCH = 6
"""Pixels a side of the plain patches that images are made of."""


def image(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Random patches with a little noise; networks are more certain of these than of noise alone."""
    noise = rng.normal(size=shape)
    if len(shape) != 4:
        return noise.astype(np.float32)
    n, c, h, w = shape
    patches = rng.normal(size=(n, c, -(-h // PATCH), -(-w // PATCH)))
    return (patches.repeat(PATCH, 2).repeat(PATCH, 3)[:, :, :h, :w] + 0.1 * noise).astype(np.float32)


def _margin(scores: Array) -> float:
    ordered = np.sort(scores.reshape(-1))
    return float(ordered[-1] - ordered[-2]) if len(ordered) > 1 else 0.0


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    ("form", "options"),
    [(QuantFormat.QDQ, {"per_channel": True}), (QuantFormat.QOperator, {"activation_type": QuantType.QUInt8})],
    ids=["qdq", "qoperator"],
)
def test_quantized_network(name: str, form: QuantFormat, options: dict[str, Any], corpus: Path, tmp_path: Path) -> None:
    """Answers are compared on the half of the images of which the quantized network is more certain: none of them show anything."""
    path = corpus / "models" / f"{name}.onnx"
    if not path.exists():
        pytest.skip(f"{path.name} is not in the corpus")
    model = onnx.load(path)
    stored = {tensor.name for tensor in model.graph.initializer}
    (given,) = [info for info in model.graph.input if info.name not in stored]
    for dim in given.type.tensor_type.shape.dim:
        dim.dim_value = dim.dim_value or 1
    shape = tuple(dim.dim_value for dim in given.type.tensor_type.shape.dim)
    rng = np.random.default_rng(0)
    feeds = [{given.name: image(shape, rng)} for _ in range(200)]
    small = quantized(model, feeds[:16], tmp_path, form, **options)
    made = converted(small)
    assert float_operators(made) == []
    apart = steps_apart(made, integers(small, feeds[0]) | feeds[0])
    assert len(apart) > 5
    assert {name: steps for name, steps in apart.items() if steps[1] > 1} == {}
    certain = sorted(feeds, key=lambda feed: -_margin(run_onnx(small, feed)[0]))[:100]
    same = [np.argmax(run_tflite(made, feed)[0]) == np.argmax(run_onnx(small, feed)[0]) for feed in certain]
    assert np.mean(same) >= 0.99
