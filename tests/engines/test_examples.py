"""The example that trains with Keras, run as printed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jitlite.schemas import read_model
from tests.engines.agreement import needs, operators

pytestmark = [*needs("tensorflow", "keras", "tf2onnx"), pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "examples" / "keras_savedmodel" / "demo.py"


def test_keras_savedmodel(tmp_path: Path) -> None:
    command = [sys.executable, DEMO, "--output", tmp_path / "demo", "--epochs", "2", "--images", "300"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "demo" / "report.json").read_text())
    assert report["images"] == 300
    assert report["float32"]["same_as_keras"] == 1
    assert report["int8"]["same_as_keras"] > 0.95
    for name in ("float32", "int8"):
        content = (tmp_path / "demo" / f"{name}.tflite").read_bytes()
        assert report[name]["size_bytes"] == len(content)
        assert operators(content)["TRANSPOSE"] == 0
        assert [found.signature_key for found in read_model(tmp_path / "demo" / f"{name}.tflite").signature_defs] == ["serving_default"]
