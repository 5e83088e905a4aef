"""One trial of the converter: a damaged ONNX model made from a seed and a number, and what becomes of it.

A conversion ends in a JitliteError or in a model that is legal, runs here within its budgets and gives what ONNX Runtime gives, where that
takes the damaged model at all.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from jitlite.converter import convert_onnx
from jitlite.interpreter import Interpreter
from jitlite.schemas.errors import ConversionWarning, ExecutionError, InvalidModelError, JitliteError, UnsupportedError
from jitlite.schemas.read import read_model
from jitlite.schemas.tables import Model, TensorType
from jitlite.schemas.verify import verify
from jitlite.schemas.write import write_model
from tests.fuzz.byte_edits import damaged_bytes
from tests.fuzz.onnx_edits import damaged_model
from tests.fuzz.onnx_reference import compared
from tests.fuzz.trial import ARENA_BYTES, WORK, FaultError, VagueError

BATCH = 2
MOST_ELEMENTS = 1 << 16
"""Inputs larger than this are not fed."""
FAULTS = ("more memory than there is",)
"""What refusals say that stand for a fault of jitlite, not of the file: a small file must not take more memory than there is."""


def damaged(samples: Sequence[tuple[str, bytes]], seed: int, case: int) -> tuple[str, bytes, Random]:
    """The file of a case, the sample it is made of and the source of its inputs; the same for the same samples, seed and number."""
    rng = Random(f"{seed}:{case}")
    name, content = rng.choice(samples)
    return name, damaged_model(content, rng) if rng.random() < 0.9 else damaged_bytes(content, rng), rng


def outcome(content: bytes, rng: Random) -> str:
    """How a file ends: the refusal with its class, what comparing the results gave; anything else is raised."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        path.write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConversionWarning)
                made = convert_onnx(path if rng.random() < 0.8 else _parsed(content))
        except JitliteError as error:
            text = str(error).replace(folder, "")
            if any(sign in text for sign in FAULTS):
                raise FaultError(text) from error
            if ": " not in text or len(text) < 20:
                raise VagueError(text) from error
            return f"{type(error).__name__}: {text}"
        except DecodeError:
            return "no protobuf"
    file = write_model(made)
    try:
        model = verify(read_model(file))
        interpreter = Interpreter(model_content=file, arena_limit_bytes=ARENA_BYTES, work_limit=WORK)
        interpreter.allocate_tensors()
    except ExecutionError as error:
        return f"{type(error).__name__} of constants: {error}"
    except InvalidModelError as error:
        raise FaultError(f"the converted model: {error}") from error
    except UnsupportedError as error:
        if "are allowed" in str(error):
            return f"{type(error).__name__} at run time: {error}"
        raise FaultError(f"the converted model: {error}") from error
    feed = _feed(model, rng)
    if feed is None:
        return "not run"
    try:
        found = interpreter.get_signature_runner()(**feed)
    except (ExecutionError, InvalidModelError, UnsupportedError) as error:
        return f"{type(error).__name__} at run time: {error}"
    return compared(content, feed, found)


def _parsed(content: bytes) -> onnx.ModelProto:
    return onnx.ModelProto.FromString(content)


def _feed(model: Model, rng: Random) -> dict[str, NDArray[Any]] | None:
    """Ordinary values by the names of the inputs; None where they are too large."""
    numbers = np.random.default_rng(rng.getrandbits(32))
    found = {}
    for entry in model.signature_defs[0].inputs:
        tensor = model.subgraphs[0].tensors[entry.tensor_index]
        dims = [BATCH if dim < 0 else dim for dim in (tensor.shape_signature or tensor.shape)]
        if np.prod(dims, dtype=object) > MOST_ELEMENTS or tensor.type not in _DTYPES:
            return None
        dtype = np.dtype(_DTYPES[tensor.type])
        if dtype.kind == "f":
            found[entry.name] = numbers.uniform(-2, 2, dims).astype(dtype)
        else:
            found[entry.name] = numbers.integers(0, 2 if dtype.kind == "b" else 4, dims).astype(dtype)
    return found


_DTYPES = {
    TensorType.FLOAT32: "float32",
    TensorType.FLOAT16: "float16",
    TensorType.FLOAT64: "float64",
    TensorType.BOOL: "bool",
    TensorType.INT8: "int8",
    TensorType.UINT8: "uint8",
    TensorType.INT16: "int16",
    TensorType.UINT16: "uint16",
    TensorType.INT32: "int32",
    TensorType.UINT32: "uint32",
    TensorType.INT64: "int64",
    TensorType.UINT64: "uint64",
}
