"""Damaged and hostile files end in a JitliteError or, where they are legal, run; nothing else happens."""

import json
import subprocess
import sys

import pytest

RUN = """
import json, sys
from pathlib import Path
import numpy as np
from jitlite.interpreter import Interpreter
from jitlite.schemas.errors import JitliteError

results = {}
for path in sorted(Path(sys.argv[1]).glob("*.tflite")):
    try:
        interpreter = Interpreter(str(path))
        interpreter.allocate_tensors()
        for detail in interpreter.get_input_details():
            interpreter.set_tensor(detail["index"], np.ones(detail["shape"], detail["dtype"]))
        interpreter.invoke()
        for detail in interpreter.get_output_details():
            interpreter.get_tensor(detail["index"])
        results[path.stem] = ["ran", ""]
    except JitliteError as error:
        results[path.stem] = [type(error).__name__, str(error)]
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def results(corpus):
    """What became of each file: (class of the error or "ran", message). One process for all: a crash or a hang fails every test here."""
    command = [sys.executable, "-X", "faulthandler", "-c", RUN, str(corpus / "malformed")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_file_ends_in_a_run_or_a_jitlite_error(results, corpus):
    assert len(results) == len(list((corpus / "malformed").glob("*.tflite"))) > 30


def test_legal_files_run_and_only_they(results):
    ran = {name for name, (outcome, _) in results.items() if outcome == "ran"}
    assert {"ok_add", "ok_conv"} <= ran
    assert ran <= {"ok_add", "ok_conv", "missing_builtin_options_add"}


def test_every_refusal_has_a_reason(results):
    for name, (outcome, message) in results.items():
        assert outcome == "ran" or len(message) > 20, name
