"""Real models against LiteRT's reference kernels: integers equal bit for bit, floats close.

Floats are within 1e-4 of the output's scale or, where that is more, four times what the reference itself moves when its float inputs change
by one unit in the last place.
"""

import json

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter as LiteRT
from ai_edge_litert.interpreter import OpResolverType

from jitlite.interpreter import Interpreter
from jitlite.schemas.errors import UnsupportedError
from tests.conftest import CORPUS

REFERENCE = OpResolverType.BUILTIN_REF


def random_input(detail, rng):
    if detail["dtype"] == np.float32:
        return rng.uniform(-1, 1, detail["shape"]).astype(np.float32)
    if detail["dtype"] == np.bool_:
        return rng.integers(0, 2, detail["shape"]).astype(np.bool_)
    limits = np.iinfo(detail["dtype"])
    return rng.integers(max(limits.min, -(2**15)), min(limits.max, 2**15), detail["shape"], endpoint=True).astype(detail["dtype"])


def nudged_results(reference, feeds):
    """The reference's outputs for float inputs one unit in the last place larger; `feeds` holds the inputs by index."""
    for index, value in feeds.items():
        reference.set_tensor(index, np.nextafter(value, np.float32(np.inf)) if value.dtype.kind == "f" else value)
    reference.invoke()
    return [reference.get_tensor(detail["index"]) for detail in reference.get_output_details()]


def assert_runs_like_litert(path, seeds=(0, 1)):
    ours, theirs = Interpreter(str(path)), LiteRT(str(path), experimental_op_resolver_type=REFERENCE)
    ours.allocate_tensors()
    theirs.allocate_tensors()
    for seed in seeds:
        rng = np.random.default_rng(seed)
        feeds = {detail["index"]: random_input(detail, rng) for detail in theirs.get_input_details()}
        for index, value in feeds.items():
            ours.set_tensor(index, value)
            theirs.set_tensor(index, value)
        ours.invoke()
        theirs.invoke()
        expected = [theirs.get_tensor(detail["index"]) for detail in theirs.get_output_details()]
        moved = nudged_results(theirs, feeds) if any(value.dtype.kind == "f" for value in expected) else expected
        for detail, wanted, other in zip(ours.get_output_details(), expected, moved, strict=True):
            found = ours.get_tensor(detail["index"])
            assert found.dtype == wanted.dtype
            assert found.shape == wanted.shape
            if wanted.dtype.kind == "f":
                tolerance = max(1e-4 * max(1e-6, float(np.abs(wanted).max())), 4 * float(np.abs(wanted - other).max()))
                np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance)
            else:
                np.testing.assert_array_equal(found, wanted)


MLPERF_TINY = ["t0552_pretrainedresnet", "t0401_pretrainedresnet_quant", "t0879_vww96_f", "t0870_vww96_q", "t0553_vww_96_int8"]


@pytest.mark.parametrize("name", MLPERF_TINY)
def test_mlperf_tiny(corpus, name):
    assert_runs_like_litert(corpus / "models" / f"{name}.tflite")


def supported_candidates():
    """Corpus models without custom operators or uint8 arithmetic, smallest first."""
    if not CORPUS.exists():
        return []
    models = json.loads((CORPUS / "manifest.json").read_text())
    chosen = [
        m for m in models if m["format"] == "tflite" and not m["custom_ops"] and m["scheme"] != "uint8" and m["id"] not in MLPERF_TINY
    ]
    return [m["id"] for m in sorted(chosen, key=lambda m: m["size"])]


@pytest.mark.slow
@pytest.mark.parametrize("name", supported_candidates())
def test_a_real_model_runs_like_litert_or_is_refused_with_names(corpus, name):
    path = corpus / "models" / f"{name}.tflite"
    try:
        Interpreter(str(path)).allocate_tensors()
    except UnsupportedError as error:
        pytest.skip(str(error)[:300])
    assert_runs_like_litert(path, seeds=(0,))
