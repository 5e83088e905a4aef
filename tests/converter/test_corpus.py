"""Real networks: converted, run in LiteRT, compared with ONNX Runtime, and how many transposes they keep.

Models that cannot be converted yet are listed with the operators that stand in the way.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jitlite.converter import ConvertOptions
from jitlite.schemas.errors import ConversionWarning
from jitlite.schemas.tables import Model
from jitlite.tools.transposes import left_transposes
from tests.converter.agreement import Array, assert_close, converted, kinds, run_jitlite, run_onnx, run_tflite

TOLERANCE = 1e-3
"""Of the largest magnitude of each output."""


ROUNDED = 1e-2
"""Where states are quantized anew in every step, and the last place of an activation decides about whole steps (see conversions.md)."""


@dataclass(frozen=True)
class Row:
    """One model: the transposes that stay at inputs, at outputs and inside, the shapes it is given, whether the test is slow.

    `is_of_one` says that the batch of its inputs is open and yet must be 1.
    """

    name: str
    transposes: tuple[int, int, int]
    shapes: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    slow: bool = False
    is_of_one: bool = False


ROWS = [
    Row("o0442_hey_rhasspy_v0_1", (0, 0, 0)),
    Row("o0567_model_v8", (0, 0, 0)),
    Row("o0632_rawi_v2_int8", (0, 0, 0), {"input": (1, 12)}),
    Row("o0633_rawi_v3_int8", (0, 0, 0), {"input": (1, 12)}),
    Row("o0571_float_model", (1, 1, 0)),
    Row("o0577_float_model", (1, 1, 0)),
    Row("o0583_hey_mycroft_v0_1", (0, 0, 0)),
    Row("o0584_ch_ppocr_mobile_v2_0_cls_infer", (1, 0, 0), {"x": (None, 3, 48, 192)}),
    Row("o0593_alexa_v0_1", (0, 0, 0)),
    Row("o0599_melspectrogram", (0, 0, 0), {"input": (None, 16000)}),
    Row("o0605_sig_bak_ovr", (0, 0, 0), slow=True),
    Row("o0608_run_1663915512_stage_0", (1, 0, 0), {"input": (1, 3, 100, 160)}, is_of_one=True),
    Row("o0609_run_1663829550_stage_0", (1, 0, 0), {"input": (1, 3, 100, 160)}, is_of_one=True),
    Row("o0624_model", (0, 1, 2), {"input": (None, 20)}),
    Row("o0666_ch_pp_ocrv4_rec_infer", (1, 0, 4), {"x": (None, 3, 48, 320)}),
    Row("o0669_320n", (1, 1, 0), {"images": (None, 3, 320, 320)}),
    Row("o1004_model_vww", (1, 0, 0)),
    Row("o1010_yunet_s_320_320", (1, 0, 0)),
    Row("o1012_yunet_s_dynamic", (1, 0, 0), {"input": (None, 3, 320, 320)}),
    Row("o1013_pytorch_super_resolution", (0, 0, 0)),
    Row("o1020_ten_vad", (0, 0, 0), {"input_1": (1, 3, 41), **{f"input_{index}": (1, 64) for index in (2, 3, 6, 7)}}, is_of_one=True),
    Row("o1024_pretrainedresnet", (1, 0, 0)),
    Row("o1025_gtcrn", (0, 0, 21)),
    Row("o1027_gtcrn_simple", (0, 0, 21)),
    Row("o1029_model_ic", (1, 0, 0)),
    Row("o1033_vww_96_float", (1, 0, 0)),
    Row("o1034_fastestdet", (1, 1, 0)),
    Row("o1035_fastestdet", (1, 0, 0)),
    Row("o1064_encoder_model", (0, 0, 0), {"input_1": (None, 10, 28)}),
    Row("o1065_decoder_model", (0, 0, 0), {"input_2": (None, 10, 32)}),
    Row("o1066_bert_mlm", (0, 0, 8)),
]


def feeds(model: Model, batch: int, shapes: Mapping[str, Sequence[int | None]] = {}) -> dict[str, Array]:
    """Random inputs by name, dynamic dimensions set to what `shapes` says, else to the batch."""
    rng = np.random.default_rng(batch)
    made: dict[str, Array] = {}
    for entry in model.signature_defs[0].inputs:
        tensor = model.subgraphs[0].tensors[entry.tensor_index]
        declared = tensor.shape_signature or tensor.shape
        wanted = shapes.get(entry.name, [None] * len(declared))
        shape = [(size or batch) if dim == -1 else dim for dim, size in zip(declared, wanted, strict=True)]
        kind = tensor.type.name.lower()
        made[entry.name] = rng.standard_normal(shape).astype(np.float32) if kind == "float32" else rng.integers(0, 10, shape).astype(kind)
    return made


def parameters() -> list[Any]:
    return [pytest.param(row, id=row.name, marks=[pytest.mark.slow] if row.slow else []) for row in ROWS]


@pytest.mark.parametrize("row", parameters())
def test_network_agrees_with_onnxruntime(row: Row, corpus: Path) -> None:
    path = corpus / "models" / f"{row.name}.onnx"
    if not path.exists():
        pytest.skip(f"{path.name} is not in the corpus")
    made = converted(str(path), ConvertOptions(shapes=row.shapes))
    dynamic = any(tensor.shape_signature for tensor in made.subgraphs[0].tensors)
    for batch in (1, 3) if dynamic else (1,):
        given = feeds(made, batch)
        assert_close(run_tflite(made, given), run_onnx(str(path), given), TOLERANCE)
    assert places(made) == row.transposes


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS if row.shapes])
def test_dimensions_stay_open(row: Row, corpus: Path) -> None:
    path = corpus / "models" / f"{row.name}.onnx"
    if not path.exists():
        pytest.skip(f"{path.name} is not in the corpus")
    made = left_open(str(path), row)
    given = feeds(made, 1, row.shapes)
    wanted = run_onnx(str(path), given)
    tolerance = ROUNDED if row.name == "o0632_rawi_v2_int8" else TOLERANCE
    assert_close(run_tflite(made, given), wanted, tolerance)
    assert_close(run_jitlite(made, given), wanted, tolerance)


def left_open(path: str, row: Row) -> Model:
    """The model converted as it is."""
    if not row.is_of_one:
        return converted(path)
    with pytest.warns(ConversionWarning, match="the batch is fixed at 1"):
        return converted(path)


def places(model: Model) -> tuple[int, int, int]:
    """How many transposes a model has at inputs, at outputs and inside."""
    found = Counter(each.place for each in left_transposes(model))
    return found["input"], found["output"], found["inside"]


def test_the_demo_network() -> None:
    """The network of the README's demo: no transposes but at the edge, a dynamic batch, the same answers."""
    path = Path(__file__).resolve().parents[2] / "examples" / "fashion_mnist" / "model.onnx"
    made = converted(str(path))
    assert kinds(made)["TRANSPOSE"] <= 1
    for batch in (1, 4):
        given = feeds(made, batch)
        assert_close(run_tflite(made, given), run_onnx(str(path), given), 1e-4)
