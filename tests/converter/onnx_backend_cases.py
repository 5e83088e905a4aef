"""The cases of onnx's own backend test suite, run through jitlite.

`python -m tests.converter.onnx_backend_cases [PART OF A NAME]` lists results, and with --write rewrites `onnx_backend_unsupported.txt`
beside this file: the cases that .tflite cannot express or the converter does not know yet, with the reason.
"""

import glob
import re
import sys
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.runner import Runner

from jitlite.schemas.errors import JitliteError
from jitlite.tools import onnx_backend

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")
RANDOM = frozenset({"Bernoulli", "RandomUniformLike"})
"""Operators whose results are tested by their distribution in `test_random.py`."""
UNSUPPORTED = Path(__file__).with_name("onnx_backend_unsupported.txt")


@cache
def cases() -> dict[str, Any]:
    """The test cases by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test import loader

        return {case.name: case for kind in KINDS for case in loader.load_model_tests(kind=kind)}


@cache
def unsupported() -> dict[str, str]:
    """The reason by the name of the case. The file's lines are reasons ending in a colon, each followed by the cases it holds for."""
    reasons, reason = {}, ""
    for line in UNSUPPORTED.read_text().splitlines():
        if line.startswith("    "):
            reasons.update(dict.fromkeys(line.split(), reason))
        elif line.strip():
            reason = line.rstrip(":")
    return reasons


def _array(value: Any) -> Any:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def _stored(folder: str, kind: str) -> list[Any]:
    paths = sorted(glob.glob(f"{folder}/{kind}_*.pb"), key=lambda path: int(Path(path).stem.rpartition("_")[2]))
    return [numpy_helper.to_array(onnx.load_tensor(path)) for path in paths]


def _data_sets(case: Any) -> Iterator[tuple[list[Any], list[Any]]]:
    if case.data_sets is not None:
        yield from case.data_sets
        return
    for folder in sorted(glob.glob(f"{case.model_dir}/test_data_set_*")):
        yield _stored(folder, "input"), _stored(folder, "output")


def check(case: Any) -> None:
    """JitliteError where the case is refused, AssertionError where an answer is wrong (of random numbers: its type or its shape)."""
    model = case.model if case.model is not None else onnx.load(f"{case.model_dir}/model.onnx")
    prepared = onnx_backend.prepare(model)
    for inputs, outputs in _data_sets(case):
        found = [np.asarray(value) for value in prepared.run(inputs)]
        wanted = [np.asarray(_array(value)) for value in outputs]
        if any(node.op_type in RANDOM for node in model.graph.node):
            assert [(value.dtype, value.shape) for value in found] == [(value.dtype, value.shape) for value in wanted]
        else:
            Runner.assert_similar_outputs(wanted, found, case.rtol, case.atol)


def outcome(case: Any) -> str:
    """ "passes", or what went wrong."""
    try:
        check(case)
    except JitliteError as error:
        return f"refused: {' '.join(str(error).split())}"
    except AssertionError as error:
        return f"WRONG: {' '.join(str(error).split())}"
    return "passes"


def _reason(result: str) -> str:
    """What is missing, without the names of one case."""
    text = re.sub(r"^refused: (the model: \d+ nodes? cannot be converted |ONNX model: |input '[^']*': )?", "", result)
    text = re.sub(r"node '[^']*' \(([\w.]+), opset \d+\): ", r"\1: ", text)
    text = re.sub(r" \(the first dimension of .*", "", text)
    text = re.split(r" [A-Z]\w+: ", text, maxsplit=1)[0] if text.count(": ") > 2 else text
    return re.sub(r"'[^']*'", "…", text)[:150].replace("\n", " ").rstrip(":")


def write_unsupported(results: dict[str, str]) -> None:
    """Rewrites the list from the results of all cases."""
    by_reason: dict[str, list[str]] = {}
    for name, result in results.items():
        if result != "passes":
            by_reason.setdefault("DIFFERS" if result.startswith("WRONG") else _reason(result), []).append(name)
    lines = [f"{reason}:\n" + "".join(f"    {name}\n" for name in sorted(names)) for reason, names in sorted(by_reason.items())]
    UNSUPPORTED.write_text("".join(lines))


if __name__ == "__main__":
    wanted, results = [word for word in sys.argv[1:] if word != "--write"], {}
    for name, case in cases().items():
        if all(word in name for word in wanted):
            results[name] = outcome(case)
            print(name, results[name][:400], flush=True)
    print(list(results.values()).count("passes"), "of", len(results), "pass")
    if "--write" in sys.argv and not wanted:
        write_unsupported(results)
