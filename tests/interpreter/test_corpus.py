"""Real models against LiteRT's reference kernels: integers equal bit for bit, floats close (`agreement.py` says how close)."""

import json

import pytest

from jitlite.interpreter import Interpreter
from tests.conftest import CORPUS
from tests.interpreter.agreement import measured

MLPERF_TINY = ["t0552_pretrainedresnet", "t0401_pretrainedresnet_quant", "t0879_vww96_f", "t0870_vww96_q", "t0553_vww_96_int8"]


@pytest.mark.parametrize("name", MLPERF_TINY)
def test_mlperf_tiny(corpus, name):
    assert measured(corpus / "models" / f"{name}.tflite", seeds=(0, 1)).holds


def tflite_models(is_known_to_litert: bool) -> list[str]:
    """The other .tflite models of the corpus, smallest first, by whether LiteRT has all their operators."""
    if not CORPUS.exists():
        return []
    models = [
        item for item in json.loads((CORPUS / "manifest.json").read_text()) if item["format"] == "tflite" and item["id"] not in MLPERF_TINY
    ]
    known = {"TFLite_Detection_PostProcess"}
    return [
        item["id"] for item in sorted(models, key=lambda item: item["size"]) if (set(item["custom_ops"]) <= known) == is_known_to_litert
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", tflite_models(is_known_to_litert=True))
def test_a_real_model_runs_like_litert(corpus, name):
    assert measured(corpus / "models" / f"{name}.tflite", seeds=(0,)).holds


@pytest.mark.slow
@pytest.mark.parametrize("name", tflite_models(is_known_to_litert=False))
def test_a_real_model_that_litert_lacks_operators_for_runs(corpus, name):
    interpreter = Interpreter(corpus / "models" / f"{name}.tflite")
    interpreter.allocate_tensors()
    interpreter.invoke()
