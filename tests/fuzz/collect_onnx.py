"""Makes onnx_models.zip, the ONNX models the fuzzer damages: one or a few of each kind of those that the converter's tests convert.

python -m pytest -p tests.fuzz.collect_onnx tests/converter
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from typing import Any

import onnx

from jitlite.converter import convert
from tests.fuzz.collect import chosen
from tests.fuzz.onnx_edits import all_nodes, all_tensors
from tests.fuzz.samples import ONNX_ARCHIVE

MOST_BYTES = 4000

_found: dict[tuple[Any, ...], bytes] = {}


def _kind(model: onnx.ModelProto) -> tuple[Any, ...]:
    """What models of one kind have in common: operators, functions, and the types of inputs and constants."""
    names = tuple(node.op_type for node in all_nodes(model))
    types = (*(info.type.tensor_type.elem_type for info in model.graph.input), *(tensor.data_type for tensor in all_tensors(model)))
    return names or ("nothing",), (types, len(model.functions), bool(model.graph.sparse_initializer))


def _note(model: onnx.ModelProto) -> None:
    if model.ByteSize() <= MOST_BYTES:
        _found.setdefault(_kind(model), model.SerializeToString(deterministic=True))


def pytest_configure() -> None:
    plain_load, plain_fix = convert.load_model, convert.fix_inputs

    def loading(source: str | os.PathLike[str] | onnx.ModelProto, *rest: Any) -> Any:
        if isinstance(source, onnx.ModelProto) and source.functions:
            _note(source)
        return plain_load(source, *rest)

    def fixing(model: Any, *rest: Any) -> Any:
        fixed = plain_fix(model, *rest)
        _note(fixed)
        return fixed

    convert.load_model, convert.fix_inputs = loading, fixing  # type: ignore[assignment]


def _archived() -> Iterator[tuple[str, bytes]]:
    for name, content in sorted(chosen(_found.items()).items()):
        yield name.replace(".tflite", ".onnx"), content


def pytest_sessionfinish() -> None:
    with zipfile.ZipFile(ONNX_ARCHIVE, "w", zipfile.ZIP_LZMA) as archive:
        for name, content in _archived():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_LZMA)
