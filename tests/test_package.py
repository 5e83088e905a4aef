"""The wheel made from the sdist works in a clean environment, outside the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from jitlite.interpreter import Interpreter
from jitlite.interpreter.codegen.cache import cache_folder
from tests.interpreter.test_interpreter import two_input_model

ROOT = Path(__file__).resolve().parent.parent

RUN = """
import sys, numpy as np
import jitlite
from jitlite.interpreter import Interpreter
from jitlite.schemas.errors import UnsupportedError
assert "site-packages" in jitlite.__file__, jitlite.__file__
interpreter = None
try:
    interpreter = Interpreter(model_path="model.tflite")
    interpreter.allocate_tensors()
except UnsupportedError as error:
    print("refused:", error)
else:
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], np.array([[1, 2, 3]], np.float32))
    interpreter.invoke()
    print("result:", interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).tolist())
"""


def run(*command: str, **environment: str) -> str:
    inherited = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    cwd = environment.pop("cwd", None)
    done = subprocess.run(command, env=inherited | environment, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT))
    (found,) = folder.glob("*.whl")
    return found


@pytest.mark.slow
def test_the_wheel_holds_every_module(wheel):
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")}
    assert held == {str(path.relative_to(ROOT)) for path in (ROOT / "jitlite").rglob("*.py")}


@pytest.mark.slow
def test_the_wheel_runs_in_a_clean_environment(wheel, tmp_path):
    run(sys.executable, "-m", "venv", str(tmp_path / "env"))
    python = str(tmp_path / "env" / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    (tmp_path / "model.tflite").write_bytes(two_input_model())
    settings = {"JITLITE_CACHE_DIR": str(tmp_path / "cache"), "cwd": str(tmp_path)}
    run(python, "-m", "pip", "install", "--quiet", str(wheel))
    assert "pip install 'jitlite[jit]'" in run(python, "-c", RUN, **settings)
    assert "convert" in run(python, "-m", "jitlite", "--help", **settings)
    compiled = Interpreter(model_content=two_input_model())
    compiled.allocate_tensors()
    settings["JITLITE_CACHE_DIR"] = str(cache_folder())
    assert "result: [[2.0, 8.0, 18.0]]" in run(python, "-c", RUN, **settings)
