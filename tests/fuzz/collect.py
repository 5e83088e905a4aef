"""Makes models.zip, the models the fuzzer damages: one or a few of each kind of those that the tests run.

python -m pytest -p tests.fuzz.collect tests/ops tests/interpreter
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from jitlite.interpreter.program import Program
from jitlite.schemas.errors import JitliteError
from jitlite.schemas.tables import Model
from jitlite.schemas.write import write_model
from tests.fuzz.field_edits import operator_names

ARCHIVE = Path(__file__).parent / "models.zip"
MOST_BYTES = 6000
MOST_ALIKE = 5
"""Models of the same operators."""

_found: dict[tuple[Any, ...], bytes] = {}


def _kind(model: Model) -> tuple[Any, ...]:
    """What models of one kind have in common: operators and the types of their operands, and which of them are constants."""
    kind: list[Any] = []
    for graph in model.subgraphs:
        for op in graph.operators:
            kind += [model.operator_codes[op.opcode_index].version]
            for index in (*op.inputs, *op.outputs):
                tensor = graph.tensors[index]
                kind.append(
                    (index < 0, int(tensor.type), tensor.buffer > 0, tensor.quantization is not None and len(tensor.quantization.scale) > 1)
                )
    return tuple(operator_names(model)), tuple(kind)


def _note(model: Model) -> None:
    if sum(len(buffer.data) for buffer in model.buffers) < MOST_BYTES and any(graph.operators for graph in model.subgraphs):
        kind = _kind(model)
        if kind not in _found:
            content = write_model(model)
            if len(content) <= MOST_BYTES:
                _found[kind] = content


def chosen(found: Iterable[tuple[tuple[Any, ...], bytes]]) -> dict[str, bytes]:
    """Models by file name: of those with the same operators a few, as different in their types as they come."""
    alike: dict[tuple[str, ...], list[bytes]] = {}
    for (names, _), content in found:
        alike.setdefault(names, []).append(content)
    models = {}
    for names, contents in alike.items():
        stride = max(1, -(-len(contents) // MOST_ALIKE))
        for content in contents[::stride]:
            models[f"{'-'.join(names)[:60].lower()}-{sha256(content).hexdigest()[:8]}.tflite"] = content
    return models


def pytest_configure() -> None:
    plain = Program.__init__

    def noting(self: Program, model: Model, *rest: Any) -> None:
        plain(self, model, *rest)
        try:
            _note(model)
        except JitliteError:
            return

    Program.__init__ = noting  # type: ignore[method-assign]


def pytest_sessionfinish() -> None:
    with zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_LZMA) as archive:
        for name, content in sorted(chosen(_found.items()).items()):
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_LZMA)
