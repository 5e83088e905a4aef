"""Real float models: each becomes int8, dynamic-range and float16, keeps to the specification and runs in LiteRT."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from jitlite.quantization import Recipe, apply_plan, compare_models, plan_quantization, quantize
from jitlite.schemas.errors import UnsupportedError
from jitlite.schemas.read import read_model
from jitlite.schemas.tables import Model, TensorType
from jitlite.schemas.write import write_model
from tests.conftest import CORPUS
from tests.quantization import litert
from tests.quantization.conformance import check

FLOAT_SCHEMES = ("float32", "float16", "dynamic-range")
CUSTOM = "LiteRT lacks its custom operators"
SKIPPED = {
    "t0537_selfie_segmenter": CUSTOM,
    "t0540_selfie_segmenter_landscape": CUSTOM,
    "t0592_hair_segmentation": CUSTOM,
}
LEAST_DB = {
    "t0532_face_detection_front": 12,
    "t0397_planestrike_tf": 13,
    "t0552_pretrainedresnet": 15,
    "t0871_source_model": 15,
    "t0716_model_without_metadata": 8,
    "t0697_pose_detection": 15,
}
"""Output SQNR in dB to reach on random inputs; 20 for others."""
SENSITIVE = {"t0690_pose_landmark_lite", "t0746_pose_landmark_full"}
"""Linear layers reach ±150 between ones clamped to 6, so 8 bits per tensor keep little, in any tool; only the median tensor is judged."""
HYBRID = (
    "t0399_emotion_model_quantized",
    "t0556_model_quant_1",
    "t0573_mobilenet_v2_035_96_embedder_with_metada",
    "t0582_model_quant_2",
)
PARTLY_INTEGER = ("t0672_animeganv2_hayao_256x256_integer_quant", "t0694_movenet_single_pose_lightning_ptq", "t0735_yamnet")
INTEGER = ("t0401_pretrainedresnet_quant", "t0409_face_detection_front_128_full_integer_qu", "t0566_mobilenet_v1_0_25_128_quant")
FAST = {"t0552_pretrainedresnet", "t0437_okay_nabu", "t0630_model_1"}


def float_models() -> list[str]:
    if not CORPUS.exists():
        return []
    entries = json.loads((CORPUS / "manifest.json").read_text())
    return sorted(entry["id"] for entry in entries if entry["format"] == "tflite" and entry["scheme"] in FLOAT_SCHEMES)


def marked(names):
    return [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in names]


@cache
def model_of(folder: Path, name: str) -> Model:
    return read_model(folder / "models" / f"{name}.tflite")


def runner_of(model: Model):
    """The reference kernels, or the optimized ones for what the reference resolver lacks in int8."""
    return litert.run_optimized if any(code.builtin_code.name == "DEPTH_TO_SPACE" for code in model.operator_codes) else litert.run


@pytest.mark.parametrize("io_type", ["int8", "float32"])
@pytest.mark.parametrize("name", marked(float_models()))
def test_float_models_become_int8(corpus, name, io_type):
    if SKIPPED.get(name) == CUSTOM:
        pytest.skip(CUSTOM)
    model = model_of(corpus, name)
    feeds, run = litert.random_feeds(model, 2), runner_of(model)
    plan = plan_quantization(model, Recipe(io_type=io_type), feeds, run)
    found = apply_plan(model, plan)
    check(found, has_known_shapes=False)
    edges = {found.subgraphs[0].tensors[index].type for index in (*found.subgraphs[0].inputs, *found.subgraphs[0].outputs)}
    assert TensorType[io_type.upper()] in edges
    assert (TensorType.FLOAT32 in edges) == (io_type == "float32")
    assert plan.quantized_count > 10 * len(plan.float_operators)
    report = compare_models(model, found, feeds, run, plan)
    assert np.median([entry.sqnr_db for entry in report.tensors]) > (5 if name in SENSITIVE else min(LEAST_DB.get(name, 20), 15))
    if name not in SENSITIVE:
        assert min(entry.sqnr_db for entry in report.outputs) > LEAST_DB.get(name, 20)


@pytest.mark.parametrize("name", marked(float_models()))
def test_float_models_store_float16(corpus, name):
    if SKIPPED.get(name) == CUSTOM:
        pytest.skip(CUSTOM)
    model = model_of(corpus, name)
    found = quantize(model, Recipe("float16"))
    check(found, has_known_shapes=False)
    report = compare_models(model, found, litert.random_feeds(model, 1), litert.run)
    assert min(entry.sqnr_db for entry in report.outputs) > 30


@pytest.mark.parametrize("name", marked(name for name in float_models() if name not in SKIPPED))
def test_float_models_get_int8_weights(corpus, name):
    model = model_of(corpus, name)
    if name in HYBRID:
        with pytest.raises(UnsupportedError, match="its weights are not float32"):
            quantize(model, Recipe("dynamic"))
        return
    found = quantize(model, Recipe("dynamic"))
    check(found, has_known_shapes=False)
    report = compare_models(model, found, litert.random_feeds(model, 1), litert.run)
    if name not in SENSITIVE:
        assert min(entry.sqnr_db for entry in report.outputs) > min(LEAST_DB.get(name, 20), 13)


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTLY_INTEGER)
def test_float_parts_of_integer_models_become_int8(corpus, name):
    model = model_of(corpus, name)
    feeds = litert.random_feeds(model, 1)
    found = quantize(model, Recipe(io_type="float32"), feeds, litert.run)
    litert.interpreter(found).allocate_tensors()
    assert min(entry.sqnr_db for entry in compare_models(model, found, feeds, litert.run).outputs) > 15


@pytest.mark.parametrize("name", INTEGER)
def test_integer_models_have_nothing_to_quantize(corpus, name):
    model = model_of(corpus, name)
    with pytest.raises(UnsupportedError, match="an operator with an int8 form is required, found none"):
        quantize(model, Recipe(), litert.random_feeds(model, 1), litert.run)


def images(model: Model, count: int, high: float, seed: int) -> list[dict[str, np.ndarray]]:
    """Smooth random images with noise, values up to `high`."""
    generator = np.random.default_rng(seed)
    tensor = model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]]
    _, height, width, channels = tensor.shape
    found = []
    for _ in range(count):
        coarse = generator.uniform(0, high, (1, 4, 4, channels)).repeat(height // 4, 1).repeat(width // 4, 2)
        noisy = coarse + generator.normal(0, high / 20, tensor.shape)
        found.append({tensor.name: np.clip(noisy, 0, high).astype(np.float32)})
    return found


TWINS = [("t0552_pretrainedresnet", "t0401_pretrainedresnet_quant", 255.0), ("t0879_vww96_f", "t0870_vww96_q", 1.0)]


def output_sqnr_db(model: Model, twin: Model, feeds) -> float:
    """The SQNR of the only output of an integer twin whose tensors have other names."""
    entry, leave = (twin.subgraphs[0].tensors[index] for index in (twin.subgraphs[0].inputs[0], twin.subgraphs[0].outputs[0]))
    scale, zero_point = entry.quantization.scale[0], entry.quantization.zero_point[0]
    integers = [
        {entry.name: np.clip(np.round(value / scale) + zero_point, -128, 127).astype(np.int8)} for feed in feeds for value in feed.values()
    ]
    expected = np.array([found[0] for found in litert.run(model, feeds, model.subgraphs[0].outputs)], np.float64)
    found = np.array([result[0] for result in litert.run(twin, integers, twin.subgraphs[0].outputs)], np.float64)
    error = (found - leave.quantization.zero_point[0]) * leave.quantization.scale[0] - expected
    return float(10 * np.log10((expected**2).sum() / (error**2).sum()))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "twin", "high"), TWINS)
def test_accuracy_is_that_of_known_int8_twins(corpus, name, twin, high):
    model = model_of(corpus, name)
    test = images(model, 8, high, seed=1)
    ours = quantize(model, Recipe(), images(model, 32, high, seed=0), litert.run)
    assert output_sqnr_db(model, ours, test) > output_sqnr_db(model, model_of(corpus, twin), test) - 4
    assert len(write_model(ours)) < 1.02 * (corpus / "models" / f"{twin}.tflite").stat().st_size
