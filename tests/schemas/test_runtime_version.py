"""First runtimes, compared with what TensorFlow's converter recorded in the models of the corpus."""

from pathlib import Path

import pytest

from jitlite.schemas import read_model
from jitlite.schemas.model import builtin_code
from jitlite.schemas.ops.spec import load_specs
from jitlite.schemas.runtime_version import FIRST_RUNTIMES, METADATA, first_runtime, minimum_runtime
from jitlite.schemas.tables import BuiltinOperator, Model, TensorType


def recorded(model: Model) -> str:
    """What the file itself says; "" where it says nothing."""
    entries = [entry for entry in model.metadata if entry.name == METADATA]
    return bytes(model.buffers[entries[0].buffer].data).rstrip(b"\0").decode() if entries else ""


def test_the_corpus_says_the_same(corpus: Path) -> None:
    """But for integer models, whose quantizer left the record of the float ones as it was."""
    compared = 0
    for path in sorted((corpus / "models").glob("*.tflite")):
        model = read_model(path)
        found = recorded(model)
        if not found:
            continue
        ours = minimum_runtime((builtin_code(code), code.version) for code in model.operator_codes)
        is_quantized = any(tensor.type is TensorType.INT8 for graph in model.subgraphs for tensor in graph.tensors)
        assert ours == found or (is_quantized and _numbers(ours) > _numbers(found)), path.name
        compared += 1
    assert compared


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def test_every_version_of_every_operator_has_a_runtime() -> None:
    """All but the first BROADCAST_TO, which was withdrawn."""
    missing = [
        (spec.name, version)
        for code, spec in load_specs().items()
        for version in range(1, spec.max_version + 1)
        if not first_runtime(code, version)
    ]
    assert missing == [("BROADCAST_TO", 1)]


@pytest.mark.parametrize("name", FIRST_RUNTIMES)
def test_later_versions_need_no_older_runtime(name: str) -> None:
    listed = FIRST_RUNTIMES[name].split()
    found = [first_runtime(BuiltinOperator[name], version) for version in range(1, len(listed) + 1)]
    assert found == sorted(found)
    assert all(len(version) == 3 for version, text in zip(found, listed, strict=True) if text != "-")
