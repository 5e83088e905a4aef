import numpy as np
import pytest

import jitlite
from tests.interpreter.test_custom import flex, model_of
from tests.tools.network import Files, fail, parsed, succeed


def test_inspect_shows_partitions_and_reasons(files: Files) -> None:
    found = parsed("inspect", files.float32, "--delegate", "numpy")
    assert found["delegates"] == [{"name": "numpy", "options": {"max_delegated_partitions": "0", "min_nodes_per_partition": "0"}}]
    assert found["delegated"] == sum(len(part["operators"]) for part in found["partitions"])
    assert found["delegated"] + len(found["left"]) == found["operators"]
    first = found["partitions"][0]
    assert {"tensor", "name", "shape", "dtype", "bytes", "in_host_memory"} == first["inputs"][0].keys()
    assert first["inputs"][0]["name"] == "image"
    text = succeed("inspect", files.float32, "--delegate", "numpy").stdout
    assert f"numpy takes {found['delegated']} of {found['operators']} operators in {len(found['partitions'])} partition" in text


def test_inspect_says_why_operators_are_left(files: Files) -> None:
    text = succeed("inspect", files.int8, "--delegate", "numpy").stdout
    assert "CONV_2D" in text
    assert "results of type FLOAT32 are supported, found INT8" in text
    limited = succeed("inspect", files.float32, "--delegate", "numpy", "--delegate-option", "min_nodes_per_partition=99").stdout
    assert "min_nodes_per_partition is 99" in limited


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--delegate", "none"), 1),
        (("--delegate", "numpy", "--delegate-option", "speed=1"), 1),
        (("--delegate", "numpy", "--delegate-option", "speed"), 2),
        (("--delegate-option", "speed=1"), 2),
        (("--delegate", "numpy", "--text"), 2),
    ],
)
def test_refuses_what_makes_no_sense(arguments: tuple[str, ...], code: int, files: Files) -> None:
    fail("inspect", files.float32, *arguments, code=code)


def test_runs_and_compares(files: Files, tmp_path) -> None:
    for name, more in (("plain", ()), ("delegated", ("--delegate", "numpy"))):
        succeed("run", files.float32, "--input", files.samples, "-o", tmp_path / f"{name}.npy", *more)
    np.testing.assert_allclose(np.load(tmp_path / "plain.npy"), np.load(tmp_path / "delegated.npy"), rtol=1e-4, atol=1e-5)
    succeed("compare", files.float32, files.float32, "--random", "--tolerance", "1e-4", "--delegate", "numpy", "--layers")


def test_from_python(files: Files) -> None:
    found = jitlite.compare(files.float32, files.float32, delegates=[jitlite.load_delegate("numpy")])
    assert all(item.relative < 1e-4 for item in found.outputs.values())
    (measured,) = jitlite.benchmark([files.float32], delegate="numpy", num_runs=2, min_secs=0)
    assert measured.probe["first_inference_ns"] > 0


def test_measures(files: Files) -> None:
    found = parsed("benchmark", files.float32, "--delegate", "numpy", "--min-secs", "0", "--num-runs", "2", "--profile")
    ops = [group["op"] for group in found["models"][0]["profile"]["by_type"]]
    assert any(op.startswith("DELEGATE numpy") for op in ops)


OPERATORS = """
import jitlite


@jitlite.custom_operator("Softsign", infer=lambda call: [call.inputs[0]])
def softsign(x, scale):
    return x / (abs(x) + type(x.flat[0])(scale))
"""


def test_custom_operators_from_a_file(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("jitlite.interpreter.custom.CUSTOM_OPERATORS", operators := {})
    monkeypatch.setattr("jitlite.tools.support.CUSTOM_OPERATORS", operators)
    monkeypatch.setattr("jitlite.tools.operators.LOADED", loaded := [])
    monkeypatch.setattr("jitlite.tools.benchmark.LOADED", loaded)
    model, file = tmp_path / "model.tflite", tmp_path / "operators.py"
    model.write_bytes(model_of("Softsign", flex(scale=2.0)))
    file.write_text(OPERATORS)
    assert "Softsign: the operator is not supported" in succeed("inspect", model).stdout
    fail("run", model, "--random")
    assert parsed("inspect", model, "--custom-operators", file)["unsupported"] == []
    parsed("run", model, "--random", "--custom-operators", file)
    found = parsed("benchmark", model, "--custom-operators", file, "--min-secs", "0", "--num-runs", "2")
    assert found["models"][0]["first_inference_us"] > 0
    file.write_text("1 // 0")
    assert "ZeroDivisionError" in fail("run", model, "--random", "--custom-operators", file)
    fail("run", model, "--random", "--custom-operators", tmp_path / "none.py")
