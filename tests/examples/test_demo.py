import json
import subprocess
import sys
from pathlib import Path

import pytest

from jitlite.schemas import read_model

DEMO = Path(__file__).resolve().parents[2] / "examples" / "fashion_mnist" / "demo.py"


@pytest.mark.slow
def test_demo_converts_quantizes_and_reports(tmp_path: Path) -> None:
    command = [sys.executable, DEMO, "--output", tmp_path / "demo", "--images", "550"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == ["float32.tflite", "int8.tflite", "report.json", "report.png"]
    report = json.loads((tmp_path / "demo" / "report.json").read_text())
    assert report["images"] == 550
    for name in ("float32", "int8"):
        assert report[name]["accuracy"] > 0.88
        assert report[name]["size_bytes"] == (tmp_path / "demo" / f"{name}.tflite").stat().st_size
        assert report[name]["latency_p50_us"] > 0
        assert read_model(tmp_path / "demo" / f"{name}.tflite").subgraphs
    assert abs(report["float32"]["accuracy"] - report["int8"]["accuracy"]) < 0.02
    assert report["same_prediction"] > 0.95
    assert report["conversion_error"] < 1e-4
    assert (tmp_path / "demo" / "report.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert "int8.tflite is" in done.stdout
